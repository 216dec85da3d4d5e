//! What members of a room may do: one pure table.

/// The permission levels of django-chelseru, by their names and numbers there (`CAN_…`, 0 to 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Reads and does nothing else, whatever other levels say.
    ReadOnly,
    /// Takes part.
    Member,
    /// Lets people in.
    AddMember,
    /// Puts members out, deletes their messages and silences them.
    KickMember,
    /// Puts members out for good, and forgives them.
    BanMember,
    /// Gives levels it has itself.
    AddAccess,
    /// Takes levels it has itself.
    RemoveAccess,
    /// Does to those who hold more than [`Level::Member`] what its other levels let it do to members.
    KickAdmin,
    /// Closes the room, holds it and slows it down.
    Close,
    /// Opens it again.
    Reopen,
    /// Changes its name and description.
    Rename,
    /// Changes its picture.
    UpdateAvatar,
    /// Deletes it.
    Delete,
}

impl Level {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::ReadOnly,
        Self::Member,
        Self::AddMember,
        Self::KickMember,
        Self::BanMember,
        Self::AddAccess,
        Self::RemoveAccess,
        Self::KickAdmin,
        Self::Close,
        Self::Reopen,
        Self::Rename,
        Self::UpdateAvatar,
        Self::Delete,
    ];

    /// The number of the old system.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The level with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|number| Self::ALL.get(number).copied())
    }
}

/// A set of levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels(u16);

impl Levels {
    /// None.
    pub const NONE: Self = Self(0);
    /// What a new member holds.
    pub const MEMBER: Self = Self(1 << Level::Member as u8);

    /// As it is stored: level n is bit n.
    pub fn from_bits(bits: i16) -> Self {
        Self(u16::try_from(bits).unwrap_or_default())
    }

    /// As it is stored.
    pub fn bits(self) -> i16 {
        i16::try_from(self.0).unwrap_or_default()
    }

    /// Whether the level is among them.
    pub const fn contains(self, level: Level) -> bool {
        self.0 & (1 << level.number()) != 0
    }

    /// Whether all of the others are among them.
    pub const fn contains_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether there is more than taking part among them.
    pub const fn are_an_admins(self) -> bool {
        const PLAIN: u16 = 1 << Level::ReadOnly as u8 | 1 << Level::Member as u8;
        self.0 & !PLAIN != 0
    }

    /// One by one, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(move |level| self.contains(*level))
    }
}

impl FromIterator<Level> for Levels {
    fn from_iter<T: IntoIterator<Item = Level>>(levels: T) -> Self {
        levels.into_iter().fold(Self::NONE, |set, level| Self(set.0 | 1 << level.number()))
    }
}

/// What somebody is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers for it. A room of two has two.
    Owner,
    /// Belongs to it.
    Member,
}

impl Role {
    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
        }
    }

    /// The role with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Owner, Self::Member].into_iter().find(|role| role.as_str() == word)
    }
}

/// What somebody who belongs to a room is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// Owner or member.
    pub role: Role,
    /// What a member may do; an owner may everything.
    pub levels: Levels,
}

impl Rank {
    fn holds(self, level: Level) -> bool {
        self.role == Role::Owner
            || (self.levels.contains(level) && !self.levels.contains(Level::ReadOnly))
    }

    /// Whether there is more to say of it than that somebody takes part.
    pub fn is_special(self) -> bool {
        self.role == Role::Owner || self.levels != Levels::MEMBER
    }

    /// Whether it writes where others wait: in held and in slow rooms.
    pub fn looks_after_it(self) -> bool {
        self.role == Role::Owner
            || (self.levels.are_an_admins() && !self.levels.contains(Level::ReadOnly))
    }

    /// Whether this rank may use `level` against somebody of another.
    fn may_against(self, level: Level, of: Self) -> bool {
        let over_admins = !of.levels.are_an_admins() || self.holds(Level::KickAdmin);
        of.role != Role::Owner && self.holds(level) && over_admins
    }
}

/// Whether a room takes messages. The numbers are those of the old system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 1: everybody who takes part writes.
    Open,
    /// 2: nobody writes.
    Closed,
    /// 3: only those who look after the room write.
    Held,
}

