//! What types cannot say.

use super::*;

#[test]
fn values_without_meaning_are_refused() {
    for (path, bad) in [
        ("http.public_url", "\"peyk.test\""),
        ("http.public_url", "\"https://peyk.test/\""),
        ("http.public_url", "\"ftp://peyk.test\""),
        ("http.prefixes", "[]"),
        ("http.prefixes", "[\"api\"]"),
        ("http.prefixes", "[\"/api/\"]"),
        ("http.prefixes", "[\"/\"]"),
        ("http.prefixes", "[\"/api\", \"/api\"]"),
        ("http.wait_ms", "30000"),
        ("http.max_connections", "0"),
        ("http.operations_listen", "\"127.0.0.1:8080\""),
        ("database.max_connections", "0"),
        ("redis.url", "\"127.0.0.1:6379\""),
        ("redis.prefix", "\"Peyk\""),
        ("redis.prefix", "\"\""),
        ("auth.groups", "[]"),
        ("auth.groups", "[0, -1]"),
        ("auth.access_ttl_seconds", "0"),
        ("auth.refresh_ttl_seconds", "299"),
        ("auth.refresh_grace_seconds", "61"),
        ("auth.issuer", "\"\""),
        ("auth.methods", "[]"),
        ("auth.passwords.memory_kib", "262145"),
        ("auth.passwords.passes", "1"),
        ("auth.passwords.passes", "54"),
        ("auth.passwords.lanes", "0"),
        ("auth.passwords.max_parallel", "1025"),
        ("otp.length", "3"),
        ("otp.length", "11"),
        ("otp.ttl_seconds", "29"),
        ("otp.ttl_seconds", "601"),
        ("otp.resend_after_seconds", "601"),
        ("otp.attempts_per_request", "0"),
        ("otp.text", "\"your code\""),
        ("otp.webotp_domain", "\"https://shop.example\""),
        ("otp.webotp_domain", "\"localhost\""),
        ("otp.android_hash", "\"FA+9qCX9VS\""),
        ("otp.android_hash", "\"FA+9qCX9VS=\""),
        ("phone.countries", "[]"),
        ("phone.countries", "[\"IR\", \"ir\"]"),
        ("phone.countries", "[\"IR\", \"QQ\"]"),
        ("phone.default_country", "\"DE\""),
        ("sms.order", "[\"nobody\"]"),
        ("sms.weights", "{ nobody = 1 }"),
        ("sms.low_balance", "{ nobody = 1 }"),
        ("sms.account_pause_seconds", "0"),
        ("sms.account_pause_seconds", "3601"),
        ("sms.connect_timeout_ms", "9000"),
        ("sms.max_attempts", "0"),
        ("sms.webhook_secret", "\"\""),
        ("sms.webhook_secret", "\"31-characters-are-not-enough-ye\""),
        ("sms.stop_words", "[\"stop\", \" . \"]"),
        ("sms.start_words", "[\"START\", \"لغو ۱۱\"]"),
        ("sms.inbound_retention_days", "0"),
        ("worker.otp_concurrency", "0"),
        ("worker.sweep_ms", "0"),
        ("worker.webhook_concurrency", "0"),
        ("worker.payment_concurrency", "0"),
        ("webhooks.max_attempts", "0"),
        ("webhooks.give_up_after_seconds", "59"),
        ("webhooks.keep_days", "2"),
        ("log.filter", "\"shared=loud\""),
        ("limits.otp_send_per_target", "\"0/1h\""),
        ("limits.api_processes", "0"),
        ("limits.api_processes", "1001"),
        ("limits.worker_processes", "0"),
        ("sms.quiet_hours", "{ from = \"09:00\", to = \"09:00\", zone = \"UTC\" }"),
        ("limits.ipv6_site_factor", "0"),
        ("limits.daily_sends", "0"),
        ("limits.daily_sends_per_country", "{ IR = 5, QQ = 5 }"),
        ("limits.daily_sends_per_country", "{ Iran = 5 }"),
        ("limits.daily_spend_rials", "1000"),
    ] {
        let (section, key) = path.split_once('.').unwrap();
        let file = format!("[{section}]\n{key} = {bad}");
        assert_eq!(paths(&file, &[]), [path], "{file}");
    }
}

