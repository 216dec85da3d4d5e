//! The queue contract: which queues there are, what travels on them, and when to try again.
//!
//! A job's argument is the id of a row and nothing else; the row says what is to be done and
//! whether it still is (see [`crate::sms::deliveries`]).

use std::time::Duration;

use rand::{Rng, RngExt};

/// A queue of row ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// One-time codes: `sms_messages` rows of kind `otp`.
    Otp,
    /// Texts to one recipient: kind `text`.
    Sms,
    /// Texts to many: kind `bulk`.
    Bulk,
    /// Events to tell: `webhook_deliveries` rows.
    Webhooks,
    /// Payments to look at: `payments` rows.
    Payments,
    /// Money to go back: `payment_returns` rows.
    Returns,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 6] =
        [Self::Otp, Self::Sms, Self::Bulk, Self::Webhooks, Self::Payments, Self::Returns];

    /// The queue's name: Redis key part, metrics label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Sms => "sms",
            Self::Bulk => "bulk",
            Self::Webhooks => "webhooks",
            Self::Payments => "payments",
            Self::Returns => "returns",
        }
    }
}

/// The id of the row a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowId(pub i64);

impl RowId {
    /// Reads what [`RowId::encode`] wrote; `None` for anything else.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let id: i64 = std::str::from_utf8(payload).ok()?.parse().ok()?;
        (id > 0).then_some(Self(id))
    }

    /// The queue payload: the id in decimal.
    pub fn encode(self) -> String {
        self.0.to_string()
    }
}

/// What a sweep put in order among the rows of one queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Rows that reached the end of their life undone.
    pub expired: u64,
    /// Leases of dead workers that were taken back.
    pub reclaimed: u64,
}

/// Work of one queue that is due and not done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Rows; counted up to a bound of the store's.
    pub due: i64,
    /// How long the oldest of them has been due.
    pub oldest: Duration,
}

/// Pauses between attempts of one delivery, in milliseconds; the last one repeats.
const PAUSES_MS: [u64; 6] = [1_000, 2_500, 6_000, 15_000, 30_000, 60_000];

/// Pauses between attempts of one webhook, in seconds: a receiver that is being deployed is told
/// within a minute, one that is down for two days is still told.
const WEBHOOK_PAUSES_S: [u64; 9] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800];

/// Pauses between looks at one payment whose gateway says neither yes nor no, in seconds: somebody
/// stands in front of the answer, and some gateways take the money for ten minutes only.
const PAYMENT_PAUSES_S: [u64; 7] = [1, 2, 4, 8, 15, 30, 60];

/// How long to wait after the `failures`-th failed attempt (from 1), with a fifth of jitter
/// either way so that a provider's recovery is not met by a crowd.
pub fn pause_after(failures: u32, rng: &mut impl Rng) -> Duration {
    jittered(step(&PAUSES_MS, failures), rng)
}

/// [`pause_after`] for webhooks.
pub fn webhook_pause_after(failures: u32, rng: &mut impl Rng) -> Duration {
    jittered(step(&WEBHOOK_PAUSES_S, failures) * 1_000, rng)
}

/// [`pause_after`] for payments.
pub fn payment_pause_after(failures: u32, rng: &mut impl Rng) -> Duration {
    jittered(step(&PAYMENT_PAUSES_S, failures) * 1_000, rng)
}

fn step(pauses: &[u64], failures: u32) -> u64 {
    let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    pauses[step.min(pauses.len() - 1)]
}

fn jittered(base_ms: u64, rng: &mut impl Rng) -> Duration {
    Duration::from_millis(rng.random_range(base_ms * 4 / 5..=base_ms * 6 / 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_ids_and_nothing_else() {
        assert_eq!(RowId::decode(RowId(42).encode().as_bytes()), Some(RowId(42)));
        for junk in [&b"0"[..], b"-1", b"", b"abc", b"1.0", b"{\"id\":1}", b"\xff\xfe"] {
            assert_eq!(RowId::decode(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn pauses_grow_and_stay_within_their_jitter() {
        let mut rng = rand::rng();
        for (failures, base) in (1..).zip(PAUSES_MS) {
            let pause = pause_after(failures, &mut rng).as_millis();
            let base = u128::from(base);
            assert!((base * 4 / 5..=base * 6 / 5).contains(&pause), "{failures}: {pause}");
        }
        assert!(pause_after(u32::MAX, &mut rng) <= Duration::from_secs(72));
        for (failures, base) in (1..).zip(WEBHOOK_PAUSES_S) {
            let pause = webhook_pause_after(failures, &mut rng).as_millis();
            let base = u128::from(base) * 1_000;
            assert!((base * 4 / 5..=base * 6 / 5).contains(&pause), "{failures}: {pause}");
        }
        assert!(webhook_pause_after(u32::MAX, &mut rng) <= Duration::from_hours(10));
        for (failures, base) in (1..).zip(PAYMENT_PAUSES_S) {
            let pause = payment_pause_after(failures, &mut rng).as_millis();
            let base = u128::from(base) * 1_000;
            assert!((base * 4 / 5..=base * 6 / 5).contains(&pause), "{failures}: {pause}");
        }
    }
}
