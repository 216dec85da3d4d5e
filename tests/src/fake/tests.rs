//! What tests may rely on in the fake itself.

use std::sync::{Arc, Mutex};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::{API_KEY, Behaviour, FakeKavenegar};

fn url(fake: &FakeKavenegar, method: &str) -> String {
    format!("{}/v1/{API_KEY}/{method}.json", fake.url())
}

fn client() -> Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().no_proxy().build().unwrap()
}

/// A text to that number.
fn text(fake: &FakeKavenegar, client: &Client, receptor: &str) -> RequestBuilder {
    let form = [("receptor", receptor), ("message", "سلام")];
    client.post(url(fake, "sms/send")).form(&form)
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn it_refuses_what_the_real_one_refuses() {
    let (fake, client) = (FakeKavenegar::start().await, client());
    let post = |method: &str| client.post(url(&fake, method));
    let ok = [("receptor", "09123456789"), ("message", "x"), ("localid", "5")];
    let bad_number = [("receptor", "0912345678"), ("message", "x")];
    let misspelt = [("receptor", "09123456789"), ("message", "x"), ("localId", "5")];
    let twice = [("receptor", "09123456789"), ("message", "x"), ("message", "y")];
    let spaced = [("receptor", "09123456789"), ("template", "t"), ("token", "1 2")];
    let wrong_key = url(&fake, "sms/send").replace(API_KEY, "other");
    let cases = [
        (post("sms/send").form(&ok), 200),
        (client.get(url(&fake, "sms/send")).query(&ok), 200),
        (client.put(url(&fake, "sms/send")).form(&ok), 405),
        (post("sms/send").json(&json!({"receptor": "09123456789", "message": "x"})), 400),
        (post("sms/send").form(&bad_number), 411),
        (post("sms/send").form(&misspelt), 400),
        (post("sms/send").form(&twice), 400),
        (post("sms/send").form(&[("receptor", ""), ("message", "x")]), 406),
        (post("verify/lookup").form(&spaced), 431),
        (post("verify/nothing").form(&ok), 404),
        (client.post(wrong_key).form(&ok), 403),
    ];
    for (at, (request, expected)) in cases.into_iter().enumerate() {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "case {at}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["return"]["status"], expected, "case {at}");
        assert_eq!(body["entries"].is_null(), expected != 200, "case {at}");
    }
    // Two calls with one localid: one text.
    assert_eq!(fake.effects().len(), 1);
}

#[tokio::test]
async fn it_counts_duplicates_by_destination_and_content_however_the_number_is_written() {
    let (fake, client) = (FakeKavenegar::start().await, client());
    for receptor in ["09123456789", "9123456789", "+989123456789", "00989123456789"] {
        assert_eq!(status(text(&fake, &client, receptor)).await, 200, "{receptor}");
    }
    assert_eq!(status(text(&fake, &client, "09351112233")).await, 200);
    let duplicates = fake.duplicates();
    assert_eq!(duplicates.len(), 1);
    assert_eq!((&*duplicates[0].0, duplicates[0].2), ("09123456789", 4));
    assert_eq!(fake.effects_to("09351112233").len(), 1);
}

#[tokio::test]
async fn a_hook_runs_while_the_call_is_open_and_not_yet_carried_out() {
    let (fake, client) = (Arc::new(FakeKavenegar::start().await), client());
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Arc::new(Mutex::new(Some(tell)));
    let watched = Arc::downgrade(&fake);
    fake.on_call(move |call| {
        let (tell, watched) = (Arc::clone(&tell), watched.clone());
        async move {
            let effects = watched.upgrade().unwrap().effects().len();
            let tell = tell.lock().unwrap().take().unwrap();
            tell.send((call.method, effects)).unwrap();
        }
    });
    assert_eq!(status(text(&fake, &client, "09123456789")).await, 200);
    assert_eq!(told.await.unwrap(), ("sms/send".to_owned(), 0));
    assert_eq!(fake.wait_for_effects(1).await.len(), 1);
    assert_eq!(fake.wait_for_calls(1).await.len(), 1);
}

#[tokio::test]
async fn a_behaviour_can_be_meant_for_one_destination() {
    let (fake, client) = (FakeKavenegar::start().await, client());
    fake.behave_to("09351112233", Behaviour::Error(411));
    assert_eq!(status(text(&fake, &client, "09123456789")).await, 200);
    assert_eq!(status(text(&fake, &client, "+989351112233")).await, 411);
    assert_eq!(status(text(&fake, &client, "09351112233")).await, 200);
}

#[tokio::test]
async fn behaviours_come_in_order_and_then_the_default() {
    let (fake, client) = (FakeKavenegar::start().await, client());
    fake.behave_always(Behaviour::Error(409));
    fake.behave(Behaviour::Error(418));
    fake.behave(Behaviour::Ok);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(status(text(&fake, &client, "09123456789")).await);
    }
    assert_eq!(seen, [418, 200, 409, 409]);
    assert_eq!(fake.effects().len(), 1);
}
