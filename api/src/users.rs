//! `api users list|show|disable|enable|erase|grant|withdraw`: people's accounts, on the server.

use std::sync::Arc;

use anyhow::{bail, ensure};
use clap::{Args, Subcommand};
use shared::{
    admin::{
        Acting, Admin, ChangeError, EraseError, Grant, Person, Shown,
        lists::{Filter, Value, Wanted, users as by},
    },
    auth::api_keys::Scope,
    clock::SystemClock,
    config::Config,
    db,
    phone::PhoneRules,
    redis::Redis,
    sessions::revocations::Revocations,
    users,
    webhooks::Outbox,
};
use sqlx::PgPool;

use crate::keys::scope;

/// Looks at accounts and changes them.
#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Accounts, newest first
    List {
        /// Only those with this mobile number, in any usual form
        #[arg(long, conflicts_with = "username")]
        phone: Option<String>,
        /// Only the one with this user name; with --full those whose user name begins with it
        #[arg(long)]
        username: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        #[command(flatten)]
        shown: Full,
    },
    /// One account
    Show {
        /// Its number in the list
        id: i64,
        #[command(flatten)]
        shown: Full,
    },
    /// Refuse the account everywhere and end its sessions, within a second
    Disable {
        /// Its number in the list
        id: i64,
    },
    /// Let a disabled account log in again
    Enable {
        /// Its number in the list
        id: i64,
    },
    /// Take everything that names its owner from an account, for good
    Erase {
        /// Its number in the list
        id: i64,
        /// There is no way back: say that you mean it
        #[arg(long)]
        yes: bool,
    },
    /// Let an account do more than what is its own
    Grant(Scoped),
    /// Take that from it
    Withdraw(Scoped),
}

/// How much is shown.
#[derive(Debug, Args)]
pub(crate) struct Full {
    /// Numbers, names and addresses whole, not masked; the audit log says that you looked
    #[arg(long)]
    full: bool,
}

/// A scope of an account.
#[derive(Debug, Args)]
pub(crate) struct Scoped {
    /// The account's number in the list
    id: i64,
    /// sms:send or sms:read
    #[arg(value_parser = scope)]
    scope: Scope,
}

impl Full {
    fn shown(&self) -> Shown {
        if self.full { Shown::Whole } else { Shown::Masked }
    }
}

/// Carries out the command and returns what to print.
///
/// # Errors
/// When there is no such account, nothing to do, or the database is away.
pub(crate) async fn execute(config: &Config, command: UsersCommand) -> anyhow::Result<String> {
    let pool = db::connect(&config.database)?;
    let clock = Arc::new(SystemClock);
    // Whoever serves reads in the database who is out, twice a second: Redis need not be there.
    let revocations = Revocations::new(Redis::start(&config.redis)?, clock.clone(), config);
    let outbox = Outbox::new(&config.webhooks, clock.clone());
    let admin = Admin::new(pool.clone(), clock, revocations, outbox, &config.auth);
    let server = Acting::on_the_server();
    match command {
        UsersCommand::List { phone, username, limit, shown } => {
            let shown = shown.shown();
            let filter: Option<(&'static Filter, Value)> = match (phone, username, shown) {
                (Some(phone), ..) => {
                    let phone = number(config, &phone)?;
                    Some((&by::PHONE, Value::Text(phone.as_e164().to_owned())))
                }
                (None, Some(name), Shown::Masked) => Some((&by::USERNAME, Value::Text(name))),
                (None, Some(name), Shown::Whole) => Some((&by::USERNAME_PREFIX, Value::Text(name))),
                (None, None, _) => None,
            };
            list(&admin, &server, filter, shown, limit).await
        }
        UsersCommand::Show { id, shown } => show(&admin, &pool, &server, id, shown.shown()).await,
        UsersCommand::Disable { id } => {
            admin.disable(&server, id).await.map_err(|error| explain(error, id))?;
            Ok(format!("Account {id} is disabled, and its sessions have ended.\n"))
        }
        UsersCommand::Enable { id } => {
            admin.enable(&server, id).await.map_err(|error| explain(error, id))?;
            Ok(format!("Account {id} may log in again.\n"))
        }
        UsersCommand::Erase { id, yes } => {
            ensure!(yes, "nothing brings an erased account back; add --yes if you mean it");
            erase(&admin, &server, id).await
        }
        UsersCommand::Grant(scoped) => grant(&admin, &server, &scoped, Grant::Give).await,
        UsersCommand::Withdraw(scoped) => grant(&admin, &server, &scoped, Grant::Take).await,
    }
}

