//! IPPanel Edge against the fake, over real HTTP: the rules of all providers, then its own.

use std::sync::Arc;

use peyk_tests::fake::{Behaviour, Delivered, FakeProvider, IPPANEL_KEY, IPPANEL_LINE, ippanel};
use serde_json::{Value, json};
use shared::http_client::Timeouts;
use shared::sms::providers::ippanel::{Config, Ippanel};
use shared::sms::providers::{
    Balance, DeliveryStatus, Lookup, Outcome, Rejection, Report, SmsProvider, Unanswered,
    WebhookRefused, WebhookRequest,
};

use crate::provider_suite::{
    IRANIAN, PATIENT, Rig, TEXT, TOKEN, messages, provider_suite, retry_later, setup, template_to,
    text_to, unknown,
};

struct IppanelRig(FakeProvider);

impl Rig for IppanelRig {
    async fn start() -> Self {
        Self(FakeProvider::start(ippanel).await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(account(&json!({"base_url": base_url}), timeouts))
    }
    fn behave(&self, behaviour: Behaviour) {
        // Kavenegar's own codes are no behaviour of this one.
        self.0.behave(match behaviour {
            Behaviour::Error(status) => refused(status, "400-2", &[TEXT]),
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
        [IPPANEL_KEY, "9123456789", TOKEN, TEXT].map(str::to_owned).to_vec()
    }
}

provider_suite!(IppanelRig);

fn account(changes: &Value, timeouts: Timeouts) -> Ippanel {
    let mut config = json!({"api_key": IPPANEL_KEY, "sender": IPPANEL_LINE});
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let config: Config = serde_json::from_value(config).expect("a whole config");
    Ippanel::new("ippanel", &config, &setup(timeouts)).expect("a valid config")
}

async fn pair() -> (FakeProvider, Ippanel) {
    let fake = FakeProvider::start(ippanel).await;
    let provider = account(&json!({"base_url": fake.url() + "/v1"}), PATIENT);
    (fake, provider)
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn accepted(id: &str) -> Outcome {
    Outcome::Accepted { provider_message_id: Some(id.to_owned()) }
}

fn body(status: u16, body: &Value) -> Behaviour {
    Behaviour::HttpStatus { status, headers: vec![], body: body.to_string() }
}

fn refused(status: u16, code: &str, fields: &[&str]) -> Behaviour {
    let errors: Value = fields.iter().map(|field| ((*field).to_owned(), json!(["x"]))).collect();
    let meta = json!({"status": false, "message": TEXT, "message_code": code, "errors": errors});
    body(status, &json!({"data": null, "meta": meta}))
}

#[tokio::test]
async fn a_text_is_sent_in_persian_to_a_number_in_e164() {
    let (fake, provider) = pair().await;
    assert_eq!(provider.send(&text_to(IRANIAN, TEXT, 7)).await, accepted("1123594201"));
    let call = &fake.calls()[0];
    assert_eq!((&*call.method, &*call.target), ("POST", "/v1/api/send"));
    assert_eq!(call.header("authorization"), Some(IPPANEL_KEY));
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    let params = json!({"recipients": [IRANIAN]});
    let expected = json!({"sending_type": "webservice", "from_number": IPPANEL_LINE,
                          "message": TEXT, "params": params});
    assert_eq!(sent, expected);
    let effects = [("09123456789".to_owned(), Delivered::Text(TEXT.to_owned()))];
    assert_eq!(fake.effects(), effects);
}

#[tokio::test]
async fn a_pattern_is_sent_with_its_variables_renamed() {
    let fake = FakeProvider::start(ippanel).await;
    let changes = json!({"base_url": fake.url(), "variables": {"token": "otp"}});
    let tokens = [("token", TOKEN), ("token2", "علی \"رضا\"")];
    let sms = template_to("+4915123456789", "abc123", &tokens);
    let outcome = account(&changes, PATIENT).send(&sms).await;
    assert_eq!(outcome, accepted("1123594201"));
    let sent: Value = serde_json::from_slice(&fake.calls()[0].body).unwrap();
    let params = json!({"otp": TOKEN, "token2": "علی \"رضا\""});
    let expected = json!({"sending_type": "pattern", "from_number": IPPANEL_LINE,
                          "code": "abc123", "recipients": ["+4915123456789"], "params": params});
    assert_eq!(sent, expected);
    assert_eq!(fake.effects()[0].0, "4915123456789");
}

#[tokio::test]
async fn every_code_has_its_class_under_any_http_status() {
    let (fake, provider) = pair().await;
    let (recipient, request, account) =
        (Rejection::Recipient, Rejection::Request, Rejection::Account);
    let bad = |reason| rejected(reason, "ippanel.400-2");
    let table: Vec<(&str, &[&str], Outcome)> = vec![
        ("400-1", &[], rejected(account, "ippanel.400-1")),
        ("400-2", &["recipients"], bad(recipient)),
        ("400-2", &["recipients.0"], bad(recipient)),
        ("400-2", &["message", "params.recipients.0"], bad(recipient)),
        ("400-2", &["from_number"], bad(account)),
        ("400-2", &["message"], bad(request)),
        ("400-2", &["code", "params.otp"], bad(request)),
        ("400-2", &[], bad(request)),
        ("400-77", &[], rejected(request, "ippanel.400-77")),
        ("401-1", &[], rejected(account, "ippanel.401-1")),
        ("402-1", &[], rejected(account, "ippanel.402-1")),
        ("403-3", &[], rejected(account, "ippanel.403-3")),
        ("404-1", &[], rejected(request, "ippanel.404-1")),
        ("422-1", &[], rejected(request, "ippanel.422-1")),
        ("429-1", &[], retry_later(None, "ippanel.429-1")),
        ("503-1", &[], retry_later(None, "ippanel.503-1")),
        ("500-1", &[], unknown("ippanel.500-1")),
        ("200-1", &[], unknown("ippanel.200-1")),
        ("99999-1", &[], unknown("ippanel.other")),
        ("500-09123456789", &[], unknown("ippanel.other")),
    ];
    for (code, fields, expected) in table {
        for status in [200, 401, 422, 500] {
            fake.behave(refused(status, code, fields));
            let sms = &messages()[usize::from(status == 200)];
            assert_eq!(provider.send(sms).await, expected, "{code} {fields:?} {status}");
        }
    }
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn a_refusal_without_a_code_is_read_by_its_http_status() {
    let (fake, provider) = pair().await;
    let meta = json!({"meta": {"status": false}});
    for (status, expected) in [
        (401, rejected(Rejection::Account, "ippanel.401")),
        (422, rejected(Rejection::Request, "ippanel.422")),
        (429, retry_later(None, "ippanel.429")),
        (200, unknown("ippanel.200")),
        (500, unknown("ippanel.500")),
    ] {
        fake.behave(body(status, &meta));
        assert_eq!(provider.send(&messages()[0]).await, expected);
    }
}

#[tokio::test]
async fn an_accepted_message_may_have_its_id_as_a_string_or_none() {
    let (fake, provider) = pair().await;
    let none = Outcome::Accepted { provider_message_id: None };
    for (data, expected) in [
        (json!({"message_outbox_ids": ["77"]}), accepted("77")),
        (json!({"message_outbox_ids": [77]}), accepted("77")),
        (json!({"message_outbox_ids": [0]}), none.clone()),
        (json!({"message_outbox_ids": []}), none.clone()),
        (Value::Null, none),
    ] {
        let meta = json!({"status": true, "message_code": "200-1"});
        fake.behave(body(200, &json!({"data": data, "meta": meta})));
        assert_eq!(provider.send(&messages()[0]).await, expected);
    }
    for strange in [json!([]), json!({"meta": null}), json!({"meta": {"status": "yes"}})] {
        fake.behave(body(200, &strange));
        assert_eq!(provider.send(&messages()[0]).await, unknown("http.body"));
    }
}

#[tokio::test]
async fn the_fakes_own_refusals_reach_the_caller() {
    let (fake, provider) = pair().await;
    let empty = rejected(Rejection::Request, "ippanel.400-2");
    assert_eq!(provider.send(&text_to(IRANIAN, "", 1)).await, empty);
    let other = |changes: Value| {
        let mut whole = json!({"base_url": fake.url()});
        whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        account(&whole, PATIENT)
    };
    let line = other(json!({"sender": "+981000"})).send(&messages()[0]).await;
    assert_eq!(line, rejected(Rejection::Account, "ippanel.400-2"));
    let key = other(json!({"api_key": "wrong"})).send(&messages()[1]).await;
    assert_eq!(key, rejected(Rejection::Account, "ippanel.400-1"));
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn every_documented_status_has_its_meaning() {
    let (fake, provider) = pair().await;
    assert_eq!(provider.statuses_at_once(), 1);
    let report = |id: &str, status, code: &str| {
        let (provider_message_id, code) = (id.to_owned(), format!("ippanel.{code}"));
        Ok(vec![Report { provider_message_id, status, code }])
    };
    let asked = ["1123594201".to_owned()];
    let delivered = report(&asked[0], Some(DeliveryStatus::Delivered), "2");
    assert_eq!(provider.statuses(&asked).await, delivered);
    let target = "/v1/api/report/recipients?bulk_id=1123594201&page=1&per_page=10";
    assert_eq!(fake.calls()[0].target, target);
    let old = ["5".to_owned()];
    assert_eq!(provider.statuses(&old).await, report("5", None, "none"));
    for (status, expected) in [
        (0, Some(DeliveryStatus::Accepted)),
        (1, Some(DeliveryStatus::Carried)),
        (2, Some(DeliveryStatus::Delivered)),
        (3, Some(DeliveryStatus::Undelivered)),
        (4, Some(DeliveryStatus::Undelivered)),
        (5, None),
    ] {
        for written in [json!(status), json!(status.to_string())] {
            let data = json!([{"recipient": IRANIAN, "message_status": written}]);
            fake.behave(body(200, &json!({"data": data, "meta": {"status": true}})));
            let expected = report(&asked[0], expected, &status.to_string());
            assert_eq!(provider.statuses(&asked).await, expected);
        }
    }
}

#[tokio::test]
async fn what_is_left_is_told_in_whole_rials() {
    let (fake, provider) = pair().await;
    let rials = |amount| Ok(Balance::Money { amount, currency: "IRR".to_owned() });
    assert_eq!(provider.balance().await, rials(6_084_722));
    assert_eq!(fake.calls()[0].target, "/v1/api/payment/credit/mine");
    let unavailable = |code: &str| Err(Unanswered::Unavailable(code.to_owned()));
    for (data, expected) in [
        (json!({"credit": "12.5"}), rials(12)),
        (json!({"credit": -3}), rials(-3)),
        (json!({"credit": null}), unavailable("ippanel.credit")),
    ] {
        fake.behave(body(200, &json!({"data": data, "meta": {"status": true}})));
        assert_eq!(provider.balance().await, expected);
    }
}

#[tokio::test]
async fn a_question_that_is_not_answered_says_why() {
    let (fake, provider) = pair().await;
    for (behaviour, code) in [
        (refused(401, "400-1", &[]), "ippanel.400-1"),
        (Behaviour::InvalidJson { effect: false }, "http.body"),
        (Behaviour::ResetAfterRead { effect: false }, "http.reset"),
    ] {
        let unavailable = Unanswered::Unavailable(code.to_owned());
        fake.behave(behaviour.clone());
        assert_eq!(provider.statuses(&["7".to_owned()]).await, Err(unavailable.clone()));
        fake.behave(behaviour);
        assert_eq!(provider.balance().await, Err(unavailable));
    }
}

#[tokio::test]
async fn it_can_be_asked_nothing_by_our_ids_and_tells_nothing() {
    let (fake, provider) = pair().await;
    assert_eq!(provider.lookup(&messages()[0]).await, Lookup::Unsupported);
    let told = provider.read_webhook(&WebhookRequest::default());
    assert_eq!(told, Err(WebhookRefused::Unreadable));
    assert!(fake.calls().is_empty());
}
