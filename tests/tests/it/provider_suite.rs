//! What every SMS provider must do, whatever its wire format: one function per rule, generic
//! over the [`Rig`] of a provider. A provider's test file implements `Rig` and calls
//! [`provider_suite!`].

use std::future::Future;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use peyk_tests::fake::{Behaviour, SelfSigned, http};
use shared::clock::{Clock, SystemClock};
use shared::http_client::Timeouts;
use shared::phone::PhoneNumber;
use shared::sms::providers::{Content, Outcome, OutgoingSms, Setup, SmsProvider};

/// For calls that must be answered, however busy the machine is.
pub(crate) const PATIENT: Timeouts =
    Timeouts { connect: Duration::from_secs(5), budget: Duration::from_secs(10) };

/// For calls that must run out of time.
pub(crate) const HASTY: Timeouts =
    Timeouts { connect: Duration::from_millis(200), budget: Duration::from_millis(300) };

pub(crate) const IRANIAN: &str = "+989123456789";
pub(crate) const TEXT: &str = "کد ورود شما: 482913";
pub(crate) const TOKEN: &str = "482913";

/// A provider and the fake it talks to.
pub(crate) trait Rig: Sized + Send + Sync {
    /// Starts the fake.
    fn start() -> impl Future<Output = Self> + Send;
    /// Where the fake listens.
    fn base_url(&self) -> String;
    /// The provider under test, talking to `base_url`.
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider>;
    /// How the fake treats the next request.
    fn behave(&self, behaviour: Behaviour);
    /// How many requests were read.
    fn calls(&self) -> usize;
    /// How many texts reached a handset.
    fn effects(&self) -> usize;
    /// What may appear in no output.
    fn secrets(&self) -> Vec<String>;
    /// What the provider can carry; every rule holds for both.
    fn messages() -> [OutgoingSms; 2] {
        messages()
    }
    /// Answers that refuse, for the rule about secrets.
    fn refusals() -> Vec<Behaviour> {
        let body = format!("{{\"error\":\"{TEXT}\"}}");
        vec![Behaviour::HttpStatus { status: 400, headers: vec![], body }]
    }
}

pub(crate) fn text_to(number: &str, text: &str, local_id: i64) -> OutgoingSms {
    let to = PhoneNumber::from_e164(number).expect("a number in E.164");
    outgoing(to, Content::Text(text.to_owned()), local_id)
}

pub(crate) fn template_to(number: &str, name: &str, tokens: &[(&str, &str)]) -> OutgoingSms {
    let to = PhoneNumber::from_e164(number).expect("a number in E.164");
    let tokens = tokens.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    outgoing(to, Content::Template { name: name.to_owned(), tokens }, 1)
}

fn outgoing(to: PhoneNumber, content: Content, local_id: i64) -> OutgoingSms {
    let accepted_at = SystemClock.now();
    let expires_at = accepted_at + TimeDelta::minutes(4);
    OutgoingSms { to, content, local_id, accepted_at, expires_at }
}

pub(crate) fn setup(timeouts: Timeouts) -> Setup {
    Setup { timeouts, webhook_url: None }
}

/// One of each content.
pub(crate) fn messages() -> [OutgoingSms; 2] {
    messages_with("login")
}

/// One of each content, for a provider whose templates have other names.
pub(crate) fn messages_with(template: &str) -> [OutgoingSms; 2] {
    let [text, _] = texts();
    [text, template_to(IRANIAN, template, &[("token", TOKEN)])]
}

/// Two texts, for a provider without templates.
pub(crate) fn texts() -> [OutgoingSms; 2] {
    [4_611_686_018_427, 1].map(|local_id| text_to(IRANIAN, TEXT, local_id))
}

pub(crate) fn unknown(code: &str) -> Outcome {
    Outcome::Unknown { code: code.to_owned() }
}

pub(crate) fn retry_later(after: Option<u64>, code: &str) -> Outcome {
    Outcome::RetryLater { after: after.map(Duration::from_secs), code: code.to_owned() }
}

