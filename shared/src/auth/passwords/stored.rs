//! Stored hashes: Argon2id in PHC form, and what Django stores (`algorithm$…`), to be read until
//! the next login.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use pbkdf2::{hmac::Hmac, pbkdf2};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{config, ids};

/// Hashes that would cost more than these are refused, not computed: who writes to the database is
/// not to stop the service with one row. Django's defaults are far below them.
const MOST_ROUNDS: u32 = 5_000_000;
const MOST_MEMORY_KIB: u32 = 262_144;
/// Memory times passes; for scrypt, block size times parallelism times cost.
const MOST_WORK: u64 = 1_048_576;
const MOST_LANES: u32 = 64;
const MOST_BCRYPT_COST: u32 = 14;

/// Bytes of a new salt and of a new hash.
const SALT: usize = 16;
const HASH: usize = 32;

/// Base64 with or without padding: Django writes both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a new hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl From<&config::Passwords> for Cost {
    fn from(config: &config::Passwords) -> Self {
        Self { memory_kib: config.memory_kib, passes: config.passes, lanes: config.lanes }
    }
}

/// A stored hash, read.
#[derive(Clone)]
pub(super) enum Stored {
    Argon2(Argon2Hash),
    /// Of Django, and the digest of its PRF.
    Pbkdf2 {
        digest: Pbkdf2Digest,
        rounds: u32,
        salt: String,
        hash: Vec<u8>,
    },
    Scrypt {
        params: scrypt::Params,
        salt: String,
        hash: Vec<u8>,
    },
    /// With `prehashed` the password is the hexadecimal SHA-256 of the real one.
    Bcrypt {
        prehashed: bool,
        encoded: String,
    },
}

#[derive(Clone)]
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
    /// Whether it was made here.
    ours: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Pbkdf2Digest {
    Sha1,
    Sha256,
}

impl Stored {
    /// `None` for what no known algorithm wrote, and for what would take too long.
    pub(super) fn parse(encoded: &str) -> Option<Self> {
        if encoded.starts_with('$') {
            return Argon2Hash::parse(encoded, true).map(Self::Argon2);
        }
        let (algorithm, rest) = encoded.split_once('$')?;
        match algorithm {
            // What follows is in PHC form, of which one `$` was taken off.
            "argon2" => Argon2Hash::parse(&format!("${rest}"), false).map(Self::Argon2),
            "pbkdf2_sha256" => pbkdf2_of(Pbkdf2Digest::Sha256, rest),
            "pbkdf2_sha1" => pbkdf2_of(Pbkdf2Digest::Sha1, rest),
            "scrypt" => scrypt_of(rest),
            "bcrypt_sha256" => bcrypt_of(true, rest),
            "bcrypt" => bcrypt_of(false, rest),
            _ => None,
        }
    }

    /// A hash that costs as much as a new one and that no password has.
    pub(super) fn of_nobody(cost: Cost) -> Self {
        let params = params(cost, HASH).expect("the configuration is valid");
        let (salt, hash) = (vec![0; SALT], vec![0; HASH]);
        Self::Argon2(Argon2Hash { algorithm: Algorithm::Argon2id, params, salt, hash, ours: true })
    }

    /// Whether the password is the one that was hashed. Takes its time.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(stored) => stored.matches(password),
            Self::Pbkdf2 { digest, rounds, salt, hash } => {
                let mut computed = vec![0; hash.len()];
                let (salt, out) = (salt.as_bytes(), &mut *computed);
                let done = match digest {
                    Pbkdf2Digest::Sha1 => pbkdf2::<Hmac<Sha1>>(password, salt, *rounds, out),
                    Pbkdf2Digest::Sha256 => pbkdf2::<Hmac<Sha256>>(password, salt, *rounds, out),
                };
                done.is_ok() && computed.ct_eq(hash).into()
            }
            Self::Scrypt { params, salt, hash } => {
                let mut computed = vec![0; hash.len()];
                let done = scrypt::scrypt(password, salt.as_bytes(), params, &mut computed);
                done.is_ok() && computed.ct_eq(hash).into()
            }
            Self::Bcrypt { prehashed: true, encoded } => {
                bcrypt::verify(ids::hex(&Sha256::digest(password)), encoded).unwrap_or(false)
            }
            Self::Bcrypt { prehashed: false, encoded } => {
                bcrypt::verify(password, encoded).unwrap_or(false)
            }
        }
    }

    /// Whether a new hash would be like it.
    pub(super) fn is_current(&self, cost: Cost) -> bool {
        let Self::Argon2(stored) = self else { return false };
        let params = &stored.params;
        let is =
            Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
        stored.ours && stored.algorithm == Algorithm::Argon2id && is == cost
    }
}

