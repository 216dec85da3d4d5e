//! The end of an account: disabled by whoever runs the server, or erased; refused everywhere at once.

use peyk_tests::harness::{Peyk, fresh_mobile, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    account_steps::{
        Person, ask_at, begin_change, get_as, let_sessions_grow_old, person, post_as, problem,
        refused_within_a_second, session_of,
    },
    login_steps::{assert_refused, log_in, patient, send},
};

async fn users(peyk: &Peyk, arguments: &[&str]) -> (bool, String) {
    peyk.run("api", &[&["users"], arguments].concat()).await
}

/// The answer of a command that works.
async fn done(peyk: &Peyk, arguments: &[&str]) -> String {
    let (worked, output) = users(peyk, arguments).await;
    assert!(worked, "{output}");
    output
}

async fn row(peyk: &Peyk, id: i64) -> Value {
    let query = sqlx::query_scalar("SELECT to_jsonb(u) FROM users u WHERE id = $1").bind(id);
    query.fetch_one(&peyk.database.pool).await.unwrap()
}

async fn erase(peyk: &Peyk, who: &Person) -> u16 {
    ask_at(peyk, 0, who, Method::DELETE, "/api/me/", &Value::Null).await.status
}

/// Every column of every table that holds this text.
async fn mentions(peyk: &Peyk, text: &str) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    let mut found = Vec::new();
    for table in tables {
        let sql = format!("SELECT count(*) FROM \"{table}\" t WHERE t::text LIKE '%' || $1 || '%'");
        let query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).bind(text);
        if query.fetch_one(&peyk.database.pool).await.unwrap() > 0 {
            found.push(table);
        }
    }
    found
}

#[tokio::test]
async fn an_erased_account_names_nobody_and_what_refers_to_it_stays() {
    let peyk = patient().apis(2).start().await;
    let who = person(&peyk).await;
    let elsewhere = session_of(&peyk, &who.mobile).await;
    let bystander = person(&peyk).await;
    let profile = json!({"first_name": "Nargesxyz", "email": "narges@example.com"});
    ask_at(&peyk, 0, &who, Method::PATCH, "/api/me/", &profile).await;
    let id = who.id.to_string();
    done(&peyk, &["grant", &id, "sms:send"]).await;
    let text = json!({"mobile_number": fresh_mobile(), "message_text": "hello"});
    let sent = post_as(&peyk, &who, "/api/message/send/", &text).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let payer = json!({"amount": 5000, "order_id": "kept", "mobile": who.mobile,
        "email": "narges@example.com"});
    let begun = post_as(&peyk, &who, "/api/payment/create/", &payer).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let (wanted, others) = (fresh_mobile(), row(&peyk, bystander.id).await);
    let (_, change) = begin_change(&peyk, &who, &wanted).await;
    let (_, login) = send(&peyk, &who.mobile).await;
    let_sessions_grow_old(&peyk).await;
    assert_eq!(erase(&peyk, &who).await, 403, "not without a proof of a moment ago");
    peyk.database.execute("UPDATE sessions SET authenticated_at = now()").await;
    assert_eq!(erase(&peyk, &who).await, 200);
    for session in [&who, &elsewhere] {
        refused_within_a_second(&peyk, session).await;
    }
    assert_eq!(erase(&peyk, &who).await, 401);
    // Nothing in its row names anybody or opens anything.
    let erased = row(&peyk, who.id).await;
    assert_eq!(erased["username"], format!("erased-{}", who.id));
    for (column, value) in [
        ("phone", Value::Null),
        ("email", json!("")),
        ("first_name", json!("")),
        ("last_name", json!("")),
        ("password", Value::Null),
        ("role", Value::Null),
        ("scopes", json!([])),
        ("is_active", json!(false)),
    ] {
        assert_eq!(erased[column], value, "{column}");
    }
    assert!(erased["erased_at"].is_string());
    let told = "SELECT count(*) FROM sessions WHERE user_id = 1 AND revoked_reason = 'account'
        AND ip IS NULL AND user_agent IS NULL AND device IS NULL AND browser IS NULL AND os IS NULL";
    assert_eq!(peyk.database.count(told).await, 2);
    for name in ["Nargesxyz", "narges@example.com"] {
        assert_eq!(mentions(&peyk, name).await, Vec::<String>::new(), "{name}");
    }
    let number = mentions(&peyk, &who.mobile[1..]).await;
    assert_eq!(number, ["otp_codes", "sms_messages"], "those with a retention");
    assert_eq!(mentions(&peyk, &wanted[1..]).await, number);
    let texts = "SELECT count(*) FROM sms_messages WHERE user_id = 1";
    assert_eq!(peyk.database.count(texts).await, 1, "what refers to the account is there");
    let payments = "SELECT count(*) FROM payments WHERE user_id = 1 AND order_id = 'kept'
        AND amount = 5000 AND state = 'redirected' AND mobile = '' AND email = ''";
    assert_eq!(peyk.database.count(payments).await, 1, "the money was real");
    assert_eq!(row(&peyk, bystander.id).await, others);
    assert_eq!(get_as(&peyk, &bystander, "/api/me/").await.status, 200);
    // Codes from before open nothing; the number begins anew.
    assert_refused(&peyk.authenticate(&who.mobile, &login, None).await);
    let anew = session_of(&peyk, &who.mobile).await;
    assert_ne!(anew.id, who.id);
    let confirmed = post_as(&peyk, &anew, "/api/me/phone/confirm/", &json!({"code": change})).await;
    assert_eq!(problem(&confirmed), (400, "otp_not_valid"));
    let named = log_in(&peyk, &wanted).await;
    assert_eq!(named.json["user"]["username"], format!("G0-{wanted}"));
    // It cannot be brought back, or erased twice.
    for command in [&["enable", &*id][..], &["disable", &id], &["erase", &id, "--yes"]] {
        let (worked, output) = users(&peyk, command).await;
        assert!(!worked && output.contains("erased"), "{output}");
    }
}

