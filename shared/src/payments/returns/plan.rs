//! What an attempt to give money back does next, and what an answer comes to. Pure.

use std::time::Duration;

use crate::payments::{
    gateways::{Returned, Said, Standing, Unanswered},
    returns::{Action, word},
};

/// What is known before the gateway is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Situation {
    pub(super) action: Action,
    /// A call was begun before, and nobody knows what came of it.
    pub(super) in_doubt: bool,
    /// The gateway can be asked how a payment stands.
    pub(super) inquiry: bool,
    /// It is past the time in which the gateway does it.
    pub(super) late: bool,
    /// It has been asked for long enough.
    pub(super) over: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask how the payment stands.
    Inquire,
    /// Ask for the money to go back.
    Call,
    /// Neither; it has come to this.
    End(End),
}

/// What an attempt comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The money went back.
    Done(Option<Said>),
    /// It did not and will not.
    Refused(String, Option<Said>),
    /// Nobody can say, and asking is over.
    Unknown(String),
    /// Another attempt, after a pause.
    Later { in_doubt: bool, code: String },
}

impl Situation {
    /// The first thing to do.
    pub(super) fn begin(self) -> Step {
        if self.in_doubt && self.inquiry { Step::Inquire } else { self.call() }
    }

    /// After "how does it stand?".
    pub(super) fn after_inquiry(&mut self, answer: &Result<Standing, Unanswered>) -> Step {
        match answer {
            Ok(Standing::Reversed) => Step::End(End::Done(None)),
            // A gateway takes a whole payment back or not at all: this one is still there. What it paid
            // out may be no part of this.
            Ok(Standing::Verified(_) | Standing::Paid(_)) => {
                self.in_doubt &= self.action == Action::Refund;
                self.call()
            }
            Ok(_) => self.later("inquiry.odd"),
            Err(Unanswered::Unsupported) => self.call(),
            Err(Unanswered::Unavailable(_)) => self.later("inquiry.unavailable"),
        }
    }

    fn call(self) -> Step {
        if (self.late || self.over) && !self.in_doubt {
            return Step::End(End::Refused("too_late".to_owned(), None));
        }
        if self.over {
            return Step::End(End::Unknown("gave_up".to_owned()));
        }
        Step::Call
    }

    fn later(self, code: &str) -> Step {
        Step::End(match (self.over, self.in_doubt) {
            (true, true) => End::Unknown(code.to_owned()),
            (true, false) => End::Refused(code.to_owned(), None),
            (false, in_doubt) => End::Later { in_doubt, code: code.to_owned() },
        })
    }

    /// After the call: what it comes to, or [`Step::Inquire`] if the gateway says that the money went
    /// back before, of which we know nothing.
    pub(super) fn after_call(self, answer: Result<Returned, Unanswered>) -> Step {
        match answer {
            Ok(Returned::Done(said)) => Step::End(End::Done(Some(said))),
            Ok(Returned::Already(said)) if self.in_doubt => Step::End(End::Done(Some(said))),
            Ok(Returned::Already(said)) if !self.inquiry => Step::End(End::Unknown(word(&said))),
            Ok(Returned::Already(_)) => Step::Inquire,
            // The first call may be why.
            Ok(Returned::Refused(said)) if self.in_doubt => Step::End(End::Unknown(word(&said))),
            Ok(Returned::Refused(said)) => Step::End(End::Refused(word(&said), Some(said))),
            Ok(Returned::Unknown(said)) => Self { in_doubt: true, ..self }.later(&word(&said)),
            Ok(Returned::RetryLater(said)) => self.later(&word(&said)),
            Err(Unanswered::Unsupported) => Step::End(End::Refused("unsupported".to_owned(), None)),
            // Nothing was asked.
            Err(Unanswered::Unavailable(code)) if code == "breaker" => self.later(&code),
            Err(Unanswered::Unavailable(code)) => Self { in_doubt: true, ..self }.later(&code),
        }
    }

    /// After "how does it stand?" of a payment that the gateway says went back before.
    pub(super) fn after_already(self, answer: &Result<Standing, Unanswered>) -> End {
        let doubt = Self { in_doubt: true, ..self };
        match answer {
            Ok(Standing::Reversed) => End::Done(None),
            Ok(Standing::Verified(_)) => End::Refused("already.not".to_owned(), None),
            Err(Unanswered::Unavailable(_)) => match doubt.later("inquiry.unavailable") {
                Step::End(end) => end,
                Step::Inquire | Step::Call => End::Unknown("inquiry.unavailable".to_owned()),
            },
            Ok(_) | Err(Unanswered::Unsupported) => End::Unknown("already".to_owned()),
        }
    }
}

/// Pauses between attempts, in seconds; the last one repeats.
const PAUSES_S: [u64; 6] = [2, 4, 8, 30, 120, 600];

/// A gateway that may be paying out looks itself, before it does, whether it has: give it the time to
/// know.
const PAYOUT_PAUSE: Duration = Duration::from_mins(1);

