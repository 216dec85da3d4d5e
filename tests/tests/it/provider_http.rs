//! The provider that is described by configuration, against a made-up one over real HTTP: the
//! rules of all providers, then its own.

use std::sync::Arc;

use peyk_tests::fake::{Behaviour, Delivered, FakeProvider, PANEL_KEY, panel};
use shared::http_client::Timeouts;
use shared::sms::providers::http::{Config, Http};
use shared::sms::providers::{Lookup, Outcome, Rejection, SmsProvider};

use crate::provider_suite::{
    IRANIAN, PATIENT, Rig, TEXT, TOKEN, provider_suite, retry_later, setup, template_to, text_to,
    unknown,
};

const SETTINGS: &str = r#"
[secrets]
key = "KEY"

[text]
path = "/v1/{secret.key}/messages"
json = '{"to": "{number:to}", "message": {"text": "{text}"}}'

[text.answer]
pointer = "/code"
values = ["ok"]
id_pointer = "/data/0/id"
rules = [
  { values = ["bad_number"], class = "recipient" },
  { values = ["bad_text", "no_json"], class = "request" },
  { values = ["not_found"], class = "account" },
  { values = [7], class = "retry" },
  { values = [8], class = "unknown" },
]

[template]
path = "/otp"
basic = { user = "user", password = "{secret.key}" }
form = { to = "{to_e164}", name = "{template}", code = "{token}", with = "2{token2}" }

[template.answer]
prefixes = ["OK:"]
id_after_prefix = true
rules = [
  { statuses = [401], class = "account" },
  { prefixes = ["ERR:2"], class = "recipient" },
  { prefixes = ["ERR:"], class = "request" },
]
"#;

/// The settings as the suite wants them: its template has one variable only.
fn suite_settings() -> String {
    SETTINGS.replace("2{token2}", "-")
}

fn http(settings: &str, base_url: &str, timeouts: Timeouts) -> Http {
    let text = format!("base_url = '{base_url}'\n{}", settings.replace("KEY", PANEL_KEY));
    let config: Config = toml::from_str(&text).expect("a whole config");
    Http::new("panel", &config, &setup(timeouts)).expect("a valid config")
}

struct HttpRig(FakeProvider);