#[test]
fn values_at_the_edge_are_taken() {
    for file in [
        "[http]\npublic_url = \"https://peyk.test/under\"\nprefixes = [\"/a/b-c\"]",
        "[http]\nlisten = \"127.0.0.1:0\"\noperations_listen = \"127.0.0.1:0\"\nwait_ms = 0",
        "[otp]\nlength = 4\nttl_seconds = 30\ncooldown = \"until_expiry\"",
        "[otp]\nlength = 10\nttl_seconds = 600\ntext = \"{code}\"",
        "[log]\nformat = \"pretty\"\nfilter = \"info,shared::otp=debug\"",
    ] {
        load(file, &[]).unwrap();
    }
}

#[test]
fn a_signing_key_has_exactly_the_secret_of_its_algorithm() {
    let key = |lines: &str| paths(&format!("[auth.keys.new]\n{lines}"), &[]);
    assert_eq!(key(""), ["auth.keys.new.private_key"]);
    assert_eq!(key("private_key = \"x\""), ["auth.keys.new.private_key"]);
    assert_eq!(key("algorithm = \"HS256\""), ["auth.keys.new.secret"]);
    assert_eq!(key("algorithm = \"HS256\"\nsecret = \"short\""), ["auth.keys.new.secret"]);
    let both = format!("algorithm = \"HS256\"\nsecret = \"{DJANGO}\"\nprivate_key = \"x\"");
    assert_eq!(key(&both), ["auth.keys.new.private_key"]);
    assert_eq!(paths("", &[("PEYK__AUTH__SIGNING_KEY", "new")]), ["auth.signing_key"]);
}

#[test]
fn the_key_that_signs_has_no_end_and_the_others_may() {
    let new = format!("[auth.keys.new]\nalgorithm = \"HS256\"\nsecret = \"{DJANGO}\"");
    let variable = |id: &str| format!("PEYK__AUTH__KEYS__{id}__VERIFY_UNTIL");
    let until = "2027-01-31T20:30:00+03:30";
    let config = load(&new, &[(&variable("NEW"), until)]).unwrap();
    let end = config.auth.keys["new"].verify_until.unwrap();
    assert_eq!(end.to_rfc3339(), "2027-01-31T17:00:00+00:00");
    assert_eq!(paths(&new, &[(&variable("NEW"), "2027-01-31")]), ["auth.keys.new.verify_until"]);
    assert_eq!(paths(&new, &[(&variable("OLD"), until)]), ["auth.keys.old.verify_until"]);
}

#[test]
fn the_old_refresh_tokens_have_a_secret_and_an_end() {
    let file = |lines: &str| format!("[auth.legacy_refresh]\n{lines}");
    let legacy = |lines: &str| paths(&file(lines), &[]);
    let until = "until = \"2027-01-31T20:30:00Z\"";
    let good = load(&file(&format!("secret = \"{DJANGO}\"\n{until}")), &[]).unwrap();
    assert_eq!(good.auth.legacy_refresh.unwrap().user_id_claim, "user_id");
    assert_eq!(legacy(&format!("secret = \"short\"\n{until}")), ["auth.legacy_refresh.secret"]);
    assert_eq!(legacy(&format!("secret = \"{DJANGO}\"")), ["auth.legacy_refresh.until"]);
    let nobody = format!("secret = \"{DJANGO}\"\n{until}\nuser_id_claim = \"\"");
    assert_eq!(legacy(&nobody), ["auth.legacy_refresh.user_id_claim"]);
}

#[test]
fn a_spend_buys_at_least_one_text() {
    let file =
        |spend: u32| format!("[limits]\ndaily_spend_rials = {spend}\n[sms]\nprice_rials = 1000");
    assert_eq!(paths(&file(999), &[]), ["limits.daily_spend_rials"]);
    load(&file(1000), &[]).unwrap();
    let without = errors("[limits]\ndaily_spend_rials = 5", &[]);
    assert!(without[0].contains("needs sms.price_rials"), "{without:?}");
}

