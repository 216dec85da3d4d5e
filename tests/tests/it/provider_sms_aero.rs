//! SMS Aero against the fake, over real HTTP: the rules of all providers, then its own.

use std::sync::Arc;

use chrono::TimeDelta;
use peyk_tests::fake::{Account, Behaviour, Delivered, FakeProvider, http, sms_aero};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use shared::http_client::Timeouts;
use shared::sms::providers::sms_aero::{Config, SmsAero};
use shared::sms::providers::{
    Balance, DeliveryStatus, Lookup, Outcome, OutgoingSms, Rejection, Report, Setup, SmsProvider,
    Unanswered, WebhookEvent, WebhookRefused, WebhookRequest,
};

use crate::provider_suite::{
    HASTY, IRANIAN, PATIENT, Rig, TEXT, TOKEN, provider_suite, retry_later, setup, template_to,
    text_to, texts, unknown,
};

const EMAIL: &str = "ops@example.com";
const KEY: &str = "a3r0k3y";
const RUSSIAN: &str = "+79031234567";

struct SmsAeroRig(FakeProvider);

impl Rig for SmsAeroRig {
    async fn start() -> Self {
        Self(FakeProvider::start(sms_aero(Account { user: EMAIL, password: KEY })).await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(account(&json!({"base_url": base_url}), &setup(timeouts)).expect("valid"))
    }
    fn behave(&self, behaviour: Behaviour) {
        self.0.behave(match behaviour {
            Behaviour::Error(_) => refused(200, &json!(null), &format!("{TEXT} to {IRANIAN}")),
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
        [EMAIL, KEY, "9123456789", TOKEN, TEXT].map(str::to_owned).to_vec()
    }
    fn messages() -> [OutgoingSms; 2] {
        texts()
    }
}

provider_suite!(SmsAeroRig);

/// An account, or the settings that cannot work.
fn account(changes: &Value, setup: &Setup) -> Result<SmsAero, Vec<&'static str>> {
    let mut table = json!({
        "email": EMAIL, "api_key": KEY,
    });
    let members = table.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    let config: Config = serde_json::from_value(table).expect("a whole config");
    SmsAero::new("sms_aero", &config, setup)
        .map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
}

/// A fake and a patient provider that talks to it.
async fn pair() -> (FakeProvider, SmsAero) {
    let SmsAeroRig(fake) = SmsAeroRig::start().await;
    let provider = account(&json!({"base_url": fake.url()}), &setup(PATIENT)).expect("valid");
    (fake, provider)
}

fn answer(status: u16, body: &Value) -> Behaviour {
    Behaviour::HttpStatus { status, headers: vec![], body: body.to_string() }
}

fn refused(status: u16, data: &Value, message: &str) -> Behaviour {
    answer(status, &json!({"success": false, "data": data, "message": message}))
}

fn done(data: &Value) -> Behaviour {
    answer(200, &json!({"success": true, "data": data, "message": null}))
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn accepted(id: Option<&str>) -> Outcome {
    Outcome::Accepted { provider_message_id: id.map(str::to_owned) }
}

#[test]
fn every_setting_that_cannot_work_is_named() {
    let local = "http://127.0.0.1:1";
    let cases = [
        (json!({"base_url": ""}), "base_url"),
        (json!({"email": ""}), "email"),
        (json!({"api_key": " "}), "api_key"),
        (json!({"sender": ""}), "sender"),
        (json!({"more_gates": [local]}), "more_gates"),
        (json!({"base_url": local, "more_gates": ["x"]}), "more_gates"),
        // A sandbox beside a live gate, secrets in the clear.
        (json!({"base_url": local, "more_gates": ["https://gate.smsaero.org"]}), "more_gates"),
        (json!({"base_url": "https://a.test", "more_gates": [local]}), "more_gates"),
        (json!({"base_url": "https://a.test", "more_gates": ["http://b.test"]}), "more_gates"),
    ];
    for (changes, key) in cases {
        assert_eq!(account(&changes, &setup(PATIENT)).unwrap_err(), [key], "{changes}");
    }
    let fine = json!({"base_url": "https://a.test", "more_gates": ["https://b.test"]});
    for changes in [json!({}), fine, json!({"base_url": local, "more_gates": [local]})] {
        let printed = format!("{:?}", account(&changes, &setup(PATIENT)).unwrap());
        assert!(!printed.contains(KEY) && !printed.contains(EMAIL), "{printed}");
    }
}

#[tokio::test]
async fn a_text_is_json_with_the_number_as_an_integer() {
    let (fake, _) = pair().await;
    let webhook = "https://sms.example.com/webhooks/s3cret/";
    let webhook_url = Some(reqwest::Url::parse(webhook).unwrap());
    let told = Setup { webhook_url, ..setup(PATIENT) };
    let provider = account(&json!({"base_url": fake.url()}), &told).unwrap();
    assert_eq!(provider.send(&text_to(RUSSIAN, TEXT, 7)).await, accepted(Some("1001")));
    let call = &fake.calls()[0];
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let expected = json!({
        "number": 79_031_234_567_i64, "text": TEXT, "sign": "SMS Aero",
        "callbackUrl": webhook, "callbackFormat": "JSON",
    });
    assert_eq!((&*call.target, body), ("/v2/sms/send", expected));
    assert_eq!(fake.effects(), [("79031234567".to_owned(), Delivered::Text(TEXT.to_owned()))]);
}

#[tokio::test]
async fn a_template_is_refused_before_any_call() {
    let (fake, provider) = pair().await;
    let outcome = provider.send(&template_to(RUSSIAN, "login", &[("token", TOKEN)])).await;
    assert_eq!(outcome, rejected(Rejection::Request, "sms_aero.no_template"));
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn every_refusal_has_its_class_under_any_http_status_below_500() {
    use Rejection::{Account, Recipient, Request};
    let (fake, provider) = pair().await;
    let null = json!(null);
    let cases = [
        ((json!({"number": ["x"]}), "Validation error."), (Recipient, "number")),
        ((json!({"numbers": ["x"]}), "Validation error."), (Recipient, "number")),
        ((json!({"sign": ["x"]}), "Validation error."), (Account, "sign")),
        ((json!({"text": ["x"]}), "Validation error."), (Request, "text")),
        ((null.clone(), "Not enough money"), (Account, "no_credits")),
        ((null.clone(), "Invalid credentials."), (Account, "auth")),
        ((null.clone(), "Authorization failed"), (Account, "auth")),
        ((null.clone(), "482913"), (Request, "refused")),
    ];
    for ((data, message), (reason, code)) in cases {
        for status in [200, 400, 422] {
            fake.behave(refused(status, &data, message));
            let expected = rejected(reason, &format!("sms_aero.{code}"));
            assert_eq!(provider.send(&texts()[0]).await, expected, "{message} {status}");
        }
    }
    let others = [
        (answer(200, &json!({"result": "no credits"})), rejected(Account, "sms_aero.no_credits")),
        (
            answer(200, &json!({"result": "reject", "reason": TEXT})),
            rejected(Request, "sms_aero.reject"),
        ),
        (
            answer(200, &json!({"result": "no credits", "success": true})),
            rejected(Account, "sms_aero.no_credits"),
        ),
        (refused(402, &null, "x"), rejected(Account, "sms_aero.no_credits")),
        (refused(401, &null, "x"), rejected(Account, "sms_aero.auth")),
        (refused(403, &null, "x"), rejected(Account, "sms_aero.auth")),
        (refused(429, &null, "x"), retry_later(None, "sms_aero.refused")),
        (refused(503, &null, "x"), retry_later(None, "sms_aero.refused")),
        (refused(500, &null, "x"), unknown("sms_aero.refused")),
        (answer(200, &json!({"success": "yes"})), unknown("http.body")),
        (answer(400, &json!([])), unknown("http.400")),
    ];
    for (behaviour, expected) in others {
        fake.behave(behaviour.clone());
        assert_eq!(provider.send(&texts()[0]).await, expected, "{behaviour:?}");
    }
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn the_message_may_be_in_a_list_its_numbers_strings_and_its_end_come_at_once() {
    let (fake, provider) = pair().await;
    let cases = [
        (json!({"id": 7, "status": 0}), accepted(Some("7"))),
        (json!([{"id": "7", "status": "8"}]), accepted(Some("7"))),
        (json!({"id": 7}), accepted(Some("7"))),
        (json!(null), accepted(None)),
        (json!([]), accepted(None)),
        (json!({"id": 7, "status": 6}), rejected(Rejection::Request, "sms_aero.6")),
        (json!([{"id": 7, "status": "2"}]), rejected(Rejection::Request, "sms_aero.2")),
    ];
    for (data, expected) in cases {
        fake.behave(done(&data));
        assert_eq!(provider.send(&texts()[0]).await, expected, "{data}");
    }
}

#[tokio::test]
async fn the_fakes_own_refusals_reach_the_caller() {
    let (fake, provider) = pair().await;
    for text in ["", "x", &"м".repeat(641)] {
        let outcome = provider.send(&text_to(RUSSIAN, text, 1)).await;
        assert_eq!(outcome, rejected(Rejection::Request, "sms_aero.text"));
    }
    let with = |key: &str, value: &str| {
        account(&json!({"base_url": fake.url(), key: value}), &setup(PATIENT)).unwrap()
    };
    let outcome = with("sender", "Other").send(&texts()[0]).await;
    assert_eq!(outcome, rejected(Rejection::Account, "sms_aero.sign"));
    let outcome = with("api_key", "wrong").send(&texts()[0]).await;
    assert_eq!(outcome, rejected(Rejection::Account, "sms_aero.auth"));
    assert!(fake.effects().is_empty());
}

/// Two gates, and a provider that knows both.
async fn gates(first: &str, timeouts: Timeouts) -> (FakeProvider, SmsAero) {
    let SmsAeroRig(fake) = SmsAeroRig::start().await;
    let config = json!({"base_url": first, "more_gates": [fake.url()]});
    let provider = account(&config, &setup(timeouts)).expect("valid");
    (fake, provider)
}

#[tokio::test]
async fn another_gate_is_asked_if_the_first_cannot_be_reached() {
    let closed = http::closed_port_url().await;
    let (fake, provider) = gates(&closed, PATIENT).await;
    let outcome = provider.send(&texts()[0]).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    assert_eq!(fake.effects().len(), 1);
    assert!(matches!(provider.lookup(&texts()[0]).await, Lookup::Found { .. }));
    let nobody = json!({"base_url": closed, "more_gates": [closed, closed]});
    let nobody = account(&nobody, &setup(PATIENT)).unwrap();
    assert_eq!(nobody.send(&texts()[0]).await, retry_later(None, "http.connect"));
}

#[tokio::test]
async fn no_other_gate_is_asked_once_the_request_may_have_been_read() {
    let SmsAeroRig(first) = SmsAeroRig::start().await;
    let behaviours = [
        Behaviour::ResetAfterRead { effect: true },
        Behaviour::ResetBeforeRead,
        Behaviour::HangAfterRead { effect: true },
        Behaviour::TruncatedBody { effect: true },
        answer(502, &json!("x")),
        answer(503, &json!("x")),
        refused(200, &json!(null), "no"),
    ];
    for behaviour in behaviours {
        let (second, provider) = gates(&first.url(), HASTY).await;
        first.behave(behaviour.clone());
        let outcome = provider.send(&texts()[0]).await;
        assert!(!matches!(outcome, Outcome::Accepted { .. }), "{behaviour:?} {outcome:?}");
        assert!(second.calls().is_empty(), "{behaviour:?}");
    }
}

#[tokio::test]
async fn another_gate_is_not_asked_with_too_little_time_left() {
    let SmsAeroRig(silent) = SmsAeroRig::start().await;
    // Plain HTTP never finishes a TLS handshake: connecting takes three quarters of the budget.
    let first = silent.url().replace("http://", "https://");
    let (second, provider) = gates(&first, HASTY).await;
    assert_eq!(provider.send(&texts()[0]).await, retry_later(None, "http.connect"));
    assert!(second.calls().is_empty());
}

#[tokio::test]
async fn after_a_lost_answer_the_list_tells_whether_the_text_went_out() {
    let (fake, provider) = pair().await;
    let [text, template] = texts();
    for (sms, id) in [(&text, "1001"), (&template, "1003")] {
        fake.behave(Behaviour::ResetAfterRead { effect: true });
        assert_eq!(provider.send(sms).await, unknown("http.reset"));
        let found = Lookup::Found { provider_message_id: Some(id.to_owned()) };
        assert_eq!(provider.lookup(sms).await, found);
    }
    let others = [text_to(IRANIAN, "کد ورود شما: 482914", 1), text_to(RUSSIAN, TEXT, 1)];
    for sms in others {
        assert_eq!(provider.lookup(&sms).await, Lookup::NotFound);
    }
    let mut later = text.clone();
    later.accepted_at += TimeDelta::seconds(60);
    assert_eq!(provider.lookup(&later).await, Lookup::NotFound);
    assert_eq!(provider.lookup(&template_to(IRANIAN, "other", &[])).await, Lookup::Unsupported);
}

#[tokio::test]
async fn a_list_that_does_not_say_it_clearly_makes_nothing_be_sent_again() {
    let (fake, provider) = pair().await;
    let unavailable = |code: &str| Lookup::Unavailable { code: code.to_owned() };
    let found = || Lookup::Found { provider_message_id: Some("5".to_owned()) };
    let now = SystemClock.now().timestamp();
    let ours = json!({"id": 5, "number": 989_123_456_789_i64, "text": TEXT, "dateCreate": now});
    let other = json!({"id": 6, "number": "989123456789", "text": "x", "dateCreate": "1"});
    let next = json!({"next": "/v2/sms/list?page=2"});
    let cases = [
        (done(&json!([other, ours])), found()),
        (done(&json!({"0": other, "1": ours, "links": next})), found()),
        (done(&json!({"0": other, "links": {"next": null}})), Lookup::NotFound),
        (done(&json!({"0": other, "links": next})), unavailable("sms_aero.list")),
        (done(&json!({"0": {"id": 5, "text": TEXT}})), unavailable("sms_aero.list")),
        (done(&json!("none")), unavailable("sms_aero.list")),
        (done(&json!(null)), Lookup::NotFound),
        (done(&json!([])), Lookup::NotFound),
        (refused(200, &json!(null), "x"), unavailable("sms_aero.refused")),
        (answer(502, &json!(1)), unavailable("http.502")),
        (Behaviour::ResetAfterRead { effect: false }, unavailable("http.reset")),
    ];
    for (behaviour, expected) in cases {
        fake.behave(behaviour.clone());
        assert_eq!(provider.lookup(&texts()[0]).await, expected, "{behaviour:?}");
    }
}

fn report(id: &str, status: Option<DeliveryStatus>, code: &str) -> Report {
    Report { provider_message_id: id.to_owned(), status, code: code.to_owned() }
}

#[tokio::test]
async fn every_state_has_its_place_in_answers_and_in_webhooks() {
    use DeliveryStatus::{Accepted, Carried, Delivered, Undelivered};
    let (fake, provider) = pair().await;
    let table = [
        (0, Some(Accepted)),
        (1, Some(Delivered)),
        (2, Some(Undelivered)),
        (3, Some(Carried)),
        (4, Some(Carried)),
        (6, Some(Undelivered)),
        (8, Some(Accepted)),
        (5, None),
        (99, None),
    ];
    for (number, status) in table {
        let expected = report("7", status, &format!("sms_aero.{number}"));
        let message = json!({"id": 7, "status": number, "extendStatus": "x", "text": TEXT});
        fake.behave(done(&message));
        let reports = provider.statuses(&["7".to_owned()]).await;
        assert_eq!(reports, Ok(vec![expected.clone()]), "{number}");
        for (kind, body) in [
            ("application/json", message.to_string()),
            ("application/x-www-form-urlencoded", format!("id=7&status={number}")),
        ] {
            let events = webhook(&provider, kind, &body);
            assert_eq!(events, Ok(vec![WebhookEvent::Report(expected.clone())]), "{body}");
        }
    }
    let strange = webhook(&provider, "application/json", r#"{"id":7,"status":12345}"#);
    let expected = report("7", None, "sms_aero.other");
    assert_eq!(strange, Ok(vec![WebhookEvent::Report(expected)]));
    for body in ["", "[]", r#"{"id":7}"#, r#"{"status":1}"#, r#"{"id":7,"status":"delivered"}"#] {
        let refused = webhook(&provider, "application/json", body);
        assert_eq!(refused, Err(WebhookRefused::Unreadable), "{body}");
    }
}

fn webhook(
    provider: &SmsAero,
    kind: &str,
    body: &str,
) -> Result<Vec<WebhookEvent>, WebhookRefused> {
    provider.read_webhook(&WebhookRequest {
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.as_bytes().to_vec(),
        ..WebhookRequest::default()
    })
}

#[tokio::test]
async fn states_and_balance_are_asked_of_the_account() {
    let (fake, provider) = pair().await;
    provider.send(&texts()[0]).await;
    let ids = ["1001", "x"].map(str::to_owned);
    let expected = report("1001", Some(DeliveryStatus::Accepted), "sms_aero.0");
    assert_eq!(provider.statuses(&ids).await, Ok(vec![expected]));
    let unavailable = |code: &str| Unanswered::Unavailable(code.to_owned());
    let stranger = provider.statuses(&["1".to_owned()]).await;
    assert_eq!(stranger, Err(unavailable("sms_aero.refused")));
    let money = Balance::Money { amount: 33_703, currency: "RUB".to_owned() };
    assert_eq!(provider.balance().await, Ok(money));
    fake.behave(done(&json!({"balance": "much"})));
    assert_eq!(provider.balance().await, Err(unavailable("http.body")));
    fake.behave(refused(401, &json!(null), "x"));
    assert_eq!(provider.balance().await, Err(unavailable("sms_aero.auth")));
}
