//! SMS.ir against its fake, over real HTTP.

use std::sync::Arc;

use peyk_tests::fake::sms_ir::{API_KEY, LINE, TEMPLATE, sms_ir};
use peyk_tests::fake::{Behaviour, Delivered, FakeProvider};
use serde_json::{Value, json};
use shared::http_client::Timeouts;
use shared::sms::providers::sms_ir::{Config, SmsIr};
use shared::sms::providers::{
    Balance, DeliveryStatus, Lookup, Outcome, OutgoingSms, Rejection, SmsProvider, Unanswered,
};

use crate::provider_suite::{
    IRANIAN, PATIENT, Rig, TEXT, TOKEN, messages_with, provider_suite, retry_later, setup,
    template_to, text_to, unknown,
};

struct SmsIrRig(FakeProvider);

impl Rig for SmsIrRig {
    async fn start() -> Self {
        Self(FakeProvider::start(sms_ir).await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(from_config(config(base_url), timeouts))
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
        messages()
    }
}

provider_suite!(SmsIrRig);

/// One of each content.
fn messages() -> [OutgoingSms; 2] {
    messages_with(&TEMPLATE.to_string())
}

fn config(base_url: &str) -> Value {
    json!({
        "base_url": base_url, "api_key": API_KEY, "sender": LINE.to_string(),
        "parameters": {"token": "CODE"},
    })
}

fn from_config(config: Value, timeouts: Timeouts) -> SmsIr {
    let config: Config = serde_json::from_value(config).expect("a whole config");
    SmsIr::new("main", &config, &setup(timeouts)).expect("a valid config")
}

async fn pair() -> (FakeProvider, SmsIr) {
    let fake = FakeProvider::start(sms_ir).await;
    let provider = from_config(config(&fake.url()), PATIENT);
    (fake, provider)
}

fn accepted(id: Option<&str>) -> Outcome {
    Outcome::Accepted { provider_message_id: id.map(str::to_owned) }
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn answer(status: u16, body: &Value) -> Behaviour {
    Behaviour::HttpStatus { status, headers: vec![], body: body.to_string() }
}

#[tokio::test]
async fn a_text_goes_in_persian_from_the_line_to_one_number() {
    let (fake, provider) = pair().await;
    assert_eq!(provider.send(&text_to(IRANIAN, TEXT, 1)).await, accepted(Some("89540001")));
    let call = &fake.calls()[0];
    assert_eq!((&*call.method, &*call.target), ("POST", "/v1/send/bulk"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let expected = json!({"lineNumber": LINE, "messageText": TEXT, "mobiles": ["9123456789"]});
    assert_eq!(body, expected);
    assert_eq!(fake.effects(), [("09123456789".to_owned(), Delivered::Text(TEXT.to_owned()))]);
}

#[tokio::test]
async fn a_template_goes_under_its_number_with_the_providers_names() {
    let (fake, provider) = pair().await;
    let outcome = provider.send(&messages()[1]).await;
    assert_eq!(outcome, accepted(Some("89540001")));
    let call = &fake.calls()[0];
    assert_eq!((&*call.method, &*call.target), ("POST", "/v1/send/verify"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let parameters = json!([{"name": "CODE", "value": TOKEN}]);
    let expected =
        json!({"mobile": "9123456789", "templateId": TEMPLATE, "parameters": parameters});
    assert_eq!(body, expected);
    // The provider's own names work too.
    let own = template_to(IRANIAN, &TEMPLATE.to_string(), &[("CODE", "علی")]);
    assert_eq!(provider.send(&own).await, accepted(Some("89540002")));
    let tokens = vec![("CODE".to_owned(), "علی".to_owned())];
    assert_eq!(fake.effects()[1].1, Delivered::Template { name: TEMPLATE.to_string(), tokens });
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_before_any_call() {
    let (fake, provider) = pair().await;
    let unknown_name = template_to(IRANIAN, "other", &[("token", TOKEN)]);
    let expected = rejected(Rejection::Request, "sms_ir.template_name");
    assert_eq!(provider.send(&unknown_name).await, expected);
    for empty in [json!(null), json!(" ")] {
        let mut config = config(&fake.url());
        config["sender"] = empty;
        let outcome = from_config(config, PATIENT).send(&text_to(IRANIAN, TEXT, 1)).await;
        assert_eq!(outcome, rejected(Rejection::Request, "sms_ir.no_sender"));
    }
    assert!(fake.calls().is_empty());
}

/// The whole table of codes: what each means for the message.
fn table() -> Vec<(i64, Outcome)> {
    let code = |n: i64| format!("sms_ir.{n}");
    let account = [10, 11, 12, 13, 14, 15, 101, 102, 119, 123];
    let request = [16, 103, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 116, 117, 118, 124];
    let mut table = vec![(20, retry_later(None, "sms_ir.20")), (-7, unknown("sms_ir.other"))];
    table.extend(account.map(|n| (n, rejected(Rejection::Account, &code(n)))));
    table.extend(request.map(|n| (n, rejected(Rejection::Request, &code(n)))));
    table.extend([104, 115].map(|n| (n, rejected(Rejection::Recipient, &code(n)))));
    table.extend([0, 2, 17, 100, 120, 500].map(|n| (n, unknown(&code(n)))));
    table
}

#[tokio::test]
async fn every_documented_code_has_its_class_under_any_http_status() {
    let (fake, provider) = pair().await;
    for (status, expected) in table() {
        for http_status in [200, 400, 401, 429, 500] {
            for (status, sms) in
                [json!(status), json!(status.to_string())].into_iter().zip(messages())
            {
                fake.behave(answer(http_status, &json!({"status": status, "message": TEXT})));
                assert_eq!(provider.send(&sms).await, expected, "{status} {http_status}");
            }
        }
    }
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn success_under_an_error_status_is_success_and_needs_no_id() {
    let (fake, provider) = pair().await;
    let cases = [
        (json!({"status": 1, "data": {"messageId": 7}}), Some("7")),
        (json!({"status": "1", "data": {"messageId": "7"}}), Some("7")),
        (json!({"status": 1, "data": {"messageIds": [7, 8]}}), Some("7")),
        (json!({"status": 1, "data": {"messageIds": [null]}}), None),
        (json!({"status": 1, "data": {"messageIds": []}}), None),
        (json!({"status": 1, "data": {"messageId": 0}}), None),
        (json!({"status": 1, "data": null}), None),
        (json!({"status": 1}), None),
    ];
    for (body, id) in cases {
        for http_status in [200, 500] {
            fake.behave(answer(http_status, &body));
            assert_eq!(provider.send(&messages()[0]).await, accepted(id), "{body}");
        }
    }
}

#[tokio::test]
async fn json_that_is_no_envelope_is_unknown() {
    let (fake, provider) = pair().await;
    for body in [json!(null), json!([]), json!(1), json!({"status": null}), json!({"status": "ok"})]
    {
        fake.behave(answer(200, &body));
        assert_eq!(provider.send(&messages()[0]).await, unknown("http.body"), "{body}");
    }
}

#[tokio::test]
async fn too_many_requests_keep_their_retry_after() {
    let (fake, provider) = pair().await;
    fake.behave(Behaviour::HttpStatus {
        status: 429,
        headers: vec![("Retry-After", "30".to_owned())],
        body: json!({"status": 20}).to_string(),
    });
    assert_eq!(provider.send(&messages()[0]).await, retry_later(Some(30), "sms_ir.20"));
}

#[tokio::test]
async fn the_fakes_own_refusals_reach_the_caller() {
    let (fake, provider) = pair().await;
    let login = |name, value| template_to(IRANIAN, &TEMPLATE.to_string(), &[(name, value)]);
    let cases = [
        (template_to(IRANIAN, "99", &[("token", TOKEN)]), "sms_ir.113"),
        (login("name", TOKEN), "sms_ir.116"),
        (login("token", &*"م".repeat(26)), "sms_ir.114"),
        (text_to(IRANIAN, "", 1), "sms_ir.103"),
    ];
    for (sms, code) in cases {
        assert_eq!(provider.send(&sms).await, rejected(Rejection::Request, code));
    }
    for (key, value, code) in [("api_key", "wrong", "sms_ir.10"), ("sender", "1", "sms_ir.101")] {
        let mut config = config(&fake.url());
        config[key] = json!(value);
        let outcome = from_config(config, PATIENT).send(&messages()[0]).await;
        assert_eq!(outcome, rejected(Rejection::Account, code));
    }
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn a_number_abroad_is_e164_and_a_refusal_of_it_leaves_it_to_others() {
    let (fake, provider) = pair().await;
    for sms in [
        text_to("+4915123456789", TEXT, 1),
        template_to("+4915123456789", &TEMPLATE.to_string(), &[("token", TOKEN)]),
    ] {
        let german = provider.send(&sms).await;
        assert!(matches!(german, Outcome::Accepted { .. }), "{german:?}");
        assert_eq!(fake.effects().last().unwrap().0, "4915123456789");
    }
    let turkish = provider.send(&text_to("+905321234567", TEXT, 1)).await;
    assert_eq!(turkish, rejected(Rejection::Request, "sms_ir.104"));
}

#[tokio::test]
async fn every_delivery_state_is_known_and_its_code_kept() {
    use DeliveryStatus::{Accepted, Carried, Delivered, Undelivered};
    let (fake, provider) = pair().await;
    let states = [
        (json!(null), Some(Accepted), "sms_ir.none"),
        (json!(1), Some(Delivered), "sms_ir.1"),
        (json!("1"), Some(Delivered), "sms_ir.1"),
        (json!(2), Some(Undelivered), "sms_ir.2"),
        (json!(3), Some(Carried), "sms_ir.3"),
        (json!(4), Some(Undelivered), "sms_ir.4"),
        (json!(5), Some(Carried), "sms_ir.5"),
        (json!(6), Some(Undelivered), "sms_ir.6"),
        (json!(7), Some(Undelivered), "sms_ir.7"),
        (json!(8), None, "sms_ir.8"),
        (json!(99), None, "sms_ir.99"),
        (json!(12_345), None, "sms_ir.other"),
        (json!("read"), None, "sms_ir.data"),
    ];
    let id = "89540001".to_owned();
    assert_eq!(provider.statuses_at_once(), 1);
    for (state, status, code) in states {
        fake.behave(answer(200, &json!({"status": 1, "data": {"deliveryState": state}})));
        let reports = provider.statuses(std::slice::from_ref(&id)).await.unwrap();
        assert_eq!((reports.len(), &reports[0].provider_message_id), (1, &id));
        assert_eq!((reports[0].status, &*reports[0].code), (status, code), "{state}");
    }
    assert_eq!(fake.calls()[0].target, "/v1/send/89540001");
    let known = provider.statuses(std::slice::from_ref(&id)).await.unwrap();
    assert_eq!(known[0].status, Some(Delivered));
    // An id cannot leave its place in the path.
    for unknown in ["1", "../credit", "8954000?1"] {
        let reports = provider.statuses(&[unknown.to_owned()]).await.unwrap();
        assert_eq!((reports[0].status, &*reports[0].code), (None, "sms_ir.111"));
    }
    let unavailable = |code: &str| Err(Unanswered::Unavailable(code.to_owned()));
    fake.behave(answer(401, &json!({"status": 10})));
    assert_eq!(provider.statuses(std::slice::from_ref(&id)).await, unavailable("sms_ir.10"));
    fake.behave(answer(502, &json!("Bad Gateway")));
    assert_eq!(provider.statuses(std::slice::from_ref(&id)).await, unavailable("http.502"));
}

#[tokio::test]
async fn the_credit_is_a_number_of_texts() {
    let (fake, provider) = pair().await;
    assert_eq!(provider.balance().await, Ok(Balance::Texts(1234)));
    assert_eq!((&*fake.calls()[0].method, &*fake.calls()[0].target), ("GET", "/v1/credit"));
    let unavailable = |code: &str| Err(Unanswered::Unavailable(code.to_owned()));
    let cases = [
        (answer(200, &json!({"status": 1, "data": null})), "sms_ir.data"),
        (answer(200, &json!({"status": 14})), "sms_ir.14"),
        (answer(500, &json!({})), "http.500"),
        (Behaviour::ResetAfterRead { effect: false }, "http.reset"),
    ];
    for (behaviour, code) in cases {
        fake.behave(behaviour);
        assert_eq!(provider.balance().await, unavailable(code));
    }
}

#[tokio::test]
async fn nothing_can_be_looked_up() {
    let (fake, provider) = pair().await;
    for sms in messages() {
        assert_eq!(provider.lookup(&sms).await, Lookup::Unsupported);
    }
    assert!(fake.calls().is_empty());
}

#[test]
fn every_setting_that_cannot_work_is_named_and_no_debug_output_has_the_key() {
    let made = |table: Value| {
        let config: Config = serde_json::from_value(table).unwrap();
        SmsIr::new("main", &config, &setup(PATIENT)).map(|made| format!("{made:?}{config:?}"))
    };
    let printed = made(json!({"api_key": API_KEY})).unwrap();
    assert!(printed.contains("https://api.sms.ir") && !printed.contains(API_KEY));
    let problems = made(json!({"api_key": "a b", "base_url": "x", "sender": "+98"})).unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["base_url", "api_key", "sender"]);
}
