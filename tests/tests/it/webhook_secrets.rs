//! What comes in by webhook stays where it belongs: no secret, number or text in logs, metrics or
//! Redis.

use peyk_tests::{fake::FakeKavenegar, harness::free_port};

use crate::{
    evidence::{Monitor, Needle, find, page, redis_contents},
    webhook_steps::{SECRET, addresses, kavenegar, tell},
};

#[tokio::test]
async fn neither_the_address_nor_what_was_told_is_in_any_log_metric_or_redis() {
    let fake = FakeKavenegar::start().await;
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut peyk = kavenegar(&fake)
        .set("LOG__FILTER", "debug,api=trace,worker=trace,shared=trace")
        .set("HTTP__OPERATIONS_LISTEN", &metrics)
        .start()
        .await;
    let monitor = Monitor::start(&peyk).await;
    let address = addresses(&peyk).await["kavenegar"].clone();
    let secret = address.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    let (number, words) = ("9127654321", "Words-of-a-stranger");
    let from = format!("0{number}");
    let text = [("from", &*from), ("to", "10004346"), ("message", words), ("messageid", "7")];
    let stop = [("from", &*from), ("to", "10004346"), ("message", "stop"), ("messageid", "8")];
    let wrong = address.replace(&secret, &format!("{secret}0"));
    for (address, form, status) in [
        (&address, &text[..], 200),
        (&address, &stop[..], 200),
        (&address, &[("messageid", "70001"), ("status", "10")][..], 200),
        (&address, &[("messageid", words), ("from", &*from)][..], 400),
        (&wrong, &text[..], 404),
    ] {
        assert_eq!(tell(&peyk, address, form).await.status, status);
    }
    // The database refuses, with the row in its complaint.
    let refuse = "ALTER TABLE sms_inbound ADD CONSTRAINT refused CHECK (body = '') NOT VALID";
    peyk.database.execute(refuse).await;
    let text = [("from", &*from), ("to", "1"), ("message", words), ("messageid", "9")];
    assert_eq!(tell(&peyk, &address, &text).await.status, 500);

    let mut places = vec![
        ("Redis' commands", monitor.commands(&peyk).await),
        ("Redis' contents", redis_contents(&peyk).await),
        ("the metrics", page(&peyk, &format!("http://{metrics}/metrics")).await),
    ];
    peyk.apis[0].signal("TERM").await;
    assert!(peyk.apis[0].wait().await.success());
    places.push(("the output", peyk.output()));
    let needles: Vec<Needle> = vec![
        ("the key", SECRET.to_owned()),
        ("the secret of the address", secret),
        ("a number", number.to_owned()),
        ("a text", words.to_owned()),
    ];
    assert_eq!(find(&places, &needles), Vec::<String>::new());
    // The search would find what is there, under a name without the secret.
    let path = "/api/webhooks/sms/{provider}/{secret}".to_owned();
    assert_eq!(find(&places, &[("the path", path)]).len(), 2);
    let counted = "peyk_inbound_texts_total{provider=\"kavenegar\",result=\"stop\"} 1".to_owned();
    assert_eq!(find(&places, &[("the stop word", counted)]).len(), 1);
}
