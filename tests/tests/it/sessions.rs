//! `sessions/`: one's own sessions, listed and ended; how many there may be; when they were seen.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use peyk_tests::harness::{Peyk, fresh_mobile, wait_for};
use serde_json::{Value, json};
use shared::{
    clock::{Clock, SystemClock},
    sessions::{EndReason, Ending, Lifetimes, Method, NewSession, Origin},
};

use crate::{
    login_steps::{count, header, log_in, log_in_with, patient, send, text, wrong},
    session_steps::{
        access, access_of, account, assert_out, end_at, forgeable, get_from, ids, list,
        session_until,
    },
};

/// Firefox on a computer.
const COMPUTER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

#[tokio::test]
async fn the_list_holds_ones_own_sessions_that_go_on_newest_first_and_no_secret() {
    let peyk = forgeable().start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    let login = peyk.client().post(peyk.url("/api/authenticate/")).header("User-Agent", COMPUTER);
    let login = peyk.send(login.json(&json!({"mobile_number": mobile, "code": code}))).await;
    let second = log_in(&peyk, &mobile).await;
    let stranger = log_in(&peyk, &fresh_mobile()).await;
    peyk.database
        .execute(
            "INSERT INTO sessions (user_id, created_at, last_seen_at, authenticated_at,
                 refresh_issued_at, refresh_expires_at, expires_at, revoked_at)
             SELECT min(id), now(), now(), now(), now(), now() + s.idle, now() + s.absolute, s.out
             FROM users, (VALUES
                 (interval '-1 second', interval '1 day', NULL::timestamptz),
                 (interval '1 day', interval '-1 second', NULL),
                 (interval '1 day', interval '1 day', now())) s (idle, absolute, out)
             GROUP BY s.idle, s.absolute, s.out",
        )
        .await;
    let listed = list(&peyk, &text(&second, "access")).await;
    assert_eq!(ids(&listed).len(), 2, "{listed:?}");
    let (newest, oldest) = (&listed.json[0], &listed.json[1]);
    assert!(newest["id"].as_i64() > oldest["id"].as_i64());
    assert_eq!((&newest["current"], &oldest["current"]), (&json!(true), &json!(false)));
    let mut members: Vec<_> = oldest.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let wanted = [
        "browser",
        "created_at",
        "current",
        "device",
        "expires_at",
        "id",
        "ip_address",
        "last_seen",
        "method",
        "os",
        "user",
        "user_agent",
    ];
    assert_eq!(members, wanted);
    for (member, value) in [
        ("user", login.json["user"]["id"].clone()),
        ("user_agent", COMPUTER.into()),
        ("ip_address", "127.0.0.1".into()),
        ("device", "pc".into()),
        ("browser", "Firefox".into()),
        ("os", "Linux".into()),
        ("method", "otp".into()),
    ] {
        assert_eq!(oldest[member], value, "{member}");
    }
    assert_eq!((&newest["user_agent"], &newest["browser"]), (&json!(""), &json!("Other")));
    let others = ids(&list(&peyk, &text(&stranger, "access")).await);
    assert_eq!(others.len(), 1);
    assert!(!ids(&listed).contains(&others[0]));
}

#[tokio::test]
async fn the_list_is_read_page_by_page_and_the_last_one_has_no_link() {
    let peyk = forgeable().workers(0).set("HTTP__PUBLIC_URL", "https://peyk.example").start().await;
    let (user, sessions) = account(&peyk, 7).await;
    let token = access(user, sessions[6]);
    let newest_first: Vec<_> = sessions.iter().rev().copied().collect();
    let mut path = "/api/sessions/?limit=3".to_owned();
    for (at, page) in newest_first.chunks(3).enumerate() {
        let answer = get_from(&peyk, 0, &path, &token).await;
        assert_eq!(ids(&answer), page, "page {at}");
        let link = header(&answer, "link").unwrap_or_default().to_owned();
        if page.len() < 3 {
            assert_eq!(link, "", "the last page has none");
            break;
        }
        let next = link.strip_prefix("<https://peyk.example").unwrap();
        let (next, rel) = next.split_once('>').unwrap();
        assert_eq!(rel, "; rel=\"next\"");
        assert_eq!(next, format!("/api/sessions/?before={}&limit=3", page[2]));
        path = next.to_owned();
    }
    assert!(header(&list(&peyk, &token).await, "link").is_none());
    for limit in ["0", "101", "x"] {
        let answer = get_from(&peyk, 0, &format!("/api/sessions/?limit={limit}"), &token).await;
        assert_eq!(answer.status, 400, "{limit}");
    }
}

