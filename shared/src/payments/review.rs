//! What staff do with a payment: have it looked at now, and decide what nobody else can.

use super::{
    Payments, State,
    look::Look,
    settle::{Credit, Told},
    store,
    verify::Back,
};
use crate::{
    admin::Acting,
    audit::{self, Entry, Subject},
    telemetry::PAYMENTS_SETTLED,
};

/// Why a person's decision is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// There is no such payment.
    #[error("no such payment")]
    NoSuchPayment,
    /// It does not wait for a person: it is in this state.
    #[error("the payment does not wait for a person")]
    NotWaiting(State),
    /// A person may not decide for this state.
    #[error("that is no decision")]
    NoDecision,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Payments {
    /// Has every page of a payment looked at now, as if somebody had come back from it; `None`: there
    /// is no such payment.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn look_by_hand(
        &self,
        acting: &Acting,
        id: i64,
        waiter: Option<&str>,
    ) -> Result<Option<Back>, sqlx::Error> {
        let Some(view) = store::verify::view(&self.pool, id).await? else { return Ok(None) };
        let gateway = store::review::gateway(&self.pool, id).await?;
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let entry = Entry::new(&acting.source, "payment.looked", subject(id))
            .with("state", view.state.as_str());
        audit::record(&mut tx, &entry, now).await?;
        let looking = store::verify::make_due(&mut tx, id, now, waiter).await?;
        if looking {
            store::verify::want_looks(&mut tx, id, self.first_look(&gateway)).await?;
        }
        tx.commit().await?;
        Ok(Some(Back { id, looking }))
    }

    /// How to look at a page of which nobody said that it was paid.
    pub(super) fn first_look(&self, gateway: &str) -> Look {
        let can = self.gateways.get(gateway).map(super::gateways::Guarded::capabilities);
        match can {
            Some(can) if !can.inquiry && !can.needs_reference => Look::Verify,
            _ => Look::Inquire,
        }
    }

    /// A person decides what became of a payment that nobody else can say anything of; the ledger and
    /// the world hear of it as of any other. The note stays with the payment.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn decide_by_hand(
        &self,
        acting: &Acting,
        id: i64,
        state: State,
        note: &str,
    ) -> Result<(), ReviewError> {
        if !State::NeedsReview.can_become(state) {
            return Err(ReviewError::NoDecision);
        }
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let Some(row) = store::review::decide(&mut tx, id, state, note, now).await? else {
            let found = store::verify::view(&self.pool, id).await?;
            return Err(match found {
                Some(view) => ReviewError::NotWaiting(view.state),
                None => ReviewError::NoSuchPayment,
            });
        };
        let entry = Entry::new(&acting.source, "payment.settled", subject(id))
            .with("state", state.as_str())
            .with("reason", row.reason.as_deref().unwrap_or_default());
        audit::record(&mut tx, &entry, now).await?;
        let told = Told {
            id,
            user_id: row.user_id,
            order_id: &row.order_id,
            state,
            amount_rials: row.amount_rials,
            currency: &row.currency,
            gateway: &row.gateway,
            purpose: row.purpose,
            ref_id: row.gateway_ref_id,
        };
        self.tell(&mut tx, &told).await?;
        if state == State::Paid {
            let credit = Credit {
                id,
                user_id: row.user_id,
                gateway: &row.gateway,
                order_id: &row.order_id,
                purpose: row.purpose,
                amount_rials: row.amount_rials,
            };
            self.credit_by_hand(&mut tx, &credit, now).await?;
        }
        tx.commit().await?;
        PAYMENTS_SETTLED.with_label_values(&[&*row.gateway, state.as_str()]).inc();
        tracing::info!(payment.id = id, state = state.as_str(), "a person has decided");
        Ok(())
    }
}

const fn subject(id: i64) -> Subject {
    Subject { kind: "payment", id: Some(id) }
}
