//! Short-window rate limits, shared by all api processes through Redis.
//!
//! The rule is GCRA (a leaky bucket kept as one moment, see `bucket.rs`): a key may spend `count` at
//! once and earns them back evenly over the window. One script in Redis measures and spends
//! everything one request is measured by. Every process also remembers the highest mark it has
//! seen of each key and tells it to Redis with the next question; the higher one counts.
//!
//! What that guarantees:
//! - **While Redis answers** all processes together allow `count`.
//! - **Redis emptied or restarted** (FLUSHALL in mid-attack): nothing is handed out anew to a key
//!   whose marks this process has seen; Redis learns them again from the first question. A
//!   process that saw only an earlier mark of a key brings back that one, so with many processes a
//!   key gets at most what was spent since its process last heard of it.
//! - **While Redis is away** each process goes on from the mark it knows and allows its share of
//!   `count`, rounded down: `count / limits.api_processes`. Together they never allow more than
//!   `count`. A limit with fewer units than there are processes allows nothing then.
//! - **When Redis is back** it is told the marks. A unit spent alone counts as one of every
//!   process, so that the mark is never too low when the load was even.
//!
//! What it does not: a key that only *other* processes saw before Redis went away has this
//! process's whole share once, so that window may see up to twice the limit, less one share. A
//! process that restarts forgets. A process that remembers a hundred thousand keys in use cannot
//! remember more: with Redis away it refuses new ones. Caps that must hold whatever happens are
//! counted in PostgreSQL where the thing is accepted (`otp::caps`).

mod bucket;
mod memory;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use self::{
    bucket::Bucket,
    memory::{Key, Known, Learnt, Memory},
};
use crate::{config::Rate, ids, redis::Redis};