#[tokio::test]
async fn one_ends_ones_own_sessions_and_nobody_elses() {
    let peyk = forgeable().workers(0).start().await;
    let (user, sessions) = account(&peyk, 3).await;
    let (other, theirs) = account(&peyk, 1).await;
    let token = access(user, sessions[0]);
    for session in [theirs[0], 999_999] {
        assert_eq!(end_at(&peyk, 0, &token, session).await.status, 404);
    }
    assert_eq!(list(&peyk, &access(other, theirs[0])).await.status, 200);
    let ended = end_at(&peyk, 0, &token, sessions[1]).await;
    assert_eq!((ended.status, &ended.json), (200, &json!({"ended": 1})));
    assert_eq!(end_at(&peyk, 0, &token, sessions[1]).await.status, 404, "it has ended");
    assert_out(&list(&peyk, &access(user, sessions[1])).await);
    assert_eq!(ids(&list(&peyk, &token).await), [sessions[2], sessions[0]]);
    // Ending the current one is logging out.
    assert_eq!(end_at(&peyk, 0, &token, sessions[0]).await.status, 200);
    assert_out(&list(&peyk, &token).await);
    assert_out(&end_at(&peyk, 0, &token, sessions[2]).await);
    let reasons: Vec<(i64, Option<String>)> =
        sqlx::query_as("SELECT id, revoked_reason FROM sessions WHERE user_id = $1 ORDER BY id")
            .bind(user)
            .fetch_all(&peyk.database.pool)
            .await
            .unwrap();
    let reasons: Vec<_> = reasons.iter().map(|(_, reason)| reason.as_deref()).collect();
    assert_eq!(reasons, [Some("logout"), Some("revoked"), None]);
}

#[tokio::test]
async fn all_the_others_end_at_once_and_it_is_said_how_many() {
    let peyk = forgeable().workers(0).start().await;
    let (user, sessions) = account(&peyk, 5).await;
    let (other, theirs) = account(&peyk, 1).await;
    let token = access(user, sessions[2]);
    let end_others = || {
        let request = peyk.client().post(peyk.url("/api/sessions/revoke_others/"));
        peyk.send(request.bearer_auth(&token))
    };
    let (one, two) = tokio::join!(end_others(), end_others());
    let ended = |answer: &peyk_tests::harness::Answer| answer.json["ended"].as_i64().unwrap();
    assert_eq!(ended(&one) + ended(&two), 4, "each is ended once: {one:?} {two:?}");
    assert_eq!(end_others().await.json, json!({"ended": 0}));
    assert_eq!(ids(&list(&peyk, &token).await), [sessions[2]]);
    assert_out(&list(&peyk, &access(user, sessions[4])).await);
    assert_eq!(list(&peyk, &access(other, theirs[0])).await.status, 200);
}

#[tokio::test]
async fn without_a_token_there_is_nothing_to_see_or_end() {
    let peyk = forgeable().workers(0).start().await;
    let path = "/api/sessions/";
    assert_eq!(peyk.get(path).await.status, 401);
    assert_eq!(peyk.post("/api/sessions/revoke_others/", &Value::Null).await.status, 401);
    assert_eq!(peyk.send(peyk.client().delete(peyk.url("/api/sessions/1/"))).await.status, 401);
    let (user, sessions) = account(&peyk, 1).await;
    peyk.database.execute("UPDATE users SET is_active = false").await;
    let refused = list(&peyk, &access(user, sessions[0])).await;
    assert_eq!((refused.status, &refused.json["code"]), (401, &json!("user_inactive")));
}

#[test]
fn no_access_token_outlives_its_session() {
    let now = SystemClock.now();
    for (left, lives) in [(10, 10), (299, 299), (86_400, 300)] {
        let ends = now + chrono::TimeDelta::seconds(left);
        let token = access_of(&session_until(1, 1, ends), now);
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap() - now.timestamp(), lives, "{left}");
    }
}

/// Logs in and gives the access token.
async fn token(peyk: &Peyk, mobile: &str) -> String {
    text(&log_in(peyk, mobile).await, "access")
}

