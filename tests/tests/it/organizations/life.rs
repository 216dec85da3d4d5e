//! Making, renaming, handing over and deleting organizations.

use reqwest::Method;
use serde_json::{Value, json};

use super::steps::{audited, fresh_uname, make, refusal, role, roomy};
use crate::{
    login_steps::{patient, text},
    people::{Person, column},
};

#[tokio::test]
async fn an_organization_is_made_shown_renamed_and_deleted() {
    let peyk = roomy().start().await;
    let sara = Person::new(&peyk).await;
    let uname = fresh_uname();
    let body = json!({"name": " فروشگاه سارا ", "uname": uname.to_uppercase()});
    let made = sara.post(&peyk, "organizations/", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json["id"].as_i64().unwrap();
    assert_eq!(made.json["name"], "فروشگاه سارا");
    assert_eq!(made.json["uname"], uname.as_str(), "capitals are folded");
    assert_eq!((&made.json["owner"], &made.json["role"]), (&json!(sara.id), &json!("owner")));
    let path = format!("organizations/{id}/");
    assert_eq!(sara.get(&peyk, &path).await.json, made.json);
    let page = sara.get(&peyk, "organizations/").await;
    assert_eq!(page.json["results"], json!([made.json]));
    assert_eq!((&page.json["next"], &page.json["previous"]), (&Value::Null, &Value::Null));

    let other = fresh_uname();
    let renamed = json!({"name": "Sara", "uname": other});
    let answer = sara.ask(&peyk, Method::PATCH, &path, Some(&renamed)).await;
    assert_eq!((text(&answer, "name"), text(&answer, "uname")), ("Sara".to_owned(), other));
    let nothing = sara.ask(&peyk, Method::PATCH, &path, Some(&json!({}))).await;
    assert_eq!((nothing.status, &nothing.json), (200, &answer.json));

    let deleted = sara.ask(&peyk, Method::DELETE, &path, None).await;
    assert_eq!((deleted.status, text(&deleted, "details").is_empty()), (200, false));
    assert_eq!(sara.get(&peyk, &path).await.status, 404);
    let left = "SELECT (SELECT count(*) FROM organization_members)
        + (SELECT count(*) FROM organizations)";
    assert_eq!(peyk.database.count(left).await, 0);
    let by = |action: &str| format!("{} organization.{action}", sara.id);
    assert_eq!(audited(&peyk, id).await, [by("created"), by("renamed"), by("deleted")]);
}

#[tokio::test]
async fn a_uname_is_one_organizations_in_every_spelling() {
    let peyk = roomy().start().await;
    let (sara, omid) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let create = async |person: &Person, uname: &str| {
        person.post(&peyk, "organizations/", &json!({"name": "x", "uname": uname})).await
    };
    assert_eq!(create(&sara, "shop_12").await.status, 201);
    for spelling in ["shop_12", "SHOP_12", "shop_۱۲"] {
        let taken = create(&omid, spelling).await;
        assert_eq!(refusal(&taken), (409, "uname_taken"));
        let sentence = "organization with this uname already exists.";
        assert_eq!(taken.json["error"], sentence);
        assert_eq!(taken.json["uname"], json!([sentence]), "the old flat member");
    }
    let own = create(&omid, "bazaar").await;
    let path = format!("organizations/{}/", own.json["id"]);
    let taken = omid.ask(&peyk, Method::PATCH, &path, Some(&json!({"uname": "Shop_12"}))).await;
    assert_eq!(refusal(&taken), (409, "uname_taken"));
    for (uname, code) in
        [("ab", "length"), ("a-b-c", "invalid"), ("Admin", "reserved"), ("0912345", "invalid")]
    {
        let refused = create(&omid, uname).await;
        assert_eq!(refusal(&refused), (400, "validation"));
        assert_eq!(refused.json["errors"][0]["code"], code, "{uname}");
    }
    let blank = omid.post(&peyk, "organizations/", &json!({"name": "a\u{202e}b"})).await;
    let fields = blank.json["fields"].as_object().unwrap();
    let fields: Vec<_> = fields.keys().map(String::as_str).collect();
    assert_eq!((blank.status, fields), (400, vec!["name", "uname"]));
    assert_eq!(peyk.database.count("SELECT count(*) FROM organizations").await, 2);
}

#[tokio::test]
async fn deleting_and_handing_over_need_a_recent_login() {
    let peyk = roomy().start().await;
    let (sara, omid) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &sara, &[(&omid, "member")]).await;
    sara.grow_stale(&peyk).await;
    let path = format!("organizations/{id}/");
    let to = json!({"user_id": omid.id});
    let deleted = sara.ask(&peyk, Method::DELETE, &path, None).await;
    assert_eq!(refusal(&deleted), (403, "confirmation_required"));
    let given = sara.post(&peyk, &format!("{path}transfer/"), &to).await;
    assert_eq!(refusal(&given), (403, "confirmation_required"));
    // What needs none goes on, and who may not do it at all is told that.
    let renamed = sara.ask(&peyk, Method::PATCH, &path, Some(&json!({"name": "y"}))).await;
    assert_eq!(renamed.status, 200);
    let member = omid.ask(&peyk, Method::DELETE, &path, None).await;
    assert_eq!(refusal(&member), (403, "permission_denied"));
    let again = Person::with(&peyk, &sara.mobile).await;
    let given = again.post(&peyk, &format!("{path}transfer/"), &to).await;
    assert_eq!((given.status, &given.json["owner"]), (200, &json!(omid.id)));
    assert_eq!(given.json["role"], "admin");
    assert_eq!(role(&peyk, id, &omid).await.as_deref(), Some("owner"));
}

