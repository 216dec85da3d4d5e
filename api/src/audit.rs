//! `api audit list`: who did what.

use anyhow::Context;
use clap::Subcommand;
use shared::{
    audit::{self, Event, Filter},
    clock::{Clock, SystemClock},
    config::Config,
    db,
};

use crate::guard::{Since, since};

/// Looks at the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// The latest events, newest first
    List {
        /// Only what this account did, by its number
        #[arg(long)]
        actor: Option<i64>,
        /// Only what was done to this: a kind (user, organization) or one of it (user:17)
        #[arg(long, value_parser = subject)]
        subject: Option<(String, Option<i64>)>,
        /// Only this action, such as user.disabled
        #[arg(long)]
        action: Option<String>,
        /// Since when: a time (2026-01-31T09:30:00Z) or how long ago (30m, 24h, 7d)
        #[arg(long, value_parser = since)]
        since: Option<Since>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
}

/// Reads `user` and `user:17`.
pub(crate) fn subject(text: &str) -> Result<(String, Option<i64>), String> {
    let (kind, id) = text.split_once(':').map_or((text, None), |(kind, id)| (kind, Some(id)));
    let wrong = || "such as user, user:17 or organization:3".to_owned();
    let id = id.map(|id| id.parse().map_err(|_| wrong())).transpose()?;
    let plain =
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if plain { Ok((kind.to_owned(), id)) } else { Err(wrong()) }
}

/// Carries out the command and returns what to print.
///
/// # Errors
/// When the database is away.
pub(crate) async fn execute(config: &Config, command: AuditCommand) -> anyhow::Result<String> {
    let AuditCommand::List { actor, subject, action, since, limit } = command;
    let (subject, subject_id) = subject.unzip();
    let filter = Filter {
        actor_user_id: actor,
        subject,
        subject_id: subject_id.flatten(),
        action,
        since: since.map(|since| since.at(SystemClock.now())),
        before: None,
    };
    let pool = db::connect(&config.database)?;
    let events = audit::list(&pool, &filter, limit).await.context("the log cannot be read")?;
    Ok(events.iter().map(describe).collect())
}

/// `2026-01-31 09:30:00Z  user:3  user.disabled  user:17  203.0.113.7  c1e33e…  {"sessions":2}`.
fn describe(event: &Event) -> String {
    let numbered = |kind: &str, id: Option<i64>| {
        id.map_or_else(|| kind.to_owned(), |id| format!("{kind}:{id}"))
    };
    let detail = event.detail.as_object().filter(|detail| !detail.is_empty());
    format!(
        "{}  {}  {}  {}  {}  {}  {}\n",
        event.at.format("%Y-%m-%d %H:%M:%SZ"),
        numbered(&event.actor, event.actor_user_id),
        event.action,
        numbered(&event.subject, event.subject_id),
        event.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()),
        event.request_id.as_deref().unwrap_or("-"),
        detail.map_or_else(|| "-".to_owned(), |_| event.detail.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subject_is_a_kind_or_one_of_it() {
        assert_eq!(subject("user"), Ok(("user".to_owned(), None)));
        assert_eq!(subject("organization:3"), Ok(("organization".to_owned(), Some(3))));
        for wrong in ["", ":3", "user:", "user:x", "User:1", "user:1:2"] {
            assert!(subject(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_is_one_line() {
        let event = Event {
            id: 1,
            at: DateTime::UNIX_EPOCH,
            actor: "user".to_owned(),
            actor_user_id: Some(3),
            action: "user.disabled".to_owned(),
            subject: "user".to_owned(),
            subject_id: Some(17),
            ip: Some("203.0.113.7".parse().unwrap()),
            request_id: Some("c1e3".to_owned()),
            detail: json!({"sessions": 2}),
        };
        let begin = "1970-01-01 00:00:00Z  user:3  user.disabled  user:17  203.0.113.7  c1e3";
        assert_eq!(describe(&event), format!("{begin}  {{\"sessions\":2}}\n"));
        let command = Event {
            actor: "cli".to_owned(),
            actor_user_id: None,
            ip: None,
            request_id: None,
            detail: json!({}),
            ..event
        };
        let line = "1970-01-01 00:00:00Z  cli  user.disabled  user:17  -  -  -\n";
        assert_eq!(describe(&command), line);
    }
}