/// Sends one message of each content under `behaviour` and says what came of each.
async fn outcomes_under<R: Rig>(behaviour: Behaviour, timeouts: Timeouts) -> (R, Vec<Outcome>) {
    let rig = R::start().await;
    let provider = rig.provider(&rig.base_url(), timeouts);
    let mut outcomes = Vec::new();
    for sms in R::messages() {
        rig.behave(behaviour.clone());
        outcomes.push(provider.send(&sms).await);
    }
    (rig, outcomes)
}

/// As [`outcomes_under`]; all must be `expected`, with or without an effect, after one call each.
async fn all_end_as<R: Rig>(
    behaviour: fn(bool) -> Behaviour,
    timeouts: Timeouts,
    expected: &Outcome,
) {
    for effect in [true, false] {
        let (rig, outcomes) = outcomes_under::<R>(behaviour(effect), timeouts).await;
        assert!(outcomes.iter().all(|outcome| outcome == expected), "{outcomes:?}");
        assert_eq!(rig.calls(), outcomes.len(), "a call was repeated");
        assert_eq!(rig.effects(), if effect { outcomes.len() } else { 0 });
    }
}

pub(crate) async fn each_message_is_accepted_with_an_id_and_arrives_once<R: Rig>() {
    let (rig, outcomes) = outcomes_under::<R>(Behaviour::Ok, PATIENT).await;
    let has_id = |outcome: &Outcome| matches!(outcome, Outcome::Accepted { provider_message_id: Some(id) } if !id.is_empty());
    assert!(outcomes.iter().all(has_id), "{outcomes:?}");
    assert_eq!((rig.calls(), rig.effects()), (2, 2));
}

pub(crate) async fn a_closed_port_is_retried_later<R: Rig>() {
    let rig = R::start().await;
    let provider = rig.provider(&http::closed_port_url().await, PATIENT);
    for sms in R::messages() {
        assert_eq!(provider.send(&sms).await, retry_later(None, "http.connect"));
    }
}

pub(crate) async fn a_name_that_does_not_resolve_is_retried_later<R: Rig>() {
    let rig = R::start().await;
    let provider = rig.provider("http://provider.invalid", PATIENT);
    for sms in R::messages() {
        assert_eq!(provider.send(&sms).await, retry_later(None, "http.connect"));
    }
}

pub(crate) async fn a_handshake_that_never_ends_is_retried_later<R: Rig>() {
    let rig = R::start().await;
    // The fake speaks no TLS: it waits for the end of an HTTP head that never comes. The
    // connect timeout is longer than the budget here, and must still be the one that ends it.
    let timeouts =
        Timeouts { connect: Duration::from_mins(1), budget: Duration::from_millis(1200) };
    let provider = rig.provider(&rig.base_url().replace("http://", "https://"), timeouts);
    for sms in R::messages() {
        assert_eq!(provider.send(&sms).await, retry_later(None, "http.connect"));
    }
    assert_eq!(rig.calls(), 0);
}

pub(crate) async fn a_certificate_nobody_vouches_for_is_not_trusted<R: Rig>() {
    let rig = R::start().await;
    let impostor = SelfSigned::start().await;
    let provider = rig.provider(impostor.url(), PATIENT);
    for sms in R::messages() {
        assert_eq!(provider.send(&sms).await, retry_later(None, "http.connect"));
    }
    assert!(impostor.greeted() > 0);
    assert_eq!(impostor.heard(), 0, "told before it was trusted");
}

