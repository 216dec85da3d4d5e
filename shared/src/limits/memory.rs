//! What one process remembers of each key: the highest mark it has seen, in bounded memory.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::bucket::Bucket;

/// Keys a process remembers at most; about ten megabytes.
const KEYS: usize = 100_000;
/// Time between two searches of a full memory for keys to forget.
const TIDY: Duration = Duration::from_secs(1);

/// The name of a limit with its subject, hashed.
pub(super) type Key = [u8; 16];

/// How far a key has spent, by the clocks of this process and of Redis.
#[derive(Debug, Clone, Copy)]
struct Spent {
    /// When everything is earned back.
    until: Instant,
    /// The same on Redis's clock, in microseconds; 0 when this process counted since.
    at_redis: i64,
    /// Less than half was spent, and Redis knows it too: the first to be forgotten.
    light: bool,
}

/// What Redis is told about a key: it takes whatever is highest.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Known {
    /// On Redis's own clock; 0 is nothing.
    pub(super) at_redis: i64,
    /// Ahead of now, in microseconds; 0 is nothing.
    pub(super) ahead: i64,
    until: Option<Instant>,
}

/// What Redis answered about a key, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Learnt {
    pub(super) ahead: i64,
    pub(super) at_redis: i64,
}

/// The marks of one process.
#[derive(Debug, Default)]
pub(super) struct Memory {
    spent: HashMap<Key, Spent>,
    tidied: Option<Instant>,
}

impl Memory {
    /// What is known of a key.
    pub(super) fn known(&self, key: &Key, now: Instant) -> Known {
        match self.spent.get(key) {
            Some(spent) if spent.at_redis > 0 => {
                Known { at_redis: spent.at_redis, ahead: 0, until: Some(spent.until) }
            }
            Some(spent) => Known {
                at_redis: 0,
                ahead: micros(spent.until.saturating_duration_since(now)),
                until: Some(spent.until),
            },
            None => Known::default(),
        }
    }

    /// How far ahead a key is as far as this process knows, in microseconds.
    pub(super) fn ahead(&self, key: &Key, now: Instant) -> i64 {
        let until = self.spent.get(key).map(|spent| spent.until);
        until.map_or(0, |until| micros(until.saturating_duration_since(now)))
    }

    /// Remembers what Redis answered when it was told `told`. What this process spent by itself in
    /// the meantime stays spent.
    pub(super) fn learn(
        &mut self,
        (key, bucket): (Key, &Bucket),
        told: Known,
        learnt: Learnt,
        now: Instant,
    ) {
        let until = now + Duration::from_micros(u64::try_from(learnt.ahead).unwrap_or(0));
        let Learnt { ahead, mut at_redis } = learnt;
        let mut light = ahead < bucket.tolerance / 2;
        let mut latest = until;
        if let Some(spent) = self.spent.get(&key) {
            let counted_since = spent.at_redis == 0 && told.until != Some(spent.until);
            if counted_since && spent.until > until {
                (latest, at_redis, light) = (spent.until, 0, false);
            } else if spent.at_redis > at_redis && spent.at_redis != told.at_redis {
                // Overtaken by the answer to a later question. An answer below what Redis was told
                // is no such: its clock was set back, and its word counts.
                return;
            }
        } else if ahead == 0 || !self.has_room(now) {
            return;
        }
        self.spent.insert(key, Spent { until: latest, at_redis, light });
    }

