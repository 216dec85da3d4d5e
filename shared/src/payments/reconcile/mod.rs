//! Reconciliation: what gateways, payments and the ledger say of a day, compared. It changes nothing;
//! what it finds is in a report, and people decide.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use sqlx::types::Json;

use super::{
    Payments, client_ref,
    gateways::{self, Guarded, Unanswered},
    store::reports as store,
};
use crate::{
    money::Rials,
    purge::{Purged, Slice},
    telemetry::PAYMENT_DIFFERENCES,
};

mod compare;

pub(super) use self::compare::{Compared, Page};
pub use self::compare::{Difference, Kind};

/// Payments of a step; how far a comparison is is written down after each.
const STEP: i64 = 100;
/// Questions a gateway is asked side by side.
const ASIDE: usize = 4;
/// Pause after them.
const PACE: Duration = Duration::from_millis(50);
/// Differences that a report names; more are only counted by kind.
const MOST_NAMED: usize = 1_000;

/// What a comparison is about: the payments that were paid in this time, and those that were made in it
/// and not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From this moment on.
    pub since: DateTime<Utc>,
    /// Before this moment.
    pub until: DateTime<Utc>,
}

impl Window {
    /// The day before this moment's, in UTC.
    pub fn day_before(now: DateTime<Utc>) -> Self {
        let until = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        Self { since: until - chrono::TimeDelta::days(1), until }
    }
}

/// A comparison of one gateway's payments, as far as it is.
#[derive(Debug, Clone)]
pub struct Report {
    /// The row.
    pub id: i64,
    /// The gateway.
    pub gateway: String,
    /// The last payment that was compared.
    pub last_id: i64,
    /// How many were.
    pub payments: i64,
    /// What those that are paid come to.
    pub paid_rials: i64,
    /// Pages that the gateway was asked about.
    pub asked: i64,
    /// Pages that it could not be asked about, or gave no answer.
    pub unasked: i64,
    /// What does not agree.
    pub differences: Json<Vec<Difference>>,
    /// When it was done.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Payments {
    /// The gateways with payments of that time, and those that are configured.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn gateways_of(&self, window: Window) -> Result<Vec<String>, sqlx::Error> {
        let mut names = store::gateways(&self.pool, window).await?;
        names.extend(self.gateways.iter().map(|gateway| gateway.name().to_owned()));
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// How many payments a comparison would look at.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_compared(&self, window: Window) -> Result<i64, sqlx::Error> {
        store::count(&self.pool, window).await
    }

    /// Begins a comparison, or takes up the one of the same time that was cut short.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin_report(&self, gateway: &str, window: Window) -> Result<Report, sqlx::Error> {
        if let Some(report) = store::unfinished(&self.pool, gateway, window).await? {
            return Ok(report);
        }
        store::begin(&self.pool, gateway, window, self.now()).await
    }

    /// Compares the next payments and writes down how far it is; whether that is all.
    ///
    /// # Errors
    /// When the database is away; nothing of this step is counted then.
    pub async fn compare(&self, report: &mut Report, window: Window) -> Result<bool, sqlx::Error> {
        let (gateway, after) = (report.gateway.as_str(), report.last_id);
        let rows = store::page(&self.pool, gateway, window, after, STEP).await?;
        let is_last = rows.len() < usize::try_from(STEP).unwrap_or(usize::MAX);
        let mut now = report.clone();
        let mut found = self.compare_rows(&rows, &mut now).await;
        // What changed between two questions is no difference: those are asked about again.
        let doubtful: Vec<_> =
            found.iter().filter_map(|difference| difference.payment_id).collect();
        if !doubtful.is_empty() {
            let again = store::these(&self.pool, &doubtful).await?;
            found = self.compare_rows(&again, &mut report.clone()).await;
        }
        if is_last {
            found.extend(self.compare_unverified(&report.gateway, window).await?);
        }
        now.last_id = rows.last().map_or(report.last_id, |row| row.id);
        now.payments += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let paid = rows.iter().filter(|row| row.state.was_paid()).map(|row| row.amount_rials);
        now.paid_rials = now.paid_rials.saturating_add(paid.fold(0, i64::saturating_add));
        let room = MOST_NAMED.saturating_sub(now.differences.len());
        now.differences.0.extend(found.into_iter().take(room));
        now.finished_at = is_last.then(|| self.now());
        if !store::advance(&self.pool, report.last_id, &now).await? {
            return Err(sqlx::Error::RowNotFound);
        }
        *report = now;
        if is_last {
            tell(report);
        }
        Ok(is_last)
    }

    async fn compare_rows(&self, rows: &[Compared], report: &mut Report) -> Vec<Difference> {
        let mut found: Vec<_> = rows.iter().filter_map(Compared::with_ledger).collect();
        let gateway = self.gateways.get(&report.gateway);
        let pages: Vec<_> =
            rows.iter().flat_map(|row| row.pages.iter().map(move |page| (row, page))).collect();
        for some in pages.chunks(ASIDE) {
            let answers = some.iter().map(|(row, page)| inquire(gateway, row, page));
            let answers = join_all(answers).await;
            for ((row, page), answer) in some.iter().zip(&answers) {
                match answer {
                    Ok(standing) => {
                        report.asked += 1;
                        found.extend(row.with_gateway(page, standing));
                    }
                    Err(_) => report.unasked += 1,
                }
            }
            if answers.iter().any(Result::is_ok) {
                tokio::time::sleep(PACE).await;
            }
        }
        found
    }

    /// What the gateway has money for and nobody verified.
    async fn compare_unverified(
        &self,
        gateway: &str,
        window: Window,
    ) -> Result<Vec<Difference>, sqlx::Error> {
        let Some(guarded) = self.gateways.get(gateway) else { return Ok(Vec::new()) };
        if !guarded.capabilities().unverified {
            return Ok(Vec::new());
        }
        let Ok(listed) = guarded.unverified().await else {
            tracing::warn!(gateway, "the gateway does not say what waits to be verified");
            return Ok(Vec::new());
        };
        let names: Vec<_> = listed.iter().map(|one| one.authority.clone()).collect();
        let ours = store::by_authority(&self.pool, gateway, &names).await?;
        let ours: BTreeMap<_, _> =
            ours.iter().map(|known| (known.authority.as_str(), known)).collect();
        let mut found = Vec::new();
        for one in &listed {
            let there_rials = Some(one.amount.get());
            let authority = Some(one.authority.clone());
            let Some(known) = ours.get(one.authority.as_str()) else {
                let (kind, payment_id, here_rials) = (Kind::UnknownAuthority, None, None);
                found.push(Difference { kind, payment_id, authority, here_rials, there_rials });
                continue;
            };
            let (payment_id, here_rials) = (Some(known.payment_id), Some(known.amount_rials));
            let kind = if known.amount_rials != one.amount.get() {
                Kind::Amount
            } else if known.created_at < window.since && !known.state.was_paid() {
                // Those of the time itself were asked about one by one, later ones are under way.
                Kind::PaidAtGatewayNotHere
            } else {
                continue;
            };
            found.push(Difference { kind, payment_id, authority, here_rials, there_rials });
        }
        Ok(found)
    }

    /// Deletes old reports, one slice.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn purge_reports(&self, slice: Slice) -> Result<Purged, sqlx::Error> {
        store::purge(&self.pool, slice).await
    }

    /// How many reports are older than `before`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_old_reports(&self, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
        store::count_old(&self.pool, before).await
    }
}

