//! Addresses of files. Whoever has one gets the file, until it expires: browsers show pictures
//! without sending a token. So it is given to members of the room only, and is signed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::ids;

/// Where files are served, below the root.
pub const FOLDER: &str = "/media/uploads/chat_files";

/// Bytes of a signature.
const MAC_BYTES: usize = 16;

/// Seconds for which an address stays the same, so that browsers keep what they have.
const STABLE_SECONDS: i64 = 3_600;

/// Makes addresses and reads them.
#[derive(Debug)]
pub(super) struct Addresses {
    /// The first one signs; all of them are good, so that a rotation ends no address.
    keys: Vec<SecretSlice<u8>>,
    lives: TimeDelta,
}

/// What an address says, signed by us and not expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addressed {
    /// Which file.
    pub(super) handle: String,
    /// How long the address works.
    pub(super) until: DateTime<Utc>,
}

/// Why an address opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It was not made here.
    #[error("not signed by us")]
    Forged,
    /// It was, and its time is over.
    #[error("expired")]
    Expired,
}

impl Addresses {
    /// There has to be a key.
    pub(super) fn new(keys: Vec<SecretSlice<u8>>, url_hours: u32) -> Self {
        Self { keys, lives: TimeDelta::hours(url_hours.into()) }
    }

    /// The path of a file from now on: the same for an hour, and it works `url_hours` at least.
    pub(super) fn make(
        &self,
        handle: &str,
        extension: &str,
        created_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> String {
        let hour = now.timestamp().div_euclid(STABLE_SECONDS) + 1;
        let until = hour * STABLE_SECONDS + self.lives.num_seconds();
        let day = created_at.format("%Y/%m/%d").to_string();
        let mac = sign(&self.keys[0], [&day, handle, &until.to_string(), extension]);
        format!("{FOLDER}/{day}/{handle}.{until}.{mac}.{extension}")
    }

    /// Reads the day (`2026/01/05`) and the last part of a path.
    pub(super) fn read(
        &self,
        day: &str,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<Addressed, AddressError> {
        let mut parts = name.split('.');
        let (Some(handle), Some(until), Some(mac), Some(extension), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AddressError::Forged);
        };
        let said = [day, handle, until, extension];
        let is_ours = self.keys.iter().any(|key| is_signed(key, said, mac));
        let until: i64 = until.parse().map_err(|_| AddressError::Forged)?;
        let until =
            DateTime::from_timestamp(until, 0).filter(|_| is_ours && ids::is_handle(handle));
        let until = until.ok_or(AddressError::Forged)?;
        if until <= now {
            return Err(AddressError::Expired);
        }
        Ok(Addressed { handle: handle.to_owned(), until })
    }
}

fn is_signed(key: &SecretSlice<u8>, said: [&str; 4], mac: &str) -> bool {
    sign(key, said).as_bytes().ct_eq(mac.as_bytes()).into()
}

fn sign(key: &SecretSlice<u8>, said: [&str; 4]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("HMAC takes keys of any length");
    mac.update(said.join("\0").as_bytes());
    URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..MAC_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: &str = "0123456789abcdef0123456789abcdef";

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn addresses(byte: u8) -> Addresses {
        Addresses::new(vec![SecretSlice::from(vec![byte; 32])], 24)
    }

    fn made(now: &str) -> String {
        addresses(1).make(HANDLE, "png", at("2026-01-05T23:59:59Z"), at(now))
    }

    fn read(path: &str, now: &str) -> Result<Addressed, AddressError> {
        let rest = path.strip_prefix(FOLDER).unwrap().trim_start_matches('/');
        let (day, name) = rest.rsplit_once('/').unwrap();
        addresses(1).read(day, name, at(now))
    }

    #[test]
    fn an_address_has_the_old_form_and_names_the_day_of_the_upload() {
        let path = made("2026-02-01T00:00:00Z");
        let name = path.strip_prefix("/media/uploads/chat_files/2026/01/05/").unwrap();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        assert!(name.bytes().all(plain) && name.rsplit('.').next() == Some("png"), "{path}");
    }

    #[test]
    fn an_address_is_the_same_for_an_hour_and_works_a_day_and_an_hour_at_most() {
        let path = made("2026-02-01T10:00:00Z");
        assert_eq!(made("2026-02-01T10:59:59Z"), path);
        assert_ne!(made("2026-02-01T11:00:00Z"), path);
        let until = at("2026-02-02T11:00:00Z");
        let addressed = Addressed { handle: HANDLE.to_owned(), until };
        assert_eq!(read(&path, "2026-02-02T10:59:59Z"), Ok(addressed));
        assert_eq!(read(&path, "2026-02-02T11:00:00Z"), Err(AddressError::Expired));
    }

    #[test]
    fn a_rotation_of_keys_ends_no_address_as_long_as_the_old_key_is_there() {
        let now = "2026-02-01T10:00:00Z";
        let path = made(now);
        let (_, name) = path.rsplit_once('/').unwrap();
        let ring = |bytes: &[u8]| {
            let keys = bytes.iter().map(|byte| SecretSlice::from(vec![*byte; 32]));
            Addresses::new(keys.collect(), 24)
        };
        assert!(ring(&[2, 1]).read("2026/01/05", name, at(now)).is_ok());
        let new = ring(&[2, 1]).make(HANDLE, "png", at("2026-01-05T23:59:59Z"), at(now));
        assert_ne!(new, path, "the active key signs");
        let (_, new) = new.rsplit_once('/').unwrap();
        assert!(ring(&[2]).read("2026/01/05", new, at(now)).is_ok());
        let gone = ring(&[2]).read("2026/01/05", name, at(now));
        assert_eq!(gone, Err(AddressError::Forged), "a key that is gone opens nothing");
    }

    #[test]
    fn whatever_is_changed_in_an_address_makes_it_a_forgery() {
        let path = made("2026-02-01T10:00:00Z");
        let now = "2026-02-01T10:00:00Z";
        let (start, _) = path.rsplit_once('.').unwrap();
        let (cut, mac) = start.rsplit_once('.').unwrap();
        for forged in [
            path.replace("0123456789abcdef", "0123456789abcdee"),
            path.replace("/01/05/", "/01/06/"),
            path.replace(".17", ".18"),
            path.replace(".png", ".html"),
            format!("{start}.png.png"),
            format!("{cut}.{}.png", &mac[..mac.len() - 1]),
            format!("{cut}.{}.png", mac.chars().rev().collect::<String>()),
            format!("{cut}..png"),
            format!("{FOLDER}/2026/01/05/{HANDLE}.png"),
        ] {
            assert_eq!(read(&forged, now), Err(AddressError::Forged), "{forged}");
        }
        let (_, name) = path.rsplit_once('/').unwrap();
        let other = addresses(2).read("2026/01/05", name, at(now));
        assert_eq!(other, Err(AddressError::Forged));
    }
}
