//! Wallets: what each held becomes the first movement of the same user's wallet here.
//!
//! The old system counted in floating point, in whatever currency it was set to. What its column says is
//! read as the decimal digits the database writes for it and rounded once, half up, to whole rials.

use std::{collections::HashSet, sync::Arc};

use anyhow::Context;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{Batch, Made, Part};
use crate::{
    clock::SystemClock,
    config::Webhooks,
    import::{
        Options,
        report::{Finding, Reason},
        source::{Column, Reading, Row, Source, Unreadable},
        store::{self, WalletsHere},
    },
    money::{Currency, Rials},
    wallets::{self, Account, Kind, Posted, Posting},
    webhooks::Outbox,
};

/// Where the package keeps them.
pub(super) const TABLE: &str = "drfchelseru_wallet";

/// The columns, in the order they are read.
const OWNER: usize = 0;
const AMOUNT: usize = 1;

/// Digits before and after the point that can matter to whole rials.
const LONGEST: i32 = 40;

/// The part.
pub(in crate::import) struct Wallets {
    reading: Reading,
    currency: Currency,
    now: DateTime<Utc>,
    full: bool,
    /// Nobody is told of what was there before.
    outbox: Outbox,
}

struct Wallet {
    id: i64,
    owner_id: i64,
    held: Rials,
}

impl Wallet {
    fn key(&self) -> String {
        format!("import:wallet:{}", self.id)
    }

    fn posting(&self) -> Posting {
        let minus = Rials::new(-self.held.get());
        Posting {
            key: self.key(),
            kind: Kind::Import,
            reference: String::new(),
            note: String::new(),
            legs: vec![(Account::Adjustments, minus), (Account::Wallet(self.owner_id), self.held)],
        }
    }
}

impl Wallets {
    /// # Errors
    /// When there are wallets and nobody said what they are counted in.
    pub(in crate::import) async fn find(
        source: &mut Source,
        options: &Options,
    ) -> anyhow::Result<Option<Self>> {
        if !source.has(TABLE) || source.count(TABLE).await? == 0 {
            return Ok(None);
        }
        let currency = options.currency.with_context(|| {
            format!(
                "{TABLE} has amounts without a currency: say which the old site was set to \
                 (BANK.SETTINGS.CURRENCY), --currency IRT or --currency IRR. The wrong one is ten times \
                 too much or too little"
            )
        })?;
        let own = |name: &str| Some(Column::Own(name.to_owned()));
        let columns = ["user_id", "amount"].map(own).to_vec();
        Ok(Some(Self {
            reading: Reading { table: TABLE.to_owned(), join: None, columns },
            currency,
            now: options.now,
            full: options.full,
            outbox: Outbox::new(&Webhooks::default(), Arc::new(SystemClock)),
        }))
    }

    fn judge(&self, row: &Row) -> Result<Wallet, Reason> {
        let text = |column| row.text(column).map_err(|Unreadable| Reason::Unreadable);
        let owner_id = text(OWNER)?.and_then(|id| id.parse().ok()).ok_or(Reason::OwnerMissing)?;
        let held = text(AMOUNT)?.and_then(|amount| read_amount(amount, self.currency));
        Ok(Wallet { id: row.id, owner_id, held: held.ok_or(Reason::AmountBad)? })
    }

    /// What a row becomes: nothing, if it is here. Or why not.
    fn fate(
        &self,
        row: &Row,
        here: &WalletsHere,
        accounts: &HashSet<i64>,
    ) -> Result<Option<Wallet>, Reason> {
        let wallet = self.judge(row)?;
        let empty = wallet.held == Rials::ZERO;
        if here.keys.contains(&wallet.key()) || (empty && here.wallets.contains(&wallet.owner_id)) {
            return Ok(None);
        }
        let owner = wallet.owner_id;
        if !here.owners.contains(&owner) && !accounts.contains(&owner) {
            return Err(Reason::OwnerMissing);
        }
        Ok(Some(wallet))
    }

    fn finding(&self, row: &Row, reason: Reason) -> Finding {
        let text = |column| row.text(column).ok().flatten();
        let values = self.full.then(|| json!({ "user_id": text(OWNER), "amount": text(AMOUNT) }));
        Finding { id: row.id, reason, other: None, values }
    }

    async fn make(&self, target: &mut PgConnection, wallets: &[Wallet]) -> Result<(), sqlx::Error> {
        let (empty, full): (Vec<_>, Vec<_>) =
            wallets.iter().partition(|wallet| wallet.held == Rials::ZERO);
        let owners: Vec<_> = empty.iter().map(|wallet| wallet.owner_id).collect();
        wallets::open(target, self.now, &owners).await?;
        let postings: Vec<_> = full.iter().map(|wallet| wallet.posting()).collect();
        let most = Rials::new(i64::MAX);
        let posted = wallets::post(target, &self.outbox, self.now, most, &postings).await?;
        let whole = posted.iter().all(|it| matches!(it, Posted::Done(_) | Posted::Repeated(_)));
        if whole { Ok(()) } else { Err(sqlx::Error::Protocol("a wallet was refused".to_owned())) }
    }
}

