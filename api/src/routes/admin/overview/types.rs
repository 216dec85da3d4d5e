//! What staff are shown of how everything is.

use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use shared::{
    admin::overview::{self, Overview},
    processes::{self, Process},
};

use crate::{routes::payments::PaymentState, timestamp::Timestamp};

fn example_time() -> Timestamp {
    Timestamp(DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000))
}

/// What became of codes at one provider in one stretch of time.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewBucket {
    /// When the stretch begins.
    at: Timestamp,
    /// At which provider.
    provider: String,
    /// Codes that it took.
    sent: i64,
    /// Of those: that it says arrived.
    delivered: i64,
    /// Of those: that were used; in the series of the day, within a minute.
    verified: i64,
    /// Calls that it refused, put off or never answered.
    failed: i64,
}

impl From<&overview::Bucket> for OverviewBucket {
    fn from(bucket: &overview::Bucket) -> Self {
        Self {
            at: Timestamp(bucket.at),
            provider: bucket.provider.clone(),
            sent: bucket.sent,
            delivered: bucket.delivered,
            verified: bucket.verified,
            failed: bucket.failed,
        }
    }
}

impl Example for OverviewBucket {
    fn example() -> Self {
        let provider = "kavenegar".to_owned();
        let (sent, delivered, verified, failed) = (120, 114, 101, 3);
        Self { at: example_time(), provider, sent, delivered, verified, failed }
    }
}

/// What became of codes, in stretches of equal width.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewCodes {
    /// When the first stretch begins.
    since: Timestamp,
    /// The width of a stretch in seconds.
    step_seconds: i64,
    /// All stretches together.
    sent: i64,
    /// Of those: that the provider says arrived.
    delivered: i64,
    /// Of those: that were used.
    verified: i64,
    /// Calls that a provider refused, put off or never answered.
    failed: i64,
    /// By time, then by provider; where nothing happened nothing is there.
    buckets: Vec<OverviewBucket>,
    /// When the earliest call was that is counted, where there were too many to count; absent otherwise.
    #[oai(skip_serializing_if_is_none)]
    looked_back_to: Option<Timestamp>,
}

impl From<&overview::Codes> for OverviewCodes {
    fn from(codes: &overview::Codes) -> Self {
        let sum = |of: fn(&overview::Bucket) -> i64| codes.buckets.iter().map(of).sum();
        Self {
            since: Timestamp(codes.since),
            step_seconds: codes.step_seconds,
            sent: sum(|bucket| bucket.sent),
            delivered: sum(|bucket| bucket.delivered),
            verified: sum(|bucket| bucket.verified),
            failed: sum(|bucket| bucket.failed),
            buckets: codes.buckets.iter().map(OverviewBucket::from).collect(),
            looked_back_to: codes.looked_back_to.map(Timestamp),
        }
    }
}

impl Example for OverviewCodes {
    fn example() -> Self {
        Self {
            since: example_time(),
            step_seconds: 300,
            sent: 120,
            delivered: 114,
            verified: 101,
            failed: 3,
            buckets: vec![OverviewBucket::example()],
            looked_back_to: Some(example_time()),
        }
    }
}

/// How long something took in the last hour.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewTimes {
    /// How many there were.
    count: i64,
    /// Half of them took no longer, in milliseconds; absent if there were none.
    #[oai(skip_serializing_if_is_none)]
    median_ms: Option<i64>,
    /// 95 of 100 took no longer, in milliseconds; absent if there were none.
    #[oai(skip_serializing_if_is_none)]
    p95_ms: Option<i64>,
}

impl From<overview::Times> for OverviewTimes {
    fn from(times: overview::Times) -> Self {
        Self { count: times.count, median_ms: times.median_ms, p95_ms: times.p95_ms }
    }
}

impl Example for OverviewTimes {
    fn example() -> Self {
        Self { count: 120, median_ms: Some(410), p95_ms: Some(1_900) }
    }
}

/// Why codes were not sent.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewFailure {
    /// The provider's code, or the code of the answer to a send that was refused.
    reason: String,
    /// The provider that said so; absent where Peyk itself did.
    #[oai(skip_serializing_if_is_none)]
    provider: Option<String>,
    /// How often in the last hour.
    count: i64,
}

impl From<&overview::Failure> for OverviewFailure {
    fn from(failure: &overview::Failure) -> Self {
        let (reason, provider) = (failure.reason.clone(), failure.provider.clone());
        Self { reason, provider, count: failure.count }
    }
}

