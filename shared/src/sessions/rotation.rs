//! A session as a family of refresh tokens: each is used once, for the next.
//!
//! Using one again is not always theft. Tabs refresh at the same moment, answers get lost: for a
//! moment of grace the token before the current one is answered with the current one, the same for
//! everybody. Later it ends the family, because one of its two holders has stolen it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use super::{Lifetimes, Session, store};
use crate::batch::BatchWrite;

/// A refresh token somebody came with; its signature is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// Whose it is.
    pub user_id: i64,
    /// The family.
    pub session_id: i64,
    /// Its number in the family.
    pub generation: i32,
}

/// A refresh token to be replaced by the next one.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    pub(super) presented: Presented,
    pub(super) at: DateTime<Utc>,
    /// When the next one ends, unless the session ends before.
    pub(super) idle_until: DateTime<Utc>,
    /// Rotations before this moment are of no interest any more.
    pub(super) grace_from: DateTime<Utc>,
}

impl Rotation {
    /// The next token begins now.
    pub fn new(
        presented: Presented,
        lifetimes: &Lifetimes,
        grace: TimeDelta,
        now: DateTime<Utc>,
    ) -> Self {
        Self { presented, at: now, idle_until: now + lifetimes.idle, grace_from: now - grace }
    }
}

/// Replaces current refresh tokens by the next ones, many in one commit. Any other token, and one
/// of a session that has ended or of a disabled account, gets `None`; [`standing`] knows why.
#[derive(Debug, Clone, Copy)]
pub struct Rotate;

impl BatchWrite for Rotate {
    const NAME: &'static str = "rotate_refresh_tokens";
    type Item = Rotation;
    type Answer = Option<Session>;
    type Key = i64;

    fn key(&self, item: &Rotation) -> i64 {
        item.presented.session_id
    }

    /// The second time nothing is current any more: that is a lost answer, which has its remedy.
    fn is_one_statement(&self) -> bool {
        true
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        items: &[Rotation],
    ) -> Result<Vec<Option<Session>>, sqlx::Error> {
        let rotated = store::rotate(connection, items).await?;
        let mut rotated: HashMap<_, _> = rotated.into_iter().map(|row| (row.id, row)).collect();
        Ok(items.iter().map(|item| rotated.remove(&item.presented.session_id)).collect())
    }
}

/// How a family stands at a moment.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The session with its current refresh token.
    pub session: Session,
    /// Whether it was ended before its time.
    pub is_revoked: bool,
    /// Whether its account may be used.
    pub is_active: bool,
    /// How many refresh tokens were issued within the grace.
    pub recent: i64,
}

/// What becomes of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the current one.
    Current,
    /// It was replaced a moment ago: its successor is the current one.
    Replaced,
    /// It was replaced a moment ago, and its successor as well. It opens nothing, but whoever comes
    /// with it may only be slow, and is no reason to log anybody out.
    Slow,
    /// It was replaced before that: somebody has stolen it, or its successor.
    Reused,
    /// The session was ended.
    Revoked,
    /// The session was over by itself.
    Expired,
    /// The account is disabled or erased.
    Inactive,
    /// The family has no such token yet: the database is older than the token.
    Unknown,
}

impl Standing {
    /// Judges a token of this family by its number.
    ///
    /// That the grace of a token begins when *it* was replaced matters to the slow ones: would it
    /// begin with the latest rotation, a thief who keeps rotating would never be found out.
    pub fn judge(&self, generation: i32, now: DateTime<Utc>) -> Verdict {
        let behind = i64::from(self.session.refresh_generation) - i64::from(generation);
        match behind {
            _ if self.is_revoked => Verdict::Revoked,
            _ if self.session.refresh_expires_at <= now => Verdict::Expired,
            _ if !self.is_active => Verdict::Inactive,
            ..0 => Verdict::Unknown,
            0 => Verdict::Current,
            _ if behind > self.recent => Verdict::Reused,
            1 => Verdict::Replaced,
            _ => Verdict::Slow,
        }
    }
}

/// How the family of a token stands; `None` if there is none.
///
/// # Errors
/// When the database is away.
pub async fn standing(
    pool: &PgPool,
    presented: &Presented,
    grace_from: DateTime<Utc>,
) -> Result<Option<Standing>, sqlx::Error> {
    store::standing(pool, presented, grace_from).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(recent: i64) -> Standing {
        let now = DateTime::UNIX_EPOCH;
        let session = Session {
            id: 1,
            user_id: 1,
            refresh_generation: 10,
            refresh_issued_at: now,
            refresh_expires_at: now + TimeDelta::days(1),
        };
        Standing { session, is_revoked: false, is_active: true, recent }
    }

    #[test]
    fn the_current_token_is_followed_by_its_past_as_far_as_the_grace_goes() {
        let judge = |recent, generation| standing(recent).judge(generation, DateTime::UNIX_EPOCH);
        for recent in [0, 1, 3] {
            assert_eq!(judge(recent, 10), Verdict::Current);
            assert_eq!(judge(recent, 11), Verdict::Unknown);
        }
        assert_eq!(judge(0, 9), Verdict::Reused);
        assert_eq!(
            [9, 8, 1].map(|it| judge(1, it)),
            [Verdict::Replaced, Verdict::Reused, Verdict::Reused]
        );
        assert_eq!(
            [9, 8, 7, 6].map(|it| judge(3, it)),
            [Verdict::Replaced, Verdict::Slow, Verdict::Slow, Verdict::Reused]
        );
    }

    #[test]
    fn what_has_ended_has_no_current_token() {
        let now = DateTime::UNIX_EPOCH;
        let revoked = Standing { is_revoked: true, ..standing(1) };
        let inactive = Standing { is_active: false, ..standing(1) };
        for generation in [1, 9, 10] {
            assert_eq!(revoked.judge(generation, now), Verdict::Revoked);
            assert_eq!(inactive.judge(generation, now), Verdict::Inactive);
            let later = now + TimeDelta::days(1);
            assert_eq!(standing(1).judge(generation, later), Verdict::Expired);
        }
    }
}
