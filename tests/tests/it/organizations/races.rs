//! What happens at the same time, through two api processes.

use std::sync::Arc;

use futures_util::future::join_all;
use peyk_tests::harness::Peyk;
use reqwest::Method;
use serde_json::json;

use super::steps::{fresh_uname, invite, make, roomy};
use crate::{login_steps::count, people::Person};

/// Requests at once.
const MANY: usize = 16;

/// Organizations that have not exactly one owner, the one they name.
const WITHOUT_ONE_OWNER: &str = "SELECT count(*) FROM organizations o WHERE 1 <> (
        SELECT count(*) FROM organization_members WHERE organization_id = o.id AND role = 'owner')
    OR NOT EXISTS (
        SELECT FROM organization_members
        WHERE organization_id = o.id AND user_id = o.owner_id AND role = 'owner')";

async fn two_apis() -> Arc<Peyk> {
    Arc::new(roomy().apis(2).start().await)
}

async fn people(peyk: &Peyk, count: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for _ in 0..count {
        people.push(Person::new(peyk).await);
    }
    people
}

#[tokio::test]
async fn one_of_many_who_want_a_uname_gets_it() {
    let peyk = two_apis().await;
    let people = people(&peyk, 4).await;
    let body = json!({"name": "x", "uname": fresh_uname()});
    let wishes = (0..MANY)
        .map(|i| people[i % 4].ask_at(&peyk, i % 2, Method::POST, "organizations/", Some(&body)));
    let mut statuses: Vec<_> = join_all(wishes).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    let expected: Vec<_> = std::iter::once(201).chain([409; MANY - 1]).collect();
    assert_eq!(statuses, expected);
    assert_eq!(count(&peyk, "SELECT count(*) FROM organizations").await, 1);
}

#[tokio::test]
async fn accepting_many_times_at_once_joins_once() {
    let peyk = two_apis().await;
    let people = people(&peyk, 2).await;
    let id = make(&peyk, &people[0], &[]).await;
    let invitation = invite(&peyk, id, &people[0], &people[1]).await;
    let path = format!("invitations/{invitation}/accept/");
    let accepts = (0..MANY).map(|i| people[1].ask_at(&peyk, i % 2, Method::POST, &path, None));
    for answer in join_all(accepts).await {
        assert_eq!((answer.status, &answer.json["id"]), (200, &json!(id)), "{answer:?}");
    }
    assert_eq!(count(&peyk, "SELECT count(*) FROM organization_members").await, 2);
    let joined = "SELECT count(*) FROM audit_events WHERE action = 'organization.joined'";
    assert_eq!(count(&peyk, joined).await, 1);
}

/// Yes, no and never mind at once: one of them holds, and the members are those that it says.
#[tokio::test]
async fn an_invitation_is_settled_one_way() {
    let peyk = two_apis().await;
    let people = people(&peyk, 2).await;
    for _ in 0..8 {
        let id = make(&peyk, &people[0], &[]).await;
        let invitation = invite(&peyk, id, &people[0], &people[1]).await;
        let [accept, decline] =
            ["accept", "decline"].map(|word| format!("invitations/{invitation}/{word}/"));
        let withdraw = format!("organizations/{id}/invitations/{invitation}/");
        let (accept, decline, withdraw) = tokio::join!(
            people[1].ask_at(&peyk, 0, Method::POST, &accept, None),
            people[1].ask_at(&peyk, 1, Method::POST, &decline, None),
            people[0].ask_at(&peyk, 1, Method::DELETE, &withdraw, None),
        );
        let done = [&accept, &decline, &withdraw].map(|answer| answer.status == 200);
        assert_eq!(
            done.iter().filter(|done| **done).count(),
            1,
            "{accept:?} {decline:?} {withdraw:?}"
        );
        let members = "SELECT count(*) FROM organization_members WHERE organization_id = $1";
        let members: i64 =
            sqlx::query_scalar(members).bind(id).fetch_one(&peyk.database.pool).await.unwrap();
        assert_eq!(members, if done[0] { 2 } else { 1 });
    }
}

#[tokio::test]
async fn an_organization_is_handed_to_one_of_two_at_once() {
    let peyk = two_apis().await;
    let people = people(&peyk, 3).await;
    for _ in 0..8 {
        let others = [(&people[1], "member"), (&people[2], "admin")];
        let id = make(&peyk, &people[0], &others).await;
        let path = format!("organizations/{id}/transfer/");
        let bodies = [1, 2].map(|i: usize| json!({"user_id": people[i].id}));
        let gives = [0, 1]
            .map(|i: usize| people[0].ask_at(&peyk, i, Method::POST, &path, Some(&bodies[i])));
        let mut statuses: Vec<_> =
            join_all(gives).await.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403]);
        assert_eq!(count(&peyk, WITHOUT_ONE_OWNER).await, 0);
    }
}