#[test]
fn weights_are_of_providers_in_use_and_leave_somebody_to_begin_with() {
    let file = |weights: &str| {
        format!(
            "[sms]\norder = [\"a\", \"b\"]\nweights = {weights}\n[sms.providers]\na = {{}}\nb = {{}}\nc = {{}}"
        )
    };
    for bad in ["{ a = 0 }", "{ a = 1001 }", "{ a = 1, c = 1 }"] {
        assert_eq!(paths(&file(bad), &[]), ["sms.weights"], "{bad}");
    }
    let config = load(&file("{ a = 70 }"), &[("PEYK__SMS__WEIGHTS__B", "30")]).unwrap();
    assert_eq!(
        config.sms.weights.into_iter().collect::<Vec<_>>(),
        [("a".to_owned(), 70), ("b".to_owned(), 30)]
    );
}

#[test]
fn caps_of_countries_are_named_in_any_case_and_the_environment_wins() {
    let file = "[limits]\ndaily_sends_per_country = { IR = 5, ae = 6 }";
    let config = load(file, &[("PEYK__LIMITS__DAILY_SENDS_PER_COUNTRY__IR", "7")]).unwrap();
    let caps = config.limits.daily_sends_per_country;
    assert_eq!(caps.into_iter().collect::<Vec<_>>(), [("AE".to_owned(), 6), ("IR".to_owned(), 7)]);
}

#[test]
fn keys_shorter_than_32_bytes_are_refused() {
    for short in ["c2hvcnQ=", "not base64 at all, but surely long enough otherwise"] {
        assert_eq!(paths("", &[("PEYK__OTP__KEYS__K1", short)]), ["otp.keys.k1"]);
        assert_eq!(paths("", &[("PEYK__AUTH__REFRESH_KEY", short)]), ["auth.refresh_key"]);
    }
    let config = load("", &[]).unwrap();
    assert_eq!(decode_key(&config.otp.keys["k1"]).unwrap().len(), 32);
}

#[test]
fn a_sandbox_does_not_start_beside_live_credentials() {
    let path = "sms.providers.kavenegar.base_url";
    let table = |line: &str| {
        format!("mode = \"sandbox\"\n[sms.providers.kavenegar]\napi_key = \"x\"\n{line}")
    };
    for live in ["", "base_url = \"https://api.kavenegar.com\""] {
        let found = errors(&table(live), &[]);
        assert_eq!(found.len(), 1, "{live}: {found:?}");
        assert!(found[0].starts_with(path) && found[0].contains("live credentials"));
    }
    for local in ["http://127.0.0.1:9", "http://127.9.9.9", "http://[::1]:9", "http://localhost"] {
        load(&table(&format!("base_url = \"{local}\"")), &[]).unwrap();
    }
    load(&table("kind = \"sandbox\""), &[]).unwrap();
    let named = "mode = \"sandbox\"\n[sms.providers.sandbox]\nkind = \"kavenegar\"";
    assert_eq!(paths(named, &[]), ["sms.providers.sandbox.base_url"]);
}

#[test]
fn production_does_not_start_with_a_sandbox_provider() {
    assert_eq!(paths("[sms]\norder = [\"sandbox\"]", &[]), ["sms.order"]);
    assert_eq!(paths("[sms.providers.sandbox]", &[]), ["sms.order"]);
    assert_eq!(paths("[sms.providers.a]\nkind = \"sandbox\"", &[]), ["sms.order"]);
    assert_eq!(paths("[sms.providers.a]\nkind = \"Sandbox\"", &[]), ["sms.order"]);
    load("[sms]\norder = [\"a\"]\n[sms.providers.a]\n[sms.providers.sandbox]", &[]).unwrap();
}

