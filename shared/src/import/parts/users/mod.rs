//! Accounts: Django's table, and the mobile and group that `django-chelseru` keeps beside it.

use std::collections::{BTreeMap, HashMap};

use anyhow::ensure;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::{Batch, Made, Part};
use crate::{
    audit::{self, Entry, Subject},
    import::{
        Options,
        report::{Finding, Reason},
        source::{Column, Reading, Row, Source},
        store,
    },
    phone::PhoneNumber,
};

mod account;

pub(in crate::import) use self::account::Account;
use self::account::{Field, Rules};

const MOBILES: &str = "drfchelseru_user";

/// The part.
pub(in crate::import) struct Users {
    reading: Reading,
    rules: Rules,
    full: bool,
    now: DateTime<Utc>,
    /// Usernames and numbers of this run, hashed, and whose they are: a dry run has no table to ask,
    /// and a check neither.
    seen: HashMap<u128, i64>,
}

impl Users {
    /// Finds out where accounts and their numbers are.
    ///
    /// # Errors
    /// When there is no such table, or it has neither a username nor a phone.
    pub(in crate::import) async fn find(
        source: &mut Source,
        options: &Options,
    ) -> anyhow::Result<Self> {
        let table = options.user_table.as_str();
        ensure!(source.has(table), "the old database has no table {table} (see --user-table)");
        let columns = source.columns(table).await?;
        ensure!(columns.contains("id"), "the table {table} has no column id");
        let has_mobiles = source.has(MOBILES);
        let phone = match &options.phone_field {
            Some(field) => {
                ensure!(columns.contains(field), "the table {table} has no column {field}");
                Some(field.as_str())
            }
            None => (!has_mobiles && source.has("sms_auth_phonecode")).then_some("username"),
        };
        ensure!(
            columns.contains("username") || phone.is_some(),
            "the table {table} has no column username; --phone-field names the one with the phone"
        );
        let own = |name: &str| columns.contains(name).then(|| Column::Own(name.to_owned()));
        let joined = |name: &str| has_mobiles.then(|| Column::Joined(name.to_owned()));
        // In the order of `Field`.
        let columns = vec![
            own("username"),
            own("password"),
            own("email"),
            own("first_name"),
            own("last_name"),
            own("is_active"),
            own("is_staff"),
            own("is_superuser"),
            own("date_joined"),
            phone.and_then(own),
            joined("mobile"),
            joined("group"),
        ];
        let rules = Rules {
            phones: options.phones.clone(),
            groups: options.groups.clone(),
            time_zone: options.time_zone,
            staff: options.staff,
            phone_is_optional: phone == Some("username"),
            has_is_active: columns[Field::IsActive as usize].is_some(),
        };
        let join = has_mobiles.then(|| (MOBILES.to_owned(), "user_id".to_owned()));
        let reading = Reading { table: table.to_owned(), join, columns };
        let (full, now) = (options.full, options.now);
        Ok(Self { reading, rules, full, now, seen: HashMap::new() })
    }

    /// Whether a row is here (`Some(true)`) or another account with its id (`Some(false)`).
    fn is_here(&self, row: &Row, here: &BTreeMap<i64, DateTime<Utc>>) -> Option<bool> {
        let made = self.rules.created_at(row).unwrap_or_default();
        here.get(&row.id).map(|created_at| *created_at == made)
    }

    /// Who has an account's username or number already, if anybody.
    fn collision(&self, account: &Account, holders: &Holders) -> Option<(Reason, i64)> {
        let find = |key: u128| holders.0.get(&key).or_else(|| self.seen.get(&key)).copied();
        let phone = phone_key(account).and_then(find).map(|id| (Reason::PhoneTaken, id));
        phone.or_else(|| find(username_key(account)).map(|id| (Reason::UsernameTaken, id)))
    }

    fn finding(&self, row: &Row, reason: Reason, other: Option<i64>) -> Finding {
        let text = |field: Field| row.text(field as usize).ok().flatten();
        let values = self.full.then(|| {
            json!({ "username": text(Field::Username), "phone": text(Field::Phone),
                "mobile": text(Field::Mobile), "group": text(Field::Group) })
        });
        Finding { id: row.id, reason, other, values }
    }
}

