//! Opening a socket: who may, before anything is promised.

use chrono::{DateTime, Utc};
use poem::{
    FromRequest, IntoResponse, Request, Response, Result, handler,
    http::{
        HeaderMap, Uri,
        header::{AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
    },
    web::websocket::{WebSocket, WebSocketConfig},
};
use shared::{
    auth::bearers::Bearer,
    chat::{RoomId, permissions::Action, sockets::Membership},
    config::{Config, Mode},
};

use super::{
    act, feed,
    hub::{Entered, OpenError, Registered, Start},
    slot::{Dialect, Profile, Scope},
    socket::Socket,
};
use crate::{
    caller,
    error::{Code, Problem},
    language::Language,
    middleware::ClientIp,
    state::SharedState,
};

/// The protocol of typed frames.
pub(crate) const PROTOCOL: &str = "peyk.v1";
/// What stands before a token in the list of protocols.
const BEARER: &str = "bearer";
/// Frames up to so many times the longest that is carried out are read, and the socket is closed
/// with a word. Of longer ones not even the beginning is.
const READ_FACTOR: usize = 16;
/// The read and write buffers of one socket, in bytes: most frames are not longer.
const BUFFER_BYTES: usize = 512;

/// Whether the client wants a WebSocket.
pub(super) fn is_upgrade(request: &Request) -> bool {
    let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// `chat/{room}/`.
#[handler]
pub(super) async fn of_room(request: &Request) -> Result<Response> {
    open(request, false).await
}

/// `/ws/chat/{room}/`, as django-chelseru-chat had it.
#[handler]
pub(super) async fn of_room_by_name(request: &Request) -> Result<Response> {
    open(request, true).await
}

/// `chat/` and `chat/ws/`: all rooms.
#[handler]
pub(super) async fn of_all(request: &Request) -> Result<Response> {
    open(request, false).await
}

/// Who opens a socket, and until when it may be open.
struct Opener {
    user_id: i64,
    session_id: i64,
    until: DateTime<Utc>,
}

/// The parts of an address and of the headers that a socket is about.
struct Wish<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

async fn open(request: &Request, names_senders: bool) -> Result<Response> {
    let state: &SharedState = request.data().expect("the router gives every request the state");
    let wish = Wish { uri: request.uri(), headers: request.headers() };
    let room = match request.raw_path_param("room") {
        Some(room) => Some(RoomId(room.parse().map_err(|_| Problem::new(Code::NotFound))?)),
        None => None,
    };
    if !may_come_from(&state.config, wish.headers) {
        return Err(Problem::new(Code::OriginNotAllowed).into());
    }
    let opener = wish.opener(state).await?;
    let ip = ClientIp::from_request_without_body(request).await?;
    state.last_seen.note(opener.session_id, state.auth.now(), ip.0);
    let socket = WebSocket::from_request_without_body(request).await?;
    let dialect = Dialect {
        is_typed: room.is_none() || wish.offers(PROTOCOL) || wish.query("since").is_some(),
        names_senders,
    };
    let profile = Profile {
        user_id: opener.user_id,
        session_id: opener.session_id,
        until: opener.until,
        scope: room.map_or(Scope::All, Scope::One),
        dialect,
        language: Language::of(wish.headers),
    };
    let registered = begin(state, profile, wish.query("since").as_deref()).await?;
    let state = state.clone();
    let protocol = if wish.offers(PROTOCOL) { PROTOCOL } else { BEARER };
    let upgraded = socket
        .config(config(act::frame_bytes(&state)))
        .protocols([protocol])
        // The future itself: a block around it would hold another copy of it.
        .on_upgrade(move |stream| Socket::new(stream, registered, state));
    Ok(upgraded.into_response())
}

/// Registers the socket and lets it into its rooms, before its client knows that it is open: what
/// happens from the moment it knows, it gets.
async fn begin(
    state: &SharedState,
    profile: Profile,
    since: Option<&str>,
) -> Result<Registered, Problem> {
    let places = since.map(|since| Places::read(since, profile.scope)).transpose()?;
    let places = places.unwrap_or_default();
    let hub = &state.sockets.hub;
    let registered = hub.open(profile).map_err(|error| match error {
        OpenError::TooMany => Problem::new(Code::TooManySockets),
        OpenError::Draining => Problem::new(Code::Unavailable).with_retry_after(1),
    })?;
    let room = match profile.scope {
        Scope::One(room) => Some(room),
        Scope::All => None,
    };
    let mut seats = state.chat.memberships(&[profile.user_id], room).await?;
    if let (Some(room), true) = (room, seats.is_empty()) {
        state.chat.check(room, profile.user_id, Action::See).await?;
        return Err(Problem::new(Code::NotFound));
    }
    // What a client names it gets, even if it has more rooms than a socket may listen to.
    seats.sort_by_key(|seat| places.of(seat.room) == Start::Now);
    enter(state, &registered, &seats, &places);
    Ok(registered)
}

fn enter(state: &SharedState, registered: &Registered, seats: &[Membership], places: &Places) {
    let hub = &state.sockets.hub;
    let mut behind = Vec::new();
    for seat in seats {
        match hub.enter(&registered.slot, seat, places.of(seat.room)) {
            Entered::Behind(at) => behind.push((seat.room, at)),
            Entered::TooMany => break,
            Entered::Live | Entered::Already | Entered::Gone => {}
        }
    }
    if registered.slot.profile.dialect.is_typed {
        hub.beat(&registered.slot, None);
    }
    if behind.is_empty() {
        return;
    }
    let (hub, chat, slot) = (hub.clone(), state.chat.clone(), registered.slot.clone());
    tokio::spawn(async move {
        for (room, at) in behind {
            feed::catch_up(&hub, &chat, &slot, room, at).await;
        }
    });
}

/// Where a client says it is: `since=41`, or `since=7:41,9:3` for several rooms.
#[derive(Debug, Default, PartialEq, Eq)]
struct Places(Vec<(Option<RoomId>, i64)>);

impl Places {
    fn read(text: &str, scope: Scope) -> Result<Self, Problem> {
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
        let place = |word: &str| match (scope, word.split_once(':')) {
            (Scope::One(_), None) => Some((None, number(word)?)),
            (Scope::All, Some((room, seq))) => Some((Some(RoomId(number(room)?)), number(seq)?)),
            _ => None,
        };
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let places: Option<Vec<_>> = words.map(place).collect();
        places.map(Self).ok_or_else(|| {
            Problem::new(Code::Validation).with_field("since", "invalid", "Enter a valid value.")
        })
    }

    fn of(&self, room: RoomId) -> Start {
        let is_of = |(of, _): &&(Option<RoomId>, i64)| of.is_none_or(|of| of == room);
        self.0.iter().find(is_of).map_or(Start::Now, |(_, seq)| Start::After(*seq))
    }
}

impl Wish<'_> {
    fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    fn protocols(&self) -> impl Iterator<Item = &str> {
        let lines = self.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let words = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        words.map(str::trim)
    }

    fn offers(&self, protocol: &str) -> bool {
        self.protocols().any(|word| word == protocol)
    }

    /// Whoever the token or the ticket belongs to. A header counts before the address.
    ///
    /// # Errors
    /// 401 without one, or with one that opens nothing.
    async fn opener(&self, state: &SharedState) -> Result<Opener, Problem> {
        if let Some(ticket) = self.query("ticket") {
            return redeem(state, &ticket).await;
        }
        let mut protocols = self.protocols().skip_while(|word| *word != BEARER);
        let token = protocols.nth(1).map(str::to_owned).or_else(|| self.query("token"));
        let checked = match token {
            Some(token) if !self.headers.contains_key(AUTHORIZATION) => {
                caller::check_token(state, &token)
            }
            _ => caller::bearer(self.headers, state),
        };
        let Bearer { user_id, session_id, expires_at } = checked?;
        let until = DateTime::from_timestamp(expires_at, 0).unwrap_or_default();
        Ok(Opener { user_id, session_id, until })
    }
}

async fn redeem(state: &SharedState, ticket: &str) -> Result<Opener, Problem> {
    let refused = || Problem::new(Code::TokenNotValid);
    let redeemed = state.chat.redeem_ticket(ticket).await?.ok_or_else(refused)?;
    let revocations = state.auth.bearers().revocations();
    if !revocations.is_loaded() {
        return Err(Problem::new(Code::Unavailable).with_retry_after(1));
    }
    if revocations.contains(redeemed.session_id) || redeemed.until <= state.chat.now() {
        return Err(refused());
    }
    let (user_id, session_id, until) = (redeemed.user_id, redeemed.session_id, redeemed.until);
    Ok(Opener { user_id, session_id, until })
}

/// Whether a page of this origin may open sockets. Browsers name it and let no page lie; other
/// programs name none.
fn may_come_from(config: &Config, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Some(origin) = origin.to_str().ok().map(plain_origin) else { return false };
    let listed = &config.chat.sockets.origins;
    if listed.is_empty() {
        return config.mode == Mode::Sandbox || origin == plain_origin(&config.http.public_url);
    }
    listed.iter().any(|allowed| allowed == "*" || plain_origin(allowed) == origin)
}

/// Scheme, host and port in one spelling.
fn plain_origin(url: &str) -> String {
    let lower = url.trim().to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").unwrap_or(("", &lower));
    let host = rest.split('/').next().unwrap_or_default();
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let host = if usual.is_empty() { host } else { host.strip_suffix(usual).unwrap_or(host) };
    format!("{scheme}://{host}")
}

fn config(frame_bytes: usize) -> WebSocketConfig {
    let longest = frame_bytes.saturating_mul(READ_FACTOR);
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = BUFFER_BYTES;
    config.write_buffer_size = BUFFER_BYTES;
    config.max_write_buffer_size = longest.max(4 * BUFFER_BYTES);
    config.max_message_size = Some(longest);
    config.max_frame_size = Some(longest);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_one_number_or_a_list_by_room() {
        let one = Scope::One(RoomId(7));
        let place = Places::read("41", one).unwrap();
        assert_eq!(place.of(RoomId(7)), Start::After(41));
        let places = Places::read("7:41, 9:0", Scope::All).unwrap();
        assert_eq!(places.of(RoomId(9)), Start::After(0));
        assert_eq!(places.of(RoomId(8)), Start::Now);
        assert_eq!(Places::read("", one).unwrap().of(RoomId(7)), Start::Now);
        for (text, scope) in [("x", one), ("-1", one), ("7:1", one), ("7", Scope::All)] {
            assert!(Places::read(text, scope).is_err(), "{text}");
        }
    }

    #[test]
    fn pages_of_listed_origins_may_and_programs_that_are_no_browsers() {
        let mut config = Config::default();
        let from = |config: &Config, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            may_come_from(config, &headers)
        };
        config.mode = Mode::Production;
        config.http.public_url = "https://Api.example.com/".to_owned();
        assert!(from(&config, None) && from(&config, Some("https://api.example.com:443")));
        for origin in ["https://evil.example", "http://api.example.com", "null", "file://"] {
            assert!(!from(&config, Some(origin)), "{origin}");
        }
        config.chat.sockets.origins = vec!["https://app.example.com".to_owned()];
        assert!(from(&config, Some("https://app.example.com")));
        assert!(!from(&config, Some("https://app.example.com.evil.example")));
        assert!(!from(&config, Some("https://api.example.com")), "the list is the list");
        config.chat.sockets.origins = vec!["*".to_owned()];
        assert!(from(&config, Some("https://any.example")));
        config.chat.sockets.origins = Vec::new();
        config.mode = Mode::Sandbox;
        assert!(from(&config, Some("http://localhost:3000")));
    }

    #[test]
    fn a_token_may_stand_behind_its_word_in_the_list_of_protocols() {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, "peyk.v1, bearer, aa.bb.cc".parse().unwrap());
        let uri: Uri = "/chat/7/?since=4&token=x%20y".parse().unwrap();
        let wish = Wish { uri: &uri, headers: &headers };
        assert!(wish.offers(PROTOCOL) && !wish.offers("peyk"));
        assert_eq!(wish.protocols().skip_while(|word| *word != BEARER).nth(1), Some("aa.bb.cc"));
        assert_eq!(wish.query("token").as_deref(), Some("x y"));
        assert_eq!(wish.query("ticket"), None);
    }
}
