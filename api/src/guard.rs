//! `api guard list`: what the guard against pumping found lately.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;
use shared::{
    clock::{Clock, SystemClock},
    config::Config,
    db,
    otp::guard::{self, Decision},
};

/// Looks at what the guard found.
#[derive(Debug, Subcommand)]
pub(crate) enum GuardCommand {
    /// The latest decisions and their reasons, newest first
    List {
        /// Since when: a time (2026-01-31T09:30:00Z) or how long ago (30m, 24h, 7d)
        #[arg(long, default_value = "24h", value_parser = since)]
        since: Since,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
}

/// A moment, perhaps counted from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

impl Since {
    /// The moment it is, `now`.
    pub(crate) fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now - ago,
        }
    }
}

/// Reads a time or how long ago.
pub(crate) fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::At(at.to_utc()));
    }
    let ago = text.char_indices().next_back().and_then(|(end, unit)| {
        let amount = text[..end].parse::<u16>().ok()?.into();
        match unit {
            'm' => Some(TimeDelta::minutes(amount)),
            'h' => Some(TimeDelta::hours(amount)),
            'd' => Some(TimeDelta::days(amount)),
            _ => None,
        }
    });
    ago.map(Since::Ago).ok_or_else(|| "such as 30m, 24h, 7d or 2026-01-31T09:30:00Z".to_owned())
}

/// Carries out the command and returns what to print.
///
/// # Errors
/// When the database is away.
pub(crate) async fn execute(config: &Config, command: GuardCommand) -> anyhow::Result<String> {
    let GuardCommand::List { since, limit } = command;
    let since = since.at(SystemClock.now());
    let pool = db::connect(&config.database)?;
    let found = guard::list(&pool, since, limit).await.context("the decisions cannot be read")?;
    Ok(found.iter().map(describe).collect())
}

/// `2026-01-31 09:30:00Z  record passed   IR +98912…89  203.0.113.7  ip_hour 6 of 5  c1e33e…`.
fn describe(decision: &Decision) -> String {
    let reasons: Vec<_> = decision
        .reasons
        .iter()
        .map(|reason| format!("{} {} of {}", reason.rule.as_str(), reason.measured, reason.limit))
        .collect();
    format!(
        "{}  {} {}  {} {}…{}  {}  {}  {}\n",
        decision.at.format("%Y-%m-%d %H:%M:%SZ"),
        decision.mode,
        decision.action,
        decision.country.as_deref().unwrap_or("-"),
        decision.prefix,
        decision.number_end,
        decision.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()),
        reasons.join(", "),
        decision.request_id.as_deref().unwrap_or("-"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(since("30m"), Ok(Since::Ago(TimeDelta::minutes(30))));
        assert_eq!(since("24h"), Ok(Since::Ago(TimeDelta::hours(24))));
        assert_eq!(since("7d"), Ok(Since::Ago(TimeDelta::days(7))));
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        assert_eq!(since("1970-01-02T03:30:00+03:30"), Ok(Since::At(at)));
        for wrong in ["", "h", "24", "-1h", "1w", "70000d", "1é", "yesterday"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
