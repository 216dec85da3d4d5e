//! What is imported, one file per part, and what is not.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{
    Options,
    report::{Finding, Tally},
    source::{Reading, Row, Source},
};

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

    /// Judges rows and makes them here, in the caller's transaction. Without a target they are only
    /// judged by what the old system says. `accounts` are those of batches before
    /// that were taken back.
    async fn take(
        &mut self,
        rows: &[Row],
        target: Option<&mut PgConnection>,
        accounts: &mut HashSet<i64>,
    ) -> Result<Batch, sqlx::Error>;
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
    Ok(parts)
}

/// A table of the old system that stays there.
#[derive(Debug)]
pub struct Elsewhere {
    /// Its name.
    pub table: &'static str,
    /// Why it stays.
    pub why: Stays,
}

/// Why a table is not imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// There is no place for it yet: keep the old database.
    Later,
    /// Nobody needs it here.
    Forever(&'static str),
}

const EPHEMERAL: Stays = Stays::Forever("codes that have long expired");
const LOG: Stays = Stays::Forever("a log of texts that were sent");

/// In the order of the report.
const ELSEWHERE: &[Elsewhere] = &[
    later("drfchelseru_chatroom"),
    later("drfchelseru_chatroom_users"),
    later("drfchelseru_chatroom_pinned_for"),
    later("drfchelseru_chatroom_banneds"),
    later("drfchelseru_chatroom_permissions"),
    later("drfchelseru_chatroompermissions"),
    later("drfchelseru_chatroompermissions_user"),
    later("drfchelseru_messagechat"),
    later("drfchelseru_messagechat_read_by"),
    later("drfchelseru_attachfile"),
    never("drfchelseru_session", Stays::Forever("nobody is logged in by them: tokens were")),
    never("drfchelseru_otpcode", EPHEMERAL),
    never("drfchelseru_messagesms", LOG),
    never("sms_auth_phonecode", EPHEMERAL),
    never("sms_auth_smsmessage", LOG),
];

const fn later(table: &'static str) -> Elsewhere {
    Elsewhere { table, why: Stays::Later }
}

const fn never(table: &'static str, why: Stays) -> Elsewhere {
    Elsewhere { table, why }
}

/// The tables with rows that stay, and how many those are.
pub(super) async fn elsewhere(
    source: &mut Source,
) -> anyhow::Result<Vec<(&'static Elsewhere, i64)>> {
    let mut found = Vec::new();
    for stays in ELSEWHERE {
        if source.has(stays.table) {
            let rows = source.count(stays.table).await?;
            found.extend((rows > 0).then_some((stays, rows)));
        }
    }
    Ok(found)
}
