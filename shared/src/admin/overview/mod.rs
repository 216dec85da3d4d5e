//! What whoever runs Peyk asks first: do codes arrive, what waits, what is left, who is there.
//!
//! Nobody's data is in it: counts, words and names of providers and processes. It is counted anew at
//! most every two seconds by a process, however many look, and each part is one statement over an
//! index that its store names.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio::{sync::Mutex, time::Instant};

use super::queues;
use crate::{
    audit::{self, Entry, Source, Subject},
    clock::SharedClock,
    config::Config,
    cron::{self, CronView},
    jobs::{Backlog, Queue},
    payments::{Payments, State},
    processes::{self, Process},
    sms::{
        MessageKind, deliveries,
        standing::{self, Credit, Outage, Standing},
    },
    webhooks,
};

mod store;

/// How old what is shown may be.
const COPY_AGE: Duration = Duration::from_secs(2);
/// Who looks again within this time is not written down again: the page renews itself.
const LOOK: Duration = Duration::from_mins(10);
/// Width of the buckets of the last hour and of the last day.
const HOUR_STEP: TimeDelta = TimeDelta::minutes(5);
const DAY_STEP: TimeDelta = TimeDelta::hours(1);
/// Calls of the last hour that are looked at, at most, the latest: where more were made, the hour
/// that is shown begins later.
const CALLS: i64 = 50_000;
/// Reasons that are named.
const REASONS: i64 = 10;
/// A cron job that is so much past its time is late.
const LATE: TimeDelta = TimeDelta::seconds(120);

/// What became of calls with codes at one provider in one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins.
    pub at: DateTime<Utc>,
    /// At whom.
    pub provider: String,
    /// Codes that it took.
    pub sent: i64,
    /// … that it says arrived.
    pub delivered: i64,
    /// … that were used.
    pub verified: i64,
    /// Calls that it refused, put off or never answered.
    pub failed: i64,
}

/// What became of codes, in stretches of equal width.
#[derive(Debug, Clone)]
pub struct Codes {
    /// When the first stretch begins.
    pub since: DateTime<Utc>,
    /// Their width in seconds.
    pub step_seconds: i64,
    /// By time, then by provider; stretches in which nothing happened are not there.
    pub buckets: Vec<Bucket>,
    /// When the earliest call was that is counted, where there were too many.
    pub looked_back_to: Option<DateTime<Utc>>,
}

/// How long something took in the last hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// How many there were.
    pub count: i64,
    /// Half of them took no longer, in milliseconds; `None` of none.
    pub median_ms: Option<i64>,
    /// 95 of 100 took no longer.
    pub p95_ms: Option<i64>,
}

/// Why codes were not sent in the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The provider's bounded code, or the code of the answer of a send that was refused.
    pub reason: String,
    /// Who said so; `None`: Peyk itself.
    pub provider: Option<String>,
    /// How often.
    pub count: i64,
}

/// What waits in a queue.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Which.
    pub queue: Queue,
    /// What is due, counted to a bound.
    pub backlog: Backlog,
    /// Nothing of it is done because staff said so.
    pub is_paused: bool,
}

/// What is known of a provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its configured name.
    pub name: String,
    /// `None`: it takes our account.
    pub out: Option<Outage>,
    /// What is left; `None`: never asked, or it cannot say.
    pub credit: Option<Credit>,
    /// Since when nothing is sent through it because staff said so.
    pub paused_at: Option<DateTime<Utc>>,
}

/// Payments of today that are in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentsIn {
    /// Which.
    pub state: State,
    /// How many.
    pub count: i64,
    /// Their sum.
    pub amount_rials: i64,
}

/// A cron job that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronTrouble {
    /// Its name.
    pub job: String,
    /// When it should have run, or did.
    pub at: DateTime<Utc>,
    /// `late`, or how its last run ended: `error`, `died`.
    pub trouble: String,
}