#[tokio::test]
async fn beyond_the_maximum_the_session_unseen_the_longest_ends() {
    let peyk = patient().set("AUTH__MAX_SESSIONS", "3").apis(2).start().await;
    let mobile = fresh_mobile();
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(token(&peyk, &mobile).await);
    }
    let others = token(&peyk, &fresh_mobile()).await;
    let first_three = ids(&list(&peyk, &tokens[2]).await);
    assert_eq!(first_three.len(), 3);
    // The second was seen last of these, the first before it.
    let seen = "UPDATE sessions SET last_seen_at = now() - CASE id
        WHEN $1 THEN interval '2 hours' WHEN $2 THEN interval '1 hour' ELSE interval '3 hours' END";
    let (first, second, third) = (first_three[2], first_three[1], first_three[0]);
    let moved = sqlx::query(seen).bind(first).bind(second).execute(&peyk.database.pool).await;
    moved.unwrap();
    tokens.push(token(&peyk, &mobile).await);
    // At once where it happened, within a second elsewhere.
    assert_out(&list(&peyk, &tokens[2]).await);
    wait_for("the other process", || async {
        (get_from(&peyk, 1, "/api/sessions/", &tokens[2]).await.status == 401).then_some(())
    })
    .await;
    let now = ids(&list(&peyk, &tokens[3]).await);
    assert_eq!((now.len(), now[1..].to_vec()), (3, vec![second, first]));
    assert!(!now.contains(&third));
    let reason = "SELECT count(*) FROM sessions WHERE revoked_reason = 'too_many'";
    assert_eq!(count(&peyk, reason).await, 1);
    assert_eq!(list(&peyk, &others).await.status, 200, "another account is not counted");
}

#[tokio::test]
async fn parallel_logins_stay_within_the_maximum() {
    let peyk = Peyk::builder().apis(0).workers(0).start().await;
    let (user, _) = account(&peyk, 2).await;
    let (pool, origin) = (&peyk.database.pool, Origin::default());
    let lifetimes = Lifetimes::new(&shared::config::Auth::default());
    let log_in = || async {
        let now = SystemClock.now();
        let new = NewSession { user_id: user, origin: &origin, method: Method::Password };
        let mut tx = pool.begin().await.unwrap();
        let begun = shared::sessions::begin(&mut tx, &[new], &lifetimes, now).await.unwrap();
        let ending = Ending::new(EndReason::TooMany, &lifetimes, now);
        let begun = [(user, begun[0].id)];
        shared::sessions::end_surplus(&mut tx, 2, &begun, &ending).await.unwrap();
        tx.commit().await.unwrap();
    };
    join_all((0..20).map(|_| log_in())).await;
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 22);
    let living = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
    assert_eq!(count(&peyk, living).await, 2);
    assert_eq!(count(&peyk, "SELECT count(*) FROM revocations").await, 20);
}

/// Moves when the sessions were last seen into the past.
async fn unseen_for(peyk: &Peyk, interval: &str) {
    let moved = "UPDATE sessions SET last_seen_at = now() - $1::interval";
    sqlx::query(moved).bind(interval).execute(&peyk.database.pool).await.unwrap();
}

const SEEN_LATELY: &str =
    "SELECT count(*) FROM sessions WHERE last_seen_at > now() - interval '30 seconds'";

#[tokio::test]
async fn last_seen_and_address_are_written_now_and_then_and_rows_stay_on_their_page() {
    let peyk = forgeable()
        .workers(0)
        .set("AUTH__LAST_SEEN_EVERY_SECONDS", "1")
        .set("HTTP__TRUSTED_PROXIES", "127.0.0.1/32")
        .start()
        .await;
    let (user, sessions) = account(&peyk, 3).await;
    unseen_for(&peyk, "10 minutes").await;
    let request = peyk.client().get(peyk.url("/api/sessions/"));
    let request = request.bearer_auth(access(user, sessions[0]));
    let answer = peyk.send(request.header("X-Forwarded-For", "203.0.113.7")).await;
    assert_eq!(answer.status, 200);
    wait_for("it to be written", || async { (count(&peyk, SEEN_LATELY).await == 1).then_some(()) })
        .await;
    let seen = list(&peyk, &access(user, sessions[1])).await;
    assert_eq!(seen.json[2]["ip_address"], "203.0.113.7");
    wait_for("the second to be written", || async {
        (count(&peyk, SEEN_LATELY).await == 2).then_some(())
    })
    .await;
    // No index was touched. Servers count lazily.
    wait_for("the count of updates", || async {
        let hot = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'";
        (count(&peyk, hot).await >= 2).then_some(())
    })
    .await;
    let indexed = "SELECT count(*) FROM pg_indexes
        WHERE tablename = 'sessions' AND indexdef ~ 'last_seen|[( ,]ip[, )]'";
    assert_eq!(count(&peyk, indexed).await, 0);
}

