//! Requests that may arrive more than once and are to be carried out once: `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! What is kept of a request is no answer but a reference to what it made, so that a repeat is told
//! how that stands *now*. Two kinds of work use it:
//! - What one transaction accepts [`claim`]s its key in that transaction: both are committed, or
//!   neither is. A process that dies leaves nothing locked.
//! - What takes several transactions [`begin`]s under a lease and [`end`]s. Its parts must be
//!   recognisable by the reference, because whoever repeats the request after the lease goes on
//!   with the same reference where the first one stopped.
//!
//! A request that was refused made nothing, and leaves no key.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

use crate::purge::{Purged, Slice};

mod store;

/// How long a key is remembered.
pub const LIFE: TimeDelta = TimeDelta::hours(24);

/// Whose keys are compared: nobody sees those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Whoever holds this API key.
    ApiKey(i64),
    /// This account, whatever session.
    User(i64),
    /// Whoever has no credentials and this address.
    Anonymous(IpAddr),
}

impl Caller {
    fn name(self) -> String {
        match self {
            Self::ApiKey(id) => format!("key:{id}"),
            Self::User(id) => format!("user:{id}"),
            Self::Anonymous(ip) => format!("anonymous:{}", ip.to_canonical()),
        }
    }
}

/// A request with a key.
#[derive(Clone)]
pub struct Keyed {
    caller: String,
    key_hash: [u8; 32],
    operation: &'static str,
    fingerprint: [u8; 32],
    instead_of: Option<String>,
}

/// Never prints a hash: those of short keys and of numbers can be guessed.
impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl Keyed {
    /// `operation` is the operationId; `request` is what was asked for, as it was understood: two
    /// ways to write the same are the same. It must serialise in one order.
    pub fn new(
        caller: Caller,
        key: &str,
        operation: &'static str,
        request: &impl Serialize,
    ) -> Self {
        let request = serde_json::to_vec(request).unwrap_or_default();
        let mut fingerprint = Sha256::new();
        fingerprint.update(operation.as_bytes());
        fingerprint.update(b"\0");
        fingerprint.update(&request);
        Self {
            caller: caller.name(),
            key_hash: Sha256::digest(key.as_bytes()).into(),
            operation,
            fingerprint: fingerprint.finalize().into(),
            instead_of: None,
        }
    }

    /// The same request after what it made came to nothing: it may be made anew in its place.
    pub fn replace(&mut self, reference: String) {
        self.instead_of = Some(reference);
    }

    fn identity(&self) -> (&str, &[u8; 32]) {
        (&self.caller, &self.key_hash)
    }
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The same was asked for before, and this came of it.
    Done {
        /// The reference it was claimed or begun with.
        reference: String,
    },
    /// The same was asked for before, and somebody is still at work on it.
    InFlight {
        /// Whole seconds after which to ask again.
        retry_after: u32,
    },
    /// Something else was asked for under this key.
    Mismatch,
}

/// Seconds after which to look again at what is under way: most of it takes less, whatever its
/// lease says.
const LOOK_AGAIN: u32 = 5;

/// What is known of the request's key, if anything.
///
/// # Errors
/// When the database is away.
pub async fn find(
    pool: &PgPool,
    now: DateTime<Utc>,
    keyed: &Keyed,
) -> Result<Option<Standing>, sqlx::Error> {
    let Some(row) = store::find(pool, now, keyed).await? else { return Ok(None) };
    Ok(Some(if row.fingerprint != keyed.fingerprint {
        Standing::Mismatch
    } else if let Some(left) = row.lease_left {
        let left = u32::try_from(left).unwrap_or(LOOK_AGAIN);
        Standing::InFlight { retry_after: left.clamp(1, LOOK_AGAIN) }
    } else {
        Standing::Done { reference: row.reference }
    }))
}

/// Takes the keys of what this transaction is about to accept, each with its reference. Gives the
/// references of those that are not to be accepted: somebody else has their key. Call it before
/// any other lock is taken; not a statement if there is no key.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn claim<'a>(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    requests: impl Iterator<Item = (&'a Keyed, String)>,
) -> Result<HashSet<String>, sqlx::Error> {
    let mut requests: Vec<_> = requests.collect();
    if requests.is_empty() {
        return Ok(HashSet::new());
    }
    let mut repeated: HashSet<_> = requests.iter().map(|(_, name)| name.clone()).collect();
    // Everybody locks in this order. Of two with one key the first is asked for.
    requests.sort_by(|(one, _), (other, _)| one.identity().cmp(&other.identity()));
    requests.dedup_by(|(later, _), (first, _)| later.identity() == first.identity());
    for reference in store::claim(connection, now, now + LIFE, &requests).await? {
        repeated.remove(&reference);
    }
    Ok(repeated)
}

/// Gives back keys that this transaction claimed for what it did not accept after all.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn release(
    connection: &mut PgConnection,
    keys: &[&Keyed],
) -> Result<(), sqlx::Error> {
    if keys.is_empty() { Ok(()) } else { store::release(connection, keys).await }
}

/// Begins work of several transactions under a lease. `Some`: go on, with this reference; it is not
/// `reference` if somebody began before and did not end. `None`: the key is somebody else's now,
/// [`find`] says how it stands.
///
/// # Errors
/// When the database refuses or is away.
pub async fn begin(
    pool: &PgPool,
    now: DateTime<Utc>,
    keyed: &Keyed,
    reference: &str,
    lease: Duration,
) -> Result<Option<String>, sqlx::Error> {
    store::begin(pool, (now, now + LIFE), keyed, reference, lease).await
}

/// Ends work that was begun: done, or to be taken up by whoever repeats the request.
///
/// # Errors
/// When the database refuses or is away.
pub async fn end(
    pool: &PgPool,
    keyed: &Keyed,
    reference: &str,
    end: End,
) -> Result<(), sqlx::Error> {
    store::end(pool, keyed, reference, end == End::Done).await
}

/// How work of several transactions ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything is accepted or refused for good.
    Done,
    /// Something is left to do.
    Unfinished,
}

/// Deletes keys that are over, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

/// How many keys were over before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_purgeable(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_purgeable(pool, before).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(caller: Caller, key: &str, operation: &'static str, request: &str) -> Keyed {
        Keyed::new(caller, key, operation, &request)
    }

    #[test]
    fn a_key_is_its_callers_and_a_fingerprint_is_of_what_was_asked() {
        let ip = |text: &str| Caller::Anonymous(text.parse().unwrap());
        let base = keyed(ip("203.0.113.7"), "k", "sendOtp", "a");
        let same = keyed(ip("::ffff:203.0.113.7"), "k", "sendOtp", "a");
        assert_eq!(base.identity(), same.identity());
        assert_eq!(base.fingerprint, same.fingerprint);
        for other in [
            keyed(ip("203.0.113.8"), "k", "sendOtp", "a"),
            keyed(Caller::ApiKey(7), "k", "sendOtp", "a"),
            keyed(Caller::User(7), "k", "sendOtp", "a"),
            keyed(ip("203.0.113.7"), "l", "sendOtp", "a"),
        ] {
            assert_ne!(base.identity(), other.identity());
        }
        for other in [("sendOtp", "b"), ("sendMessage", "a")] {
            let other = keyed(ip("203.0.113.7"), "k", other.0, other.1);
            assert_eq!(base.identity(), other.identity());
            assert_ne!(base.fingerprint, other.fingerprint);
        }
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let shown = format!("{:?}", keyed(Caller::ApiKey(7), "secret", "sendOtp", "0912"));
        assert_eq!(shown, "Keyed { operation: \"sendOtp\", .. }");
    }
}