/// A number as databases write one (`15.5`, `1e+16`), in rials; `None` unless it is one, not negative
/// and can be counted.
fn read_amount(text: &str, currency: Currency) -> Option<Rials> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let tomans = i32::from(currency == Currency::Irt);
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(tomans)?;
    let rials = round_half_up(&all, point)?;
    if negative && rials != 0 { None } else { Some(Rials::new(rials)) }
}

/// Of a number's digits those before the `point`, rounded by the one behind it.
fn round_half_up(digits: &[u8], point: i32) -> Option<i64> {
    let first = digits.iter().position(|digit| *digit != b'0');
    let Some(first) = first.and_then(|first| i32::try_from(first).ok()) else { return Some(0) };
    if point - first > LONGEST {
        return None;
    }
    let digit = |place: i32| {
        let digit = usize::try_from(place).ok().and_then(|place| digits.get(place));
        i64::from(digit.map_or(0, |digit| digit - b'0'))
    };
    let mut rials = 0_i64;
    for place in first..point {
        rials = rials.checked_mul(10)?.checked_add(digit(place))?;
    }
    rials.checked_add(i64::from(digit(point) >= 5))
}

#[async_trait]
impl Part for Wallets {
    fn name(&self) -> &'static str {
        "wallets"
    }

    fn rule(&self) -> Option<String> {
        let currency = self.currency.as_str();
        let each = if self.currency == Currency::Irt { "10 rials" } else { "1 rial" };
        Some(format!(
            "amounts are {currency}, {each} each, rounded half up to whole rials; what is negative or no \
             number is refused"
        ))
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Ids are not kept, and nothing is in the way: what a wallet held is added to what it holds.
    async fn lock(&self, _: &mut PgConnection, _: i64) -> Result<i64, sqlx::Error> {
        Ok(0)
    }

    async fn take_ids(&self, _: &mut PgConnection, _: i64) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn take(
        &mut self,
        rows: &[Row],
        mut target: Option<&mut PgConnection>,
        made: &mut Made,
    ) -> Result<Batch, sqlx::Error> {
        let good: Vec<_> = rows.iter().filter_map(|row| self.judge(row).ok()).collect();
        let here = match &mut target {
            Some(target) => {
                let keys: Vec<_> = good.iter().map(Wallet::key).collect();
                let owners: Vec<_> = good.iter().map(|wallet| wallet.owner_id).collect();
                store::wallets_here(target, &keys, &owners).await?
            }
            None => WalletsHere::default(),
        };
        let (mut batch, mut wallets) = (Batch::default(), Vec::new());
        for row in rows {
            match self.fate(row, &here, &made.accounts) {
                Ok(None) => batch.present += 1,
                Ok(Some(wallet)) => wallets.push(wallet),
                Err(reason) => batch.findings.push(self.finding(row, reason)),
            }
        }
        batch.imported = wallets.len();
        if let Some(target) = target {
            // An owner who was taken back cannot be referred to.
            wallets.retain(|wallet| here.owners.contains(&wallet.owner_id));
            self.make(target, &wallets).await?;
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_by_their_digits_and_rounded_once() {
        let read = |text, currency| read_amount(text, currency).map(Rials::get);
        for (text, rials, tomans) in [
            ("0", Some(0), Some(0)),
            ("0.0", Some(0), Some(0)),
            ("-0.0", Some(0), Some(0)),
            ("15.5", Some(16), Some(155)),
            ("15.4999", Some(15), Some(155)),
            ("15.44", Some(15), Some(154)),
            ("0.05", Some(0), Some(1)),
            ("0.04999999", Some(0), Some(0)),
            ("0.5", Some(1), Some(5)),
            ("1000", Some(1_000), Some(10_000)),
            ("1000.0", Some(1_000), Some(10_000)),
            ("+7.", Some(7), Some(70)),
            (".7", Some(1), Some(7)),
            ("1e+16", Some(10_000_000_000_000_000), Some(100_000_000_000_000_000)),
            ("1.25E3", Some(1_250), Some(12_500)),
            ("1.5e-07", Some(0), Some(0)),
            ("5e-1", Some(1), Some(5)),
            ("9007199254740993", Some(9_007_199_254_740_993), Some(90_071_992_547_409_930)),
            ("9223372036854775807", Some(i64::MAX), None),
            ("9223372036854775808", None, None),
            ("1e300", None, None),
            ("1e99999999999", None, None),
            ("-1", None, None),
            ("-0.01", Some(0), Some(0)),
            ("NaN", None, None),
            ("Infinity", None, None),
            ("inf", None, None),
            ("", None, None),
            (".", None, None),
            ("1,5", None, None),
            ("1 000", None, None),
            ("0x10", None, None),
        ] {
            assert_eq!(read(text, Currency::Irr), rials, "{text} IRR");
            assert_eq!(read(text, Currency::Irt), tomans, "{text} IRT");
        }
    }
}
