//! Looking at payments: one's own, by a handle, and anybody's for staff.

use peyk_tests::harness::Peyk;
use reqwest::Method;
use serde_json::{Value, json};

use super::steps::{CREATE, begin};
use crate::{
    login_steps::patient,
    people::{Person, ask, column},
};

async fn begin_for(peyk: &Peyk, payer: &Person, order: &str) -> i64 {
    let body = json!({"amount": 5000, "order_id": order, "mobile": "09121234567",
        "email": "sara@example.com"});
    let begun = payer.post(peyk, CREATE, &body).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    begun.json["id"].as_i64().unwrap()
}

/// As if the gateway had said so.
async fn pay(peyk: &Peyk, id: i64, ref_id: i64) {
    sqlx::query(
        "UPDATE payments SET state = 'paid', paid_at = now(), ref_id = $2, reason = NULL,
             card_pan = '502229******5995'
         WHERE id = $1",
    )
    .bind(id)
    .bind(ref_id)
    .execute(&peyk.database.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn everybody_sees_their_own_payments_and_nobody_elses() {
    let peyk = patient().start().await;
    let (sara, omid) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let mut own = Vec::new();
    for order in ["a", "b", "a"] {
        own.push(begin_for(&peyk, &sara, order).await);
    }
    let other = begin_for(&peyk, &omid, "a").await;
    pay(&peyk, own[1], 77).await;
    let list = async |query: &str| {
        let page = sara.get(&peyk, &format!("payment/{query}")).await;
        column(&page, "id").into_iter().map(|id| id.as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(list("").await, [own[2], own[1], own[0]]);
    assert_eq!(list("?order_id=a").await, [own[2], own[0]]);
    assert_eq!(list("?status=paid").await, [own[1]]);
    assert_eq!(list("?status=unpaid&order_id=a").await, [own[2], own[0]]);
    assert_eq!(list("?status=canceled").await, [0_i64; 0]);
    // Pages lead to one another and keep what was asked for.
    let first = sara.get(&peyk, "payment/?status=unpaid&limit=1").await;
    let next = first.json["next"].as_str().unwrap();
    assert!(next.contains("/api/payment/?") && next.contains("status=unpaid"), "{next}");
    let query = next.split_once("/api/payment/").unwrap().1;
    assert_eq!(list(query).await, [own[0]]);
    let paid = sara.get(&peyk, &format!("payment/{}/", own[1])).await;
    for (member, value) in [
        ("status", json!("paid")),
        ("state", json!("paid")),
        ("ref_id", json!(77)),
        ("card_pan", json!("502229******5995")),
        ("amount", json!(5000)),
        ("currency", json!("IRR")),
        ("amount_rials", json!(5000)),
        ("pay_mode", json!(1)),
        ("mobile", json!("09121234567")),
        ("order_id", json!("b")),
    ] {
        assert_eq!(paid.json[member], value, "{member}");
    }
    assert!(paid.json["authority"].is_string() && paid.json["paid_at"].is_string());
    for id in [other, 999_999] {
        assert_eq!(sara.get(&peyk, &format!("payment/{id}/")).await.status, 404);
    }
    for path in ["payment/".to_owned(), format!("payment/{}/", own[0])] {
        assert_eq!(ask(&peyk, 0, Method::GET, &path, None, None).await.status, 401);
    }
    // A name of an operation is no number of a payment.
    let create = sara.get(&peyk, CREATE).await;
    assert_eq!((create.status, create.headers["allow"].to_str().unwrap()), (405, "POST, OPTIONS"));
}

#[tokio::test]
async fn whoever_holds_the_handle_sees_how_it_stands_and_nothing_of_a_person() {
    let peyk = patient().start().await;
    let sara = Person::new(&peyk).await;
    let begun = begin(&peyk, &sara, 5000).await;
    let url = begun.json["status_url"].as_str().unwrap();
    let path = format!("/api/payment/status/{}", url.split_once("/payment/status/").unwrap().1);
    let status = peyk.get(&path).await;
    let expected = json!({"status": "unpaid", "state": "redirected", "order_id": "",
        "amount": 5000, "currency": "IRR"});
    assert_eq!((status.status, status.json), (200, expected));
    pay(&peyk, begun.json["id"].as_i64().unwrap(), 78).await;
    let status = peyk.get(&path).await;
    let expected = json!({"status": "paid", "state": "paid", "order_id": "", "amount": 5000,
        "currency": "IRR", "ref_id": 78});
    assert_eq!(status.json, expected);
    let unknown = format!("/api/payment/status/{}/", "0".repeat(32));
    assert_eq!(peyk.get(&unknown).await.status, 404);
    assert_eq!(peyk.get("/api/payment/status/1/").await.status, 400);
}

#[tokio::test]
async fn staff_find_anybodys_payment_by_whatever_is_known_of_it() {
    let peyk = patient().start().await;
    let (sara, omid, staff) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    staff.join_staff(&peyk, "admin").await;
    let first = begin_for(&peyk, &sara, "a").await;
    let second = begin_for(&peyk, &sara, "b").await;
    let third = begin_for(&peyk, &omid, "a").await;
    pay(&peyk, second, 79).await;
    peyk.database
        .execute("UPDATE payments SET amount = 9000, amount_rials = 9000 WHERE state = 'paid'")
        .await;
    let one = staff.get(&peyk, &format!("admin/payments/{third}/")).await;
    let authority = one.json["authority"].as_str().unwrap().to_owned();
    for (query, found) in [
        (String::new(), vec![third, second, first]),
        ("?state=paid".to_owned(), vec![second]),
        ("?state=redirected&order_id=a".to_owned(), vec![third, first]),
        ("?gateway=sandbox".to_owned(), vec![third, second, first]),
        ("?gateway=zarinpal".to_owned(), vec![]),
        (format!("?user_id={}", sara.id), vec![second, first]),
        ("?ref_id=79".to_owned(), vec![second]),
        ("?ref_id=80".to_owned(), vec![]),
        (format!("?authority={authority}"), vec![third]),
        (format!("?authority={authority}&ref_id=79"), vec![]),
        (format!("?authority={authority}&order_id=b"), vec![]),
        ("?search=a".to_owned(), vec![third, first]),
        (format!("?search={authority}"), vec![third]),
        ("?search=79".to_owned(), vec![second]),
        ("?search=79&order_id=a".to_owned(), vec![]),
        ("?sort=oldest&state=redirected".to_owned(), vec![first, third]),
        ("?sort=amount".to_owned(), vec![second, third, first]),
        (format!("?sort=amount&gateway=sandbox&user_id={}", sara.id), vec![second, first]),
    ] {
        let page = staff.get(&peyk, &format!("admin/payments/{query}")).await;
        let ids: Vec<_> = column(&page, "id").into_iter().map(|id| id.as_i64().unwrap()).collect();
        assert_eq!(ids, found, "{query}");
    }
    assert_eq!(
        (&one.json["user_id"], &one.json["pages"][0]["state"]),
        (&json!(omid.id), &json!("open"))
    );
    assert_eq!(one.json["attempts"], json!([]));
    assert_eq!(staff.get(&peyk, "admin/payments/999999/").await.status, 404);
    let page = staff.get(&peyk, "admin/payments/?limit=1&sort=amount&state=redirected").await;
    assert_eq!(column(&page, "id"), [third]);
    let (_, next) = page.json["next"].as_str().unwrap().split_once("/api/").unwrap();
    let last = staff.get(&peyk, next).await;
    assert_eq!((column(&last, "id"), &last.json["next"]), (vec![&json!(first)], &Value::Null));
}

#[tokio::test]
async fn each_look_of_staff_is_written_down_and_who_may_not_see_people_sees_them_masked() {
    let peyk = patient().start().await;
    let sara = Person::new(&peyk).await;
    let id = begin_for(&peyk, &sara, "a").await;
    for (role, mobile, email) in [
        ("viewer", "0912***67", "s***@***"),
        ("finance", "0912***67", "s***@***"),
        ("support", "09121234567", "sara@example.com"),
        ("admin", "09121234567", "sara@example.com"),
    ] {
        let staff = Person::new(&peyk).await;
        assert_eq!(staff.get(&peyk, "admin/payments/").await.status, 403);
        staff.join_staff(&peyk, role).await;
        let list = staff.get(&peyk, "admin/payments/?order_id=a").await;
        let one = staff.get(&peyk, &format!("admin/payments/{id}/")).await;
        for payment in [&list.json["results"][0], &one.json] {
            assert_eq!((&payment["mobile"], &payment["email"]), (&json!(mobile), &json!(email)));
        }
        let told: Vec<(String, Option<i64>, Value)> = sqlx::query_as(
            "SELECT action, subject_id, detail FROM audit_events WHERE actor_user_id = $1
             AND subject = 'payment' ORDER BY id",
        )
        .bind(staff.id)
        .fetch_all(&peyk.database.pool)
        .await
        .unwrap();
        let shown = if mobile.contains('*') { "masked" } else { "whole" };
        let searched = json!({"by": ["order_id"], "shown": shown, "rows": 1, "ids": [id]});
        let expected = [
            ("payment.searched".to_owned(), None, searched),
            ("payment.viewed".to_owned(), Some(id), json!({"shown": shown})),
        ];
        assert_eq!(told, expected);
    }
}
