//! Kavenegar against the fake, over real HTTP: the rules of all providers, then its own.

use std::sync::Arc;

use peyk_tests::fake::{API_KEY, Behaviour, Delivered, FakeKavenegar};
use serde_json::json;
use shared::http_client::Timeouts;
use shared::sms::providers::kavenegar::{Config, Kavenegar};
use shared::sms::providers::{
    Balance, Content, DeliveryStatus, Lookup, Outcome, OutgoingSms, Rejection, Report, SmsProvider,
    Unanswered,
};

use crate::provider_suite::{
    HASTY, IRANIAN, PATIENT, Rig, TEXT, TOKEN, messages, provider_suite, retry_later, setup,
    template_to, text_to, unknown,
};

struct KavenegarRig(FakeKavenegar);

impl Rig for KavenegarRig {
    async fn start() -> Self {
        Self(FakeKavenegar::start().await)
    }
    fn base_url(&self) -> String {
        self.0.url()
    }
    fn provider(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn SmsProvider> {
        Arc::new(kavenegar(&json!({"base_url": base_url, "api_key": API_KEY}), timeouts))
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
    fn refusals() -> Vec<Behaviour> {
        vec![Behaviour::Error(411), Behaviour::Error(403)]
    }
}

provider_suite!(KavenegarRig);

fn kavenegar(config: &serde_json::Value, timeouts: Timeouts) -> Kavenegar {
    let config: Config = serde_json::from_value(config.clone()).expect("a whole config");
    Kavenegar::new("kavenegar", &config, &setup(timeouts)).expect("a valid config")
}

/// A fake and a patient provider that talks to it.
async fn pair() -> (FakeKavenegar, Kavenegar) {
    let fake = FakeKavenegar::start().await;
    let provider = kavenegar(&json!({"base_url": fake.url(), "api_key": API_KEY}), PATIENT);
    (fake, provider)
}

fn accepted(id: Option<i64>) -> Outcome {
    Outcome::Accepted { provider_message_id: id.map(|id| id.to_string()) }
}

fn rejected(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_text_is_sent_in_persian_to_a_national_number_with_our_id() {
    let (fake, provider) = pair().await;
    let outcome = provider.send(&text_to(IRANIAN, TEXT, 77)).await;
    let call = &fake.calls()[0];
    assert_eq!(call.request.target, format!("/v1/{API_KEY}/sms/send.json"));
    assert_eq!(call.request.method, "POST");
    let form = [("receptor", "09123456789"), ("message", TEXT), ("localid", "77")];
    assert_eq!(call.fields, pairs(&form));
    let effect = &fake.effects()[0];
    assert_eq!(effect.destination, "09123456789");
    assert_eq!(effect.content, Delivered::Text(TEXT.to_owned()));
    assert_eq!(effect.local_id, Some(77));
    assert_eq!(outcome, accepted(Some(effect.message_id)));
}

#[tokio::test]
async fn a_template_is_sent_with_its_tokens_in_order_and_without_spaces() {
    let (fake, provider) = pair().await;
    let tokens = [("token", "48 29 13"), ("token2", "علی رضایی"), ("token10", "سلام به همه")];
    let outcome = provider.send(&template_to(IRANIAN, "login", &tokens)).await;
    let call = &fake.calls()[0];
    assert_eq!(call.request.target, format!("/v1/{API_KEY}/verify/lookup.json"));
    let expected = [
        ("receptor", "09123456789"),
        ("template", "login"),
        ("token", "48-29-13"),
        ("token2", "علی-رضایی"),
        ("token10", "سلام به همه"),
    ];
    assert_eq!(call.fields, pairs(&expected));
    let tokens = pairs(&expected[2..]);
    let effect = &fake.effects()[0];
    assert_eq!(effect.content, Delivered::Template { name: "login".to_owned(), tokens });
    assert_eq!(outcome, accepted(Some(effect.message_id)));
}

#[tokio::test]
async fn a_number_abroad_is_written_as_its_digits() {
    let (fake, provider) = pair().await;
    provider.send(&text_to("+4915123456789", TEXT, 1)).await;
    provider.send(&template_to("+971501234567", "login", &[("token", TOKEN)])).await;
    let receptors: Vec<_> =
        fake.calls().iter().map(|call| call.field("receptor").unwrap().to_owned()).collect();
    assert_eq!(receptors, ["4915123456789", "971501234567"]);
    assert_eq!(fake.effects().len(), 2);
}

#[tokio::test]
async fn a_variable_kavenegar_does_not_know_is_refused_before_any_call() {
    let (fake, provider) = pair().await;
    let tokens = [("token", TOKEN), ("receptor", "09120000000")];
    let outcome = provider.send(&template_to(IRANIAN, "login", &tokens)).await;
    assert_eq!(outcome, rejected(Rejection::Request, "kavenegar.token_name"));
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn the_base_url_may_have_a_path() {
    let fake = FakeKavenegar::start().await;
    for path in ["/api.kavenegar.com", "/api.kavenegar.com/", "/"] {
        let url = fake.url() + path;
        let provider = kavenegar(&json!({"base_url": url, "api_key": API_KEY}), PATIENT);
        let outcome = provider.send(&template_to(IRANIAN, "login", &[("token", TOKEN)])).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{path}: {outcome:?}");
    }
    let targets: Vec<_> = fake.calls().into_iter().map(|call| call.request.target).collect();
    let with_path = format!("/api.kavenegar.com/v1/{API_KEY}/verify/lookup.json");
    assert_eq!(targets[..2], [with_path.clone(), with_path]);
    assert_eq!(targets[2], format!("/v1/{API_KEY}/verify/lookup.json"));
}

#[tokio::test]
async fn a_configured_sender_goes_with_texts_and_an_empty_one_does_not() {
    let fake = FakeKavenegar::start().await;
    fake.add_line("90001234");
    for (sender, expected) in [("90001234", Some("90001234")), ("", None), ("666", Some("666"))] {
        let config = json!({"base_url": fake.url(), "api_key": API_KEY, "sender": sender});
        let outcome = kavenegar(&config, PATIENT).send(&text_to(IRANIAN, TEXT, 1)).await;
        assert_eq!(fake.calls().last().unwrap().field("sender"), expected);
        let foreign = outcome == rejected(Rejection::Account, "kavenegar.412");
        assert_eq!(foreign, sender == "666");
    }
}

/// The whole table of codes: what each means for the message.
fn error_table() -> Vec<(u16, Outcome)> {
    let account = [401, 403, 407, 412, 416, 418, 424, 426, 427, 432, 501];
    let request = [400, 404, 405, 406, 413, 414, 415, 417, 419, 420, 422, 428, 431, 499, 607];
    let later = [409, 429, 451, 503];
    let not_told = [402, 500, 502, 504, 599, 201, 699];
    let code = |n: u16| format!("kavenegar.{n}");
    let mut table = vec![(411, rejected(Rejection::Recipient, "kavenegar.411"))];
    table.extend(account.map(|n| (n, rejected(Rejection::Account, &code(n)))));
    table.extend(request.map(|n| (n, rejected(Rejection::Request, &code(n)))));
    table.extend(later.map(|n| (n, retry_later(None, &code(n)))));
    table.extend(not_told.map(|n| (n, unknown(&code(n)))));
    table
}

#[tokio::test]
async fn every_documented_code_has_its_class_under_its_own_http_status() {
    let (fake, provider) = pair().await;
    for (code, expected) in error_table() {
        for sms in messages() {
            fake.behave(Behaviour::Error(code));
            assert_eq!(provider.send(&sms).await, expected, "{code}");
        }
    }
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn every_documented_code_has_its_class_under_any_http_status() {
    let (fake, provider) = pair().await;
    for (code, expected) in error_table() {
        for http_status in [200, 400, 500] {
            fake.behave(Behaviour::ErrorUnder { code, http_status });
            assert_eq!(provider.send(&messages()[0]).await, expected, "{code} {http_status}");
        }
    }
}

#[tokio::test]
async fn codes_of_strange_size_make_no_strange_labels() {
    let (fake, provider) = pair().await;
    for code in [0, 1, 99, 1000, 65_535] {
        fake.behave(Behaviour::ErrorUnder { code, http_status: 200 });
        assert_eq!(provider.send(&messages()[0]).await, unknown("kavenegar.other"));
    }
}

#[tokio::test]
async fn a_rate_limit_with_an_envelope_keeps_its_retry_after() {
    let (fake, provider) = pair().await;
    fake.behave(Behaviour::RateLimited { retry_after_secs: 90 });
    assert_eq!(provider.send(&messages()[0]).await, retry_later(Some(90), "kavenegar.429"));
}

#[tokio::test]
async fn the_status_of_the_entry_decides_about_the_recipient() {
    let (fake, provider) = pair().await;
    for status in [1, 2, 4, 5, 10] {
        fake.behave(Behaviour::EntryStatus(status));
        let outcome = provider.send(&messages()[1]).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{status}: {outcome:?}");
    }
    for status in [6, 11, 13, 14, 100] {
        fake.behave(Behaviour::EntryStatus(status));
        let reason = if status == 14 { Rejection::Recipient } else { Rejection::Request };
        let expected = rejected(reason, &format!("kavenegar.entry_{status}"));
        assert_eq!(provider.send(&messages()[1]).await, expected);
    }
}

#[tokio::test]
async fn entries_may_be_a_list_an_object_or_missing_and_numbers_may_be_strings() {
    let (fake, provider) = pair().await;
    for behaviour in [Behaviour::Ok, Behaviour::EntriesAsObject, Behaviour::NumbersAsStrings] {
        fake.behave(behaviour);
        let outcome = provider.send(&messages()[1]).await;
        let id = fake.effects().last().map(|effect| effect.message_id);
        assert_eq!(outcome, accepted(id));
    }
    fake.behave(Behaviour::EntriesAbsent);
    assert_eq!(provider.send(&messages()[1]).await, accepted(None));
    for body in [r#"{"return":{"status":200},"entries":null}"#, r#"{"return":{"status":200}}"#] {
        let body = body.to_owned();
        fake.behave(Behaviour::HttpStatus { status: 200, headers: vec![], body });
        assert_eq!(provider.send(&messages()[1]).await, accepted(None));
    }
}

#[tokio::test]
async fn json_that_is_no_envelope_is_unknown() {
    let (fake, provider) = pair().await;
    for body in ["null", "[]", "7", r#"{"return":null}"#, r#"{"return":{"status":"ok"}}"#, ""] {
        let body = body.to_owned();
        fake.behave(Behaviour::HttpStatus { status: 200, headers: vec![], body });
        assert_eq!(provider.send(&messages()[0]).await, unknown("http.body"));
    }
}

#[tokio::test]
async fn the_fakes_own_refusals_reach_the_caller() {
    let (fake, provider) = pair().await;
    fake.approve_template("login", &["token", "token2"]);
    let with = |template, tokens: &[(&str, &str)]| template_to(IRANIAN, template, tokens);
    let cases = [
        (with("login", &[("token", "1")]), rejected(Rejection::Account, "kavenegar.432")),
        (with("other", &[("token", "1")]), rejected(Rejection::Account, "kavenegar.424")),
        (with("login", &[("token", "1_2")]), rejected(Rejection::Request, "kavenegar.431")),
        (with("login", &[("token", "1\n2")]), rejected(Rejection::Request, "kavenegar.431")),
        (with("login", &[("token", "")]), rejected(Rejection::Request, "kavenegar.406")),
        (with("login", &[("token2", "1")]), rejected(Rejection::Request, "kavenegar.400")),
        (text_to(IRANIAN, "", 1), rejected(Rejection::Request, "kavenegar.413")),
        (text_to(IRANIAN, &"م".repeat(901), 1), rejected(Rejection::Request, "kavenegar.413")),
    ];
    for (sms, expected) in cases {
        assert_eq!(provider.send(&sms).await, expected, "{:?}", sms.content);
    }
    let config = json!({"base_url": fake.url(), "api_key": "wrong"});
    let stranger = kavenegar(&config, PATIENT);
    let expected = rejected(Rejection::Account, "kavenegar.403");
    assert_eq!(stranger.send(&messages()[0]).await, expected);
    assert!(fake.effects().is_empty());
}

#[tokio::test]
async fn sending_a_text_again_under_its_id_returns_the_old_message() {
    let (fake, provider) = pair().await;
    let sms = text_to(IRANIAN, TEXT, 4242);
    let first = provider.send(&sms).await;
    assert_eq!(provider.send(&sms).await, first);
    assert_eq!(fake.calls().len(), 2);
    assert_eq!(fake.effects().len(), 1);
    assert!(fake.duplicates().is_empty());
}

#[tokio::test]
async fn after_a_lost_answer_the_look_up_tells_whether_the_text_went_out() {
    let (fake, patient) = pair().await;
    let hasty = kavenegar(&json!({"base_url": fake.url(), "api_key": API_KEY}), HASTY);
    for (local_id, effect) in [(501, true), (502, false)] {
        let sms = text_to(IRANIAN, TEXT, local_id);
        fake.behave(Behaviour::HangAfterRead { effect });
        assert_eq!(hasty.send(&sms).await, unknown("http.timeout"));
        let found = patient.lookup(&sms).await;
        let id = fake.effects().last().map(|effect| effect.message_id.to_string());
        let sent = Lookup::Found { provider_message_id: id };
        assert_eq!(found, if effect { sent } else { Lookup::NotFound });
    }
    let call = fake.calls().pop().unwrap();
    assert_eq!(call.request.target, format!("/v1/{API_KEY}/sms/statuslocalmessageid.json"));
    assert_eq!(call.fields, pairs(&[("localid", "502")]));
}

#[tokio::test]
async fn a_look_up_that_is_not_answered_clearly_says_so() {
    let (fake, provider) = pair().await;
    let sms = text_to(IRANIAN, TEXT, 9);
    let unavailable = |code: &str| Lookup::Unavailable { code: code.to_owned() };
    let body = |body: &str| Behaviour::HttpStatus {
        status: 200,
        headers: vec![],
        body: format!(r#"{{"return":{{"status":200}},"entries":{body}}}"#),
    };
    let cases = [
        (Behaviour::Error(403), unavailable("kavenegar.403")),
        (Behaviour::Error(451), unavailable("kavenegar.451")),
        (Behaviour::InvalidJson { effect: false }, unavailable("http.body")),
        (Behaviour::ResetAfterRead { effect: false }, unavailable("http.reset")),
        (body(r#"[{"messageid":5,"localid":10,"status":10}]"#), unavailable("kavenegar.entry")),
        (body(r#"[{"messageid":5,"localid":9}]"#), unavailable("kavenegar.entry")),
        (body("[]"), Lookup::NotFound),
        (body("null"), Lookup::NotFound),
        (body(r#"{"messageid":0,"localid":"9","status":100}"#), Lookup::NotFound),
        (
            body(r#"{"messageid":"5","localid":9,"status":6}"#),
            Lookup::Found { provider_message_id: Some("5".to_owned()) },
        ),
    ];
    for (behaviour, expected) in cases {
        fake.behave(behaviour);
        assert_eq!(provider.lookup(&sms).await, expected);
    }
}

#[tokio::test]
async fn a_template_cannot_be_looked_up() {
    let (fake, provider) = pair().await;
    assert_eq!(provider.lookup(&messages()[1]).await, Lookup::Unsupported);
    assert!(fake.calls().is_empty());
}

fn entries(entries: &str) -> Behaviour {
    let body = format!(r#"{{"return":{{"status":200}},"entries":{entries}}}"#);
    Behaviour::HttpStatus { status: 200, headers: vec![], body }
}

fn report(id: &str, status: Option<DeliveryStatus>, code: i64) -> Report {
    let (provider_message_id, code) = (id.to_owned(), format!("kavenegar.{code}"));
    Report { provider_message_id, status, code }
}

#[tokio::test]
async fn statuses_are_asked_for_in_one_call_by_the_ids_of_the_messages() {
    let (fake, provider) = pair().await;
    provider.send(&messages()[0]).await;
    let id = fake.effects()[0].message_id.to_string();
    let delivered = report(&id, Some(DeliveryStatus::Delivered), 10);
    let asked = [id.clone(), "5".to_owned()];
    let expected = Ok(vec![delivered, report("5", None, 100)]);
    assert_eq!(provider.statuses(&asked).await, expected);
    let call = fake.calls().pop().unwrap();
    assert_eq!(call.request.target, format!("/v1/{API_KEY}/sms/status.json"));
    assert_eq!(call.fields, pairs(&[("messageid", &format!("{id},5"))]));
    let most = vec!["5".to_owned(); provider.statuses_at_once()];
    assert_eq!(provider.statuses(&most).await.map(|reports| reports.len()), Ok(most.len()));
    let more = [&most[..], &asked].concat();
    let too_many = Err(Unanswered::Unavailable("kavenegar.414".to_owned()));
    assert_eq!(provider.statuses(&more).await, too_many);
}

#[tokio::test]
async fn every_documented_status_of_a_message_has_its_meaning() {
    let (fake, provider) = pair().await;
    let asked = ["7".to_owned()];
    let (accepted, carried) = (Some(DeliveryStatus::Accepted), Some(DeliveryStatus::Carried));
    let (lost, arrived) = (Some(DeliveryStatus::Undelivered), Some(DeliveryStatus::Delivered));
    for (code, status) in [
        (1, accepted),
        (2, accepted),
        (4, carried),
        (5, carried),
        (6, lost),
        (10, arrived),
        (11, lost),
        (13, lost),
        (14, lost),
        (50, None),
        (100, None),
        (3, None),
    ] {
        let expected = Ok(vec![report("7", status, code)]);
        fake.behave(entries(&format!(r#"[{{"messageid":7,"status":{code}}}]"#)));
        assert_eq!(provider.statuses(&asked).await, expected);
        fake.behave(entries(&format!(r#"{{"messageid":"7","status":"{code}"}}"#)));
        assert_eq!(provider.statuses(&asked).await, expected);
    }
    let strange = r#"[{"messageid":8,"status":10},{"messageid":7},{"status":10},null,7]"#;
    fake.behave(entries(strange));
    assert_eq!(provider.statuses(&asked).await, Ok(vec![]));
}

#[tokio::test]
async fn what_is_left_is_told_in_rials() {
    let (fake, provider) = pair().await;
    let rials = |amount| Ok(Balance::Money { amount, currency: "IRR".to_owned() });
    assert_eq!(provider.balance().await, rials(1_500_032));
    assert_eq!(fake.calls()[0].request.target, format!("/v1/{API_KEY}/account/info.json"));
    for (entry, expected) in [
        (r#"{"remaincredit":"-12"}"#, rials(-12)),
        (r#"[{"remaincredit":99.75}]"#, rials(99)),
        (r#"{"credit":1}"#, Err(Unanswered::Unavailable("kavenegar.credit".to_owned()))),
        ("null", Err(Unanswered::Unavailable("kavenegar.credit".to_owned()))),
    ] {
        fake.behave(entries(entry));
        assert_eq!(provider.balance().await, expected);
    }
}

#[tokio::test]
async fn a_question_that_is_not_answered_says_why() {
    let (fake, provider) = pair().await;
    let asked = ["7".to_owned()];
    for (behaviour, code) in [
        (Behaviour::Error(403), "kavenegar.403"),
        (Behaviour::ErrorUnder { code: 407, http_status: 200 }, "kavenegar.407"),
        (Behaviour::InvalidJson { effect: false }, "http.body"),
        (Behaviour::HttpStatus { status: 502, headers: vec![], body: TEXT.to_owned() }, "http.502"),
        (Behaviour::ResetAfterRead { effect: false }, "http.reset"),
    ] {
        let unavailable = Unanswered::Unavailable(code.to_owned());
        fake.behave(behaviour.clone());
        assert_eq!(provider.statuses(&asked).await, Err(unavailable.clone()));
        fake.behave(behaviour);
        assert_eq!(provider.balance().await, Err(unavailable));
    }
}

/// A provider with a line of its own, without which texts share no call.
fn with_line(fake: &FakeKavenegar, timeouts: Timeouts) -> Kavenegar {
    let config = json!({"base_url": fake.url(), "api_key": API_KEY, "sender": "90001234"});
    kavenegar(&config, timeouts)
}

fn many(count: i64) -> Vec<OutgoingSms> {
    (1..=count).map(|at| text_to(&format!("+98912{at:07}"), &format!("text {at}"), at)).collect()
}

#[tokio::test]
async fn many_texts_go_in_one_call_and_each_gets_the_outcome_that_is_its_own() {
    let fake = FakeKavenegar::start().await;
    fake.add_line("90001234");
    let provider = with_line(&fake, PATIENT);
    let texts = many(200);
    assert_eq!(provider.send_at_once(&texts[0].content), 200);
    let template = template_to(IRANIAN, "login", &[("token", TOKEN)]);
    assert_eq!(provider.send_at_once(&template.content), 1);
    let without_line = kavenegar(&json!({"base_url": fake.url(), "api_key": API_KEY}), PATIENT);
    assert_eq!(without_line.send_at_once(&texts[0].content), 1);
    let outcomes = provider.send_many(&texts).await;
    assert_eq!((fake.calls().len(), fake.effects().len()), (1, 200));
    assert_eq!(fake.calls()[0].method, "sms/sendarray");
    for (sms, outcome) in texts.iter().zip(&outcomes) {
        let effect = &fake.effects_to(&sms.to.to_national())[0];
        assert_eq!(effect.local_id, Some(sms.local_id));
        let Content::Text(text) = &sms.content else { panic!("a text") };
        assert_eq!(effect.content, Delivered::Text(text.clone()));
        assert_eq!(outcome, &accepted(Some(effect.message_id)));
        assert_eq!(provider.lookup(sms).await, found(effect.message_id));
    }
    // Again, as after a crash: the same ids, and nobody gets a second text.
    assert_eq!(provider.send_many(&texts).await, outcomes);
    assert_eq!(fake.effects().len(), 200);
    let refused = provider.send_many(&many(201)).await;
    assert!(refused.iter().all(|it| *it == rejected(Rejection::Request, "kavenegar.414")));
}

fn found(id: i64) -> Lookup {
    Lookup::Found { provider_message_id: Some(id.to_string()) }
}

#[tokio::test]
async fn a_call_for_many_that_fails_has_the_class_of_a_call_for_one_for_each() {
    let (fake, provider) = pair().await;
    fake.add_line("90001234");
    let together = with_line(&fake, PATIENT);
    for (code, expected) in error_table() {
        fake.behave(Behaviour::Error(code));
        assert_eq!(together.send_many(&many(2)).await, [expected.clone(), expected.clone()]);
        fake.behave(Behaviour::Error(code));
        assert_eq!(provider.send(&many(1)[0]).await, expected);
    }
    for (behaviour, code) in [
        (Behaviour::ResetAfterRead { effect: false }, "http.reset"),
        (Behaviour::TruncatedBody { effect: false }, "http.body"),
        (Behaviour::InvalidJson { effect: false }, "http.body"),
        (Behaviour::EmptyObject, "http.body"),
        (Behaviour::EntriesAbsent, "kavenegar.entries"),
    ] {
        fake.behave(behaviour);
        assert_eq!(together.send_many(&many(3)).await, vec![unknown(code); 3], "{code}");
    }
    let hasty = with_line(&fake, HASTY);
    fake.behave(Behaviour::HangAfterRead { effect: true });
    assert_eq!(hasty.send_many(&many(2)).await, vec![unknown("http.timeout"); 2]);
    fake.behave(Behaviour::EntryStatus(14));
    let mixed = together.send_many(&many(2)).await;
    assert_eq!(mixed[0], rejected(Rejection::Recipient, "kavenegar.entry_14"));
    assert!(matches!(mixed[1], Outcome::Accepted { .. }), "{mixed:?}");
}
