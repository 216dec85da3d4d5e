//! Signatures of Standard Webhooks (<https://www.standardwebhooks.com>): HMAC-SHA256 over
//! `id.timestamp.body`, so that neither a part nor the time can be changed. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

/// What every secret begins with, so that scanners of leaked secrets know one.
const MARK: &str = "whsec_";
/// Bytes a secret has.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that signs. Its `Debug` shows nothing.
#[derive(Debug, Clone)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes; `None` for anything else.
    pub fn parse(text: &SecretString) -> Option<Self> {
        let bytes = STANDARD.decode(text.expose_secret().strip_prefix(MARK)?).ok()?;
        LENGTH.contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// `v1,` and the signature.
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The value of `webhook-signature`: one signature per secret, so that a receiver that knows
/// either of two can check.
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &str) -> String {
    let each: Vec<_> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    each.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Option<Secret> {
        Secret::parse(&text.to_owned().into())
    }

    /// The example of the specification and of its reference libraries.
    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = sign(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_make_two_signatures_and_any_change_another_one() {
        let secrets = [1, 2].map(|byte| Secret(vec![byte; 24].into()));
        let both = sign(&secrets, "a", 1, "{}");
        let each = [0, 1].map(|at| sign(&secrets[at..=at], "a", 1, "{}"));
        assert_eq!(both, each.join(" "));
        assert_ne!(each[0], each[1]);
        for other in [("b", 1, "{}"), ("a", 2, "{}"), ("a", 1, "[]")] {
            assert_ne!(sign(&secrets, other.0, other.1, other.2), both);
        }
    }

    #[test]
    fn secrets_have_their_mark_and_length() {
        let text = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for (bytes, fine) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(secret(&text(bytes)).is_some(), fine, "{bytes}");
        }
        for bad in ["", "whsec_", "whsec_CHANGE_ME", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(secret(bad).is_none(), "{bad}");
        }
        assert!(!format!("{:?}", secret(&text(24))).contains('7'));
    }
}
