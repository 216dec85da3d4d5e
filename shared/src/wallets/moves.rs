//! What shops have done with wallets: each is claimed under its idempotency key, posted and answered,
//! and those of the same moment share a commit.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Account, Kind, Posted, Posting, Wallets,
    holds::{Ended, Hold, HoldState, NewHold},
    post, store,
};
use crate::{
    batch::{BatchWrite, WriteError},
    clock::SharedClock,
    idempotency::{self, Keyed, Standing},
    money::Rials,
    webhooks::Outbox,
};

/// Why a movement is refused. It leaves nothing then, its idempotency key included.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The wallet does not hold that much.
    #[error("insufficient balance")]
    Insufficient,
    /// The wallet would hold more than `wallets.most_rials`.
    #[error("the wallet would hold too much")]
    TooMuch,
    /// There is no such account, or it was erased.
    #[error("no such account")]
    NoSuchUser,
    /// There is no such hold.
    #[error("no such hold")]
    NoSuchHold,
    /// The hold was captured, released or is over.
    #[error("the hold has ended")]
    HoldEnded,
    /// More is to be captured than was held.
    #[error("more than is held")]
    MoreThanHeld,
    /// Something else was asked for under the idempotency key.
    #[error("the idempotency key was used for something else")]
    Mismatch,
    /// The database is away, and nobody knows whether it was done: the same request under the same
    /// key says.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for MoveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Write(error.into())
    }
}

/// What is asked for.
pub(super) enum What {
    /// Between accounts.
    Post(Posting),
    /// Setting aside.
    Hold(NewHold),
    /// Spending what was set aside, all of it unless it says how much.
    Capture(i64, Option<Rials>),
    /// Giving it back.
    Release(i64),
}

/// One caller's part of a batch.
pub(super) struct Move {
    pub(super) keyed: Keyed,
    pub(super) what: What,
}

impl Move {
    /// What it happens once under in the ledger, and what its idempotency key refers to.
    fn key(&self) -> String {
        match &self.what {
            What::Post(posting) => posting.key.clone(),
            What::Hold(new) => format!("hold:{}", new.handle),
            // Two ends of one hold have one key: only one of them happens.
            What::Capture(id, _) | What::Release(id) => end_key(*id),
        }
    }

    fn hold(&self) -> Option<i64> {
        match self.what {
            What::Capture(id, _) | What::Release(id) => Some(id),
            What::Post(_) | What::Hold(_) => None,
        }
    }

    fn users(&self) -> Vec<i64> {
        match &self.what {
            What::Post(posting) => posting.legs.iter().filter_map(|(a, _)| a.user_id()).collect(),
            What::Hold(new) => vec![new.user_id],
            What::Capture(..) | What::Release(_) => Vec::new(),
        }
    }
}

/// The key of the movement that ends a hold, whichever way.
pub(super) fn end_key(hold_id: i64) -> String {
    format!("hold-end:{hold_id}")
}

impl Wallets {
    /// Has it done, or finds it done under the same idempotency key: the key of its movement.
    pub(super) async fn carry_out(&self, keyed: Keyed, what: What) -> Result<String, MoveError> {
        let asked = keyed.clone();
        match self.moves.write(Move { keyed, what }).await? {
            Outcome::Done(key) => Ok(key),
            Outcome::Refused(error) => Err(error),
            Outcome::Repeated => self.earlier(&asked).await,
        }
    }

    /// What came of a request whose key is taken.
    pub(super) async fn earlier(&self, keyed: &Keyed) -> Result<String, MoveError> {
        match idempotency::find(&self.pool, self.clock.now(), keyed).await? {
            Some(Standing::Done { reference }) => Ok(reference),
            Some(Standing::Mismatch) => Err(MoveError::Mismatch),
            // Its key ended between the two looks: the next try is the first.
            Some(Standing::InFlight { .. }) | None => Err(WriteError::Away.into()),
        }
    }
}

/// What became of a part of a batch.
pub(super) enum Outcome {
    /// It is in the ledger, under this key.
    Done(String),
    /// Its idempotency key is taken.
    Repeated,
    /// It is not, and left nothing.
    Refused(MoveError),
}

/// Movements that share a commit.
pub(super) struct Moves {
    pub(super) clock: SharedClock,
    pub(super) outbox: Outbox,
    pub(super) most: Rials,
}

impl BatchWrite for Moves {
    const NAME: &'static str = "move_money";

    type Item = Move;
    type Answer = Outcome;
    type Key = String;

    /// Not the wallet: what goes through one wallet shares commits too.
    fn key(&self, item: &Move) -> String {
        item.key()
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        moves: &[Move],
    ) -> Result<Vec<Outcome>, sqlx::Error> {
        let now = self.clock.now();
        let claims = moves.iter().map(|one| (&one.keyed, one.key()));
        let repeated = idempotency::claim(connection, now, claims).await?;
        let fresh: Vec<_> = moves.iter().filter(|one| !repeated.contains(&one.key())).collect();
        let known = Known::read(connection, now, &fresh).await?;
        let mut plans: HashMap<String, Result<Plan, MoveError>> = HashMap::new();
        for one in &fresh {
            plans.insert(one.key(), known.plan(one));
        }
        settle(connection, self, now, &mut plans).await?;
        let refused = |one: &&&Move| matches!(plans.get(&one.key()), Some(Err(_)));
        let unused: Vec<_> = fresh.iter().filter(refused).map(|one| &one.keyed).collect();
        idempotency::release(connection, &unused).await?;
        let outcome = |one: &Move| match plans.remove(&one.key()) {
            None => Outcome::Repeated,
            Some(Ok(plan)) => Outcome::Done(plan.posting.key),
            Some(Err(error)) => Outcome::Refused(error),
        };
        Ok(moves.iter().map(outcome).collect())
    }
}

