//! Tables that providers read themselves.

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
struct Account {
    api_key: String,
    line: u32,
    #[serde(default)]
    flash: bool,
    #[serde(default)]
    lines: Vec<String>,
}

fn parse(text: &str) -> Result<Account, Vec<String>> {
    let mut errors = Vec::new();
    let account = parse_table(&text.parse().unwrap(), "sms.providers.a", &mut errors);
    assert_eq!(account.is_none(), !errors.is_empty());
    account.ok_or_else(|| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn a_table_is_read_without_its_kind_and_strings_as_literals() {
    let text = "kind = \"x\"\napi_key = \"123\"\nline = \"5\"\nflash = \"true\"\nlines = \"1,2\"";
    let lines = vec!["1".to_owned(), "2".to_owned()];
    let account = Account { api_key: "123".to_owned(), line: 5, flash: true, lines };
    assert_eq!(parse(text), Ok(account));
}

#[test]
fn what_every_table_may_hold_is_read_apart_and_from_the_environment_too() {
    let settings = |file: &str, env: &[(&str, &str)]| {
        let env = required().into_iter().chain(variables(env));
        let config = Config::from_parts(Some(("peyk.toml", file)), env).unwrap();
        config.sms.provider_settings("a").per_second
    };
    let table = "[sms.providers.a]\nkind = \"x\"\nline = 5\n";
    assert_eq!(settings(table, &[]), None);
    assert_eq!(settings(&format!("{table}per_second = 7"), &[]), Some(7));
    assert_eq!(settings(table, &[("PEYK__SMS__PROVIDERS__A__PER_SECOND", "9")]), Some(9));
    let mut errors = Vec::new();
    let table = "per_second = \"many\"\ncolour = 1".parse().unwrap();
    assert!(parse_common(&table, "sms.providers.a", &mut errors).is_none());
    let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["sms.providers.a.per_second"]);
}

#[test]
fn everything_wrong_is_named_by_its_full_path() {
    assert_eq!(
        parse("flash = \"s3cret\"\nlines = [1]\ncolour = 1").unwrap_err(),
        [
            "sms.providers.a.flash: has the wrong type: string, expected a boolean",
            "sms.providers.a.lines[0]: has the wrong type: integer, expected a string",
            "sms.providers.a.api_key: is required",
            "sms.providers.a.line: is required",
            "sms.providers.a.colour: unknown key",
        ]
    );
}

#[test]
fn errors_of_an_earlier_table_do_not_spoil_the_next() {
    let mut errors = vec![ConfigError::new("sms.providers.a", "…")];
    let table = "api_key = \"x\"\nline = 1".parse().unwrap();
    assert!(parse_table::<Account>(&table, "sms.providers.b", &mut errors).is_some());
    assert_eq!(errors.len(), 1);
}

#[test]
fn a_check_of_the_caller_is_named_together_with_the_rest() {
    let env = required().into_iter().chain(variables(&[
        ("PEYK__OTP__LENGTH", "99"),
        ("PEYK__SMS__PROVIDERS__A__LINE", "x"),
        ("PEYK__SMS__PROVIDERS__A__API_KEY", "x"),
    ]));
    let errors = Config::build(None, env, |config, errors| {
        parse_table::<Account>(&config.sms.providers["a"], "sms.providers.a", errors);
    });
    let errors: Vec<_> = errors.unwrap_err().0.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "otp.length: must be 4 to 10 (from PEYK__OTP__LENGTH)",
            "sms.providers.a.line: has the wrong type: string, expected u32 \
             (from PEYK__SMS__PROVIDERS__A__LINE)",
        ]
    );
}
