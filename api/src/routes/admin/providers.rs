//! `admin/providers/…`: how the SMS providers do, and whether they are used.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use poem::web::Data;
use poem_openapi::{Enum, Object, OpenApi, param::Path, payload::Json, types::Example};
use shared::{
    admin::providers,
    sms::{
        MessageKind,
        learning::{Figures, Hour, percent},
        standing::{Credit, Outage, Standing},
    },
};

use super::{
    StaffListProblem,
    operation_types::{PauseReason, StaffPause, StaffPaused, WhyPause},
    queues::StaffOperateProblem,
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem},
    input::Input,
    routes::Tag,
    state::{SharedState, State},
    timestamp::Timestamp,
};

/// How long ago a worker may have found a provider failing for it to count as failing now; as
/// `worker providers` has it.
const FAILING_FOR: TimeDelta = TimeDelta::seconds(32);

/// How a provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ProviderState {
    /// It is used.
    Ok,
    /// It rests because staff said so.
    Paused,
    /// It refuses our account.
    Out,
    /// It is busy, silent or unreachable.
    Failing,
}

/// A provider that refuses our account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ProviderOutage {
    /// Since when.
    since: Timestamp,
    /// When a text will find out whether it still does.
    until: Timestamp,
    /// What it said; absent if nothing.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
}

impl From<Outage> for ProviderOutage {
    fn from(outage: Outage) -> Self {
        Self { since: Timestamp(outage.since), until: Timestamp(outage.until), reason: outage.code }
    }
}

impl Example for ProviderOutage {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self { since: at, until: at, reason: Some("kavenegar.418".to_owned()) }
    }
}

/// What is left on an account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ProviderCredit {
    /// So much: texts, rials, or hundredths of another currency.
    amount: i64,
    /// Of what.
    unit: String,
    /// When it was asked.
    at: Timestamp,
    /// Since when that is below `sms.low_balance`; absent if it is not.
    #[oai(skip_serializing_if_is_none)]
    low_since: Option<Timestamp>,
}

impl From<Credit> for ProviderCredit {
    fn from(credit: Credit) -> Self {
        Self {
            amount: credit.balance.amount(),
            unit: credit.balance.unit().to_owned(),
            at: Timestamp(credit.at),
            low_since: credit.low_since.map(Timestamp),
        }
    }
}

impl Example for ProviderCredit {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self { amount: 480_000, unit: "rials".to_owned(), at, low_since: Some(at) }
    }
}

/// What a provider did in a time, as it was counted by the hour.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ProviderFigures {
    /// Calls that handed over a text.
    sends: i64,
    /// … which it took.
    accepted: i64,
    /// … which it refused.
    refused: i64,
    /// … for which it asked for another try.
    put_off: i64,
    /// … of which nobody knows.
    unknown: i64,
    /// Per cent of the codes it carried that were used within a minute; absent if there were none.
    #[oai(skip_serializing_if_is_none)]
    verified_percent: Option<i64>,
    /// Per cent of the texts it told of that arrived; absent if it told of none.
    #[oai(skip_serializing_if_is_none)]
    delivered_percent: Option<i64>,
    /// Milliseconds within which half of the calls ended; absent without calls, or above 8,000.
    #[oai(skip_serializing_if_is_none)]
    p50_ms: Option<i64>,
    /// The same of 95 in a hundred.
    #[oai(skip_serializing_if_is_none)]
    p95_ms: Option<i64>,
    /// What its texts cost.
    cost_rials: i64,
}

