//! Deriving and comparing one-time codes. Pure.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::Purpose;
use crate::phone::PhoneNumber;

/// 128 random bits that make one code; useless without the key.
pub type Nonce = [u8; 16];

/// The keys that codes are derived with. Old ones stay as long as their codes live.
#[derive(Debug)]
pub struct CodeKeys {
    active: String,
    keys: BTreeMap<String, SecretSlice<u8>>,
}

impl CodeKeys {
    /// Reads the keys of a validated configuration.
    ///
    /// # Errors
    /// Names the key (never its value) that is no base64, or the missing active key.
    pub fn new(config: &crate::config::Otp) -> anyhow::Result<Self> {
        let mut keys = BTreeMap::new();
        for (id, secret) in &config.keys {
            let bytes = STANDARD
                .decode(secret.expose_secret())
                .map_err(|_| anyhow::anyhow!("otp.keys.{id} is not base64"))?;
            keys.insert(id.clone(), SecretSlice::from(bytes));
        }
        anyhow::ensure!(keys.contains_key(&config.active_key), "otp.active_key names no key");
        Ok(Self { active: config.active_key.clone(), keys })
    }

    /// A key for another use, derived from the active one.
    ///
    /// # Panics
    /// Never: the active key was checked when this was made.
    pub fn subkey(&self, purpose: &str) -> SecretSlice<u8> {
        let active = self.keys.get(&self.active).expect("checked when it was made");
        subkey_of(active, purpose)
    }

    /// The same of every key of the ring, that of the active one first: for what was made before a
    /// rotation and is still good.
    pub fn subkeys(&self, purpose: &str) -> Vec<SecretSlice<u8>> {
        let others = self.keys.iter().filter(|(id, _)| **id != self.active);
        let others = others.map(|(_, key)| subkey_of(key, purpose));
        std::iter::once(self.subkey(purpose)).chain(others).collect()
    }

    /// Id of the key for new codes.
    pub fn active_id(&self) -> &str {
        &self.active
    }

    /// The code, `digits` (4 to 10) long, zero-padded. `None` when the key is gone.
    ///
    /// 64 bits modulo 10^10 at most: no code is likelier than another by more than 2^-30.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    pub fn derive(
        &self,
        key_id: &str,
        purpose: Purpose,
        phone: &PhoneNumber,
        nonce: &Nonce,
        digits: u8,
    ) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.keys.get(key_id)?.expose_secret())
            .expect("HMAC takes keys of any length");
        for part in [purpose.as_str().as_bytes(), b"\0", phone.as_e164().as_bytes(), b"\0", nonce] {
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let mut head = [0_u8; 8];
        head.copy_from_slice(&digest[..8]);
        let digits = usize::from(digits.clamp(4, 10));
        let modulus = 10_u64.pow(u32::try_from(digits).unwrap_or(10));
        Some(format!("{:0digits$}", u64::from_be_bytes(head) % modulus))
    }
}

fn subkey_of(key: &SecretSlice<u8>, purpose: &str) -> SecretSlice<u8> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("HMAC takes keys of any length");
    mac.update(b"subkey\0");
    mac.update(purpose.as_bytes());
    SecretSlice::from(mac.finalize().into_bytes().to_vec())
}

/// Compares in a time that does not depend on where the difference is.
pub fn same_code(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// The digits a person typed: Persian and Arabic ones become ASCII, spaces and dashes go, and
/// zeros that were lost because a client sent a number come back. Empty when anything else is in
/// it, so that it equals no code.
pub fn clean_input(input: &str, digits: usize) -> String {
    let mut code = String::new();
    for c in input.chars() {
        match crate::phone::ascii_digit(c) {
            Some(digit) if code.len() < digits => code.push(digit),
            None if c.is_whitespace() || c == '-' || crate::phone::is_invisible(c) => {}
            _ => return String::new(),
        }
    }
    if code.is_empty() { code } else { format!("{code:0>digits$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> CodeKeys {
        let slice = |byte: u8| SecretSlice::from(vec![byte; 32]);
        CodeKeys {
            active: "a".to_owned(),
            keys: BTreeMap::from([("a".to_owned(), slice(1)), ("b".to_owned(), slice(2))]),
        }
    }

    fn phone() -> PhoneNumber {
        PhoneNumber::from_e164("+989123456789").unwrap()
    }

    #[test]
    fn a_ring_has_a_subkey_for_each_key_and_that_of_the_active_one_comes_first() {
        let mut turned = keys();
        turned.active = "b".to_owned();
        let shown = |keys: &CodeKeys, purpose: &str| -> Vec<Vec<u8>> {
            keys.subkeys(purpose).iter().map(|key| key.expose_secret().to_vec()).collect()
        };
        let (before, after) = (shown(&keys(), "x"), shown(&turned, "x"));
        assert_eq!(before[0], keys().subkey("x").expose_secret());
        assert_eq!([&before[1], &before[0]], [&after[0], &after[1]]);
        assert_ne!(before[0], before[1]);
        assert_ne!(before, shown(&keys(), "y"));
    }

    fn derive(nonce: Nonce, digits: u8) -> String {
        keys().derive("a", Purpose::Login, &phone(), &nonce, digits).unwrap()
    }

    #[test]
    fn the_same_row_always_gives_the_same_code() {
        assert_eq!(derive([7; 16], 8), derive([7; 16], 8));
        assert_ne!(derive([7; 16], 8), derive([8; 16], 8));
    }

    #[test]
    fn another_key_or_phone_gives_another_code() {
        let other = PhoneNumber::from_e164("+989123456780").unwrap();
        let code = |key, phone: &PhoneNumber| {
            keys().derive(key, Purpose::Login, phone, &[7; 16], 10).unwrap()
        };
        assert_ne!(code("a", &phone()), code("b", &phone()));
        assert_ne!(code("a", &phone()), code("a", &other));
        assert_eq!(keys().derive("gone", Purpose::Login, &phone(), &[7; 16], 8), None);
    }

    #[test]
    fn codes_are_uniform_and_keep_leading_zeros() {
        let mut counts = vec![0_u32; 10_000];
        let rounds = 100_000_u32;
        for round in 0..rounds {
            let mut nonce = [0; 16];
            nonce[..4].copy_from_slice(&round.to_be_bytes());
            let code = derive(nonce, 4);
            assert_eq!(code.len(), 4);
            counts[code.parse::<usize>().unwrap()] += 1;
        }
        // Chi-square with 9,999 degrees of freedom: mean 9,999, standard deviation 141.
        // 10 expected per cell, so the statistic is the sum of squares / 10 - rounds.
        let squares: u64 = counts.iter().map(|&n| u64::from(n) * u64::from(n)).sum();
        let statistic = squares / 10 - u64::from(rounds);
        assert!((9_300..10_700).contains(&statistic), "chi-square {statistic}");
    }

    #[test]
    fn typed_codes_are_cleaned_and_junk_equals_no_code() {
        assert_eq!(clean_input(" ۱۲۳۴ ۵۶۷۸\u{200c}", 8), "12345678");
        assert_eq!(clean_input("٠١٢٣-4567", 8), "01234567");
        for junk in ["", " ", "123456789", "12a4", "1234;"] {
            assert_eq!(clean_input(junk, 8), "", "{junk}");
        }
    }

    #[test]
    fn zeros_that_a_number_lost_come_back() {
        assert_eq!(clean_input("7", 4), "0007");
        assert_eq!(clean_input("012345", 8), "00012345");
    }
}