async fn inquire(
    gateway: Option<&Guarded>,
    row: &Compared,
    page: &Page,
) -> Result<gateways::Standing, Unanswered> {
    let gateway = gateway.ok_or(Unanswered::Unsupported)?;
    if !gateway.capabilities().inquiry {
        return Err(Unanswered::Unsupported);
    }
    let page = gateways::Page {
        authority: page.authority.clone(),
        amount: Rials::new(row.amount_rials),
        client_ref: client_ref(&row.handle, page.id),
        reference: row.ref_id.filter(|_| row.paid_session_id == Some(page.id)),
    };
    gateway.inquire(&page).await
}

fn tell(report: &Report) {
    let gateway = report.gateway.as_str();
    for kind in Kind::ALL {
        let count = report.differences.iter().filter(|difference| difference.kind == kind).count();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        PAYMENT_DIFFERENCES.with_label_values(&[gateway, kind.as_str()]).set(count);
    }
    let Report { id, payments, asked, unasked, .. } = report;
    if report.differences.is_empty() {
        tracing::info!(report = id, gateway, payments, asked, unasked, "payments agree");
    } else {
        let differences = report.differences.len();
        tracing::error!(
            report = id,
            gateway,
            payments,
            asked,
            unasked,
            differences,
            "gateway, payments and ledger do not agree: worker payments reconcile"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_before_is_whole_whenever_it_is_asked_for() {
        let now: DateTime<Utc> = "2026-03-02T03:10:00Z".parse().unwrap();
        let window = Window::day_before(now);
        assert_eq!(window.since.to_rfc3339(), "2026-03-01T00:00:00+00:00");
        assert_eq!(window.until.to_rfc3339(), "2026-03-02T00:00:00+00:00");
    }
}
