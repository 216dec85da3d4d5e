//! What the tests of webhooks do again and again.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use peyk_tests::{
    fake::{FakeKavenegar, FakeProvider, TWILIO_LINE},
    harness::{Answer, Peyk, PeykBuilder},
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sha1::Sha1;

/// What the addresses are derived from.
pub(crate) const SECRET: &str = "a-webhook-secret-that-nobody-may-ever-see";
/// What providers see of the api, as behind a proxy that takes a part of the path off.
pub(crate) const PUBLIC: &str = "https://peyk.example/sub";
pub(crate) const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const TOKEN: &str = "12345678901234567890123456789012";

/// A Peyk that sends through Kavenegar and takes webhooks.
pub(crate) fn kavenegar(fake: &FakeKavenegar) -> PeykBuilder {
    let peyk = Peyk::builder().kavenegar(&fake.url()).hasty(2_000).set("HTTP__WAIT_MS", "15000");
    peyk.set("SMS__WEBHOOK_SECRET", SECRET).set("HTTP__PUBLIC_URL", PUBLIC)
}

/// The same with Twilio.
pub(crate) fn twilio(fake: &FakeProvider) -> PeykBuilder {
    let peyk = Peyk::builder().hasty(2_000).set("HTTP__WAIT_MS", "15000");
    peyk.set("MODE", "production")
        .set("SMS__PROVIDERS__TWILIO__BASE_URL", fake.url())
        .set("SMS__PROVIDERS__TWILIO__ACCOUNT_SID", ACCOUNT)
        .set("SMS__PROVIDERS__TWILIO__AUTH_TOKEN", TOKEN)
        .set("SMS__PROVIDERS__TWILIO__SENDER", TWILIO_LINE)
        .set("SMS__WEBHOOK_SECRET", SECRET)
        .set("HTTP__PUBLIC_URL", PUBLIC)
}

/// What `api webhooks urls` prints, by provider.
pub(crate) async fn addresses(peyk: &Peyk) -> BTreeMap<String, String> {
    let (worked, output) = peyk.run("api", &["webhooks", "urls"]).await;
    assert!(worked, "{output}");
    let lines = output.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(name, address)| (name.to_owned(), address.to_owned())).collect()
}

/// Where one of the api processes really is reached at a public address.
pub(crate) fn local(peyk: &Peyk, api: usize, address: &str) -> String {
    let rest = address.strip_prefix(PUBLIC).expect("addresses are public");
    format!("{}{rest}", peyk.urls[api])
}

pub(crate) fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Tells the first api something as a form.
pub(crate) async fn tell(peyk: &Peyk, address: &str, pairs: &[(&str, &str)]) -> Answer {
    peyk.send(peyk.client().post(local(peyk, 0, address)).form(&fields(pairs))).await
}

/// A form as Twilio sends it to a public address, signed with a token.
pub(crate) fn signed(
    request: RequestBuilder,
    address: &str,
    form: &[(String, String)],
    token: &str,
) -> RequestBuilder {
    let mut sorted = form.to_vec();
    sorted.sort();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("any length will do");
    mac.update(address.as_bytes());
    for (name, value) in &sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    request.header("X-Twilio-Signature", signature).form(form)
}

/// A key that may send and read.
pub(crate) async fn key(peyk: &Peyk) -> String {
    let arguments = ["keys", "create", "shop", "--scope", "sms:send", "--scope", "sms:read"];
    let (worked, output) = peyk.run("api", &arguments).await;
    assert!(worked, "{output}");
    output.lines().next().unwrap().to_owned()
}

/// `GET` with a key.
pub(crate) async fn get(peyk: &Peyk, key: &str, path: &str) -> Answer {
    peyk.send(peyk.client().get(peyk.url(path)).header("X-API-Key", key)).await
}

/// `POST` with a key.
pub(crate) async fn post(peyk: &Peyk, key: &str, path: &str, body: &Value) -> Answer {
    let request = peyk.client().post(peyk.url(path)).header("X-API-Key", key).json(body);
    peyk.send(request).await
}

/// Sends a text.
pub(crate) async fn send(peyk: &Peyk, key: &str, mobile: &str) -> Answer {
    let body = json!({"mobile_number": mobile, "message_text": "hello"});
    post(peyk, key, "/api/message/send/", &body).await
}

/// How far the only message is, in our word and the provider's, and the moment of it.
pub(crate) async fn delivery(peyk: &Peyk) -> (Option<String>, Option<String>) {
    let now = "SELECT delivery || ' ' || delivery_code, delivery_at::text FROM sms_messages";
    sqlx::query_as(now).fetch_one(&peyk.database.pool).await.unwrap()
}
