//! What operators see: health, metrics, and a refusal to start with a wrong configuration.

use peyk_tests::{
    fake::FakeKavenegar,
    harness::{Answer, Peyk, fresh_mobile, wait_for},
};

async fn ask(peyk: &Peyk, path: &str) -> Answer {
    let url = format!("{}{path}", peyk.worker_url().await);
    peyk.send(peyk.client().get(url)).await
}

async fn is_ready(peyk: &Peyk) {
    wait_for("readiness", || async {
        let ready = ask(peyk, "/readyz").await;
        (ready.status == 200 && ready.json["ready"] == true).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_worker_says_whether_it_can_work() {
    let mut peyk =
        Peyk::builder().apis(0).gated().set("DATABASE__ACQUIRE_TIMEOUT_MS", "1000").start().await;
    is_ready(&peyk).await;
    peyk.gate.as_mut().unwrap().shut().await;
    let ready = ask(&peyk, "/readyz").await;
    assert_eq!((ready.status, &ready.json["database"]), (503, &false.into()), "{ready:?}");
    // Restarting it would help nobody.
    assert_eq!(ask(&peyk, "/livez").await.status, 200);
    peyk.gate.as_mut().unwrap().open().await;
    is_ready(&peyk).await;
}

#[tokio::test]
async fn a_worker_that_never_heard_from_redis_is_not_ready() {
    let mut peyk = Peyk::builder().apis(0).workers(0).start().await;
    peyk.redis.kill();
    peyk.start_worker().await;
    let ready = ask(&peyk, "/readyz").await;
    assert_eq!((ready.status, &ready.json["ready"]), (503, &false.into()), "{ready:?}");
    assert_eq!(ready.json["last_fetch_ms"]["otp"], serde_json::Value::Null);
    assert_eq!(ask(&peyk, "/livez").await.status, 200);
    peyk.redis.restart().await;
    is_ready(&peyk).await;
    let ready = ask(&peyk, "/readyz").await;
    assert!(ready.json["last_fetch_ms"]["otp"].is_number(), "{ready:?}");
}

#[tokio::test]
async fn the_worker_is_not_ready_before_the_schema_is_there() {
    let peyk = Peyk::builder().apis(0).start().await;
    peyk.database.execute("DROP TABLE _sqlx_migrations").await;
    let ready = ask(&peyk, "/readyz").await;
    assert_eq!((ready.status, &ready.json["schema"]), (503, &false.into()), "{ready:?}");
    assert_eq!(ready.json["database"], true);
}

#[tokio::test]
async fn the_metrics_count_calls_queues_and_sweeps_and_name_nobody() {
    let fake = FakeKavenegar::start().await;
    let peyk = Peyk::builder().kavenegar(&fake.url()).hasty(2_000).start().await;
    let mobile = fresh_mobile();
    assert_eq!(peyk.send_otp(&mobile).await.status, 200);
    // Due, in no queue, and for a number nobody has: the sweep finds it, the job gives it up.
    peyk.database
        .execute(
            "INSERT INTO sms_messages
                 (kind, phone, local_id, created_at, expires_at, next_attempt_at)
             VALUES ('otp', '+989120000000', 1, now(), now() + interval '1 minute', now())",
        )
        .await;
    let calls = r#"peyk_provider_calls_total{outcome="accepted",provider="kavenegar"}"#;
    let due = r#"peyk_swept_rows_total{found="due"}"#;
    for (series, value) in [(calls, "1"), (due, "1"), (r#"peyk_queue_due_rows{queue="otp"}"#, "0")]
    {
        wait_for(series, || async {
            (peyk.worker_metric(series).await.as_deref() == Some(value)).then_some(())
        })
        .await;
    }
    for series in [
        r#"peyk_queue_depth{queue="otp"}"#,
        r#"peyk_queue_oldest_due_milliseconds{queue="otp"}"#,
        r#"peyk_provider_call_seconds_count{provider="kavenegar"}"#,
        r#"peyk_delivery_seconds_count{status="sent"}"#,
    ] {
        assert!(peyk.worker_metric(series).await.is_some(), "{series}");
    }
    let url = format!("{}/metrics", peyk.worker_url().await);
    let text = peyk.client().get(url).send().await.unwrap().text().await.unwrap();
    assert!(!text.contains(&mobile[1..]), "{text}");
}

/// Settings of every kind that cannot work, and their paths.
const WRONG: [(&str, &str, &str); 6] = [
    ("OTP__LENGTH", "11", "otp.length"),
    ("OTP__LENGHT", "6", "otp.lenght"),
    ("HTTP__WAIT_MS", "soon", "http.wait_ms"),
    ("SMS__ORDER", "nobody", "sms.order"),
    ("AUTH__REFRESH_KEY", "hunter2hunter2", "auth.refresh_key"),
    ("WORKER__SWEEP_MS", "0", "worker.sweep_ms"),
];

#[tokio::test]
async fn everything_wrong_with_the_configuration_is_named_at_once_and_nothing_starts() {
    let peyk = Peyk::builder().apis(0).workers(0).start().await;
    let settings = WRONG.map(|(name, value, _)| (name, value));
    for (binary, arguments) in
        [("api", &["check-config"][..]), ("api", &["serve"]), ("worker", &["run"])]
    {
        let (ok, output) = peyk.run_with(binary, arguments, &settings).await;
        assert!(!ok, "{binary} {arguments:?} starts");
        for (name, _, path) in WRONG {
            assert!(output.contains(&format!("\n  {path}: ")), "{path} in {output}");
            assert!(output.contains(&format!("PEYK__{name}")), "{name} in {output}");
        }
        assert!(!output.contains("hunter2"), "a value is shown: {output}");
    }
    let (ok, output) = peyk.run("api", &["check-config"]).await;
    assert!(ok, "{output}");
    assert_eq!(output.trim(), "The configuration is good.");
}

#[tokio::test]
async fn sandbox_mode_refuses_to_start_beside_live_credentials() {
    let peyk = Peyk::builder().apis(0).workers(0).start().await;
    let live = [("SMS__PROVIDERS__KAVENEGAR__API_KEY", "5A6B7C8D9E0F")];
    for (binary, arguments) in
        [("api", &["check-config"][..]), ("api", &["serve"]), ("worker", &["run"])]
    {
        let (ok, output) = peyk.run_with(binary, arguments, &live).await;
        assert!(!ok, "{binary} {arguments:?} starts");
        assert!(output.contains("mode is sandbox, which refuses to start"), "{output}");
        assert!(!output.contains("5A6B7C8D9E0F"), "the key is shown: {output}");
    }
}

#[tokio::test]
async fn no_setting_makes_a_code_that_always_works() {
    let peyk = Peyk::builder().kavenegar("http://127.0.0.1:9").workers(0).start().await;
    for (name, value) in [
        ("OTP__DEBUG", "true"),
        ("OTP__DEBUG_CODE", "1111"),
        ("SMS__DEBUG", "true"),
        ("AUTH__DEBUG_PHONE_NUMBER", "09120000000"),
    ] {
        let (ok, output) = peyk.run_with("api", &["check-config"], &[(name, value)]).await;
        assert!(!ok && output.contains("unknown key"), "{name}: {output}");
    }
    let numbers = r#"{"+989120000000" = { code = "1111" }}"#;
    let settings = [("OTP__TEST_NUMBERS", numbers)];
    let (ok, output) = peyk.run_with("api", &["check-config"], &settings).await;
    assert!(!ok && output.contains("until: is required in production"), "{output}");
    let mobile = fresh_mobile();
    assert_eq!(peyk.send_otp_async(&mobile).await.status, 202);
    for code in ["1111", "0000", "11111111", "00000000"] {
        assert_eq!(peyk.authenticate(&mobile, code, None).await.status, 401, "{code}");
    }
}
