//! Short-window rate limits, shared by all api processes through Redis.
//!
//! The rule is GCRA (a leaky bucket as one timestamp): a key may spend `count` at once and earns
//! them back evenly over the window. Redis keeps the timestamp; while Redis is away each process
//! keeps its own, so that a limit weakens to limit x processes and never disappears. Caps that
//! must hold without Redis are counted in PostgreSQL where the thing is accepted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::{config::Rate, ids, redis::Redis};

/// Keys a process remembers on its own before it forgets those that are full again.
const LOCAL_KEYS: usize = 50_000;

/// One decision: `[allowed (0/1), wait in ms]`. Time is Redis's own. ARGV: emission interval and
/// burst tolerance in microseconds, and the cost (-1 gives back).
const SCRIPT: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local emission, tolerance, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local next = tat + emission * cost
if next - now > tolerance then
  return {0, math.ceil((next - now - tolerance) / 1000)}
end
if next > now then
  redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1)
else
  redis.call('DEL', KEYS[1])
end
return {1, 0}";

/// The rate limiter of one process.
#[derive(Clone)]
pub struct Limiter {
    redis: Redis,
    key: Arc<SecretSlice<u8>>,
    local: Arc<Mutex<HashMap<String, Instant>>>,
}

/// The key has spent its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("rate limited")]
pub struct Limited {
    /// When the next one is allowed.
    pub retry_after: Duration,
}

impl Limiter {
    /// A limiter over Redis. Subjects (addresses, numbers) are hashed with `key` before they
    /// become Redis keys.
    pub fn new(redis: Redis, key: SecretSlice<u8>) -> Self {
        Self { redis, key: Arc::new(key), local: Arc::default() }
    }

    /// Spends one of `rate` for `subject` under the limit called `name`.
    ///
    /// # Errors
    /// [`Limited`] when nothing is left; nothing is spent then.
    pub async fn take(&self, name: &str, subject: &str, rate: Rate) -> Result<(), Limited> {
        self.spend(name, subject, rate, 1).await
    }

    /// Gives back what [`Limiter::take`] spent on something that was not done after all.
    pub async fn give_back(&self, name: &str, subject: &str, rate: Rate) {
        let _ = self.spend(name, subject, rate, -1).await;
    }

    async fn spend(&self, name: &str, subject: &str, rate: Rate, cost: i64) -> Result<(), Limited> {
        let key = self.key_of(name, subject);
        let emission = emission(rate);
        let tolerance = emission.saturating_mul(rate.count);
        let args = vec![micros(emission), micros(tolerance), cost];
        match self.redis.eval(SCRIPT, &key, args).await {
            Ok(answer) => match answer[..] {
                [0, wait_ms] => Err(Limited {
                    retry_after: Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)),
                }),
                _ => Ok(()),
            },
            Err(error) => {
                tracing::debug!(limit = name, %error, "limit counted locally");
                self.spend_locally(key, emission, tolerance, cost, Instant::now())
            }
        }
    }

    fn spend_locally(
        &self,
        key: String,
        emission: Duration,
        tolerance: Duration,
        cost: i64,
        now: Instant,
    ) -> Result<(), Limited> {
        let mut local = self.local.lock().expect("no holder of this lock panics");
        if local.len() >= LOCAL_KEYS {
            local.retain(|_, tat| *tat > now);
            if local.len() >= LOCAL_KEYS {
                // Every key is in use: refuse new ones rather than grow or let everything pass.
                return Err(Limited { retry_after: emission });
            }
        }
        let tat = local.get(&key).copied().unwrap_or(now).max(now);
        let next = gcra(tat, now, emission, tolerance, cost)?;
        local.insert(key, next);
        Ok(())
    }

    fn key_of(&self, name: &str, subject: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret())
            .expect("HMAC takes keys of any length");
        mac.update(name.as_bytes());
        mac.update(b"\0");
        mac.update(subject.as_bytes());
        format!("limit:{name}:{}", ids::hex(&mac.finalize().into_bytes()[..16]))
    }
}

/// The rule itself: the new theoretical arrival time, or how long to wait.
fn gcra(
    tat: Instant,
    now: Instant,
    emission: Duration,
    tolerance: Duration,
    cost: i64,
) -> Result<Instant, Limited> {
    let next = if cost < 0 { tat.checked_sub(emission).unwrap_or(now) } else { tat + emission };
    let ahead = next.saturating_duration_since(now);
    if ahead > tolerance {
        return Err(Limited { retry_after: ahead.saturating_sub(tolerance) });
    }
    Ok(next)
}

fn emission(rate: Rate) -> Duration {
    Duration::from_secs(u64::from(rate.seconds)) / rate.count.max(1)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_allowed_up_to_the_count_and_earned_back_evenly() {
        let start = Instant::now();
        let (emission, tolerance) = (SECOND, SECOND * 3);
        let mut tat = start;
        for _ in 0..3 {
            tat = gcra(tat, start, emission, tolerance, 1).unwrap();
        }
        let refused = gcra(tat, start, emission, tolerance, 1).unwrap_err();
        assert_eq!(refused.retry_after, SECOND);
        let later = start + SECOND;
        tat = gcra(tat.max(later), later, emission, tolerance, 1).unwrap();
        assert!(gcra(tat, later, emission, tolerance, 1).is_err());
    }

    #[test]
    fn what_is_given_back_can_be_spent_again() {
        let now = Instant::now();
        let tat = gcra(now, now, SECOND, SECOND, 1).unwrap();
        assert!(gcra(tat, now, SECOND, SECOND, 1).is_err());
        let tat = gcra(tat, now, SECOND, SECOND, -1).unwrap();
        assert!(gcra(tat, now, SECOND, SECOND, 1).is_ok());
    }
}
