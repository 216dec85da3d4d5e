//! What settings make which request, and which make none.

use std::time::Duration;

use super::*;
use crate::config::parse_table;
use crate::http_client::Timeouts;

const REFERENCE: &str = include_str!("../../../../../docs/sms-http.md");

/// Text that would end any place it is put into, were it not encoded.
const HOSTILE: &str = "سلام \"}],\"x\":1 </a>&b=2 %2e?#\r\nX: 1";

fn config(toml: &str) -> Config {
    let (mut errors, table) = (Vec::new(), toml.parse().unwrap());
    let config = parse_table(&table, "sms.providers.p", &mut errors);
    config.unwrap_or_else(|| panic!("{errors:?}"))
}

fn build(config: &Config) -> Result<Http, Vec<Problem>> {
    let timeouts = Timeouts { connect: Duration::from_secs(1), budget: Duration::from_secs(2) };
    Http::new("p", config, &Setup { timeouts, webhook_url: None })
}

/// Paths and messages of what is wrong.
fn wrong(toml: &str) -> Vec<String> {
    let (mut errors, table) = (Vec::new(), toml.parse().unwrap());
    let config = parse_table::<Config>(&table, "p", &mut errors);
    let problems = config.map(|config| build(&config).err().unwrap_or_default());
    let problems = problems.into_iter().flatten();
    let named = problems.map(|problem| format!("p.{}: {}", problem.key, problem.message));
    errors.iter().map(ToString::to_string).chain(named).collect()
}

fn text(content: &str) -> OutgoingSms {
    sample_sms(Content::Text(content.to_owned()))
}

fn template(tokens: &[(&str, &str)]) -> OutgoingSms {
    let tokens = tokens.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    sample_sms(Content::Template { name: "login".to_owned(), tokens })
}

/// The request of the section that fits the message.
fn request(toml: &str, sms: &OutgoingSms) -> Result<reqwest::Request, &'static str> {
    let http = build(&config(toml)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let plan = match sms.content {
        Content::Text(_) => http.text,
        Content::Template { .. } => http.template,
    };
    let values = Values { sms, secrets: &http.secrets };
    plan.unwrap().section.build(&http.base, values).map_err(template::Unfit::code)
}

fn body(request: &reqwest::Request) -> &str {
    std::str::from_utf8(request.body().unwrap().as_bytes().unwrap()).unwrap()
}

/// A whole configuration around one section.
fn with(section: &str) -> String {
    format!(
        "base_url = 'https://sms.example/api/'\nanswer = {{statuses = [200]}}\n\
         secrets = {{key = 'k/3y \"&'}}\n{section}"
    )
}

#[test]
fn a_value_stays_one_segment_of_the_path() {
    let toml = with("[text]\npath = '/{secret.key}/to/{to_national}/{text}'");
    let url = request(&toml, &text("a/b?c#d ../é")).unwrap().url().to_string();
    let encoded =
        "https://sms.example/api/k%2F3y%20%22%26/to/09120000000/a%2Fb%3Fc%23d%20..%2F%C3%A9";
    assert_eq!(url, encoded);
    for step in [".", ".."] {
        assert_eq!(request(&toml, &text(step)).unwrap_err(), "characters", "{step}");
    }
}

#[test]
fn a_value_stays_one_field_of_the_query_and_of_the_form() {
    let section = "method = 'GET'\nquery = {to = '{to}', text = '{text}', key = '{secret.key}'}";
    let get = request(&with(&format!("[text]\n{section}")), &text(HOSTILE)).unwrap();
    let fields: Vec<_> = get.url().query_pairs().collect();
    let expected = [("key", "k/3y \"&"), ("text", HOSTILE), ("to", "989120000000")];
    assert_eq!(fields, expected.map(|(k, v)| (k.into(), v.into())));
    assert_eq!((get.method().as_str(), get.url().path()), ("GET", "/api/"));
    let section = "form = {to = '{to_e164}', text = '{text}', id = '{local_id}'}";
    let post = request(&with(&format!("[text]\n{section}")), &text(HOSTILE)).unwrap();
    let fields: Vec<_> = form_urlencoded::parse(body(&post).as_bytes()).collect();
    let expected = [("id", "1"), ("text", HOSTILE), ("to", "+989120000000")];
    assert_eq!(fields, expected.map(|(k, v)| (k.into(), v.into())));
    assert_eq!(post.headers()["content-type"], "application/x-www-form-urlencoded");
}

