//! `api blocklist add|remove|list`.

use std::fmt::Write;

use anyhow::{Context, bail};
use clap::Subcommand;
use shared::{
    clock::{Clock, SystemClock},
    config::Config,
    db,
    phone::{PhoneNumber, PhoneRules},
    sms::blocklist,
};

/// Numbers read from the database at once.
const PAGE: i64 = 1_000;

/// Looks at and changes the list of numbers that get no texts but codes.
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
}

/// Carries out the command and returns what to print.
///
/// # Errors
/// When the number is none, there is nothing to do, or the database is away.
pub(crate) async fn execute(config: &Config, command: BlocklistCommand) -> anyhow::Result<String> {
    let pool = db::connect(&config.database)?;
    match command {
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

/// Of a country we text to, or any in E.164: numbers may be on the list from other days.
fn parse(config: &Config, number: &str) -> anyhow::Result<PhoneNumber> {
    let rules = PhoneRules::new(&config.phone.countries, &config.phone.default_country)?;
    let parsed = rules.parse(number).or_else(|_| PhoneNumber::from_e164(number.trim()));
    parsed.context("this is no phone number")
}