impl ProviderFigures {
    /// Those of one provider since a moment.
    fn of(provider: &str, hours: &[Hour], since: DateTime<Utc>) -> Self {
        let (mut all, mut codes) = (Figures::default(), Figures::default());
        let its = |hour: &&Hour| hour.provider == provider && hour.hour >= since;
        for hour in hours.iter().filter(its) {
            all.add(&hour.figures);
            if hour.kind == MessageKind::Otp {
                codes.add(&hour.figures);
            }
        }
        let within = |percent| all.within_ms(percent).filter(|bound| *bound < i64::MAX);
        Self {
            sends: all.sends,
            accepted: all.accepted,
            refused: all.refused,
            put_off: all.put_off,
            unknown: all.unknown,
            verified_percent: percent(codes.verified, codes.carried),
            delivered_percent: percent(all.delivered, all.delivered + all.undelivered),
            p50_ms: within(50),
            p95_ms: within(95),
            cost_rials: all.cost_rials,
        }
    }
}

impl Example for ProviderFigures {
    fn example() -> Self {
        Self {
            sends: 1_200,
            accepted: 1_180,
            refused: 12,
            put_off: 5,
            unknown: 3,
            verified_percent: Some(81),
            delivered_percent: Some(97),
            p50_ms: Some(250),
            p95_ms: Some(1_000),
            cost_rials: 960_000,
        }
    }
}

/// An SMS provider.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffProvider {
    /// Its configured name.
    name: String,
    /// What kind of provider it is.
    kind: String,
    /// Its place in the order in which they are tried, from 1.
    place: i32,
    /// How often it is the first to be tried; absent if the order alone decides.
    #[oai(skip_serializing_if_is_none)]
    weight: Option<i64>,
    /// How it stands.
    state: ProviderState,
    /// Since when and why it rests; absent if it does not.
    #[oai(skip_serializing_if_is_none)]
    paused: Option<StaffPause>,
    /// Since when and why it refuses our account; absent if it does not.
    #[oai(skip_serializing_if_is_none)]
    out: Option<ProviderOutage>,
    /// When a worker last stopped asking it for a while because it failed; absent if none did.
    #[oai(skip_serializing_if_is_none)]
    failing_at: Option<Timestamp>,
    /// What is left on the account; absent if it is not known.
    #[oai(skip_serializing_if_is_none)]
    credit: Option<ProviderCredit>,
    /// What it did in the hour under way and the one before.
    last_hour: ProviderFigures,
    /// What it did in the last 24 hours and the hour under way.
    last_day: ProviderFigures,
}

impl StaffProvider {
    fn new(
        state: &State,
        (place, name): (usize, &str),
        known: Option<Standing>,
        hours: &[Hour],
        now: DateTime<Utc>,
    ) -> Self {
        let (out, failing_at, credit, paused) = match known {
            Some(known) => (known.out, known.failing_at, known.credit, known.paused),
            None => (None, None, None, None),
        };
        let fails = failing_at.is_some_and(|at| now - at < FAILING_FOR);
        let stands = match (&paused, &out) {
            (Some(_), _) => ProviderState::Paused,
            (None, Some(_)) => ProviderState::Out,
            (None, None) if fails => ProviderState::Failing,
            (None, None) => ProviderState::Ok,
        };
        let (sms, this_hour) = (&state.config.sms, begin_of_hour(now));
        let weight = |name| i64::from(sms.weights.get(name).copied().unwrap_or(0));
        let figures = |ago| ProviderFigures::of(name, hours, this_hour - TimeDelta::hours(ago));
        Self {
            name: name.to_owned(),
            kind: sms.kind(name).to_owned(),
            place: i32::try_from(place).unwrap_or(i32::MAX),
            weight: (!sms.weights.is_empty()).then(|| weight(name)),
            state: stands,
            paused: paused.map(|pause| StaffPause::new(pause.at, pause.by, pause.reason)),
            out: out.map(ProviderOutage::from),
            failing_at: failing_at.map(Timestamp),
            credit: credit.map(ProviderCredit::from),
            last_hour: figures(1),
            last_day: figures(24),
        }
    }
}

fn begin_of_hour(now: DateTime<Utc>) -> DateTime<Utc> {
    now.with_minute(0)
        .and_then(|at| at.with_second(0))
        .and_then(|at| at.with_nanosecond(0))
        .unwrap_or(now)
}