#[tokio::test]
async fn the_owner_hands_over_to_a_member_who_may_log_in_and_to_nobody_else() {
    let peyk = roomy().start().await;
    let (sara, omid, stranger) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &sara, &[(&omid, "admin")]).await;
    let give = async |to: Value| {
        let path = format!("organizations/{id}/transfer/");
        sara.post(&peyk, &path, &json!({ "user_id": to })).await
    };
    for to in [json!(stranger.id), json!(sara.id), json!(0)] {
        let refused = give(to).await;
        assert_eq!(refusal(&refused), (400, "validation"));
        assert_eq!(refused.json["errors"][0]["field"], "user_id");
    }
    peyk.database.execute("UPDATE users SET is_active = false WHERE id = 2").await;
    assert_eq!(omid.id, 2);
    assert_eq!(refusal(&give(json!(omid.id)).await), (400, "validation"));
    peyk.database.execute("UPDATE users SET is_active = true").await;
    assert_eq!(give(json!(omid.id)).await.status, 200);
    assert_eq!(refusal(&give(json!(omid.id)).await), (403, "permission_denied"));
    assert_eq!(audited(&peyk, id).await, [format!("{} organization.transferred", sara.id)]);
}

#[tokio::test]
async fn a_list_goes_on_where_its_page_ended() {
    let peyk = roomy().start().await;
    let sara = Person::new(&peyk).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(json!(make(&peyk, &sara, &[]).await));
    }
    made.reverse();
    let (mut seen, mut path) = (Vec::new(), "organizations/?limit=2".to_owned());
    for last in [false, false, true] {
        let page = sara.get(&peyk, &path).await;
        seen.extend(column(&page, "id").into_iter().cloned());
        assert_eq!(page.json["next"].is_null(), last);
        path = page.json["next"].as_str().unwrap_or_default().to_owned();
        path = path.split_once("/api/").map_or(String::new(), |(_, rest)| rest.to_owned());
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn somebody_owns_so_many_organizations_and_no_more() {
    let peyk = patient().set("ORGANIZATIONS__OWNED_PER_USER", "2").start().await;
    let sara = Person::new(&peyk).await;
    for status in [201, 201, 409] {
        let body = json!({"name": "x", "uname": fresh_uname()});
        let made = sara.post(&peyk, "organizations/", &body).await;
        assert_eq!(made.status, status, "{made:?}");
        if status == 409 {
            assert_eq!(refusal(&made), (409, "limit_reached"));
            assert_eq!(text(&made, "error"), "There cannot be more than 2.");
        }
    }
}
