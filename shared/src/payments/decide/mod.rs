//! What becomes of a payment after a look at it. Pure.

use std::time::Duration;

use super::{State, look::Finding};

/// How much time a payment has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLeft {
    /// Somebody may still pay, or may have.
    pub to_pay: bool,
    /// A gateway that does not answer is asked again.
    pub to_ask: bool,
}

/// What becomes of a payment after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its next state, if it changes.
    pub state: Option<State>,
    /// When to look again; `None`: when somebody asks.
    pub again: Option<Again>,
    /// Why, unless the gateway's own code says it: a bounded word.
    pub reason: Option<&'static str>,
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// At once: the attempt was at its end, the look is not.
    Now,
    /// After the next pause, and not before the gateway wants to be asked.
    Later(Option<Duration>),
}

impl Decision {
    const fn stay() -> Self {
        Self { state: None, again: None, reason: None }
    }

    /// Whether whoever waits has the answer.
    pub const fn is_final(&self) -> bool {
        self.again.is_none()
    }
}

/// What becomes of a payment in `state` after this finding. Only the gateway's own word changes its
/// state, and time.
pub fn decide(state: State, finding: &Finding, left: TimeLeft) -> Decision {
    let to = |next: State, reason| Decision {
        state: state.can_become(next).then_some(next),
        again: None,
        reason,
    };
    match finding {
        Finding::Paid(_) => to(State::Paid, None),
        Finding::Mismatch(_) => to(State::NeedsReview, None),
        Finding::More => Decision { again: Some(Again::Now), ..Decision::stay() },
        Finding::Processing(_) => in_doubt(state, true, None, left),
        Finding::Unanswered(after, _) => in_doubt(state, false, *after, left),
        // The gateway said before that it has the money.
        Finding::NotFound(_) | Finding::NotPaid(_) | Finding::NoReference(_) | Finding::Nothing
            if state == State::Verifying =>
        {
            in_doubt(state, true, None, left)
        }
        Finding::Failed(_) => to(State::Failed, Some("failed")),
        Finding::Cancelled(_) => to(State::Cancelled, Some("cancelled")),
        // A person looks at it already.
        Finding::NotFound(_) if state == State::NeedsReview => Decision::stay(),
        Finding::NotFound(_) => to(State::Failed, Some("not_found")),
        Finding::NotPaid(_) | Finding::Nothing | Finding::NoReference(_) if left.to_pay => {
            Decision::stay()
        }
        Finding::NotPaid(_) => to(State::Expired, Some("expired")),
        // Nobody was ever sent there.
        Finding::Nothing | Finding::NoReference(_) if state == State::Created => {
            to(State::Expired, Some("expired"))
        }
        // What was given up stays given up: nobody brought anything new.
        Finding::Nothing | Finding::NoReference(_) if !state.is_open() => Decision::stay(),
        Finding::Nothing => to(State::NeedsReview, Some("no_inquiry")),
        Finding::NoReference(_) => to(State::NeedsReview, Some("no_reference")),
    }
}

/// The gateway says neither yes nor no.
fn in_doubt(state: State, says_paid: bool, after: Option<Duration>, left: TimeLeft) -> Decision {
    let verifying = says_paid && state.can_become(State::Verifying);
    if left.to_ask {
        let state = verifying.then_some(State::Verifying);
        return Decision { state, again: Some(Again::Later(after)), reason: None };
    }
    // What the gateway itself gave up earlier is only reviewed if it says otherwise now.
    let doubtful = state.is_open() || says_paid;
    if doubtful && state.can_become(State::NeedsReview) {
        let undecided = says_paid || state == State::Verifying;
        let reason = if undecided { "undecided" } else { "silent" };
        return Decision { state: Some(State::NeedsReview), again: None, reason: Some(reason) };
    }
    if state == State::Created {
        let (state, reason) = (Some(State::Expired), Some("expired"));
        return Decision { state, again: None, reason };
    }
    Decision::stay()
}

#[cfg(test)]
mod tests;
