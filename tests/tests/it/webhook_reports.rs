//! Delivery reports that come by themselves: believed only from whom they can be, and each moving
//! a message on once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use peyk_tests::{
    fake::{Account, FakeKavenegar, FakeProvider, twilio as twilio_rules},
    harness::{Answer, Peyk, fresh_mobile},
};
use serde_json::json;
use tokio::sync::Mutex;

use crate::webhook_steps::{
    ACCOUNT, TOKEN, addresses, delivery, fields, get, kavenegar, key, local, send, signed, tell,
    twilio,
};

#[tokio::test]
async fn kavenegar_tells_by_post_and_get_and_what_is_late_or_twice_changes_nothing() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).apis(2).start().await;
    let (key, address) = (key(&peyk).await, addresses(&peyk).await["kavenegar"].clone());
    let sent = send(&peyk, &key, &fresh_mobile()).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let id = sent.json["messageid"].to_string();
    let told = tell(&peyk, &address, &[("messageid", &id), ("status", "4")]).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(delivery(&peyk).await.0.as_deref(), Some("carried kavenegar.4"));
    // The other process, the other method, without the slash.
    let other = local(&peyk, 1, address.trim_end_matches('/'));
    let told = peyk.client().get(format!("{other}?messageid={id}&status=10"));
    assert_eq!(peyk.send(told).await.status, 200);
    let (delivered, at) = delivery(&peyk).await;
    assert_eq!(delivered.as_deref(), Some("delivered kavenegar.10"));
    for status in ["10", "4", "11", "10"] {
        let told = tell(&peyk, &address, &[("messageid", &id), ("status", status)]).await;
        assert_eq!(told.status, 200);
        assert_eq!(delivery(&peyk).await, (delivered.clone(), at.clone()), "{status}");
    }
    let seen = get(&peyk, &key, &format!("/api/message/{}/", sent.json["id"])).await;
    assert_eq!(seen.json["status"], "delivered", "{seen:?}");
    let polled = "SELECT count(*) FROM sms_messages WHERE poll_at IS NOT NULL";
    assert_eq!(peyk.database.count(polled).await, 0, "nobody has to be asked any more");
}

#[tokio::test]
async fn twilio_is_told_where_to_report_and_believed_only_with_its_signature() {
    let fake =
        FakeProvider::start(twilio_rules(ACCOUNT, Account { user: ACCOUNT, password: TOKEN }));
    let fake = fake.await;
    let peyk = twilio(&fake).set("HTTP__OPERATIONS_LISTEN", "127.0.0.1:0").start().await;
    let key = key(&peyk).await;
    let sent = send(&peyk, &key, &fresh_mobile()).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let asked = fake.calls()[0].fields();
    let address = asked.iter().find(|(name, _)| name == "StatusCallback").unwrap().1.clone();
    assert_eq!(addresses(&peyk).await["twilio"], address);

    let sid = sent.json["provider_message_id"].as_str().unwrap();
    let report = |status: &str| {
        fields(&[("MessageSid", sid), ("AccountSid", ACCOUNT), ("MessageStatus", status)])
    };
    let request = || peyk.client().post(local(&peyk, 0, &address));
    let unsigned = request().form(&report("delivered"));
    let forged = signed(request(), &address, &report("delivered"), "another-token");
    let local_address = local(&peyk, 0, &address);
    let elsewhere = signed(request(), &local_address, &report("delivered"), TOKEN);
    let changed = signed(request(), &address, &report("sent"), TOKEN).form(&report("delivered"));
    for refused in [unsigned, forged, elsewhere, changed] {
        let answer = peyk.send(refused).await;
        assert_eq!((answer.status, &answer.json["code"]), (403, &json!("permission_denied")));
        assert_eq!(delivery(&peyk).await.0, None);
    }
    let believed = async |status: &str| {
        let answer = peyk.send(signed(request(), &address, &report(status), TOKEN)).await;
        assert_eq!((answer.status, answer.json.is_null()), (204, true), "{answer:?}");
        delivery(&peyk).await.0
    };
    assert_eq!(believed("delivered").await.as_deref(), Some("delivered twilio.delivered"));
    assert_eq!(believed("sent").await.as_deref(), Some("delivered twilio.delivered"));
    // The same again and again, at once: it is one report.
    let replays = (0..20).map(|_| believed("delivered"));
    join_all(replays).await;
    let metrics = peyk.apis[0].log_line("operations port").await;
    let url = format!("http://{}/metrics", metrics["operations"].as_str().unwrap());
    let metrics = peyk.client().get(url).send().await.unwrap().text().await.unwrap();
    for (result, count) in [("recorded", 1), ("repeated", 21)] {
        let line = format!("peyk_sms_reports_total{{provider=\"twilio\",result=\"{result}\"}}");
        assert!(metrics.contains(&format!("{line} {count}\n")), "{metrics}");
    }
}