    /// Spends one by this process's own count; `false` when it does not fit, or when there is no
    /// room to remember it.
    pub(super) fn spend(&mut self, key: Key, bucket: &Bucket, now: Instant) -> bool {
        let ahead = self.ahead(&key, now);
        // Every key is in use: refuse new ones rather than grow or let everything pass.
        let remembered = self.spent.contains_key(&key) || self.has_room(now);
        if !bucket.fits(ahead) || !remembered {
            return false;
        }
        let ahead = ahead.saturating_add(bucket.emission);
        let until = now + Duration::from_micros(u64::try_from(ahead).unwrap_or(0));
        self.spent.insert(key, Spent { until, at_redis: 0, light: false });
        true
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.spent.len() < KEYS {
            return true;
        }
        if self.tidied.is_some_and(|tidied| now.saturating_duration_since(tidied) < TIDY) {
            return false;
        }
        self.tidied = Some(now);
        self.spent.retain(|_, spent| spent.until > now && !spent.light);
        self.spent.len() < KEYS
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;

    const SECOND: i64 = 1_000_000;

    fn key(number: usize) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn bucket() -> Bucket {
        Bucket::of(Rate { count: 4, seconds: 4 })
    }

    fn learnt(ahead: i64, at_redis: i64) -> Learnt {
        Learnt { ahead, at_redis }
    }

    #[test]
    fn what_redis_said_is_told_again_in_its_own_time() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.learn((key(1), &bucket()), Known::default(), learnt(3 * SECOND, 77), now);
        let known = memory.known(&key(1), now);
        assert_eq!((known.at_redis, known.ahead), (77, 0));
        assert_eq!(memory.ahead(&key(1), now + Duration::from_secs(1)), 2 * SECOND);
        assert_eq!(memory.known(&key(2), now).at_redis, 0);
    }

    #[test]
    fn without_redis_it_goes_on_where_redis_was() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.learn((key(1), &bucket()), Known::default(), learnt(3 * SECOND, 77), now);
        assert!(memory.spend(key(1), &bucket(), now));
        assert!(!memory.spend(key(1), &bucket(), now));
        let known = memory.known(&key(1), now);
        assert_eq!((known.at_redis, known.ahead), (0, 4 * SECOND), "redis hears of it");
        assert!(memory.spend(key(1), &bucket(), now + Duration::from_secs(1)));
    }

    #[test]
    fn what_was_spent_while_redis_was_being_asked_stays_spent() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let told = memory.known(&key(1), now);
        assert!(memory.spend(key(1), &bucket(), now));
        assert!(memory.spend(key(1), &bucket(), now));
        memory.learn((key(1), &bucket()), told, learnt(SECOND, 77), now);
        assert_eq!(memory.known(&key(1), now).ahead, 2 * SECOND);
        let told = memory.known(&key(1), now);
        memory.learn((key(1), &bucket()), told, learnt(2 * SECOND, 78), now);
        assert_eq!(memory.known(&key(1), now).at_redis, 78);
    }

    #[test]
    fn an_answer_that_comes_late_lowers_nothing() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.learn((key(1), &bucket()), Known::default(), learnt(3 * SECOND, 79), now);
        memory.learn((key(1), &bucket()), Known::default(), learnt(2 * SECOND, 78), now);
        assert_eq!(memory.known(&key(1), now).at_redis, 79);
        let told = memory.known(&key(1), now);
        memory.learn((key(1), &bucket()), told, learnt(4 * SECOND, 5), now);
        assert_eq!(memory.known(&key(1), now).at_redis, 5, "unless redis's clock was set back");
    }

    #[test]
    fn a_full_memory_refuses_new_keys_and_forgets_what_is_earned_back_or_light() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for number in 0..KEYS {
            assert!(memory.spend(key(number), &bucket(), now));
        }
        assert!(!memory.spend(key(KEYS), &bucket(), now), "no room");
        assert!(memory.spend(key(0), &bucket(), now), "known keys go on");
        let told = memory.known(&key(5), now);
        memory.learn((key(5), &bucket()), told, learnt(SECOND, 77), now);
        memory.learn((key(KEYS), &bucket()), Known::default(), learnt(4 * SECOND, 77), now);
        assert_eq!(memory.ahead(&key(KEYS), now), 0, "tidied a moment ago");
        let later = now + TIDY;
        assert!(memory.spend(key(KEYS), &bucket(), later), "the earned back made room");
        assert_eq!(memory.spent.len(), 2, "the one that spent two, and the new one");
    }
}
