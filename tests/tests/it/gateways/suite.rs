//! One function per rule, generic over the [`Rig`] of a gateway. A gateway's test file implements
//! `Rig` and calls [`gateway_suite!`].

use std::{
    fmt::Write,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use peyk_tests::fake::{Behaviour, Desk, FakeGateway, SelfSigned, Stage, http};
use serde_json::json;
use shared::{
    http_client::Timeouts,
    money::Rials,
    payments::gateways::{
        NewPage, Opened, Page, PaymentGateway, Receipt, Said, Setup, Standing, Unanswered, Verified,
    },
};

use crate::provider_suite::{HASTY, Log, PATIENT};

pub(super) const AMOUNT: Rials = Rials::new(50_000);
pub(super) const MOBILE: &str = "+989123456789";
pub(super) const EMAIL: &str = "payer@example.com";

/// Who is to pay, as it must not be kept of an answer about the page.
const PAYER: [&str; 2] = ["9123456789", EMAIL];

/// A gateway and the fake it talks to.
pub(super) trait Rig: Sized + Send + Sync {
    /// The fake's rules.
    type Desk: Desk;
    /// Part of the path that opens a page, and of the one that verifies.
    const OPEN: &'static str;
    const VERIFY: &'static str;
    /// How a page stands there after the payer turned back.
    const TURNED_BACK: Standing;
    /// A name of the right form that no page has.
    const NOBODYS: &'static str;
    fn start() -> impl Future<Output = Self> + Send;
    fn fake(&self) -> &FakeGateway<Self::Desk>;
    /// The gateway under test, talking to `base_url`.
    fn gateway(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn PaymentGateway>;
    /// What may appear in no output, beside [`PAYER`].
    fn secrets() -> Vec<String>;
}

pub(super) fn setup(timeouts: Timeouts) -> Setup {
    Setup { timeouts, public_url: "http://127.0.0.1:8080".to_owned(), pool: None }
}

pub(super) fn new_page(client_ref: &str) -> NewPage {
    NewPage {
        amount: AMOUNT,
        callback_url: "https://shop.example/back".to_owned(),
        description: "سفارش ۱۲".to_owned(),
        client_ref: client_ref.to_owned(),
        order_id: "12".to_owned(),
        mobile: MOBILE.to_owned(),
        email: EMAIL.to_owned(),
    }
}

/// A rig with a patient gateway and one open page.
pub(super) async fn opened<R: Rig>() -> (R, Arc<dyn PaymentGateway>, Page) {
    let rig = R::start().await;
    let gateway = rig.gateway(&rig.fake().url(), PATIENT);
    let page = open(&*gateway, "peyk-1").await;
    (rig, gateway, page)
}

pub(super) async fn open(gateway: &dyn PaymentGateway, client_ref: &str) -> Page {
    match gateway.open(&new_page(client_ref)).await {
        Opened::Page { authority, .. } => {
            Page { authority, amount: AMOUNT, client_ref: client_ref.to_owned(), reference: None }
        }
        other => panic!("no page: {other:?}"),
    }
}

/// [`opened`], paid, with the reference the payer's way back brings.
pub(super) async fn paid<R: Rig>() -> (R, Arc<dyn PaymentGateway>, Page) {
    let (rig, gateway, page) = opened::<R>().await;
    rig.fake().pay(&page.authority);
    let page = referred(&rig, page);
    (rig, gateway, page)
}

pub(super) fn referred<R: Rig>(rig: &R, page: Page) -> Page {
    let reference = rig.fake().books(|books| books.page(&page.authority).reference);
    Page { reference: Some(reference), ..page }
}

pub(super) fn receipt(verified: Verified) -> Receipt {
    match verified {
        Verified::Paid(receipt) => receipt,
        other => panic!("not paid: {other:?}"),
    }
}

pub(super) async fn a_payment_is_verified_once_and_then_again_as_verified_already<R: Rig>() {
    let (rig, gateway, page) = opened::<R>().await;
    // What nobody has paid can be looked at as often as anybody likes.
    let early = gateway.verify(&referred(&rig, page.clone())).await;
    assert!(matches!(early, Verified::NotPaid(_)), "{early:?}");
    rig.fake().pay(&page.authority);
    let page = referred(&rig, page);
    let first = receipt(gateway.verify(&page).await);
    assert!(!first.already, "{first:?}");
    assert_eq!(first.ref_id, page.reference);
    let pan = first.card_pan.clone().unwrap_or_default();
    assert!(pan.contains("****") && pan.len() <= 19, "{pan}");
    for _ in 0..2 {
        let again = receipt(gateway.verify(&page).await);
        assert_eq!((again.already, again.ref_id), (true, first.ref_id));
    }
    assert_eq!(rig.fake().verified(&page.authority), 1);
    assert_eq!(rig.fake().captured(), AMOUNT.get());
}

pub(super) async fn an_inquiry_says_how_it_stands_and_changes_nothing<R: Rig>() {
    let (rig, gateway, page) = opened::<R>().await;
    let fake = rig.fake();
    assert_eq!(gateway.inquire(&page).await, Ok(Standing::Open));
    fake.pay(&page.authority);
    let page = referred(&rig, page);
    let standing = gateway.inquire(&page).await;
    let reference = gateway.capabilities().needs_reference.then_some(page.reference).flatten();
    assert_eq!(standing, Ok(Standing::Paid(reference)));
    assert_eq!(fake.books(|books| books.page(&page.authority).stage), Stage::Paid);
    receipt(gateway.verify(&page).await);
    let standing = gateway.inquire(&page).await;
    assert!(matches!(standing, Ok(Standing::Verified(_))), "{standing:?}");
    let other = open(&*gateway, "peyk-2").await;
    fake.cancel(&other.authority);
    assert_eq!(gateway.inquire(&other).await, Ok(R::TURNED_BACK));
    let nobodys = Page { authority: R::NOBODYS.to_owned(), ..page };
    assert_eq!(gateway.inquire(&nobodys).await, Ok(Standing::NotFound));
    let verified = gateway.verify(&nobodys).await;
    assert!(matches!(verified, Verified::NotFound(_)), "{verified:?}");
}

pub(super) async fn no_answer_within_the_budget_is_unknown_and_asking_again_tells<R: Rig>() {
    for effect in [true, false] {
        let (rig, gateway, page) = paid::<R>().await;
        let hasty = rig.gateway(&rig.fake().url(), HASTY);
        let begun = Instant::now();
        rig.fake().behave(R::VERIFY, Behaviour::HangAfterRead { effect });
        assert_eq!(reason(&hasty.verify(&page).await), ("unknown", "http.timeout".to_owned()));
        rig.fake().behave(R::OPEN, Behaviour::HangAfterRead { effect });
        let opened = hasty.open(&new_page("peyk-2")).await;
        assert!(matches!(&opened, Opened::Unknown(said) if said.reason == "http.timeout"));
        // Two calls of 300 ms; the rest is room for a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(receipt(gateway.verify(&page).await).already, effect);
        assert_eq!(rig.fake().verified(&page.authority), 1);
    }
}

pub(super) async fn a_held_answer_is_an_answer_when_it_comes_in_time<R: Rig>() {
    let (rig, gateway, page) = paid::<R>().await;
    let mut held = rig.fake().hold(R::VERIFY);
    let waiting = tokio::spawn({
        let (gateway, page) = (Arc::clone(&gateway), page.clone());
        async move { gateway.verify(&page).await }
    });
    held.carried_out().await;
    assert_eq!(rig.fake().verified(&page.authority), 1);
    // Meanwhile another asks, and is told that it has been.
    assert!(receipt(gateway.verify(&page).await).already);
    drop(held);
    assert!(!receipt(waiting.await.expect("no panic")).already);
}

pub(super) async fn an_answer_that_is_lost_or_garbage_is_unknown<R: Rig>() {
    let mut behaviours = vec![Behaviour::EmptyObject];
    for effect in [true, false] {
        behaviours.extend([
            Behaviour::ResetAfterRead { effect },
            Behaviour::TruncatedBody { effect },
            Behaviour::InvalidJson { effect },
            Behaviour::HugeBody { effect },
        ]);
    }
    for status in [500, 504, 520] {
        let body = "<h1>Bad Gateway</h1>".to_owned();
        behaviours.push(Behaviour::HttpStatus { status, headers: vec![], body });
    }
    for behaviour in behaviours {
        let (rig, gateway, page) = paid::<R>().await;
        rig.fake().behave(R::VERIFY, behaviour.clone());
        let verified = gateway.verify(&page).await;
        assert_eq!(reason(&verified).0, "unknown", "{behaviour:?} {verified:?}");
        rig.fake().behave(R::OPEN, behaviour.clone());
        let opened = gateway.open(&new_page("peyk-2")).await;
        assert!(matches!(opened, Opened::Unknown(_)), "{behaviour:?} {opened:?}");
        assert_eq!(rig.fake().count(R::VERIFY), 1, "a call was repeated");
        receipt(gateway.verify(&page).await);
        assert_eq!(rig.fake().verified(&page.authority), 1);
    }
}

pub(super) async fn what_was_not_taken_is_retried_later<R: Rig>() {
    let (rig, gateway, page) = paid::<R>().await;
    for status in [429, 503] {
        let busy = |headers| Behaviour::HttpStatus { status, headers, body: "busy".to_owned() };
        rig.fake().behave(R::VERIFY, busy(vec![("Retry-After", "17".to_owned())]));
        match gateway.verify(&page).await {
            Verified::RetryLater { after, said } => {
                assert_eq!(after, Some(Duration::from_secs(17)));
                assert_eq!(said.reason, format!("http.{status}"));
            }
            other => panic!("{other:?}"),
        }
        rig.fake().behave(R::OPEN, busy(vec![]));
        let opened = gateway.open(&new_page("peyk-2")).await;
        assert!(matches!(opened, Opened::RetryLater(_)), "{opened:?}");
    }
    for url in [http::closed_port_url().await, "http://gateway.invalid".to_owned()] {
        let nowhere = rig.gateway(&url, PATIENT);
        let later = ("later", "http.connect".to_owned());
        assert_eq!(reason(&nowhere.verify(&page).await), later);
        let opened = nowhere.open(&new_page("peyk-3")).await;
        assert!(matches!(opened, Opened::RetryLater(_)), "{opened:?}");
        let unavailable = Unanswered::Unavailable("http.connect".to_owned());
        assert_eq!(nowhere.inquire(&page).await, Err(unavailable));
    }
    assert_eq!(rig.fake().verified(&page.authority), 0);
}

pub(super) async fn a_redirect_is_not_followed<R: Rig>() {
    for status in [301, 302, 307, 308] {
        let (rig, gateway, page) = paid::<R>().await;
        let headers = vec![("Location", "/elsewhere".to_owned())];
        let away = Behaviour::HttpStatus { status, headers, body: String::new() };
        rig.fake().behave(R::VERIFY, away);
        let expected = ("unknown", format!("http.{status}"));
        assert_eq!(reason(&gateway.verify(&page).await), expected);
        assert_eq!(rig.fake().count("elsewhere"), 0);
    }
}

pub(super) async fn a_certificate_nobody_vouches_for_is_not_trusted<R: Rig>() {
    let (rig, _, page) = paid::<R>().await;
    let impostor = SelfSigned::start().await;
    let gateway = rig.gateway(impostor.url(), PATIENT);
    assert_eq!(reason(&gateway.verify(&page).await), ("later", "http.connect".to_owned()));
    let opened = gateway.open(&new_page("peyk-2")).await;
    assert!(matches!(opened, Opened::RetryLater(_)), "{opened:?}");
    assert!(impostor.greeted() > 0);
    assert_eq!(impostor.heard(), 0, "told before it was trusted");
}

pub(super) async fn nothing_printed_logged_or_kept_holds_a_secret<R: Rig>() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (rig, gateway, page) = paid::<R>().await;
    let closed = rig.gateway(&http::closed_port_url().await, PATIENT);
    let mut printed = String::new();
    let account = R::secrets();
    let payer = PAYER.map(str::to_owned).to_vec();
    for secret in account.iter().chain(&payer) {
        // One answer that says it in the words of each.
        let body = json!({
            "data": [], "errors": {"code": -9, "message": secret, "validations": [secret]},
            "metaData": {"code": 101, "errors": [{"message": secret}]},
            "result": 104, "message": secret, "merchant": secret, "token": secret,
            "mobile": secret, "Email": secret, "cardNumber": secret, "list": [{"a": secret}],
        });
        let answer = || {
            let body = body.to_string();
            Behaviour::HttpStatus { status: 400, headers: vec![], body }
        };
        rig.fake().behave(R::OPEN, answer());
        write!(printed, "{:?}", gateway.open(&new_page("peyk-2")).await).unwrap();
        // Who pays is not known any more when it is verified.
        if account.contains(secret) {
            rig.fake().behave(R::VERIFY, answer());
            write!(printed, "{:?}", gateway.verify(&page).await).unwrap();
        }
    }
    rig.fake().behave(R::VERIFY, Behaviour::ResetAfterRead { effect: false });
    write!(printed, "{:?}", gateway.verify(&page).await).unwrap();
    write!(printed, "{:?}", gateway.verify(&page).await).unwrap();
    write!(printed, "{:?} {:?}", gateway.inquire(&page).await, gateway.unverified().await).unwrap();
    write!(printed, "{:?}", closed.open(&new_page("peyk-3")).await).unwrap();
    let log = String::from_utf8(log.0.lock().expect("no writer panics").clone()).expect("UTF-8");
    assert!(log.contains("no answer to a request"), "{log}");
    for secret in account.into_iter().chain(payer) {
        assert!(!printed.contains(&*secret), "{secret} in {printed}");
        assert!(!log.contains(&*secret), "{secret} in {log}");
    }
}

/// The class of what came of verifying, and the reason.
pub(super) fn reason(verified: &Verified) -> (&'static str, String) {
    let (class, said): (_, Option<&Said>) = match verified {
        Verified::Paid(receipt) => ("paid", Some(&receipt.said)),
        Verified::Processing(said) => ("processing", Some(said)),
        Verified::NotPaid(said) => ("not_paid", Some(said)),
        Verified::Mismatch(said) => ("mismatch", Some(said)),
        Verified::NotFound(said) => ("not_found", Some(said)),
        Verified::NoReference => ("no_reference", None),
        Verified::Account(said) => ("account", Some(said)),
        Verified::RetryLater { said, .. } => ("later", Some(said)),
        Verified::Unknown(said) => ("unknown", Some(said)),
    };
    (class, said.map(|said| said.reason.clone()).unwrap_or_default())
}

/// Makes a test of every rule for one rig.
macro_rules! gateway_suite {
    ($rig:ty) => {
        $crate::gateways::suite::gateway_suite! { $rig:
            a_payment_is_verified_once_and_then_again_as_verified_already
            an_inquiry_says_how_it_stands_and_changes_nothing
            no_answer_within_the_budget_is_unknown_and_asking_again_tells
            a_held_answer_is_an_answer_when_it_comes_in_time
            an_answer_that_is_lost_or_garbage_is_unknown
            what_was_not_taken_is_retried_later
            a_redirect_is_not_followed
            a_certificate_nobody_vouches_for_is_not_trusted
            nothing_printed_logged_or_kept_holds_a_secret
        }
    };
    ($rig:ty: $($rule:ident)*) => {
        $(
            #[tokio::test]
            async fn $rule() {
                $crate::gateways::suite::$rule::<$rig>().await;
            }
        )*
    };
}
pub(super) use gateway_suite;
