//! The one way to move money.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    Account, Posted, Posting,
    rules::{Books, Line, Refusal},
    store::{self, NewEntry},
};
use crate::{
    money::Rials,
    webhooks::{
        Outbox,
        events::{Kind as Event, NewEvent},
    },
};

/// A posting that is applied, and its lines.
struct Accepted<'a> {
    posting: &'a Posting,
    lines: Vec<Line>,
}

/// Writes postings in the caller's transaction, as if one after the other in the order given; what
/// became of each. `most` is what a wallet may come to hold (see [`super::rules::is_bounded`]). Those
/// that are refused leave nothing. `now` is when they happen.
///
/// Locks the keys of the postings, then rows of wallets, each in an order that is the same for
/// everybody, and holds them until the transaction ends. So call it once in a transaction, after every
/// other lock is taken.
///
/// # Errors
/// When the database refuses or is away: a posting that does not sum to zero, a user that does not
/// exist.
pub async fn post(
    connection: &mut PgConnection,
    outbox: &Outbox,
    now: DateTime<Utc>,
    most: Rials,
    postings: &[Posting],
) -> Result<Vec<Posted>, sqlx::Error> {
    let keys: BTreeSet<_> = postings.iter().map(|posting| posting.key.as_str()).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    store::lock_keys(connection, &keys).await?;
    let known = store::find_keys(connection, &keys).await?;
    let fresh = postings.iter().filter(|posting| !known.contains_key(&posting.key));
    let accounts = accounts_of(connection, now, fresh).await?;
    let balances = store::lock_wallets(connection, &wallets_among(&accounts)).await?;
    let mut books = Books::new(balances, most);
    let (accepted, verdicts) = judge(&mut books, &known, postings);
    let ids = write(connection, now, &accounts, &accepted, &books).await?;
    tell(connection, outbox, &accepted, &ids).await?;
    Ok(verdicts.into_iter().map(|verdict| verdict.posted(&ids)).collect())
}

/// Makes the empty wallets of these users where they have none, in the caller's transaction.
///
/// # Errors
/// When the database refuses or is away: a user that does not exist.
pub async fn open(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    users: &[i64],
) -> Result<(), sqlx::Error> {
    let accounts = users.iter().map(|user| (Account::Wallet(*user).name(), Some(*user)));
    let accounts: BTreeMap<_, _> = accounts.collect();
    let accounts: Vec<_> = accounts.into_iter().collect();
    if accounts.is_empty() {
        return Ok(());
    }
    store::make_accounts(connection, now, &accounts).await
}

/// What is known of a key.
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) fingerprint: Vec<u8>,
}

/// What becomes of a posting, before the ids of the accepted ones are known.
enum Verdict<'a> {
    Said(Posted),
    /// Under this key.
    Accepted(&'a str),
    /// The same was accepted under this key a moment ago.
    Again(&'a str),
}

impl Verdict<'_> {
    fn posted(self, ids: &HashMap<String, i64>) -> Posted {
        let id = |key: &str| ids.get(key).copied().unwrap_or_default();
        match self {
            Self::Said(posted) => posted,
            Self::Accepted(key) => Posted::Done(id(key)),
            Self::Again(key) => Posted::Repeated(id(key)),
        }
    }
}

fn judge<'a>(
    books: &mut Books,
    known: &HashMap<String, Known>,
    postings: &'a [Posting],
) -> (Vec<Accepted<'a>>, Vec<Verdict<'a>>) {
    let mut accepted: Vec<Accepted<'a>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut verdicts = Vec::with_capacity(postings.len());
    for posting in postings {
        let key = posting.key.as_str();
        verdicts.push(if let Some(known) = known.get(key) {
            let same = known.fingerprint == posting.fingerprint();
            Verdict::Said(if same { Posted::Repeated(known.id) } else { Posted::Mismatch })
        } else if let Some(place) = places.get(key) {
            if accepted[*place].posting.fingerprint() == posting.fingerprint() {
                Verdict::Again(key)
            } else {
                Verdict::Said(Posted::Mismatch)
            }
        } else {
            match books.apply(posting) {
                Ok(lines) => {
                    places.insert(key, accepted.len());
                    accepted.push(Accepted { posting, lines });
                    Verdict::Accepted(key)
                }
                Err(Refusal::Insufficient) => Verdict::Said(Posted::Insufficient),
                Err(Refusal::TooMuch) => Verdict::Said(Posted::TooMuch),
            }
        });
    }
    (accepted, verdicts)
}

