//! The lists of staff: whole pages, masked by role, and each look written down.

use peyk_tests::harness::Peyk;
use serde_json::{Value, json};

use super::steps::{actions, audited, message, refusal, staff};
use crate::{
    login_steps::{patient, send, text},
    people::{Person, column},
};

const ADDRESS: &str = "203.0.113.7";

/// Something of Sara's in every list, and all of it from one address.
const OF_SARA: &str = "
    UPDATE sessions SET ip = '203.0.113.7' WHERE user_id = 1;
    UPDATE otp_requests SET ip = '203.0.113.7';
    INSERT INTO guard_decisions (at, country, prefix, number_end, ip, mode, action, reasons)
    VALUES (now(), 'IR', '+98912', '89', '203.0.113.7', 'record', 'passed',
        '[{\"rule\": \"ip_hour\", \"measured\": 31, \"limit\": 30}]');
    INSERT INTO webhook_events (id, kind, subject, data, created_at)
    SELECT repeat('a', 32), 'sms.sent', 'sms:1', jsonb_build_object('receiver', phone), now()
    FROM users WHERE id = 1;
    INSERT INTO webhook_deliveries (event_id, endpoint, subject, status, give_up_at)
    VALUES (repeat('a', 32), 'shop', 'sms:1', 'failed', now())";

/// The looks at them all.
fn looks(sara: &Person, text: i64) -> [(String, &'static str); 8] {
    [
        (format!("admin/users/?search={}", sara.mobile), "user"),
        ("admin/sessions/?user_id=1&sort=last_seen".to_owned(), "session"),
        (format!("admin/otp_requests/?search={}", sara.mobile), "otp_request"),
        (format!("admin/messages/?search={}", sara.mobile), "message"),
        (format!("admin/messages/{text}/"), "message"),
        ("admin/webhooks/?status=failed".to_owned(), "webhook"),
        ("admin/webhooks/1/".to_owned(), "webhook"),
        ("admin/guard/?rule=ip_hour&country=IR".to_owned(), "guard_decision"),
    ]
}

#[tokio::test]
async fn numbers_addresses_and_texts_are_shown_to_those_who_may_and_codes_to_nobody() {
    let peyk = patient().start().await;
    let sara = Person::new(&peyk).await;
    assert_eq!(sara.id, 1);
    let secret = message(&peyk, &sara.mobile, "failed", "Secret words").await;
    peyk.database.execute(OF_SARA).await;
    peyk_tests::aging::pass_seconds(&peyk.database.pool, &sara.mobile, 300.0).await;
    let (_, code) = send(&peyk, &sara.mobile).await;
    let national = format!("98{}", &sara.mobile[1..]);
    for (role, whole) in [("viewer", false), ("support", true), ("finance", false), ("admin", true)]
    {
        let by = staff(&peyk, role).await;
        let mut shown = String::new();
        for (path, _) in looks(&sara, secret) {
            let page = by.get(&peyk, &path).await;
            assert_eq!(page.status, 200, "{role} {path}: {page:?}");
            let found = page.json.get("results").map_or(1, |rows| rows.as_array().unwrap().len());
            assert!(found > 0, "{role} {path}: {page:?}");
            // Where a search tells the number, the address of a next page would.
            shown.push_str(&page.json["results"].to_string());
            if page.json.get("results").is_none() {
                shown.push_str(&page.json.to_string());
            }
        }
        let masked = format!("{}***{}", &sara.mobile[..4], &sara.mobile[9..]);
        for (what, text) in [
            ("number", sara.mobile.as_str()),
            ("number of an event", &national),
            ("address", ADDRESS),
            ("text", "Secret words"),
        ] {
            assert_eq!(shown.contains(text), whole, "{role} sees the {what}: {shown}");
        }
        assert_eq!(shown.contains(&masked), !whole, "{role}: {shown}");
        assert_eq!(shown.contains("203.0.***"), !whole, "{role}: {shown}");
        let is_code = |text: &str| text == code;
        let mut words = shown.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(!words.any(is_code), "{role} sees a code: {shown}");
    }
}

#[tokio::test]
async fn every_look_is_written_down_with_the_names_of_what_it_looked_by() {
    let peyk = patient().start().await;
    let (sara, admin) = (Person::new(&peyk).await, staff(&peyk, "admin").await);
    let secret = message(&peyk, &sara.mobile, "failed", "Secret words").await;
    peyk.database.execute(OF_SARA).await;
    for (path, subject) in looks(&sara, secret) {
        let before = audited(&peyk, subject).await.len();
        assert_eq!(admin.get(&peyk, &path).await.status, 200, "{path}");
        let after = audited(&peyk, subject).await;
        assert_eq!(after.len(), before + 1, "{path}");
        let (action, id, detail) = after.last().unwrap();
        let expected = if id.is_some() { "viewed" } else { "searched" };
        assert_eq!(*action, format!("{subject}.{expected}"), "{path}");
        assert_eq!(detail["shown"], "whole", "{path}");
    }
    let (_, _, by) = &audited(&peyk, "message").await[0];
    let ids = json!([secret, 1]);
    assert_eq!(*by, json!({"by": ["phone"], "rows": 2, "shown": "whole", "ids": ids}));
    let (_, _, by) = &audited(&peyk, "otp_request").await[0];
    assert_eq!(*by, json!({"by": ["phone"], "rows": 1, "shown": "whole"}), "no handle of a caller");
    // Nothing that was looked for, and looks that find nobody.
    admin.get(&peyk, "admin/messages/").await;
    assert_eq!(admin.get(&peyk, "admin/messages/999/").await.status, 404);
    assert_eq!(actions(&peyk, "message").await.last().unwrap(), "message.listed");
    let log = admin.get(&peyk, "admin/audit/").await.json.to_string();
    assert!(!log.contains(&sara.mobile[1..]) && !log.contains(ADDRESS), "{log}");
}

/// Walks all pages from this one on, with a new message to the number before each.
async fn walk(peyk: &Peyk, by: &Person, first: &str) -> Vec<i64> {
    let (mut path, mut ids) = (first.to_owned(), Vec::new());
    loop {
        let page = by.get(peyk, &path).await;
        ids.extend(column(&page, "id").into_iter().filter_map(Value::as_i64));
        message(peyk, "09120000001", "sent", "Later").await;
        match page.json["next"].as_str() {
            Some(next) => {
                let (_, query) = next.split_once("/api/").unwrap();
                path = query.to_owned();
            }
            None => return ids,
        }
    }
}

#[tokio::test]
async fn pages_hold_every_row_once_while_others_come() {
    let peyk = &patient().start().await;
    let by = staff(peyk, "viewer").await;
    peyk.database
        .execute(
            "DELETE FROM sms_messages;
             ALTER TABLE sms_messages ALTER COLUMN id RESTART;
             INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at, body)
             SELECT 'text', '+989120000001', n, CASE n % 3 WHEN 0 THEN 'failed' ELSE 'sent' END,
                 now(), now(), 'x' FROM generate_series(1, 47) AS n",
        )
        .await;
    let all: Vec<_> = (1..=47).rev().collect();
    let failed: Vec<_> = all.iter().copied().filter(|id| id % 3 == 0).collect();
    assert_eq!(walk(peyk, &by, "admin/messages/?limit=10").await, all);
    let found = walk(peyk, &by, "admin/messages/?limit=5&status=failed").await;
    assert_eq!(found, failed);
    let path = "admin/messages/?limit=5&status=failed&search=09120000001&kind=text";
    assert_eq!(walk(peyk, &by, path).await, failed);
    let oldest: Vec<_> = failed.iter().copied().rev().collect();
    let found = walk(peyk, &by, "admin/messages/?limit=7&status=failed&sort=oldest").await;
    assert_eq!(found, oldest);
}

