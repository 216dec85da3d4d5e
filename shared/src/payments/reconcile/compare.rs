//! A payment as its row, its gateway and the ledger have it, compared. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    payments::{Purpose, State, gateways},
    wallets::Account,
};

/// What does not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The gateway has the money, and nobody here was told that it does.
    PaidAtGatewayNotHere,
    /// It is paid here, and the gateway does not have it.
    PaidHereNotAtGateway,
    /// The gateway names another amount.
    Amount,
    /// It was paid, or went back, and the ledger does not have that.
    LedgerMissing,
    /// The ledger has another amount, or between other accounts.
    LedgerAmount,
    /// The ledger has a payment that is not paid.
    LedgerWithoutPayment,
    /// The gateway has money for a page that is none of ours.
    UnknownAuthority,
    /// It is paid here, and the gateway gave the money back.
    ReversedAtGateway,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::PaidAtGatewayNotHere,
        Self::PaidHereNotAtGateway,
        Self::Amount,
        Self::LedgerMissing,
        Self::LedgerAmount,
        Self::LedgerWithoutPayment,
        Self::UnknownAuthority,
        Self::ReversedAtGateway,
    ];

    /// The word in reports and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaidAtGatewayNotHere => "paid_at_gateway_not_here",
            Self::PaidHereNotAtGateway => "paid_here_not_at_gateway",
            Self::Amount => "amount",
            Self::LedgerMissing => "ledger_missing",
            Self::LedgerAmount => "ledger_amount",
            Self::LedgerWithoutPayment => "ledger_without_payment",
            Self::UnknownAuthority => "unknown_authority",
            Self::ReversedAtGateway => "reversed_at_gateway",
        }
    }
}

/// One thing that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is.
    pub kind: Kind,
    /// The payment, if it is one of ours.
    pub payment_id: Option<i64>,
    /// The gateway's page, where it is about one.
    pub authority: Option<String>,
    /// What our row says, in rials.
    pub here_rials: Option<i64>,
    /// What the other side says, in rials.
    pub there_rials: Option<i64>,
}

/// A page of a payment's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::payments) struct Page {
    pub(in crate::payments) id: i64,
    pub(in crate::payments) authority: String,
}

/// A payment with what the ledger has of it.
#[derive(Debug, Clone)]
pub(in crate::payments) struct Compared {
    pub(in crate::payments) id: i64,
    pub(in crate::payments) handle: String,
    pub(in crate::payments) user_id: i64,
    pub(in crate::payments) state: State,
    pub(in crate::payments) purpose: Purpose,
    pub(in crate::payments) gateway: String,
    pub(in crate::payments) amount_rials: i64,
    pub(in crate::payments) ref_id: Option<i64>,
    pub(in crate::payments) paid_session_id: Option<i64>,
    /// It was paid where it was imported from: what it brought is in an opening balance.
    pub(in crate::payments) imported: bool,
    pub(in crate::payments) pages: Vec<Page>,
    /// Its transaction: what each account got.
    pub(in crate::payments) ledger: BTreeMap<String, i64>,
    /// What went back to the gateway.
    pub(in crate::payments) returned_rials: i64,
    /// Money is on its way back, or nobody knows.
    pub(in crate::payments) returning: bool,
}

impl Compared {
    fn difference(&self, kind: Kind) -> Difference {
        Difference {
            kind,
            payment_id: Some(self.id),
            authority: None,
            here_rials: Some(self.amount_rials),
            there_rials: None,
        }
    }

    /// Whether the row and the ledger agree.
    pub(super) fn with_ledger(&self) -> Option<Difference> {
        let there = self.ledger.values().copied().filter(|amount| *amount > 0).sum();
        let there_rials = (!self.ledger.is_empty()).then_some(there);
        let difference = |kind| Some(Difference { there_rials, ..self.difference(kind) });
        if !self.state.was_paid() {
            return if self.ledger.is_empty() {
                None
            } else {
                difference(Kind::LedgerWithoutPayment)
            };
        }
        if self.ledger.is_empty() && !self.imported {
            return difference(Kind::LedgerMissing);
        }
        if !self.ledger.is_empty() && self.ledger != self.expected() {
            return difference(Kind::LedgerAmount);
        }
        let went_back = match self.state {
            State::Reversed | State::Refunded => self.amount_rials,
            _ => 0,
        };
        if self.returning || self.returned_rials == went_back {
            return None;
        }
        // One that went back where it was imported from.
        if self.imported && self.returned_rials == 0 {
            return None;
        }
        let there_rials = Some(self.returned_rials);
        let missing = self.returned_rials == 0;
        let kind = if missing { Kind::LedgerMissing } else { Kind::LedgerAmount };
        Some(Difference { there_rials, ..self.difference(kind) })
    }

    fn expected(&self) -> BTreeMap<String, i64> {
        let holder = match self.purpose {
            Purpose::ChargeWallet => Account::Wallet(self.user_id),
            Purpose::PayOnly => Account::Sales,
        };
        let gateway = Account::Gateway(self.gateway.clone());
        [(holder.name(), self.amount_rials), (gateway.name(), -self.amount_rials)].into()
    }

    /// Whether the row and what the gateway says of one of its pages agree.
    pub(super) fn with_gateway(
        &self,
        page: &Page,
        standing: &gateways::Standing,
    ) -> Option<Difference> {
        let is_the_paid_one = self.state.was_paid() && self.paid_session_id == Some(page.id);
        let kind = if is_the_paid_one { self.of_paid(standing) } else { self.of_other(standing) };
        let authority = Some(page.authority.clone());
        kind.map(|kind| Difference { authority, ..self.difference(kind) })
    }