/// The ids of the accounts of these postings. Those that are missing are made, but for wallets that
/// would only give: they have nothing, and the posting is refused.
async fn accounts_of(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    postings: impl Iterator<Item = &Posting>,
) -> Result<BTreeMap<Account, i64>, sqlx::Error> {
    let mut wanted: BTreeMap<String, (&Account, bool)> = BTreeMap::new();
    for (account, amount) in postings.flat_map(|posting| &posting.legs) {
        let needed = account.user_id().is_none() || *amount > Rials::ZERO;
        wanted.entry(account.name()).or_insert((account, false)).1 |= needed;
    }
    let names: Vec<_> = wanted.keys().cloned().collect();
    let mut ids = store::find_accounts(connection, &names).await?;
    let missing: Vec<_> = wanted
        .iter()
        .filter(|(name, (_, needed))| *needed && !ids.contains_key(*name))
        .map(|(name, (account, _))| (name.clone(), account.user_id()))
        .collect();
    if !missing.is_empty() {
        store::make_accounts(connection, now, &missing).await?;
        ids = store::find_accounts(connection, &names).await?;
    }
    let account = |(name, id)| wanted.get(&name).map(|(account, _)| ((*account).clone(), id));
    Ok(ids.into_iter().filter_map(account).collect())
}

fn wallets_among(accounts: &BTreeMap<Account, i64>) -> Vec<i64> {
    let wallets = accounts.iter().filter(|(account, _)| account.user_id().is_some());
    wallets.map(|(_, id)| *id).collect()
}

/// Writes what was accepted; the ids of the transactions by their keys.
async fn write(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    accounts: &BTreeMap<Account, i64>,
    accepted: &[Accepted<'_>],
    books: &Books,
) -> Result<HashMap<String, i64>, sqlx::Error> {
    if accepted.is_empty() {
        return Ok(HashMap::new());
    }
    let account =
        |account: &Account| accounts.get(account).copied().ok_or(sqlx::Error::RowNotFound);
    let transactions: Vec<_> =
        accepted.iter().map(|one| (one.posting, one.posting.fingerprint())).collect();
    let ids = store::insert_transactions(connection, now, &transactions).await?;
    let mut entries = Vec::new();
    for one in accepted {
        let transaction = ids.get(&one.posting.key).copied().ok_or(sqlx::Error::RowNotFound)?;
        for line in &one.lines {
            let account = account(&line.account)?;
            entries.push(NewEntry { transaction, account, line });
        }
    }
    let changed =
        books.changed().map(|(user, balance)| Ok((account(&Account::Wallet(user))?, balance)));
    let changed: Vec<_> = changed.collect::<Result<_, sqlx::Error>>()?;
    store::insert_entries(connection, now, &entries, &changed).await?;
    Ok(ids)
}

/// Tells of wallets that have more or less now.
async fn tell(
    connection: &mut PgConnection,
    outbox: &Outbox,
    accepted: &[Accepted<'_>],
    ids: &HashMap<String, i64>,
) -> Result<(), sqlx::Error> {
    if accepted.is_empty() || !outbox.wants(&[Event::WalletCredited, Event::WalletDebited]) {
        return Ok(());
    }
    let events: Vec<_> = accepted
        .iter()
        .flat_map(|one| {
            let id = ids.get(&one.posting.key).copied();
            one.lines.iter().filter_map(move |line| event(one.posting, line, id?))
        })
        .collect();
    outbox.emit(connection, &events).await.map(drop)
}

fn event(posting: &Posting, line: &Line, transaction_id: i64) -> Option<NewEvent> {
    let user_id = line.account.user_id()?;
    let gets = line.amount > Rials::ZERO;
    Some(NewEvent {
        kind: if gets { Event::WalletCredited } else { Event::WalletDebited },
        subject: format!("wallet:{user_id}"),
        data: json!({
            "user_id": user_id,
            "amount_rials": line.amount.get().unsigned_abs(),
            "balance_rials": line.balance.map(Rials::get),
            "kind": posting.kind.as_str(),
            "reference": posting.reference,
            "transaction_id": transaction_id,
        }),
    })
}
