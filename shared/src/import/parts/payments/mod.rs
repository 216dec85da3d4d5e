//! Payments: each becomes one with at most one page of its gateway's. Nothing of them is in the
//! ledger: what a wallet held comes as its opening balance.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use serde_json::json;
use sqlx::PgConnection;

use super::{Batch, Made, Part};
use crate::{
    import::{
        Options,
        report::{Finding, Reason},
        source::{Column, Reading, Row, Source},
    },
    money::Currency,
};

pub(in crate::import) mod amount;
mod judge;
mod store;

use self::{
    judge::{Field, Payment, Rules},
    store::Here,
};

/// Where the package keeps them.
pub(super) const TABLE: &str = "drfchelseru_payment";

/// A payment, and what there is to note of it.
type Judged = (Payment, Vec<Reason>);

/// The part.
pub(in crate::import) struct Payments {
    reading: Reading,
    rules: Rules,
    full: bool,
    /// Pages and references of this run by their gateway, and whose they are: a dry run has no table to
    /// ask, and a check neither.
    pages: HashMap<(String, String), i64>,
    references: HashMap<(String, i64), i64>,
}

impl Payments {
    /// Finds out which columns there are: the table grew with the package.
    pub(in crate::import) async fn find(
        source: &mut Source,
        options: &Options,
    ) -> anyhow::Result<Self> {
        let there = source.columns(TABLE).await?;
        let column = |name: &str| there.contains(name).then(|| Column::Own(name.to_owned()));
        let columns = Field::NAMES.map(column).to_vec();
        let reading = Reading { table: TABLE.to_owned(), join: None, columns };
        let rules = Rules {
            gateways: options.gateways.clone(),
            currency: options.currency,
            time_zone: options.time_zone,
        };
        let (pages, references) = (HashMap::new(), HashMap::new());
        Ok(Self { reading, rules, full: options.full, pages, references })
    }

    /// What a row becomes: nothing, if it is here. Or why not, and what is in the way.
    fn fate(
        &self,
        row: &Row,
        here: &Here,
        accounts: &HashSet<i64>,
    ) -> Result<Option<Judged>, (Reason, Option<i64>)> {
        match here.by_id.get(&row.id) {
            Some(made) if *made == self.rules.created_at(row).unwrap_or_default() => {
                return Ok(None);
            }
            Some(_) => return Err((Reason::IdTaken, Some(row.id))),
            None => {}
        }
        let judged = self.rules.payment(row).map_err(|reason| (reason, None))?;
        let owner = judged.0.user_id;
        if !here.users.contains(&owner) && !accounts.contains(&owner) {
            return Err((Reason::OwnerMissing, None));
        }
        Ok(Some(judged))
    }

    /// Takes away what belongs to another payment already: of two that name the same page or reference
    /// the one with the smaller id keeps it.
    fn settle(&mut self, payment: &mut Payment, here: &Here) -> Vec<(Reason, Option<i64>)> {
        let mut notes = Vec::new();
        if let Some(authority) = payment.authority.clone() {
            let key = (payment.gateway.clone(), authority);
            match here.pages.get(&key).or_else(|| self.pages.get(&key)) {
                Some(other) => {
                    notes.push((Reason::AuthorityTaken, Some(*other)));
                    payment.authority = None;
                }
                None => drop(self.pages.insert(key, payment.id)),
            }
        }
        if let Some(ref_id) = payment.ref_id {
            let key = (payment.gateway.clone(), ref_id);
            match here.references.get(&key).or_else(|| self.references.get(&key)) {
                Some(other) => {
                    notes.push((Reason::RefIdTaken, Some(*other)));
                    payment.ref_id = None;
                }
                None => drop(self.references.insert(key, payment.id)),
            }
        }
        notes
    }

    fn finding(&self, row: &Row, reason: Reason, other: Option<i64>) -> Finding {
        let text = |field: Field| row.text(field as usize).ok().flatten();
        let values = self.full.then(|| {
            json!({ "user_id": text(Field::UserId), "order_id": text(Field::OrderId),
                "amount": text(Field::Amount), "currency": text(Field::Currency),
                "status": text(Field::Status), "ref_id": text(Field::RefId),
                "authority": text(Field::Authority) })
        });
        Finding { id: row.id, reason, other, values }
    }

    /// What is here of the rows' ids, owners, pages and references.
    async fn here(&self, rows: &[Row], target: &mut PgConnection) -> Result<Here, sqlx::Error> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let judged = rows.iter().filter_map(|row| self.rules.payment(row).ok());
        let payments: Vec<Payment> = judged.map(|(payment, _)| payment).collect();
        store::here(target, &ids, &payments).await
    }
}

#[async_trait]
impl Part for Payments {
    fn name(&self) -> &'static str {
        "payments"
    }

    fn rule(&self) -> Option<String> {
        let currency = self.rules.currency.map_or("refused", Currency::as_str);
        Some(format!(
            "amounts are those the gateway was told: PayPing's in tomans, others in the row's currency, \
             ZarinPal's without one in rials, others without one: {currency}; within 0.001 of a whole \
             number they are that number, others are refused"
        ))
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn lock(&self, target: &mut PgConnection, greatest: i64) -> Result<i64, sqlx::Error> {
        store::lock(target).await?;
        store::up_to(target, greatest).await
    }

    async fn take_ids(&self, target: &mut PgConnection, greatest: i64) -> Result<(), sqlx::Error> {
        store::take_ids(target, greatest).await
    }

    async fn take(
        &mut self,
        rows: &[Row],
        mut target: Option<&mut PgConnection>,
        made: &mut Made,
    ) -> Result<Batch, sqlx::Error> {
        let here = match &mut target {
            Some(target) => self.here(rows, target).await?,
            None => Here::default(),
        };
        let (mut batch, mut payments) = (Batch::default(), Vec::new());
        for row in rows {
            match self.fate(row, &here, &made.accounts) {
                Ok(None) => batch.present += 1,
                Ok(Some((mut payment, notes))) => {
                    let mut notes: Vec<_> = notes.into_iter().map(|note| (note, None)).collect();
                    notes.extend(self.settle(&mut payment, &here));
                    let notes = notes.into_iter();
                    batch.findings.extend(notes.map(|(note, of)| self.finding(row, note, of)));
                    payments.push(payment);
                }
                Err((reason, other)) => batch.findings.push(self.finding(row, reason, other)),
            }
        }
        batch.imported = payments.len();
        if let Some(target) = target {
            // An owner who was taken back cannot be referred to.
            payments.retain(|payment| here.users.contains(&payment.user_id));
            store::insert(target, &payments).await?;
        }
        Ok(batch)
    }
}
