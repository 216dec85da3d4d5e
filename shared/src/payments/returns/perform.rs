//! Asks a gateway to give money back: claim, call, settle.

use chrono::{DateTime, Utc};

use super::{
    ASK_FOR, Action, is_late,
    plan::{End, Situation, Step},
};
use crate::{
    jobs::{Backlog, RowId, Tidied},
    money::Rials,
    payments::{
        Payments, client_ref,
        gateways::{self, Guarded, Page, Returned, Unanswered},
        store::returns as store,
    },
};

/// A return that is being worked on.
pub(in crate::payments) struct Claim {
    pub(in crate::payments) id: i64,
    /// Its attempt: settling is conditional on it.
    pub(in crate::payments) attempt: i32,
    pub(in crate::payments) payment_id: i64,
    pub(in crate::payments) session_id: i64,
    pub(in crate::payments) action: Action,
    pub(in crate::payments) in_doubt: bool,
    pub(in crate::payments) note: String,
    pub(in crate::payments) created_at: DateTime<Utc>,
    pub(in crate::payments) paid_at: Option<DateTime<Utc>>,
    pub(in crate::payments) gateway: String,
    pub(in crate::payments) handle: String,
    pub(in crate::payments) authority: String,
    pub(in crate::payments) amount_rials: i64,
    pub(in crate::payments) ref_id: Option<i64>,
    pub(in crate::payments) reply_to: Option<String>,
}

/// A call that was made, for the payment's story.
pub(in crate::payments) struct Called {
    pub(in crate::payments) action: &'static str,
    pub(in crate::payments) outcome: &'static str,
    pub(in crate::payments) code: Option<String>,
    pub(in crate::payments) started_at: DateTime<Utc>,
    pub(in crate::payments) ended_at: DateTime<Utc>,
}

/// A return that was worked on.
#[derive(Debug, Clone)]
pub struct Done {
    /// Who waits for it, if it is over.
    pub reply_to: Option<String>,
}

impl Payments {
    /// Works on one return, if it is due and nobody else's; `None`: nothing was done.
    ///
    /// # Errors
    /// When the database is away; the lease runs out then.
    pub async fn perform_return(&self, id: RowId) -> Result<Option<Done>, sqlx::Error> {
        let lease = self.config.payments.lease();
        let Some(claim) = store::claim(&self.pool, id.0, lease).await? else { return Ok(None) };
        let Some(end) = self.attempt_return(&claim).await? else { return Ok(None) };
        let is_over = !matches!(end, End::Later { .. });
        if !self.settle_return(&claim, end).await? {
            tracing::warn!(return_id = claim.id, "settled too late: the lease was lost");
            return Ok(None);
        }
        Ok(Some(Done { reply_to: claim.reply_to.filter(|_| is_over) }))
    }

    /// `None`: the lease was lost.
    async fn attempt_return(&self, claim: &Claim) -> Result<Option<End>, sqlx::Error> {
        let now = self.now();
        let mut situation = Situation {
            action: claim.action,
            in_doubt: claim.in_doubt,
            inquiry: false,
            late: false,
            over: now - claim.created_at > ASK_FOR,
        };
        let Some(gateway) = self.gateways.get(&claim.gateway) else {
            return Ok(Some(situation.without_gateway()));
        };
        let capabilities = gateway.capabilities();
        situation.inquiry = capabilities.inquiry;
        situation.late = is_late(claim.action, &capabilities, claim.paid_at, now);
        let page = Page {
            authority: claim.authority.clone(),
            amount: Rials::new(claim.amount_rials),
            client_ref: client_ref(&claim.handle, claim.session_id),
            reference: claim.ref_id,
        };
        let mut step = situation.begin();
        if step == Step::Inquire {
            step = situation.after_inquiry(&self.inquire(claim, gateway, &page).await?);
        }
        match step {
            Step::End(end) => Ok(Some(end)),
            Step::Inquire => Ok(None),
            Step::Call => self.call(claim, gateway, &page, situation).await,
        }
    }

    async fn call(
        &self,
        claim: &Claim,
        gateway: &Guarded,
        page: &Page,
        situation: Situation,
    ) -> Result<Option<End>, sqlx::Error> {
        // Whatever happens from here on, the next attempt knows that there was this one.
        if !store::start_call(&self.pool, claim).await? {
            return Ok(None);
        }
        let started_at = self.now();
        let answer = match claim.action {
            Action::Reverse => gateway.reverse(page).await,
            Action::Refund => gateway.refund(page, &claim.note).await,
        };
        let (outcome, code) = described(&answer);
        let called = Called {
            action: claim.action.as_str(),
            outcome,
            code,
            started_at,
            ended_at: self.now(),
        };
        store::record_call(&self.pool, claim, &called).await?;
        Ok(Some(match situation.after_call(answer) {
            Step::End(end) => end,
            Step::Inquire | Step::Call => {
                situation.after_already(&self.inquire(claim, gateway, page).await?)
            }
        }))
    }

    async fn inquire(
        &self,
        claim: &Claim,
        gateway: &Guarded,
        page: &Page,
    ) -> Result<Result<gateways::Standing, Unanswered>, sqlx::Error> {
        let started_at = self.now();
        let answer = gateway.inquire(page).await;
        let outcome = match &answer {
            Ok(standing) => standing_word(standing),
            Err(_) => "unanswered",
        };
        let (action, ended_at) = ("inquire", self.now());
        let called = Called { action, outcome, code: None, started_at, ended_at };
        store::record_call(&self.pool, claim, &called).await?;
        Ok(answer)
    }

    /// Takes back the leases of workers that died.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn tidy_returns(&self) -> Result<Tidied, sqlx::Error> {
        Ok(Tidied { expired: 0, reclaimed: store::reclaim(&self.pool).await? })
    }

    /// Marks up to `room` due returns as pushed and gives them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take_due_returns(&self, room: i64) -> Result<Vec<RowId>, sqlx::Error> {
        Ok(store::take_due(&self.pool, room).await?.into_iter().map(RowId).collect())
    }

    /// The returns that are due.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn return_backlog(&self) -> Result<Backlog, sqlx::Error> {
        store::backlog(&self.pool).await
    }
}

impl Situation {
    /// The gateway is not configured any more: somebody may put it back.
    fn without_gateway(self) -> End {
        match self.after_call(Err(Unanswered::Unavailable("breaker".to_owned()))) {
            Step::End(end) => end,
            Step::Inquire | Step::Call => End::Unknown("no_gateway".to_owned()),
        }
    }
}

const fn standing_word(standing: &gateways::Standing) -> &'static str {
    match standing {
        gateways::Standing::Open => "open",
        gateways::Standing::Paid(_) => "paid",
        gateways::Standing::Verified(_) => "verified",
        gateways::Standing::Failed => "failed",
        gateways::Standing::Cancelled => "cancelled",
        gateways::Standing::Reversed => "reversed",
        gateways::Standing::NotFound => "not_found",
    }
}

fn described(answer: &Result<Returned, Unanswered>) -> (&'static str, Option<String>) {
    let (outcome, said) = match answer {
        Ok(Returned::Done(said)) => ("done", said),
        Ok(Returned::Already(said)) => ("already", said),
        Ok(Returned::Refused(said)) => ("refused", said),
        Ok(Returned::Unknown(said)) => ("unknown", said),
        Ok(Returned::RetryLater(said)) => ("retry_later", said),
        Err(Unanswered::Unsupported) => return ("unsupported", None),
        Err(Unanswered::Unavailable(code)) => return ("unavailable", Some(code.clone())),
    };
    (outcome, Some(super::word(said)))
}