#[tokio::test]
async fn many_reports_at_once_to_two_processes_move_each_message_on_once() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).apis(2).workers(0).start().await;
    let address = addresses(&peyk).await["kavenegar"].clone();
    peyk.database
        .execute(
            "INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at,
                 settled_at, provider, provider_message_id, poll_at)
             SELECT 'otp', '+989121234567', n, 'sent', now(), now(), now(), 'kavenegar', n::text,
                 now()
             FROM generate_series(1, 20) n",
        )
        .await;
    let ids = (1..=20).flat_map(|id| ["1", "4", "10", "11", "5"].map(|status| (id, status)));
    let answers = join_all(ids.enumerate().map(async |(n, (id, status))| {
        let url = local(&peyk, n % 2, &address);
        let form = fields(&[("messageid", &id.to_string()), ("status", status)]);
        peyk.send(peyk.client().post(url).form(&form)).await.status
    }));
    assert!(answers.await.iter().all(|status| *status == 200));
    let over = "SELECT count(*) FROM sms_messages WHERE poll_at IS NULL
                AND delivery || delivery_code IN ('deliveredkavenegar.10', 'undeliveredkavenegar.11')";
    assert_eq!(peyk.database.count(over).await, 20);
}

#[tokio::test]
async fn a_report_that_is_faster_than_our_own_settling_is_not_lost() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).start().await;
    let (key, address) = (key(&peyk).await, addresses(&peyk).await["kavenegar"].clone());
    // The fake's first id, told before the provider's answer is.
    let (url, client) = (local(&peyk, 0, &address), peyk.client().clone());
    let early = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&early);
    fake.on_call(move |call| {
        let (url, client, kept) = (url.clone(), client.clone(), Arc::clone(&kept));
        async move {
            if call.method != "sms/send" {
                return;
            }
            let form = fields(&[("messageid", "8792343"), ("status", "10")]);
            let mut told =
                tokio::spawn(async move { client.post(url).form(&form).send().await.unwrap() });
            let waited = tokio::time::timeout(Duration::from_millis(500), &mut told).await;
            assert!(waited.is_err(), "it waits for the message");
            *kept.lock().await = Some(told);
        }
    });
    let sent = send(&peyk, &key, &fresh_mobile()).await;
    assert_eq!((sent.status, &sent.json["messageid"]), (200, &json!(8_792_343)), "{sent:?}");
    let told = early.lock().await.take().expect("it was told early").await.unwrap();
    assert_eq!(told.status().as_u16(), 200);
    assert_eq!(delivery(&peyk).await.0.as_deref(), Some("delivered kavenegar.10"));
}

#[tokio::test]
async fn a_report_about_nothing_is_thanked_for_and_forgotten() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).workers(0).start().await;
    let address = addresses(&peyk).await["kavenegar"].clone();
    // More than may wait: the rest is answered at once, none with a reason to tell it again.
    let told = (0..100).map(async |n: i32| {
        let (id, begun) = ((1_000 + n).to_string(), Instant::now());
        let answer = tell(&peyk, &address, &[("messageid", &id), ("status", "10")]).await;
        assert_eq!(answer.status, 200);
        begun.elapsed() < Duration::from_secs(4)
    });
    let at_once = join_all(told).await.into_iter().filter(|at_once| *at_once).count();
    assert_eq!(at_once, 36);
}

fn problem(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn an_address_that_is_not_exactly_right_is_none() {
    let (fake, other) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = kavenegar(&fake).provider("other", &other.url()).workers(0).start().await;
    let all = addresses(&peyk).await;
    let form = [("messageid", "7"), ("status", "10")];
    let [ours, others] = ["kavenegar", "other"].map(|name| all[name].clone());
    let secret =
        |address: &str| address.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    let wrong = [
        ours.replace(&secret(&ours), &secret(&others)),
        ours.replace(&secret(&ours), &"0".repeat(32)),
        ours.replace(&secret(&ours), &secret(&ours).to_uppercase()),
        ours.replace("/kavenegar/", "/nobody/"),
        ours.replace(&secret(&ours), "%ff"),
        format!("{ours}more/"),
    ];
    for address in wrong {
        assert_eq!(problem(&tell(&peyk, &address, &form).await), (404, "not_found"), "{address}");
    }
    let unreadable = tell(&peyk, &ours, &[("messageid", "seven")]).await;
    assert_eq!(problem(&unreadable), (400, "bad_request"));
    let huge = "x".repeat(70_000);
    let huge = tell(&peyk, &ours, &[("messageid", "7"), ("status", &huge)]).await;
    assert_eq!(problem(&huge), (413, "payload_too_large"));
    let put = peyk.send(peyk.client().put(local(&peyk, 0, &ours))).await;
    assert_eq!(problem(&put), (405, "method_not_allowed"));
    // The one that is right works below every prefix.
    let prefixed = ours.replace("/api/", "/drfchelseru/");
    assert_eq!(tell(&peyk, &prefixed, &form).await.status, 200);
}

#[tokio::test]
async fn without_a_secret_there_are_no_webhooks() {
    let peyk = Peyk::builder().workers(0).kavenegar("http://127.0.0.1:9").start().await;
    let (worked, output) = peyk.run("api", &["webhooks", "urls"]).await;
    assert!(!worked && output.contains("sms.webhook_secret"), "{output}");
    let path = format!("/api/webhooks/sms/kavenegar/{}/", "0".repeat(32));
    assert_eq!(problem(&peyk.get(&path).await), (404, "not_found"));
}