    /// Of the page that was paid.
    fn of_paid(&self, standing: &gateways::Standing) -> Option<Kind> {
        let reversed = self.state == State::Reversed;
        match standing {
            gateways::Standing::Verified(_) => reversed.then_some(Kind::PaidAtGatewayNotHere),
            gateways::Standing::Reversed => {
                (self.state == State::Paid && !self.returning).then_some(Kind::ReversedAtGateway)
            }
            _ => (!reversed).then_some(Kind::PaidHereNotAtGateway),
        }
    }

    /// Of any other page.
    fn of_other(&self, standing: &gateways::Standing) -> Option<Kind> {
        match standing {
            gateways::Standing::Verified(_) => Some(Kind::PaidAtGatewayNotHere),
            // Of what is paid a second page goes back by itself: it is never verified.
            gateways::Standing::Paid(_) => {
                (!self.state.was_paid()).then_some(Kind::PaidAtGatewayNotHere)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(state: State) -> Compared {
        let ledger = if state.was_paid() {
            [("wallet:17".to_owned(), 1_000), ("gateway:zarinpal".to_owned(), -1_000)].into()
        } else {
            BTreeMap::new()
        };
        let went_back = matches!(state, State::Reversed | State::Refunded);
        Compared {
            id: 41,
            handle: String::new(),
            user_id: 17,
            state,
            purpose: Purpose::ChargeWallet,
            gateway: "zarinpal".to_owned(),
            amount_rials: 1_000,
            ref_id: None,
            paid_session_id: state.was_paid().then_some(1),
            imported: false,
            pages: Vec::new(),
            ledger,
            returned_rials: if went_back { 1_000 } else { 0 },
            returning: false,
        }
    }

    fn ledger(compared: &Compared) -> Option<Kind> {
        compared.with_ledger().map(|difference| difference.kind)
    }

    #[test]
    fn what_is_as_it_should_be_is_no_difference() {
        for state in State::ALL {
            assert_eq!(ledger(&compared(state)), None, "{state:?}");
        }
    }

    #[test]
    fn the_ledger_has_what_was_paid_and_nothing_else() {
        for state in [State::Paid, State::Refunded] {
            let missing = Compared { ledger: BTreeMap::new(), ..compared(state) };
            assert_eq!(ledger(&missing), Some(Kind::LedgerMissing));
            let imported = Compared { imported: true, returned_rials: 0, ..missing };
            assert_eq!(ledger(&imported), None, "an opening balance has it");
        }
        let paid = compared(State::Paid);
        let tenfold = paid.ledger.iter().map(|(name, amount)| (name.clone(), amount * 10));
        let tenfold = Compared { ledger: tenfold.collect(), ..paid.clone() };
        assert_eq!(ledger(&tenfold), Some(Kind::LedgerAmount));
        let elsewhere = Compared { user_id: 18, ..paid.clone() };
        assert_eq!(ledger(&elsewhere), Some(Kind::LedgerAmount), "another wallet");
        let unpaid = Compared { ledger: paid.ledger, ..compared(State::Cancelled) };
        assert_eq!(ledger(&unpaid), Some(Kind::LedgerWithoutPayment));
    }

    #[test]
    fn what_went_back_left_the_ledger_and_what_did_not_is_there() {
        let kept = Compared { returned_rials: 0, ..compared(State::Reversed) };
        assert_eq!(ledger(&kept), Some(Kind::LedgerMissing));
        let gone = Compared { returned_rials: 1_000, ..compared(State::Paid) };
        assert_eq!(ledger(&gone), Some(Kind::LedgerAmount));
        let going = Compared { returning: true, ..gone };
        assert_eq!(ledger(&going), None);
    }

    #[test]
    fn gateway_and_row_agree_or_the_difference_has_a_name() {
        use gateways::Standing::{Cancelled, Failed, NotFound, Open, Paid, Reversed, Verified};
        let paid_page = Page { id: 1, authority: "A1".to_owned() };
        let said = |state, standing: &gateways::Standing| {
            let difference = compared(state).with_gateway(&paid_page, standing);
            difference.map(|difference| difference.kind)
        };
        for state in [State::Paid, State::Refunded] {
            assert_eq!(said(state, &Verified(None)), None);
            for not in [Open, Failed, Cancelled, NotFound, Paid(None)] {
                assert_eq!(said(state, &not), Some(Kind::PaidHereNotAtGateway), "{not:?}");
            }
        }
        assert_eq!(said(State::Paid, &Reversed), Some(Kind::ReversedAtGateway));
        assert_eq!(said(State::Reversed, &Reversed), None);
        assert_eq!(said(State::Reversed, &Verified(None)), Some(Kind::PaidAtGatewayNotHere));
        let open = [State::Created, State::Redirected, State::Verifying, State::NeedsReview];
        let over = [State::Expired, State::Failed, State::Cancelled];
        for state in open.into_iter().chain(over) {
            for paid in [Paid(None), Verified(None)] {
                assert_eq!(said(state, &paid), Some(Kind::PaidAtGatewayNotHere), "{state:?}");
            }
            for not in [Open, Failed, Cancelled, NotFound, Reversed] {
                assert_eq!(said(state, &not), None, "{state:?}");
            }
        }
        let second = Page { id: 2, authority: "A2".to_owned() };
        let paid = compared(State::Paid);
        assert_eq!(paid.with_gateway(&second, &Paid(None)), None);
        assert!(paid.with_gateway(&second, &Verified(None)).is_some(), "it was paid twice");
    }

    #[test]
    fn words_are_those_of_the_report() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
