//! The states of a payment and the one table of what may follow what. Pure.

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum State {
    /// Written down; no gateway has a page for it yet.
    Created,
    /// The payer was sent to a gateway.
    Redirected,
    /// The gateway says that it has been paid, or is about to be, and has not said yes yet.
    Verifying,
    /// The gateway said yes, and the ledger has it.
    Paid,
    /// The gateway says that it will not be paid, or refused it.
    Failed,
    /// The gateway says that the payer turned back.
    Cancelled,
    /// Nobody paid in time.
    Expired,
    /// Nobody can say by themselves what became of it; a person has to look.
    NeedsReview,
    /// It was paid, and the gateway took it back as if it had not been.
    Reversed,
    /// It was paid, and the money was paid out again.
    Refunded,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Created,
        Self::Redirected,
        Self::Verifying,
        Self::Paid,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::NeedsReview,
        Self::Reversed,
        Self::Refunded,
    ];

    /// The word in the database, in answers and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Redirected => "redirected",
            Self::Verifying => "verifying",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::NeedsReview => "needs_review",
            Self::Reversed => "reversed",
            Self::Refunded => "refunded",
        }
    }

    /// The state with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The word of the old system, whose spelling it is.
    pub const fn old_word(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Cancelled => "canceled",
            Self::Reversed | Self::Refunded => "refounded",
            Self::Created
            | Self::Redirected
            | Self::Verifying
            | Self::Failed
            | Self::Expired
            | Self::NeedsReview => "unpaid",
        }
    }

    /// Whether a payment in this state may come into the other one. What was given up may still
    /// turn out to be paid; what was paid is only ever given back.
    pub const fn can_become(self, next: Self) -> bool {
        use State::{
            Cancelled, Created, Expired, Failed, NeedsReview, Paid, Redirected, Refunded, Reversed,
            Verifying,
        };
        match self {
            Created => matches!(next, Redirected | Failed | Expired),
            Redirected => {
                matches!(next, Verifying | Paid | Failed | Cancelled | Expired | NeedsReview)
            }
            Verifying => matches!(next, Paid | Failed | Cancelled | NeedsReview),
            Failed | Cancelled | Expired => {
                matches!(next, Redirected | Verifying | Paid | NeedsReview)
            }
            NeedsReview => matches!(next, Paid | Failed | Cancelled),
            Paid => matches!(next, Reversed | Refunded),
            Reversed | Refunded => false,
        }
    }

    /// Whether the watcher looks after it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Created | Self::Redirected | Self::Verifying)
    }

    /// Whether the money came in, whatever became of it later.
    pub const fn was_paid(self) -> bool {
        matches!(self, Self::Paid | Self::Reversed | Self::Refunded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_follow_what() {
        use State::{
            Cancelled, Created, Expired, Failed, NeedsReview, Paid, Redirected, Refunded, Reversed,
            Verifying,
        };
        let table: [(State, &[State]); 10] = [
            (Created, &[Redirected, Failed, Expired]),
            (Redirected, &[Verifying, Paid, Failed, Cancelled, Expired, NeedsReview]),
            (Verifying, &[Paid, Failed, Cancelled, NeedsReview]),
            (Paid, &[Reversed, Refunded]),
            (Failed, &[Redirected, Verifying, Paid, NeedsReview]),
            (Cancelled, &[Redirected, Verifying, Paid, NeedsReview]),
            (Expired, &[Redirected, Verifying, Paid, NeedsReview]),
            (NeedsReview, &[Paid, Failed, Cancelled]),
            (Reversed, &[]),
            (Refunded, &[]),
        ];
        assert_eq!(table.map(|(state, _)| state), State::ALL);
        for (state, after) in table {
            for next in State::ALL {
                assert_eq!(state.can_become(next), after.contains(&next), "{state:?} {next:?}");
            }
        }
    }

    #[test]
    fn what_was_paid_never_becomes_unpaid() {
        for state in State::ALL.into_iter().filter(|state| state.was_paid()) {
            for next in State::ALL.into_iter().filter(|next| state.can_become(*next)) {
                assert!(next.was_paid(), "{state:?} {next:?}");
            }
        }
    }

    #[test]
    fn words_are_read_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("canceled"), None);
    }
}
