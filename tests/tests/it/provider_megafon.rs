//! MegaFon against the fake, over real HTTP: the rules of all providers, then its own.

use std::sync::Arc;

use peyk_tests::fake::{Account, Behaviour, Delivered, FakeProvider, megafon};
use serde_json::{Value, json};
use shared::http_client::Timeouts;
use shared::sms::providers::megafon::{Config, Megafon};
use shared::sms::providers::{
    DeliveryStatus, Lookup, Outcome, OutgoingSms, Rejection, Report, Setup, SmsProvider,
    Unanswered, WebhookEvent, WebhookRefused, WebhookRequest,
};

use crate::provider_suite::{
    IRANIAN, PATIENT, Rig, TEXT, TOKEN, provider_suite, retry_later, setup, template_to, text_to,
    texts, unknown,
};

const LOGIN: &str = "peyk-login";
const PASSWORD: &str = "m3gaf0n";
const RUSSIAN: &str = "+79031234567";

struct MegafonRig(FakeProvider);

impl Rig for MegafonRig {
    async fn start() -> Self {
        Self(FakeProvider::start(megafon(Account { user: LOGIN, password: PASSWORD })).await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(account(&json!({"base_url": base_url}), &setup(timeouts)).expect("valid"))
    }
    fn behave(&self, behaviour: Behaviour) {
        self.0.behave(match behaviour {
            Behaviour::Error(code) => coded(i64::from(code), 200),
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
        [LOGIN, PASSWORD, "9123456789", TOKEN, TEXT].map(str::to_owned).to_vec()
    }
    fn messages() -> [OutgoingSms; 2] {
        texts()
    }
}

provider_suite!(MegafonRig);

/// An account, or the settings that cannot work.
fn account(changes: &Value, setup: &Setup) -> Result<Megafon, Vec<&'static str>> {
    let mut table = json!({
        "login": LOGIN, "password": PASSWORD, "sender": "NEWS",
    });
    let members = table.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    let config: Config = serde_json::from_value(table).expect("a whole config");
    Megafon::new("megafon", &config, setup)
        .map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
}

/// A fake and a patient provider that talks to it.
async fn pair() -> (FakeProvider, Megafon) {
    let MegafonRig(fake) = MegafonRig::start().await;
    let provider = account(&json!({"base_url": fake.url()}), &setup(PATIENT)).expect("valid");
    (fake, provider)
}

fn coded(code: i64, status: u16) -> Behaviour {
    let description = format!("{TEXT} to {IRANIAN}");
    let result = json!({"msg_id": null, "status": {"code": code, "description": description}});
    answer(status, &json!({"result": result}))
}

fn answer(status: u16, body: &Value) -> Behaviour {
    Behaviour::HttpStatus { status, headers: vec![], body: body.to_string() }
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn accepted(id: Option<&str>) -> Outcome {
    Outcome::Accepted { provider_message_id: id.map(str::to_owned) }
}

#[test]
fn every_setting_that_cannot_work_is_named() {
    for key in ["base_url", "login", "password", "sender"] {
        assert_eq!(account(&json!({key: ""}), &setup(PATIENT)).unwrap_err(), [key]);
    }
    let colon = account(&json!({"login": "a:b"}), &setup(PATIENT));
    assert_eq!(colon.unwrap_err(), ["login"]);
    let printed = format!("{:?}", account(&json!({}), &setup(PATIENT)).unwrap());
    assert!(!printed.contains(PASSWORD) && !printed.contains(LOGIN), "{printed}");
}

#[tokio::test]
async fn a_text_is_json_with_the_number_as_an_integer() {
    let (fake, _) = pair().await;
    let webhook = "https://sms.example.com/webhooks/s3cret/";
    let webhook_url = Some(reqwest::Url::parse(webhook).unwrap());
    // The whole address, as django-rest-sms-auth was told it, and the host alone.
    for path in ["", "/", "/sms/v1/sms", "/sms/v1/sms/"] {
        let url = json!({"base_url": fake.url() + path});
        let told = Setup { webhook_url: webhook_url.clone(), ..setup(PATIENT) };
        let provider = account(&url, &told).unwrap();
        let outcome = provider.send(&text_to(RUSSIAN, TEXT, 7)).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{path} {outcome:?}");
    }
    let body: Value = serde_json::from_slice(&fake.calls()[0].body).unwrap();
    let expected = json!({
        "from": "NEWS", "to": 79_031_234_567_u64, "message": TEXT, "callback_url": webhook,
    });
    assert_eq!(body, expected);
    assert_eq!(fake.effects()[0], ("79031234567".to_owned(), Delivered::Text(TEXT.to_owned())));
}

#[tokio::test]
async fn a_template_is_refused_before_any_call() {
    let (fake, provider) = pair().await;
    let outcome = provider.send(&template_to(RUSSIAN, "login", &[("token", TOKEN)])).await;
    assert_eq!(outcome, rejected(Rejection::Request, "megafon.no_template"));
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn a_code_other_than_zero_is_a_refusal_although_http_says_200() {
    let (fake, provider) = pair().await;
    let cases = [
        (coded(5, 200), rejected(Rejection::Request, "megafon.5")),
        (coded(5, 400), rejected(Rejection::Request, "megafon.5")),
        (coded(-3, 200), rejected(Rejection::Request, "megafon.other")),
        (coded(123_456, 200), rejected(Rejection::Request, "megafon.other")),
        (coded(5, 401), rejected(Rejection::Account, "megafon.5")),
        (coded(5, 403), rejected(Rejection::Account, "megafon.5")),
        (coded(5, 429), retry_later(None, "megafon.5")),
        (coded(5, 500), unknown("megafon.5")),
        (answer(401, &json!("who")), rejected(Rejection::Account, "http.401")),
        (answer(403, &json!({})), rejected(Rejection::Account, "http.403")),
        (answer(400, &json!({})), unknown("http.400")),
        (answer(200, &json!({"result": {"msg_id": "x"}})), unknown("http.body")),
        (answer(200, &json!({"result": {"status": {"code": null}}})), unknown("http.body")),
    ];
    for (behaviour, expected) in cases {
        fake.behave(behaviour.clone());
        assert_eq!(provider.send(&texts()[0]).await, expected, "{behaviour:?}");
    }
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn ids_and_codes_may_be_numbers_or_strings() {
    let (fake, provider) = pair().await;
    let cases = [
        (json!(77), json!("0"), Some("77")),
        (json!("a-7"), json!(0), Some("a-7")),
        (json!(null), json!(0), None),
        (json!("no id at all"), json!(0), None),
    ];
    for (id, code, expected) in cases {
        fake.behave(answer(200, &json!({"result": {"msg_id": id, "status": {"code": code}}})));
        assert_eq!(provider.send(&texts()[0]).await, accepted(expected), "{id}");
    }
}

#[tokio::test]
async fn the_fakes_own_refusals_reach_the_caller_and_it_can_be_asked_nothing() {
    let (fake, provider) = pair().await;
    let empty = provider.send(&text_to(RUSSIAN, "", 1)).await;
    assert_eq!(empty, rejected(Rejection::Request, "megafon.1"));
    let stranger = json!({"base_url": fake.url(), "password": "wrong"});
    let outcome = account(&stranger, &setup(PATIENT)).unwrap().send(&texts()[0]).await;
    assert_eq!(outcome, rejected(Rejection::Account, "http.401"));
    assert_eq!(provider.lookup(&texts()[0]).await, Lookup::Unsupported);
    assert_eq!(provider.balance().await, Err(Unanswered::Unsupported));
    assert_eq!((provider.statuses_at_once(), fake.calls().len()), (0, 2));
}

fn webhook(kind: &str, body: &str) -> Result<Vec<WebhookEvent>, WebhookRefused> {
    let provider = account(&json!({}), &setup(PATIENT)).expect("valid");
    provider.read_webhook(&WebhookRequest {
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.as_bytes().to_vec(),
        ..WebhookRequest::default()
    })
}

#[test]
fn every_state_that_may_be_told_has_its_place() {
    use DeliveryStatus::{Accepted, Carried, Delivered, Undelivered};
    let table = [
        ("delivered", Some(Delivered), "megafon.delivered"),
        ("DELIVRD", Some(Delivered), "megafon.delivered"),
        ("accepted", Some(Carried), "megafon.accepted"),
        ("ENROUTE", Some(Accepted), "megafon.enroute"),
        ("EXPIRED", Some(Undelivered), "megafon.expired"),
        ("DELETED", Some(Undelivered), "megafon.deleted"),
        ("UNDELIV", Some(Undelivered), "megafon.undeliverable"),
        ("REJECTD", Some(Undelivered), "megafon.rejected"),
        ("UNKNOWN", None, "megafon.unknown"),
        ("teleported", None, "megafon.teleported"),
        ("8", None, "megafon.8"),
        ("sent to +7903", None, "megafon.other"),
    ];
    for (word, status, code) in table {
        let expected =
            Report { provider_message_id: "a-7".to_owned(), status, code: code.to_owned() };
        let body = json!({"msg_id": "a-7", "status": word}).to_string();
        let events = webhook("application/json", &body).unwrap();
        assert_eq!(events, [WebhookEvent::Report(expected)], "{word}");
    }
    assert!(webhook("application/x-www-form-urlencoded", "msg_id=7&status=DELIVRD").is_ok());
    for body in ["", "[]", r#"{"msg_id":"7"}"#, r#"{"status":"x"}"#, r#"{"msg_id":0,"status":"x"}"#]
    {
        assert_eq!(webhook("application/json", body), Err(WebhookRefused::Unreadable), "{body}");
    }
}