#[tokio::test]
async fn a_taken_name_and_a_parallel_login_do_not_keep_anybody_from_being_erased() {
    let peyk = patient().apis(2).start().await;
    for _ in 0..3 {
        let who = person(&peyk).await;
        sqlx::query("INSERT INTO users (username, created_at) VALUES ($1, now())")
            .bind(format!("erased-{}", who.id))
            .execute(&peyk.database.pool)
            .await
            .unwrap();
        let (_, code) = send(&peyk, &who.mobile).await;
        let (erased, login) =
            tokio::join!(erase(&peyk, &who), peyk.authenticate(&who.mobile, &code, None));
        assert_eq!(erased, 200);
        let name = row(&peyk, who.id).await["username"].clone();
        assert!(name.as_str().unwrap().starts_with(&format!("erased-{}-", who.id)), "{name}");
        // Whoever came in first is out now, and whoever came later has another account.
        let id = login.json["user"]["id"].as_i64();
        assert!(login.status == 401 || id.is_some(), "{login:?}");
        if let (Some(id), Some(access)) = (id, login.json["access"].as_str()) {
            let session = Person { id, mobile: who.mobile.clone(), access: access.to_owned() };
            if id == who.id {
                refused_within_a_second(&peyk, &session).await;
            } else {
                assert_eq!(get_as(&peyk, &session, "/api/me/").await.status, 200);
            }
        }
    }
}

