//! Logging in to the console: a login like all others, whose session is known by a key in a cookie.
//!
//! The tokens of that login are given to nobody. The key opens nothing but what the console calls, and
//! no token opens the console.

use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::Auth;
use crate::{
    config, ids,
    sessions::console::{self, Lifetimes, Open},
};

/// What the token against forged requests is made of, beside the key.
const CSRF: &[u8] = b"peyk console csrf";

/// What a cookie of the console holds: the number of its session and a secret.
#[derive(Debug, Clone)]
pub struct Key {
    session_id: i64,
    secret: SecretString,
}

impl Key {
    /// A new one of a session.
    fn new(session_id: i64, rng: &mut impl Rng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self { session_id, secret: ids::hex(&bytes).into() }
    }

    /// Reads what [`Key::to_cookie`] wrote.
    pub fn parse(cookie: &str) -> Option<Self> {
        let (session, secret) = cookie.split_once('-')?;
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_secret = secret.len() == 64 && secret.bytes().all(plain);
        let session_id = session.parse().ok().filter(|id| *id > 0)?;
        is_secret.then(|| Self { session_id, secret: secret.to_owned().into() })
    }

    /// The cookie's value.
    pub fn to_cookie(&self) -> String {
        format!("{}-{}", self.session_id, self.secret.expose_secret())
    }

    /// What every request that changes something has to bring beside the cookie: other pages can make
    /// a browser send the cookie, and cannot read this.
    ///
    /// # Panics
    /// Never: a key may have any length.
    pub fn csrf_token(&self) -> String {
        ids::hex(&self.csrf().finalize().into_bytes())
    }

    /// Whether this is [`Key::csrf_token`].
    pub fn is_csrf_token(&self, token: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(token.as_bytes(), self.csrf_token().as_bytes()).into()
    }

    fn csrf(&self) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose_secret().as_bytes());
        mac.expect("a key may have any length").chain_update(CSRF)
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret.expose_secret().as_bytes()).into()
    }
}

/// Whether a request shows that somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Somebody did something.
    Active,
    /// A page renews what it shows by itself: nobody has to be there.
    Background,
}

impl Auth {
    /// Makes the session of a login, whose tokens are given to nobody, one of the console. `None`: it
    /// was ended meanwhile.
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub async fn open_console(
        &self,
        session_id: i64,
        config: &config::Console,
        rng: &mut (impl Rng + Send),
    ) -> Result<Option<Key>, sqlx::Error> {
        let key = Key::new(session_id, rng);
        let (lifetimes, now) = (Lifetimes::new(config), self.clock.now());
        let digest = key.digest();
        let opened = console::open(&self.pool, session_id, &digest, &lifetimes, now).await?;
        Ok(opened.then_some(key))
    }

    /// The session a cookie belongs to, if it goes on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn console_session(
        &self,
        key: &Key,
        presence: Presence,
        config: &config::Console,
    ) -> Result<Option<Open>, sqlx::Error> {
        let now = self.clock.now();
        let found = console::find(&self.pool, key.session_id, &key.digest(), now).await?;
        if let Some(open) = found.filter(|_| presence == Presence::Active) {
            console::keep(&self.pool, &open, &Lifetimes::new(config), now).await?;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_nothing_else_is_one() {
        let key = Key::new(41, &mut rand::rng());
        let cookie = key.to_cookie();
        assert_eq!(Key::parse(&cookie).unwrap().to_cookie(), cookie);
        let secret = "0".repeat(64);
        for text in
            ["", "41", &secret, &format!("0-{secret}"), &format!("-1-{secret}"), "41-00", "x-0"]
        {
            assert!(Key::parse(text).is_none(), "{text}");
        }
        assert!(Key::parse(&format!("41-{}", "A".repeat(64))).is_none());
    }

    #[test]
    fn a_token_against_forgery_belongs_to_one_key() {
        let (key, other) = (Key::new(1, &mut rand::rng()), Key::new(1, &mut rand::rng()));
        let token = key.csrf_token();
        assert!(key.is_csrf_token(&token) && !other.is_csrf_token(&token));
        assert!(!key.is_csrf_token("") && !key.is_csrf_token(&token[1..]));
        assert!(!key.to_cookie().contains(&token));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = Key::new(41, &mut rand::rng());
        assert!(!format!("{key:?}").contains(key.secret.expose_secret()));
    }
}