/// Page by page: one may be short and not the last.
async fn list(
    admin: &Admin,
    server: &Acting,
    filter: Option<(&'static Filter, Value)>,
    shown: Shown,
    limit: i64,
) -> anyhow::Result<String> {
    let (mut text, mut left, mut cursor) = (String::new(), limit, None);
    loop {
        let filters = filter.iter().cloned().collect();
        let limit = Some(left);
        let wanted = Wanted { filters, cursor, limit, ..Wanted::default() };
        let page = admin.list::<Person>(&server.source, &wanted, shown).await?;
        text.extend(page.rows.iter().map(line));
        left -= i64::try_from(page.rows.len())?;
        cursor = page.next;
        if cursor.is_none() || left <= 0 {
            return Ok(text);
        }
    }
}

fn number(config: &Config, text: &str) -> anyhow::Result<shared::phone::PhoneNumber> {
    let rules = PhoneRules::new(&config.phone.countries, &config.phone.default_country)?;
    Ok(rules.parse(text)?)
}

async fn show(
    admin: &Admin,
    pool: &PgPool,
    server: &Acting,
    id: i64,
    shown: Shown,
) -> anyhow::Result<String> {
    let Some(person) = admin.find(&server.source, id, shown).await? else {
        bail!("there is no account {id}");
    };
    let scopes = users::scopes(pool, id).await?.unwrap_or_default();
    let date = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%MZ").to_string();
    let rows = [
        ("id", person.id.to_string()),
        ("state", state(&person).to_owned()),
        ("username", person.username.clone()),
        ("mobile number", person.mobile_number.clone().unwrap_or_default()),
        ("group", person.group.to_string()),
        ("e-mail", person.email.clone()),
        ("first name", person.first_name.clone()),
        ("last name", person.last_name.clone()),
        ("password", if person.has_password { "yes" } else { "no" }.to_owned()),
        ("role", person.role.map_or("", |role| role.as_str()).to_owned()),
        ("scopes", scopes.join(", ")),
        ("created", date(person.created_at)),
        ("erased", person.erased_at.map(date).unwrap_or_default()),
    ];
    let told = rows.iter().filter(|(_, value)| !value.is_empty());
    Ok(told.fold(String::new(), |text, (name, value)| format!("{text}{name:<15}{value}\n")))
}

async fn erase(admin: &Admin, server: &Acting, id: i64) -> anyhow::Result<String> {
    match admin.erase(&server.source, id).await {
        Ok(()) => Ok(format!("Account {id} is erased, and its sessions have ended.\n")),
        Err(EraseError::NoSuchAccount) => bail!("there is no account {id}, or it was erased"),
        Err(EraseError::LastAdmin) => bail!("account {id} is the last admin"),
        Err(EraseError::OwnsOrganizations(organizations)) => {
            bail!("account {id} owns organizations with other members: {organizations:?}")
        }
        Err(EraseError::Database(error)) => Err(error.into()),
    }
}

async fn grant(
    admin: &Admin,
    server: &Acting,
    Scoped { id, scope }: &Scoped,
    grant: Grant,
) -> anyhow::Result<String> {
    let changed = admin.grant(&server.source, *id, *scope, grant).await;
    let changed = changed.map_err(|error| explain(error, *id))?;
    let scope = scope.as_str();
    match (changed, grant) {
        (true, Grant::Give) => Ok(format!("Account {id} has {scope} now.\n")),
        (true, Grant::Take) => Ok(format!("Account {id} has {scope} no more.\n")),
        (false, Grant::Give) => bail!("account {id} has {scope} already"),
        (false, Grant::Take) => bail!("account {id} does not have {scope}"),
    }
}

fn explain(error: ChangeError, id: i64) -> anyhow::Error {
    match error {
        ChangeError::NoSuchAccount => anyhow::anyhow!("there is no account {id}, or it was erased"),
        ChangeError::LastAdmin => anyhow::anyhow!("account {id} is the last admin"),
        error => error.into(),
    }
}

fn state(person: &Person) -> &'static str {
    match (person.erased_at, person.is_active) {
        (Some(_), _) => "erased",
        (None, true) => "active",
        (None, false) => "disabled",
    }
}

/// `17  active  0912***89  G0-0912***89  group 0`.
fn line(person: &Person) -> String {
    let number = person.mobile_number.as_deref().unwrap_or("-");
    let (id, state, username) = (person.id, state(person), &person.username);
    format!("{id}  {state}  {number}  {username}  group {}\n", person.group)
}
