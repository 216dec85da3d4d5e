//! A complete `peyk.toml` to begin with.

use base64::{Engine, engine::general_purpose::STANDARD};
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use rand::CryptoRng;

use super::Mode;

/// Every setting with its meaning and default; `@NAMES@` are filled in.
const TEMPLATE: &str = include_str!("template.toml");

/// A complete, commented `peyk.toml` with fresh random secrets. In sandbox mode it works as it
/// is, given a PostgreSQL on this machine; in production `database.url` is left empty, and an SMS
/// provider has to be added to send anything.
pub fn init_toml(mode: Mode) -> String {
    let rng = &mut rand::rng();
    let (name, database_url) = match mode {
        Mode::Sandbox => ("sandbox", "postgres://localhost/peyk"),
        Mode::Production => ("production", ""),
    };
    fill(&[
        ("MODE", name),
        ("DATABASE_URL", database_url),
        ("REFRESH_KEY", &random_key(rng)),
        ("SIGNING_KEY", &random_signing_key(rng)),
        ("OTP_KEY", &random_key(rng)),
        ("WEBHOOK_SECRET", &random_key(rng)),
    ])
}

/// [`init_toml`] for production with placeholders for the secrets; it does not load until they
/// are replaced.
pub fn example_toml() -> String {
    fill(&[
        ("MODE", "production"),
        ("DATABASE_URL", "postgres://peyk:CHANGE_ME@localhost/peyk"),
        ("REFRESH_KEY", "CHANGE_ME"),
        ("SIGNING_KEY", "CHANGE_ME\n"),
        ("OTP_KEY", "CHANGE_ME"),
        ("WEBHOOK_SECRET", "CHANGE_ME"),
    ])
}