#[test]
fn a_value_stays_inside_its_json_string() {
    let json = r#"{"to":["{to}"],"n":"{number:to}","flash":false,"t":{"text":"«{text}» {{x}}"}}"#;
    let table = "to = ['{to}']\nn = '{number:to}'\nflash = false\nt.text = '«{text}» {{x}}'";
    let expected = serde_json::json!({
        "to": ["989120000000"], "n": 989_120_000_000_u64, "flash": false,
        "t": {"text": format!("«{HOSTILE}» {{x}}")},
    });
    for section in [format!("[text]\njson = '{json}'"), format!("[text.json]\n{table}")] {
        let request = request(&with(&section), &text(HOSTILE)).unwrap();
        let sent: serde_json::Value = serde_json::from_str(body(&request)).unwrap();
        assert_eq!(sent, expected);
        assert_eq!(request.headers()["content-type"], "application/json");
    }
}

#[test]
fn a_value_stays_text_in_xml_and_a_bare_one_is_written_as_it_is() {
    let xml = |text: &str| {
        format!(
            "[text]\nquery = {{to = '{{to}}'}}\nbody = {{escape = 'xml', \
                 content_type = 'text/xml; charset=utf-8', text = '{text}'}}"
        )
    };
    let sent = request(&with(&xml("<m a=\"{text}\"><![CDATA[{text}]]></m>")), &text("\"]]>&\n"));
    let sent = sent.unwrap();
    let value = "&#34;]]&#62;&#38;&#10;";
    assert_eq!(body(&sent), format!("<m a=\"{value}\"><![CDATA[{value}]]></m>"));
    assert_eq!(sent.headers()["content-type"], "text/xml; charset=utf-8");
    assert_eq!(request(&with(&xml("<m>{text}</m>")), &text("\0")).unwrap_err(), "characters");
    let bare = xml("{text}").replace("'xml'", "'none'");
    assert_eq!(body(&request(&with(&bare), &text(HOSTILE)).unwrap()), HOSTILE);
    assert_eq!(wrong(&with(&bare.replace("'{text}'", "'x {text}'"))).len(), 1);
}

#[test]
fn a_header_holds_no_line_break_and_is_marked_as_secret() {
    let toml = with(
        "[template]\nquery = {to = '{to}', t = '{template}'}\n\
         headers = {Authorization = 'Bearer {secret.key}', X-Code = '{token}'}",
    );
    let sent = request(&toml, &template(&[("token", "12 34")])).unwrap();
    assert_eq!(sent.headers()["authorization"], "Bearer k/3y \"&");
    assert!(sent.headers().values().all(reqwest::header::HeaderValue::is_sensitive));
    for hostile in ["1\r\nX: 2", "1\n", "۱", "\0"] {
        let refused = request(&toml, &template(&[("token", hostile)]));
        assert_eq!(refused.unwrap_err(), "characters", "{hostile:?}");
    }
}

#[test]
fn basic_authentication_is_encoded() {
    let toml = with("[text]\nform = {a = '{to}{text}'}\nbasic = {user = 'u', password = 'p:é'}");
    let sent = request(&toml, &text("x")).unwrap();
    assert_eq!(sent.headers()["authorization"], "Basic dTpwOsOp");
    let message = wrong(&toml.replace("'u'", "'u:'"));
    assert!(message[0].contains("characters"), "{message:?}");
}