impl Example for StaffProvider {
    fn example() -> Self {
        Self {
            name: "kavenegar".to_owned(),
            kind: "kavenegar".to_owned(),
            place: 1,
            weight: Some(70),
            state: ProviderState::Paused,
            paused: Some(StaffPause::example()),
            out: Some(ProviderOutage::example()),
            failing_at: Some(Timestamp(DateTime::UNIX_EPOCH)),
            credit: Some(ProviderCredit::example()),
            last_hour: ProviderFigures::example(),
            last_day: ProviderFigures::example(),
        }
    }
}

/// Every SMS provider.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffProviderPage {
    /// There is one page: always null.
    next: Option<String>,
    /// There is one page: always null.
    previous: Option<String>,
    /// The providers, in the order in which they are tried.
    results: Vec<StaffProvider>,
}

impl Example for StaffProviderPage {
    fn example() -> Self {
        let none = || Some("https://peyk.example/".to_owned());
        Self { next: none(), previous: none(), results: vec![StaffProvider::example()] }
    }
}

/// The operations.
pub(crate) struct ProviderApi;

#[OpenApi(tag = "Tag::Staff")]
impl ProviderApi {
    /// How the SMS providers do
    ///
    /// In the order in which they are tried. Written down in the audit log.
    #[oai(path = "/admin/providers", method = "get", operation_id = "listProviders")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtOperations>,
    ) -> Result<Json<StaffProviderPage>, StaffListProblem> {
        let now = state.clock.now();
        let since = begin_of_hour(now) - TimeDelta::hours(24);
        let source = staff.caller.source();
        let found = providers::list(&state.pool, &*state.clock, &source, since).await;
        let (mut known, hours) = found.map_err(Problem::from)?;
        let names = state.config.sms_order();
        let views = names.iter().zip(1..).map(|(name, place)| {
            let standing = known.iter().position(|standing| standing.provider == *name);
            let standing = standing.map(|at| known.swap_remove(at));
            StaffProvider::new(state.0, (place, name), standing, &hours, now)
        });
        let results = views.collect();
        Ok(Json(StaffProviderPage { next: None, previous: None, results }))
    }

    /// Let a provider rest
    ///
    /// Within a second no worker hands it a text: they go through the others, or wait if there is none.
    /// What it carried is still asked about. One that rests already keeps its reason. For admins; written
    /// down in the audit log.
    #[oai(path = "/admin/providers/:name/pause", method = "post", operation_id = "pauseProvider")]
    async fn pause(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RunOperations>,
        /// Its configured name.
        #[oai(example = "example_name")]
        name: Path<String>,
        input: Input<WhyPause, PauseReason>,
    ) -> Result<Json<StaffPaused>, StaffOperateProblem> {
        known(state.0, &name.0)?;
        let (acting, reason) = (staff.acting(), &input.0.reason);
        let paused = providers::pause(&state.pool, &*state.clock, &acting, &name.0, reason).await;
        paused.map_err(Problem::from)?;
        Ok(Json(StaffPaused::new(true, "The provider rests.")))
    }

    /// Use a provider again
    ///
    /// Within a second. For admins; written down in the audit log.
    #[oai(path = "/admin/providers/:name/resume", method = "post", operation_id = "resumeProvider")]
    async fn resume(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RunOperations>,
        /// Its configured name.
        #[oai(example = "example_name")]
        name: Path<String>,
    ) -> Result<Json<StaffPaused>, StaffOperateProblem> {
        known(state.0, &name.0)?;
        let resumed = providers::resume(&state.pool, &*state.clock, &staff.acting(), &name.0).await;
        resumed.map_err(Problem::from)?;
        Ok(Json(StaffPaused::new(false, "The provider is used again.")))
    }
}

/// Only what is configured: rows are kept for ever.
fn known(state: &State, name: &str) -> Result<(), Problem> {
    let is_known = state.config.sms_order().iter().any(|known| known == name);
    if is_known { Ok(()) } else { Err(Problem::new(Code::NotFound)) }
}

fn example_name() -> String {
    "kavenegar".to_owned()
}
