//! What becomes of a room: its name, its state, its end.

use super::{
    Chat, ChatError, RoomId,
    create::RoomError,
    log::{self, Kind, NewEntry},
    members::record,
    permissions::{Action, Refusal, Status},
    rooms::Room,
    seat, store,
};
use crate::organizations::Caller;

/// What is to change of a room; `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What it is called; `Some(None)`: nothing.
    pub name: Option<Option<String>>,
    /// What it is about; `Some(None)`: nothing.
    pub descriptions: Option<Option<String>>,
    /// Whether it takes messages.
    pub status: Option<Status>,
    /// Seconds between two messages of a member.
    pub slow_seconds: Option<i32>,
    /// Whether members who are not there are texted.
    pub tells_by_sms: Option<bool>,
    /// Its picture, which the caller uploaded to it; `Some(None)`: none.
    pub avatar_id: Option<Option<i64>>,
}

/// What of a room can be changed, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) name: Option<String>,
    pub(super) descriptions: Option<String>,
    pub(super) status: Status,
    /// Only staff open it again.
    pub(super) closed_by_staff: bool,
    pub(super) slow_seconds: i32,
    pub(super) tells_by_sms: bool,
    pub(super) avatar_id: Option<i64>,
}

impl Current {
    fn with(&self, changes: &Changes) -> Self {
        Self {
            name: changes.name.clone().unwrap_or_else(|| self.name.clone()),
            descriptions: changes.descriptions.clone().unwrap_or_else(|| self.descriptions.clone()),
            status: changes.status.unwrap_or(self.status),
            closed_by_staff: self.closed_by_staff,
            slow_seconds: changes.slow_seconds.unwrap_or(self.slow_seconds),
            tells_by_sms: changes.tells_by_sms.unwrap_or(self.tells_by_sms),
            avatar_id: changes.avatar_id.unwrap_or(self.avatar_id),
        }
    }

    /// What somebody has to be allowed to make this of it. What is as it was needs nothing.
    fn needs(&self, new: &Self) -> Vec<Action> {
        let mut needed = Vec::new();
        let words = (&self.name, &self.descriptions) != (&new.name, &new.descriptions);
        if words || self.tells_by_sms != new.tells_by_sms {
            needed.push(Action::Rename);
        }
        if self.avatar_id != new.avatar_id {
            needed.push(Action::UpdateAvatar);
        }
        let status = self.status != new.status;
        if status && new.status == Status::Open {
            needed.push(Action::Reopen);
        }
        if (status && new.status != Status::Open) || self.slow_seconds != new.slow_seconds {
            needed.push(Action::Close);
        }
        needed
    }

    /// What the log says about it.
    fn entries(&self, new: &Self, by: i64) -> Vec<NewEntry> {
        let mut entries = Vec::new();
        let shown =
            |it: &Self| (it.name.clone(), it.descriptions.clone(), it.slow_seconds, it.avatar_id);
        if shown(self) != shown(new) {
            let entry = NewEntry::by(by, Kind::RoomChanged)
                .with("name", new.name.clone())
                .with("descriptions", new.descriptions.clone())
                .with("slow_seconds", new.slow_seconds)
                .with("avatar", new.avatar_id);
            entries.push(entry);
        }
        if self.status != new.status {
            let entry = NewEntry::by(by, Kind::RoomStatus);
            entries.push(entry.with("status", new.status.number()));
        }
        entries
    }
}

