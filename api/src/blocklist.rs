//! `api blocklist add|remove|list` and `block|unblock|blocks`.

use std::{fmt::Write, sync::Arc};

use anyhow::{Context, bail};
use chrono::TimeDelta;
use clap::Subcommand;
use shared::{
    admin::Acting,
    audit::Source,
    blocks::{Blocked, Blocks, LONGEST_REASON, MOST, NewBlock},
    clock::{Clock, SystemClock},
    config::Config,
    db,
    phone::{PhoneNumber, PhoneRules},
    sms::blocklist,
};

/// Numbers read from the database at once.
const PAGE: i64 = 1_000;

/// Looks at and changes the list of numbers that get no texts but codes, and whom nothing is sent to or
/// taken from at all.
#[derive(Debug, Subcommand)]
pub(crate) enum BlocklistCommand {
    /// Send no texts but codes to a number, whatever its owner texts us
    Add {
        /// In any usual form
        number: String,
    },
    /// Send texts to a number again
    Remove {
        /// In any usual form
        number: String,
    },
    /// Every number of the list
    List,
    /// Refuse a number or its beginning (no codes, no texts, no logins by code), or a network (no
    /// logins, no codes)
    Block {
        /// What kind of thing
        #[arg(value_parser = ["number", "prefix", "ip"])]
        kind: String,
        /// A number in any usual form, its beginning such as +98935, or a network such as 203.0.113.0/24
        value: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// Hours until it is over; never if absent
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=87_600))]
        hours: Option<i64>,
    },
    /// Refuse it no longer
    Unblock {
        /// Its number in `blocks`
        id: i64,
    },
    /// What is refused, newest first
    Blocks,
}

/// Carries out the command and returns what to print.
///
/// # Errors
/// When the number is none, there is nothing to do, or the database is away.
pub(crate) async fn execute(config: &Config, command: BlocklistCommand) -> anyhow::Result<String> {
    let pool = db::connect(&config.database)?;
    let blocks = Blocks::only_written(pool.clone(), Arc::new(SystemClock));
    match command {
        BlocklistCommand::Block { kind, value, reason, hours } => {
            block(config, &blocks, (&kind, &value), (reason, hours)).await
        }
        BlocklistCommand::Unblock { id } => unblock(&blocks, id).await,
        BlocklistCommand::Blocks => blocked(&blocks).await,
        BlocklistCommand::Add { number } => {
            let phone = parse(config, &number)?;
            if !blocklist::add(&pool, &phone, SystemClock.now()).await? {
                bail!("an operator has blocked this number before");
            }
            Ok(format!("{} gets no texts but codes from now on.\n", phone.as_e164()))
        }
        BlocklistCommand::Remove { number } => {
            let phone = parse(config, &number)?;
            if !blocklist::remove(&pool, &phone).await? {
                bail!("this number is not blocked");
            }
            Ok(format!("{} gets texts again.\n", phone.as_e164()))
        }
        BlocklistCommand::List => {
            let (mut text, mut after) = (String::new(), None::<PhoneNumber>);
            loop {
                let page = blocklist::list(&pool, after.as_ref(), PAGE).await?;
                for blocked in &page {
                    let (phone, reason) = (blocked.phone.as_e164(), blocked.reason.as_str());
                    let since = blocked.created_at.format("%Y-%m-%d %H:%MZ");
                    writeln!(text, "{phone}  {reason}  since {since}")?;
                }
                after = page.last().map(|blocked| blocked.phone.clone());
                if after.is_none() {
                    return Ok(text);
                }
            }
        }
    }
}

async fn block(
    config: &Config,
    blocks: &Blocks,
    (kind, value): (&str, &str),
    (reason, hours): (String, Option<i64>),
) -> anyhow::Result<String> {
    let what = match kind {
        "number" => Blocked::Number(parse(config, value)?),
        "prefix" => Blocked::prefix(value)?,
        _ => Blocked::network(value)?,
    };
    if reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON {
        bail!("a reason has 1 to {LONGEST_REASON} characters");
    }
    let expires_at = hours.map(|hours| SystemClock.now() + TimeDelta::hours(hours));
    let new = NewBlock { what, reason, expires_at };
    let made = blocks.add(&Acting::on_the_server(), &new).await?;
    Ok(format!("Block {} holds everywhere within a second.\n", made.id))
}

async fn unblock(blocks: &Blocks, id: i64) -> anyhow::Result<String> {
    if !blocks.remove(&Acting::on_the_server(), id).await? {
        bail!("there is no such block");
    }
    Ok(format!("Block {id} is taken off.\n"))
}

async fn blocked(blocks: &Blocks) -> anyhow::Result<String> {
    let mut text = String::new();
    for block in blocks.list(&Source::cli(), None, MOST).await? {
        let (kind, value) = (block.what.kind(), block.what.value());
        let since = block.created_at.format("%Y-%m-%d %H:%MZ");
        let until = block.expires_at.map(|at| at.format(" until %Y-%m-%d %H:%MZ").to_string());
        let until = until.unwrap_or_default();
        writeln!(text, "{}  {kind} {value}  since {since}{until}  {}", block.id, block.reason)?;
    }
    Ok(text)
}

/// Of a country we text to, or any in E.164: numbers may be on the list from other days.
fn parse(config: &Config, number: &str) -> anyhow::Result<PhoneNumber> {
    let rules = PhoneRules::new(&config.phone.countries, &config.phone.default_country)?;
    let parsed = rules.parse(number).or_else(|_| PhoneNumber::from_e164(number.trim()));
    parsed.context("this is no phone number")
}
