//! The only retry logic: what an attempt's outcome means for its message. Pure.

use std::time::Duration;

use rand::Rng;
use shared::{
    jobs,
    sms::{
        MessageStatus,
        deliveries::{self, Action, AttemptResult, Next, PastAttempt, Settlement},
        providers::{Lookup, Outcome, Rejection},
        routing::{self, Past},
    },
};

/// Time given to a provider to notice a message whose answer was lost, before it is asked.
const RESOLVE_PAUSE: Duration = Duration::from_secs(1);
/// Sends without a readable answer that one text may have. A second one is sent only because it
/// carries the same code and so does no harm; a third never is.
const UNKNOWN_SENDS: usize = 2;

/// What stands before an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Configured providers, in order.
    pub order: &'a [&'a str],
    /// Those of them that take calls now; the others will again, sooner or later.
    pub available: &'a [&'a str],
    /// Earlier attempts of this message.
    pub history: &'a [PastAttempt],
    /// Whether sending it twice does no harm: it says the same, and one is as good as two.
    pub may_repeat: bool,
    /// How many attempts a message gets.
    pub max_attempts: usize,
    /// Time until the message must not be sent any more.
    pub time_left: Duration,
}

/// What to do with a claimed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan<'a> {
    /// Hand it to this provider.
    Send(&'a str),
    /// Ask this provider what became of an earlier send; if it cannot say, fall back.
    Ask {
        /// Who was asked to send.
        provider: &'a str,
        /// Who may carry the same code once more if the provider cannot say.
        or_send: Option<&'a str>,
    },
    /// Nobody is left to ask.
    GiveUp,
}

