//! Money that is set aside for something that may come to pass.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Account, Kind, MoveError, Posting, Wallets,
    moves::{What, between, end_key},
    post, store,
};
use crate::{idempotency::Keyed, ids, money::Rials};

/// Holds that one transaction gives back.
const EXPIRED_AT_ONCE: i64 = 200;

/// How a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum HoldState {
    /// The money is set aside.
    Held,
    /// It was spent, or a part of it; the rest went back.
    Captured,
    /// It went back because somebody said so.
    Released,
    /// It went back by itself.
    Expired,
}

impl HoldState {
    /// The word in the database.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Captured => "captured",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// Money that was set aside.
#[derive(Debug, Clone)]
pub struct Hold {
    /// The row.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// How much.
    pub amount: Rials,
    /// How it stands.
    pub state: HoldState,
    /// How much of it was spent, once it was.
    pub captured: Option<Rials>,
    /// The shop's own name for what it is about; may be empty.
    pub reference: String,
    /// Words for people; may be empty.
    pub note: String,
    /// When it was set aside.
    pub created_at: DateTime<Utc>,
    /// When it goes back by itself.
    pub expires_at: DateTime<Utc>,
    /// When it was spent or went back.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Money to set aside.
#[derive(Debug, Clone)]
pub(super) struct NewHold {
    pub(super) handle: String,
    pub(super) user_id: i64,
    pub(super) amount: Rials,
    pub(super) reference: String,
    pub(super) note: String,
    pub(super) expires_at: DateTime<Utc>,
}

/// How a hold ends.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) id: i64,
    pub(super) state: HoldState,
    pub(super) captured: Option<Rials>,
}

impl NewHold {
    pub(super) fn posting(&self, key: String) -> Posting {
        let accounts = (Account::Wallet(self.user_id), Account::Holds);
        let words = (self.reference.clone(), self.note.clone());
        between(accounts, self.amount, (key, Kind::Hold), words)
    }
}

impl Hold {
    /// So much is spent, the rest goes back; `None` if that is more than is held.
    pub(super) fn capture(&self, amount: Rials) -> Option<Posting> {
        let rest = self.amount.checked_sub(amount).filter(|rest| *rest >= Rials::ZERO)?;
        let accounts = (Account::Holds, Account::Sales);
        let words = (self.reference.clone(), String::new());
        let mut posting = between(accounts, amount, (end_key(self.id), Kind::Capture), words);
        if rest > Rials::ZERO {
            posting.legs[0].1 = Rials::new(-self.amount.get());
            posting.legs.push((Account::Wallet(self.user_id), rest));
        }
        Some(posting)
    }

    /// All of it goes back.
    pub(super) fn release(&self) -> Posting {
        let accounts = (Account::Holds, Account::Wallet(self.user_id));
        let words = (self.reference.clone(), String::new());
        between(accounts, self.amount, (end_key(self.id), Kind::Release), words)
    }

    pub(super) fn ended(&self, state: HoldState, captured: Option<Rials>) -> Ended {
        Ended { id: self.id, state, captured }
    }
}

/// What a shop wants set aside.
#[derive(Debug, Clone)]
pub struct SetAside {
    /// Whose.
    pub user_id: i64,
    /// How much; positive.
    pub amount: Rials,
    /// The shop's own name for it, at most 64 characters; may be empty.
    pub reference: String,
    /// Words for people, at most 500 characters; may be empty.
    pub note: String,
    /// How long, unless the configured time (`wallets.hold_seconds`).
    pub lasts: Option<TimeDelta>,
}

impl Wallets {
    /// Sets money aside.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn hold(&self, keyed: Keyed, asked: SetAside) -> Result<Hold, MoveError> {
        let new = NewHold {
            handle: ids::random_handle(&mut rand::rng()),
            user_id: asked.user_id,
            amount: asked.amount,
            reference: asked.reference,
            note: asked.note,
            expires_at: self.clock.now() + asked.lasts.unwrap_or(self.hold_for),
        };
        let key = self.carry_out(keyed, What::Hold(new)).await?;
        store::hold_of(&self.pool, &key).await?.ok_or(MoveError::NoSuchHold)
    }

    /// Spends what was set aside, all of it or `amount` (positive); the rest goes back.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn capture(
        &self,
        keyed: Keyed,
        hold_id: i64,
        amount: Option<Rials>,
    ) -> Result<Hold, MoveError> {
        self.carry_out(keyed, What::Capture(hold_id, amount)).await?;
        store::find_hold(&self.pool, hold_id).await?.ok_or(MoveError::NoSuchHold)
    }

    /// Gives back what was set aside.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn release(&self, keyed: Keyed, hold_id: i64) -> Result<Hold, MoveError> {
        self.carry_out(keyed, What::Release(hold_id)).await?;
        store::find_hold(&self.pool, hold_id).await?.ok_or(MoveError::NoSuchHold)
    }

    /// Gives back what was set aside for too long: how many holds, and whether there may be more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn release_expired(&self) -> Result<(i64, bool), sqlx::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let ids = store::lock_expired(&mut tx, now, EXPIRED_AT_ONCE).await?;
        if ids.is_empty() {
            return Ok((0, false));
        }
        let holds = store::lock_holds(&mut tx, &ids).await?;
        let postings: Vec<_> = holds.values().map(Hold::release).collect();
        post(&mut tx, &self.outbox, now, self.most, &postings).await?;
        let ended: Vec<_> =
            holds.values().map(|hold| hold.ended(HoldState::Expired, None)).collect();
        store::end_holds(&mut tx, now, &ended).await?;
        tx.commit().await?;
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        Ok((count, count == EXPIRED_AT_ONCE))
    }

    /// How many holds [`Wallets::release_expired`] would give back in all.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_expired(&self) -> Result<i64, sqlx::Error> {
        store::count_expired(&self.pool, self.clock.now()).await
    }
}
