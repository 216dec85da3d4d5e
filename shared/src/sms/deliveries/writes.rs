//! The statements of the protocol that share commits.

use std::time::Duration;

use sqlx::PgConnection;

use super::{
    Claim,
    attempts::{Action, Settlement},
};
use crate::{
    batch::BatchWrite,
    clock::SharedClock,
    config::QuietHours,
    sms::{
        events::{self, Moment},
        store,
    },
    webhooks::Outbox,
};

/// The beginning of a call, to be written.
#[derive(Debug)]
pub(in crate::sms) struct Start {
    pub(in crate::sms) id: i64,
    pub(in crate::sms) attempt: i32,
    pub(in crate::sms) provider: String,
    pub(in crate::sms) action: Action,
}

/// The end of an attempt, to be written.
#[derive(Debug)]
pub(in crate::sms) struct Settle {
    pub(in crate::sms) id: i64,
    pub(in crate::sms) attempt: i32,
    pub(in crate::sms) settlement: Settlement,
}

pub(super) struct Claims {
    pub(super) clock: SharedClock,
    pub(super) lease: Duration,
    pub(super) quiet_hours: Option<QuietHours>,
}

/// A call may begin late, after a look-up or behind others of its group: the lease is made to
/// cover it.
pub(super) struct Starts {
    pub(super) lease: Duration,
}

pub(super) struct Settlements {
    pub(super) outbox: Outbox,
}

/// A claim that is written twice, because its first answer was lost, finds nothing to claim: the row
/// comes back when its lease runs out.
impl BatchWrite for Claims {
    const NAME: &'static str = "claim";

    type Item = i64;
    type Answer = Option<Claim>;
    type Key = i64;

    fn key(&self, id: &i64) -> i64 {
        *id
    }

    fn is_one_statement(&self) -> bool {
        true
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        ids: &[i64],
    ) -> Result<Vec<Option<Claim>>, sqlx::Error> {
        let now = self.clock.now();
        let quiet = self.quiet_hours.is_some_and(|hours| hours.at(now).is_some());
        let mut claims = store::claim(connection, ids, self.lease, now, quiet).await?;
        Ok(ids.iter().map(|id| claims.remove(id)).collect())
    }
}

impl BatchWrite for Starts {
    const NAME: &'static str = "start_call";

    type Item = Start;
    type Answer = bool;
    type Key = i64;

    fn key(&self, start: &Start) -> i64 {
        start.id
    }

    fn is_one_statement(&self) -> bool {
        true
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        starts: &[Start],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let started = store::start_calls(connection, starts, self.lease).await?;
        Ok(starts.iter().map(|start| started.contains(&start.id)).collect())
    }
}

impl BatchWrite for Settlements {
    const NAME: &'static str = "settle";

    type Item = Settle;
    type Answer = bool;
    type Key = i64;

    fn key(&self, settle: &Settle) -> i64 {
        settle.id
    }

    /// Unless somebody wants to be told.
    fn is_one_statement(&self) -> bool {
        !self.outbox.wants(Moment::Settled.kinds())
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        settlements: &[Settle],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let settled = store::settle(connection, settlements).await?;
        let over =
            |settle: &&Settle| settle.settlement.next.is_last() && settled.contains(&settle.id);
        let over: Vec<_> = settlements.iter().filter(over).map(|settle| settle.id).collect();
        events::tell(connection, &self.outbox, &over, Moment::Settled).await?;
        Ok(settlements.iter().map(|settle| settled.contains(&settle.id)).collect())
    }
}
