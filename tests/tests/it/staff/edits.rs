//! Staff who change accounts, erase them, and end single sessions.

use peyk_tests::harness::{Peyk, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use super::steps::{act, audited, refusal, staff};
use crate::{
    login_steps::{count, patient},
    people::{Person, column},
};

async fn edit(peyk: &Peyk, by: &Person, whom: i64, body: &Value) -> (u16, Value) {
    let answer = by.ask(peyk, Method::PATCH, &format!("admin/users/{whom}/"), Some(body)).await;
    (answer.status, answer.json)
}

#[tokio::test]
async fn an_account_is_changed_and_the_log_has_the_names_of_what_changed() {
    let peyk = patient().start().await;
    let (sara, support) = (Person::new(&peyk).await, staff(&peyk, "support").await);
    let change = json!({"first_name": "Sara", "last_name": "", "email": "sara@example.com"});
    let (status, changed) = edit(&peyk, &support, sara.id, &change).await;
    assert_eq!(status, 200, "{changed}");
    let me = sara.get(&peyk, "me/").await.json;
    for name in ["first_name", "last_name", "email", "username", "mobile_number", "group"] {
        assert_eq!(changed[name], me[name], "{name}");
    }
    assert_eq!((&me["first_name"], &me["email"]), (&json!("Sara"), &json!("sara@example.com")));
    // What says the same again changed nothing, and what is not offered is not taken.
    let ignored = json!({"first_name": "Sara", "is_active": false, "role": "admin", "id": 9});
    assert_eq!(edit(&peyk, &support, sara.id, &ignored).await.0, 200);
    assert_eq!(edit(&peyk, &support, sara.id, &json!({"group": 1})).await.1["group"], 1);
    let events = audited(&peyk, "user").await;
    let edits: Vec<_> = events.iter().filter(|(action, ..)| action == "user.edited").collect();
    assert_eq!(edits.len(), 2);
    assert_eq!(
        (edits[0].1, &edits[0].2),
        (Some(sara.id), &json!({"fields": ["email", "first_name"]}))
    );
    assert_eq!(edits[1].2, json!({"fields": ["group"]}));
    for (body, field) in [
        (json!({"email": "x"}), "email"),
        (json!({"first_name": "a\u{202e}b"}), "first_name"),
        (json!({"group": 7}), "group"),
        (json!({"group": "x"}), "group"),
    ] {
        let (status, refused) = edit(&peyk, &support, sara.id, &body).await;
        assert_eq!((status, &refused["errors"][0]["field"]), (400, &json!(field)), "{refused}");
    }
    assert_eq!(edit(&peyk, &support, 999, &change).await.0, 404);
    // Her number has an account in the other group by now.
    peyk_tests::aging::pass_seconds(&peyk.database.pool, &sara.mobile, 300.0).await;
    let again = Person::with(&peyk, &sara.mobile).await;
    let (status, taken) = edit(&peyk, &support, again.id, &json!({"group": 1})).await;
    assert_eq!((status, &taken["code"]), (409, &json!("conflict")), "{taken}");
}

#[tokio::test]
async fn only_admins_edit_staff_and_everybody_needs_a_recent_login() {
    let peyk = patient().start().await;
    let (support, viewer) = (staff(&peyk, "support").await, staff(&peyk, "viewer").await);
    let admin = staff(&peyk, "admin").await;
    let change = json!({"first_name": "X"});
    assert_eq!(edit(&peyk, &support, viewer.id, &change).await.1["code"], "permission_denied");
    assert_eq!(edit(&peyk, &viewer, support.id, &change).await.1["code"], "permission_denied");
    assert_eq!(edit(&peyk, &admin, viewer.id, &change).await.0, 200);
    admin.grow_stale(&peyk).await;
    assert_eq!(edit(&peyk, &admin, viewer.id, &change).await.1["code"], "confirmation_required");
    let erased = act(&peyk, &admin, &format!("admin/users/{}/erase/", viewer.id)).await;
    assert_eq!(refusal(&erased), (403, "confirmation_required"));
}

#[tokio::test]
async fn an_admin_erases_an_account_for_good() {
    let peyk = patient().start().await;
    let (sara, admin) = (Person::new(&peyk).await, staff(&peyk, "admin").await);
    let support = staff(&peyk, "support").await;
    let path = format!("admin/users/{}/erase/", sara.id);
    assert_eq!(refusal(&act(&peyk, &support, &path).await), (403, "permission_denied"));
    assert_eq!(act(&peyk, &admin, &path).await.status, 200);
    wait_for("the token to be refused", || async {
        (sara.get(&peyk, "me/").await.status == 401).then_some(())
    })
    .await;
    let left =
        "SELECT count(*) FROM users WHERE id = 1 AND phone IS NULL AND erased_at IS NOT NULL";
    assert_eq!((sara.id, count(&peyk, left).await), (1, 1));
    assert_eq!(refusal(&act(&peyk, &admin, &path).await), (404, "not_found"));
    assert_eq!(edit(&peyk, &admin, sara.id, &json!({"first_name": "X"})).await.0, 404);
    let own = format!("admin/users/{}/erase/", admin.id);
    assert_eq!(refusal(&act(&peyk, &admin, &own).await), (409, "conflict"), "the last admin");
}

#[tokio::test]
async fn one_session_ends_within_a_second_and_the_others_go_on() {
    let peyk = patient().apis(2).start().await;
    let phone = Person::new(&peyk).await;
    peyk_tests::aging::pass_seconds(&peyk.database.pool, &phone.mobile, 300.0).await;
    let tablet = Person::with(&peyk, &phone.mobile).await;
    let support = staff(&peyk, "support").await;
    let page = support.get(&peyk, "admin/sessions/?user_id=1&is_active=true").await;
    let ids = column(&page, "id");
    assert_eq!((phone.id, ids.len()), (1, 2));
    let path = format!("admin/sessions/{}/revoke/", ids[1]);
    let ended = act(&peyk, &support, &path).await;
    assert_eq!((ended.status, &ended.json["sessions"]), (200, &json!(1)), "{ended:?}");
    for api in [0, 1] {
        wait_for("the token to be refused", || async {
            let me = phone.ask_at(&peyk, api, Method::GET, "me/", None).await;
            (me.status == 401).then_some(())
        })
        .await;
        assert_eq!(tablet.ask_at(&peyk, api, Method::GET, "me/", None).await.status, 200);
    }
    let again = act(&peyk, &support, &path).await;
    assert_eq!((again.status, &again.json["sessions"]), (200, &json!(0)), "{again:?}");
    let events = audited(&peyk, "session").await;
    let ends: Vec<_> = events.iter().filter(|(action, ..)| action == "session.ended").collect();
    assert_eq!((ends.len(), &ends[0].2), (1, &json!({"user": 1})));
    let page = support.get(&peyk, "admin/sessions/?user_id=1&is_active=false").await;
    assert_eq!(column(&page, "revoked_reason"), ["staff"]);
    // Whoever is staff is touched by admins alone.
    let viewer = staff(&peyk, "viewer").await;
    let page = support.get(&peyk, &format!("admin/sessions/?user_id={}", viewer.id)).await;
    let path = format!("admin/sessions/{}/revoke/", column(&page, "id")[0]);
    assert_eq!(refusal(&act(&peyk, &support, &path).await), (403, "permission_denied"));
    assert_eq!(act(&peyk, &support, "admin/sessions/999/revoke/").await.status, 404);
}
