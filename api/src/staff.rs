//! `api staff list|grant|revoke`: who is on the staff.

use anyhow::bail;
use clap::Subcommand;
use shared::{
    admin::{
        roles::Role,
        staff::{self, Member, StaffError},
    },
    clock::{Clock, SystemClock},
    config::Config,
    db,
};

/// Looks at the staff and changes it.
#[derive(Debug, Subcommand)]
pub(crate) enum StaffCommand {
    /// Everybody on the staff
    List,
    /// Make the owner of an account staff, or something else on it
    Grant {
        /// The account's user name
        username: String,
        /// viewer, support, finance or admin
        #[arg(value_parser = role)]
        role: Role,
        /// Even if no admin is left then
        #[arg(long)]
        force: bool,
    },
    /// Take somebody off the staff; the account stays
    Revoke {
        /// The account's user name
        username: String,
        /// Even if no admin is left then
        #[arg(long)]
        force: bool,
    },
}

fn role(word: &str) -> Result<Role, String> {
    let known = || Role::ALL.map(Role::as_str).join(", ");
    Role::parse(word).ok_or_else(|| format!("there are: {}", known()))
}

/// Carries out the command and returns what to print.
///
/// # Errors
/// When there is no such account, nothing to do, nobody would be left who can do everything, or the
/// database is away.
pub(crate) async fn execute(config: &Config, command: StaffCommand) -> anyhow::Result<String> {
    let pool = db::connect(&config.database)?;
    let (username, role, force) = match command {
        StaffCommand::List => return Ok(staff::list(&pool).await?.iter().map(describe).collect()),
        StaffCommand::Grant { username, role, force } => (username, Some(role), force),
        StaffCommand::Revoke { username, force } => (username, None, force),
    };
    match staff::set_role(&pool, &username, role, force, SystemClock.now()).await {
        Ok(()) => Ok(match role {
            Some(role) => format!("{username} is {} now.\n", role.as_str()),
            None => format!("{username} is not on the staff any more.\n"),
        }),
        Err(StaffError::LastAdmin) => {
            bail!("{username} is the last admin; --force does it all the same")
        }
        Err(StaffError::Unchanged) if role.is_none() => bail!("{username} is not on the staff"),
        Err(StaffError::Unchanged) => bail!("{username} is that already"),
        Err(StaffError::NoSuchUser) => bail!("no account has the user name {username:?}"),
        Err(StaffError::Database(error)) => Err(error.into()),
    }
}

/// `3  admin  sara`, and whether they are disabled.
fn describe(member: &Member) -> String {
    let disabled = if member.is_active { "" } else { "  disabled" };
    format!("{}  {}  {}{disabled}\n", member.id, member.role.as_str(), member.username)
}
