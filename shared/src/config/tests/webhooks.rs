//! Endpoints of webhooks.

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What is wrong with an endpoint of these settings, on top of good ones.
fn wrong(settings: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![
        ("url", "\"https://shop.test/hooks?for=peyk\"".to_owned()),
        ("secrets", format!("[\"{SECRET}\"]")),
    ];
    all.retain(|(key, _)| settings.iter().all(|(other, _)| other != key));
    all.extend(settings.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let lines: Vec<_> = all.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let file = format!("[webhooks.endpoints.shop]\n{}", lines.join("\n"));
    let errors = load(&file, &[]).err().map(|errors| errors.0).unwrap_or_default();
    errors.into_iter().map(|error| error.path).collect()
}

#[test]
fn an_endpoint_is_reached_over_tls_and_signs_what_it_is_told() {
    assert!(wrong(&[]).is_empty());
    for (key, fine) in [
        ("url", "\"http://127.0.0.1:9000/\""),
        ("secrets", &format!("[\"{SECRET}\", \"{SECRET}\"]")),
        ("events", "[\"sms.*\", \"otp.sent\", \"*\"]"),
        ("timeout_ms", "100"),
    ] {
        assert!(wrong(&[(key, fine)]).is_empty(), "{key} {fine}");
    }
    for (key, bad) in [
        ("url", "\"http://shop.test/\""),
        ("url", "\"ftp://shop.test/\""),
        ("url", "\"file:///etc/passwd\""),
        ("url", "\"shop.test\""),
        ("url", "\"\""),
        ("url", "\"https://user@shop.test/\""),
        ("url", "\"https://:password@shop.test/\""),
        ("url", "\"https://shop.test/#here\""),
        ("secrets", "[]"),
        ("secrets", "[\"whsec_\"]"),
        ("secrets", "[\"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]"),
        ("secrets", &format!("[\"{SECRET}\", \"{SECRET}\", \"{SECRET}\"]")),
        ("events", "[]"),
        ("events", "[\"sms.sent\", \"sms.sents\"]"),
        ("events", "[\"s*\"]"),
        ("timeout_ms", "99"),
    ] {
        assert_eq!(wrong(&[(key, bad)]), [format!("webhooks.endpoints.shop.{key}")], "{key} {bad}");
    }
    // All of it at once, and in sandbox mode any host may be tried out.
    let all = [("url", "\"http://shop.test\""), ("secrets", "[]"), ("events", "[]")];
    assert_eq!(wrong(&all).len(), 3);
    let file = format!(
        "mode = \"sandbox\"\n[webhooks.endpoints.shop]\nurl = \"http://shop.test\"\nsecrets = [\"{SECRET}\"]"
    );
    load(&file, &[]).unwrap();
}

#[test]
fn endpoints_have_short_names_and_there_are_sixteen_at_most() {
    let endpoint = |name: &str| {
        format!(
            "[webhooks.endpoints.\"{name}\"]\nurl = \"https://shop.test\"\nsecrets = [\"{SECRET}\"]\n"
        )
    };
    assert_eq!(paths(&endpoint("Shop"), &[]), ["webhooks.endpoints.Shop"]);
    let many = |count: u32| (0..count).map(|at| endpoint(&format!("e{at}"))).collect::<String>();
    load(&many(16), &[]).unwrap();
    assert_eq!(paths(&many(17), &[]), ["webhooks.endpoints"]);
}

#[test]
fn an_endpoint_can_come_from_the_environment_and_shows_no_secret() {
    let env = [
        ("PEYK__WEBHOOKS__ENDPOINTS__SHOP__URL", "https://shop.test"),
        ("PEYK__WEBHOOKS__ENDPOINTS__SHOP__SECRETS", &format!("{SECRET},{SECRET}")),
        ("PEYK__WEBHOOKS__ENDPOINTS__SHOP__EVENTS", "sms.*"),
    ];
    let config = load("", &env).unwrap();
    let endpoint = &config.webhooks.endpoints["shop"];
    assert_eq!((endpoint.secrets.len(), &endpoint.events[..]), (2, &["sms.*".to_owned()][..]));
    assert!(!format!("{config:?}").contains(&SECRET[6..]));
    let errors = errors("", &[("PEYK__WEBHOOKS__ENDPOINTS__SHOP__SECRETS", "whsec_s3cret")]);
    assert!(!errors.concat().contains("s3cret"), "{errors:?}");
}
