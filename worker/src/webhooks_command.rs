//! `worker webhooks list`, `replay` and `test`.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use shared::{
    ids,
    webhooks::history::{self, Past, Replay},
};
use tokio::time::Instant;

use crate::{
    Environment,
    cron::command::{print, shown},
};

/// Lines of a list at most, unless asked for more.
const LINES: i64 = 50;
/// Pause between two looks at a delivery that is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Looks at webhooks, tells them again, or tries an endpoint out.
#[derive(Debug, Subcommand)]
pub enum WebhooksCommand {
    /// The latest deliveries, newest first
    List {
        /// Only those that were given up
        #[arg(long)]
        failed: bool,
        /// How many
        #[arg(long, default_value_t = LINES)]
        limit: i64,
    },
    /// Tell again: one event, or what one endpoint was told since a time
    Replay {
        /// The event's webhook-id
        #[arg(conflicts_with = "since", required_unless_present = "endpoint")]
        event: Option<String>,
        /// Only this endpoint
        #[arg(long)]
        endpoint: Option<String>,
        /// Only what happened since, e.g. 2026-01-31T10:00:00Z
        #[arg(long)]
        since: Option<DateTime<Utc>>,
        /// Only what was given up
        #[arg(long)]
        failed: bool,
    },
    /// Send webhook.test to an endpoint and wait for its answer (a worker must be running)
    Test {
        /// A name of [webhooks.endpoints]
        endpoint: String,
    },
}

/// Carries out the command; its answer goes to standard output.
///
/// # Errors
/// When there is no such event or endpoint, when a test fails, when the database is away.
pub async fn execute(env: &Environment, command: WebhooksCommand) -> anyhow::Result<()> {
    let answer = match command {
        WebhooksCommand::List { failed, limit } => list(env, failed, limit).await?,
        WebhooksCommand::Replay { event, endpoint, since, failed } => {
            let what = Replay { event_id: event, endpoint, since, only_failed: failed };
            replay(env, what).await?
        }
        WebhooksCommand::Test { endpoint } => test(env, &endpoint).await?,
    };
    print(&answer)
}

async fn list(env: &Environment, failed: bool, limit: i64) -> anyhow::Result<Vec<String>> {
    let past = history::latest(&env.pool, failed, limit.max(1)).await?;
    Ok(past.iter().map(describe).collect())
}

async fn replay(env: &Environment, what: Replay) -> anyhow::Result<Vec<String>> {
    if let Some(endpoint) = &what.endpoint {
        check(env, endpoint)?;
        ensure!(what.event_id.is_some() || what.since.is_some(), "--endpoint needs --since");
    }
    if let Some(id) = &what.event_id {
        ensure!(ids::is_handle(id), "{id:?} is no webhook-id: it has 32 digits of 0-9 a-f");
        ensure!(!history::of_event(&env.pool, id).await?.is_empty(), "there is no event {id}");
    }
    let rows = history::replay(&env.pool, &what, env.config.webhooks.give_up_after()).await?;
    Ok(vec![format!("{rows} deliveries are due again")])
}

async fn test(env: &Environment, endpoint: &str) -> anyhow::Result<Vec<String>> {
    check(env, endpoint)?;
    let id = history::test(&env.pool, &env.outbox, endpoint).await?;
    let past = wait_for_attempt(env, &id).await?;
    if past.status == "sent" {
        return Ok(vec![describe(&past)]);
    }
    if past.reason.is_none() {
        bail!("not told yet: does a worker run, and reach Redis? It is still tried: {id}");
    }
    bail!("{}", describe(&past))
}

/// Waits until an attempt has ended, as long as one may take.
async fn wait_for_attempt(env: &Environment, id: &str) -> anyhow::Result<Past> {
    let deadline = Instant::now() + env.config.webhooks.lease() + env.config.worker.sweep() * 3;
    loop {
        let past = history::of_event(&env.pool, id).await?;
        let past = past.into_iter().next().context("the event was deleted meanwhile")?;
        if past.is_over() || past.reason.is_some() || Instant::now() > deadline {
            return Ok(past);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn check(env: &Environment, endpoint: &str) -> anyhow::Result<()> {
    let known = env.endpoints.names();
    ensure!(
        known.contains(&endpoint),
        "no endpoint is called {endpoint:?}; there are: {}",
        known.join(", ")
    );
    Ok(())
}

/// `5a0c… sms.sent sms:41 2026-01-05 01:30:00Z → shop: queued (attempt 2, http.500, due …)`.
fn describe(past: &Past) -> String {
    let mut facts = vec![format!("attempt {}", past.attempt)];
    facts.extend(past.reason.clone());
    if let Some(status) = past.response_status.filter(|_| past.reason.is_none()) {
        facts.push(format!("http.{status}"));
    }
    facts.extend(past.next_attempt_at.map(|at| format!("due {}", shown(at))));
    let Past { event_id, kind, subject, created_at, endpoint, status, .. } = past;
    let (at, facts) = (shown(*created_at), facts.join(", "));
    format!("{event_id} {kind} {subject} {at} -> {endpoint}: {status} ({facts})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_described_by_what_happened_and_how_it_stands() {
        let past = Past {
            event_id: "0".repeat(32),
            kind: "sms.sent".to_owned(),
            subject: "sms:41".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            endpoint: "shop".to_owned(),
            status: "queued".to_owned(),
            attempt: 2,
            response_status: Some(500),
            reason: Some("http.500".to_owned()),
            next_attempt_at: Some(DateTime::UNIX_EPOCH),
        };
        let begin = format!("{} sms.sent sms:41 1970-01-01 00:00:00Z -> shop:", "0".repeat(32));
        let due = "due 1970-01-01 00:00:00Z";
        assert_eq!(describe(&past), format!("{begin} queued (attempt 2, http.500, {due})"));
        let sent = Past {
            status: "sent".to_owned(),
            response_status: Some(204),
            reason: None,
            next_attempt_at: None,
            ..past
        };
        assert_eq!(describe(&sent), format!("{begin} sent (attempt 2, http.204)"));
    }
}