impl Status {
    /// All.
    pub const ALL: [Self; 3] = [Self::Open, Self::Closed, Self::Held];

    /// The number of the old system.
    pub const fn number(self) -> i16 {
        match self {
            Self::Open => 1,
            Self::Closed => 2,
            Self::Held => 3,
        }
    }

    /// The status with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| i64::from(status.number()) == number)
    }
}

/// Who asks, and of which room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What they are there.
    pub rank: Rank,
    /// Silenced at this moment.
    pub is_muted: bool,
    /// Whether the room takes messages.
    pub status: Status,
    /// A room of two.
    pub is_direct: bool,
    /// Of a room of two: one of them wants to hear nothing of the other.
    pub is_blocked: bool,
}

/// Something a member does, to somebody else where it is done to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look at the room, its members and messages, and hear what happens in it. Also what concerns
    /// only oneself: pinning it, reading on, leaving.
    See,
    /// Write a message; edit one's own, react to one, type, send a signal, upload a file.
    Post,
    /// Delete one's own message.
    DeleteOwn,
    /// Delete somebody's message.
    DeleteOther {
        /// What its author is; of one who left, a plain member.
        of: Rank,
    },
    /// Let somebody in.
    Add,
    /// Put somebody out.
    Kick {
        /// What they are.
        of: Rank,
    },
    /// Put somebody out for good, be they a member or not.
    Ban {
        /// What they are; of a stranger, a plain member.
        of: Rank,
    },
    /// Forgive somebody who was banned.
    Unban,
    /// Silence somebody for a time, or end that.
    Mute {
        /// What they are.
        of: Rank,
    },
    /// Give somebody levels.
    Grant {
        /// What they are.
        of: Rank,
        /// What they get.
        levels: Levels,
    },
    /// Take levels from somebody.
    Revoke {
        /// What they are.
        of: Rank,
        /// What they lose.
        levels: Levels,
    },
    /// Close the room, hold it, or change how fast members may write.
    Close,
    /// Open it again.
    Reopen,
    /// Change its name and description, and whether absent members get a text message.
    Rename,
    /// Change its picture.
    UpdateAvatar,
    /// Delete it for everybody.
    Delete,
    /// Make a member its owner instead of oneself.
    Transfer,
    /// Leave it.
    Leave,
}

impl Action {
    /// Whether a room of two has no such thing.
    const fn is_of_groups(self) -> bool {
        matches!(
            self,
            Self::Add
                | Self::Kick { .. }
                | Self::Ban { .. }
                | Self::Unban
                | Self::Mute { .. }
                | Self::Grant { .. }
                | Self::Revoke { .. }
                | Self::Transfer
                | Self::Leave
                | Self::DeleteOther { .. }
        )
    }
}

/// Why somebody may not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Their rank is too low.
    #[error("not allowed")]
    Rank,
    /// The room is closed.
    #[error("the room is closed")]
    Closed,
    /// Only those who look after the room write now.
    #[error("the room is held")]
    Held,
    /// They are silenced.
    #[error("silenced")]
    Muted,
    /// One of the two blocks the other.
    #[error("blocked")]
    Blocked,
    /// A room of two has no such thing.
    #[error("a room of two")]
    Direct,
    /// Staff closed the room, and only they open it again.
    #[error("the room was closed by staff")]
    ClosedByStaff,
}

impl Standing {
    /// Whether somebody in this standing may do this. The one place that says so; whoever does not
    /// belong to the room, or is banned from it, has no standing and may nothing.
    ///
    /// # Errors
    /// Why not.
    pub fn may(self, action: Action) -> Result<(), Refusal> {
        if self.is_direct && action.is_of_groups() {
            return Err(Refusal::Direct);
        }
        let rank = self.rank;
        let allowed = match action {
            Action::See | Action::DeleteOwn | Action::Leave => true,
            Action::Post => return self.may_post(),
            Action::DeleteOther { of } | Action::Kick { of } | Action::Mute { of } => {
                rank.may_against(Level::KickMember, of)
            }
            Action::Ban { of } => rank.may_against(Level::BanMember, of),
            Action::Unban => rank.holds(Level::BanMember),
            Action::Add => rank.holds(Level::AddMember),
            Action::Grant { of, levels } => self.may_change(Level::AddAccess, of, levels),
            Action::Revoke { of, levels } => self.may_change(Level::RemoveAccess, of, levels),
            Action::Close => rank.holds(Level::Close),
            Action::Reopen => rank.holds(Level::Reopen),
            Action::Rename => rank.holds(Level::Rename),
            Action::UpdateAvatar => rank.holds(Level::UpdateAvatar),
            Action::Delete => rank.holds(Level::Delete),
            Action::Transfer => rank.role == Role::Owner,
        };
        if allowed { Ok(()) } else { Err(Refusal::Rank) }
    }

