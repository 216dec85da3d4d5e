//! The whole way: a file and variables in, a configuration or every error out.

mod checks;
mod provider_tables;
mod reading;
mod refusing;
mod secrets;
mod webhooks;

use super::*;

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const DJANGO: &str = "an-old-django-secret-key-of-fifty-characters-or-so";

/// What every configuration needs, as variables, so that files stay about their subject.
fn required() -> Vec<(String, String)> {
    variables(&[
        ("PEYK__DATABASE__URL", "postgres://db.test/peyk"),
        ("PEYK__AUTH__SIGNING_KEY", "old"),
        ("PEYK__AUTH__KEYS__OLD__ALGORITHM", "HS256"),
        ("PEYK__AUTH__KEYS__OLD__SECRET", DJANGO),
        ("PEYK__AUTH__REFRESH_KEY", KEY),
        ("PEYK__OTP__ACTIVE_KEY", "k1"),
        ("PEYK__OTP__KEYS__K1", KEY),
    ])
}

fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(file: &str, env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    // Later variables win, as in `required()` being overridden by the test's own.
    let env = required().into_iter().chain(variables(env));
    Config::from_parts(Some(("peyk.toml", file)), env.collect::<BTreeMap<_, _>>())
}

/// `path: message` of every error.
fn errors(file: &str, env: &[(&str, &str)]) -> Vec<String> {
    load(file, env).unwrap_err().0.iter().map(ToString::to_string).collect()
}

fn paths(file: &str, env: &[(&str, &str)]) -> Vec<String> {
    load(file, env).unwrap_err().0.into_iter().map(|error| error.path).collect()
}