pub(crate) async fn no_answer_within_the_budget_is_unknown<R: Rig>() {
    let begun = Instant::now();
    all_end_as::<R>(|effect| Behaviour::HangAfterRead { effect }, HASTY, &unknown("http.timeout"))
        .await;
    // Four calls of 300 ms; the rest is room for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

pub(crate) async fn an_answer_dripping_past_the_budget_is_unknown<R: Rig>() {
    all_end_as::<R>(|effect| Behaviour::SlowDrip { effect }, HASTY, &unknown("http.timeout")).await;
}

pub(crate) async fn a_reset_after_the_request_was_read_is_unknown<R: Rig>() {
    all_end_as::<R>(|effect| Behaviour::ResetAfterRead { effect }, PATIENT, &unknown("http.reset"))
        .await;
}

pub(crate) async fn a_reset_before_the_request_was_read_is_unknown_too<R: Rig>() {
    // From this end it cannot be told from a reset after it.
    let (rig, outcomes) = outcomes_under::<R>(Behaviour::ResetBeforeRead, PATIENT).await;
    assert!(outcomes.iter().all(|outcome| *outcome == unknown("http.reset")), "{outcomes:?}");
    assert_eq!((rig.calls(), rig.effects()), (0, 0));
}

pub(crate) async fn a_body_cut_off_is_unknown<R: Rig>() {
    all_end_as::<R>(|effect| Behaviour::TruncatedBody { effect }, PATIENT, &unknown("http.body"))
        .await;
}

pub(crate) async fn a_body_that_is_no_json_is_unknown<R: Rig>() {
    all_end_as::<R>(|effect| Behaviour::InvalidJson { effect }, PATIENT, &unknown("http.body"))
        .await;
}

pub(crate) async fn a_body_without_end_is_unknown<R: Rig>() {
    all_end_as::<R>(|effect| Behaviour::HugeBody { effect }, PATIENT, &unknown("http.body")).await;
}

pub(crate) async fn an_empty_object_is_unknown<R: Rig>() {
    let (_rig, outcomes) = outcomes_under::<R>(Behaviour::EmptyObject, PATIENT).await;
    assert!(outcomes.iter().all(|outcome| *outcome == unknown("http.body")), "{outcomes:?}");
}

pub(crate) async fn server_errors_without_a_readable_body_are_unknown<R: Rig>() {
    for status in [500, 502, 504, 520] {
        let behaviour = Behaviour::HttpStatus {
            status,
            headers: vec![("Content-Type", "text/html".to_owned())],
            body: "<h1>Bad Gateway</h1>".to_owned(),
        };
        let (rig, outcomes) = outcomes_under::<R>(behaviour, PATIENT).await;
        let expected = unknown(&format!("http.{status}"));
        assert!(outcomes.iter().all(|outcome| *outcome == expected), "{outcomes:?}");
        assert_eq!(rig.calls(), 2, "a call was repeated");
    }
}

pub(crate) async fn http_429_and_503_are_retried_when_the_provider_says<R: Rig>() {
    let date = ("Date", "Wed, 21 Oct 2015 07:28:00 GMT".to_owned());
    let cases = [
        (vec![], None),
        (vec![("Retry-After", "17".to_owned())], Some(17)),
        (vec![("Retry-After", "999999".to_owned())], Some(3600)),
        (vec![("Retry-After", "next week".to_owned())], None),
        (vec![date, ("Retry-After", "Wed, 21 Oct 2015 07:28:42 GMT".to_owned())], Some(42)),
    ];
    for status in [429, 503] {
        for (headers, after) in cases.clone() {
            let behaviour = Behaviour::HttpStatus { status, headers, body: "busy".to_owned() };
            let (_rig, outcomes) = outcomes_under::<R>(behaviour, PATIENT).await;
            let expected = retry_later(after, &format!("http.{status}"));
            assert!(outcomes.iter().all(|outcome| *outcome == expected), "{outcomes:?}");
        }
    }
}

pub(crate) async fn a_redirect_is_not_followed<R: Rig>() {
    for status in [301, 302, 307, 308] {
        let location = ("Location", "/v1/elsewhere".to_owned());
        let behaviour =
            Behaviour::HttpStatus { status, headers: vec![location], body: String::new() };
        let (rig, outcomes) = outcomes_under::<R>(behaviour, PATIENT).await;
        let expected = unknown(&format!("http.{status}"));
        assert!(outcomes.iter().all(|outcome| *outcome == expected), "{outcomes:?}");
        assert_eq!((rig.calls(), rig.effects()), (2, 0));
    }
}

pub(crate) async fn a_hanging_call_does_not_hold_up_the_others<R: Rig>() {
    let rig = R::start().await;
    let provider = rig.provider(&rig.base_url(), PATIENT);
    rig.behave(Behaviour::HangAfterRead { effect: false });
    let hanging = Arc::clone(&provider);
    let [first, second] = R::messages();
    let task = tokio::spawn(async move { hanging.send(&first).await });
    // Whichever of the two the fake makes hang, exactly one gets through.
    let other = tokio::spawn(async move { provider.send(&second).await });
    let begun = Instant::now();
    let (outcome, slow) = tokio::select! {
        outcome = task => (outcome, "other"),
        outcome = other => (outcome, "first"),
    };
    assert!(
        matches!(outcome.expect("no panic"), Outcome::Accepted { .. }),
        "{slow} is the slow one"
    );
    assert!(begun.elapsed() < PATIENT.budget / 2);
}

pub(crate) async fn nothing_printable_holds_a_secret<R: Rig>() {
    let mut behaviours = vec![
        Behaviour::Ok,
        Behaviour::ResetAfterRead { effect: false },
        Behaviour::HttpStatus { status: 500, headers: vec![], body: TEXT.to_owned() },
    ];
    behaviours.extend(R::refusals());
    for behaviour in behaviours {
        let (rig, outcomes) = outcomes_under::<R>(behaviour, PATIENT).await;
        let mut printed = format!("{outcomes:?}");
        let closed = rig.provider(&http::closed_port_url().await, PATIENT);
        for sms in R::messages() {
            let (outcome, lookup) = (closed.send(&sms).await, closed.lookup(&sms).await);
            printed +=
                &[format!("{sms:?} {outcome:?} {lookup:?}"), closed.name().to_owned()].concat();
        }
        for secret in rig.secrets() {
            assert!(!printed.contains(&secret), "{secret} in {printed}");
        }
    }
}

/// Collects what a subscriber writes.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) async fn no_log_line_of_any_level_holds_a_secret<R: Rig>() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let rig = R::start().await;
    let provider = rig.provider(&rig.base_url(), PATIENT);
    let closed = rig.provider(&http::closed_port_url().await, PATIENT);
    for sms in R::messages() {
        for behaviour in [Behaviour::Ok, Behaviour::ResetAfterRead { effect: false }] {
            rig.behave(behaviour);
            provider.send(&sms).await;
        }
        closed.send(&sms).await;
    }
    let log = String::from_utf8(log.0.lock().expect("no writer panics").clone()).expect("UTF-8");
    assert_eq!(log.matches("no answer to a request").count(), 4, "{log}");
    for secret in rig.secrets() {
        assert!(!log.contains(&secret), "{secret} in {log}");
    }
}