/// What a move comes to if the ledger takes it.
struct Plan {
    posting: Posting,
    then: Then,
}

/// What is written beside the ledger.
enum Then {
    Nothing,
    Begin(NewHold),
    End(Ended),
}

/// What is known before anything is posted.
struct Known {
    now: DateTime<Utc>,
    users: HashSet<i64>,
    holds: HashMap<i64, Hold>,
}

impl Known {
    async fn read(
        connection: &mut PgConnection,
        now: DateTime<Utc>,
        moves: &[&Move],
    ) -> Result<Self, sqlx::Error> {
        let holds: Vec<_> = moves.iter().filter_map(|one| one.hold()).collect();
        let holds = if holds.is_empty() {
            HashMap::new()
        } else {
            store::lock_holds(connection, &holds).await?
        };
        let users: Vec<_> = moves.iter().flat_map(|one| one.users()).collect();
        let users = store::existing(connection, &users).await?.into_iter().collect();
        Ok(Self { now, users, holds })
    }

    fn plan(&self, one: &Move) -> Result<Plan, MoveError> {
        if !one.users().iter().all(|user| self.users.contains(user)) {
            return Err(MoveError::NoSuchUser);
        }
        match &one.what {
            What::Post(posting) => Ok(Plan { posting: posting.clone(), then: Then::Nothing }),
            What::Hold(new) => {
                Ok(Plan { posting: new.posting(one.key()), then: Then::Begin(new.clone()) })
            }
            What::Capture(id, amount) => {
                let hold = self.holds.get(id).ok_or(MoveError::NoSuchHold)?;
                if hold.state != HoldState::Held || hold.expires_at <= self.now {
                    return Err(MoveError::HoldEnded);
                }
                let amount = amount.unwrap_or(hold.amount);
                let posting = hold.capture(amount).ok_or(MoveError::MoreThanHeld)?;
                Ok(Plan { posting, then: Then::End(hold.ended(HoldState::Captured, Some(amount))) })
            }
            What::Release(id) => {
                let hold = self.holds.get(id).ok_or(MoveError::NoSuchHold)?;
                if hold.state != HoldState::Held {
                    return Err(MoveError::HoldEnded);
                }
                let then = Then::End(hold.ended(HoldState::Released, None));
                Ok(Plan { posting: hold.release(), then })
            }
        }
    }
}

/// Posts what is planned; what is refused becomes an error.
async fn settle(
    connection: &mut PgConnection,
    moves: &Moves,
    now: DateTime<Utc>,
    plans: &mut HashMap<String, Result<Plan, MoveError>>,
) -> Result<(), sqlx::Error> {
    let mut postings: Vec<_> =
        plans.values().filter_map(|plan| Some(plan.as_ref().ok()?.posting.clone())).collect();
    if postings.is_empty() {
        return Ok(());
    }
    // Within a batch nobody came first. Those that bring money go before those that take it.
    postings.sort_by(|one, other| (gives(one), &one.key).cmp(&(gives(other), &other.key)));
    let posted = post(connection, &moves.outbox, now, moves.most, &postings).await?;
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    for (posting, posted) in postings.iter().zip(posted) {
        let Some(plan) = plans.get_mut(&posting.key) else { continue };
        match posted {
            Posted::Done(id) => match plan.as_ref().map(|plan| &plan.then) {
                Ok(Then::Begin(new)) => begun.push((new.clone(), id)),
                Ok(Then::End(end)) => ended.push(end.clone()),
                Ok(Then::Nothing) | Err(_) => {}
            },
            Posted::Repeated(_) => {}
            Posted::Mismatch => *plan = Err(MoveError::Mismatch),
            Posted::Insufficient => *plan = Err(MoveError::Insufficient),
            Posted::TooMuch => *plan = Err(MoveError::TooMuch),
        }
    }
    if !begun.is_empty() {
        let begun: Vec<_> = begun.iter().map(|(new, id)| (new, *id)).collect();
        store::insert_holds(connection, now, &begun).await?;
    }
    if !ended.is_empty() {
        store::end_holds(connection, now, &ended).await?;
    }
    Ok(())
}

fn gives(posting: &Posting) -> bool {
    posting.kind != Kind::Release
}

/// A posting of two legs.
pub(super) fn between(
    (from, to): (Account, Account),
    amount: Rials,
    (key, kind): (String, Kind),
    (reference, note): (String, String),
) -> Posting {
    let legs = vec![(from, Rials::new(-amount.get())), (to, amount)];
    Posting { key, kind, reference, note, legs }
}
