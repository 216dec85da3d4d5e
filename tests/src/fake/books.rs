//! What a payment gateway keeps: its pages, who paid, what was verified, and what went back because
//! nobody verified it in time.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use shared::clock::{Clock, SystemClock};

/// Where a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The payer is there, or never was.
    Open,
    /// The payer turned back.
    Cancelled,
    /// The bank refused.
    Failed,
    /// Paid, not verified.
    Paid,
    /// Paid and verified.
    Verified,
    /// Not verified in time: the payer has the money back.
    SentBack,
    /// Verified, and reversed or refunded.
    Returned,
}

/// One page.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// Where it is.
    pub stage: Stage,
    /// In rials.
    pub amount: i64,
    /// The merchant's own reference, as the gateway was told.
    pub client_ref: String,
    /// Where the payer is sent back to.
    pub callback_url: String,
    /// The gateway's reference of the payment.
    pub reference: i64,
    /// Whether it may be reversed.
    pub reversible: bool,
    /// How often it was verified for the first time.
    pub verified: usize,
    /// How often it was to be verified.
    pub asked: usize,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
}

/// All pages of a gateway.
pub struct Books {
    pages: BTreeMap<String, Sheet>,
    /// How far the gateway's clock is ahead of this machine's: tests let time pass here.
    ahead: TimeDelta,
    verify_within: TimeDelta,
    page_life: TimeDelta,
}

impl Books {
    /// Empty ones of a gateway with these times.
    pub fn new(page_life: TimeDelta, verify_within: TimeDelta) -> Self {
        Self { pages: BTreeMap::new(), ahead: TimeDelta::zero(), verify_within, page_life }
    }

    /// The gateway's time.
    pub fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.ahead
    }

    /// Lets time pass at the gateway.
    pub fn pass(&mut self, time: TimeDelta) {
        self.ahead += time;
    }

    /// How many pages there are.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The names of all pages, in order.
    pub fn authorities(&self) -> Vec<String> {
        self.pages.keys().cloned().collect()
    }

    pub(super) fn open(&mut self, authority: &str, amount: i64, client_ref: &str, callback: &str) {
        let reference = 201_000_000 + i64::try_from(self.pages.len()).expect("few pages");
        let sheet = Sheet {
            stage: Stage::Open,
            amount,
            client_ref: client_ref.to_owned(),
            callback_url: callback.to_owned(),
            reference,
            reversible: false,
            verified: 0,
            asked: 0,
            opened_at: self.now(),
            paid_at: None,
        };
        self.pages.insert(authority.to_owned(), sheet);
    }

    /// A page as it is by now.
    ///
    /// # Panics
    /// There is none of this name.
    pub fn page(&mut self, authority: &str) -> &mut Sheet {
        self.find(authority).expect("a page of this name")
    }

    /// A page as it is by now, if there is one of this name.
    pub fn find(&mut self, authority: &str) -> Option<&mut Sheet> {
        let (now, within, life) = (self.now(), self.verify_within, self.page_life);
        let sheet = self.pages.get_mut(authority)?;
        let late = |since: DateTime<Utc>, time| now - since > time;
        match sheet.stage {
            Stage::Paid if sheet.paid_at.is_some_and(|at| late(at, within)) => {
                sheet.stage = Stage::SentBack;
            }
            Stage::Open if late(sheet.opened_at, life) => sheet.stage = Stage::Failed,
            _ => {}
        }
        Some(sheet)
    }

    /// The payer pays; says whether the page still takes it.
    ///
    /// # Panics
    /// There is no page of this name.
    pub fn pay(&mut self, authority: &str) -> bool {
        let now = self.now();
        let sheet = self.page(authority);
        let fine = sheet.stage == Stage::Open;
        if fine {
            (sheet.stage, sheet.paid_at) = (Stage::Paid, Some(now));
        }
        fine
    }

    /// The payer turns back, unless it is too late for that.
    ///
    /// # Panics
    /// There is no page of this name.
    pub fn cancel(&mut self, authority: &str) {
        let sheet = self.page(authority);
        if sheet.stage == Stage::Open {
            sheet.stage = Stage::Cancelled;
        }
    }

    /// Verifies what was paid; true the first time.
    pub(super) fn verify(&mut self, authority: &str) -> bool {
        let sheet = self.page(authority);
        let first = sheet.stage == Stage::Paid;
        if first {
            sheet.stage = Stage::Verified;
            sheet.verified += 1;
        }
        first
    }

    /// Pages that were paid and not verified.
    pub(super) fn unverified(&mut self) -> Vec<(String, Sheet)> {
        let names = self.authorities();
        let pages = names.into_iter().map(|name| {
            let sheet = self.page(&name).clone();
            (name, sheet)
        });
        pages.filter(|(_, sheet)| sheet.stage == Stage::Paid).collect()
    }

    /// The page with this reference.
    pub(super) fn by_reference(&mut self, reference: i64) -> Option<&mut Sheet> {
        self.pages.values_mut().find(|sheet| sheet.reference == reference)
    }

    /// The rials that were verified and not given back.
    pub fn captured(&self) -> i64 {
        let kept = self.pages.values().filter(|sheet| sheet.stage == Stage::Verified);
        kept.map(|sheet| sheet.amount).sum()
    }
}
