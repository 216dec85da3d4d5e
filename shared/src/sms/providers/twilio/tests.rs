//! Settings and webhooks. The signatures were made by Twilio's own `RequestValidator` (`twilio`
//! 9.13.0 for Python) with [`TOKEN`] and the fields below, so that a mistake here is not made twice.

use serde_json::json;

use super::super::{InboundSms, WebhookRefused};
use super::*;
use crate::http_client::Timeouts;
use std::time::Duration;

const AC: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SM: &str = "SM0123456789abcdef0123456789abcdef";
const TOKEN: &str = "12345678901234567890123456789012";
const URL: &str = "https://sms.example.com/api/webhooks/sms/twilio/s3cretpath/";

fn setup(webhook_url: Option<&str>) -> Setup {
    let timeouts = Timeouts { connect: Duration::from_secs(1), budget: Duration::from_secs(2) };
    Setup { timeouts, webhook_url: webhook_url.map(|url| Url::parse(url).unwrap()) }
}

fn account(changes: Value) -> Result<Twilio, Vec<&'static str>> {
    let mut table = json!({"account_sid": AC, "auth_token": TOKEN, "sender": "+15005550006"});
    let Value::Object(changes) = changes else { panic!("no object") };
    table.as_object_mut().unwrap().extend(changes);
    table.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let config: Config = serde_json::from_value(table).unwrap();
    Twilio::new("main", &config, &setup(Some(URL)))
        .map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
}

fn key() -> String {
    format!("SK{}", "1".repeat(32))
}

fn service() -> String {
    format!("MG{}", "2".repeat(32))
}

#[test]
fn every_setting_that_cannot_work_is_named() {
    let fine = [
        json!({}),
        json!({"base_url": "https://api.dublin.ie1.twilio.com"}),
        json!({"sender": null, "messaging_service_sid": service()}),
        json!({"api_key": key(), "api_key_secret": "s"}),
        json!({"auth_token": null, "api_key": key(), "api_key_secret": "s"}),
    ];
    for changes in fine {
        assert!(account(changes.clone()).is_ok(), "{changes}");
    }
    let wrong = [
        (json!({"base_url": "api.twilio.com"}), "base_url"),
        (json!({"base_url": "http://a:b@c"}), "base_url"),
        (json!({"base_url": "http://:b@c"}), "base_url"),
        (json!({"account_sid": ""}), "account_sid"),
        (json!({"account_sid": key()}), "account_sid"),
        (json!({"account_sid": format!("{AC}/..")}), "account_sid"),
        (json!({"auth_token": null}), "auth_token"),
        (json!({"auth_token": ""}), "auth_token"),
        (json!({"auth_token": "", "api_key": key(), "api_key_secret": "s"}), "auth_token"),
        (json!({"api_key": key()}), "api_key_secret"),
        (json!({"api_key": key(), "api_key_secret": ""}), "api_key_secret"),
        (json!({"api_key_secret": "s"}), "api_key"),
        (json!({"api_key": AC, "api_key_secret": "s"}), "api_key"),
        (json!({"sender": " "}), "sender"),
        (json!({"sender": null}), "sender"),
        (json!({"messaging_service_sid": service()}), "sender"),
        (json!({"sender": null, "messaging_service_sid": "MG"}), "messaging_service_sid"),
    ];
    for (changes, key) in wrong {
        assert_eq!(account(changes.clone()).unwrap_err(), [key], "{changes}");
    }
    let all = json!({"base_url": "", "account_sid": "", "auth_token": "", "sender": ""});
    assert_eq!(account(all).unwrap_err(), ["base_url", "account_sid", "auth_token", "sender"]);
}