/// What whoever runs Peyk asks first.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When it was counted.
    pub at: DateTime<Utc>,
    /// Codes of the last hour.
    pub hour: Codes,
    /// Codes of the last 24 hours.
    pub day: Codes,
    /// From a code that is asked for to a provider that takes it.
    pub to_provider: Times,
    /// From a code that is asked for to its being used.
    pub to_use: Times,
    /// Why codes were not sent, the most frequent first.
    pub failures: Vec<Failure>,
    /// Every queue.
    pub queues: Vec<Waiting>,
    /// Every configured provider.
    pub providers: Vec<Provider>,
    /// When today began (UTC).
    pub today: DateTime<Utc>,
    /// Payments that wait for a person, whenever they were begun.
    pub needs_review: PaymentsIn,
    /// Payments that were paid today, or begun today and not paid.
    pub payments: Vec<PaymentsIn>,
    /// Who runs.
    pub processes: Vec<Process>,
    /// What is wrong with cron jobs.
    pub cron: Vec<CronTrouble>,
}

/// What was counted last, and when.
type Copied = Option<(Instant, Arc<Overview>)>;

/// Counts, for all who look at one process.
#[derive(Clone)]
pub struct Overviews {
    pool: PgPool,
    clock: SharedClock,
    payments: Payments,
    providers: Vec<String>,
    endpoints: Vec<String>,
    copy: Arc<Mutex<Copied>>,
    looks: Arc<Mutex<HashMap<i64, Instant>>>,
}

impl Overviews {
    /// Over one database.
    pub fn new(pool: PgPool, clock: SharedClock, payments: Payments, config: &Config) -> Self {
        let providers = config.sms_order();
        let endpoints = config.webhooks.endpoints.keys().cloned().collect();
        let (copy, looks) = (Arc::default(), Arc::default());
        Self { pool, clock, payments, providers, endpoints, copy, looks }
    }

