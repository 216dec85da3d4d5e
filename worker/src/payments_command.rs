//! `worker payments reconcile`.

use anyhow::{bail, ensure};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use shared::payments::reconcile::{Difference, Report, Window};

use crate::{
    Environment,
    cron::command::{print, shown},
};

/// Looks at payments.
#[derive(Debug, Subcommand)]
pub enum PaymentsCommand {
    /// Compare what gateways, payments and the ledger say; fails if they do not agree
    Reconcile {
        /// From this moment on, e.g. 2026-01-31T00:00:00Z (default: the day before, in UTC)
        #[arg(long)]
        since: Option<DateTime<Utc>>,
        /// Before this moment (default: the end of that day, or now)
        #[arg(long)]
        until: Option<DateTime<Utc>>,
        /// Only the payments of this gateway
        #[arg(long)]
        gateway: Option<String>,
    },
}

/// Carries out the command; its answer goes to standard output.
///
/// # Errors
/// When something does not agree, and when the database is away.
pub async fn execute(env: &Environment, command: PaymentsCommand) -> anyhow::Result<()> {
    let PaymentsCommand::Reconcile { since, until, gateway } = command;
    let now = env.clock.now();
    let window = match (since, until) {
        (None, None) => Window::day_before(now),
        (Some(since), until) => Window { since, until: until.unwrap_or(now) },
        (None, Some(_)) => bail!("--until needs --since"),
    };
    ensure!(window.since < window.until, "--since is not before --until");
    let gateways = match gateway {
        Some(name) => vec![name],
        None => env.payments.gateways_of(window).await?,
    };
    let mut reports = Vec::new();
    for gateway in gateways {
        let mut report = env.payments.begin_report(&gateway, window).await?;
        while !env.payments.compare(&mut report, window).await? {}
        reports.push(report);
    }
    print(&describe(window, &reports))?;
    let differences: usize = reports.iter().map(|report| report.differences.len()).sum();
    ensure!(differences == 0, "{differences} differences");
    Ok(())
}

fn describe(window: Window, reports: &[Report]) -> Vec<String> {
    let mut lines = vec![format!("from {} to {}", shown(window.since), shown(window.until))];
    lines.push(row(["gateway", "payments", "paid, rials", "asked", "not asked", "differences"]));
    for report in reports {
        let count = report.differences.len().to_string();
        let numbers = [report.payments, report.paid_rials, report.asked, report.unasked];
        let [payments, paid, asked, unasked] = numbers.map(|number| number.to_string());
        lines.push(row([&report.gateway, &payments, &paid, &asked, &unasked, &count]));
    }
    for report in reports {
        lines.extend(report.differences.iter().map(|it| difference(&report.gateway, it)));
    }
    lines
}

fn row([name, rest @ ..]: [&str; 6]) -> String {
    let numbers = rest.map(|text| format!("{text:>14}")).concat();
    format!("{name:<20}{numbers}")
}

/// `zarinpal  ledger_missing  payment 41  here 1000  there -  A0000…`.
fn difference(gateway: &str, it: &Difference) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
    format!(
        "{gateway}  {}  payment {}  here {}  there {}  {}",
        it.kind.as_str(),
        number(it.payment_id),
        number(it.here_rials),
        number(it.there_rials),
        it.authority.as_deref().unwrap_or("-"),
    )
}