#[tokio::test]
async fn a_session_is_written_at_most_once_a_minute_and_never_moves_back() {
    let peyk = forgeable().workers(0).set("AUTH__LAST_SEEN_EVERY_SECONDS", "1").start().await;
    let (user, sessions) = account(&peyk, 3).await;
    // Seen half a minute ago; in the future, by another process's clock; long ago.
    let seen = "UPDATE sessions SET last_seen_at = now() + CASE id WHEN $1 THEN interval '-30 s'
        WHEN $2 THEN interval '1 hour' ELSE interval '-1 day' END";
    let moved = sqlx::query(seen).bind(sessions[0]).bind(sessions[1]);
    moved.execute(&peyk.database.pool).await.unwrap();
    let before: Vec<String> = times(&peyk).await;
    for session in &sessions {
        assert_eq!(list(&peyk, &access(user, *session)).await.status, 200);
    }
    let third = wait_for("the third to be written", || async {
        let now = times(&peyk).await;
        (now[2] != before[2]).then_some(now)
    })
    .await;
    assert_eq!(third[..2], before[..2]);
}

async fn times(peyk: &Peyk) -> Vec<String> {
    let times = "SELECT last_seen_at::text FROM sessions ORDER BY id";
    sqlx::query_scalar(times).fetch_all(&peyk.database.pool).await.unwrap()
}

#[tokio::test]
async fn what_was_seen_is_written_when_the_process_stops_and_ended_sessions_stay_as_they_are() {
    let mut peyk = forgeable().workers(0).set("AUTH__LAST_SEEN_EVERY_SECONDS", "600").start().await;
    let (user, sessions) = account(&peyk, 2).await;
    unseen_for(&peyk, "10 minutes").await;
    for session in &sessions {
        assert_eq!(list(&peyk, &access(user, *session)).await.status, 200);
    }
    let end = "UPDATE sessions SET revoked_at = now() WHERE id = $1";
    sqlx::query(end).bind(sessions[1]).execute(&peyk.database.pool).await.unwrap();
    assert_eq!(count(&peyk, SEEN_LATELY).await, 0);
    peyk.apis[0].signal("TERM").await;
    assert!(peyk.apis[0].wait().await.success());
    let seen: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM sessions WHERE last_seen_at > now() - interval '1 minute'",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    assert_eq!(seen, [sessions[0]]);
}

