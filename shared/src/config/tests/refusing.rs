//! Everything wrong is named at once.

use super::*;

#[test]
fn everything_wrong_is_named_at_once_with_where_it_came_from() {
    let file = r#"
        colour = "blue"
        [http]
        wiat_ms = 1
        wait_ms = "soon"
        prefixes = ["/api", 5]
        [otp]
        length = 300
        cooldown = "sometimes"
        ttl_seconds = 601
        [limits]
        otp_send_per_ip = "many"
    "#;
    let env = [("PEYK__HTTP__MAX_WAITERS", "-1"), ("PEYK__OTP__ACTIVE_KEY", "k2")];
    let mut found = errors(file, &env);
    found.sort();
    assert_eq!(
        found,
        [
            "colour: unknown key (from peyk.toml)",
            "http.max_waiters: is out of range, expected usize (from PEYK__HTTP__MAX_WAITERS)",
            "http.prefixes[1]: has the wrong type: integer, expected a string (from peyk.toml)",
            "http.wait_ms: has the wrong type: string, expected u64 (from peyk.toml)",
            "http.wiat_ms: unknown key (from peyk.toml)",
            &format!("limits.otp_send_per_ip: {RateError} (from peyk.toml)"),
            "otp.active_key: must be the id of one of otp.keys (from PEYK__OTP__ACTIVE_KEY)",
            "otp.cooldown: is not one of the choices, expected `fixed` or `until_expiry` (from peyk.toml)",
            "otp.length: is out of range, expected u8 (from peyk.toml)",
            "otp.ttl_seconds: must be 30 to 600 (from peyk.toml)",
        ]
    );
}

#[test]
fn what_is_required_is_named_with_its_variable() {
    let errors = Config::from_parts(None, []).unwrap_err();
    let paths: Vec<_> = errors.0.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["database.url", "auth.signing_key", "auth.refresh_key", "otp.active_key"]);
    assert!(errors.to_string().contains(
        "\n  database.url: is required (not set; its variable is PEYK__DATABASE__URL)\n"
    ));
}

#[test]
fn a_misspelt_variable_is_an_unknown_key() {
    let found = errors("", &[("PEYK__HTPP__WAIT_MS", "1"), ("PEYK__SMS__BUDGET", "1")]);
    assert_eq!(
        found,
        [
            "htpp: unknown key (from PEYK__HTPP__WAIT_MS)",
            "sms.budget: unknown key (from PEYK__SMS__BUDGET)"
        ]
    );
}

#[test]
fn variables_that_cannot_be_placed_are_named() {
    let env = [
        ("PEYK__MODE__X", "1"),
        ("PEYK____X", "1"),
        ("PEYK__REDIS__URL", "redis://one"),
        ("PEYK__REDIS__URL_FILE", "/dev/null"),
        ("PEYK__AUTH__ISSUER_FILE", "/nowhere/s3cret-value"),
    ];
    let found = errors("mode = \"production\"", &env);
    assert_eq!(
        found,
        [
            "auth.issuer: the file cannot be read: entity not found (from PEYK__AUTH__ISSUER_FILE)",
            "mode.x: lies inside a setting that is not a table (from PEYK__MODE__X)",
            "redis.url: is set by PEYK__REDIS__URL too (from PEYK__REDIS__URL_FILE)",
            "PEYK____X: names no setting: a key between `__` is empty",
        ]
    );
}

#[test]
fn syntax_errors_are_all_named_by_line_without_the_text_there() {
    let text =
        "mode = sandbox\n[auth]\nrefresh_key = s3cret s3cret\n[otp]\nlength = 5\nlength = 6\n";
    let errors = load(text, &[]).unwrap_err();
    let lines: Vec<_> = errors.0.iter().map(|error| error.path.as_str()).collect();
    assert!(lines.contains(&"peyk.toml line 1"), "{errors}");
    assert!(lines.contains(&"peyk.toml line 3"), "{errors}");
    assert!(lines.contains(&"peyk.toml line 6"), "{errors}");
    assert!(!errors.to_string().contains("s3cret"), "{errors}");
}

#[test]
fn a_section_that_is_no_table_is_named_in_the_words_of_toml() {
    let mut found = errors("log = \"{level = 1}\"\nsms = 5\nmode = 5", &[]);
    found.sort();
    assert_eq!(
        found,
        [
            "log.level: unknown key (from peyk.toml)",
            "mode: has the wrong type: integer, expected a string (from peyk.toml)",
            "sms: has the wrong type: integer, expected a table (from peyk.toml)",
        ]
    );
}

#[test]
fn a_cron_job_written_twice_is_refused() {
    let text = "[cron.a-b]\nenabled = true\n[cron.a_b]\nenabled = false";
    assert_eq!(paths(text, &[]), ["cron.a-b"]);
    assert_eq!(paths("[cron.a]\nschedule = \"* * *\"", &[]), ["cron.a.schedule"]);
}

#[test]
fn one_mistake_is_one_error() {
    // Each of these breaks a second rule if its default is taken for what was written.
    for (file, path) in [
        ("[phone]\ndefault_country = \"DE\"\ncountries = 5", "phone.countries"),
        ("[http]\nrequest_timeout_ms = true\nwait_ms = 40000", "http.request_timeout_ms"),
        ("[sms]\nproviders = 5\norder = [\"a\"]", "sms.providers"),
    ] {
        assert_eq!(paths(file, &[]), [path]);
    }
    assert_eq!(paths("", &[("PEYK__AUTH__KEYS__OLD__ALGORITHM", "HS512")]).len(), 1);
}
