//! What staff may do: one pure table of roles and actions.

/// What somebody is on the staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Looks, and sees personal data masked.
    Viewer,
    /// Helps people with their accounts.
    Support,
    /// Looks after money; of people it sees what a viewer sees.
    Finance,
    /// Everything.
    Admin,
}

impl Role {
    /// All, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Support, Self::Finance, Self::Admin];

    /// The word in the database, in answers and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Support => "support",
            Self::Finance => "finance",
            Self::Admin => "admin",
        }
    }

    /// The role with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether somebody with this role may do this. The one place that says so.
    pub const fn may(self, action: Action) -> bool {
        match action {
            Action::LookAtUsers
            | Action::LookAtPayments
            | Action::LookAtMessages
            | Action::LookAtOperations => true,
            Action::SeePersonalData
            | Action::EndSessions
            | Action::ModerateChat
            | Action::BlockSenders
            | Action::EditUsers
            | Action::RetryMessages => matches!(self, Self::Support | Self::Admin),
            Action::ReturnMoney | Action::SettlePayments | Action::AdjustWallets => {
                matches!(self, Self::Finance | Self::Admin)
            }
            Action::SwitchUsers
            | Action::TouchStaff
            | Action::ReadAudit
            | Action::RunOperations
            | Action::EraseUsers
            | Action::LookAtKeys
            | Action::ManageKeys => matches!(self, Self::Admin),
        }
    }
}

/// Something staff do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Find accounts and look at them, masked.
    LookAtUsers,
    /// Look at them whole, and search by parts of names.
    SeePersonalData,
    /// End somebody's sessions.
    EndSessions,
    /// Disable and enable accounts. One role for both: nobody undoes what a higher role decided.
    SwitchUsers,
    /// Do any of this to the account of somebody on the staff.
    TouchStaff,
    /// Read the audit log.
    ReadAudit,
    /// Look at people's payments and wallets.
    LookAtPayments,
    /// Have a gateway give money back.
    ReturnMoney,
    /// Have a gateway asked about a payment, and say what becomes of one that nobody can ask about.
    SettlePayments,
    /// Change what is in somebody's wallet, with a reason.
    AdjustWallets,
    /// Look at rooms and what is said in them, settle reports of messages, and close rooms.
    ModerateChat,
    /// Look at queues, providers, cron jobs and blocks.
    LookAtOperations,
    /// Let queues and providers rest, run cron jobs, have many rows tried again or given up.
    RunOperations,
    /// Refuse numbers and addresses.
    BlockSenders,
    /// Find texts, requests of codes, webhooks and what the guard found, masked; never a code.
    LookAtMessages,
    /// Have one text or webhook tried again, sent once more, taken back or given up.
    RetryMessages,
    /// Change what accounts say of their owners, and their groups.
    EditUsers,
    /// Take everything that names its owner from an account, for good.
    EraseUsers,
    /// See which API keys there are, and what each may do.
    LookAtKeys,
    /// Make API keys and end them.
    ManageKeys,
}

impl Action {
    /// All.
    pub const ALL: [Self; 20] = [
        Self::LookAtUsers,
        Self::SeePersonalData,
        Self::EndSessions,
        Self::SwitchUsers,
        Self::TouchStaff,
        Self::ReadAudit,
        Self::LookAtPayments,
        Self::ReturnMoney,
        Self::SettlePayments,
        Self::AdjustWallets,
        Self::ModerateChat,
        Self::LookAtOperations,
        Self::RunOperations,
        Self::BlockSenders,
        Self::LookAtMessages,
        Self::RetryMessages,
        Self::EditUsers,
        Self::EraseUsers,
        Self::LookAtKeys,
        Self::ManageKeys,
    ];

    /// Its word for the console, which shows what somebody may do: `look_at_users`.
    pub fn word(self) -> String {
        let mut word = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.push(letter.to_ascii_lowercase());
        }
        word
    }

    /// Whether whoever does it has to have proven a moment ago who they are.
    pub const fn needs_recent_login(self) -> bool {
        matches!(
            self,
            Self::EndSessions
                | Self::SwitchUsers
                | Self::ReturnMoney
                | Self::SettlePayments
                | Self::AdjustWallets
                | Self::EditUsers
                | Self::EraseUsers
                | Self::ManageKeys
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_table_says_and_nothing_else() {
        use Action::{
            AdjustWallets, BlockSenders, EditUsers, EndSessions, LookAtMessages, LookAtOperations,
            LookAtPayments, LookAtUsers, ModerateChat, RetryMessages, ReturnMoney, SeePersonalData,
            SettlePayments,
        };
        let table: [(Role, &[Action]); 4] = [
            (Role::Viewer, &[LookAtUsers, LookAtPayments, LookAtOperations, LookAtMessages]),
            (
                Role::Support,
                &[
                    LookAtUsers,
                    LookAtPayments,
                    SeePersonalData,
                    EndSessions,
                    ModerateChat,
                    LookAtOperations,
                    BlockSenders,
                    LookAtMessages,
                    RetryMessages,
                    EditUsers,
                ],
            ),
            (
                Role::Finance,
                &[
                    LookAtUsers,
                    LookAtPayments,
                    ReturnMoney,
                    SettlePayments,
                    AdjustWallets,
                    LookAtOperations,
                    LookAtMessages,
                ],
            ),
            (Role::Admin, &Action::ALL),
        ];
        assert_eq!(table.map(|(role, _)| role), Role::ALL);
        for (role, allowed) in table {
            for action in Action::ALL {
                assert_eq!(role.may(action), allowed.contains(&action), "{role:?} {action:?}");
            }
        }
    }

    #[test]
    fn every_role_is_read_back_and_nothing_else_is_one() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for word in ["", "Admin", "superuser", "owner"] {
            assert_eq!(Role::parse(word), None, "{word}");
        }
    }

    #[test]
    fn every_action_has_a_word_of_its_own() {
        assert_eq!(Action::SeePersonalData.word(), "see_personal_data");
        let words: std::collections::BTreeSet<_> = Action::ALL.map(Action::word).into();
        assert_eq!(words.len(), Action::ALL.len());
    }

    #[test]
    fn what_changes_somebodys_account_or_money_needs_a_recent_login() {
        let sensitive = [
            Action::EndSessions,
            Action::SwitchUsers,
            Action::ReturnMoney,
            Action::SettlePayments,
            Action::AdjustWallets,
            Action::EditUsers,
            Action::EraseUsers,
            Action::ManageKeys,
        ];
        for action in Action::ALL {
            assert_eq!(action.needs_recent_login(), sensitive.contains(&action), "{action:?}");
        }
    }
}