#[tokio::test]
async fn a_disabled_account_is_refused_on_every_way_in_every_process() {
    let peyk = patient().apis(2).start().await;
    let who = person(&peyk).await;
    let id = who.id.to_string();
    for scope in ["sms:send", "sms:read"] {
        done(&peyk, &["grant", &id, scope]).await;
    }
    let (_, code) = send(&peyk, &who.mobile).await;
    let shown = done(&peyk, &["show", &id]).await;
    assert!(shown.contains("active") && shown.contains("sms:send, sms:read"), "{shown}");
    assert!(!shown.contains(&who.mobile), "{shown}");
    assert!(done(&peyk, &["show", &id, "--full"]).await.contains(&who.mobile));
    let listed = done(&peyk, &["list", "--phone", &who.mobile]).await;
    assert!(listed.starts_with(&format!("{id}  active")), "{listed}");
    done(&peyk, &["disable", &id]).await;
    refused_within_a_second(&peyk, &who).await;
    let text = json!({"mobile_number": fresh_mobile(), "message_text": "hello"});
    for api in [0, 1] {
        for (method, path, body) in [
            (Method::POST, "/api/message/send/", &text),
            (Method::GET, "/api/message/", &Value::Null),
            (Method::GET, "/api/message/1/", &Value::Null),
            (Method::DELETE, "/api/me/", &Value::Null),
            (Method::PATCH, "/api/me/", &json!({"first_name": "x"})),
            (Method::POST, "/api/me/phone/", &text),
            (Method::POST, "/api/me/confirm/send/", &Value::Null),
        ] {
            let refused = ask_at(&peyk, api, &who, method.clone(), path, body).await;
            assert_eq!(problem(&refused), (401, "token_not_valid"), "{method} {path}");
        }
    }
    let login = peyk.authenticate(&who.mobile, &code, None).await;
    assert_eq!(problem(&login), (401, "user_inactive"));
    assert_eq!(
        peyk.database.count("SELECT count(*) FROM sms_messages WHERE kind = 'text'").await,
        0
    );
    done(&peyk, &["enable", &id]).await;
    assert_eq!(get_as(&peyk, &who, "/api/me/").await.status, 401, "its sessions stay ended");
    let back = session_of(&peyk, &who.mobile).await;
    assert_eq!(back.id, who.id);
    assert_eq!(post_as(&peyk, &back, "/api/message/send/", &text).await.status, 200);
    // Who did what is written down, and no number.
    let (_, audit) = peyk.run("api", &["audit", "list", "--subject", &format!("user:{id}")]).await;
    for action in ["user.disabled", "user.enabled", "user.scope_granted", "user.viewed"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
    assert!(!audit.contains(&who.mobile[1..]), "{audit}");
}

#[tokio::test]
async fn commands_on_accounts_say_what_is_wrong() {
    let peyk = patient().start().await;
    let who = person(&peyk).await;
    let id = who.id.to_string();
    for (arguments, reason) in [
        (&["show", "999"][..], "there is no account 999"),
        (&["disable", "999"], "there is no account 999"),
        (&["erase", &id], "--yes"),
        (&["withdraw", &id, "sms:send"], "does not have sms:send"),
        (&["grant", &id, "root"], "there are: sms:send, sms:read"),
    ] {
        let (worked, output) = users(&peyk, arguments).await;
        assert!(!worked && output.contains(reason), "{arguments:?}: {output}");
    }
    sqlx::query("UPDATE users SET role = 'admin' WHERE id = $1")
        .bind(who.id)
        .execute(&peyk.database.pool)
        .await
        .unwrap();
    for arguments in [&["disable", &*id][..], &["erase", &id, "--yes"]] {
        let (worked, output) = users(&peyk, arguments).await;
        assert!(!worked && output.contains("last admin"), "{output}");
    }
    assert_eq!(erase(&peyk, &who).await, 409);
    assert_eq!(get_as(&peyk, &who, "/api/me/").await.status, 200);
}

#[tokio::test]
async fn a_crash_in_the_middle_of_an_erasure_erases_nothing() {
    let mut peyk = patient().apis(2).start().await;
    let who = person(&peyk).await;
    let before = row(&peyk, who.id).await;
    // Its last statement but one waits: the audit log is locked.
    let mut held = peyk.database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE audit_events IN EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    let request = peyk.client().delete(peyk.url("/api/me/")).bearer_auth(&who.access);
    let erasing = tokio::spawn(request.send());
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_for("the erasure to wait", || async {
        (peyk.database.count(waits).await == 1).then_some(())
    })
    .await;
    peyk.apis[0].kill().await;
    assert!(erasing.await.unwrap().is_err(), "its process died");
    held.rollback().await.unwrap();
    wait_for("its transaction to be undone", || async {
        (peyk.database.count(waits).await == 0).then_some(())
    })
    .await;
    assert_eq!(row(&peyk, who.id).await, before);
    let me = ask_at(&peyk, 1, &who, Method::GET, "/api/me/", &Value::Null).await;
    assert_eq!(me.status, 200, "{me:?}");
    let erased = ask_at(&peyk, 1, &who, Method::DELETE, "/api/me/", &Value::Null).await;
    assert_eq!(erased.status, 200);
}