#[test]
fn every_setting_that_cannot_work_is_named_with_its_place() {
    let fine = "form = {to = '{to}', text = '{text}'}";
    let both = "form = {to = '{to}', text = '{text}'}\njson = '{}'";
    for (toml, expected) in [
        (with(""), "p.text: is required"),
        (with("[text]\nform = {to = '{too}', text = '{text}'}"), "p.text.form.to: uses an unknown"),
        (with("[text]\nform = {to = '{to', text = '{text}'}"), "p.text.form.to: "),
        (with("[text]\njson = '{\"to\": }'"), "p.text.json: no JSON at line 1"),
        (with("[text]\njson = '\"{to}\"'"), "p.text.json: must be a JSON object"),
        (with("[text]\nmethod = 'DELETE'"), "p.text.method: is not one of the choices"),
        (with("[text]\nbase = 1\nform = {to = '{to}', text = '{text}'}"), "p.text.base: unknown"),
        (with("[text]\nform = {text = '{text}'}"), "p.text: must use to, to_e164"),
        (with("[text]\nform = {to = '{to}'}"), "p.text: must use text"),
        (with("[text]\nform = {to = '{to}', text = '{text}{token}'}"), "p.text: must not use temp"),
        (with("[template]\nform = {to = '{to}{token2}'}"), "p.template: must use token"),
        (with("[template]\nform = {to = '{to}{token}{text}'}"), "p.template: must not use text"),
        (with(&format!("[text]\n{both}")), "p.text: may have one of form, json and body"),
        (with(&format!("[text]\nmethod = 'GET'\n{fine}")), "p.text: with method GET has no body"),
        (with(&format!("[text]\npath = 'x'\n{fine}")), "p.text: must have a path that begins"),
        (with(&format!("[text]\npath = '/x/../y'\n{fine}")), "p.text: has a path, header or"),
        (with(&format!("[text]\npath = '/a b'\n{fine}")), "p.text: has a path, header or"),
        (with(&format!("[text]\npath = '/a?b=c'\n{fine}")), "p.text: has a path, header or"),
        (with(&format!("[text]\nheaders = {{Host = 'x'}}\n{fine}")), "p.text: has a header that"),
        (with(&format!("[text]\nheaders = {{'a b' = 'x'}}\n{fine}")), "p.text: has a header that"),
        (with(&format!("[text]\nheaders = {{a = \"x\\n\"}}\n{fine}")), "p.text: has a path, hea"),
        (
            with(&format!("[text]\nheaders = {{a = '{{secret.b}}'}}\n{fine}")),
            "p.text: uses secret.b",
        ),
        (with(&format!("[text]\nanswer = {{}}\n{fine}")), "p.text: has an answer that must say"),
        (
            with(&format!("[text]\n{fine}")).replace("answer = {statuses = [200]}", ""),
            "p.text: needs an answer",
        ),
        (with(&format!("[text]\n{fine}")).replace("https", "ftp"), "p.base_url: must begin"),
        (with(&format!("[text]\n{fine}")).replace("key =", "Key ="), "p.secrets: must have names"),
        (with("[text.answer]\nrules = [{class = 'x'}]"), "p.text.answer.rules[0].class: is not"),
        (with("[text.answer]\npointer = 'x'"), "p.text.answer.pointer: must be a JSON pointer"),
    ] {
        let wrong = wrong(&toml);
        assert!(
            wrong.iter().any(|line| line.starts_with(expected)),
            "{expected}: {wrong:?}\n{toml}"
        );
    }
    assert_eq!(wrong(&with(&format!("[text]\n{fine}"))), [""; 0]);
}

#[test]
fn nothing_printed_holds_a_secret_or_what_is_written_literally() {
    let config = config(&with(
        "[text]\npath = '/L1TERAL'\nheaders = {a = 'L1TERAL'}\njson = {a = 'L1TERAL{to}{text}'}",
    ));
    let printed = format!("{config:?} {:?}", build(&config).unwrap());
    for secret in ["L1TERAL", "k/3y"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    let wrong = wrong(&with("[text]\npath = '/s3cret{foo}'\njson = '{\"s3cret\"'"));
    assert!(wrong.len() == 2 && !format!("{wrong:?}").contains("s3cret"), "{wrong:?}");
}

#[test]
fn every_example_of_the_reference_works() {
    let blocks: Vec<_> = REFERENCE.split("```toml\n").skip(1).collect();
    assert!(blocks.len() >= 4, "{}", blocks.len());
    for block in blocks {
        let toml = block.split("```").next().unwrap();
        let tables: toml::Table = toml.parse().unwrap();
        let table = tables["sms"]["providers"].as_table().unwrap();
        let (name, table) = table.iter().next().unwrap();
        let mut errors = Vec::new();
        let config: Option<Config> = parse_table(table.as_table().unwrap(), name, &mut errors);
        build(&config.unwrap_or_else(|| panic!("{errors:?}"))).unwrap();
    }
}
