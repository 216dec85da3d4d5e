//! The watcher: payers who paid and never came back are found by asking the gateway.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::{
    Payments, State,
    gateways::Unverified,
    look::Look,
    settle::Told,
    store::{self, watch::Waiting},
};
use crate::{jobs::RowId, telemetry::PAYMENTS_SETTLED};

/// Payments that one step of the watcher makes due.
const STEP: i64 = 500;

/// What a gateway's list of unverified payments came to.
#[derive(Debug, Default, Clone)]
pub struct Listed {
    /// Those that are looked at now.
    pub due: Vec<RowId>,
    /// How many a person has to look at.
    pub to_review: usize,
}

impl Payments {
    /// Makes payments due whose payer has not come back for a while, and those whose time is over:
    /// one step; fewer than that many are all there were.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn watch(&self) -> Result<Vec<RowId>, sqlx::Error> {
        let now = self.clock.now();
        let watch = self.watch_rules();
        let due = store::watch::make_due(&self.pool, now, &watch, STEP).await?;
        Ok(due.into_iter().map(RowId).collect())
    }

    /// Whether a step of the watcher may have left some.
    pub fn has_more(due: &[RowId]) -> bool {
        i64::try_from(due.len()).is_ok_and(|due| due >= STEP)
    }

    /// How many payments [`Payments::watch`] would make due in all.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_to_watch(&self) -> Result<i64, sqlx::Error> {
        store::watch::count(&self.pool, self.clock.now(), &self.watch_rules()).await
    }

    fn watch_rules(&self) -> store::watch::Rules {
        let (mut asked, mut verified) = (Vec::new(), Vec::new());
        for gateway in self.gateways.iter() {
            let (can, name) = (gateway.capabilities(), gateway.name().to_owned());
            match self.first_look(&name) {
                Look::Verify => verified.push(name),
                Look::Inquire if can.inquiry => asked.push(name),
                // Nothing can be found out before somebody brings a reference.
                Look::Inquire => {}
            }
        }
        let settings = &self.config.payments;
        let seconds = |seconds: u32| TimeDelta::seconds(i64::from(seconds));
        store::watch::Rules {
            inquire: asked,
            verify: verified,
            after: seconds(settings.watch_after_seconds),
            every: seconds(settings.watch_every_seconds),
        }
    }

    /// Compares a gateway's list of what was paid and not verified with our pages. What is ours is
    /// looked at, whatever was thought of it before; what is ours with another amount is for a person.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hear_unverified(
        &self,
        gateway: &str,
        list: &[Unverified],
    ) -> Result<Listed, sqlx::Error> {
        let amounts: HashMap<_, _> =
            list.iter().map(|one| (one.authority.as_str(), one.amount)).collect();
        let authorities: Vec<_> = amounts.keys().map(|name| (*name).to_owned()).collect();
        let mut listed = Listed::default();
        for waiting in store::watch::waiting(&self.pool, gateway, &authorities).await? {
            let said = amounts.get(waiting.authority.as_str()).map(|amount| amount.get());
            if said == Some(waiting.amount_rials) {
                if store::watch::ask(&self.pool, &waiting).await? {
                    listed.due.push(RowId(waiting.payment_id));
                }
            } else if self.review(&waiting).await? {
                listed.to_review += 1;
            }
        }
        Ok(listed)
    }

    /// The gateway has another amount for a page of ours. It is not verified: the money goes back by
    /// itself.
    async fn review(&self, waiting: &Waiting) -> Result<bool, sqlx::Error> {
        let state = State::NeedsReview;
        if !waiting.state.can_become(state) {
            return Ok(false);
        }
        let (now, reason) = (self.clock.now(), "unverified.amount");
        let mut tx = self.pool.begin().await?;
        let row = store::watch::review(&mut tx, waiting, reason, now).await?;
        let Some(row) = row else { return Ok(false) };
        let told = Told {
            id: waiting.payment_id,
            user_id: row.user_id,
            order_id: &row.order_id,
            state,
            amount_rials: waiting.amount_rials,
            currency: &row.currency,
            gateway: &row.gateway,
            purpose: row.purpose,
            ref_id: None,
        };
        self.tell(&mut tx, &told).await?;
        tx.commit().await?;
        PAYMENTS_SETTLED.with_label_values(&[&*row.gateway, state.as_str()]).inc();
        tracing::error!(payment.id = waiting.payment_id, reason, "a person has to look");
        Ok(true)
    }
}