#[test]
fn debug_output_has_no_secret() {
    let changes = json!({"api_key": key(), "api_key_secret": "k3y"});
    let printed = format!("{:?}", account(changes).unwrap());
    for secret in [TOKEN, "k3y", "s3cretpath"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[test]
fn no_callback_is_asked_for_that_could_not_be_checked() {
    assert!(account(json!({})).unwrap().status_callback.is_some());
    let keyed = json!({"auth_token": null, "api_key": key(), "api_key_secret": "s"});
    assert!(account(keyed).unwrap().status_callback.is_none());
}

#[test]
fn a_message_waits_at_twilio_no_longer_than_it_is_of_use() {
    let at = |second| DateTime::from_timestamp(second, 0).unwrap();
    for (left, seconds) in [(240, 240), (1, 5), (0, 5), (-9, 5), (90_000, 36_000)] {
        assert_eq!(validity_seconds(at(1000 + left), at(1000)), seconds);
    }
}

const STATUS: &[(&str, &str)] = &[
    ("MessageSid", SM),
    ("SmsSid", SM),
    ("MessageStatus", "delivered"),
    ("SmsStatus", "delivered"),
    ("To", "+989123456789"),
    ("From", "+15005550006"),
    ("AccountSid", AC),
    ("ApiVersion", "2010-04-01"),
    ("RawDlrDoneDate", "2611210359"),
];
const STATUS_SIGNATURE: &str = "5IpmhSjlz2W0HpBDSY65KFwtid4=";

fn form(url: &str, fields: &[(&str, &str)], signature: &str) -> WebhookRequest {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request(url, "application/x-www-form-urlencoded; charset=UTF-8", &body, signature)
}

fn request(url: &str, kind: &str, body: &str, signature: &str) -> WebhookRequest {
    let headers = [("content-type", kind), ("x-twilio-signature", signature)];
    let query = Url::parse(url).unwrap().query_pairs().into_owned().collect();
    WebhookRequest {
        url: url.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        query,
        body: body.as_bytes().to_vec(),
    }
}

fn read(request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
    account(json!({})).unwrap().read_webhook(request)
}

fn told(status: Option<DeliveryStatus>, code: &str) -> Vec<WebhookEvent> {
    let (provider_message_id, code) = (SM.to_owned(), code.to_owned());
    vec![WebhookEvent::Report(Report { provider_message_id, status, code })]
}

fn delivered() -> Vec<WebhookEvent> {
    told(Some(DeliveryStatus::Delivered), "twilio.delivered")
}

fn with(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let replaced = |name| changes.iter().find(|(key, _)| *key == name);
    let mut fields: Vec<_> =
        STATUS.iter().map(|field| *replaced(field.0).unwrap_or(field)).collect();
    let is_new = |change: &&(&str, &str)| STATUS.iter().all(|field| field.0 != change.0);
    fields.extend(changes.iter().filter(is_new));
    fields
}

#[test]
fn a_status_signed_by_twilios_own_library_is_believed() {
    assert_eq!(read(&form(URL, STATUS, STATUS_SIGNATURE)), Ok(delivered()));
    let failed = with(&[
        ("MessageStatus", "undelivered"),
        ("SmsStatus", "undelivered"),
        ("ErrorCode", "30003"),
    ]);
    let expected = Ok(told(Some(DeliveryStatus::Undelivered), "twilio.30003"));
    assert_eq!(read(&form(URL, &failed, "+57PGyHfvvZnJD3Lw1lTjYwDKjg=")), expected);
    let strange = [("MessageSid", SM), ("MessageStatus", "teleported"), ("AccountSid", AC)];
    let expected = Ok(told(None, "twilio.other"));
    assert_eq!(read(&form(URL, &strange, "XOp2OyTHArGXgSOS+w5D+mPFY+U=")), expected);
}

#[test]
fn the_default_port_may_be_signed_or_not_and_the_order_of_fields_is_nothing() {
    let with_port = URL.replace(".com/", ".com:443/");
    for url in [URL, &with_port] {
        for signature in [STATUS_SIGNATURE, "SbMfIWa6LiVgzrRBymiVKozRsfA="] {
            assert_eq!(read(&form(url, STATUS, signature)), Ok(delivered()), "{url} {signature}");
        }
    }
    for signature in ["9adzd9nRcuk2Ys0Hf66yHIz/to4=", "vPGS4JdYAtSBSXR2kBEPLVkAJK0="] {
        let request = form("http://127.0.0.1/hook?x=1&y=%20z", STATUS, signature);
        assert_eq!(read(&request), Ok(delivered()));
    }
    let own_port = URL.replace(".com/", ".com:8443/");
    assert_eq!(read(&form(&own_port, STATUS, "aiBgFuIjFdwIx0ugcsxpQcODZrs=")), Ok(delivered()));
    let mut reversed = STATUS.to_vec();
    reversed.reverse();
    assert_eq!(read(&form(URL, &reversed, STATUS_SIGNATURE)), Ok(delivered()));
}

#[test]
fn a_repeated_field_counts_once_for_each_value() {
    let repeated = [STATUS, &[("Tag", "b"), ("Tag", "a"), ("Tag", "b")]].concat();
    assert_eq!(read(&form(URL, &repeated, "/Ry4WfCXHhbGz5QRVRblThd3crQ=")), Ok(delivered()));
}

#[test]
fn whatever_is_changed_makes_it_a_forgery() {
    let forged = Err(WebhookRefused::Forged);
    let elsewhere = URL.replace("twilio", "other");
    let plain = URL.replace("https", "http");
    let query = format!("{URL}?x=1");
    for url in [&elsewhere, &plain, &query] {
        assert_eq!(read(&form(url, STATUS, STATUS_SIGNATURE)), forged, "{url}");
    }
    let changes = [
        ("MessageStatus", "failed"),
        ("MessageSid", "SM0123456789abcdef0123456789abcdee"),
        ("ErrorCode", ""),
        ("To", "+989123456780"),
    ];
    for change in changes {
        assert_eq!(read(&form(URL, &with(&[change]), STATUS_SIGNATURE)), forged, "{change:?}");
    }
    assert_eq!(read(&form(URL, &STATUS[..8], STATUS_SIGNATURE)), forged);
    for signature in ["", "5IpmhSjlz2W0HpBDSY65KFwtid5=", "5IpmhSjlz2W0HpBDSY65KFwtid4"] {
        assert_eq!(read(&form(URL, STATUS, signature)), forged, "{signature}");
    }
    let mut unsigned = form(URL, STATUS, STATUS_SIGNATURE);
    unsigned.headers.pop();
    assert_eq!(read(&unsigned), forged);
}

#[test]
fn another_account_or_token_is_not_believed() {
    let other = with(&[("AccountSid", "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")]);
    let request = form(URL, &other, "TdD4l9KjljHbNdTiZ+i8LdQ/9sQ=");
    assert_eq!(read(&request), Err(WebhookRefused::Forged));
    let request = form(URL, STATUS, STATUS_SIGNATURE);
    let stranger = account(json!({"auth_token": TOKEN.replace('1', "0")})).unwrap();
    assert_eq!(stranger.read_webhook(&request), Err(WebhookRefused::Forged));
    let keyed = json!({"auth_token": null, "api_key": key(), "api_key_secret": TOKEN});
    assert_eq!(account(keyed).unwrap().read_webhook(&request), Err(WebhookRefused::Forged));
}

#[test]
fn a_json_body_is_covered_by_its_hash_in_the_query() {
    let body = format!(r#"{{"MessageSid":"{SM}","MessageStatus":"sent","AccountSid":"{AC}"}}"#);
    let hash = "85b48f6cc08942d27c5d50327c77647d123a78e6a7537ab89680440b897b8249";
    let (url, signature) = (format!("{URL}?bodySHA256={hash}"), "PODVwKiVmF1F8LGYVYk3qKIf/bk=");
    let send =
        |url: &str, body: &str, signature| read(&request(url, "application/json", body, signature));
    let expected = Ok(told(Some(DeliveryStatus::Carried), "twilio.sent"));
    assert_eq!(send(&url, &body, signature), expected);
    let forged = Err(WebhookRefused::Forged);
    assert_eq!(send(&url, &body.replace("sent", "read"), signature), forged);
    assert_eq!(send(&url.replace("85b4", "85b5"), &body, signature), forged);
    // Signed for this address, but for no body.
    assert_eq!(send(URL, &body, "3khkwY9kw/m8Hq6/gQmjxdW07SU="), forged);
    assert_eq!(read(&form(&url, STATUS, signature)), forged);
}

#[test]
fn an_inbound_text_is_read_as_it_was_written() {
    let text = "لغو ۱۱ & ok=1";
    let fields = [
        ("ToCountry", "US"),
        ("SmsStatus", "received"),
        ("MessageSid", SM),
        ("From", "+989123456789"),
        ("To", "+15005550006"),
        ("Body", text),
        ("NumSegments", "1"),
        ("NumMedia", "0"),
        ("AccountSid", AC),
    ];
    let expected = InboundSms {
        provider_message_id: Some(SM.to_owned()),
        from: "+989123456789".to_owned(),
        to: "+15005550006".to_owned(),
        text: text.to_owned(),
    };
    let request = form(URL, &fields, "EG9NUDZlnt0384s+N7+/FL+qxCU=");
    assert_eq!(read(&request), Ok(vec![WebhookEvent::Inbound(expected)]));
    let nothing = form(URL, &[("AccountSid", AC)], "M4Lr5JHrzH5cYJu4az02bRP8UEU=");
    assert_eq!(read(&nothing), Err(WebhookRefused::Unreadable));
}

#[test]
fn every_status_of_a_message_has_its_place() {
    use DeliveryStatus::{Accepted, Carried, Delivered, Undelivered};
    let table = [
        (Some(Accepted), &["accepted", "scheduled", "queued", "sending"][..]),
        (Some(Carried), &["sent", "partially_delivered"]),
        (Some(Delivered), &["delivered", "read"]),
        (Some(Undelivered), &["undelivered", "failed", "canceled"]),
        (None, &["receiving", "received", "SENT", ""]),
    ];
    for (expected, names) in table {
        for name in names {
            assert_eq!(codes::delivery_status(name), expected, "{name}");
        }
    }
}