impl Chat {
    /// Changes a room. All of it, or nothing.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn change(
        &self,
        caller: &Caller,
        room: RoomId,
        changes: &Changes,
    ) -> Result<Room, RoomError> {
        let (now, user) = (self.clock.now(), caller.user_id);
        let mut tx = self.pool.begin().await?;
        let standing = seat::lock(&mut tx, room, user, now).await?.standing()?;
        let was = store::current(&mut tx, room).await?;
        let new = was.with(changes);
        for action in was.needs(&new) {
            standing.may(action)?;
        }
        if was.closed_by_staff && new.status != was.status {
            return Err(Refusal::ClosedByStaff.into());
        }
        if new != was {
            store::set_current(&mut tx, room, &new).await?;
            if new.avatar_id != was.avatar_id {
                Self::take_avatar(&mut tx, room, user, new.avatar_id, now).await?;
            }
            let mut head = None;
            for entry in was.entries(&new, user) {
                head = Some(log::append(&mut tx, room, &entry, now).await?);
            }
            tx.commit().await?;
            self.tell(room, head);
        }
        Ok(self.room(user, room).await?)
    }

    /// Deletes a room for everybody. A purge takes the rows away.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn delete(&self, caller: &Caller, room: RoomId) -> Result<(), RoomError> {
        let (now, user) = (self.clock.now(), caller.user_id);
        let mut tx = self.pool.begin().await?;
        seat::lock(&mut tx, room, user, now).await?.may(Action::Delete)?;
        store::delete_room(&mut tx, room, now).await?;
        record(&mut tx, caller, ("room.deleted", room), None, now).await?;
        Ok(self.finish(tx, room, &NewEntry::by(user, Kind::RoomDeleted), now).await?)
    }

    /// Closes a room, or opens it again.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn set_status(
        &self,
        caller: &Caller,
        room: RoomId,
        status: Status,
    ) -> Result<Room, RoomError> {
        let changes = Changes { status: Some(status), ..Changes::default() };
        self.change(caller, room, &changes).await
    }

    /// Closes a room whose members the caller does not belong to, until staff open it again: for
    /// staff, who were asked for their role before.
    ///
    /// # Errors
    /// [`ChatError::NotFound`].
    pub async fn close_as_staff(&self, caller: &Caller, room: RoomId) -> Result<(), ChatError> {
        self.change_as_staff(caller, (room, "room.closed_by_staff"), |was| {
            Some(Current { status: Status::Closed, closed_by_staff: true, ..was })
        })
        .await
    }

    /// Opens a room that staff closed: for staff, who were asked for their role before.
    ///
    /// # Errors
    /// [`ChatError::NotFound`]: no such room, or staff did not close it.
    pub async fn reopen_as_staff(&self, caller: &Caller, room: RoomId) -> Result<(), ChatError> {
        self.change_as_staff(caller, (room, "room.reopened_by_staff"), |was| {
            let is_theirs = was.closed_by_staff;
            is_theirs.then_some(Current { status: Status::Open, closed_by_staff: false, ..was })
        })
        .await
    }

    async fn change_as_staff(
        &self,
        caller: &Caller,
        (room, action): (RoomId, &'static str),
        change: impl FnOnce(Current) -> Option<Current> + Send,
    ) -> Result<(), ChatError> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        store::lock_room(&mut tx, room).await?;
        let was = store::find_current(&mut tx, room).await?.ok_or(ChatError::NotFound)?;
        let new = change(was.clone()).ok_or(ChatError::NotFound)?;
        store::set_current(&mut tx, room, &new).await?;
        let mut head = None;
        for entry in was.entries(&new, caller.user_id) {
            head = Some(log::append(&mut tx, room, &entry, now).await?);
        }
        record(&mut tx, caller, (action, room), None, now).await?;
        tx.commit().await?;
        self.tell(room, head);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Current {
        Current {
            name: Some("a".to_owned()),
            descriptions: None,
            status: Status::Open,
            closed_by_staff: false,
            slow_seconds: 0,
            tells_by_sms: false,
            avatar_id: None,
        }
    }

    #[test]
    fn each_change_needs_its_permission_and_what_stays_needs_none() {
        let all = Changes {
            name: Some(Some("a".to_owned())),
            descriptions: Some(None),
            status: Some(Status::Open),
            slow_seconds: Some(0),
            tells_by_sms: Some(false),
            avatar_id: Some(None),
        };
        assert_eq!(open().needs(&open().with(&all)), []);
        let none = Changes::default;
        for (changes, needed) in [
            (Changes { name: Some(None), ..none() }, vec![Action::Rename]),
            (Changes { descriptions: Some(Some("d".to_owned())), ..none() }, vec![Action::Rename]),
            (Changes { tells_by_sms: Some(true), ..none() }, vec![Action::Rename]),
            (Changes { avatar_id: Some(Some(1)), ..none() }, vec![Action::UpdateAvatar]),
            (Changes { status: Some(Status::Closed), ..none() }, vec![Action::Close]),
            (Changes { status: Some(Status::Held), ..none() }, vec![Action::Close]),
            (Changes { slow_seconds: Some(5), ..none() }, vec![Action::Close]),
            (
                Changes { name: Some(None), status: Some(Status::Held), ..none() },
                vec![Action::Rename, Action::Close],
            ),
        ] {
            assert_eq!(open().needs(&open().with(&changes)), needed, "{changes:?}");
        }
        let closed = Current { status: Status::Closed, ..open() };
        assert_eq!(closed.needs(&open()), [Action::Reopen]);
        let slower = Current { slow_seconds: 5, ..open() };
        assert_eq!(closed.needs(&slower), [Action::Reopen, Action::Close]);
    }

    #[test]
    fn the_log_tells_of_what_others_see() {
        let kinds = |new: &Current| -> Vec<_> {
            open().entries(new, 1).into_iter().map(|entry| entry.kind).collect()
        };
        assert_eq!(kinds(&Current { tells_by_sms: true, ..open() }), []);
        assert_eq!(kinds(&Current { name: None, ..open() }), [Kind::RoomChanged]);
        assert_eq!(kinds(&Current { avatar_id: Some(1), ..open() }), [Kind::RoomChanged]);
        let both = Current { slow_seconds: 5, status: Status::Held, ..open() };
        assert_eq!(kinds(&both), [Kind::RoomChanged, Kind::RoomStatus]);
    }
}
