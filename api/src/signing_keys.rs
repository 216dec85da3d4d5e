//! `api keys rotate-signing`: a new signing key, and how to bring it in without refusing a token.
//!
//! Keys are configuration, and every process has its own copy: nothing is changed from here. A key
//! in the database would reach all processes by itself, but then a copy of the database could sign.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use shared::{
    auth::tokens::KEYS_FRESH_SECONDS,
    config::{Algorithm, Config, random_signing_key},
};

/// What clocks and requests under way may need beyond the life of a token or a copy.
const MARGIN_SECONDS: u32 = 60;

/// A new key and the steps in which it takes the place of the one that signs.
pub(crate) fn plan(config: &Config, now: DateTime<Utc>) -> String {
    let auth = &config.auth;
    let (new, old) = (free_id(config), &auth.signing_key);
    let pem = random_signing_key(&mut rand::rng());
    let published = KEYS_FRESH_SECONDS + MARGIN_SECONDS;
    let overlap = auth.access_ttl_seconds + MARGIN_SECONDS;
    let example = now + TimeDelta::hours(1) + TimeDelta::seconds(overlap.into());
    let example = example.to_rfc3339_opts(SecondsFormat::Secs, true);
    let variable = format!("PEYK__AUTH__KEYS__{}__PRIVATE_KEY_FILE", new.to_uppercase());
    let mut text = format!(
        "# 1. Give the new key to every api process, beside the others, and restart them one by one.
#    It checks tokens and is published at /.well-known/jwks.json, but does not sign yet.
#    ({variable} may name a file with the key instead.)
[auth.keys.{new}]
private_key = \"\"\"
{pem}\"\"\"

# 2. Wait {published} seconds after the last of them: copies of the public keys live {KEYS_FRESH_SECONDS} seconds.

# 3. Let it sign: in [auth], of every api process, restarted one by one:
#signing_key = \"{new}\"

# 4. {overlap} seconds after the last of them (the life of an access token, and a margin) the old key
#    has no token left: the overlap may end. Take [auth.keys.{old}] out, or give it its end together
#    with step 3, such as this one if that is done within an hour from now:
#verify_until = \"{example}\"
"
    );
    if auth.keys.get(old).is_some_and(|key| key.algorithm == Algorithm::HS256) {
        let _ = write!(
            text,
            "
# {old} is HS256. Services that check tokens with its secret have to check ES256 with the published
# keys as well before step 3.
"
        );
    }
    text
}

/// `k1`, `k2` …: the first one nobody had, not even before.
fn free_id(config: &Config) -> String {
    let numbers =
        config.auth.keys.keys().filter_map(|id| id.strip_prefix('k')?.parse::<u32>().ok());
    format!("k{}", numbers.max().unwrap_or(0).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use shared::{
        clock::{Clock, SystemClock},
        config::{Mode, init_toml},
    };

    use super::*;

    fn load(text: &str) -> Config {
        shared::install_crypto();
        Config::from_parts(Some(("peyk.toml", text)), []).unwrap()
    }

    /// The plan's settings as the steps say: those of step 1 appended, of the others put in force.
    fn carry_out(before: &str, plan: &str) -> (String, String, String) {
        let added = format!("{before}\n{plan}");
        let line = |name: &str| {
            let lines = plan.lines().filter_map(|line| line.strip_prefix('#'));
            lines.map(str::to_owned).find(|line| line.starts_with(name)).unwrap()
        };
        let switched = added.replace("signing_key = \"k1\"", &line("signing_key"));
        let until = format!("[auth.keys.k1]\n{}", line("verify_until"));
        let ended = switched.replacen("[auth.keys.k1]", &until, 1);
        (added, switched, ended)
    }

    #[test]
    fn each_step_of_the_plan_is_a_good_configuration() {
        let before = init_toml(Mode::Sandbox);
        let config = load(&before);
        let plan = plan(&config, SystemClock.now());
        let (added, switched, ended) = carry_out(&before, &plan);
        let added = load(&added).auth;
        assert_eq!(added.signing_key, "k1");
        assert_eq!(added.keys.keys().collect::<Vec<_>>(), ["k1", "k2"]);
        assert_eq!(load(&switched).auth.signing_key, "k2");
        let ended = load(&ended).auth.keys["k1"].verify_until.unwrap();
        assert!(ended > SystemClock.now() + TimeDelta::minutes(65), "{ended}");
        assert!(plan.contains("Wait 360 seconds") && plan.contains("# 4. 360 seconds"), "{plan}");
        assert!(!plan.contains("HS256"));
    }

    #[test]
    fn a_new_key_has_an_id_nobody_had() {
        let mut config = load(&init_toml(Mode::Sandbox));
        let k1 = config.auth.keys["k1"].clone();
        for id in ["k9", "k3", "kx", "main"] {
            config.auth.keys.insert(id.to_owned(), k1.clone());
        }
        assert_eq!(free_id(&config), "k10");
    }
}
