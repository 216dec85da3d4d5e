//! The recorded conversations with the systems Peyk replaces go as they went.

use peyk_tests::{
    compat::{Player, Scenario, Table},
    fake::{FakeKavenegar, RecordedZarinPal},
    harness::Peyk,
};

/// Every scenario, each with a test of its own below.
const PLAYED: [&str; 11] = [
    "authenticate",
    "chatrooms",
    "file_upload",
    "message_send",
    "messages",
    "otp_send",
    "payment_zarinpal",
    "register_login",
    "sessions",
    "smsauth_default",
    "ws_chat",
];

async fn plays(name: &str) {
    let (table, provider) = (Table::read(), FakeKavenegar::start().await);
    let gateway = RecordedZarinPal::start().await;
    let settings = table.setting.iter();
    let peyk = settings
        .fold(Peyk::builder(), |builder, setting| builder.set(&setting.name, &setting.value))
        .kavenegar(&provider.url())
        .set("PAYMENTS__GATEWAYS__ZARINPAL__BASE_URL", gateway.url())
        .start()
        .await;
    let mut player = Player::new(&peyk, &provider, &table).with_gateway(&gateway);
    if name == "message_send" {
        let (_, output) = peyk.run("api", &["keys", "create", "old", "--scope", "sms:send"]).await;
        let key = output.lines().next().unwrap_or_default().to_owned();
        player = player.with_header("X-API-Key", key);
    }
    let wrong = player.play(&Scenario::read(name)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn asking_for_a_code_goes_as_recorded() {
    plays("otp_send").await;
}

#[tokio::test]
async fn sending_texts_goes_as_recorded_with_a_key() {
    plays("message_send").await;
}

#[tokio::test]
async fn signing_in_with_django_rest_sms_auth_goes_as_recorded() {
    plays("smsauth_default").await;
}

#[tokio::test]
async fn logging_in_goes_as_recorded() {
    plays("authenticate").await;
}

#[tokio::test]
async fn payments_go_as_recorded() {
    plays("payment_zarinpal").await;
}

#[tokio::test]
async fn passwords_go_as_recorded() {
    plays("register_login").await;
}

#[tokio::test]
async fn uploads_go_as_recorded() {
    plays("file_upload").await;
}

#[tokio::test]
async fn messages_go_as_recorded() {
    plays("messages").await;
}

#[tokio::test]
async fn listing_sessions_goes_as_recorded() {
    plays("sessions").await;
}

#[tokio::test]
async fn rooms_go_as_recorded() {
    plays("chatrooms").await;
}

#[tokio::test]
async fn chatting_over_websockets_goes_as_recorded() {
    plays("ws_chat").await;
}

#[test]
fn the_table_names_recorded_steps_with_reasons_and_every_recording_is_played() {
    assert_eq!(Table::read().faults(), Vec::<String>::new());
    assert_eq!(Scenario::names(), PLAYED);
}
