//! The pages of `api/console/`, as they are: the console for staff, and those of the sandbox. They are a
//! part of the binary; a debug build reads them anew each time.

use poem::{
    Body, Request, Response, Result, handler,
    http::{StatusCode, header},
    web::{Data, Path},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use shared::{
    config::{LoginMethod, Mode},
    ids,
};

use crate::{
    error::{Code, Problem},
    state::{SharedState, State},
};

#[derive(RustEmbed)]
#[folder = "console/"]
struct Files;

/// What a browser may load and do on these pages: what this server serves, and no script or style in
/// the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// Where pages load scripts and styles from.
pub(crate) const ASSETS: &str = "/admin/assets";

/// `GET /admin/…`: one page, whose script reads the address.
#[handler]
pub(crate) fn index(Data(state): Data<&SharedState>) -> Result<Response> {
    page(state, "index.html")
}

/// `GET /`, in sandbox mode: the walk of a newcomer.
#[handler]
pub(crate) fn walk(Data(state): Data<&SharedState>) -> Result<Response> {
    page(state, "sandbox/walk.html")
}

/// `GET /sandbox/`: the inbox.
#[handler]
pub(crate) fn inbox(Data(state): Data<&SharedState>) -> Result<Response> {
    page(state, "sandbox/inbox.html")
}

/// `GET /sandbox/chat/`: two people side by side.
#[handler]
pub(crate) fn chat(Data(state): Data<&SharedState>) -> Result<Response> {
    page(state, "sandbox/chat.html")
}

/// `GET /sandbox/failures/`: what is to go wrong.
#[handler]
pub(crate) fn failures(Data(state): Data<&SharedState>) -> Result<Response> {
    page(state, "sandbox/faults.html")
}

/// A page with the settings its script needs.
fn page(state: &State, name: &str) -> Result<Response> {
    let file = Files::get(name).ok_or_else(|| Problem::new(Code::NotFound))?;
    let config = &state.config;
    let methods = config.auth.methods.iter().map(|method| match method {
        LoginMethod::Otp => "otp",
        LoginMethod::Password => "password",
    });
    let mode = if config.mode == Mode::Sandbox { "sandbox" } else { "production" };
    let html = String::from_utf8_lossy(&file.data)
        .replace("@PREFIX@", config.http.prefixes.first().map_or("", String::as_str))
        .replace("@METHODS@", &methods.collect::<Vec<_>>().join(" "))
        .replace("@MODE@", mode);
    Ok(Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::REFERRER_POLICY, "no-referrer")
        .header("Cross-Origin-Opener-Policy", "same-origin")
        .body(html))
}

/// `GET /admin/assets/…`.
#[handler]
pub(crate) fn asset(
    Data(state): Data<&SharedState>,
    Path(name): Path<String>,
    request: &Request,
) -> Result<Response> {
    // The pages of the sandbox are no part of a server for people.
    let is_there = state.config.mode == Mode::Sandbox || !name.starts_with("sandbox/");
    let kind = content_type(&name).filter(|_| is_there);
    let found = kind.and_then(|kind| Some((kind, Files::get(&name)?)));
    let (kind, file) = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    let tag = tag(&file);
    let known = request.header(header::IF_NONE_MATCH.as_str());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let body = if is_known { Body::empty() } else { Body::from(file.data.into_owned()) };
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(Response::builder()
        .status(status)
        .content_type(kind)
        // Asked for anew each time, and sent only when it is another one.
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::ETAG, tag)
        .body(body))
}

fn tag(file: &EmbeddedFile) -> String {
    format!("\"{}\"", ids::hex(&file.metadata.sha256_hash()[..16]))
}

/// Pages are served by their own handlers, and nothing else of the folder is.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