/// The next owner leaves, or is put out, at the moment they are made it.
#[tokio::test]
async fn there_is_one_owner_whoever_leaves_at_whatever_moment() {
    let peyk = two_apis().await;
    let people = people(&peyk, 3).await;
    let mut kinds = std::collections::BTreeSet::new();
    for round in 0..16 {
        let others = [(&people[1], "member"), (&people[2], "admin")];
        let id = make(&peyk, &people[0], &others).await;
        let path = format!("organizations/{id}/transfer/");
        let body = json!({"user_id": people[1].id});
        let out = format!("organizations/{id}/members/{}/", people[1].id);
        let remover = &people[1 + round % 2];
        let (given, left) = tokio::join!(
            people[0].ask_at(&peyk, 0, Method::POST, &path, Some(&body)),
            remover.ask_at(&peyk, 1, Method::DELETE, &out, None),
        );
        // Whoever came second finds an owner who stays, or nobody to become one.
        let outcome = (given.status, left.status);
        let fine = [(200, 409), (200, 403), (400, 200)];
        assert!(fine.contains(&outcome), "{given:?} {left:?}");
        kinds.insert(outcome.0);
        assert_eq!(count(&peyk, WITHOUT_ONE_OWNER).await, 0);
    }
    assert!(!kinds.is_empty());
}

#[tokio::test]
async fn no_more_people_join_than_there_is_room_for() {
    let peyk = roomy().set("ORGANIZATIONS__MEMBERS", "4").apis(2).start().await;
    let people = people(&peyk, 8).await;
    let id = make(&peyk, &people[0], &[]).await;
    let mut paths = Vec::new();
    for guest in &people[1..] {
        let invitation = invite(&peyk, id, &people[0], guest).await;
        paths.push(format!("invitations/{invitation}/accept/"));
    }
    let accepts = paths
        .iter()
        .enumerate()
        .map(|(i, path)| people[i + 1].ask_at(&peyk, i % 2, Method::POST, path, None));
    let answers = join_all(accepts).await;
    let joined = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers.iter().filter(|answer| answer.json["code"] == "limit_reached").count();
    assert_eq!((joined, refused), (3, 4), "{answers:?}");
    assert_eq!(count(&peyk, "SELECT count(*) FROM organization_members").await, 4);
}

#[tokio::test]
async fn nobody_owns_more_than_they_may_by_asking_for_many_at_once() {
    let peyk = roomy().set("ORGANIZATIONS__OWNED_PER_USER", "3").apis(2).start().await;
    let sara = Person::new(&peyk).await;
    let bodies: Vec<_> = (0..MANY).map(|_| json!({"name": "x", "uname": fresh_uname()})).collect();
    let wishes = bodies
        .iter()
        .enumerate()
        .map(|(i, body)| sara.ask_at(&peyk, i % 2, Method::POST, "organizations/", Some(body)));
    let made = join_all(wishes).await;
    assert_eq!(made.iter().filter(|answer| answer.status == 201).count(), 3);
    assert_eq!(count(&peyk, "SELECT count(*) FROM organizations").await, 3);
}

/// The database itself has no organization without its one owner.
#[tokio::test]
async fn the_database_refuses_an_organization_without_exactly_one_owner() {
    let peyk = two_apis().await;
    let people = people(&peyk, 2).await;
    make(&peyk, &people[0], &[(&people[1], "admin")]).await;
    for sql in [
        "INSERT INTO organizations (name, uname, owner_id, created_at) VALUES ('x', 'xxx', 1, now())",
        "UPDATE organizations SET owner_id = owner_id + 1",
        "UPDATE organization_members SET role = 'admin' WHERE role = 'owner'",
        "UPDATE organization_members SET role = 'owner'",
        "DELETE FROM organization_members WHERE role = 'owner'",
    ] {
        let refused = sqlx::raw_sql(sql).execute(&peyk.database.pool).await;
        assert!(refused.is_err(), "{sql}");
    }
    let twice = "INSERT INTO organizations (name, uname, owner_id, created_at)
        SELECT name, upper(uname), owner_id, now() FROM organizations";
    let refused = sqlx::raw_sql(twice).execute(&peyk.database.pool).await.unwrap_err();
    assert!(refused.to_string().contains("organizations_uname_key"), "{refused}");
    assert_eq!(count(&peyk, WITHOUT_ONE_OWNER).await, 0);
}