#[tokio::test]
async fn nobody_waits_for_a_session_somebody_else_holds() {
    let peyk = forgeable().workers(0).set("AUTH__LAST_SEEN_EVERY_SECONDS", "1").start().await;
    let (user, sessions) = account(&peyk, 2).await;
    unseen_for(&peyk, "10 minutes").await;
    let mut holder = peyk.database.pool.begin().await.unwrap();
    let lock = "SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE";
    sqlx::query(lock).bind(sessions[0]).execute(&mut *holder).await.unwrap();
    for session in &sessions {
        assert_eq!(list(&peyk, &access(user, *session)).await.status, 200);
    }
    wait_for("the other one to be written", || async {
        (count(&peyk, SEEN_LATELY).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_happens_to_accounts_is_told_once_and_without_a_word_about_the_person() {
    let endpoint = "WEBHOOKS__ENDPOINTS__SHOP";
    let peyk = patient()
        .set(&format!("{endpoint}__URL"), "http://127.0.0.1:9/")
        .set(&format!("{endpoint}__SECRETS"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .set(&format!("{endpoint}__EVENTS"), "user.*,session.*")
        .set("AUTH__MAX_SESSIONS", "2")
        .start()
        .await;
    let mobile = fresh_mobile();
    let first = log_in(&peyk, &mobile).await;
    let (user, session) = (&first.json["user"]["id"], &list(&peyk, &text(&first, "access")).await);
    let session = ids(session)[0];
    let second = log_in(&peyk, &mobile).await;
    let third = log_in(&peyk, &mobile).await;
    let left = ids(&list(&peyk, &text(&third, "access")).await);
    assert_eq!(end_at(&peyk, 0, &text(&third, "access"), left[1]).await.status, 200);
    assert_out(&list(&peyk, &text(&second, "access")).await);
    let told: Vec<(String, String, Value)> = sqlx::query_as(
        "SELECT e.kind, e.subject, e.data FROM webhook_events e
         JOIN webhook_deliveries d ON d.event_id = e.id ORDER BY d.id",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    let kinds: Vec<_> = told.iter().map(|(kind, ..)| kind.as_str()).collect();
    let in_and_out = ["user.logged_in", "user.logged_in", "user.logged_in", "session.revoked"];
    assert_eq!(kinds[0], "user.created");
    assert_eq!(kinds[1..5], in_and_out);
    assert_eq!(kinds[5..], ["session.revoked"]);
    assert!(told.iter().all(|(_, subject, _)| *subject == format!("user:{user}")), "{told:?}");
    assert_eq!(told[0].2, json!({"user_id": user, "group": 0}));
    let begun = json!({"user_id": user, "session_id": session, "method": "otp"});
    assert_eq!(told[1].2, begun);
    let surplus = json!({"user_id": user, "session_id": session, "reason": "too_many"});
    assert_eq!(told[4].2, surplus);
    let ended = json!({"user_id": user, "session_id": left[1], "reason": "revoked"});
    assert_eq!(told[5].2, ended);
}

#[tokio::test]
async fn parallel_first_logins_make_one_account_and_one_event() {
    let endpoint = "WEBHOOKS__ENDPOINTS__SHOP";
    let peyk = patient()
        .set(&format!("{endpoint}__URL"), "http://127.0.0.1:9/")
        .set(&format!("{endpoint}__SECRETS"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .set(&format!("{endpoint}__EVENTS"), "user.created")
        .apis(2)
        .start()
        .await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    // Right answers in two processes, while the test makes the account on its own.
    let logins = (0..16).map(|at| {
        let url = format!("{}/api/authenticate/", peyk.urls[at % 2]);
        peyk.send(peyk.client().post(url).json(&json!({"mobile_number": mobile, "code": code})))
    });
    let answers = join_all(logins).await;
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(good, 1, "exactly one of parallel right answers wins: {answers:?}");
    assert_eq!(count(&peyk, "SELECT count(*) FROM users").await, 1);
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 1);
    let (_, code) = send(&peyk, &mobile).await;
    assert_eq!(log_in_with(&peyk, &mobile, &code, json!({})).await.status, 200);
    assert_eq!(count(&peyk, "SELECT count(*) FROM webhook_events").await, 1);
}

#[tokio::test]
async fn what_nobody_wants_to_hear_is_not_written() {
    let peyk = patient().start().await;
    let login = log_in(&peyk, &fresh_mobile()).await;
    let session = ids(&list(&peyk, &text(&login, "access")).await)[0];
    assert_eq!(end_at(&peyk, 0, &text(&login, "access"), session).await.status, 200);
    assert_eq!(count(&peyk, "SELECT count(*) FROM webhook_events").await, 0);
}

#[tokio::test]
async fn the_log_says_who_logged_in_who_did_not_and_what_was_ended() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    let forged = "Mozilla/5.0 {\"message\":\"logged in\",\"user.id\":1}\t\u{1b}[31mred";
    let ask = |code: &str| {
        let request = peyk.client().post(peyk.url("/api/authenticate/"));
        let request = request.json(&json!({"mobile_number": mobile, "code": code}));
        let agent = reqwest::header::HeaderValue::from_bytes(forged.as_bytes());
        match agent {
            Ok(agent) => peyk.send(request.header("User-Agent", agent)),
            // The client itself refuses an escape: what is left of it gets through.
            Err(_) => peyk.send(request.header("User-Agent", forged.replace('\u{1b}', ""))),
        }
    };
    assert_eq!(ask(&wrong(&code)).await.status, 401);
    let login = ask(&code).await;
    assert_eq!(login.status, 200);
    let session = ids(&list(&peyk, &text(&login, "access")).await)[0];
    assert_eq!(end_at(&peyk, 0, &text(&login, "access"), session).await.status, 200);
    let (failed, ok, revoked) = (
        peyk.apis[0].log_line("login failed").await,
        peyk.apis[0].log_line("logged in").await,
        peyk.apis[0].log_line("sessions revoked").await,
    );
    for line in [&failed, &ok, &revoked] {
        assert_eq!(line["target"], "security", "{line}");
    }
    assert_eq!((&failed["outcome"], &failed["reason"]), (&json!("failed"), &json!("no_such_code")));
    assert_eq!((&failed["ip"], &failed["method"]), (&json!("127.0.0.1"), &json!("otp")));
    assert_eq!((&ok["outcome"], &ok["session.id"]), (&json!("ok"), &json!(session)));
    assert_eq!(ok["user.id"], login.json["user"]["id"]);
    assert_eq!(
        (&revoked["reason"], &revoked["session.ids"]),
        (&json!("logout"), &json!(session.to_string()))
    );
    let output = peyk.output();
    for secret in [&mobile[1..], &code, &text(&login, "access"), &text(&login, "refresh")] {
        assert!(!output.contains(secret), "{secret} is in the log");
    }
}
