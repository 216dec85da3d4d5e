//! Numbers and addresses that staff block, in every process within a second.

use peyk_tests::harness::{Answer, Peyk, fresh_mobile, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use super::queues::staff;
use crate::{
    login_steps::{patient, send, text},
    people::{Person, column},
};

async fn block(peyk: &Peyk, by: &Person, kind: &str, value: &str) -> i64 {
    let body = json!({"kind": kind, "value": value, "reason": "pumping"});
    let answer = by.post(peyk, "admin/blocks/", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["id"].as_i64().unwrap()
}

async fn unblock(peyk: &Peyk, by: &Person, id: i64) -> u16 {
    by.ask(peyk, Method::DELETE, &format!("admin/blocks/{id}/"), None).await.status
}

/// Asks one of the api processes for a code.
async fn send_at(peyk: &Peyk, api: usize, mobile: &str) -> Answer {
    let request = peyk.client().post(format!("{}/api/otp/send/", peyk.urls[api]));
    peyk.send(request.header("Prefer", "respond-async").json(&json!({"mobile_number": mobile})))
        .await
}

/// Waits until every api process answers a send so; each time to another number with this beginning, so
/// that no cool-down answers instead.
async fn all_answer(peyk: &Peyk, mobile: impl Fn() -> String, status: u16, code: &str) {
    for api in 0..peyk.urls.len() {
        wait_for("the answer of every process", || async {
            let answer = send_at(peyk, api, &mobile()).await;
            let is = answer.json["code"].as_str().unwrap_or_default();
            (answer.status == status && is == code).then_some(())
        })
        .await;
    }
}

fn of_prefix(prefix: &str) -> String {
    format!("{prefix}{}", &fresh_mobile()[prefix.len()..])
}

#[tokio::test]
async fn a_blocked_number_gets_nothing_and_opens_nothing_in_every_process() {
    let peyk = patient().apis(2).start().await;
    let support = staff(&peyk, "support").await;
    let mobile = fresh_mobile();
    let (request_id, code) = send(&peyk, &mobile).await;
    let id = block(&peyk, &support, "number", &mobile).await;
    all_answer(&peyk, || mobile.clone(), 429, "send_refused").await;
    for url in &peyk.urls {
        let body = json!({"mobile_number": mobile, "code": code, "request_id": request_id});
        let login = peyk.send(peyk.client().post(format!("{url}/api/authenticate/")).json(&body));
        assert_eq!(login.await.status, 401, "as a wrong code");
    }
    // No texts either: neither new ones nor those that wait.
    let scopes = "UPDATE users SET scopes = ARRAY['sms:send']";
    peyk.database.execute(scopes).await;
    let asked = json!({"mobile_number": mobile, "message_text": "hello"});
    let refused = support.post(&peyk, "message/send/", &asked).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let waiting = "INSERT INTO sms_messages (kind, phone, local_id, body, created_at, expires_at,
            next_attempt_at)
        SELECT 'text', value, 77, 'hello', now(), now() + interval '1 day', now() FROM blocks";
    peyk.database.execute(waiting).await;
    let row = wait_for("the end of the text", || async {
        peyk.database.message_to(&mobile).await.filter(|row| row.settled && row.status == "failed")
    })
    .await;
    assert_eq!(row.reason.as_deref(), Some("sms.blocked"));
    assert_eq!(unblock(&peyk, &support, id).await, 200);
    assert_eq!(unblock(&peyk, &support, id).await, 404);
    wait_for("the login", || async {
        let login = peyk.authenticate(&mobile, &code, Some(&request_id)).await;
        (login.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_prefix_blocks_every_number_that_begins_so_and_ends_in_time() {
    let peyk = patient().apis(2).start().await;
    let admin = staff(&peyk, "admin").await;
    block(&peyk, &admin, "prefix", "+98990").await;
    all_answer(&peyk, || of_prefix("0990"), 429, "send_refused").await;
    assert_eq!(send_at(&peyk, 1, &of_prefix("0991")).await.status, 202);
    // Over, although nobody has deleted it.
    peyk.database
        .execute("UPDATE blocks SET id = DEFAULT, expires_at = now() - interval '1 s'")
        .await;
    all_answer(&peyk, || of_prefix("0990"), 202, "").await;
    assert_eq!(column(&admin.get(&peyk, "admin/blocks/").await, "id").len(), 0);
    let purged = crate::cron::cron(&peyk, &["run", "purge-expired-blocks"]).await;
    assert_eq!(purged.trim(), "purge-expired-blocks: deleted 0 rows", "it is kept for a day");
    peyk.database.execute("UPDATE blocks SET expires_at = now() - interval '25 h'").await;
    let purged = crate::cron::cron(&peyk, &["run", "purge-expired-blocks"]).await;
    assert_eq!(purged.trim(), "purge-expired-blocks: deleted 1 rows");
}

#[tokio::test]
async fn from_a_blocked_address_nobody_logs_in_and_asks_for_codes() {
    let peyk = patient().apis(2).start().await;
    let admin = staff(&peyk, "admin").await;
    let mobile = fresh_mobile();
    let (request_id, code) = send(&peyk, &mobile).await;
    let id = block(&peyk, &admin, "ip", "127.0.0.0/8").await;
    all_answer(&peyk, fresh_mobile, 429, "send_refused").await;
    let refused = peyk.authenticate(&mobile, &code, Some(&request_id)).await;
    assert_eq!((refused.status, text(&refused, "code")), (429, "rate_limited".to_owned()));
    assert_eq!(refused.json["retry_after"], 3600);
    let login = peyk.post("/api/login/", &json!({"username": "a", "password": "b"})).await;
    assert_eq!(login.status, 429);
    // Who is logged in is not put out: somebody has to take the block off.
    assert_eq!(unblock(&peyk, &admin, id).await, 200);
    all_answer(&peyk, fresh_mobile, 202, "").await;
    assert_eq!(peyk.authenticate(&mobile, &code, Some(&request_id)).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_blocked_is_refused_and_numbers_are_masked_for_those_who_only_look() {
    let peyk = patient().start().await;
    let (support, viewer) = (staff(&peyk, "support").await, staff(&peyk, "viewer").await);
    let ask = async |body: Value| {
        let answer = support.post(&peyk, "admin/blocks/", &body).await;
        let named = answer.json["errors"][0]["field"].as_str().unwrap_or_default().to_owned();
        (answer.status, named)
    };
    let of = |kind: &str, value: &str| json!({"kind": kind, "value": value, "reason": "x"});
    for (body, field) in [
        (of("number", "hello"), "value"),
        (of("ip", "0.0.0.0/0"), "value"),
        (of("prefix", "98935"), "value"),
        (of("country", "IR"), "kind"),
        (json!({"kind": "prefix", "value": "+98935"}), "reason"),
        (
            json!({"kind": "prefix", "value": "+98935", "reason": "x", "expires_at": "soon"}),
            "expires_at",
        ),
        (
            json!({"kind": "prefix", "value": "+98935", "reason": "x", "expires_at": "2020-01-01T00:00:00Z"}),
            "expires_at",
        ),
    ] {
        assert_eq!(ask(body.clone()).await, (400, field.to_owned()), "{body}");
    }
    let mobile = fresh_mobile();
    let first = block(&peyk, &support, "number", &mobile).await;
    let again = block(&peyk, &support, "number", &mobile).await;
    assert!(again > first, "the new reason takes the place of the old one");
    let masked = format!("{}***{}", &mobile[..4], &mobile[9..]);
    for (by, value) in [(&support, &mobile), (&viewer, &masked)] {
        let page = by.get(&peyk, "admin/blocks/").await;
        assert_eq!(column(&page, "value"), [value]);
        assert_eq!(column(&page, "created_by"), [support.id]);
    }
    let log =
        "SELECT count(*) FROM audit_events WHERE subject = 'block' AND detail::text LIKE '%9%'";
    assert_eq!(peyk.database.count(log).await, 0, "no number in the log");
    let added = "SELECT count(*) FROM audit_events WHERE action = 'block.added' AND subject_id > 0";
    assert_eq!(peyk.database.count(added).await, 2);
}

#[tokio::test]
async fn the_command_line_blocks_as_well() {
    let peyk = patient().start().await;
    let blocklist = async |arguments: &[&str]| {
        let (worked, output) = peyk.run("api", &[&["blocklist"], arguments].concat()).await;
        assert!(worked, "{output}");
        output
    };
    let made =
        blocklist(&["block", "prefix", "+98990", "--reason", "pumping", "--hours", "2"]).await;
    assert!(made.starts_with("Block 1 holds"), "{made}");
    all_answer(&peyk, || of_prefix("0990"), 429, "send_refused").await;
    let listed = blocklist(&["blocks"]).await;
    assert!(
        listed.starts_with("1  prefix +98990  since 20") && listed.contains(" until 20"),
        "{listed}"
    );
    blocklist(&["unblock", "1"]).await;
    all_answer(&peyk, || of_prefix("0990"), 202, "").await;
    let (worked, output) = peyk.run("api", &["blocklist", "unblock", "1"]).await;
    assert!(!worked && output.contains("no such block"), "{output}");
}
