//! Who belongs to an organization, and who changes that.

use serde_json::json;

use super::steps::{ask_to_join, audited, make, refusal, remove, role, roomy, set_role};
use crate::people::{Person, column};

#[tokio::test]
async fn admins_look_after_members_and_never_touch_the_owner() {
    let peyk = roomy().start().await;
    let (owner, admin, member) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &owner, &[(&admin, "admin"), (&member, "member")]).await;
    for (by, of, to, expected) in [
        (&admin, &owner, "member", (403, "permission_denied")),
        (&admin, &member, "owner", (400, "validation")),
        (&owner, &owner, "admin", (409, "owner_stays")),
        (&owner, &member, "owner", (400, "validation")),
        (&member, &member, "admin", (403, "permission_denied")),
        (&member, &admin, "member", (403, "permission_denied")),
    ] {
        let refused = set_role(&peyk, by, id, of, to).await;
        assert_eq!(refusal(&refused), expected, "{} of {} to {to}", by.id, of.id);
    }
    let promoted = set_role(&peyk, &admin, id, &member, "admin").await;
    assert_eq!((promoted.status, &promoted.json["role"]), (200, &json!("admin")));
    let demoted = set_role(&peyk, &member, id, &admin, "member").await;
    assert_eq!((demoted.status, &demoted.json["role"]), (200, &json!("member")));
    assert_eq!(refusal(&remove(&peyk, &member, id, &owner).await), (403, "permission_denied"));
    assert_eq!(refusal(&remove(&peyk, &admin, id, &member).await), (403, "permission_denied"));
    assert_eq!(remove(&peyk, &member, id, &admin).await.status, 200);
    assert_eq!(remove(&peyk, &member, id, &admin).await.status, 404);
    let stranger = set_role(&peyk, &owner, id, &admin, "admin").await;
    assert_eq!(stranger.status, 404, "nobody is made a member by that");
    let changed = format!("{} organization.role_changed", admin.id);
    let back = format!("{} organization.role_changed", member.id);
    let removed = format!("{} organization.member_removed", member.id);
    assert_eq!(audited(&peyk, id).await, [changed, back, removed]);
}

#[tokio::test]
async fn everybody_leaves_but_the_owner() {
    let peyk = roomy().start().await;
    let (owner, admin, member) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &owner, &[(&admin, "admin"), (&member, "member")]).await;
    assert_eq!(remove(&peyk, &admin, id, &admin).await.status, 200);
    assert_eq!(remove(&peyk, &member, id, &member).await.status, 200);
    assert_eq!(refusal(&remove(&peyk, &owner, id, &owner).await), (409, "owner_stays"));
    assert_eq!(role(&peyk, id, &owner).await.as_deref(), Some("owner"));
    let path = format!("organizations/{id}/");
    assert_eq!(member.get(&peyk, &path).await.status, 404, "whoever left is a stranger");
}

#[tokio::test]
async fn whoever_may_not_invite_any_more_has_invited_nobody() {
    let peyk = roomy().start().await;
    let (owner, admin, other) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let (guest, friend) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &owner, &[(&admin, "admin"), (&other, "admin")]).await;
    assert_eq!(ask_to_join(&peyk, &admin, id, &guest.mobile).await.status, 201);
    assert_eq!(ask_to_join(&peyk, &other, id, &friend.mobile).await.status, 201);
    assert_eq!(column(&guest.get(&peyk, "invitations/").await, "id").len(), 1);
    assert_eq!(remove(&peyk, &owner, id, &admin).await.status, 200);
    assert_eq!(set_role(&peyk, &owner, id, &other, "member").await.status, 200);
    for person in [&guest, &friend] {
        assert_eq!(column(&person.get(&peyk, "invitations/").await, "id").len(), 0);
    }
    let listed = owner.get(&peyk, &format!("organizations/{id}/invitations/")).await;
    assert_eq!(column(&listed, "status"), [&json!("withdrawn"), &json!("withdrawn")]);
}

#[tokio::test]
async fn members_see_one_another_and_only_those_who_run_it_see_numbers() {
    let peyk = roomy().start().await;
    let (owner, admin, member) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let id = make(&peyk, &owner, &[(&admin, "admin"), (&member, "member")]).await;
    peyk.database.execute("UPDATE users SET first_name = 'Sara', email = 's@x.y'").await;
    let path = format!("organizations/{id}/members/");
    let whole = |person: &Person| json!(format!("G0-{}", person.mobile));
    let masked = |person: &Person| {
        let (head, tail) = (&person.mobile[..4], &person.mobile[9..]);
        json!(format!("G0-{head}***{tail}"))
    };
    for looks in [&owner, &admin] {
        let page = looks.get(&peyk, &path).await;
        assert_eq!(column(&page, "username"), [&whole(&member), &whole(&admin), &whole(&owner)]);
        assert_eq!(column(&page, "role"), [&json!("member"), &json!("admin"), &json!("owner")]);
    }
    let page = member.get(&peyk, &path).await;
    assert_eq!(column(&page, "username"), [&whole(&member), &masked(&admin), &masked(&owner)]);
    assert_eq!(column(&page, "first_name"), [&json!("Sara"); 3]);
    let members: Vec<_> = page.json["results"][0].as_object().unwrap().keys().collect();
    let shown = ["first_name", "joined_at", "last_name", "role", "user_id", "username"];
    let mut members: Vec<_> = members.into_iter().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, shown, "and nothing else");
}
