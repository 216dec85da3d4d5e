//! What members of an organization may do: one pure table.

/// What somebody is in an organization. Ordered: the later, the more they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    /// Belongs to it.
    Member,
    /// Looks after it and its members.
    Admin,
    /// Answers for it: there is exactly one.
    Owner,
}

impl Role {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Member, Self::Admin, Self::Owner];

    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether somebody with this role may do this. The one place that says so. Owners are made by a
    /// transfer and by nothing else, and nobody touches one.
    pub fn may(self, action: Action) -> bool {
        let given = |role: Self| role != Self::Owner && role <= self;
        match action {
            Action::See => true,
            Action::Rename | Action::SeeInvitations | Action::Withdraw => self >= Self::Admin,
            Action::Invite { to } => self >= Self::Admin && given(to),
            Action::SetRole { of, to } => self >= Self::Admin && given(of) && given(to),
            Action::Remove { of } => self >= Self::Admin && given(of),
            Action::Delete | Action::Transfer => self == Self::Owner,
        }
    }
}

/// Something a member does, to somebody else where it is done to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look at it and its members.
    See,
    /// Change its name and uname.
    Rename,
    /// Delete it.
    Delete,
    /// Hand it over.
    Transfer,
    /// Ask somebody to join.
    Invite {
        /// What they become.
        to: Role,
    },
    /// Look at who was asked.
    SeeInvitations,
    /// Take an invitation back.
    Withdraw,
    /// Make a member something else.
    SetRole {
        /// What they are.
        of: Role,
        /// What they become.
        to: Role,
    },
    /// Put a member out.
    Remove {
        /// What they are.
        of: Role,
    },
}

#[cfg(test)]
mod tests {
    use super::{
        Action::{
            Delete, Invite, Remove, Rename, See, SeeInvitations, SetRole, Transfer, Withdraw,
        },
        Role::{self, Admin, Member, Owner},
    };

    #[test]
    fn each_role_may_do_what_the_table_says() {
        for (action, allowed) in [
            (See, &[Member, Admin, Owner][..]),
            (Rename, &[Admin, Owner]),
            (SeeInvitations, &[Admin, Owner]),
            (Withdraw, &[Admin, Owner]),
            (Delete, &[Owner]),
            (Transfer, &[Owner]),
            (Invite { to: Member }, &[Admin, Owner]),
            (Invite { to: Admin }, &[Admin, Owner]),
            (Invite { to: Owner }, &[]),
            (Remove { of: Member }, &[Admin, Owner]),
            (Remove { of: Admin }, &[Admin, Owner]),
            (Remove { of: Owner }, &[]),
        ] {
            for role in Role::ALL {
                assert_eq!(role.may(action), allowed.contains(&role), "{role:?} {action:?}");
            }
        }
    }

    #[test]
    fn nobody_becomes_or_stops_being_the_owner_by_a_change_of_role() {
        for role in Role::ALL {
            for of in Role::ALL {
                for to in Role::ALL {
                    let may = role.may(SetRole { of, to });
                    let fine = role >= Admin && of != Owner && to != Owner;
                    assert_eq!(may, fine, "{role:?}: {of:?} -> {to:?}");
                }
            }
        }
    }

    #[test]
    fn every_role_is_read_back() {
        assert!(Role::ALL.into_iter().all(|role| Role::parse(role.as_str()) == Some(role)));
        assert_eq!(Role::parse("viewer"), None);
    }
}
