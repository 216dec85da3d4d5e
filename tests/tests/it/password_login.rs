//! Logging in with a password: old hashes, failures, floods.

use std::time::{Duration, Instant};

use peyk_tests::harness::{Answer, Peyk, PeykBuilder, fresh_mobile, wait_for};
use serde_json::{Value, json};

use crate::{
    limit_steps::{assert_limited, lose_redis, with_status},
    login_steps::{count, header, log_in, patient, text},
    password_steps::{
        OLD_HASHES, OLD_PASSWORD, OTHER, PASSWORD, access, assert_no_account, imported, login,
        login_at, me, register, registered, stored, update,
    },
};

fn no_worker() -> PeykBuilder {
    Peyk::builder().workers(0)
}

#[tokio::test]
async fn a_right_password_is_a_session_like_any_other() {
    let peyk = no_worker().start().await;
    let id = registered(&peyk, "sara").await;
    let answer = login(&peyk, " sara ", PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        (&answer.json["user"]["id"], &answer.json["user"]["username"]),
        (&json!(id), &json!("sara"))
    );
    assert!(text(&answer, "refresh").len() > 20);
    assert_eq!(me(&peyk, &text(&answer, "access")).await.json["id"], id);
    let sessions = "SELECT count(*) FROM sessions WHERE method = 'password' AND ip IS NOT NULL";
    assert_eq!(count(&peyk, sessions).await, 1);
    let form = [("username", "sara"), ("password", PASSWORD), ("extra", "x")];
    let form = peyk.client().post(peyk.url("/drfchelseru/login")).form(&form);
    assert_eq!(peyk.send(form).await.status, 200);
}

#[tokio::test]
async fn every_hash_of_django_opens_its_account_and_is_replaced_at_the_first_right_login() {
    let peyk = no_worker().start().await;
    for (at, hash) in OLD_HASHES.into_iter().enumerate() {
        let username = format!("old{at}");
        imported(&peyk, &username, hash).await;
        assert_no_account(&login(&peyk, &username, PASSWORD).await);
        assert_eq!(
            stored(&peyk, &username).await.as_deref(),
            Some(hash),
            "a wrong one changes nothing"
        );
        access(&peyk, &username, OLD_PASSWORD).await;
        let newer = stored(&peyk, &username).await.unwrap();
        assert!(newer.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{newer}");
        access(&peyk, &username, OLD_PASSWORD).await;
        assert_eq!(stored(&peyk, &username).await, Some(newer), "once");
        assert_no_account(&login(&peyk, &username, PASSWORD).await);
    }
    let changed = "SELECT count(*) FROM users WHERE password_changed_at IS NOT NULL";
    assert_eq!(count(&peyk, changed).await, 0, "the password is the same");
}

#[tokio::test]
async fn parallel_logins_with_an_old_hash_all_succeed() {
    let peyk = no_worker().apis(2).start().await;
    imported(&peyk, "old", OLD_HASHES[0]).await;
    let logins = (0..16).map(|at| login_at(&peyk, at % 2, "old", OLD_PASSWORD));
    let answers = futures_util::future::join_all(logins).await;
    assert_eq!(with_status(&answers, 200), 16, "{answers:?}");
    assert!(stored(&peyk, "old").await.unwrap().starts_with("$argon2id$"));
}

#[tokio::test]
async fn a_password_that_is_changed_under_a_login_is_not_overwritten_and_the_old_one_is_refused() {
    let peyk = no_worker().start().await;
    imported(&peyk, "old", OLD_HASHES[0]).await;
    registered(&peyk, "sara").await;
    let theirs = stored(&peyk, "sara").await.unwrap();
    // The row is held by whoever changes it: the login has checked the old hash and waits.
    let mut change = peyk.database.pool.begin().await.unwrap();
    let set = sqlx::query("UPDATE users SET password = $1 WHERE username = 'old'").bind(&theirs);
    set.execute(&mut *change).await.unwrap();
    let (commit, answer) = tokio::join!(
        async {
            wait_for("the login to wait for the row", || async {
                let waits = "SELECT count(*) FROM pg_stat_activity
                             WHERE datname = current_database() AND wait_event_type = 'Lock'";
                (count(&peyk, waits).await > 0).then_some(())
            })
            .await;
            change.commit().await
        },
        login(&peyk, "old", OLD_PASSWORD),
    );
    commit.unwrap();
    assert_no_account(&answer);
    assert_eq!(stored(&peyk, "old").await, Some(theirs));
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 0);
    access(&peyk, "old", PASSWORD).await;
}