impl Example for OverviewFailure {
    fn example() -> Self {
        let (reason, provider) = ("kavenegar.411".to_owned(), Some("kavenegar".to_owned()));
        Self { reason, provider, count: 3 }
    }
}

/// What waits in a queue.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewQueue {
    /// Its name.
    queue: String,
    /// What is due now, counted up to 100,000.
    due: i64,
    /// How long the oldest of it has been due, in milliseconds.
    oldest_ms: i64,
    /// Whether nothing of it is done because staff said so.
    paused: bool,
}

impl From<&overview::Waiting> for OverviewQueue {
    fn from(waiting: &overview::Waiting) -> Self {
        let oldest = waiting.backlog.oldest.as_millis();
        Self {
            queue: waiting.queue.name().to_owned(),
            due: waiting.backlog.due,
            oldest_ms: i64::try_from(oldest).unwrap_or(i64::MAX),
            paused: waiting.is_paused,
        }
    }
}

impl Example for OverviewQueue {
    fn example() -> Self {
        Self { queue: "otp".to_owned(), due: 2, oldest_ms: 140, paused: false }
    }
}

/// What is known of an SMS provider.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewProvider {
    /// Its configured name.
    provider: String,
    /// What is left: texts, rials, or hundredths of another currency; absent if it was never asked.
    #[oai(skip_serializing_if_is_none)]
    balance: Option<i64>,
    /// What that is counted in, such as `rials`.
    #[oai(skip_serializing_if_is_none)]
    balance_unit: Option<String>,
    /// When it was asked.
    #[oai(skip_serializing_if_is_none)]
    balance_at: Option<Timestamp>,
    /// Since when that is little; absent if it is enough.
    #[oai(skip_serializing_if_is_none)]
    low_since: Option<Timestamp>,
    /// Since when it refuses our account; absent if it does not.
    #[oai(skip_serializing_if_is_none)]
    out_since: Option<Timestamp>,
    /// What it said to that.
    #[oai(skip_serializing_if_is_none)]
    out_code: Option<String>,
    /// Since when nothing is sent through it because staff said so; absent if it is used.
    #[oai(skip_serializing_if_is_none)]
    paused_at: Option<Timestamp>,
}

impl From<&overview::Provider> for OverviewProvider {
    fn from(provider: &overview::Provider) -> Self {
        let (out, credit) = (provider.out.as_ref(), provider.credit.as_ref());
        Self {
            provider: provider.name.clone(),
            balance: credit.map(|credit| credit.balance.amount()),
            balance_unit: credit.map(|credit| credit.balance.unit().to_owned()),
            balance_at: credit.map(|credit| Timestamp(credit.at)),
            low_since: credit.and_then(|credit| credit.low_since).map(Timestamp),
            out_since: out.map(|out| Timestamp(out.since)),
            out_code: out.and_then(|out| out.code.clone()),
            paused_at: provider.paused_at.map(Timestamp),
        }
    }
}

impl Example for OverviewProvider {
    fn example() -> Self {
        Self {
            provider: "kavenegar".to_owned(),
            balance: Some(4_210_000),
            balance_unit: Some("rials".to_owned()),
            balance_at: Some(example_time()),
            low_since: Some(example_time()),
            out_since: Some(example_time()),
            out_code: Some("kavenegar.418".to_owned()),
            paused_at: Some(example_time()),
        }
    }
}

/// Payments that are in one state.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewPayments {
    /// Which.
    state: PaymentState,
    /// How many.
    count: i64,
    /// Their sum.
    amount_rials: i64,
}

impl From<&overview::PaymentsIn> for OverviewPayments {
    fn from(payments: &overview::PaymentsIn) -> Self {
        let state = PaymentState::from(payments.state);
        Self { state, count: payments.count, amount_rials: payments.amount_rials }
    }
}

impl Example for OverviewPayments {
    fn example() -> Self {
        Self { state: PaymentState::NeedsReview, count: 1, amount_rials: 50_000 }
    }
}

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ProcessKind {
    /// Serves HTTP.
    Api,
    /// Consumes queues and runs cron jobs.
    Worker,
}

/// A process that runs.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewProcess {
    /// Its name, unlike any other's.
    process: String,
    /// What it is.
    kind: ProcessKind,
    /// Of the binary.
    version: String,
    /// When it was first seen.
    started_at: Timestamp,
    /// When it was last seen.
    seen_at: Timestamp,
    /// WebSockets open at it.
    sockets: i64,
}

impl From<&Process> for OverviewProcess {
    fn from(process: &Process) -> Self {
        Self {
            process: process.process.clone(),
            kind: match process.kind {
                processes::Kind::Api => ProcessKind::Api,
                processes::Kind::Worker => ProcessKind::Worker,
            },
            version: process.version.clone(),
            started_at: Timestamp(process.started_at),
            seen_at: Timestamp(process.seen_at),
            sockets: process.sockets,
        }
    }
}

