//! Messages that somebody wants looked at, and people who want to hear nothing of each other.

use chrono::{DateTime, Utc};

use super::{
    Chat, ChatError, Person, RoomId,
    create::RoomError,
    log::{self, Kind, MessageType, NewEntry},
    permissions::Action,
    store,
};
use crate::{
    audit::{self, Entry, Subject},
    organizations::Caller,
    webhooks::events::{Kind as EventKind, NewEvent},
};

/// People somebody may block.
const BLOCKS: u32 = 1_000;

/// Why somebody wants a message looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is advertising.
    Spam,
    /// It hurts somebody.
    Abuse,
    /// It breaks a law.
    Illegal,
    /// Something else.
    Other,
}

impl Reason {
    /// All.
    pub const ALL: [Self; 4] = [Self::Spam, Self::Abuse, Self::Illegal, Self::Other];

    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Illegal => "illegal",
            Self::Other => "other",
        }
    }

    /// The reason with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The message was deleted.
    Removed,
    /// The message stays.
    Dismissed,
}

impl Outcome {
    /// All.
    pub const ALL: [Self; 2] = [Self::Removed, Self::Dismissed];

    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Dismissed => "dismissed",
        }
    }

    /// The outcome with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// A message that somebody wants looked at, as staff see it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The row.
    pub id: i64,
    /// Where the message is.
    pub room: RoomId,
    /// The message, as it is now; `None`: its room was purged.
    pub message: Option<Reported>,
    /// Its number.
    pub message_id: i64,
    /// The account of whoever wants it looked at.
    pub reporter_id: i64,
    /// Why.
    pub reason: Reason,
    /// What they say about it.
    pub note: Option<String>,
    /// When they said so.
    pub created_at: DateTime<Utc>,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
    /// The account of whoever settled it.
    pub settled_by: Option<i64>,
    /// What became of it.
    pub outcome: Option<Outcome>,
}

/// A message that was reported.
#[derive(Debug, Clone)]
pub struct Reported {
    /// Who wrote it.
    pub sender: Person,
    /// What it is.
    pub kind: MessageType,
    /// What it says; empty once it is deleted.
    pub text: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// Somebody whom somebody wants to hear nothing of.
#[derive(Debug, Clone)]
pub struct Block {
    /// Who.
    pub person: Person,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// Where a message is, and whose it is.
pub(super) struct Authored {
    pub(super) room: RoomId,
    pub(super) seq: i64,
    pub(super) sender_id: i64,
}

type Result<T> = std::result::Result<T, RoomError>;

impl Chat {
    /// Asks staff to look at somebody else's message: one of a room of the caller's, or one that was
    /// written there before they left or were put out. Asking again changes nothing. Gives the number
    /// of the report.
    ///
    /// # Errors
    /// [`ChatError::NotFound`] for a message of no room of the caller's, or a deleted one;
    /// [`RoomError::Oneself`].
    pub async fn report(
        &self,
        user_id: i64,
        message_id: i64,
        reason: Reason,
        note: Option<&str>,
    ) -> Result<i64> {
        let now = self.clock.now();
        let found = store::author_of(&self.pool, message_id).await?;
        let Authored { room, seq, sender_id } = found.ok_or(ChatError::NotFound)?;
        if let Err(error) = self.check(room, user_id, Action::See).await {
            let gone_at = store::gone_at(&self.pool, room, user_id).await?;
            if gone_at.is_none_or(|gone_at| gone_at < seq) {
                return Err(error.into());
            }
        }
        if sender_id == user_id {
            return Err(RoomError::Oneself);
        }
        let mut tx = self.pool.begin().await?;
        let said = (reason, note);
        let made = store::insert_report(&mut tx, (room, message_id), user_id, said, now).await?;
        if let Some(id) = made {
            let data = serde_json::json!({
                "report_id": id,
                "room_id": room.0,
                "message_id": message_id,
                "reason": reason.as_str(),
            });
            let subject = format!("chat:{}", room.0);
            let event = NewEvent { kind: EventKind::ChatReported, subject, data };
            self.outbox.emit(&mut tx, &[event]).await?;
        }
        tx.commit().await?;
        match made {
            Some(id) => Ok(id),
            None => Ok(store::report_of(&self.pool, message_id, user_id)
                .await?
                .ok_or(ChatError::NotFound)?),
        }
    }

    /// Settles a report, and with it all open ones of the same message: deletes the message, or leaves it.
    /// For staff, who were asked for their role before.
    ///
    /// # Errors
    /// [`RoomError::NothingThere`] for a report that is not there or was settled.
    pub async fn settle_report(
        &self,
        caller: &Caller,
        id: i64,
        outcome: Outcome,
    ) -> Result<Report> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let found = store::report(&mut tx, id).await?;
        let found = found.ok_or(RoomError::NothingThere)?;
        store::lock_room(&mut tx, found.room).await?;
        let by = (caller.user_id, now);
        let settled = store::settle_reports(&mut tx, found.message_id, outcome, by).await?;
        if !settled.contains(&id) {
            return Err(RoomError::NothingThere);
        }
        let mut head = None;
        if outcome == Outcome::Removed && store::is_there(&mut tx, found.message_id).await? {
            store::bury_message(&mut tx, found.message_id, caller.user_id, now).await?;
            let entry = NewEntry::by(caller.user_id, Kind::MessageDeleted);
            let entry = entry.about(found.message_id);
            head = Some(log::append(&mut tx, found.room, &entry, now).await?);
        }
        let entry = Entry::new(&caller.source, "chat.report_settled", Subject::room(found.room.0))
            .with("report", id)
            .with("message", found.message_id)
            .with("outcome", outcome.as_str());
        audit::record(&mut tx, &entry, now).await?;
        let report = store::report(&mut tx, id).await?;
        tx.commit().await?;
        self.tell(found.room, head);
        report.ok_or(RoomError::NothingThere)
    }

    /// The people somebody blocks, the newest accounts first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn blocks(
        &self,
        user_id: i64,
        before: Option<i64>,
        limit: i64,
    ) -> std::result::Result<Vec<Block>, sqlx::Error> {
        store::blocks(&self.pool, user_id, before, limit).await
    }

    /// Lets somebody hear nothing of somebody else.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn block(&self, user_id: i64, whom: i64) -> Result<()> {
        if user_id == whom {
            return Err(RoomError::Oneself);
        }
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        // Those of one person are counted one after another.
        let found = store::lock_people(&mut tx, &[user_id]).await?;
        if found.is_empty() {
            return Err(RoomError::Inactive);
        }
        if store::count_blocks(&mut tx, user_id).await? >= i64::from(BLOCKS) {
            return Err(RoomError::Limit(BLOCKS));
        }
        if !store::insert_block(&mut tx, user_id, whom, now).await? {
            return Err(RoomError::NoSuchPerson);
        }
        tx.commit().await?;
        Ok(())
    }

    /// Takes a block back.
    ///
    /// # Errors
    /// [`RoomError::NothingThere`].
    pub async fn unblock(&self, user_id: i64, whom: i64) -> Result<()> {
        let gone = store::delete_block(&self.pool, user_id, whom).await?;
        if gone { Ok(()) } else { Err(RoomError::NothingThere) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
        }
        assert_eq!((Reason::parse("x"), Outcome::parse("x")), (None, None));
    }
}