#[tokio::test]
async fn an_account_that_is_disabled_under_a_login_begins_no_session() {
    let peyk = no_worker().start().await;
    registered(&peyk, "sara").await;
    let mut change = peyk.database.pool.begin().await.unwrap();
    let off = sqlx::query("UPDATE users SET is_active = false");
    off.execute(&mut *change).await.unwrap();
    let (commit, answer) = tokio::join!(
        async {
            wait_for("the login to wait for the row", || async {
                let waits = "SELECT count(*) FROM pg_stat_activity
                             WHERE datname = current_database() AND wait_event_type = 'Lock'";
                (count(&peyk, waits).await > 0).then_some(())
            })
            .await;
            change.commit().await
        },
        login(&peyk, "sara", PASSWORD),
    );
    commit.unwrap();
    assert_no_account(&answer);
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 0);
}

/// Everything of an answer but what is of this very request.
fn told(answer: &Answer) -> Value {
    let mut body = answer.json.clone();
    body["request_id"] = Value::Null;
    let own = ["x-request-id", "date", "ratelimit"];
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    json!({"status": answer.status, "body": body, "headers": headers})
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
async fn nobody_learns_who_has_an_account_from_words_or_from_the_clock() {
    let peyk = no_worker().set("AUTH__FAILURE_FLOOR_MS", "0").start().await;
    registered(&peyk, "known").await;
    registered(&peyk, "disabled").await;
    registered(&peyk, "without").await;
    update(&peyk, "UPDATE users SET is_active = false WHERE username = $1", "disabled").await;
    update(&peyk, "UPDATE users SET password = NULL WHERE username = $1", "without").await;
    imported(
        &peyk,
        "absurd",
        "pbkdf2_sha256$4000000000$salt$2Ct9MqMXOj/6F/p2yaHegDoE3/xEcC5jHcqQ3mS/3uQ=",
    )
    .await;
    let cases = [
        ("known", OTHER),
        ("unknown", PASSWORD),
        ("disabled", PASSWORD),
        ("disabled", OTHER),
        ("without", PASSWORD),
        ("absurd", PASSWORD),
    ];
    let mut times = cases.map(|_| Vec::new());
    let mut answers = Vec::new();
    // The warm-up is not counted. Samples are taken in turns: what else the machine does hits all.
    for round in 0..16 {
        for (times, (username, password)) in times.iter_mut().zip(cases) {
            let started = Instant::now();
            let answer = login(&peyk, username, password).await;
            if round > 0 {
                times.push(started.elapsed());
            }
            assert_no_account(&answer);
            answers.push(told(&answer));
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    let medians: Vec<_> = times.iter_mut().map(|times| median(times)).collect();
    let (least, most) = (*medians.iter().min().unwrap(), *medians.iter().max().unwrap());
    // Without a check of the same cost some would take a tenth of the others.
    assert!(most < least * 2, "{medians:?}");
}

#[tokio::test]
async fn a_slow_old_hash_makes_every_refusal_as_slow() {
    let peyk = no_worker().set("AUTH__FAILURE_FLOOR_MS", "0").start().await;
    // Ten times the work of a new hash.
    imported(&peyk, "old", OLD_HASHES[1]).await;
    let timed = async |username: &str| {
        let started = Instant::now();
        assert_no_account(&login(&peyk, username, PASSWORD).await);
        started.elapsed()
    };
    timed("old").await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        known.push(timed("old").await);
        unknown.push(timed("nobody").await);
    }
    let (known, unknown) = (median(&mut known), median(&mut unknown));
    assert!(unknown * 2 > known && known * 2 > unknown, "{known:?} {unknown:?}");
}

#[tokio::test]
async fn failures_are_counted_by_name_and_address_in_all_processes_and_right_answers_are_not() {
    let peyk = no_worker()
        .set("LIMITS__PASSWORD_FAILURES_PER_NAME", "3/1h")
        .set("HTTP__TRUSTED_PROXIES", "127.0.0.0/8")
        .apis(2)
        .start()
        .await;
    registered(&peyk, "sara").await;
    registered(&peyk, "omid").await;
    let from = |api: usize, ip: &str, username: &str, password: &str| {
        let request = peyk.client().post(format!("{}/api/login/", peyk.urls[api]));
        let body = json!({"username": username, "password": password});
        peyk.send(request.header("X-Forwarded-For", ip).json(&body))
    };
    for api in [0, 1, 0, 1, 0] {
        assert_eq!(from(api, "203.0.113.7", "sara", PASSWORD).await.status, 200, "not counted");
    }
    for api in [0, 1, 0] {
        assert_no_account(&from(api, "203.0.113.7", "sara", OTHER).await);
    }
    for api in [0, 1] {
        assert_limited(&from(api, "203.0.113.7", "sara", OTHER).await, 1200);
        // Else the limit would be none: a guesser would know the right one by its answer.
        assert_limited(&from(api, "203.0.113.7", "ｓara", PASSWORD).await, 1200);
        assert_eq!(from(api, "203.0.113.8", "sara", PASSWORD).await.status, 200, "elsewhere");
        assert_eq!(from(api, "203.0.113.7", "omid", PASSWORD).await.status, 200, "others");
    }
    // One household has one share, and a name nobody has is limited like one that somebody has.
    for host in ["1", "2", "3"] {
        assert_no_account(&from(0, &format!("2001:db8:1:2::{host}"), "nobody", OTHER).await);
    }
    assert_limited(&from(1, "2001:db8:1:2::4", "nobody", OTHER).await, 1200);
}

#[tokio::test]
async fn failures_are_counted_by_address_whatever_names_are_tried() {
    let peyk = no_worker().set("LIMITS__PASSWORD_FAILURES_PER_IP", "4/1h").apis(2).start().await;
    for at in 0..4 {
        assert_no_account(&login_at(&peyk, at % 2, &format!("name{at}"), OTHER).await);
    }
    for api in [0, 1] {
        let limited = login_at(&peyk, api, "another", OTHER).await;
        assert_limited(&limited, 900);
        let policy = header(&limited, "ratelimit-policy").unwrap();
        assert!(policy.contains("\"password-failure-ip\";q=4;w=3600"), "{policy}");
    }
}

#[tokio::test]
async fn many_guesses_at_once_get_hardly_more_checks_than_the_limit() {
    let peyk = no_worker()
        .set("LIMITS__PASSWORD_FAILURES_PER_NAME", "5/1h")
        .set("AUTH__PASSWORDS__MAX_PARALLEL", "2")
        .apis(2)
        .start()
        .await;
    registered(&peyk, "sara").await;
    // The last ones are right: were they checked, too, they would get in.
    let guess = |at| if at < 50 { OTHER } else { PASSWORD };
    let guesses = (0..60).map(|at| login_at(&peyk, at % 2, "sara", guess(at)));
    let answers = futures_util::future::join_all(guesses).await;
    let [right, refused, limited] = [200, 401, 429].map(|status| with_status(&answers, status));
    assert_eq!((refused, right + limited), (5, 55));
    // Nobody says in which order they arrive, but that many come before five wrong ones hardly ever.
    assert!(right <= 6, "{right}");
}

#[tokio::test]
async fn without_redis_passwords_are_checked_and_failures_still_limited() {
    let mut peyk = no_worker().set("LIMITS__PASSWORD_FAILURES_PER_NAME", "3/1h").start().await;
    registered(&peyk, "sara").await;
    lose_redis(&mut peyk).await;
    assert_eq!(login(&peyk, "sara", PASSWORD).await.status, 200);
    for _ in 0..3 {
        assert_no_account(&login(&peyk, "sara", OTHER).await);
    }
    assert_limited(&login(&peyk, "sara", OTHER).await, 1200);
}

#[tokio::test]
async fn a_flood_of_passwords_is_bounded_and_leaves_logins_by_code_alone() {
    let peyk = patient()
        .set("AUTH__PASSWORDS__MAX_PARALLEL", "1")
        .set("AUTH__PASSWORDS__MAX_WAITING", "20")
        .set("AUTH__PASSWORDS__PASSES", "10")
        .start()
        .await;
    registered(&peyk, "sara").await;
    // How long a login by code takes beside nothing.
    log_in(&peyk, &fresh_mobile()).await;
    let started = Instant::now();
    log_in(&peyk, &fresh_mobile()).await;
    let alone = started.elapsed();
    let flood = futures_util::future::join_all((0..200).map(|_| login(&peyk, "sara", PASSWORD)));
    let code = async {
        let started = Instant::now();
        log_in(&peyk, &fresh_mobile()).await;
        started.elapsed()
    };
    let (answers, beside) = tokio::join!(flood, code);
    let (right, busy) = (with_status(&answers, 200), with_status(&answers, 503));
    assert_eq!(right + busy, 200);
    assert!((21..150).contains(&right), "{right} had a turn");
    let refused = answers.iter().find(|answer| answer.status == 503).unwrap();
    assert_eq!(
        (text(refused, "code"), header(refused, "retry-after")),
        ("unavailable".to_owned(), Some("1"))
    );
    // All twenty-one one after the other take seconds, and nobody else waits for them.
    assert!(beside < alone * 10 + Duration::from_secs(2), "{alone:?} {beside:?}");
    assert_eq!(login(&peyk, "sara", PASSWORD).await.status, 200, "it is over");
}

#[tokio::test]
async fn a_lost_database_is_no_wrong_password() {
    let mut peyk = no_worker().set("DATABASE__ACQUIRE_TIMEOUT_MS", "300").gated().start().await;
    registered(&peyk, "sara").await;
    peyk.gate.as_mut().unwrap().shut().await;
    for password in [PASSWORD, OTHER] {
        let answer = login(&peyk, "sara", password).await;
        assert_eq!(answer.status, 503, "{answer:?}");
    }
}

#[tokio::test]
async fn a_way_of_logging_in_that_is_off_is_closed_everywhere() {
    let body = json!({
        "mobile_number": fresh_mobile(), "code": "12345678", "username": "sara",
        "password": PASSWORD, "password2": PASSWORD,
    });
    for (methods, closed, open) in [
        (
            "otp",
            &["register", "login", "password/reset", "password/reset/confirm"][..],
            &["otp/send", "authenticate"][..],
        ),
        ("password", &["otp/send", "authenticate"], &["register", "login"]),
    ] {
        let peyk = patient().set("AUTH__METHODS", methods).start().await;
        for path in closed {
            for prefix in ["api", "drfchelseru"] {
                let answer = peyk.post(&format!("/{prefix}/{path}/"), &body).await;
                let is = (answer.status, text(&answer, "code"));
                assert_eq!(is, (403, "login_method_closed".to_owned()), "{methods} {path}");
            }
        }
        for path in open {
            let answer = peyk.post(&format!("/api/{path}/"), &body).await;
            assert_ne!(answer.status, 403, "{methods} {path} {answer:?}");
        }
    }
}

#[tokio::test]
async fn me_password_is_closed_with_passwords() {
    let peyk = patient().set("AUTH__METHODS", "otp").start().await;
    let access = text(&log_in(&peyk, &fresh_mobile()).await, "access");
    let body = json!({"password": PASSWORD, "password2": PASSWORD});
    let answer = crate::password_steps::change(&peyk, &access, &body).await;
    assert_eq!((answer.status, text(&answer, "code")), (403, "login_method_closed".to_owned()));
    assert_eq!(register(&peyk, "sara", PASSWORD).await.status, 403);
}