impl Example for OverviewProcess {
    fn example() -> Self {
        Self {
            process: "api-1f3a5b7c9d0e2f41".to_owned(),
            kind: ProcessKind::Api,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: example_time(),
            seen_at: example_time(),
            sockets: 12,
        }
    }
}

/// A cron job that is not as it should be.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OverviewCronTrouble {
    /// Its name.
    job: String,
    /// When it should have run, or did.
    at: Timestamp,
    /// `late`, or how its last run ended: `error` or `died`.
    trouble: String,
}

impl From<&overview::CronTrouble> for OverviewCronTrouble {
    fn from(trouble: &overview::CronTrouble) -> Self {
        let at = Timestamp(trouble.at);
        Self { job: trouble.job.clone(), at, trouble: trouble.trouble.clone() }
    }
}

impl Example for OverviewCronTrouble {
    fn example() -> Self {
        let (job, trouble) = ("purge-expired-otps".to_owned(), "late".to_owned());
        Self { job, at: example_time(), trouble }
    }
}

/// How everything is.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffOverview {
    /// When it was counted, at most two seconds ago.
    at: Timestamp,
    /// Codes of the last hour, by five minutes.
    hour: OverviewCodes,
    /// Codes of the last 24 hours, by hour; counted every few minutes.
    day: OverviewCodes,
    /// From a code that is asked for to a provider that takes it; of the last hour.
    to_provider: OverviewTimes,
    /// From a code that is asked for to its being used; of the last hour.
    to_use: OverviewTimes,
    /// Why codes were not sent in the last hour: the ten most frequent reasons.
    failures: Vec<OverviewFailure>,
    /// Every queue.
    queues: Vec<OverviewQueue>,
    /// Every configured SMS provider, the first choice first.
    providers: Vec<OverviewProvider>,
    /// When today began (UTC).
    today: Timestamp,
    /// Payments that wait for a person, whenever they were begun; counted up to 10,000.
    needs_review: OverviewPayments,
    /// Payments that were paid today, or begun today and not paid, by state.
    payments: Vec<OverviewPayments>,
    /// The processes that run.
    processes: Vec<OverviewProcess>,
    /// How many of them serve HTTP.
    apis: i64,
    /// How many of them consume queues.
    workers: i64,
    /// WebSockets open at all of them.
    sockets: i64,
    /// Cron jobs that are late or failed; empty if all is well.
    cron: Vec<OverviewCronTrouble>,
}

impl From<&Overview> for StaffOverview {
    fn from(found: &Overview) -> Self {
        let of = |kind| found.processes.iter().filter(|one| one.kind == kind).count();
        let of = |kind| i64::try_from(of(kind)).unwrap_or(i64::MAX);
        Self {
            at: Timestamp(found.at),
            hour: (&found.hour).into(),
            day: (&found.day).into(),
            to_provider: found.to_provider.into(),
            to_use: found.to_use.into(),
            failures: found.failures.iter().map(OverviewFailure::from).collect(),
            queues: found.queues.iter().map(OverviewQueue::from).collect(),
            providers: found.providers.iter().map(OverviewProvider::from).collect(),
            today: Timestamp(found.today),
            needs_review: (&found.needs_review).into(),
            payments: found.payments.iter().map(OverviewPayments::from).collect(),
            processes: found.processes.iter().map(OverviewProcess::from).collect(),
            apis: of(processes::Kind::Api),
            workers: of(processes::Kind::Worker),
            sockets: found.processes.iter().map(|process| process.sockets).sum(),
            cron: found.cron.iter().map(OverviewCronTrouble::from).collect(),
        }
    }
}

impl Example for StaffOverview {
    fn example() -> Self {
        Self {
            at: example_time(),
            hour: OverviewCodes::example(),
            day: OverviewCodes { step_seconds: 3_600, ..OverviewCodes::example() },
            to_provider: OverviewTimes::example(),
            to_use: OverviewTimes::example(),
            failures: vec![OverviewFailure::example()],
            queues: vec![OverviewQueue::example()],
            providers: vec![OverviewProvider::example()],
            today: example_time(),
            needs_review: OverviewPayments::example(),
            payments: vec![OverviewPayments::example()],
            processes: vec![OverviewProcess::example()],
            apis: 2,
            workers: 2,
            sockets: 12,
            cron: vec![OverviewCronTrouble::example()],
        }
    }
}