#[tokio::test]
async fn what_no_list_understands_is_refused_by_name() {
    let peyk = patient().start().await;
    let admin = staff(&peyk, "admin").await;
    let cursor = {
        message(&peyk, "09120000001", "sent", "x").await;
        message(&peyk, "09120000001", "sent", "x").await;
        let page = admin.get(&peyk, "admin/messages/?limit=1").await;
        let next = text(&page, "next");
        next.split(['?', '&']).find_map(|it| it.strip_prefix("cursor=")).unwrap().to_owned()
    };
    for (path, field) in [
        ("admin/messages/?cursor=x".to_owned(), "cursor"),
        (format!("admin/messages/?sort=oldest&cursor={cursor}"), "cursor"),
        (format!("admin/otp_requests/?cursor={cursor}"), "cursor"),
        ("admin/messages/?search=sara".to_owned(), "search"),
        ("admin/users/?search=a%00b".to_owned(), "search"),
        ("admin/messages/?provider=a%00b".to_owned(), "provider"),
        ("admin/sessions/?ip=nowhere".to_owned(), "ip"),
        ("admin/sessions/?sort=last_seen".to_owned(), "sort"),
    ] {
        let refused = admin.get(&peyk, &path).await;
        assert_eq!(refusal(&refused), (400, "validation"), "{path}: {refused:?}");
        assert_eq!(refused.json["errors"][0]["field"], field, "{path}: {refused:?}");
    }
    for path in [
        "admin/messages/?status=nonsense",
        "admin/messages/?sort=phone",
        "admin/messages/?limit=101",
        "admin/users/?role=owner",
    ] {
        assert_eq!(admin.get(&peyk, path).await.status, 400, "{path}");
    }
    assert_eq!(admin.get(&peyk, &format!("admin/messages/?cursor={cursor}")).await.status, 200);
}
