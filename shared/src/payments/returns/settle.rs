//! What an attempt to give money back leaves behind: one transaction.

use serde_json::Value;
use sqlx::PgConnection;

use super::{
    Action, Paid, ReturnError, Standing, Way,
    perform::Claim,
    plan::{End, pause},
};
use crate::{
    audit::{self, Entry, Source, Subject},
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
        self.follow(&mut tx, &paid, (claim.id, claim.action), standing).await?;
        tx.commit().await?;
        log(claim, standing, code.as_deref());
        Ok(true)
    }

    /// A person says what became of money that nobody else can say anything of; gives the return, with
    /// which the note stays.
    ///
    /// # Errors
    /// [`ReturnError::NoSuchPayment`], [`ReturnError::NotWaiting`], or the database's.
    pub async fn decide_return(
        &self,
        source: &Source,
        payment_id: i64,
        went_back: bool,
        note: &str,
    ) -> Result<i64, ReturnError> {
        let now = self.now();
        let standing = if went_back { Standing::Done } else { Standing::Refused };
        let mut tx = self.pool.begin().await?;
        let paid = store::lock_payment(&mut tx, payment_id).await?;
        let paid = paid.ok_or(ReturnError::NoSuchPayment)?;
        let decided = store::decide(&mut tx, payment_id, standing, note, now).await?;
        let (id, action) = decided.ok_or(ReturnError::NotWaiting)?;
        let entry = Entry::new(source, "payment.return_settled", Subject::payment(payment_id))
            .with("return_id", id)
            .with("status", standing.as_str());
        audit::record(&mut tx, &entry, now).await?;
        self.follow(&mut tx, &paid, (id, action), standing).await?;
        tx.commit().await?;
        PAYMENT_RETURNS.with_label_values(&[paid.gateway.as_str(), standing.as_str()]).inc();
        tracing::info!(return_id = id, payment.id = payment_id, ?standing, "a person has decided");
        Ok(id)
    }

    /// What a return's end makes of its payment, which is locked.
    async fn follow(
        &self,
        connection: &mut PgConnection,
        paid: &Paid,
        (id, action): (i64, Action),
        standing: Standing,
    ) -> Result<(), sqlx::Error> {
        match standing {
            Standing::Done => self.take_back(connection, action, paid).await,
            Standing::Refused => {
                let again = paid.posting(id, action, Way::Again);
                match self.post(connection, &again, self.now()).await? {
                    Posted::Done(_) => Ok(()),
                    _ => Err(sqlx::Error::RowNotFound),
                }
            }
            Standing::Unknown | Standing::Asked => {
                let event = paid.told().as_event(Kind::PaymentNeedsReview);
                self.outbox.emit(connection, &[event]).await.map(drop)
            }
        }
    }

    async fn take_back(
        &self,
        connection: &mut PgConnection,
        action: Action,
        paid: &Paid,
    ) -> Result<(), sqlx::Error> {
        let next = action.state();
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