/// Measures each key in turn and spends until one has nothing left. Time is Redis's own. ARGV per
/// key: emission interval, burst tolerance, cost (0 or 1), and what the process knows (a moment of
/// Redis's clock, a distance from now), all in microseconds. Answers per key: whether one fitted,
/// how far ahead of now the key is, and that moment. No mark is further ahead than a whole bucket,
/// whatever clock it came from.
const SCRIPT: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local answer, open = {}, true
for i, key in ipairs(KEYS) do
  local arg = function(n) return tonumber(ARGV[(i - 1) * 5 + n]) end
  local emission, tolerance, cost = arg(1), arg(2), arg(3)
  local stored = tonumber(redis.call('GET', key) or 0)
  local tat = math.min(math.max(stored, arg(4), now + arg(5)), now + tolerance)
  local fits = tat + emission <= now + tolerance
  open = open and fits
  if open then tat = tat + emission * cost end
  if tat > now and tat ~= stored then
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
  end
  answer[#answer + 1] = fits and 1 or 0
  answer[#answer + 1] = tat - now
  answer[#answer + 1] = tat
end
return answer";

/// A limit with a name that callers may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Its name, in headers and Redis: `a-z0-9-`.
    pub name: &'static str,
    /// How much it allows.
    pub rate: Rate,
}

/// One key a request is measured by.
#[derive(Debug, Clone)]
pub struct Ask {
    policy: Policy,
    subject: String,
    cost: i64,
    paced: bool,
}

impl Ask {
    /// Spends one of the subject's share, if there is one.
    pub fn spend(policy: Policy, subject: impl Into<String>) -> Self {
        Self { policy, subject: subject.into(), cost: 1, paced: false }
    }

    /// Only looks whether there is one.
    pub fn look(policy: Policy, subject: impl Into<String>) -> Self {
        Self { policy, subject: subject.into(), cost: 0, paced: false }
    }

    /// The same, only looking.
    #[must_use]
    pub fn looking(self) -> Self {
        Self { cost: 0, ..self }
    }

    /// Spends so that no second has more than the policy's count, which must be one of a second:
    /// for limits of others, who count differently. Evenly spaced, and a fifth below it.
    #[must_use]
    pub fn paced(self) -> Self {
        Self { paced: true, ..self }
    }

    /// One of `processes` parts of the limit, or all of it.
    fn bucket(&self, processes: u32) -> Bucket {
        let rate = self.policy.rate;
        if self.paced {
            Bucket::pace(rate.count, processes)
        } else {
            Bucket::share(rate, processes)
        }
    }

    /// The limit.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Whose share it is.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// How a key stands after it was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub policy: Policy,
    /// What is left of it.
    pub remaining: u32,
    /// When there is one more than that; zero when nothing is spent.
    pub more_after: Duration,
    /// Whether there was nothing left to spend.
    pub refused: bool,
}

/// The rate limiter of one process.
#[derive(Clone)]
pub struct Limiter {
    redis: Redis,
    key: Arc<SecretSlice<u8>>,
    processes: u32,
    memory: Arc<Mutex<Memory>>,
}

impl Limiter {
    /// A limiter over Redis, shared by this many processes. Subjects (addresses, numbers) are
    /// hashed with `key` before they become Redis keys.
    pub fn new(redis: Redis, key: SecretSlice<u8>, processes: u32) -> Self {
        Self { redis, key: Arc::new(key), processes, memory: Arc::default() }
    }

    /// Measures all of `asks` in their order, one standing each. From the first refusal on nothing
    /// is spent any more.
    pub async fn ask(&self, asks: &[Ask]) -> Vec<Standing> {
        if asks.is_empty() {
            return Vec::new();
        }
        let keys: Vec<_> = asks.iter().map(|ask| self.key_of(ask)).collect();
        let told: Vec<_> = {
            let (memory, now) = (self.memory(), Instant::now());
            keys.iter().map(|key| memory.known(key, now)).collect()
        };
        let names = asks.iter().zip(&keys).map(|(ask, key)| redis_key(ask, key)).collect();
        let arguments = asks.iter().zip(&told).flat_map(|(ask, told)| arguments(ask, told));
        let answer = self.redis.eval(SCRIPT, names, arguments.collect()).await;
        match answer {
            Ok(answer) if answer.len() == asks.len() * 3 => {
                self.learn(asks, &keys, &told, &answer, Instant::now())
            }
            Ok(_) => self.count(asks, &keys, Instant::now()),
            Err(error) => {
                tracing::debug!(%error, "limits counted locally");
                self.count(asks, &keys, Instant::now())
            }
        }
    }

    /// How the keys stand as far as this process knows, without asking Redis.
    pub fn recall(&self, asks: &[Ask]) -> Vec<Standing> {
        let (memory, now) = (self.memory(), Instant::now());
        let standing = |ask: &Ask| {
            let ahead = memory.ahead(&self.key_of(ask), now);
            let bucket = ask.bucket(1);
            standing(ask, &bucket, ahead, !bucket.fits(ahead))
        };
        asks.iter().map(standing).collect()
    }

    /// Reads and remembers what Redis answered.
    fn learn(
        &self,
        asks: &[Ask],
        keys: &[Key],
        told: &[Known],
        answer: &[i64],
        now: Instant,
    ) -> Vec<Standing> {
        let mut memory = self.memory();
        let rows = asks.iter().zip(keys).zip(told).zip(answer.chunks_exact(3));
        rows.map(|(((ask, key), told), answer)| {
            let bucket = ask.bucket(1);
            let learnt = Learnt { ahead: answer[1], at_redis: answer[2] };
            memory.learn((*key, &bucket), *told, learnt, now);
            standing(ask, &bucket, learnt.ahead, answer[0] == 0)
        })
        .collect()
    }

    /// The same by this process's own count, up to its share.
    fn count(&self, asks: &[Ask], keys: &[Key], now: Instant) -> Vec<Standing> {
        let mut memory = self.memory();
        let mut open = true;
        let mut one = |ask: &Ask, key: &Key| {
            let bucket = ask.bucket(self.processes);
            let mut fits = bucket.fits(memory.ahead(key, now));
            if open && fits && ask.cost > 0 {
                fits = memory.spend(*key, &bucket, now);
            }
            open = open && fits;
            standing(ask, &bucket, memory.ahead(key, now), !fits)
        };
        asks.iter().zip(keys).map(|(ask, key)| one(ask, key)).collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no holder of this lock panics")
    }

    fn key_of(&self, ask: &Ask) -> Key {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret())
            .expect("HMAC takes keys of any length");
        mac.update(ask.policy.name.as_bytes());
        mac.update(b"\0");
        mac.update(ask.subject.as_bytes());
        let mut key = Key::default();
        key.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        key
    }
}

fn redis_key(ask: &Ask, key: &Key) -> String {
    format!("limit:{}:{}", ask.policy.name, ids::hex(key))
}

fn arguments(ask: &Ask, told: &Known) -> [i64; 5] {
    let bucket = ask.bucket(1);
    [bucket.emission, bucket.tolerance, ask.cost, told.at_redis, told.ahead]
}

fn standing(ask: &Ask, bucket: &Bucket, ahead: i64, refused: bool) -> Standing {
    Standing {
        policy: ask.policy,
        remaining: if refused { 0 } else { bucket.remaining(ahead) },
        more_after: bucket.more_after(ahead),
        refused,
    }
}