/// Makes a test of every rule for one rig.
macro_rules! provider_suite {
    ($rig:ty) => {
        $crate::provider_suite::provider_suite! { $rig:
            each_message_is_accepted_with_an_id_and_arrives_once
            a_closed_port_is_retried_later
            a_name_that_does_not_resolve_is_retried_later
            a_handshake_that_never_ends_is_retried_later
            a_certificate_nobody_vouches_for_is_not_trusted
            no_answer_within_the_budget_is_unknown
            an_answer_dripping_past_the_budget_is_unknown
            a_reset_after_the_request_was_read_is_unknown
            a_reset_before_the_request_was_read_is_unknown_too
            a_body_cut_off_is_unknown
            a_body_that_is_no_json_is_unknown
            a_body_without_end_is_unknown
            an_empty_object_is_unknown
            server_errors_without_a_readable_body_are_unknown
            http_429_and_503_are_retried_when_the_provider_says
            a_redirect_is_not_followed
            a_hanging_call_does_not_hold_up_the_others
            nothing_printable_holds_a_secret
            no_log_line_of_any_level_holds_a_secret
        }
    };
    ($rig:ty: $($rule:ident)+) => {
        $(
            #[tokio::test]
            async fn $rule() {
                $crate::provider_suite::$rule::<$rig>().await;
            }
        )+
    };
}
pub(crate) use provider_suite;
