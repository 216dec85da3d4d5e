//! The proof of the ledger: every balance again from the entries, in one snapshot, one entry after the
//! other. However many there are, no more of them is in memory than what differs.

use std::fmt;

use futures_util::{Stream, TryStreamExt};
use sqlx::PgPool;

use super::store::{self, EntryRow, Odd};
use crate::telemetry::LEDGER_DIFFERENCES;

/// Differences that are kept to be shown; the others are counted.
const SHOWN: usize = 1_000;

/// What does not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// All entries together are zero.
    Total,
    /// The entries of each transaction are zero together, and two at least.
    Transaction,
    /// Each entry of a wallet says what the wallet held after it.
    Running,
    /// Each wallet holds the sum of its entries.
    Balance,
    /// What is held is what open holds set aside.
    Holds,
    /// Each paid payment is in the ledger, whole and in the right place.
    Payment,
    /// Each payment of the ledger was paid.
    Unpaid,
}

impl Check {
    /// Its word on the command line and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Transaction => "transaction",
            Self::Running => "running_balance",
            Self::Balance => "balance",
            Self::Holds => "holds",
            Self::Payment => "payment",
            Self::Unpaid => "unpaid",
        }
    }
}

/// Two things that should be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// By which rule.
    pub check: Check,
    /// What it is about: `wallet:17`, `transaction:97`, `payment:41`, `entry:141`.
    pub subject: String,
    /// What should be; empty: nothing.
    pub expected: String,
    /// What is; empty: nothing.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing =
            |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
        let (expected, found) = (or_nothing(&self.expected), or_nothing(&self.found));
        write!(f, "{}  {}: expected {expected}, found {found}", self.check.as_str(), self.subject)
    }
}

/// What came of a look at the whole ledger.
#[derive(Debug, Default)]
pub struct Proof {
    /// Entries that were read.
    pub entries: u64,
    /// Accounts with entries.
    pub accounts: u64,
    /// How many differences there are.
    pub count: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

impl Proof {
    fn differ(&mut self, check: Check, subject: String, expected: String, found: String) {
        self.count += 1;
        LEDGER_DIFFERENCES.with_label_values(&[check.as_str()]).inc();
        if self.differences.len() < SHOWN {
            self.differences.push(Difference { check, subject, expected, found });
        }
    }

    async fn note_all(
        &mut self,
        check: Check,
        mut odd: impl Stream<Item = Result<Odd, sqlx::Error>> + Unpin,
    ) -> Result<(), sqlx::Error> {
        while let Some(Odd { subject, expected, found }) = odd.try_next().await? {
            self.differ(check, subject, expected.unwrap_or_default(), found.unwrap_or_default());
        }
        Ok(())
    }
}

/// An account while its entries are read.
struct Running {
    account_id: i64,
    name: String,
    sum: i128,
    /// What the row of the wallet says.
    wallet: Option<i64>,
}

impl Running {
    fn begin(entry: &EntryRow) -> Self {
        let name = entry.name.clone();
        Self { account_id: entry.account_id, name, sum: 0, wallet: entry.wallet }
    }

    fn add(&mut self, entry: &EntryRow, proof: &mut Proof) {
        self.sum += i128::from(entry.amount);
        let is_wallet = self.name.starts_with("wallet:");
        let expected = is_wallet.then_some(self.sum);
        if entry.balance.map(i128::from) != expected {
            let subject = format!("entry:{} of {}", entry.id, self.name);
            proof.differ(Check::Running, subject, shown(expected), shown(entry.balance));
        }
    }

    fn end(self, proof: &mut Proof) {
        proof.accounts += 1;
        if self.name.starts_with("wallet:") && self.wallet.map(i128::from) != Some(self.sum) {
            proof.differ(Check::Balance, self.name, self.sum.to_string(), shown(self.wallet));
        }
    }
}

fn shown(number: Option<impl fmt::Display>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// Derives every balance from the entries and compares.
///
/// # Errors
/// When the database is away.
pub async fn verify(pool: &PgPool) -> Result<Proof, sqlx::Error> {
    let mut tx = pool.begin().await?;
    store::begin_snapshot(&mut tx).await?;
    let mut proof = Proof::default();
    let (mut total, mut held) = (0_i128, 0_i128);
    let mut running: Option<Running> = None;
    let mut entries = store::all_entries(&mut tx);
    while let Some(entry) = entries.try_next().await? {
        proof.entries += 1;
        total += i128::from(entry.amount);
        if entry.name == "holds" {
            held += i128::from(entry.amount);
        }
        if let Some(other) = running.take_if(|it| it.account_id != entry.account_id) {
            other.end(&mut proof);
        }
        running.get_or_insert_with(|| Running::begin(&entry)).add(&entry, &mut proof);
    }
    drop(entries);
    if let Some(last) = running {
        last.end(&mut proof);
    }
    if total != 0 {
        proof.differ(Check::Total, "ledger".to_owned(), "0".to_owned(), total.to_string());
    }
    let open = i128::from(store::held(&mut tx).await?);
    if held != open {
        proof.differ(Check::Holds, "holds".to_owned(), open.to_string(), held.to_string());
    }
    proof.note_all(Check::Transaction, store::odd_transactions(&mut tx)).await?;
    proof.note_all(Check::Balance, store::odd_wallets(&mut tx)).await?;
    proof.note_all(Check::Payment, store::odd_payments(&mut tx)).await?;
    proof.note_all(Check::Unpaid, store::unpaid_postings(&mut tx)).await?;
    tx.rollback().await?;
    Ok(proof)
}
