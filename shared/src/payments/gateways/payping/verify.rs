//! Verifying under one reference, and what an answer has to name to be about our payment.

use serde_json::{Map, Value};

use super::{
    super::{
        Page, PaymentGateway, Receipt, Said, Standing, Verified, exchange::NoAnswer,
        fields::is_hash,
    },
    PayPing,
    answers::{Members, Refusal},
    codes::{self, Class},
};
use crate::payments::cards::mask_pan;

impl PayPing {
    pub(super) async fn verify_once(&self, page: &Page, tomans: i64, reference: i64) -> Verified {
        let body = Map::from_iter([
            ("paymentRefId".to_owned(), reference.into()),
            ("paymentCode".to_owned(), page.authority.clone().into()),
            ("amount".to_owned(), tomans.into()),
        ]);
        let reply = match self.api.post(&["v3", "pay", "verify"], &Value::Object(body)).await {
            Ok(reply) => reply,
            Err(none) => return none.into(),
        };
        if let Some(said) = self.locked_out(&reply) {
            return Verified::Account(said);
        }
        match (reply.status, Refusal::parse(&reply)) {
            (200, None) => match Members::of(&reply.body) {
                Some(payment) => self.fresh(page, (tomans, reference), &payment),
                None => NoAnswer::unreadable(&reply).into(),
            },
            (_, Some(refusal)) if codes::class(refusal.code) == Class::Already => {
                self.already(page, (tomans, reference), refusal).await
            }
            (_, Some(refusal)) => {
                let said = self.record.said(refusal.code, &refusal.message, &refusal.whole);
                codes::unpaid(refusal.code, said)
            }
            // "Do not let the payer pay again, ask again."
            (status @ (202 | 502), None) => {
                Verified::Processing(self.noted(&format!("http_{status}"), &Value::Null))
            }
            (_, None) => NoAnswer::unreadable(&reply).into(),
        }
    }

    /// A first answer. PayPing has verified what it names, so what is not ours in it is for a person.
    fn fresh(&self, page: &Page, told: (i64, i64), payment: &Members) -> Verified {
        let said = self.record.said(200, "", &payment.whole());
        match compare(page, told, payment) {
            Compared::Ours => Verified::Paid(Self::receipt(told.1, payment, said)),
            Compared::Unnamed => Verified::Unknown(self.noted("fields", &payment.whole())),
            Compared::Amount => Verified::Mismatch(self.noted("amount", &payment.whole())),
            Compared::Another(what) => Verified::Mismatch(self.noted(what, &payment.whole())),
        }
    }

    /// It was verified before. Anybody can bring the reference of a payment that was, so another
    /// payment's says nothing about ours.
    async fn already(&self, page: &Page, told: (i64, i64), refusal: Refusal) -> Verified {
        let said = self.record.said(refusal.code, &refusal.message, &refusal.whole);
        let unnamed = Members::default();
        let payment = refusal.payment.as_ref().unwrap_or(&unnamed);
        match compare(page, told, payment) {
            Compared::Ours => {
                let receipt = Self::receipt(told.1, payment, said);
                Verified::Paid(Receipt { already: true, ..receipt })
            }
            Compared::Amount => Verified::Mismatch(self.noted("amount", &refusal.whole)),
            Compared::Another(what) => Verified::NotFound(self.noted(what, &refusal.whole)),
            // It does not say which: its report may.
            Compared::Unnamed => match self.inquire(page).await {
                Ok(Standing::Verified(ref_id)) if ref_id == Some(told.1) => {
                    Verified::Paid(Receipt {
                        ref_id,
                        card_pan: None,
                        card_hash: None,
                        already: true,
                        said,
                    })
                }
                _ => Verified::Unknown(said),
            },
        }
    }

    fn receipt(reference: i64, payment: &Members, said: Said) -> Receipt {
        Receipt {
            ref_id: Some(reference),
            card_pan: payment.text("cardNumber").and_then(|pan| mask_pan(&pan)),
            card_hash: payment.text("cardHashPan").filter(|hash| is_hash(hash)),
            already: false,
            said,
        }
    }
}

/// What an answer that claims a payment names.
enum Compared {
    /// Our page, with our amount.
    Ours,
    /// Our page, with another amount.
    Amount,
    /// Another page, another reference: a word for which.
    Another(&'static str),
    /// Too little to tell.
    Unnamed,
}

fn compare(page: &Page, (tomans, reference): (i64, i64), payment: &Members) -> Compared {
    let code = ["code", "paymentCode"].into_iter().find_map(|name| payment.text(name));
    let client_ref = payment.text("clientRefId");
    let unnamed = code.is_none() && client_ref.is_none();
    if code.is_some_and(|code| code != page.authority) {
        return Compared::Another("code");
    }
    if client_ref.is_some_and(|client_ref| client_ref != page.client_ref) {
        return Compared::Another("client_ref");
    }
    if payment.number("paymentRefId").is_some_and(|number| number != reference) {
        return Compared::Another("reference");
    }
    match payment.number("amount") {
        _ if unnamed => Compared::Unnamed,
        None => Compared::Unnamed,
        Some(amount) if amount != tomans => Compared::Amount,
        Some(_) => Compared::Ours,
    }
}
