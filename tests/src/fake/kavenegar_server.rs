//! The fake Kavenegar's side of a connection: read, record, carry out, answer or misbehave.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::behaviour::Behaviour;
use super::http::{Request, Response, wait_for_close};
use super::kavenegar::{API_KEY, Call, Shared};
use super::kavenegar_rules::{Answer, carry_out, destination_of, status_text};

/// Serves until the task is aborted, which ends all connections too.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // A broken connection is the client's business; the tests look at calls and effects.
        let shared = Arc::clone(&shared);
        connections.spawn(async move { drop(serve_connection(stream, &shared).await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        if stream.peek(&mut [0; 1]).await? == 0 {
            return Ok(());
        }
        if take_reset_before_read(shared) {
            return stream.set_zero_linger();
        }
        let Some(request) = Request::read(&mut stream).await? else {
            return Ok(());
        };
        let (call, behaviour) = record(shared, request);
        let hook = shared.state().hook.clone();
        if let Some(hook) = hook {
            hook(call.clone()).await;
        }
        let answer = if behaviour.has_effect() {
            carry_out(&mut shared.state(), &call, has_key(&call.request))
        } else {
            Answer::pretended()
        };
        shared.announce();
        if !respond(&mut stream, &behaviour, answer).await? {
            return Ok(());
        }
    }
}

fn take_reset_before_read(shared: &Shared) -> bool {
    let mut state = shared.state();
    match state.queued.front() {
        Some((None, Behaviour::ResetBeforeRead)) => state.queued.pop_front().is_some(),
        None => state.default == Behaviour::ResetBeforeRead,
        Some(_) => false,
    }
}

/// Notes the call and picks its treatment, in one step, so that the queue follows the calls.
fn record(shared: &Shared, request: Request) -> (Call, Behaviour) {
    let fields = request.fields();
    let method = method_of(&request).to_owned();
    let mut state = shared.state();
    let call = Call { index: state.calls.len(), at: SystemClock.now(), method, fields, request };
    state.calls.push(call.clone());
    let destination = call.field("receptor").and_then(destination_of);
    let fits = |wanted: &Option<String>| wanted.is_none() || *wanted == destination;
    let place = state.queued.iter().position(|(wanted, _)| fits(wanted));
    let queued = place.and_then(|at| state.queued.remove(at)).map(|(_, behaviour)| behaviour);
    let behaviour = queued.unwrap_or_else(|| state.default.clone());
    drop(state);
    shared.announce();
    (call, behaviour)
}

/// `/anything/v1/{key}/{scope}/{method}.json` → `{scope}/{method}`.
fn method_of(request: &Request) -> &str {
    let rest = request.path().split_once("/v1/").map_or("", |(_, rest)| rest);
    let method = rest.split_once('/').map_or("", |(_, method)| method);
    method.strip_suffix(".json").unwrap_or_default()
}

fn has_key(request: &Request) -> bool {
    let rest = request.path().split_once("/v1/").map_or("", |(_, rest)| rest);
    rest.split('/').next() == Some(API_KEY)
}

/// Answers as the behaviour says; false when the connection is over.
async fn respond(stream: &mut TcpStream, how: &Behaviour, answer: Answer) -> io::Result<bool> {
    let response = match how {
        Behaviour::HangAfterRead { .. } => {
            wait_for_close(stream).await?;
            return Ok(false);
        }
        Behaviour::ResetAfterRead { .. } | Behaviour::ResetBeforeRead => {
            stream.set_zero_linger()?;
            return Ok(false);
        }
        Behaviour::TruncatedBody { .. } => {
            answer.response().write_half(stream).await?;
            return Ok(false);
        }
        Behaviour::SlowDrip { .. } => {
            answer.response().drip(stream).await?;
            return Ok(true);
        }
        Behaviour::InvalidJson { .. } => {
            Response { body: b"{\"return\":{\"status\":200".to_vec(), ..answer.response() }
        }
        Behaviour::HugeBody { .. } => {
            let mut response = Response::json(200, &answer.envelope());
            response.body.resize(response.body.len() + 1024 * 1024, b' ');
            response
        }
        Behaviour::HttpStatus { status, headers, body } => {
            let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
            Response { status: *status, headers, body: body.clone().into_bytes() }
        }
        Behaviour::RateLimited { retry_after_secs } => Answer::refused(429)
            .response()
            .with_header("Retry-After", &retry_after_secs.to_string()),
        Behaviour::Error(code) => Answer::refused(*code).response(),
        Behaviour::ErrorUnder { code, http_status } => {
            Response { status: *http_status, ..Answer::refused(*code).response() }
        }
        reshaped => reshape(reshaped, &answer),
    };
    response.write(stream).await?;
    Ok(true)
}

/// The answers of a call that was carried out (or refused for its own faults).
fn reshape(how: &Behaviour, answer: &Answer) -> Response {
    if answer.status != 200 {
        return answer.response();
    }
    let mut envelope = answer.envelope();
    match how {
        Behaviour::EmptyObject => envelope = json!({}),
        Behaviour::EntriesAbsent => drop(envelope.as_object_mut().map(|it| it.remove("entries"))),
        Behaviour::EntriesAsObject => envelope["entries"] = envelope["entries"][0].take(),
        Behaviour::NumbersAsStrings => {
            envelope["return"]["status"] = json!("200");
            stringify(&mut envelope["entries"][0]["messageid"]);
        }
        Behaviour::EntryStatus(status) => {
            envelope["entries"][0]["status"] = json!(status);
            envelope["entries"][0]["statustext"] = json!(status_text(*status));
        }
        _ => {}
    }
    Response::json(200, &envelope)
}

fn stringify(value: &mut Value) {
    *value = Value::String(value.to_string());
}
