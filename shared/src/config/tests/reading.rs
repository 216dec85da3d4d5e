//! What is read, and from where.

use secrecy::ExposeSecret;

use super::*;

#[test]
fn defaults_apply_to_everything_that_has_one() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.mode, Mode::Production);
    assert_eq!(config.http.prefixes, ["/api", "/drfchelseru"]);
    assert_eq!(config.http.wait().as_secs(), 5);
    assert_eq!(config.sms.lease_ms(), 10_000);
    assert_eq!(config.limits.otp_send_per_ip, Rate { count: 60, seconds: 60 });
    assert_eq!(config.log_format(), LogFormat::Json);
    assert!(!config.docs());
    assert!(config.sms_order().is_empty());
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = load("[http]\nwait_ms = 1\nmax_waiters = 2", &[("PEYK__HTTP__WAIT_MS", "3")]);
    let config = config.unwrap();
    assert_eq!(config.http.wait_ms, 3);
    assert_eq!(config.http.max_waiters, 2);
}

#[test]
fn variables_alone_are_enough() {
    let mut env = required();
    env.extend(variables(&[("PEYK_CONFIG", "ignored"), ("HOME", "/"), ("PEYK__MODE", "sandbox")]));
    let config = Config::from_parts(None, env).unwrap();
    assert_eq!(config.mode, Mode::Sandbox);
    assert_eq!(config.sms_order(), ["sandbox"]);
    assert_eq!(config.log_format(), LogFormat::Pretty);
    assert!(config.docs());
}

#[test]
fn variables_are_read_as_literals_or_lists_where_text_does_not_fit() {
    for groups in ["[0,1,5]", "0,1,5", " 0, 1 ,5 "] {
        let config = load("", &[("PEYK__AUTH__GROUPS", groups)]).unwrap();
        assert_eq!(config.auth.groups, [0, 1, 5], "{groups}");
    }
    let config = load(
        "",
        &[
            ("PEYK__HTTP__DOCS", "true"),
            ("PEYK__HTTP__PREFIXES", "/api"),
            ("PEYK__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,192.168.1.1"),
            ("PEYK__PHONE__COUNTRIES", "IR,DE"),
            ("PEYK__LIMITS__OTP_SEND_PER_IP", "5/10s"),
            ("PEYK__HTTP__OPERATIONS_LISTEN", "[::1]:9000"),
            ("PEYK__SMS__PROVIDERS__KAVENEGAR__API_KEY", "12345"),
        ],
    );
    let config = config.unwrap();
    assert!(config.docs());
    assert_eq!(config.http.prefixes, ["/api"]);
    assert_eq!(config.http.trusted_proxies.len(), 2);
    assert_eq!(config.phone.countries, ["IR", "DE"]);
    assert_eq!(config.limits.otp_send_per_ip, Rate { count: 5, seconds: 10 });
    assert_eq!(config.http.operations_listen, "[::1]:9000".parse().ok());
    assert_eq!(config.sms.providers["kavenegar"]["api_key"].as_str(), Some("12345"));
}

#[test]
fn text_that_fits_is_never_read_as_a_literal() {
    let config = load("", &[("PEYK__AUTH__ISSUER", "true"), ("PEYK__OTP__TEMPLATE", "17")]);
    let config = config.unwrap();
    assert_eq!(config.auth.issuer.as_deref(), Some("true"));
    assert_eq!(config.otp.template.as_deref(), Some("17"));
}

#[test]
fn templates_may_be_written_as_the_old_map_of_numbers() {
    let file = "[otp]\ntemplate = 5\n[sms.templates]\nT1 = 1\nT2 = \"two\"
                [sms.templates.ready]\ntext = \"آماده است\"
                [sms.templates.ready.providers]\nsandbox = 7\n";
    let config = load(file, &[]).unwrap();
    assert_eq!(config.otp.template.as_deref(), Some("5"));
    let template = |name: &str| &config.sms.templates[name];
    assert_eq!(template("T1").name.as_deref(), Some("1"));
    assert_eq!(template("T2").name.as_deref(), Some("two"));
    assert_eq!(template("ready").providers["sandbox"], "7");
    assert_eq!(template("ready").name, None);
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let file = env::temp_dir().join(format!("peyk-config-test-{}", std::process::id()));
    std::fs::write(&file, "postgres://from.file/peyk\n").unwrap();
    let mut env = required();
    env.retain(|(name, _)| name != "PEYK__DATABASE__URL");
    let name = file.to_str().unwrap().to_owned();
    env.push(("PEYK__DATABASE__URL_FILE".to_owned(), name));
    let config = Config::from_parts(None, env);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(config.unwrap().database.url.expose_secret(), "postgres://from.file/peyk");
}

#[test]
fn cron_jobs_are_the_same_with_hyphen_and_underscore() {
    let config = load(
        "[cron.purge-expired-otps]\nschedule = \"0 0 * * * *\"",
        &[("PEYK__CRON__PURGE_EXPIRED_OTPS__ENABLED", "false")],
    );
    let config = config.unwrap();
    assert_eq!(config.cron.len(), 1);
    let job = config.cron_job("purge_expired_otps");
    assert_eq!(job, config.cron["purge-expired-otps"]);
    assert_eq!(job.schedule.as_deref(), Some("0 0 * * * *"));
    assert!(!job.enabled);
    assert!(config.cron_job("unknown").enabled);
}

#[test]
fn providers_are_tried_in_the_order_given_else_by_name() {
    let tables = "[sms.providers.b]\nkind = \"kavenegar\"\n[sms.providers.a]\n";
    let config = load(tables, &[]).unwrap();
    assert_eq!(config.sms_order(), ["a", "b"]);
    assert_eq!(config.sms.kind("b"), "kavenegar");
    assert_eq!(config.sms.kind("a"), "a");
    let config = load(tables, &[("PEYK__SMS__ORDER", "b,a")]).unwrap();
    assert_eq!(config.sms_order(), ["b", "a"]);
}