/// How long to wait after so many attempts.
pub(super) fn pause(attempts: i32, action: Action, in_doubt: bool) -> Duration {
    let step = usize::try_from(attempts.max(1) - 1).unwrap_or(usize::MAX);
    let pause = Duration::from_secs(PAUSES_S[step.min(PAUSES_S.len() - 1)]);
    if in_doubt && action == Action::Refund { pause.max(PAYOUT_PAUSE) } else { pause }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn said() -> Said {
        let (reason, message) = ("zarinpal.-60".to_owned(), String::new());
        Said { code: Some(-60), reason, message, answer: Value::Null }
    }

    fn fresh(action: Action) -> Situation {
        Situation { action, in_doubt: false, inquiry: true, late: false, over: false }
    }

    fn in_doubt(action: Action) -> Situation {
        Situation { in_doubt: true, ..fresh(action) }
    }

    fn refused(step: &Step) -> bool {
        matches!(step, Step::End(End::Refused(..)))
    }

    #[test]
    fn a_first_attempt_calls_and_one_in_doubt_asks_first() {
        for action in Action::ALL {
            assert_eq!(fresh(action).begin(), Step::Call);
            assert_eq!(in_doubt(action).begin(), Step::Inquire);
        }
    }

    #[test]
    fn what_the_gateway_says_went_back_is_done_and_what_is_there_is_asked_for_again() {
        let reversed = Ok(Standing::Reversed);
        let there = Ok(Standing::Verified(None));
        let mut reverse = in_doubt(Action::Reverse);
        assert_eq!(reverse.after_inquiry(&reversed), Step::End(End::Done(None)));
        assert_eq!(reverse.after_inquiry(&there), Step::Call);
        assert!(!reverse.in_doubt, "the gateway has denied it");
    }

    #[test]
    fn what_an_inquiry_says_of_a_payout_leaves_the_doubt() {
        let mut refund = in_doubt(Action::Refund);
        assert_eq!(refund.after_inquiry(&Ok(Standing::Verified(None))), Step::Call);
        assert!(refund.in_doubt);
        let refused = refund.after_call(Ok(Returned::Refused(said())));
        assert!(matches!(refused, Step::End(End::Unknown(_))), "the first call may be why");
        let unavailable = Err(Unanswered::Unavailable("http.timeout".to_owned()));
        let later = refund.after_inquiry(&unavailable);
        assert!(matches!(later, Step::End(End::Later { in_doubt: true, .. })));
    }

    #[test]
    fn a_repeat_that_finds_it_done_is_done_and_a_first_one_asks() {
        let already = || Ok(Returned::Already(said()));
        let reverse = fresh(Action::Reverse);
        assert_eq!(reverse.after_call(already()), Step::Inquire);
        assert_eq!(reverse.after_already(&Ok(Standing::Reversed)), End::Done(None));
        let not = reverse.after_already(&Ok(Standing::Verified(None)));
        assert!(matches!(not, End::Refused(..)));
        let doubt = in_doubt(Action::Reverse);
        assert_eq!(doubt.after_call(already()), Step::End(End::Done(Some(said()))));
        let blind = Situation { inquiry: false, ..reverse };
        assert!(matches!(blind.after_call(already()), Step::End(End::Unknown(_))));
    }

    #[test]
    fn a_refusal_is_only_believed_if_nothing_may_have_been_done() {
        let refusal = || Ok(Returned::Refused(said()));
        assert!(refused(&fresh(Action::Reverse).after_call(refusal())));
        let doubt = in_doubt(Action::Reverse).after_call(refusal());
        assert!(matches!(doubt, Step::End(End::Unknown(_))));
    }

    #[test]
    fn silence_puts_in_doubt_and_a_closed_breaker_does_not() {
        let later = |answer| match fresh(Action::Refund).after_call(answer) {
            Step::End(End::Later { in_doubt, .. }) => in_doubt,
            other => panic!("{other:?}"),
        };
        assert!(later(Ok(Returned::Unknown(said()))));
        assert!(!later(Ok(Returned::RetryLater(said()))));
        assert!(!later(Err(Unanswered::Unavailable("breaker".to_owned()))));
        assert!(later(Err(Unanswered::Unavailable("http.timeout".to_owned()))));
    }

    #[test]
    fn asking_ends_with_a_refusal_if_nothing_was_done_and_with_a_person_if_it_may_have_been() {
        let over = |situation| Situation { over: true, ..situation };
        assert!(refused(&over(fresh(Action::Refund)).begin()));
        assert!(refused(&Situation { late: true, ..fresh(Action::Reverse) }.begin()));
        let blind = Situation { inquiry: false, ..over(in_doubt(Action::Reverse)) };
        assert!(matches!(blind.begin(), Step::End(End::Unknown(_))));
        let unknown = over(fresh(Action::Refund)).after_call(Ok(Returned::Unknown(said())));
        assert!(matches!(unknown, Step::End(End::Unknown(_))));
    }

    #[test]
    fn pauses_grow_to_ten_minutes_and_a_payout_in_doubt_is_left_a_minute() {
        let reverse = |attempts| pause(attempts, Action::Reverse, true);
        assert_eq!(reverse(0), Duration::from_secs(2));
        assert_eq!(reverse(2), Duration::from_secs(4));
        assert_eq!(reverse(i32::MAX), Duration::from_mins(10));
        assert_eq!(pause(1, Action::Refund, true), Duration::from_mins(1));
        assert_eq!(pause(1, Action::Refund, false), Duration::from_secs(2));
    }
}
