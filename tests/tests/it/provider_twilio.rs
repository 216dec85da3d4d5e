//! Twilio against the fake, over real HTTP: the rules of all providers, then its own.

use std::sync::Arc;

use chrono::TimeDelta;
use peyk_tests::fake::{
    Account, Behaviour, Delivered, FakeProvider, TWILIO_LINE, TWILIO_SERVICE, twilio,
};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use shared::http_client::Timeouts;
use shared::sms::providers::twilio::{Config, Twilio};
use shared::sms::providers::{
    Balance, DeliveryStatus, Lookup, Outcome, OutgoingSms, Rejection, Report, Setup, SmsProvider,
    Unanswered,
};

use crate::provider_suite::{
    IRANIAN, PATIENT, Rig, TEXT, TOKEN, provider_suite, retry_later, setup, template_to, text_to,
    texts, unknown,
};

const AC: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SK: &str = "SK11111111111111111111111111111111";
const SECRET: &str = "12345678901234567890123456789012";

struct TwilioRig(FakeProvider);

impl Rig for TwilioRig {
    async fn start() -> Self {
        Self(FakeProvider::start(twilio(AC, Account { user: AC, password: SECRET })).await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(account(&json!({"base_url": base_url}), &setup(timeouts)))
    }
    fn behave(&self, behaviour: Behaviour) {
        self.0.behave(match behaviour {
            Behaviour::Error(code) => error(21_000 + i64::from(code), 400),
            other => other,
        });
    }
    fn calls(&self) -> usize {
        self.0.calls().len()
    }
    fn effects(&self) -> usize {
        self.0.effects().len()
    }
    fn secrets(&self) -> Vec<String> {
        [SECRET, "9123456789", TOKEN, TEXT].map(str::to_owned).to_vec()
    }
    fn messages() -> [OutgoingSms; 2] {
        texts()
    }
}

provider_suite!(TwilioRig);

fn account(changes: &Value, setup: &Setup) -> Twilio {
    let mut table = json!({
        "account_sid": AC, "auth_token": SECRET, "sender": TWILIO_LINE,
    });
    let members = table.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    members.retain(|_, value| !value.is_null());
    let config: Config = serde_json::from_value(table).expect("a whole config");
    Twilio::new("twilio", &config, setup).expect("a valid config")
}

/// A fake and a patient provider that talks to it.
async fn pair() -> (FakeProvider, Twilio) {
    let TwilioRig(fake) = TwilioRig::start().await;
    let provider = account(&json!({"base_url": fake.url()}), &setup(PATIENT));
    (fake, provider)
}

fn error(code: i64, status: u16) -> Behaviour {
    let message = format!("{TEXT} to {IRANIAN}");
    answer(status, &json!({"code": code, "message": message, "status": status}))
}

fn answer(status: u16, body: &Value) -> Behaviour {
    Behaviour::HttpStatus { status, headers: vec![], body: body.to_string() }
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn accepted(sid: &str) -> Outcome {
    Outcome::Accepted { provider_message_id: Some(sid.to_owned()) }
}

const FIRST: &str = "SM00000000000000000000000000000001";

#[tokio::test]
async fn a_text_is_sent_as_a_form_in_persian_to_a_number_in_e164() {
    let (fake, provider) = pair().await;
    assert_eq!(provider.send(&text_to(IRANIAN, TEXT, 7)).await, accepted(FIRST));
    let call = &fake.calls()[0];
    assert_eq!(call.target, format!("/2010-04-01/Accounts/{AC}/Messages.json"));
    let fields = call.fields();
    let expected = [("To", IRANIAN), ("From", TWILIO_LINE), ("Body", TEXT)];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fields[..3], expected);
    let (name, seconds) = &fields[3];
    assert_eq!((&**name, fields.len()), ("ValidityPeriod", 4));
    // The message has four minutes to live.
    assert!((200..=240).contains(&seconds.parse::<i64>().unwrap()), "{seconds}");
    assert_eq!(fake.effects(), [("09123456789".to_owned(), Delivered::Text(TEXT.to_owned()))]);
}

#[tokio::test]
async fn a_number_abroad_is_reached_and_a_template_is_refused_before_any_call() {
    let (fake, provider) = pair().await;
    let outcome = provider.send(&text_to("+4915123456789", TEXT, 7)).await;
    assert_eq!(outcome, accepted(FIRST));
    assert_eq!(fake.effects(), [("4915123456789".to_owned(), Delivered::Text(TEXT.to_owned()))]);
    let outcome = provider.send(&template_to(IRANIAN, "login", &[("token", TOKEN)])).await;
    assert_eq!(outcome, rejected(Rejection::Request, "twilio.no_template"));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn a_service_may_choose_the_sender_and_a_webhook_address_is_told() {
    let (fake, _) = pair().await;
    let changes = json!({
        "base_url": fake.url(), "sender": null, "messaging_service_sid": TWILIO_SERVICE,
    });
    let webhook = "https://sms.example.com/webhooks/s3cret/";
    let webhook_url = Some(reqwest::Url::parse(webhook).unwrap());
    let provider = account(&changes, &Setup { webhook_url, ..setup(PATIENT) });
    assert_eq!(provider.send(&texts()[0]).await, accepted(FIRST));
    let fields = fake.calls()[0].fields();
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    assert_eq!(field("MessagingServiceSid"), Some(TWILIO_SERVICE));
    assert_eq!((field("From"), field("StatusCallback")), (None, Some(webhook)));
}

#[tokio::test]
async fn an_api_key_calls_for_the_account() {
    let fake = FakeProvider::start(twilio(AC, Account { user: SK, password: "k3y" })).await;
    let keyed = json!({"base_url": fake.url(), "api_key": SK, "api_key_secret": "k3y"});
    let provider = account(&keyed, &setup(PATIENT));
    assert_eq!(provider.send(&texts()[0]).await, accepted(FIRST));
    let stranger = account(&json!({"base_url": fake.url()}), &setup(PATIENT));
    let expected = rejected(Rejection::Account, "twilio.20003");
    assert_eq!(stranger.send(&texts()[0]).await, expected);
}

/// The whole table of codes: what each means for the message.
fn error_table() -> Vec<(i64, Outcome)> {
    let code = |n: i64| format!("twilio.{n}");
    let with = |reason| move |n| (n, rejected(reason, &code(n)));
    let account = [20003, 20005, 20404, 21212, 21408, 21606, 21608, 21659, 30002, 30034];
    let recipient = [21211, 21610, 21614, 30003, 30005, 30006];
    let request = [21602, 21603, 21604, 21612, 21617, 30004, 30007, 30008];
    let mut table = Vec::from(account.map(with(Rejection::Account)));
    table.extend(recipient.map(with(Rejection::Recipient)));
    table.extend(request.map(with(Rejection::Request)));
    table.extend([20429, 21611, 30001].map(|n| (n, retry_later(None, &code(n)))));
    table.extend([20500, 20503, 21609].map(|n| (n, unknown(&code(n)))));
    table
}

#[tokio::test]
async fn every_documented_code_has_its_class_under_any_http_status() {
    let (fake, provider) = pair().await;
    for (code, expected) in error_table() {
        for status in [200, 400, 401, 404, 429, 500, 503] {
            fake.behave(error(code, status));
            assert_eq!(provider.send(&texts()[0]).await, expected, "{code} {status}");
        }
    }
    let as_text = answer(400, &json!({"code": "21610", "status": 400}));
    fake.behave(as_text);
    let expected = rejected(Rejection::Recipient, "twilio.21610");
    assert_eq!(provider.send(&texts()[0]).await, expected);
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn a_code_that_no_table_has_goes_by_its_http_status_and_makes_no_strange_label() {
    let (fake, provider) = pair().await;
    let cases = [
        (22_222, 400, rejected(Rejection::Request, "twilio.22222")),
        (22_222, 403, rejected(Rejection::Account, "twilio.22222")),
        (22_222, 429, retry_later(None, "twilio.22222")),
        (22_222, 500, unknown("twilio.22222")),
        (22_222, 201, unknown("twilio.22222")),
        (7, 400, rejected(Rejection::Request, "twilio.other")),
        (1_234_567, 400, rejected(Rejection::Request, "twilio.other")),
    ];
    for (code, status, expected) in cases {
        fake.behave(error(code, status));
        assert_eq!(provider.send(&texts()[0]).await, expected, "{code} {status}");
    }
}

#[tokio::test]
async fn a_rate_limit_with_a_code_keeps_its_retry_after() {
    let (fake, provider) = pair().await;
    let headers = vec![("Retry-After", "90".to_owned())];
    let body = json!({"code": 20429, "status": 429}).to_string();
    fake.behave(Behaviour::HttpStatus { status: 429, headers, body });
    assert_eq!(provider.send(&texts()[0]).await, retry_later(Some(90), "twilio.20429"));
}

#[tokio::test]
async fn a_message_that_failed_at_once_is_refused_whatever_the_http_status() {
    let (fake, provider) = pair().await;
    let cases = [
        ("failed", json!(30006), rejected(Rejection::Recipient, "twilio.30006")),
        ("failed", json!("30002"), rejected(Rejection::Account, "twilio.30002")),
        ("undelivered", json!(30001), rejected(Rejection::Request, "twilio.30001")),
        ("canceled", json!(null), rejected(Rejection::Request, "twilio.canceled")),
        ("accepted", json!(null), accepted("SM1")),
        ("something new", json!(null), accepted("SM1")),
    ];
    for (status, code, expected) in cases {
        let body = json!({"sid": "SM1", "status": status, "error_code": code});
        fake.behave(answer(200, &body));
        assert_eq!(provider.send(&texts()[0]).await, expected, "{status}");
    }
}

#[tokio::test]
async fn json_that_is_no_message_is_unknown() {
    let (fake, provider) = pair().await;
    for body in [json!(null), json!([]), json!({"sid": 0}), json!({"status": "queued"})] {
        fake.behave(answer(201, &body));
        assert_eq!(provider.send(&texts()[0]).await, unknown("http.body"), "{body}");
    }
}

#[tokio::test]
async fn the_fakes_own_refusals_reach_the_caller() {
    let (fake, provider) = pair().await;
    let cases = [
        (text_to(IRANIAN, "", 1), rejected(Rejection::Request, "twilio.21602")),
        (text_to(IRANIAN, &"م".repeat(1601), 1), rejected(Rejection::Request, "twilio.21617")),
    ];
    for (sms, expected) in cases {
        assert_eq!(provider.send(&sms).await, expected);
    }
    let foreign = json!({"base_url": fake.url(), "sender": "+15005550001"});
    let outcome = account(&foreign, &setup(PATIENT)).send(&texts()[0]).await;
    assert_eq!(outcome, rejected(Rejection::Account, "twilio.21606"));
    let other = json!({"base_url": fake.url(), "account_sid": AC.replace('a', "b")});
    let outcome = account(&other, &setup(PATIENT)).send(&texts()[0]).await;
    assert_eq!(outcome, rejected(Rejection::Account, "twilio.20003"));
    assert!(fake.effects().is_empty());
}

fn found(sid: &str) -> Lookup {
    Lookup::Found { provider_message_id: Some(sid.to_owned()) }
}

#[tokio::test]
async fn after_a_lost_answer_the_list_tells_whether_the_text_went_out() {
    let (fake, provider) = pair().await;
    let [text, template] = texts();
    for (sms, sid) in [(&text, FIRST), (&template, "SM00000000000000000000000000000003")] {
        fake.behave(Behaviour::ResetAfterRead { effect: true });
        assert_eq!(provider.send(sms).await, unknown("http.reset"));
        assert_eq!(provider.lookup(sms).await, found(sid));
    }
    let call = fake.calls().pop().unwrap();
    assert_eq!(
        (&*call.method, call.path()),
        ("GET", &*format!("/2010-04-01/Accounts/{AC}/Messages.json"))
    );
    assert_eq!(call.fields()[0], ("To".to_owned(), IRANIAN.to_owned()));
    let others = [text_to(IRANIAN, "کد ورود شما: 482914", 1), text_to("+989123456780", TEXT, 1)];
    for sms in others {
        assert_eq!(provider.lookup(&sms).await, Lookup::NotFound, "{:?}", sms.to);
    }
    let unsendable = template_to(IRANIAN, "other", &[]);
    assert_eq!(provider.lookup(&unsendable).await, Lookup::Unsupported);
}

#[tokio::test]
async fn the_same_text_sent_for_an_earlier_message_is_not_this_one() {
    let (fake, provider) = pair().await;
    let mut sms = texts()[0].clone();
    provider.send(&sms).await;
    sms.accepted_at += TimeDelta::seconds(60);
    assert_eq!(provider.lookup(&sms).await, Lookup::NotFound);
    // Twilio's clock may be a little behind.
    sms.accepted_at -= TimeDelta::seconds(55);
    assert_eq!(provider.lookup(&sms).await, found(FIRST));
    assert_eq!(fake.effects().len(), 1);
}

/// One entry of the list, so many seconds old.
fn entry(body: &str, age: i64) -> Value {
    let created = (SystemClock.now() - TimeDelta::seconds(age)).to_rfc2822();
    json!({"sid": "SM9", "body": body, "date_created": created, "date_sent": null})
}

#[tokio::test]
async fn a_list_that_does_not_say_it_clearly_makes_nothing_be_sent_again() {
    let (fake, provider) = pair().await;
    let unavailable = |code: &str| Lookup::Unavailable { code: code.to_owned() };
    let list = |messages: Value, next: Value| {
        answer(200, &json!({"messages": messages, "next_page_uri": next}))
    };
    let trial = format!("Sent from your Twilio trial account - {TEXT}");
    let mut dateless = entry("x", 0);
    dateless["date_created"] = json!("today");
    let cases = [
        (list(json!([entry(&trial, 0)]), json!(null)), found("SM9")),
        (list(json!([]), json!(null)), Lookup::NotFound),
        (list(json!([entry(TEXT, 900)]), json!(null)), Lookup::NotFound),
        // Redacted: it may be ours.
        (list(json!([entry("", 0)]), json!(null)), unavailable("twilio.list")),
        (list(json!([entry("", 0), entry(TEXT, 0)]), json!(null)), found("SM9")),
        (list(json!([dateless]), json!(null)), unavailable("twilio.list")),
        // There is more, and it may be as new.
        (list(json!([entry("x", 0)]), json!("/next")), unavailable("twilio.list")),
        (list(json!([entry("x", 0), entry(TEXT, 900)]), json!("/next")), Lookup::NotFound),
        (error(20003, 401), unavailable("twilio.20003")),
        (answer(200, &json!({})), unavailable("http.body")),
        (answer(502, &json!("x")), unavailable("http.502")),
        (Behaviour::ResetAfterRead { effect: false }, unavailable("http.reset")),
    ];
    for (behaviour, expected) in cases {
        fake.behave(behaviour.clone());
        assert_eq!(provider.lookup(&texts()[0]).await, expected, "{behaviour:?}");
    }
}

#[tokio::test]
async fn states_are_asked_for_one_by_one_and_strangers_are_told_apart() {
    let (fake, provider) = pair().await;
    provider.send(&texts()[0]).await;
    let ids = [FIRST, "SMx/../../x"].map(str::to_owned);
    let mut reports = provider.statuses(&ids).await.unwrap();
    reports.sort_by(|a, b| a.provider_message_id.cmp(&b.provider_message_id));
    let report = |id: &str, status, code: &str| Report {
        provider_message_id: id.to_owned(),
        status,
        code: code.to_owned(),
    };
    let known = report(FIRST, Some(DeliveryStatus::Accepted), "twilio.queued");
    assert_eq!(reports, [known, report(&ids[1], None, "twilio.20404")]);
    let root = format!("/2010-04-01/Accounts/{AC}/Messages/");
    assert!(fake.calls()[1..].iter().all(|call| call.target.starts_with(&root)));
    let cases = [
        (json!({"status": "undelivered", "error_code": 30003}), "twilio.30003"),
        (json!({"status": "failed", "error_code": null}), "twilio.failed"),
    ];
    for (body, code) in cases {
        fake.behave(answer(200, &body));
        let reports = provider.statuses(&ids[..1]).await.unwrap();
        assert_eq!(reports, [report(FIRST, Some(DeliveryStatus::Undelivered), code)]);
    }
    for (behaviour, code) in
        [(error(20429, 429), "twilio.20429"), (answer(500, &json!(1)), "http.500")]
    {
        fake.behave(behaviour);
        let expected = Err(Unanswered::Unavailable(code.to_owned()));
        assert_eq!(provider.statuses(&ids[..1]).await, expected);
    }
    assert_eq!(provider.statuses(&[]).await, Ok(vec![]));
}

#[tokio::test]
async fn the_balance_is_whole_cents_of_its_currency() {
    let (fake, provider) = pair().await;
    let money = Balance::Money { amount: -351, currency: "USD".to_owned() };
    assert_eq!(provider.balance().await, Ok(money));
    for (behaviour, code) in
        [(error(20003, 401), "twilio.20003"), (answer(200, &json!({})), "http.body")]
    {
        fake.behave(behaviour);
        assert_eq!(provider.balance().await, Err(Unanswered::Unavailable(code.to_owned())));
    }
}
