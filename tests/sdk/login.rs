//! Logs in with the generated Rust client: `login BASE MOBILE_NUMBER`. Every field used here is one
//! the document promises.

use std::{
    env,
    time::{Duration, Instant},
};

use peyk_client::{
    apis::{
        Error,
        authentication_api::{AuthenticateError, SendOtpError, authenticate, get_otp, send_otp},
        configuration::Configuration,
    },
    models::{Authenticate, OtpStatus, Problem, SendOtp},
};

/// The code in the newest text to the number; the inbox is not part of the API.
async fn sandbox_code(base: &str, mobile_number: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let url = format!("{base}/sandbox/messages/?mobile_number={mobile_number}");
        let inbox = reqwest::get(url).await.expect("the inbox answers").text().await;
        let inbox: serde_json::Value =
            serde_json::from_str(&inbox.expect("a body")).expect("the inbox is JSON");
        let messages = inbox["results"].as_array().into_iter().flatten();
        if let Some(code) = messages.filter_map(|message| message["code"].as_str()).next() {
            return code.to_owned();
        }
        // Between two looks: the inbox cannot be waited for.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no text arrived in the sandbox inbox");
}

/// A code of the same form that is not it.
fn another(code: &str) -> String {
    let (start, last) = code.split_at(code.len() - 1);
    format!("{start}{}", (last.parse::<u8>().expect("a digit") + 1) % 10)
}

/// The problem of a refused send. All statuses have one schema, which the client's untagged enum
/// takes for that of its first.
fn send_problem<T: std::fmt::Debug>(result: Result<T, Error<SendOtpError>>) -> Problem {
    match result.expect_err("refused") {
        Error::ResponseError(answer) => match answer.entity {
            Some(SendOtpError::Status400(problem)) => problem,
            other => panic!("no problem: {other:?}"),
        },
        other => panic!("no answer: {other}"),
    }
}

fn login_problem<T: std::fmt::Debug>(result: Result<T, Error<AuthenticateError>>) -> Problem {
    match result.expect_err("refused") {
        Error::ResponseError(answer) => match answer.entity {
            Some(AuthenticateError::Status400(problem)) => problem,
            other => panic!("no problem: {other:?}"),
        },
        other => panic!("no answer: {other}"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let (base, mobile_number) = (arguments[1].clone(), arguments[2].clone());
    let api = Configuration { base_path: base.clone(), ..Configuration::default() };
    let to = |number: &str| SendOtp::new(number.to_owned());

    let invalid = send_problem(send_otp(&api, to("nobody"), None, None).await);
    assert_eq!((invalid.status, invalid.errors[0].field.as_deref()), (400, Some("mobile_number")));

    let sent = send_otp(&api, to(&mobile_number), None, None).await.expect("accepted");
    assert!(sent.expires_in > 0 && sent.status_url.starts_with("http"));

    let again = send_problem(send_otp(&api, to(&mobile_number), None, None).await);
    assert_eq!((again.status, again.code.as_str()), (409, "otp_cooldown"));
    assert!(again.retry_after.is_some_and(|seconds| seconds > 0));

    let code = sandbox_code(&base, &mobile_number).await;
    let state = get_otp(&api, &sent.request_id).await.expect("known");
    assert!(matches!(state.status, OtpStatus::Sent | OtpStatus::Sending | OtpStatus::Queued));

    let with = |code: &str| Authenticate {
        request_id: Some(sent.request_id.clone()),
        ..Authenticate::new(code.to_owned(), mobile_number.clone())
    };
    let refused = login_problem(authenticate(&api, with(&another(&code))).await);
    assert_eq!((refused.status, refused.code.as_str()), (401, "otp_not_found"));

    let result = authenticate(&api, with(&code)).await.expect("logged in");
    assert_eq!(result.access.split('.').count(), 3);
    assert_eq!(result.user.mobile_number.as_deref(), Some(mobile_number.as_str()));
    println!("logged in as {}", result.user.username);
}
