//! Melipayamak against its fake, over real HTTP, by REST and by SOAP.

use std::sync::Arc;

use peyk_tests::fake::melipayamak::{
    BODY_ID, BODY_ID_OF_TWO, LINE, PASSWORD, USERNAME, melipayamak,
};
use peyk_tests::fake::{Behaviour, Delivered, FakeProvider};
use serde_json::{Value, json};
use shared::http_client::Timeouts;
use shared::sms::providers::melipayamak::{Config, Melipayamak};
use shared::sms::providers::{
    Balance, DeliveryStatus, Lookup, Outcome, OutgoingSms, Rejection, SmsProvider, Unanswered,
};

use crate::provider_suite::{
    IRANIAN, PATIENT, Rig, TEXT, TOKEN, messages_with, provider_suite, retry_later, setup,
    template_to, text_to, unknown,
};

const PROTOCOLS: [&str; 2] = ["rest", "soap"];

struct MelipayamakRig<const SOAP: bool>(FakeProvider);

impl<const SOAP: bool> Rig for MelipayamakRig<SOAP> {
    async fn start() -> Self {
        Self(FakeProvider::start(melipayamak).await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(account(base_url, if SOAP { "soap" } else { "rest" }, timeouts))
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
        [USERNAME, PASSWORD, "9123456789", TOKEN, TEXT].map(str::to_owned).to_vec()
    }
    fn messages() -> [OutgoingSms; 2] {
        messages()
    }
}

mod rest {
    crate::provider_suite::provider_suite!(super::MelipayamakRig<false>);
}

mod soap {
    super::provider_suite!(super::MelipayamakRig<true>);
}

/// One of each content.
fn messages() -> [OutgoingSms; 2] {
    messages_with(BODY_ID)
}

fn config(base_url: &str, protocol: &str) -> Value {
    json!({
        "base_url": base_url, "protocol": protocol, "username": USERNAME, "password": PASSWORD,
        "sender": LINE,
    })
}

fn account(base_url: &str, protocol: &str, timeouts: Timeouts) -> Melipayamak {
    from_config(config(base_url, protocol), timeouts)
}

fn from_config(config: Value, timeouts: Timeouts) -> Melipayamak {
    let config: Config = serde_json::from_value(config).expect("a whole config");
    Melipayamak::new("main", &config, &setup(timeouts)).expect("a valid config")
}

async fn pair(protocol: &str) -> (FakeProvider, Melipayamak) {
    let fake = FakeProvider::start(melipayamak).await;
    let provider = account(&fake.url(), protocol, PATIENT);
    (fake, provider)
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn answer(status: u16, body: &str) -> Behaviour {
    Behaviour::HttpStatus { status, headers: vec![], body: body.to_owned() }
}

/// A result of the protocol, whatever was called.
fn result_of(protocol: &str, operation: &str, result: &str, status: u16) -> Behaviour {
    let body = match (protocol, result.parse::<i64>()) {
        ("soap", _) => format!(
            "<s:Envelope><s:Body><{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response></s:Body></s:Envelope>"
        ),
        (_, Ok(code @ -999..=999)) => json!({"Value": "", "RetStatus": code}).to_string(),
        _ => json!({"Value": result, "RetStatus": 1, "StrRetStatus": "Ok"}).to_string(),
    };
    answer(status, &body)
}

#[tokio::test]
async fn a_text_goes_in_persian_to_a_national_number() {
    for protocol in PROTOCOLS {
        let (fake, provider) = pair(protocol).await;
        let text = format!("{TEXT}\n<b>&amp; \"5\" + 1;</b>");
        let outcome = provider.send(&text_to(IRANIAN, &text, 1)).await;
        let id = "3741437414000000001".to_owned();
        assert_eq!(outcome, Outcome::Accepted { provider_message_id: Some(id) }, "{protocol}");
        let expected = [("09123456789".to_owned(), Delivered::Text(text))];
        assert_eq!(fake.effects(), expected, "{protocol}");
    }
}

#[tokio::test]
async fn both_protocols_speak_as_documented() {
    let (fake, provider) = pair("rest").await;
    for sms in messages() {
        provider.send(&sms).await;
    }
    let calls = fake.calls();
    assert_eq!(calls[0].target, "/api/SendSMS/SendSMS");
    assert_eq!(calls[1].target, "/api/SendSMS/BaseServiceNumber");
    let fields: Vec<_> = calls[0].fields();
    let expected = [
        ("username", USERNAME),
        ("password", PASSWORD),
        ("to", "09123456789"),
        ("from", LINE),
        ("text", TEXT),
        ("isFlash", "false"),
    ];
    assert_eq!(fields, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let (fake, provider) = pair("soap").await;
    for sms in messages() {
        provider.send(&sms).await;
    }
    let calls = fake.calls();
    assert_eq!(calls[0].target, "/post/Send.asmx");
    let actions: Vec<_> = calls.iter().filter_map(|call| call.header("soapaction")).collect();
    let expected =
        ["\"http://tempuri.org/SendSimpleSMS2\"", "\"http://tempuri.org/SendByBaseNumber2\""];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn a_templates_values_go_in_order_under_its_number() {
    let tokens = [("name", "علی رضایی"), ("token", TOKEN)];
    let values = [("0", "علی رضایی"), ("1", TOKEN)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    for protocol in PROTOCOLS {
        let (fake, provider) = pair(protocol).await;
        let outcome = provider.send(&template_to(IRANIAN, BODY_ID_OF_TWO, &tokens)).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        let name = BODY_ID_OF_TWO.to_owned();
        let expected = Delivered::Template { name, tokens: values.to_vec() };
        assert_eq!(fake.effects(), [("09123456789".to_owned(), expected)]);
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_before_any_call() {
    for protocol in PROTOCOLS {
        let (fake, provider) = pair(protocol).await;
        let template = |name, value| template_to(IRANIAN, name, &[("token", value)]);
        let cases = [
            (template("12a", TOKEN), "melipayamak.template_name"),
            (template("login", TOKEN), "melipayamak.template_name"),
            (template("-1", TOKEN), "melipayamak.template_name"),
            (template(BODY_ID, "1;2"), "melipayamak.token_value"),
        ];
        for (sms, code) in cases {
            assert_eq!(provider.send(&sms).await, rejected(Rejection::Request, code));
        }
        for empty in [json!(null), json!(" ")] {
            let mut config = config(&fake.url(), protocol);
            config["sender"] = empty;
            let outcome = from_config(config, PATIENT).send(&text_to(IRANIAN, TEXT, 1)).await;
            assert_eq!(outcome, rejected(Rejection::Request, "melipayamak.no_sender"));
        }
        assert!(fake.calls().is_empty());
    }
}

/// Error number → what it means for a text, and for a template where that is something else.
fn table() -> Vec<(i64, Outcome, Outcome)> {
    let code = |n: i64| format!("melipayamak.{n}");
    let both = |n, outcome: Outcome| (n, outcome.clone(), outcome);
    let account = [0, 2, 3, 4, 5, 9, 10, 12, -1, -3, -7, -108, -109, -110, -111];
    let mut table = Vec::new();
    table.extend(account.map(|n| both(n, rejected(Rejection::Account, &code(n)))));
    let request = [7, 14, 15, 17, -2, -4, -5, -10];
    table.extend(request.map(|n| both(n, rejected(Rejection::Request, &code(n)))));
    table.extend([16, 18].map(|n| both(n, rejected(Rejection::Recipient, &code(n)))));
    table.extend([6, -6].map(|n| both(n, retry_later(None, &code(n)))));
    table.extend([11, 8, 13, 500, -99].map(|n| both(n, unknown(&code(n)))));
    let blacklisted = rejected(Rejection::Recipient, "melipayamak.35");
    table.push((35, blacklisted, rejected(Rejection::Request, "melipayamak.35")));
    table
}

#[tokio::test]
async fn every_documented_code_has_its_class_under_any_http_status() {
    for protocol in PROTOCOLS {
        let (fake, provider) = pair(protocol).await;
        let [text, template] = messages();
        for (number, of_text, of_template) in table() {
            for status in [200, 400, 500] {
                let result = number.to_string();
                fake.behave(result_of(protocol, "SendSimpleSMS2", &result, status));
                assert_eq!(provider.send(&text).await, of_text, "{protocol} {number}");
                fake.behave(result_of(protocol, "SendByBaseNumber2", &result, status));
                assert_eq!(provider.send(&template).await, of_template, "{protocol} {number}");
            }
        }
        assert!(fake.effects().is_empty());
    }
}

#[tokio::test]
async fn the_answer_to_rest_is_read_in_every_shape_it_was_seen_in() {
    let (fake, provider) = pair("rest").await;
    let id = Some("3741437414123456789".to_owned());
    let accepted = Outcome::Accepted { provider_message_id: id };
    let cases = [
        (r#"{"Value":"3741437414123456789","RetStatus":1,"StrRetStatus":"Ok"}"#, accepted.clone()),
        (r#"{"Value":" 3741437414123456789 ","RetStatus":"1"}"#, accepted.clone()),
        (r#"{"Value":3741437414123456789,"RetStatus":1}"#, accepted.clone()),
        ("\u{feff}{\"Value\":\"3741437414123456789\",\"RetStatus\":1}", accepted),
        // 15 digits are no id, whatever the status says.
        (r#"{"Value":"374143741412345","RetStatus":1}"#, unknown("melipayamak.other")),
        (r#"{"Value":"","RetStatus":1}"#, unknown("melipayamak.result")),
        (r#"{"Value":null,"RetStatus":1}"#, unknown("melipayamak.result")),
        (r#"{"RetStatus":1,"StrRetStatus":"Ok"}"#, unknown("melipayamak.result")),
        (r#"{"Value":"1","RetStatus":1}"#, unknown("melipayamak.1")),
        // An id under an error is no success.
        (
            r#"{"Value":"3741437414123456789","RetStatus":2}"#,
            rejected(Rejection::Account, "melipayamak.2"),
        ),
        (r#"{"Value":"2","RetStatus":1}"#, rejected(Rejection::Account, "melipayamak.2")),
        // "Invalid data" says more in its value, if at all.
        (r#"{"Value":"-5","RetStatus":35}"#, rejected(Rejection::Request, "melipayamak.-5")),
        (r#"{"Value":-110,"RetStatus":35}"#, rejected(Rejection::Account, "melipayamak.-110")),
        (r#"{"Value":"11","RetStatus":35}"#, unknown("melipayamak.11")),
        (r#"{"Value":"0","RetStatus":35}"#, rejected(Rejection::Request, "melipayamak.35")),
        (r#"{"Value":"35","RetStatus":35}"#, rejected(Rejection::Recipient, "melipayamak.35")),
        (r#"{"Value":"","RetStatus":99999}"#, unknown("melipayamak.other")),
        (r#"{"Message":"An error has occurred."}"#, unknown("http.body")),
        (r#"{"RetStatus":"Ok"}"#, unknown("http.body")),
        ("null", unknown("http.body")),
        ("", unknown("http.body")),
    ];
    for (body, expected) in cases {
        fake.behave(answer(200, body));
        assert_eq!(provider.send(&messages()[0]).await, expected, "{body}");
    }
}

#[tokio::test]
async fn a_fault_of_soap_is_unknown_and_a_result_of_another_call_too() {
    let (fake, provider) = pair("soap").await;
    let fault = "<soap:Envelope><soap:Body><soap:Fault><faultcode>soap:Server</faultcode></soap:Fault></soap:Body></soap:Envelope>";
    for (status, code) in [(200, "http.body"), (500, "http.500")] {
        fake.behave(answer(status, fault));
        assert_eq!(provider.send(&messages()[0]).await, unknown(code));
        fake.behave(result_of("soap", "SendByBaseNumber2", "3741437414123456789", status));
        assert_eq!(provider.send(&messages()[0]).await, unknown(code));
    }
    fake.behave(result_of("soap", "SendSimpleSMS2", "", 200));
    assert_eq!(provider.send(&messages()[0]).await, unknown("melipayamak.result"));
}

#[tokio::test]
async fn being_busy_keeps_its_retry_after() {
    let (fake, provider) = pair("rest").await;
    fake.behave(Behaviour::HttpStatus {
        status: 503,
        headers: vec![("Retry-After", "90".to_owned())],
        body: json!({"RetStatus": 6}).to_string(),
    });
    assert_eq!(provider.send(&messages()[0]).await, retry_later(Some(90), "melipayamak.6"));
}

#[tokio::test]
async fn the_fakes_own_refusals_reach_the_caller() {
    for protocol in PROTOCOLS {
        let (fake, provider) = pair(protocol).await;
        let template = |name, value| template_to(IRANIAN, name, &[("token", value)]);
        let cases = [
            (template("99", TOKEN), rejected(Rejection::Request, "melipayamak.-4")),
            (template(BODY_ID_OF_TWO, TOKEN), rejected(Rejection::Request, "melipayamak.-5")),
            (text_to(IRANIAN, "", 1), rejected(Rejection::Request, "melipayamak.17")),
            (text_to(IRANIAN, "http://a", 1), rejected(Rejection::Request, "melipayamak.14")),
        ];
        for (sms, expected) in cases {
            assert_eq!(provider.send(&sms).await, expected, "{protocol}");
        }
        for (key, value) in [("password", "wrong"), ("username", "wrong"), ("sender", "1")] {
            let mut config = config(&fake.url(), protocol);
            config[key] = json!(value);
            let code = if key == "sender" { "melipayamak.5" } else { "melipayamak.0" };
            let outcome = from_config(config, PATIENT).send(&messages()[0]).await;
            assert_eq!(outcome, rejected(Rejection::Account, code), "{protocol} {key}");
        }
        assert!(fake.effects().is_empty());
    }
}

#[tokio::test]
async fn an_api_key_takes_the_passwords_place() {
    for protocol in PROTOCOLS {
        let fake = FakeProvider::start(melipayamak).await;
        let mut config = config(&fake.url(), protocol);
        config["password"] = json!(null);
        config["api_key"] = json!(PASSWORD);
        let outcome = from_config(config, PATIENT).send(&messages()[0]).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{protocol}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_number_abroad_is_its_digits_and_a_refusal_of_it_leaves_it_to_others() {
    for protocol in PROTOCOLS {
        let (fake, provider) = pair(protocol).await;
        let german = provider.send(&text_to("+4915123456789", TEXT, 1)).await;
        assert!(matches!(german, Outcome::Accepted { .. }), "{german:?}");
        assert_eq!(fake.effects()[0].0, "4915123456789");
        let turkish = provider.send(&text_to("+905321234567", TEXT, 1)).await;
        assert_eq!(turkish, rejected(Rejection::Request, "melipayamak.18"));
    }
}

#[tokio::test]
async fn every_delivery_code_has_its_state_and_is_kept() {
    use DeliveryStatus::{Accepted, Carried, Delivered, Undelivered};
    let states = [
        (0, Some(Carried)),
        (1, Some(Delivered)),
        (2, Some(Undelivered)),
        (3, Some(Undelivered)),
        (5, None),
        (8, Some(Carried)),
        (16, Some(Undelivered)),
        (35, Some(Undelivered)),
        (100, None),
        (200, Some(Carried)),
        (300, Some(Undelivered)),
        (400, Some(Accepted)),
        (500, Some(Undelivered)),
        (-1, None),
        (77, None),
    ];
    let id = "3741437414000000001".to_owned();
    for protocol in PROTOCOLS {
        let (fake, provider) = pair(protocol).await;
        assert_eq!(provider.statuses_at_once(), 1);
        for (number, status) in states {
            let body = json!({"Value": number.to_string(), "RetStatus": 1}).to_string();
            fake.behave(match protocol {
                "soap" => result_of("soap", "GetDeliveries2", &number.to_string(), 200),
                _ => answer(200, &body),
            });
            let reports = provider.statuses(std::slice::from_ref(&id)).await.unwrap();
            assert_eq!((reports.len(), &reports[0].provider_message_id), (1, &id));
            assert_eq!(reports[0].status, status, "{protocol} {number}");
            assert_eq!(reports[0].code, format!("melipayamak.{number}"));
        }
        // As the fake says: one it sent, one it did not.
        let known = provider.statuses(std::slice::from_ref(&id)).await.unwrap();
        assert_eq!(known[0].status, Some(Delivered));
        let unknown = provider.statuses(&["1".to_owned()]).await.unwrap();
        assert_eq!((unknown[0].status, &*unknown[0].code), (None, "melipayamak.-1"));
    }
}

#[tokio::test]
async fn the_credit_is_a_number_of_texts() {
    let unavailable = |code: &str| Err(Unanswered::Unavailable(code.to_owned()));
    for protocol in PROTOCOLS {
        let (fake, provider) = pair(protocol).await;
        assert_eq!(provider.balance().await, Ok(Balance::Texts(1234)), "{protocol}");
        let mut config = config(&fake.url(), protocol);
        config["password"] = json!("wrong");
        let stranger = from_config(config, PATIENT).balance().await;
        // SOAP has one number for both.
        let expected =
            if protocol == "soap" { Ok(Balance::Texts(0)) } else { unavailable("melipayamak.0") };
        assert_eq!(stranger, expected);
        fake.behave(answer(502, "<h1>Bad Gateway</h1>"));
        assert_eq!(provider.balance().await, unavailable("http.502"));
        fake.behave(Behaviour::ResetAfterRead { effect: false });
        assert_eq!(provider.balance().await, unavailable("http.reset"));
    }
    let (fake, provider) = pair("soap").await;
    for (result, code) in [("-110", "melipayamak.-110"), ("many", "melipayamak.result")] {
        fake.behave(result_of("soap", "GetCredit", result, 200));
        assert_eq!(provider.balance().await, unavailable(code));
    }
}

#[tokio::test]
async fn nothing_can_be_looked_up() {
    let (fake, provider) = pair("rest").await;
    for sms in messages() {
        assert_eq!(provider.lookup(&sms).await, Lookup::Unsupported);
    }
    assert!(fake.calls().is_empty());
}

#[test]
fn every_setting_that_cannot_work_is_named() {
    let keys = |config: Value| -> Vec<&'static str> {
        let config: Config = serde_json::from_value(config).unwrap();
        let made = Melipayamak::new("main", &config, &setup(PATIENT));
        made.err().into_iter().flatten().map(|problem| problem.key).collect()
    };
    assert!(keys(json!({"username": "u", "password": "p"})).is_empty());
    assert!(keys(json!({"username": "u", "password": "", "api_key": "k"})).is_empty());
    assert_eq!(keys(json!({"username": "u"})), ["password"]);
    assert_eq!(keys(json!({"username": "u", "password": "p", "api_key": "k"})), ["api_key"]);
    let all = keys(json!({"base_url": "ftp://a", "username": " "}));
    assert_eq!(all, ["base_url", "username", "password"]);
}

#[test]
fn debug_output_has_no_credentials() {
    let config: Config = serde_json::from_value(config("https://a", "soap")).unwrap();
    let account = Melipayamak::new("main", &config, &setup(PATIENT)).unwrap();
    let printed = format!("{config:?} {account:?}");
    for secret in [USERNAME, PASSWORD] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