fn fill(values: &[(&str, &str)]) -> String {
    values
        .iter()
        .fold(TEMPLATE.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// Base64 of 32 random bytes.
fn random_key(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    STANDARD.encode(bytes)
}

/// A random P-256 private key, PKCS#8 in PEM.
///
/// # Panics
/// Never.
pub fn random_signing_key(rng: &mut impl CryptoRng) -> String {
    loop {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        // One in 2^32 is not below the curve's order.
        if let Ok(key) = p256::SecretKey::from_slice(&bytes) {
            let pem = key.to_pkcs8_pem(LineEnding::LF);
            return pem.expect("a P-256 key is always encodable").to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigErrors};

    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/peyk.example.toml");

    fn load(text: &str) -> Result<Config, ConfigErrors> {
        let url = ("PEYK__DATABASE__URL".to_owned(), "postgres://db.test/peyk".to_owned());
        Config::from_parts(Some(("peyk.toml", text)), [url])
    }

    /// The text with every default and example in force.
    fn uncommented(text: &str) -> String {
        let lines = text.lines().map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|first: char| !first.is_whitespace()) => setting,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// `Debug`'s lines as paths, from its indentation: `http`, `http.wait_ms` …
    fn fields(shown: &str) -> Vec<String> {
        let mut path: Vec<(usize, &str)> = Vec::new();
        let mut fields = Vec::new();
        for line in shown.lines() {
            let depth = line.chars().take_while(|char| *char == ' ').count() / 4;
            let Some((name, _)) = line.trim().split_once(": ") else {
                continue;
            };
            // An option is one deeper than what it holds.
            path.retain(|(above, _)| *above < depth);
            path.push((depth, name.trim_matches('"')));
            if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                let names: Vec<_> = path.iter().map(|(_, name)| *name).collect();
                fields.push(names.join("."));
            }
        }
        fields
    }

    #[test]
    fn a_new_file_loads_once_the_database_is_named() {
        for mode in [Mode::Sandbox, Mode::Production] {
            let config = load(&init_toml(mode)).unwrap();
            assert_eq!(config.mode, mode);
        }
        assert!(Config::from_parts(Some(("peyk.toml", &init_toml(Mode::Sandbox))), []).is_ok());
        let errors = Config::from_parts(Some(("peyk.toml", &init_toml(Mode::Production))), []);
        let errors = errors.unwrap_err().0;
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].path, "database.url");
    }

    #[test]
    fn every_file_has_secrets_of_its_own() {
        let [first, second] = [init_toml(Mode::Sandbox), init_toml(Mode::Sandbox)];
        let differing = first.lines().zip(second.lines()).filter(|(a, b)| a != b).count();
        assert!(differing >= 4, "refresh key, otp key and two lines of the signing key");
    }

    #[test]
    fn the_signing_key_signs_tokens() {
        crate::install_crypto();
        let pem = random_signing_key(&mut rand::rng());
        let key = jsonwebtoken::EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        let claims = std::collections::BTreeMap::from([("sub", "1")]);
        assert!(jsonwebtoken::encode(&header, &claims, &key).is_ok());
    }

    #[test]
    fn every_setting_is_in_the_file() {
        let text = uncommented(&example_toml());
        let written: toml::Value = toml::from_str(&text).unwrap();
        let config: Config = toml::from_str(&text).unwrap();
        let fields = fields(&format!("{config:#?}"));
        assert!(fields.iter().any(|field| field == "auth.keys.django.private_key"));
        assert!(fields.iter().any(|field| field == "cron.purge-expired-otps.schedule"));
        for field in fields {
            // Of the two kinds of key each has its own secret; rates are written as one string.
            let field = field.replace("django.private_key", "k1.private_key");
            let field = field.replace("k1.secret", "django.secret");
            let field = field.replace("k1.verify_until", "django.verify_until");
            let field = field.trim_end_matches(".count").trim_end_matches(".seconds").to_owned();
            let found = field.split('.').try_fold(&written, |value, key| value.get(key));
            assert!(found.is_some(), "{field}");
        }
    }

    #[test]
    fn what_is_commented_out_is_the_default() {
        let plain = load(&init_toml(Mode::Production)).unwrap();
        let full = init_toml(Mode::Production);
        let mut in_table = false;
        let keep = full.lines().map(|line| {
            in_table = line.starts_with("#[sms") || in_table && !line.is_empty();
            let examples = [
                "#docs",
                "#quiet_hours",
                "#operations_listen = \"127.0.0.1:8082",
                "#issuer",
                "#audience",
                "#phone_notice_template",
                "#template",
                "#webotp_domain",
                "#android_hash",
                "#format",
                "#[cron",
                "#schedule",
                "#enabled",
                "#missed",
                "#[auth",
                "#secret",
                "#algorithm = \"HS256",
                "#verify_until",
                "#until",
                "#user_id_claim",
                "#other_refresh_key",
                "#[sms",
                "#text",
                "#variables",
                "#kavenegar",
                "#melipayamak",
                "#megafon",
                "#templates",
                "#numbers",
                "#webhook_secret",
                "#[webhooks",
                "#url = \"https://shop",
                "#secrets",
                "#events",
                "#timeout_ms",
                "#[otp.test_numbers",
                "#code = ",
                "#group = 0",
                "#code_length",
                "#ttl_seconds = 60",
            ];
            // The example of a provider or gateway goes up to the next blank line.
            let tables = ["#[sms.providers.", "#[payments.gateways."];
            let begins = tables.iter().any(|table| line.starts_with(table));
            in_table = begins || in_table && !line.is_empty();
            let left_out = |example: &&str| in_table || line.starts_with(*example);
            if examples.iter().any(left_out) { "" } else { line }
        });
        let full = load(&uncommented(&keep.collect::<Vec<_>>().join("\n"))).unwrap();
        assert_eq!(format!("{full:#?}"), format!("{plain:#?}"));
    }

    #[test]
    fn everything_in_force_at_once_is_valid_too() {
        let text = uncommented(&init_toml(Mode::Production));
        let errors = load(&text).unwrap_err().0;
        let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        let placeholders = [
            "auth.other_refresh_key",
            "auth.legacy_refresh.secret",
            "auth.keys.django.secret",
            "webhooks.endpoints.shop.secrets",
            // Which of the three has to be said.
            "payments.gateway",
        ];
        assert_eq!(paths, placeholders, "{errors:?}");
    }

    #[test]
    fn the_placeholders_of_the_example_do_not_load() {
        let errors = load(&example_toml()).unwrap_err().0;
        let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["auth.refresh_key", "auth.keys.k1.private_key", "otp.keys.k1"]);
    }

    /// `PEYK_WRITE_EXAMPLE=1` writes the file instead.
    #[test]
    fn the_example_file_is_in_step() {
        if std::env::var_os("PEYK_WRITE_EXAMPLE").is_some() {
            std::fs::write(EXAMPLE, example_toml()).unwrap();
        }
        let written = std::fs::read_to_string(Path::new(EXAMPLE)).unwrap();
        assert!(written == example_toml(), "run this test with PEYK_WRITE_EXAMPLE=1");
    }
}