impl Rig for HttpRig {
    async fn start() -> Self {
        Self(FakeProvider::start(panel).await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(http(&suite_settings(), base_url, timeouts))
    }
    fn behave(&self, behaviour: Behaviour) {
        // Kavenegar's own codes are no behaviour of this one.
        let behaviour = match behaviour {
            Behaviour::Error(status) => {
                Behaviour::HttpStatus { status, headers: vec![], body: TEXT.to_owned() }
            }
            other => other,
        };
        self.0.behave(behaviour);
    }
    fn calls(&self) -> usize {
        self.0.calls().len()
    }
    fn effects(&self) -> usize {
        self.0.effects().len()
    }
    fn secrets(&self) -> Vec<String> {
        [PANEL_KEY, "9123456789", TOKEN, TEXT].map(str::to_owned).to_vec()
    }
}

provider_suite!(HttpRig);

async fn pair() -> (FakeProvider, Http) {
    let fake = FakeProvider::start(panel).await;
    let provider = http(SETTINGS, &fake.url(), PATIENT);
    (fake, provider)
}

fn accepted(id: &str) -> Outcome {
    Outcome::Accepted { provider_message_id: Some(id.to_owned()) }
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn answer(status: u16, body: &str) -> Behaviour {
    Behaviour::HttpStatus { status, headers: vec![], body: body.to_owned() }
}

#[tokio::test]
async fn texts_and_templates_arrive_as_they_are_whatever_they_hold() {
    let (fake, provider) = pair().await;
    let hostile = "سلام \"}],\"x\":1}\\ </a>&to=1;%2e%2e/?#\r\nX: {text}{{";
    assert_eq!(provider.send(&text_to(IRANIAN, hostile, 1)).await, accepted("1"));
    let tokens = [("token", hostile), ("token2", "&to=+98")];
    assert_eq!(provider.send(&template_to(IRANIAN, hostile, &tokens)).await, accepted("2"));
    let tokens = [("token", hostile), ("token2", "2&to=+98")];
    let tokens = tokens.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let to = "09123456789".to_owned();
    let template = Delivered::Template { name: hostile.to_owned(), tokens };
    let expected = [(to.clone(), Delivered::Text(hostile.to_owned())), (to, template)];
    assert_eq!(fake.effects(), expected);
}

#[tokio::test]
async fn the_rules_decide_under_any_http_status() {
    let (fake, provider) = pair().await;
    let code = |value: &str| format!("panel.{value}");
    let table = [
        (r#""bad_number""#, rejected(Rejection::Recipient, &code("bad_number"))),
        (r#""bad_text""#, rejected(Rejection::Request, &code("bad_text"))),
        (r#""not_found""#, rejected(Rejection::Account, &code("not_found"))),
        ("7", retry_later(None, &code("7"))),
        (r#""7""#, retry_later(None, &code("7"))),
        ("8", unknown(&code("8"))),
        ("9", unknown(&code("9"))),
    ];
    for status in [200, 400, 500] {
        for (value, expected) in &table {
            fake.behave(answer(status, &format!(r#"{{"code":{value}}}"#)));
            assert_eq!(provider.send(&text_to(IRANIAN, TEXT, 1)).await, *expected, "{value}");
        }
    }
    let failed = answer(500, r#"{"code":"ok"}"#);
    fake.behave(failed);
    assert_eq!(provider.send(&text_to(IRANIAN, TEXT, 1)).await, unknown("panel.ok"));
}

#[tokio::test]
async fn plain_text_answers_are_read_too() {
    let (fake, provider) = pair().await;
    let sms = template_to(IRANIAN, "login", &[("token", TOKEN), ("token2", "x")]);
    for (status, body, expected) in [
        (200, "OK:77", accepted("77")),
        (200, "OK:", Outcome::Accepted { provider_message_id: None }),
        (200, "ERR:2", rejected(Rejection::Recipient, "panel.ERR:2")),
        (200, "ERR:9", rejected(Rejection::Request, "panel.ERR:")),
        (401, "who are you", rejected(Rejection::Account, "panel.401")),
        (200, "", unknown("http.body")),
        (500, "OK:77", unknown("http.500")),
    ] {
        fake.behave(answer(status, body));
        assert_eq!(provider.send(&sms).await, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn the_panels_own_refusals_reach_the_caller() {
    let (fake, provider) = pair().await;
    let abroad = text_to("+4915123456789", TEXT, 1);
    let expected = rejected(Rejection::Recipient, "panel.bad_number");
    assert_eq!(provider.send(&abroad).await, expected);
    let empty = rejected(Rejection::Request, "panel.bad_text");
    assert_eq!(provider.send(&text_to(IRANIAN, "", 1)).await, empty);
    let stranger = http(&SETTINGS.replace("KEY", "wrong/key"), &fake.url(), PATIENT);
    let expected = rejected(Rejection::Account, "panel.not_found");
    assert_eq!(stranger.send(&text_to(IRANIAN, TEXT, 1)).await, expected);
    assert_eq!(fake.calls().last().unwrap().target, "/v1/wrong%2Fkey/messages");
    let sms = template_to(IRANIAN, "login", &[("token", TOKEN), ("token2", "x")]);
    assert_eq!(stranger.send(&sms).await, rejected(Rejection::Account, "panel.401"));
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn what_the_settings_do_not_carry_is_refused_before_any_call() {
    let (fake, provider) = pair().await;
    let request = |code: &str| rejected(Rejection::Request, code);
    let without = template_to(IRANIAN, "login", &[("token", TOKEN)]);
    assert_eq!(provider.send(&without).await, request("panel.token_missing"));
    let more = [("token", TOKEN), ("token2", "x"), ("token3", "y")];
    let more = template_to(IRANIAN, "login", &more);
    assert_eq!(provider.send(&more).await, request("panel.token_name"));
    let (text, template) = SETTINGS.split_once("[template]").unwrap();
    let texts = http(text, &fake.url(), PATIENT);
    assert_eq!(texts.send(&without).await, request("panel.no_template"));
    let secrets = text.split_once("[text]").unwrap().0;
    let templates = http(&format!("{secrets}[template]{template}"), &fake.url(), PATIENT);
    assert_eq!(templates.send(&text_to(IRANIAN, TEXT, 1)).await, request("panel.no_text"));
    let header = SETTINGS.replace("path = \"/otp\"", "path = \"/otp\"\nheaders = {a = '{token}'}");
    let strange = template_to(IRANIAN, "login", &[("token", "1\r\nb: 2"), ("token2", "x")]);
    let outcome = http(&header, &fake.url(), PATIENT).send(&strange).await;
    assert_eq!(outcome, request("panel.characters"));
    assert!(fake.calls().is_empty());
    assert_eq!(provider.lookup(&without).await, Lookup::Unsupported);
}
