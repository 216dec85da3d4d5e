//! `api keys create|list|revoke|rotate-signing`.

use std::str::FromStr;

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;
use ipnetwork::IpNetwork;
use shared::{
    auth::api_keys::{self, ApiKey, NewApiKey, Scope},
    clock::{Clock, SystemClock},
    config::Config,
    db,
};

use crate::signing_keys;

/// Looks at API keys, makes and ends them; and the key that signs.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it, this once
    Create {
        /// What people call it
        name: String,
        /// What it is for: sms:send, sms:read (several: repeat it)
        #[arg(long = "scope", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// Where it may be used from, such as 203.0.113.7 or 10.0.0.0/8 (several: repeat it)
        #[arg(long = "ip", value_parser = IpNetwork::from_str)]
        allowed_ips: Vec<IpNetwork>,
        /// Texts per UTC day
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        daily_sends: Option<i64>,
        /// Rials per UTC day, at `sms.price_rials` a part
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        daily_spend_rials: Option<i64>,
        /// Days until it ends; never if absent
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=36_500))]
        expires_in_days: Option<i64>,
    },
    /// Print a new key that signs access tokens, and how to bring it in
    RotateSigning,
    /// Every key, newest first
    List,
    /// End a key at once
    Revoke {
        /// Its number in the list
        id: i64,
    },
}

pub(crate) fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| {
        let known: Vec<_> = Scope::ALL.into_iter().map(Scope::as_str).collect();
        format!("there are: {}", known.join(", "))
    })
}

/// Carries out the command and returns what to print.
///
/// # Errors
/// When there is no such key, a setting makes no sense, or the database is away.
pub(crate) async fn execute(config: &Config, command: KeysCommand) -> anyhow::Result<String> {
    let pool = db::connect(&config.database)?;
    let now = SystemClock.now();
    match command {
        KeysCommand::Create {
            name,
            scopes,
            allowed_ips,
            daily_sends,
            daily_spend_rials,
            expires_in_days,
        } => {
            if daily_spend_rials.is_some() && config.sms.price_rials == 0 {
                bail!("--daily-spend-rials needs sms.price_rials, the price of one part of a text");
            }
            let allowed_ips = allowed_ips.into_iter().map(network).collect::<Result<_, _>>()?;
            let expires_at = expires_in_days.map(|days| now + TimeDelta::days(days));
            let new =
                NewApiKey { name, scopes, allowed_ips, daily_sends, daily_spend_rials, expires_at };
            let mut rng = rand::make_rng::<rand::rngs::StdRng>();
            let (id, key) = api_keys::create(&pool, &new, now, &mut rng).await?;
            Ok(format!("{key}\n\nThis is key {id}. It is not shown again; keep it in a safe.\n"))
        }
        KeysCommand::RotateSigning => Ok(signing_keys::plan(config, now)),
        KeysCommand::List => {
            let keys = api_keys::list(&pool).await?;
            Ok(keys.iter().map(|key| describe(key, now)).collect())
        }
        KeysCommand::Revoke { id } => {
            if !api_keys::revoke(&pool, id, now).await? {
                bail!("there is no key {id}, or it is revoked already");
            }
            Ok(format!("Key {id} opens nothing any more.\n"))
        }
    }
}

/// PostgreSQL's `cidr` has no bits to the right of the prefix.
pub(crate) fn network(written: IpNetwork) -> anyhow::Result<IpNetwork> {
    IpNetwork::new(written.network(), written.prefix()).context("not a network")
}

fn describe(key: &ApiKey, now: DateTime<Utc>) -> String {
    let settings = &key.settings;
    let date = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%MZ").to_string();
    let state = match (key.revoked_at, settings.expires_at) {
        (Some(at), _) => format!("revoked {}", date(at)),
        (None, Some(at)) if at <= now => format!("expired {}", date(at)),
        (None, Some(at)) => format!("until {}", date(at)),
        (None, None) => "in force".to_owned(),
    };
    let scopes: Vec<_> = settings.scopes.iter().map(|scope| scope.as_str()).collect();
    let mut line = format!(
        "{}  {}…  {}  {}  {state}  last used {}",
        key.id,
        key.prefix,
        settings.name,
        scopes.join(","),
        key.last_used_at.map_or_else(|| "never".to_owned(), date),
    );
    for network in &settings.allowed_ips {
        line = format!("{line}  from {network}");
    }
    for (cap, of) in [(settings.daily_sends, "texts"), (settings.daily_spend_rials, "rials")] {
        line.extend(cap.map(|cap| format!("  at most {cap} {of} a day")));
    }
    line + "\n"
}