    /// How everything is, two seconds ago at most. Who looks is written down once in a while.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn look(&self, source: &Source, user_id: i64) -> Result<Arc<Overview>, sqlx::Error> {
        self.note(source, user_id).await?;
        // Whoever comes while it is being counted waits for that and counts nothing.
        let mut copy = self.copy.lock().await;
        if let Some((counted, overview)) = copy.as_ref()
            && counted.elapsed() < COPY_AGE
        {
            return Ok(overview.clone());
        }
        let overview = Arc::new(self.count().await?);
        *copy = Some((Instant::now(), overview.clone()));
        Ok(overview)
    }

    async fn note(&self, source: &Source, user_id: i64) -> Result<(), sqlx::Error> {
        let mut looks = self.looks.lock().await;
        looks.retain(|_, since| since.elapsed() < LOOK);
        if looks.contains_key(&user_id) {
            return Ok(());
        }
        let looked = Entry::new(source, "overview.viewed", Subject::overview());
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        looks.insert(user_id, Instant::now());
        Ok(())
    }

    async fn count(&self) -> Result<Overview, sqlx::Error> {
        let pool = &self.pool;
        let now = self.clock.now();
        let hour = beginning(now, HOUR_STEP, TimeDelta::hours(1));
        let day = beginning(now, DAY_STEP, TimeDelta::days(1));
        let today = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        let (to_provider, to_use) = store::times(pool, hour, CALLS).await?;
        Ok(Overview {
            at: now,
            hour: Codes {
                since: hour,
                step_seconds: HOUR_STEP.num_seconds(),
                buckets: store::buckets_of_hour(pool, hour, CALLS).await?,
                looked_back_to: store::looked_back_to(pool, hour, CALLS).await?,
            },
            day: Codes {
                since: day,
                step_seconds: DAY_STEP.num_seconds(),
                buckets: store::buckets_of_day(pool, day).await?,
                looked_back_to: None,
            },
            to_provider,
            to_use,
            failures: store::failures(pool, hour, CALLS, REASONS).await?,
            queues: self.queues().await?,
            providers: self.providers().await?,
            today,
            needs_review: store::needs_review(pool).await?,
            payments: store::payments(pool, today).await?,
            processes: processes::alive(pool).await?,
            cron: cron::known(pool).await?.iter().filter_map(|view| trouble(view, now)).collect(),
        })
    }

    async fn queues(&self) -> Result<Vec<Waiting>, sqlx::Error> {
        let paused = queues::paused(&self.pool).await?;
        let mut queues = Vec::with_capacity(Queue::ALL.len());
        for queue in Queue::ALL {
            let backlog = match queue {
                Queue::Otp => deliveries::backlog(&self.pool, MessageKind::Otp).await?,
                Queue::Sms => deliveries::backlog(&self.pool, MessageKind::Text).await?,
                Queue::Bulk => deliveries::backlog(&self.pool, MessageKind::Bulk).await?,
                Queue::Webhooks => self.webhooks().await?,
                Queue::Payments => self.payments.backlog().await?,
                Queue::Returns => self.payments.return_backlog().await?,
            };
            let is_paused = paused.iter().any(|name| name == queue.name());
            queues.push(Waiting { queue, backlog, is_paused });
        }
        Ok(queues)
    }

    async fn webhooks(&self) -> Result<Backlog, sqlx::Error> {
        let mut all = Backlog::default();
        for endpoint in &self.endpoints {
            let one = webhooks::deliveries::backlog(&self.pool, endpoint).await?;
            all = Backlog { due: all.due + one.due, oldest: all.oldest.max(one.oldest) };
        }
        Ok(all)
    }

    /// Those that are configured, whether anything is known of them or not.
    async fn providers(&self) -> Result<Vec<Provider>, sqlx::Error> {
        let mut known: HashMap<_, _> = standing::all(&self.pool)
            .await?
            .into_iter()
            .map(|standing| (standing.provider.clone(), standing))
            .collect();
        let provider = |name: &String| {
            let name = name.clone();
            match known.remove(&name) {
                Some(Standing { out, credit, paused, .. }) => {
                    Provider { name, out, credit, paused_at: paused.map(|pause| pause.at) }
                }
                None => Provider { name, out: None, credit: None, paused_at: None },
            }
        };
        Ok(self.providers.iter().map(provider).collect())
    }
}

/// What is wrong with a cron job, if anything is.
fn trouble(view: &CronView, now: DateTime<Utc>) -> Option<CronTrouble> {
    let trouble = |at, trouble: &str| CronTrouble {
        job: view.job.name.clone(),
        at,
        trouble: trouble.to_owned(),
    };
    if let Some(at) = view.job.next_at.filter(|at| now - *at > LATE) {
        return Some(trouble(at, "late"));
    }
    let last = view.last.as_ref()?;
    let failed = matches!(last.state.as_str(), "error" | "died");
    failed.then(|| trouble(last.started_at, &last.state))
}

/// When the stretch begins that a time before now lies in.
fn beginning(now: DateTime<Utc>, step: TimeDelta, back: TimeDelta) -> DateTime<Utc> {
    let step = step.num_seconds().max(1);
    let current = now.timestamp().div_euclid(step) * step;
    // As many whole stretches as fit before the one that is under way.
    let first = current - back.num_seconds() + step;
    DateTime::from_timestamp(first, 0).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_twelve_stretches_and_a_day_has_twenty_four() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T19:37:04Z").unwrap().to_utc();
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let hour = beginning(now, HOUR_STEP, TimeDelta::hours(1));
        assert_eq!(hour, at("2026-11-21T18:40:00Z"));
        assert_eq!((now - hour).num_seconds() / HOUR_STEP.num_seconds(), 11, "the twelfth runs");
        let day = beginning(now, DAY_STEP, TimeDelta::days(1));
        assert_eq!(day, at("2026-11-20T20:00:00Z"));
        assert_eq!((now - day).num_hours(), 23);
    }
}
