//! The statements of payments that share commits: those that every payment takes.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{
    NewPayment, OpenPage,
    look::Look,
    settle::{Settled, Settlements},
    store,
    verify::{Claim, Looked},
};
use crate::{
    batch::{BatchWrite, Batcher},
    clock::SharedClock,
};

/// Where they go in.
#[derive(Clone)]
pub(super) struct Writes {
    pub(super) begins: Batcher<Begins>,
    pub(super) opens: Batcher<Opens>,
    pub(super) asks: Batcher<Asks>,
    pub(super) claims: Batcher<Claims>,
    pub(super) settlements: Batcher<Settlements>,
}

impl Writes {
    pub(super) fn start(
        pool: &PgPool,
        clock: SharedClock,
        lease: Duration,
        settlements: Settlements,
    ) -> Self {
        Self {
            begins: Batcher::start(Begins, pool, 1),
            opens: Batcher::start(Opens, pool, 1),
            asks: Batcher::start(Asks { clock }, pool, 1),
            claims: Batcher::start(Claims { lease }, pool, 1),
            settlements: Batcher::start(settlements, pool, 1),
        }
    }
}

/// A payment to write down, with its first page.
pub(super) struct Begin {
    pub(super) handle: String,
    pub(super) new: NewPayment,
    pub(super) now: DateTime<Utc>,
    pub(super) watch_until: DateTime<Utc>,
}

/// Payments that begin; the ids of the payment and the page. `None`: the account is not active.
pub(super) struct Begins;

impl BatchWrite for Begins {
    const NAME: &'static str = "begin_payment";

    type Item = Begin;
    type Answer = Option<(i64, i64)>;
    type Key = String;

    fn key(&self, begin: &Begin) -> String {
        begin.handle.clone()
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        begins: &[Begin],
    ) -> Result<Vec<Option<(i64, i64)>>, sqlx::Error> {
        let written = store::create::insert(connection, begins).await?;
        Ok(begins.iter().map(|begin| written.get(&begin.handle).copied()).collect())
    }
}

/// A page that was opened.
pub(super) struct Open {
    pub(super) payment_id: i64,
    pub(super) page_id: i64,
    pub(super) page: OpenPage,
    pub(super) now: DateTime<Utc>,
    pub(super) watch_until: DateTime<Utc>,
}

/// Pages that are there.
pub(super) struct Opens;

/// A page that is written twice is open already the second time.
impl BatchWrite for Opens {
    const NAME: &'static str = "open_page";

    type Item = Open;
    type Answer = ();
    type Key = i64;

    fn key(&self, open: &Open) -> i64 {
        open.payment_id
    }

    fn is_one_statement(&self) -> bool {
        true
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        opens: &[Open],
    ) -> Result<Vec<()>, sqlx::Error> {
        store::create::opened(connection, opens).await?;
        Ok(vec![(); opens.len()])
    }
}

/// Somebody came back from a page.
pub(super) struct Ask {
    pub(super) payment_id: i64,
    pub(super) page_id: i64,
    pub(super) look: Look,
    pub(super) reference: Option<i64>,
    pub(super) waiter: Option<String>,
    /// Tells it from others about the payment.
    pub(super) number: u64,
}

/// Payments that somebody wants looked at; whether each is, for what was paid is not.
pub(super) struct Asks {
    clock: SharedClock,
}

/// Who is written down twice asks twice, and is told twice. Many may come back from one page at once:
/// they share a batch, in which its payment is locked once.
impl BatchWrite for Asks {
    const NAME: &'static str = "ask_payment";

    type Item = Ask;
    type Answer = bool;
    type Key = (i64, u64);

    fn key(&self, ask: &Ask) -> (i64, u64) {
        (ask.payment_id, ask.number)
    }

    fn is_one_statement(&self) -> bool {
        true
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        asks: &[Ask],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let due = store::verify::ask(connection, asks, self.clock.now()).await?;
        Ok(asks.iter().map(|ask| due.contains(&ask.payment_id)).collect())
    }
}

/// Payments to look at.
pub(super) struct Claims {
    lease: Duration,
}

/// The second statement only reads. If it fails, or its answer is lost, a repetition finds nothing to
/// claim, and the rows come back when their leases run out.
impl BatchWrite for Claims {
    const NAME: &'static str = "claim_payment";

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
        let mut claims = store::verify::claim(connection, ids, self.lease).await?;
        Ok(ids.iter().map(|id| claims.remove(id)).collect())
    }
}

/// What a look came to.
#[derive(Clone)]
pub(super) struct Settle {
    pub(super) claim: Arc<Claim>,
    pub(super) looked: Arc<Looked>,
}

impl BatchWrite for Settlements {
    const NAME: &'static str = "settle_payment";

    type Item = Settle;
    type Answer = Settled;
    type Key = i64;

    fn key(&self, settle: &Settle) -> i64 {
        settle.claim.id
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        looks: &[Settle],
    ) -> Result<Vec<Settled>, sqlx::Error> {
        self.settle(connection, looks).await
    }
}
