//! What an attempt to give money back leaves behind: one transaction.

use serde_json::Value;
use sqlx::PgConnection;

use super::{
    Paid, Standing, Way,
    perform::Claim,
    plan::{End, pause},
};
use crate::{
    payments::{Payments, gateways::Said, settle::Told, store::returns as store},
    telemetry::PAYMENT_RETURNS,
    wallets::Posted,
    webhooks::events::Kind,
};

impl Payments {
    /// Writes the end of an attempt; `false`: it was not this one's any more.
    pub(super) async fn settle_return(&self, claim: &Claim, end: End) -> Result<bool, sqlx::Error> {
        match end {
            End::Later { in_doubt, code } => {
                let pause = pause(claim.attempt, claim.action, in_doubt);
                PAYMENT_RETURNS.with_label_values(&[claim.gateway.as_str(), "later"]).inc();
                store::put_off(&self.pool, claim, in_doubt, &code, pause).await
            }
            End::Done(said) => self.end_return(claim, Standing::Done, None, said).await,
            End::Refused(code, said) => {
                self.end_return(claim, Standing::Refused, Some(code), said).await
            }
            End::Unknown(code) => self.end_return(claim, Standing::Unknown, Some(code), None).await,
        }
    }

    async fn end_return(
        &self,
        claim: &Claim,
        standing: Standing,
        code: Option<String>,
        said: Option<Said>,
    ) -> Result<bool, sqlx::Error> {
        let now = self.now();
        let mut tx = self.pool.begin().await?;
        // Whoever asks for a return locks the payment first, too.
        let Some(paid) = store::lock_payment(&mut tx, claim.payment_id).await? else {
            return Ok(false);
        };
        let answer = said.map(|said| said.answer).filter(|answer| *answer != Value::Null);
        if !store::end(&mut tx, claim, standing, code.as_deref(), answer, now).await? {
            return Ok(false);
        }
        match standing {
            Standing::Done => self.take_back(&mut tx, claim, &paid).await?,
            Standing::Refused => {
                let again = paid.posting(claim.id, claim.action, Way::Again);
                let posted = self.post(&mut tx, &again, now).await?;
                if !matches!(posted, Posted::Done(_)) {
                    return Err(sqlx::Error::RowNotFound);
                }
            }
            Standing::Unknown | Standing::Asked => {
                let event = paid.told().as_event(Kind::PaymentNeedsReview);
                self.outbox.emit(&mut tx, &[event]).await?;
            }
        }
        tx.commit().await?;
        log(claim, standing, code.as_deref());
        Ok(true)
    }

    async fn take_back(
        &self,
        connection: &mut PgConnection,
        claim: &Claim,
        paid: &Paid,
    ) -> Result<(), sqlx::Error> {
        let next = claim.action.state();
        if !store::change_state(connection, paid.id, next, self.now()).await? {
            tracing::error!(payment.id = paid.id, state = paid.state.as_str(), "not paid any more");
        }
        self.tell(connection, &Told { state: next, ..paid.told() }).await
    }
}

impl Paid {
    fn told(&self) -> Told<'_> {
        Told {
            id: self.id,
            user_id: self.user_id,
            order_id: &self.order_id,
            state: self.state,
            amount_rials: self.amount_rials,
            currency: &self.currency,
            gateway: &self.gateway,
            purpose: self.purpose,
            ref_id: self.ref_id,
        }
    }
}

fn log(claim: &Claim, standing: Standing, code: Option<&str>) {
    let (gateway, outcome) = (claim.gateway.as_str(), standing.as_str());
    PAYMENT_RETURNS.with_label_values(&[gateway, outcome]).inc();
    let (id, payment_id, action) = (claim.id, claim.payment_id, claim.action.as_str());
    if standing == Standing::Unknown {
        tracing::error!(
            return_id = id,
            payment.id = payment_id,
            gateway,
            action,
            code,
            "nobody can say whether the money went back: a person has to look"
        );
    } else {
        tracing::info!(
            return_id = id,
            payment.id = payment_id,
            gateway,
            action,
            outcome,
            code,
            "return"
        );
    }
}