impl Argon2Hash {
    /// `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`.
    fn parse(encoded: &str, ours: bool) -> Option<Self> {
        let mut parts = encoded.strip_prefix('$')?.split('$');
        let algorithm = Algorithm::new(parts.next()?).ok()?;
        if parts.next()? != "v=19" {
            return None;
        }
        let mut numbers = parts.next()?.split(',');
        let mut number = |name| numbers.next()?.strip_prefix(name)?.parse().ok();
        let cost = Cost { memory_kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
        let salt = BASE64.decode(parts.next()?).ok()?;
        let hash = decode_hash(parts.next()?)?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self { algorithm, params: params(cost, hash.len())?, salt, hash, ours })
    }

    fn matches(&self, password: &[u8]) -> bool {
        let argon2 = Argon2::new(self.algorithm, Version::V0x13, self.params.clone());
        let mut computed = vec![0; self.hash.len()];
        let done = argon2.hash_password_into(password, &self.salt, &mut computed);
        done.is_ok() && computed.ct_eq(&self.hash).into()
    }
}

/// Hashes a password with a salt that nobody had. Takes its time.
pub(super) fn encode(password: &[u8], salt: [u8; SALT], cost: Cost) -> String {
    let params = params(cost, HASH).expect("the configuration is valid");
    let mut hash = [0; HASH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, &salt, &mut hash)
        .expect("a body is shorter than the longest password Argon2 takes");
    let Cost { memory_kib, passes, lanes } = cost;
    let [salt, hash] = [&salt[..], &hash].map(|it| general_purpose::STANDARD_NO_PAD.encode(it));
    format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
}

fn params(cost: Cost, length: usize) -> Option<Params> {
    let Cost { memory_kib, passes, lanes } = cost;
    let work = u64::from(memory_kib) * u64::from(passes);
    if memory_kib > MOST_MEMORY_KIB || work > MOST_WORK || lanes > MOST_LANES {
        return None;
    }
    Params::new(memory_kib, passes, lanes, Some(length)).ok()
}

fn decode_hash(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok().filter(|bytes| (16..=64).contains(&bytes.len()))
}

/// `1000000$<salt>$<hash>`; the salt is used as it is written.
fn pbkdf2_of(digest: Pbkdf2Digest, rest: &str) -> Option<Stored> {
    let [rounds, salt, hash] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    let rounds = rounds.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
    let hash = decode_hash(hash)?;
    Some(Stored::Pbkdf2 { digest, rounds, salt: salt.to_owned(), hash })
}

/// `16384$<salt>$8$5$<hash>`: cost, salt, block size, parallelism.
fn scrypt_of(rest: &str) -> Option<Stored> {
    let [cost, salt, size, lanes, hash] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    let [cost, size, lanes] = [cost, size, lanes].map(|number| number.parse::<u32>().ok());
    let (cost, size, lanes) = (cost?, size?, lanes?);
    // An eighth of a kibibyte each.
    let memory = u64::from(cost).checked_mul(size.into())?;
    let work = memory.checked_mul(lanes.into())?;
    if !cost.is_power_of_two() || memory > u64::from(MOST_MEMORY_KIB) * 8 || work > MOST_WORK * 4 {
        return None;
    }
    let log_cost = u8::try_from(cost.trailing_zeros()).ok()?;
    let params = scrypt::Params::new(log_cost, size, lanes).ok()?;
    let hash = decode_hash(hash)?;
    Some(Stored::Scrypt { params, salt: salt.to_owned(), hash })
}

