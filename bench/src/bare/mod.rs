//! The smallest server that takes and gives what `otp/send/` does: what HTTP and JSON alone cost.

pub(crate) mod fan;

use std::net::SocketAddr;

use poem::{
    IntoResponse, Response, Route, Server, handler, http::StatusCode, listener::TcpListener, post,
    web::Json,
};
use serde_json::{Value, json};

/// Serves until the process is told to stop.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    // On all processors, as the api: the caller's runtime has one thread.
    let served = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let app = Route::new().at("/api/otp/send/", post(send));
        runtime.block_on(Server::new(TcpListener::bind(listen)).run(app))
    });
    let served = tokio::task::spawn_blocking(move || served.join()).await?;
    served.map_err(|_| anyhow::anyhow!("the server panicked"))??;
    Ok(())
}

#[handler]
fn send(Json(body): Json<Value>) -> Response {
    let number = body["mobile_number"].as_str().unwrap_or_default();
    let answer = Json(json!({
        "details": "The OTP code is on its way.",
        "request_id": "5f0c1d2e3b4a59687786950413223140",
        "status": "queued",
        "expires_in": 240,
        "resend_after": 60,
        "status_url": format!("http://127.0.0.1:8080/api/otp/{number}/"),
    }));
    (StatusCode::ACCEPTED, answer).into_response()
}