#[test]
fn a_provider_is_called_over_tls_unless_it_is_on_this_machine() {
    for (url, fine) in [
        ("https://api.kavenegar.com", true),
        ("http://127.0.0.1:8000", true),
        ("http://localhost:8000", true),
        ("http://api.kavenegar.com", false),
        ("http://localhost.evil.test", false),
        ("http://10.0.0.1", false),
        ("http://127.0.0.1@evil.test", false),
        ("ftp://127.0.0.1", false),
        ("api.kavenegar.com", false),
    ] {
        let file = format!("[sms.providers.kavenegar]\nbase_url = \"{url}\"");
        assert_eq!(load(&file, &[]).is_ok(), fine, "{url}");
    }
}

#[test]
fn what_a_template_is_called_where_there_are_none_is_a_text_with_its_variables() {
    let file = |variables: &str, text: &str| {
        format!(
            "[otp]\ntemplate = \"login\"\n[sms.providers]\nmegafon = {{}}\nkavenegar = {{}}\n\
             [sms.templates.login]\nvariables = {variables}\n\
             providers = {{ kavenegar = \"reg{{7}}\", megafon = \"{text}\" }}"
        )
    };
    load(&file("[\"token\"]", "Код: {token}"), &[]).unwrap();
    let path = "sms.templates.login.providers.megafon";
    for bad in ["Код", "Код: {token} {name}", "Код: {token} www.a.ru"] {
        assert_eq!(paths(&file("[\"token\"]", bad), &[]), [path], "{bad}");
    }
    // A code has no other variables, and a text without it says nothing.
    for (variables, text) in [("[]", "Код"), ("[\"token\", \"name\"]", "{token} {name}")] {
        let found = paths(&file(variables, text), &[]);
        assert_eq!(found, ["sms.templates.login.variables"], "{variables}");
    }
}

#[test]
fn a_sandbox_does_not_take_real_money() {
    let table = |line: &str| {
        format!("mode = \"sandbox\"\n[payments.gateways.zarinpal]\nmerchant_id = \"x\"\n{line}")
    };
    for live in ["", "base_url = \"https://payment.zarinpal.com\""] {
        let found = errors(&table(live), &[]);
        assert_eq!(found.len(), 1, "{live}: {found:?}");
        assert!(found[0].starts_with("payments.gateways.zarinpal.base_url: would take real money"));
        assert!(found[0].contains("live credentials"));
    }
    load(&table("base_url = \"http://127.0.0.1:9\""), &[]).unwrap();
    load(&table("kind = \"SANDBOX\""), &[]).unwrap();
    // The gateway's own sandbox takes none either.
    load(&table("sandbox = true"), &[]).unwrap();
    load(&table(""), &[("PEYK__PAYMENTS__GATEWAYS__ZARINPAL__SANDBOX", "true")]).unwrap();
    assert_eq!(errors(&table("sandbox = false"), &[]).len(), 1);
    let named = "mode = \"sandbox\"\n[payments.gateways.sandbox]\nkind = \"ZIBAL_IR\"";
    assert_eq!(paths(named, &[]), ["payments.gateways.sandbox.base_url"]);
}

#[test]
fn production_does_not_start_with_a_sandbox_gateway() {
    for table in ["sandbox]", "a]\nkind = \"sandbox\"", "a]\nkind = \"Sandbox\""] {
        let found = errors(&format!("[payments.gateways.{table}"), &[]);
        assert_eq!(found.len(), 1, "{table}: {found:?}");
        assert!(found[0].contains(".kind: must not be a sandbox in production"), "{found:?}");
    }
}

#[test]
fn whatever_is_called_or_shown_of_a_gateway_is_https() {
    for key in ["base_url", "pages_url", "panel_url"] {
        let table = |url: &str| format!("[payments.gateways.zarinpal]\n{key} = \"{url}\"");
        let path = format!("payments.gateways.zarinpal.{key}");
        for url in ["http://pay.example", "ftp://pay.example", "pay.example", ""] {
            assert_eq!(paths(&table(url), &[]), [path.as_str()], "{url}");
        }
        for url in ["https://pay.example", "http://127.0.0.1:9", "http://[::1]:9"] {
            load(&table(url), &[]).unwrap();
        }
    }
}
