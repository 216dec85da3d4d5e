//! Callbacks: the addresses at which providers tell of deliveries and inbound texts. Each holds a secret of
//! its own, derived from `sms.webhook_secret` and the provider's name, because most providers sign
//! nothing; nobody who knows one learns another. (What we tell others is [`crate::webhooks`].)

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{config::Config, ids};

/// The path of callbacks below each prefix, as it is logged and measured.
pub const PATH: &str = "/webhooks/sms/{provider}/{secret}";

/// Bytes of a derived secret: 128 bits.
const SECRET_BYTES: usize = 16;

/// What addresses are made of and compared with.
pub struct Callbacks {
    key: SecretString,
    /// `http.public_url` and the first prefix.
    base: String,
}

impl Callbacks {
    /// `None`: `sms.webhook_secret` is not set, there are no callbacks.
    pub fn new(config: &Config) -> Option<Self> {
        let key = config.sms.webhook_secret.clone()?;
        let prefix = config.http.prefixes.first().map_or("", String::as_str);
        Some(Self { key, base: format!("{}{prefix}", config.http.public_url) })
    }

    /// The whole address for a provider.
    pub fn address(&self, provider: &str) -> String {
        let path = PATH.replace("{provider}", provider).replace("{secret}", &self.secret(provider));
        format!("{}{path}/", self.base)
    }

    /// [`Callbacks::address`], to be sent along with texts. `None` where the provider could not
    /// reach it anyway, on this machine: some refuse the text then.
    pub fn url(&self, provider: &str) -> Option<Url> {
        Url::parse(&self.address(provider)).ok().filter(|_| self.is_public())
    }

    /// Whether `http.public_url` names another host than this machine itself.
    pub fn is_public(&self) -> bool {
        let url = Url::parse(&self.base).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or("localhost");
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        !address.map_or(host == "localhost", |address| address.is_loopback())
    }

    /// Whether `given` is the secret of this provider's address; takes the same time for every
    /// wrong one.
    pub fn is_secret(&self, provider: &str, given: &str) -> bool {
        self.secret(provider).as_bytes().ct_eq(given.as_bytes()).into()
    }

    fn secret(&self, provider: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(b"sms webhook\0");
        mac.update(provider.as_bytes());
        ids::hex(&mac.finalize().into_bytes()[..SECRET_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callbacks(key: &str, public_url: &str) -> Callbacks {
        let mut config = Config::default();
        config.sms.webhook_secret = Some(key.into());
        public_url.clone_into(&mut config.http.public_url);
        Callbacks::new(&config).unwrap()
    }

    #[test]
    fn every_provider_has_an_address_of_its_own() {
        let ours = callbacks("k", "https://peyk.example");
        let address = ours.address("kavenegar");
        let secret = address.strip_prefix("https://peyk.example/api/webhooks/sms/kavenegar/");
        let secret = secret.and_then(|rest| rest.strip_suffix('/')).unwrap();
        assert!(ids::is_handle(secret), "{address}");
        assert!(ours.is_secret("kavenegar", secret) && !ours.is_secret("twilio", secret));
        assert!(!callbacks("other", "https://peyk.example").is_secret("kavenegar", secret));
        for wrong in ["", &secret[1..], &secret.to_uppercase(), &format!("{secret}0")] {
            assert!(!ours.is_secret("kavenegar", wrong) || wrong == secret);
        }
    }

    #[test]
    fn without_a_secret_there_are_none() {
        assert!(Callbacks::new(&Config::default()).is_none());
    }

    #[test]
    fn an_address_nobody_can_reach_is_sent_to_nobody() {
        for (public_url, public) in [
            ("https://peyk.example/x", true),
            ("http://203.0.113.7:8080", true),
            ("http://127.0.0.1:8080", false),
            ("http://localhost", false),
            ("http://[::1]:8080", false),
        ] {
            let ours = callbacks("k", public_url);
            assert_eq!(ours.url("a").is_some(), public, "{public_url}");
            assert!(ours.address("a").starts_with(public_url));
        }
    }
}
