//! What is imported, one file per part, and what is not.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};

use super::{
    Options,
    report::{Finding, Tally},
    source::{Reading, Row, Source},
};

mod chat;
pub(super) mod organizations;
pub(super) mod payments;
pub(super) mod users;
pub(super) mod wallets;

/// One kind of row of the old system and how it comes here.
#[async_trait]
pub(super) trait Part: Send {
    /// What it is called in reports and in `import_progress`.
    fn name(&self) -> &'static str;

    /// How its rows are understood, where that is not plain: said before the first one is read.
    fn rule(&self) -> Option<String> {
        None
    }

    /// Where its rows are.
    fn reading(&self) -> &Reading;

    /// Locks the table here against rows of others until the transaction ends, and counts those with
    /// ids up to `greatest`.
    async fn lock(&self, target: &mut PgConnection, greatest: i64) -> Result<i64, sqlx::Error>;

    /// Makes rows that are made here from now on have ids above `greatest`. The table is locked.
    async fn take_ids(&self, target: &mut PgConnection, greatest: i64) -> Result<(), sqlx::Error>;

    /// Reads what belongs to rows and is not in them, before they are taken and outside of the
    /// transaction of that. What cannot be taken back is made here, so that it is made at most twice.
    /// Without a target nobody asks what is here.
    ///
    /// # Errors
    /// When one of the databases, or what else is needed, is away.
    async fn prepare(
        &mut self,
        _rows: &[Row],
        _source: &mut Source,
        _target: Option<&PgPool>,
        _made: &Made,
    ) -> anyhow::Result<()> {
        Ok(())
    }

    /// Judges rows and makes them here, in the caller's transaction. Without a target they are only
    /// judged by what the old system says. `made` is what batches before made that were taken back.
    async fn take(
        &mut self,
        rows: &[Row],
        target: Option<&mut PgConnection>,
        made: &mut Made,
    ) -> Result<Batch, sqlx::Error>;
}

/// What batches made that were taken back: nobody else knows of it.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Accounts.
    pub(super) accounts: HashSet<i64>,
    /// Rooms.
    pub(super) rooms: HashSet<i64>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Rows that are here now.
    pub(super) imported: usize,
    /// Rows that were here before.
    pub(super) present: usize,
    /// What there is to say, by id.
    pub(super) findings: Vec<Finding>,
}

impl Tally {
    pub(super) fn add(&mut self, batch: &Batch) {
        self.imported += batch.imported as u64;
        self.present += batch.present as u64;
        for finding in &batch.findings {
            self.note(finding);
        }
    }
}

/// What there is to import, in this order: later parts refer to earlier ones.
///
/// # Errors
/// When the old database has no table of accounts, or amounts in a currency nobody named.
pub(super) async fn all(
    source: &mut Source,
    options: &Options,
) -> anyhow::Result<Vec<Box<dyn Part>>> {
    let mut parts: Vec<Box<dyn Part>> = vec![Box::new(users::Users::find(source, options).await?)];
    if source.has(organizations::TABLE) {
        parts.push(Box::new(organizations::Organizations::new(options)));
    }
    if source.has(payments::TABLE) {
        parts.push(Box::new(payments::Payments::find(source, options).await?));
    }
    if let Some(wallets) = wallets::Wallets::find(source, options).await? {
        parts.push(Box::new(wallets));
    }
    parts.extend(chat::find(source, options).await?);
    Ok(parts)
}

/// A table of the old system that stays there.
#[derive(Debug)]
pub struct Elsewhere {
    /// Its name.
    pub table: &'static str,
    /// Why nobody needs it here.
    pub why: &'static str,
}

const EPHEMERAL: &str = "codes that have long expired";
const LOG: &str = "a log of texts that were sent";
/// A site has moved from one package to the other and left them behind itself.
const LEFT: &str = "the rooms of another package are imported, which has its own";

/// In the order of the report.
const ELSEWHERE: &[Elsewhere] = &[
    stays("drfchelseruchat_chatroom", LEFT),
    stays("drfchelseruchat_message", LEFT),
    stays("chelseru_chat_chatroom", LEFT),
    stays("chelseru_chat_message", LEFT),
    stays("drfchelseru_session", "nobody is logged in by them: tokens were"),
    stays("drfchelseru_otpcode", EPHEMERAL),
    stays("drfchelseru_messagesms", LOG),
    stays("sms_auth_phonecode", EPHEMERAL),
    stays("sms_auth_smsmessage", LOG),
];

const fn stays(table: &'static str, why: &'static str) -> Elsewhere {
    Elsewhere { table, why }
}

/// The tables with rows that stay, and how many those are.
pub(super) async fn elsewhere(
    source: &mut Source,
    parts: &[Box<dyn Part>],
) -> anyhow::Result<Vec<(&'static Elsewhere, i64)>> {
    let mut found = Vec::new();
    for stays in ELSEWHERE {
        let is_read = parts.iter().any(|part| part.reading().table == stays.table);
        if !is_read && source.has(stays.table) {
            let rows = source.count(stays.table).await?;
            found.extend((rows > 0).then_some((stays, rows)));
        }
    }
    Ok(found)
}