impl<'a> Situation<'a> {
    /// Decides what to do now.
    pub fn plan(&self) -> Plan<'a> {
        let next = self.next_provider(None);
        if let Some(unresolved) = self.unresolved() {
            let harmless = self.may_repeat && self.unknown_sends() < UNKNOWN_SENDS;
            return Plan::Ask { provider: unresolved, or_send: next.filter(|_| harmless) };
        }
        next.map_or(Plan::GiveUp, Plan::Send)
    }

    /// The provider of the latest send, if nobody knows what became of it.
    fn unresolved(&self) -> Option<&'a str> {
        let last = self.history.iter().rev().find(|past| {
            past.action == Action::Send
                || matches!(past.result, AttemptResult::Found | AttemptResult::NotFound)
        })?;
        let unknown = last.action == Action::Send && last.result == AttemptResult::Unknown;
        unknown.then_some(last.provider.as_str())
    }

    fn unknown_sends(&self) -> usize {
        let unknown = |past: &&PastAttempt| {
            past.action == Action::Send && past.result == AttemptResult::Unknown
        };
        self.history.iter().filter(unknown).count()
    }

    fn routed(&self, this: Option<(&'a str, Past)>) -> Vec<(&'a str, Past)> {
        let sends = self.history.iter().filter(|past| past.action == Action::Send);
        sends.map(|past| (past.provider.as_str(), past.for_routing())).chain(this).collect()
    }

    /// Of those that take calls now; of all only if none of these may be asked.
    fn next_provider(&self, this: Option<(&'a str, Past)>) -> Option<&'a str> {
        let routed = self.routed(this);
        let available = routing::choose(self.available, &routed);
        available.or_else(|| routing::choose(self.order, &routed))
    }

    /// What the outcome of a send means.
    pub fn after_send(
        &self,
        provider: &'a str,
        outcome: &Outcome,
        rng: &mut impl Rng,
    ) -> Settlement {
        let (next, code, id) = match outcome {
            Outcome::Accepted { provider_message_id } => {
                (Next::Done(MessageStatus::Sent), None, provider_message_id.clone())
            }
            Outcome::Rejected { reason: Rejection::Recipient, code } => {
                (self.end(MessageStatus::Failed, None), Some(code), None)
            }
            Outcome::Rejected { code, .. } => {
                let next = self.try_again(provider, Past::ProviderRefused, None, rng);
                (next, Some(code), None)
            }
            Outcome::RetryLater { after, code } => {
                (self.try_again(provider, Past::MayTryAgain, *after, rng), Some(code), None)
            }
            Outcome::Unknown { code } => (Next::Resolve(Some(RESOLVE_PAUSE)), Some(code), None),
        };
        Settlement {
            result: AttemptResult::from(outcome),
            provider_message_id: id,
            code: code.cloned(),
            next,
            reports: false,
        }
    }

    /// What the answer to a look-up means; [`Lookup::Unsupported`] ends the matter.
    pub fn after_lookup(&self, answer: &Lookup, rng: &mut impl Rng) -> Settlement {
        let (result, code, id, next) = match answer {
            Lookup::Found { provider_message_id } => {
                let done = Next::Done(MessageStatus::Sent);
                (AttemptResult::Found, None, provider_message_id.clone(), done)
            }
            Lookup::NotFound => {
                let next = self.within_limits(Duration::ZERO, self.unresolved());
                (AttemptResult::NotFound, None, None, next)
            }
            Lookup::Unsupported => (AttemptResult::Unsupported, None, None, Next::Resolve(None)),
            Lookup::Unavailable { code } => {
                let pause = jobs::pause_after(self.attempts(), rng);
                let next = if self.exhausted() { None } else { Some(pause) };
                (AttemptResult::RetryLater, Some(code.clone()), None, Next::Resolve(next))
            }
        };
        Settlement { result, provider_message_id: id, code, next, reports: false }
    }

    /// Another provider at once, the same ones after a pause, or the end.
    fn try_again(
        &self,
        provider: &'a str,
        past: Past,
        after: Option<Duration>,
        rng: &mut impl Rng,
    ) -> Next {
        let this = Some((provider, past));
        if self.next_provider(this).is_none() {
            return self.end(MessageStatus::Failed, None);
        }
        if routing::has_untried(self.available, &self.routed(this)) {
            return self.within_limits(Duration::ZERO, None);
        }
        let pause = jobs::pause_after(self.attempts(), rng);
        self.within_limits(after.map_or(pause, |wish| wish.max(pause)), None)
    }

    /// `not_found`: who has just said that it does not have the message.
    fn within_limits(&self, pause: Duration, not_found: Option<&str>) -> Next {
        if self.exhausted() {
            self.end(MessageStatus::Failed, not_found)
        } else if pause >= self.time_left {
            self.end(MessageStatus::Expired, not_found)
        } else {
            Next::Retry(pause)
        }
    }

    /// The end of a message that nobody took, as far as anybody knows: an earlier send that nobody
    /// could tell of may have carried it, and then it is not said to have failed.
    fn end(&self, status: MessageStatus, not_found: Option<&str>) -> Next {
        if deliveries::in_doubt(self.history, not_found) {
            return Next::Resolve(None);
        }
        Next::Done(status)
    }

    /// This attempt included.
    fn attempts(&self) -> u32 {
        u32::try_from(self.history.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn exhausted(&self) -> bool {
        self.history.len() + 1 >= self.max_attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: [&str; 2] = ["a", "b"];

    fn sent(provider: &str, result: AttemptResult) -> PastAttempt {
        PastAttempt { provider: provider.to_owned(), action: Action::Send, result }
    }

    fn asked(provider: &str, result: AttemptResult) -> PastAttempt {
        PastAttempt { provider: provider.to_owned(), action: Action::Lookup, result }
    }

    fn situation<'a>(order: &'a [&'a str], history: &'a [PastAttempt]) -> Situation<'a> {
        let time_left = Duration::from_secs(200);
        let (may_repeat, max_attempts) = (true, 10);
        Situation { order, available: order, history, may_repeat, max_attempts, time_left }
    }

    fn after(situation: Situation<'_>, provider: &'static str, outcome: &Outcome) -> Next {
        let order = situation.order;
        situation
            .after_send(order.iter().find(|n| **n == provider).unwrap(), outcome, &mut rand::rng())
            .next
    }

    fn later(after: Option<u64>) -> Outcome {
        Outcome::RetryLater { after: after.map(Duration::from_secs), code: "x.1".to_owned() }
    }

    fn rejected(reason: Rejection) -> Outcome {
        Outcome::Rejected { reason, code: "x.2".to_owned() }
    }

    #[test]
    fn an_accepted_text_is_done() {
        let outcome = Outcome::Accepted { provider_message_id: Some("7".to_owned()) };
        assert_eq!(after(situation(&ORDER, &[]), "a", &outcome), Next::Done(MessageStatus::Sent));
    }

    #[test]
    fn a_refused_recipient_is_final_and_a_refused_account_is_not() {
        let first = || situation(&ORDER, &[]);
        let failed = Next::Done(MessageStatus::Failed);
        assert_eq!(after(first(), "a", &rejected(Rejection::Recipient)), failed);
        let at_once = Next::Retry(Duration::ZERO);
        assert_eq!(after(first(), "a", &rejected(Rejection::Account)), at_once);
        assert_eq!(after(first(), "a", &rejected(Rejection::Request)), at_once);
        let history = [sent("a", AttemptResult::RejectedAccount)];
        assert_eq!(after(situation(&ORDER, &history), "b", &rejected(Rejection::Request)), failed);
    }

    #[test]
    fn a_busy_provider_hands_over_at_once_and_then_everybody_waits() {
        assert_eq!(
            after(situation(&ORDER, &[]), "a", &later(Some(30))),
            Next::Retry(Duration::ZERO)
        );
        let history = [sent("a", AttemptResult::RetryLater)];
        let Next::Retry(pause) = after(situation(&ORDER, &history), "b", &later(None)) else {
            panic!("expected a pause");
        };
        assert!(pause >= Duration::from_secs(2), "{pause:?}");
        assert_eq!(
            after(situation(&ORDER, &history), "b", &later(Some(30))),
            Next::Retry(Duration::from_secs(30))
        );
    }

    #[test]
    fn a_provider_that_takes_no_calls_is_passed_over_and_not_forgotten() {
        let here = |history, available| Situation { available, ..situation(&ORDER, history) };
        assert_eq!(here(&[], &["b"]).plan(), Plan::Send("b"));
        assert_eq!(here(&[], &[]).plan(), Plan::Send("a"), "all are out: wait for the first");
        // Not at once: the one that is left has just said no.
        let busy = after(here(&[], &["a"]), "a", &later(None));
        assert!(matches!(busy, Next::Retry(pause) if pause > Duration::ZERO), "{busy:?}");
        // Not failed: the other one has not been asked.
        let refused = after(here(&[], &["a"]), "a", &rejected(Rejection::Account));
        assert!(matches!(refused, Next::Retry(pause) if pause > Duration::ZERO), "{refused:?}");
        let history = [sent("a", AttemptResult::RejectedAccount)];
        assert_eq!(here(&history, &["a"]).plan(), Plan::Send("b"));
    }

    #[test]
    fn a_wish_beyond_the_life_of_the_code_ends_it() {
        let only = ["a"];
        assert_eq!(
            after(situation(&only, &[]), "a", &later(Some(3_600))),
            Next::Done(MessageStatus::Expired)
        );
    }

    #[test]
    fn attempts_run_out() {
        let history: Vec<_> = (0..9).map(|_| sent("a", AttemptResult::RetryLater)).collect();
        let only = ["a"];
        assert_eq!(
            after(situation(&only, &history), "a", &later(None)),
            Next::Done(MessageStatus::Failed)
        );
    }

    #[test]
    fn an_unknown_outcome_is_asked_about_before_anything_is_sent_again() {
        let outcome = Outcome::Unknown { code: "http.timeout".to_owned() };
        assert_eq!(
            after(situation(&ORDER, &[]), "a", &outcome),
            Next::Resolve(Some(RESOLVE_PAUSE))
        );
        let history = [sent("a", AttemptResult::Unknown)];
        let plan = situation(&ORDER, &history).plan();
        assert_eq!(plan, Plan::Ask { provider: "a", or_send: Some("b") });
    }

    #[test]
    fn the_same_code_is_sent_once_more_and_never_a_third_time() {
        let history = [sent("a", AttemptResult::Unknown), sent("b", AttemptResult::Unknown)];
        assert_eq!(situation(&ORDER, &history).plan(), Plan::Ask { provider: "b", or_send: None });
        let next =
            situation(&ORDER, &history).after_lookup(&Lookup::Unsupported, &mut rand::rng()).next;
        assert_eq!(next, Next::Resolve(None));
    }

    #[test]
    fn another_text_is_never_sent_again_while_nobody_knows() {
        let history = [sent("a", AttemptResult::Unknown)];
        let text = Situation { may_repeat: false, ..situation(&ORDER, &history) };
        assert_eq!(text.plan(), Plan::Ask { provider: "a", or_send: None });
        // Only the provider's own word that it has nothing allows it.
        let history = [sent("a", AttemptResult::Unknown), asked("a", AttemptResult::NotFound)];
        let text = Situation { may_repeat: false, ..situation(&ORDER, &history) };
        assert_eq!(text.plan(), Plan::Send("b"));
    }

    #[test]
    fn a_look_up_that_finds_ends_it_and_one_that_does_not_allows_a_send() {
        let history = [sent("a", AttemptResult::Unknown)];
        let lookup = |answer| situation(&ORDER, &history).after_lookup(&answer, &mut rand::rng());
        let found = lookup(Lookup::Found { provider_message_id: None });
        assert_eq!(found.next, Next::Done(MessageStatus::Sent));
        assert_eq!(lookup(Lookup::NotFound).next, Next::Retry(Duration::ZERO));
        let history = [sent("a", AttemptResult::Unknown), asked("a", AttemptResult::NotFound)];
        assert_eq!(situation(&ORDER, &history).plan(), Plan::Send("b"));
    }

    #[test]
    fn what_nobody_knows_is_never_told_to_have_failed() {
        let unknown = || sent("a", AttemptResult::Unknown);
        let none = || asked("a", AttemptResult::NotFound);
        let (failed, open) = (Next::Done(MessageStatus::Failed), Next::Resolve(None));
        let refused = rejected(Rejection::Recipient);
        // The second send is refused: the first may have arrived, unless its provider denies it.
        let (one, denied) = ([unknown()], [unknown(), none()]);
        assert_eq!(after(situation(&ORDER, &one), "b", &refused), open);
        assert_eq!(after(situation(&ORDER, &denied), "b", &refused), failed);
        // A denial is about what was sent before it.
        let again = [unknown(), none(), unknown()];
        assert_eq!(after(situation(&ORDER, &again), "b", &refused), open);
        let time_left = Duration::ZERO;
        let late = Situation { time_left, ..situation(&ORDER, &one) };
        assert_eq!(after(late, "b", &later(Some(60))), open);
        let not_found = |history: &[PastAttempt]| {
            let late = Situation { time_left, ..situation(&ORDER, history) };
            late.after_lookup(&Lookup::NotFound, &mut rand::rng()).next
        };
        assert_eq!(not_found(&one), Next::Done(MessageStatus::Expired));
        // Only one of the two denies it.
        assert_eq!(not_found(&[unknown(), sent("b", AttemptResult::Unknown)]), open);
    }

    #[test]
    fn a_look_up_that_cannot_be_made_is_repeated_while_attempts_last() {
        let unavailable = Lookup::Unavailable { code: "http.connect".to_owned() };
        let history = [sent("a", AttemptResult::Unknown), asked("a", AttemptResult::RetryLater)];
        let here = situation(&ORDER, &history);
        assert_eq!(here.plan(), Plan::Ask { provider: "a", or_send: Some("b") });
        assert!(matches!(
            here.after_lookup(&unavailable, &mut rand::rng()).next,
            Next::Resolve(Some(_))
        ));
    }

    #[test]
    fn nobody_to_ask_is_given_up() {
        assert_eq!(situation(&[], &[]).plan(), Plan::GiveUp);
        let history = [sent("a", AttemptResult::RejectedRecipient)];
        assert_eq!(situation(&ORDER, &history).plan(), Plan::GiveUp);
    }
}
