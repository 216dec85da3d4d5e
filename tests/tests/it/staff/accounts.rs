//! What staff see of people and do with their accounts.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use peyk_tests::harness::{Peyk, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    login_steps::{count, patient, send, text},
    people::{Person, column},
};

async fn staff(peyk: &Peyk, role: &str) -> Person {
    let person = Person::new(peyk).await;
    person.join_staff(peyk, role).await;
    person
}

/// What was written down about looks and changes, oldest first: actor, action, subject.
async fn audited(peyk: &Peyk) -> Vec<(i64, String, Option<i64>)> {
    let events = "SELECT actor_user_id, action, subject_id FROM audit_events
        WHERE subject = 'user' AND request_id IS NOT NULL AND ip IS NOT NULL ORDER BY id";
    sqlx::query_as(events).fetch_all(&peyk.database.pool).await.unwrap()
}

async fn act(peyk: &Peyk, by: &Person, whom: &Person, what: &str) -> (u16, String) {
    let path = format!("admin/users/{}/{what}/", whom.id);
    let answer = by.ask(peyk, Method::POST, &path, None).await;
    (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
}

const DETAILS: &str = "UPDATE users SET first_name = 'Sara', last_name = 'Ahmadi',
    email = 'sara@example.com' WHERE id = 1";

#[tokio::test]
async fn viewers_and_finance_see_people_masked_and_support_and_admins_whole() {
    let peyk = patient().start().await;
    let sara = Person::new(&peyk).await;
    assert_eq!(sara.id, 1);
    peyk.database.execute(DETAILS).await;
    let (head, tail) = (&sara.mobile[..4], &sara.mobile[9..]);
    let masked = format!("{head}***{tail}");
    for (role, whole) in [("viewer", false), ("support", true), ("finance", false), ("admin", true)]
    {
        let by = staff(&peyk, role).await;
        let one = by.get(&peyk, "admin/users/1/").await;
        let page = by.get(&peyk, &format!("admin/users/?search={}", sara.mobile)).await;
        assert_eq!(page.json["results"], json!([one.json]), "{role}");
        let seen = ["mobile_number", "username", "email", "first_name", "last_name"]
            .map(|name| text(&one, name));
        let expected = if whole {
            [&sara.mobile, &format!("G0-{}", sara.mobile), "sara@example.com", "Sara", "Ahmadi"]
        } else {
            [&masked, &format!("G0-{masked}"), "s***@***", "S***", "A***"]
        };
        assert_eq!(seen, expected, "{role}");
        let all = by.get(&peyk, "admin/users/").await.json.to_string();
        assert_eq!(all.contains(&sara.mobile), whole, "{role}");
        assert!(!all.contains("password\":\"") && !all.contains("argon2"), "{all}");
    }
}

/// A prefix of a user name that finds somebody would tell the digits that are masked.
#[tokio::test]
async fn people_are_searched_by_number_and_name_and_by_parts_only_where_nothing_is_masked() {
    let peyk = patient().start().await;
    let (sara, omid) = (Person::new(&peyk).await, Person::new(&peyk).await);
    peyk.database.execute("UPDATE users SET username = 'omid_100%' WHERE id = 2").await;
    assert_eq!((sara.id, omid.id), (1, 2));
    let found = async |by: &Person, search: &str| {
        let query = format!("admin/users/?search={search}");
        let page = by.get(&peyk, &query).await;
        column(&page, "id").into_iter().filter_map(Value::as_i64).collect::<Vec<_>>()
    };
    let (viewer, support) = (staff(&peyk, "viewer").await, staff(&peyk, "support").await);
    let persian: String = sara
        .mobile
        .bytes()
        .map(|digit| char::from_u32(0x06f0 + u32::from(digit - b'0')).unwrap())
        .collect();
    for by in [&viewer, &support] {
        assert_eq!(found(by, &sara.mobile).await, [1]);
        assert_eq!(found(by, &persian).await, [1]);
        assert_eq!(found(by, &format!("%2B98{}", &sara.mobile[1..])).await, [1]);
        assert_eq!(found(by, "omid_100%25").await, [2]);
        assert_eq!(found(by, "nobody").await, [0_i64; 0]);
    }
    let prefix = format!("G0-{}", &sara.mobile[..10]);
    assert_eq!(found(&viewer, &prefix).await, [0_i64; 0]);
    assert_eq!(found(&viewer, "omid_").await, [0_i64; 0]);
    assert_eq!(found(&support, &prefix).await, [1]);
    assert_eq!(found(&support, "omid_").await, [2]);
    assert_eq!(found(&support, "%25").await, [0_i64; 0], "nothing is a pattern");
    assert_eq!(found(&support, "").await, [4, 3, 2, 1]);
    let page = support.get(&peyk, "admin/users/?search=o&limit=1").await;
    assert_eq!(page.json["next"], Value::Null);
    let page = support.get(&peyk, "admin/users/?limit=3").await;
    let next = text(&page, "next");
    let query = next.split_once("/api/admin/users/").map(|(_, query)| query).unwrap();
    assert!(query.starts_with("?cursor=") && query.ends_with("&limit=3"), "{page:?}");
    let page = support.get(&peyk, &format!("admin/users/{query}")).await;
    assert_eq!((column(&page, "id"), &page.json["next"]), (vec![&json!(1)], &Value::Null));
}

#[tokio::test]
async fn every_look_and_every_change_is_written_down() {
    let peyk = patient().start().await;
    let (sara, admin) = (Person::new(&peyk).await, staff(&peyk, "admin").await);
    let by = |action: &str, subject| (admin.id, action.to_owned(), subject);
    admin.get(&peyk, &format!("admin/users/?search={}", sara.mobile)).await;
    admin.get(&peyk, "admin/users/1/").await;
    for what in ["revoke_sessions", "disable", "disable", "enable", "enable"] {
        assert_eq!(act(&peyk, &admin, &sara, what).await.0, 200, "{what}");
    }
    assert_eq!(admin.get(&peyk, "admin/users/999/").await.status, 404);
    let expected = [
        by("user.searched", None),
        by("user.viewed", Some(1)),
        by("user.sessions_ended", Some(1)),
        by("user.disabled", Some(1)),
        by("user.enabled", Some(1)),
    ];
    assert_eq!(audited(&peyk).await, expected, "what changed nothing is no event");
    let log = admin.get(&peyk, "admin/audit/?subject=user:1").await;
    assert_eq!(
        column(&log, "action"),
        ["user.enabled", "user.disabled", "user.sessions_ended", "user.viewed"]
    );
    assert_eq!(log.json["results"][2]["detail"]["sessions"], "1");
    let log = admin.get(&peyk, "admin/audit/?action=user.searched&limit=1").await;
    assert_eq!(log.json["results"][0]["detail"]["ids"], "[1]");
    assert!(!log.json.to_string().contains(&sara.mobile[1..]), "no number in the log");
    let log = admin.get(&peyk, "admin/audit/?subject=user&sort=oldest&limit=2").await;
    assert_eq!(column(&log, "action"), ["user.searched", "user.viewed"]);
    let (_, next) = log.json["next"].as_str().unwrap().split_once("/api/").unwrap();
    let log = admin.get(&peyk, next).await;
    assert_eq!(column(&log, "action"), ["user.sessions_ended", "user.disabled"]);
    let query = format!("admin/audit/?actor={}&subject=audit", admin.id);
    let looks = admin.get(&peyk, &query).await;
    assert_eq!(column(&looks, "action"), ["audit.searched"; 4], "looks at the log are in it");
    let wrong = admin.get(&peyk, "admin/audit/?subject=User").await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn a_disabled_account_is_out_of_every_process_within_a_second_and_stays_out() {
    let peyk = patient().apis(2).start().await;
    let (sara, admin) = (Person::new(&peyk).await, staff(&peyk, "admin").await);
    for api in [0, 1] {
        assert_eq!(sara.ask_at(&peyk, api, Method::GET, "me/", None).await.status, 200);
    }
    assert_eq!(act(&peyk, &admin, &sara, "disable").await.0, 200);
    let began = Instant::now();
    for api in [0, 1] {
        wait_for("the token to be refused", || async {
            let me = sara.ask_at(&peyk, api, Method::GET, "me/", None).await;
            (me.status == 401).then_some(())
        })
        .await;
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let again = async || {
        peyk_tests::aging::pass_seconds(&peyk.database.pool, &sara.mobile, 300.0).await;
        let (request, code) = send(&peyk, &sara.mobile).await;
        peyk.authenticate(&sara.mobile, &code, Some(&request)).await.status
    };
    assert_eq!(again().await, 401);
    assert_eq!(act(&peyk, &admin, &sara, "enable").await.0, 200);
    assert_eq!(again().await, 200);
}

#[tokio::test]
async fn only_admins_touch_staff_and_nobody_their_own_account() {
    let peyk = patient().start().await;
    let (support, viewer) = (staff(&peyk, "support").await, staff(&peyk, "viewer").await);
    let (admin, other) = (staff(&peyk, "admin").await, staff(&peyk, "admin").await);
    let refused = (403, "permission_denied".to_owned());
    for whom in [&viewer, &admin, &support] {
        assert_eq!(act(&peyk, &support, whom, "revoke_sessions").await, refused);
    }
    assert_eq!(act(&peyk, &admin, &viewer, "disable").await.0, 200);
    assert_eq!(act(&peyk, &admin, &admin, "disable").await, (409, "conflict".to_owned()));
    assert_eq!(act(&peyk, &admin, &other, "disable").await.0, 200);
    assert_eq!(count(&peyk, "SELECT count(*) FROM users WHERE NOT is_active").await, 2);
}

#[tokio::test]
async fn changing_an_account_needs_a_recent_login_and_looking_does_not() {
    let peyk = patient().start().await;
    let (sara, admin) = (Person::new(&peyk).await, staff(&peyk, "admin").await);
    admin.grow_stale(&peyk).await;
    for what in ["disable", "enable", "revoke_sessions"] {
        let stale = (403, "confirmation_required".to_owned());
        assert_eq!(act(&peyk, &admin, &sara, what).await, stale, "{what}");
    }
    assert_eq!(admin.get(&peyk, "admin/users/1/").await.status, 200);
    let fresh = Person::with(&peyk, &admin.mobile).await;
    assert_eq!(act(&peyk, &fresh, &sara, "disable").await.0, 200);
}

/// Two admins who disable each other, through two processes: one of them stays.
#[tokio::test]
async fn an_admin_is_left_whoever_disables_whom() {
    let peyk = patient().apis(2).start().await;
    let admins = [staff(&peyk, "admin").await, staff(&peyk, "admin").await];
    let acts = [0, 1].map(|i: usize| {
        let path = format!("admin/users/{}/disable/", admins[1 - i].id);
        let (peyk, admin) = (&peyk, &admins[i]);
        async move { admin.ask_at(peyk, i, Method::POST, &path, None).await }
    });
    let statuses: Vec<_> = join_all(acts).await.iter().map(|answer| answer.status).collect();
    let active = "SELECT count(*) FROM users WHERE role = 'admin' AND is_active";
    assert_eq!(count(&peyk, active).await, 1, "{statuses:?}");
}
