//! Who calls: somebody on the staff, with the cookie of the console.
//!
//! A browser sends the cookie by itself, also for pages of others. So it opens only what the console
//! calls, only for requests of its own pages, and what changes something has to bring a token that
//! other pages cannot read.

use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{
        HeaderMap, Uri,
        header::{AUTHORIZATION, COOKIE, HOST, ORIGIN},
    },
};
use shared::{
    auth::{
        console::{Key, Presence},
        security,
    },
    sessions::console::Open,
};

use super::SignedIn;
use crate::{
    error::{Code, Problem},
    middleware::ClientIp,
    state::{SharedState, State},
};

/// What changes something has to bring: the token of `admin/session/`.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// Pages that renew what they show by themselves say so: such a request keeps no session open.
const BACKGROUND_HEADER: &str = "x-peyk-background";

/// What the cookie is called; browsers take the name with `__Host-` only over HTTPS, for this host
/// alone.
pub(crate) fn cookie_name(state: &State) -> &'static str {
    if is_https(state) { "__Host-peyk" } else { "peyk" }
}

/// Whether clients come over HTTPS.
pub(crate) fn is_https(state: &State) -> bool {
    state.config.http.public_url.starts_with("https://")
}

/// A session of the console with its key.
pub(crate) struct AtConsole {
    pub(crate) caller: SignedIn,
    pub(crate) key: Key,
    pub(crate) open: Open,
}

impl<'a> FromRequest<'a> for AtConsole {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let state: &SharedState = request.data().expect("the router gives every request the state");
        let ip = ClientIp::from_request(request, body).await?;
        let found = find(request, state, ip).await?;
        let (key, open) = found.ok_or_else(|| Problem::new(Code::NotAuthenticated))?;
        let caller = SignedIn::of((open.user_id, open.id), request, body).await?;
        Ok(Self { caller, key, open })
    }
}

/// The session of the console a request belongs to; `None`: it has no cookie, has other credentials as
/// well, or is for something the console does not call.
///
/// # Errors
/// 401 for a cookie whose session has ended, 403 for a request that another page may have made.
pub(super) async fn find(
    request: &Request,
    state: &State,
    ip: ClientIp,
) -> Result<Option<(Key, Open)>, Problem> {
    let headers = request.headers();
    if headers.contains_key(AUTHORIZATION) || !is_called(request.uri().path()) {
        return Ok(None);
    }
    let Some(cookie) = cookie(headers, cookie_name(state)) else { return Ok(None) };
    let ended = || Problem::new(Code::NotAuthenticated);
    let key = Key::parse(cookie).ok_or_else(ended)?;
    let background = headers.contains_key(BACKGROUND_HEADER);
    let presence = if background { Presence::Background } else { Presence::Active };
    let found = state.auth.console_session(&key, presence, &state.config.console).await?;
    let open = found.ok_or_else(ended)?;
    let own = is_own(request, state);
    let token = headers.get(CSRF_HEADER).and_then(|token| token.to_str().ok());
    if !own || !(request.method().is_safe() || token.is_some_and(|it| key.is_csrf_token(it))) {
        security::denied(open.user_id, open.id, ip.0, "csrf");
        return Err(Problem::new(Code::CsrfFailed));
    }
    Ok(Some((key, open)))
}

/// Whether the console calls this: what staff do, and proving anew who one is.
fn is_called(path: &str) -> bool {
    path.starts_with("/admin/")
        || path == "/me/confirm"
        || path == "/me/confirm/send"
        || is_return(path)
}

/// A payment's money back: `/payment/{id}/refund`, `reverse`, `returns` and `returns/settle`.
fn is_return(path: &str) -> bool {
    let rest = path.strip_prefix("/payment/").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(id, what)| {
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        is_number && matches!(what, "refund" | "reverse" | "returns" | "returns/settle")
    })
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|it| it.split_once('='));
    pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

/// Whether a page of this server made the request, as far as the browser tells.
pub(crate) fn is_own(request: &Request, state: &State) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = header("sec-fetch-site") {
        // `none`: somebody typed the address.
        return site == "same-origin" || (site == "none" && request.method().is_safe());
    }
    // Older browsers, and those that came over HTTP: what changes something says from which origin.
    let Some(origin) = header(ORIGIN.as_str()).map(str::to_owned) else { return true };
    let is_public = state.config.http.public_url.parse::<Uri>().is_ok_and(|public| {
        let (scheme, authority) = (public.scheme_str(), public.authority());
        authority.is_some_and(|at| origin == format!("{}://{at}", scheme.unwrap_or_default()))
    });
    let host = header(HOST.as_str());
    is_public || origin.split_once("://").is_some_and(|(_, at)| host == Some(at))
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn the_cookie_opens_only_what_the_console_calls() {
        for path in [
            "/admin/users",
            "/admin/session",
            "/me/confirm",
            "/me/confirm/send",
            "/payment/9/refund",
            "/payment/9/reverse",
            "/payment/9/returns",
            "/payment/9/returns/settle",
        ] {
            assert!(is_called(path), "{path}");
        }
        for path in [
            "/me",
            "/me/",
            "/me/password",
            "/sessions",
            "/admin",
            "/x/admin/users",
            "/",
            "/payment/9",
            "/payment/create",
            "/payment//refund",
            "/payment/9/refund/x",
            "/payment/verify/returns",
        ] {
            assert!(!is_called(path), "{path}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; xpeyk=2; peykx=3"));
        assert_eq!(cookie(&headers, "peyk"), None);
        headers.append(COOKIE, HeaderValue::from_static("b=4;peyk=5"));
        assert_eq!(cookie(&headers, "peyk"), Some("5"));
    }
}
