//! Parsian Webco against its fake, over real HTTP.

use std::sync::Arc;

use peyk_tests::fake::parsian_webco::{TEMPLATE, TEMPLATE_OF_TWO, TOKEN as API_KEY, parsian_webco};
use peyk_tests::fake::{Behaviour, Delivered, FakeProvider};
use serde_json::{Value, json};
use shared::http_client::Timeouts;
use shared::sms::providers::parsian_webco::{Config, ParsianWebco};
use shared::sms::providers::{Lookup, Outcome, OutgoingSms, Rejection, SmsProvider, Unanswered};

use crate::provider_suite::{
    IRANIAN, PATIENT, Rig, TEXT, TOKEN, provider_suite, setup, template_to, text_to, unknown,
};

struct ParsianRig(FakeProvider);

impl Rig for ParsianRig {
    async fn start() -> Self {
        Self(FakeProvider::start(parsian_webco).await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(account(base_url, API_KEY, timeouts))
    }
    fn behave(&self, behaviour: Behaviour) {
        self.0.behave(behaviour);
    }
    fn calls(&self) -> usize {
        self.0.calls().len()
    }
    fn effects(&self) -> usize {
        self.0.effects().len()
    }
    fn secrets(&self) -> Vec<String> {
        [API_KEY, "9123456789", TOKEN, TEXT].map(str::to_owned).to_vec()
    }
    fn messages() -> [OutgoingSms; 2] {
        let two = [("name", TEXT), ("token", TOKEN)];
        [template(TEMPLATE, &[("token", TOKEN)]), template(TEMPLATE_OF_TWO, &two)]
    }
}

provider_suite!(ParsianRig);

fn template(name: &str, tokens: &[(&str, &str)]) -> OutgoingSms {
    template_to(IRANIAN, name, tokens)
}

fn login() -> OutgoingSms {
    template(TEMPLATE, &[("token", TOKEN)])
}

fn account(base_url: &str, key: &str, timeouts: Timeouts) -> ParsianWebco {
    let table = json!({"base_url": base_url, "api_key": key});
    let config: Config = serde_json::from_value(table).expect("a whole config");
    ParsianWebco::new("main", &config, &setup(timeouts)).expect("a valid config")
}

async fn pair() -> (FakeProvider, ParsianWebco) {
    let fake = FakeProvider::start(parsian_webco).await;
    let provider = account(&fake.url(), API_KEY, PATIENT);
    (fake, provider)
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn accepted(id: Option<&str>) -> Outcome {
    Outcome::Accepted { provider_message_id: id.map(str::to_owned) }
}

#[tokio::test]
async fn a_template_goes_in_persian_to_a_national_number() {
    let (fake, provider) = pair().await;
    let tokens = [("name", "علی رضایی"), ("token", TOKEN)];
    let outcome = provider.send(&template(TEMPLATE_OF_TWO, &tokens)).await;
    assert_eq!(outcome, accepted(Some("70001")));
    let call = &fake.calls()[0];
    assert_eq!(call.target, "/webservice-send-sms/send");
    let expected = [
        ("token", API_KEY),
        ("TemplateID", TEMPLATE_OF_TWO),
        ("MessageVars", "علی رضایی,482913"),
        ("Receiver", "09123456789"),
        ("delay", "1"),
    ];
    assert_eq!(call.fields(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let tokens = [("0", "علی رضایی"), ("1", TOKEN)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let name = TEMPLATE_OF_TWO.to_owned();
    let expected = Delivered::Template { name, tokens: tokens.to_vec() };
    assert_eq!(fake.effects(), [("09123456789".to_owned(), expected)]);
}

#[tokio::test]
async fn what_it_does_not_carry_is_refused_before_any_call() {
    let (fake, provider) = pair().await;
    let cases = [
        (text_to(IRANIAN, TEXT, 1), "parsian_webco.no_text"),
        (template("other", &[("token", TOKEN)]), "parsian_webco.template_name"),
        (template(TEMPLATE, &[("token", "1,2")]), "parsian_webco.token_value"),
        (template_to("+4915123456789", TEMPLATE, &[("token", TOKEN)]), "parsian_webco.abroad"),
    ];
    for (sms, code) in cases {
        assert_eq!(provider.send(&sms).await, rejected(Rejection::Request, code));
    }
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn every_known_status_has_its_class_under_any_http_status() {
    let (fake, provider) = pair().await;
    let cases = [
        (json!(200), accepted(None)),
        (json!("200"), accepted(None)),
        (json!(401), rejected(Rejection::Account, "parsian_webco.401")),
        (json!("401"), rejected(Rejection::Account, "parsian_webco.401")),
        (json!(100), unknown("parsian_webco.100")),
        (json!(500), unknown("parsian_webco.500")),
        (json!(0), unknown("parsian_webco.0")),
        (json!(1_000_000), unknown("parsian_webco.other")),
    ];
    for (status, expected) in cases {
        for http_status in [200, 401, 500, 503] {
            let body = json!({"status": status, "message": TEXT}).to_string();
            fake.behave(Behaviour::HttpStatus { status: http_status, headers: vec![], body });
            assert_eq!(provider.send(&login()).await, expected, "{status} {http_status}");
        }
    }
}

#[tokio::test]
async fn an_id_is_taken_from_wherever_it_is_and_is_not_needed() {
    let (fake, provider) = pair().await;
    let cases = [
        (json!({"status": 200, "smsID": 7}), Some("7")),
        (json!({"status": 200, "SmsId": "7"}), Some("7")),
        (json!({"status": 200, "data": {"messageId": 7}}), Some("7")),
        (json!({"status": 200, "data": [{"id": "a-7"}, {"id": 8}]}), Some("a-7")),
        (json!({"status": 200, "smsID": 0}), None),
        (json!({"status": 200, "smsID": TEXT}), None),
        (json!({"status": 200, "data": null}), None),
        (json!({"status": 200, "data": "sent"}), None),
    ];
    for (body, id) in cases {
        let body = body.to_string();
        fake.behave(Behaviour::HttpStatus { status: 200, headers: vec![], body });
        assert_eq!(provider.send(&login()).await, accepted(id));
    }
}

#[tokio::test]
async fn json_without_a_status_is_unknown() {
    let (fake, provider) = pair().await;
    for body in ["null", "[]", "200", r#"{"status":null}"#, r#"{"status":"ok"}"#, ""] {
        let body = body.to_owned();
        fake.behave(Behaviour::HttpStatus { status: 200, headers: vec![], body });
        assert_eq!(provider.send(&login()).await, unknown("http.body"));
    }
}

#[tokio::test]
async fn the_fakes_own_refusals_reach_the_caller() {
    let (fake, provider) = pair().await;
    let stranger = account(&fake.url(), "wrong", PATIENT);
    let expected = rejected(Rejection::Account, "parsian_webco.401");
    assert_eq!(stranger.send(&login()).await, expected);
    let unapproved = template("99", &[("token", TOKEN)]);
    assert_eq!(provider.send(&unapproved).await, unknown("parsian_webco.100"));
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn it_answers_no_question() {
    let (fake, provider) = pair().await;
    assert_eq!(provider.lookup(&login()).await, Lookup::Unsupported);
    assert_eq!(provider.statuses_at_once(), 0);
    assert_eq!(provider.balance().await, Err(Unanswered::Unsupported));
    assert!(fake.calls().is_empty());
}

#[test]
fn every_setting_that_cannot_work_is_named_and_no_debug_output_has_the_key() {
    let made = |table: Value| {
        let config: Config = serde_json::from_value(table).unwrap();
        ParsianWebco::new("main", &config, &setup(PATIENT))
            .map(|made| format!("{made:?}{config:?}"))
    };
    let printed = made(json!({"api_key": API_KEY})).unwrap();
    assert!(printed.contains("https://api.parsianwebco.ir") && !printed.contains(API_KEY));
    let problems = made(json!({"api_key": " ", "base_url": "x"})).unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["base_url", "api_key"]);
}