/// `$2b$12$<salt and hash>`.
fn bcrypt_of(prehashed: bool, encoded: &str) -> Option<Stored> {
    let cost: u32 = encoded.strip_prefix("$2")?.split('$').nth(1)?.parse().ok()?;
    (cost <= MOST_BCRYPT_COST).then(|| Stored::Bcrypt { prehashed, encoded: encoded.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const PASSWORD: &str = "correct Horse 7 باتری";

    /// Made by Django 5.2 with its defaults, but for the rounds of PBKDF2.
    const OF_DJANGO: [&str; 7] = [
        "pbkdf2_sha256$1000$kutBOqLwEexOn2MsgM3EfQ$fvgJCfC3bvWpSv/G+orlxMLrrXMlmzIo5nPEFs781rE=",
        "pbkdf2_sha1$1000$jM9X1tmIYyO7Gte78SKqQA$0giC2fMmkdnb1oBqlix2ua1g0z8=",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$ZUxEcGNMQU9iVE9SWWRzVk9jR1YwMQ$Ck85PIldv8DNu4M4Cdg5PJQc2CfTtOcP0aLqGRf534I",
        "bcrypt_sha256$$2b$12$B109XIHRpaxJjGVslUXcaOQ5V9wy.KGooK0OUOSN5qWQBM3m7D4eK",
        "bcrypt$$2b$12$L4owyrfIdieCVVv709G4WOf.qirZF9q4fP0MZPRQyWzYhLSZPLxOG",
        "scrypt$16384$MXkG8FZw1RzirTpa37A6AS$8$5$MRqhFxbYClhu8CRLcM/7XZzkdfFDti0WDx8SCCiMm2XREfyNJ1oBUHnexllqc3P+i91igIzzXSGaQfvpnB2QQg==",
        "scrypt$16384$t479kICv8VAvmy1FFW1E4a$8$1$nJoGcm9/EgPVPOaTSyOikdbXFpSyWh89qqKcaVQlgX2bw+p/5XMeZ7NokFTm2wWDHibUe+SPlqH6YhZoUbO1hQ==",
    ];
    /// The same password with the rounds of Django 5.2 and 6.0: that takes an optimised build.
    const OF_DJANGO_IN_FULL: [&str; 3] = [
        "pbkdf2_sha256$1000000$baoEWHJyrHzb6U2ObW2WPM$2Ct9MqMXOj/6F/p2yaHegDoE3/xEcC5jHcqQ3mS/3uQ=",
        "pbkdf2_sha256$1200000$y39URseejA8CGDlvsbtFwT$HtdG7zGbbMgj2PNQYl7+BFlBJFzZC0KQLqkaDTgMneQ=",
        "pbkdf2_sha1$1000000$7AyI7bpaMyUzvhiFNTbu4z$EojEzAo+pgUIbAj4HrrVaI/QnVs=",
    ];

    const COST: Cost = Cost { memory_kib: 19_456, passes: 2, lanes: 1 };

    #[test]
    fn every_hash_of_django_knows_its_password_and_is_to_be_replaced() {
        for encoded in OF_DJANGO {
            let stored = Stored::parse(encoded).unwrap_or_else(|| panic!("{encoded}"));
            assert!(stored.matches(PASSWORD.as_bytes()), "{encoded}");
            assert!(!stored.is_current(COST), "{encoded}");
        }
    }

    #[test]
    fn the_rounds_of_every_django_are_few_enough() {
        for encoded in OF_DJANGO_IN_FULL {
            let stored = Stored::parse(encoded).unwrap_or_else(|| panic!("{encoded}"));
            assert!(cfg!(debug_assertions) || stored.matches(PASSWORD.as_bytes()), "{encoded}");
        }
        let next = OF_DJANGO_IN_FULL[1].replace("1200000", "1500000");
        assert!(Stored::parse(&next).is_some());
    }

    #[test]
    fn every_hash_of_django_refuses_other_passwords() {
        for encoded in OF_DJANGO {
            let stored = Stored::parse(encoded).unwrap();
            assert!(!stored.matches(b"correct Horse 7 "), "{encoded}");
        }
    }

    #[test]
    fn new_hashes_are_argon2id_and_read_back() {
        let encoded = encode(PASSWORD.as_bytes(), [7; SALT], COST);
        assert!(encoded.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{encoded}");
        let stored = Stored::parse(&encoded).unwrap();
        assert!(stored.matches(PASSWORD.as_bytes()) && stored.is_current(COST));
        assert!(!stored.matches(PASSWORD.trim_end_matches('ی').as_bytes()));
        assert!(!stored.is_current(Cost { passes: 3, ..COST }));
        assert_ne!(encoded, encode(PASSWORD.as_bytes(), [8; SALT], COST));
    }

    #[test]
    fn a_hash_of_nobody_matches_nothing_and_costs_as_much() {
        let nobody = Stored::of_nobody(COST);
        assert!(!nobody.matches(PASSWORD.as_bytes()) && !nobody.matches(b""));
        assert!(nobody.is_current(COST));
    }

    #[test]
    fn what_would_take_for_ever_is_refused_at_once() {
        let started = Instant::now();
        for encoded in [
            "pbkdf2_sha256$4000000000$salt$2Ct9MqMXOj/6F/p2yaHegDoE3/xEcC5jHcqQ3mS/3uQ=",
            "pbkdf2_sha256$5000001$salt$2Ct9MqMXOj/6F/p2yaHegDoE3/xEcC5jHcqQ3mS/3uQ=",
            "pbkdf2_sha256$99999999999$salt$2Ct9MqMXOj/6F/p2yaHegDoE3/xEcC5jHcqQ3mS/3uQ=",
            "pbkdf2_sha256$0$salt$2Ct9MqMXOj/6F/p2yaHegDoE3/xEcC5jHcqQ3mS/3uQ=",
            "argon2$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "argon2$argon2id$v=19$m=102400,t=4000000,p=8$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=65536,t=17,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=65$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "scrypt$1073741824$salt$8$1$AAAAAAAAAAAAAAAAAAAAAA==",
            "scrypt$16384$salt$8$4000000000$AAAAAAAAAAAAAAAAAAAAAA==",
            "scrypt$16384$salt$4000000000$4000000000$AAAAAAAAAAAAAAAAAAAAAA==",
            "bcrypt_sha256$$2b$31$B109XIHRpaxJjGVslUXcaOQ5V9wy.KGooK0OUOSN5qWQBM3m7D4eK",
        ] {
            assert!(Stored::parse(encoded).is_none(), "{encoded}");
        }
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for encoded in [
            "",
            "!J12dfpC1WOI1uHXTPREZY1A9z5WJFMyFgypdDE2M",
            "plain",
            "md5$salt$0123456789abcdef0123456789abcdef",
            "$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AA",
            "$argon2id$v=19$m=19456,t=2$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA$more",
            "$argon2id$v=19$m=-1,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "pbkdf2_sha256$1000$salt",
            "pbkdf2_sha256$1000$salt$",
            "pbkdf2_sha256$1000$salt$AAAA",
            "scrypt$16383$salt$8$1$AAAAAAAAAAAAAAAAAAAAAA==",
            "scrypt$0$salt$8$1$AAAAAAAAAAAAAAAAAAAAAA==",
            "bcrypt$2b$12$x",
        ] {
            assert!(Stored::parse(encoded).is_none(), "{encoded}");
        }
        let broken = Stored::parse("bcrypt$$2b$04$x").unwrap();
        assert!(!broken.matches(b"x"));
    }
}
