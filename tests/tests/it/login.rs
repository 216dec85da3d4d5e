//! The main road: ask for a code, get it, log in with it.

use peyk_tests::harness::{Peyk, fresh_mobile};
use serde_json::json;

#[tokio::test]
async fn a_code_is_sent_and_logs_in() {
    let peyk = Peyk::start().await;
    let mobile = fresh_mobile();
    let sent = peyk.send_otp(&mobile).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(sent.json["details"], "The OTP code was sent correctly.");
    assert_eq!(sent.json["status"], "sent");
    assert_eq!((&sent.json["expires_in"], &sent.json["resend_after"]), (&json!(240), &json!(60)));
    let code = peyk.sandbox_code(&mobile).await;
    assert_eq!(code.len(), 8);
    let login = peyk.authenticate(&mobile, &code, None).await;
    assert_eq!(login.status, 200, "{login:?}");
    assert_eq!(login.json["user"]["mobile_number"], mobile.as_str());
    assert_eq!(login.json["user"]["username"], format!("G0-{mobile}"));
    let again = peyk.authenticate(&mobile, &code, None).await;
    assert_eq!(again.status, 401);
    assert_eq!(again.json["error"], "The code sent to this mobile number was not found.");
}