    fn may_post(self) -> Result<(), Refusal> {
        if self.is_blocked {
            Err(Refusal::Blocked)
        } else if !self.rank.holds(Level::Member) {
            Err(Refusal::Rank)
        } else if self.is_muted {
            Err(Refusal::Muted)
        } else {
            match self.status {
                Status::Open => Ok(()),
                Status::Closed => Err(Refusal::Closed),
                Status::Held if self.rank.looks_after_it() => Ok(()),
                Status::Held => Err(Refusal::Held),
            }
        }
    }

    /// Nobody gives or takes what they do not hold themselves. Making somebody read only, and ending
    /// that, is open to all who may change levels.
    fn may_change(self, level: Level, of: Rank, levels: Levels) -> bool {
        let read_only: Levels = [Level::ReadOnly].into_iter().collect();
        let wanted = levels.without(read_only);
        let holds_them = self.rank.role == Role::Owner || self.rank.levels.contains_all(wanted);
        self.rank.may_against(level, of) && holds_them
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Rank = Rank { role: Role::Owner, levels: Levels::NONE };
    const MEMBER: Rank = Rank { role: Role::Member, levels: Levels::MEMBER };

    fn holding(levels: &[Level]) -> Rank {
        let levels = levels.iter().copied().collect::<Levels>().and(Levels::MEMBER);
        Rank { role: Role::Member, levels }
    }

    fn standing(rank: Rank) -> Standing {
        Standing {
            rank,
            is_muted: false,
            status: Status::Open,
            is_direct: false,
            is_blocked: false,
        }
    }

    fn rename_level() -> Levels {
        [Level::Rename].into_iter().collect()
    }

    /// What each level opens, to somebody who holds it and nothing else beside taking part.
    #[test]
    fn each_level_opens_its_actions_and_no_others() {
        let admin = holding(&[Level::Rename]);
        let rows: [(Action, &[Level]); 17] = [
            (Action::Add, &[Level::AddMember]),
            (Action::Kick { of: MEMBER }, &[Level::KickMember]),
            (Action::Mute { of: MEMBER }, &[Level::KickMember]),
            (Action::DeleteOther { of: MEMBER }, &[Level::KickMember]),
            (Action::Ban { of: MEMBER }, &[Level::BanMember]),
            (Action::Unban, &[Level::BanMember]),
            (Action::Grant { of: MEMBER, levels: Levels::MEMBER }, &[Level::AddAccess]),
            (Action::Revoke { of: MEMBER, levels: Levels::MEMBER }, &[Level::RemoveAccess]),
            (Action::Grant { of: MEMBER, levels: rename_level() }, &[]),
            (Action::Kick { of: admin }, &[]),
            (Action::Kick { of: OWNER }, &[]),
            (Action::Close, &[Level::Close]),
            (Action::Reopen, &[Level::Reopen]),
            (Action::Rename, &[Level::Rename]),
            (Action::UpdateAvatar, &[Level::UpdateAvatar]),
            (Action::Delete, &[Level::Delete]),
            (Action::Transfer, &[]),
        ];
        for (action, opened_by) in rows {
            for level in Level::ALL {
                let may = standing(holding(&[level])).may(action).is_ok();
                assert_eq!(may, opened_by.contains(&level), "{action:?} with {level:?}");
            }
            assert!(standing(MEMBER).may(action).is_err(), "{action:?} as a plain member");
            let nobody_may = action == Action::Kick { of: OWNER };
            assert_eq!(standing(OWNER).may(action).is_err(), nobody_may, "{action:?} as the owner");
        }
    }

    #[test]
    fn admins_are_put_out_only_by_those_who_may_put_admins_out() {
        let admin = holding(&[Level::AddMember]);
        for (held, may) in [
            (vec![Level::KickMember], false),
            (vec![Level::KickAdmin], false),
            (vec![Level::KickMember, Level::KickAdmin], true),
        ] {
            let kick = standing(holding(&held)).may(Action::Kick { of: admin });
            assert_eq!(kick.is_ok(), may, "{held:?}");
        }
    }

    #[test]
    fn nobody_gives_or_takes_what_they_do_not_hold() {
        let giver = holding(&[Level::AddAccess, Level::RemoveAccess, Level::Rename]);
        let close = [Level::Close].into_iter().collect();
        for (levels, may) in [(rename_level(), true), (close, false)] {
            let grant = standing(giver).may(Action::Grant { of: MEMBER, levels });
            assert_eq!(grant.is_ok(), may);
        }
        let read_only = [Level::ReadOnly].into_iter().collect();
        assert!(standing(giver).may(Action::Grant { of: MEMBER, levels: read_only }).is_ok());
    }

    #[test]
    fn read_only_outweighs_every_other_level() {
        let mut levels: Vec<_> = Level::ALL.to_vec();
        let everything = holding(&levels);
        levels.remove(0);
        let all_but = holding(&levels);
        for action in [Action::Post, Action::Add, Action::Rename, Action::Delete, Action::Unban] {
            assert_eq!(standing(everything).may(action), Err(Refusal::Rank), "{action:?}");
            assert_eq!(standing(all_but).may(action), Ok(()), "{action:?}");
        }
        assert_eq!(standing(everything).may(Action::See), Ok(()));
        assert_eq!(standing(everything).may(Action::Leave), Ok(()));
    }

    #[test]
    fn who_writes_depends_on_the_room_and_the_silenced_do_not() {
        let admin = holding(&[Level::AddMember]);
        for (rank, status, is_muted, expected) in [
            (MEMBER, Status::Open, false, Ok(())),
            (MEMBER, Status::Open, true, Err(Refusal::Muted)),
            (MEMBER, Status::Held, false, Err(Refusal::Held)),
            (MEMBER, Status::Closed, false, Err(Refusal::Closed)),
            (admin, Status::Held, false, Ok(())),
            (admin, Status::Held, true, Err(Refusal::Muted)),
            (OWNER, Status::Held, false, Ok(())),
            (OWNER, Status::Closed, false, Err(Refusal::Closed)),
        ] {
            let standing = Standing { is_muted, status, ..standing(rank) };
            assert_eq!(standing.may(Action::Post), expected, "{rank:?} {status:?} {is_muted}");
            assert_eq!(standing.may(Action::DeleteOwn), Ok(()));
        }
    }

    #[test]
    fn a_room_of_two_has_no_ranks_to_change() {
        let two = Standing { is_direct: true, ..standing(OWNER) };
        for action in [
            Action::Add,
            Action::Kick { of: MEMBER },
            Action::Ban { of: MEMBER },
            Action::Unban,
            Action::Mute { of: MEMBER },
            Action::Grant { of: MEMBER, levels: rename_level() },
            Action::Revoke { of: MEMBER, levels: rename_level() },
            Action::DeleteOther { of: OWNER },
            Action::Transfer,
            Action::Leave,
        ] {
            assert_eq!(two.may(action), Err(Refusal::Direct), "{action:?}");
        }
        for action in [Action::Post, Action::Rename, Action::Close, Action::Reopen, Action::Delete]
        {
            assert_eq!(two.may(action), Ok(()), "{action:?}");
        }
        let blocked = Standing { is_blocked: true, ..two };
        assert_eq!(blocked.may(Action::Post), Err(Refusal::Blocked));
    }

    #[test]
    fn levels_keep_their_numbers() {
        for (number, level) in (0_i64..).zip(Level::ALL) {
            assert_eq!(i64::from(level.number()), number);
            assert_eq!(Level::from_number(number), Some(level));
        }
        assert_eq!(Level::from_number(13), None);
        assert_eq!(Level::from_number(-1), None);
        let all: Levels = Level::ALL.into_iter().collect();
        assert_eq!(Levels::from_bits(all.bits()), all);
        assert_eq!(all.bits(), 8191);
    }
}