#[async_trait]
impl Part for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn lock(&self, target: &mut PgConnection, greatest: i64) -> Result<i64, sqlx::Error> {
        store::lock_users(target).await?;
        store::users_up_to(target, greatest).await
    }

    async fn take_ids(&self, target: &mut PgConnection, greatest: i64) -> Result<(), sqlx::Error> {
        store::take_user_ids(target, greatest).await
    }

    async fn take(
        &mut self,
        rows: &[Row],
        mut target: Option<&mut PgConnection>,
        made: &mut Made,
    ) -> Result<Batch, sqlx::Error> {
        let mut batch = Batch::default();
        let mut here = BTreeMap::new();
        if let Some(target) = &mut target {
            store::lock_users(target).await?;
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            here = store::users_by_id(target, &ids).await?;
        }
        let mut judged = Vec::new();
        for row in rows {
            match (self.is_here(row, &here), self.rules.account(row)) {
                (Some(true), _) => batch.present += 1,
                (Some(false), _) => {
                    batch.findings.push(self.finding(row, Reason::IdTaken, Some(row.id)));
                }
                (None, Err(reason)) => batch.findings.push(self.finding(row, reason, None)),
                (None, Ok((account, notes))) => judged.push((row, account, notes)),
            }
        }
        let holders = match &mut target {
            Some(target) => {
                Holders::of(target, judged.iter().map(|(_, account, _)| account)).await?
            }
            None => Holders::default(),
        };
        let mut accounts = Vec::new();
        for (row, account, notes) in judged {
            if let Some((reason, other)) = self.collision(&account, &holders) {
                batch.findings.push(self.finding(row, reason, Some(other)));
                continue;
            }
            batch.findings.extend(notes.into_iter().map(|note| self.finding(row, note, None)));
            let keys = phone_key(&account).into_iter().chain([username_key(&account)]);
            self.seen.extend(keys.map(|key| (key, account.id)));
            made.accounts.insert(account.id);
            accounts.push(account);
        }
        if let Some(target) = target {
            store::insert_users(target, &accounts).await?;
            record_staff(target, &accounts, self.now).await?;
        }
        batch.imported = accounts.len();
        batch.findings.sort_by_key(|finding| finding.id);
        Ok(batch)
    }
}

/// Nobody is staff without an event that says so.
async fn record_staff(
    target: &mut PgConnection,
    accounts: &[Account],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let by = audit::Source::cli();
    for account in accounts {
        if let Some(role) = account.role {
            let entry = Entry::new(&by, "staff.granted", Subject::user(account.id))
                .with("role", role.as_str())
                .with("from", "import");
            audit::record(target, &entry, now).await?;
        }
    }
    Ok(())
}

/// Accounts here that are in the way, by their keys.
#[derive(Default)]
struct Holders(HashMap<u128, i64>);

impl Holders {
    async fn of<'a>(
        target: &mut PgConnection,
        accounts: impl Iterator<Item = &'a Account> + Clone,
    ) -> Result<Self, sqlx::Error> {
        let usernames: Vec<_> = accounts.clone().map(|account| account.username.as_str()).collect();
        let phones: Vec<_> = accounts
            .filter_map(|account| account.phone.as_ref())
            .map(PhoneNumber::as_e164)
            .collect();
        let mut keys = HashMap::new();
        for holder in store::holders(target, &usernames, &phones).await? {
            keys.insert(key("username", &holder.username, 0), holder.id);
            keys.extend(holder.phone.map(|phone| (key("phone", &phone, holder.group), holder.id)));
        }
        Ok(Self(keys))
    }
}

fn username_key(account: &Account) -> u128 {
    key("username", &account.username, 0)
}

fn phone_key(account: &Account) -> Option<u128> {
    account.phone.as_ref().map(|phone| key("phone", phone.as_e164(), account.group))
}

/// 16 bytes where a text would be several times that, for each of millions of accounts.
fn key(kind: &str, text: &str, group: i32) -> u128 {
    let digest = Sha256::digest(format!("{kind} {group} {text}"));
    digest.iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}
