//! WebSockets: one per room, in the frames of the systems Peyk replaces, or one for all rooms.
//!
//! [`upgrade`] says who may open one, [`hub`] who listens to which room, [`feed`] how what happens
//! comes to them and why nothing is lost, doubled or out of turn, [`socket`] and [`slot`] are one
//! open socket, [`act`] carries out what it sends, [`out`] is what it is sent, [`sweep`] is what
//! time does to it. `docs/chat.md` is for clients.

mod act;
pub(crate) mod asked;
mod feed;
mod hub;
pub(crate) mod out;
mod samples;
mod slot;
mod socket;
mod sweep;
#[cfg(test)]
mod tests;
pub(crate) mod upgrade;

use std::{sync::Arc, time::Duration};

use poem::{Endpoint, Request, Response, Result, Route, get};
use shared::{
    auth::bearers::Bearers, chat::Chat, clock::SharedClock, config::Config, redis::Subscriptions,
    telemetry::SOCKETS_OPEN,
};

use self::{feed::Reader, hub::Hub, out::Style};

/// The sockets of this process and everything that serves them.
#[derive(Clone)]
pub(crate) struct Sockets {
    hub: Arc<Hub>,
}

impl Sockets {
    /// Starts listening and reading; there is no socket yet.
    ///
    /// # Errors
    /// When the Redis URL cannot be read.
    pub(crate) fn start(
        chat: Chat,
        bearers: Bearers,
        clock: SharedClock,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let subscriptions = Subscriptions::default();
        let (settings, prefix) = (config.chat.sockets.clone(), config.redis.prefix.clone());
        let announcer = chat.announcer().clone();
        let style = style(&chat, config);
        let hub = Arc::new(Hub::new(settings, style, announcer, subscriptions.clone(), prefix));
        let hears = hub.clone();
        subscriptions.start(&config.redis, move |heard| hears.hear(heard))?;
        let told = hub.clone();
        chat.announcer().tell(move |topic, notice| told.told_here(topic, notice));
        tokio::spawn(Reader { hub: hub.clone(), chat }.run());
        tokio::spawn(sweep::sweep(hub.clone(), bearers, clock));
        Ok(Self { hub })
    }

    /// Closes all of them, for a process that is about to stop and has so much time.
    pub(crate) async fn drain(&self, within: Duration) {
        sweep::drain(&self.hub, within).await;
    }
}

/// How many are open in this process.
pub(crate) fn open_sockets() -> i64 {
    ["room", "all"].iter().map(|scope| SOCKETS_OPEN.with_label_values(&[*scope]).get()).sum()
}

fn style(chat: &Chat, config: &Config) -> Style {
    let chat = chat.clone();
    Style {
        most: usize::try_from(config.chat.sockets.frame_bytes).unwrap_or(usize::MAX),
        file_url: Arc::new(move |file| chat.file_path(file)),
    }
}

/// Paths of sockets of one room, without the prefix: with `sender` as an object.
const ROOM: &str = "/chat/{room}";
/// The same with `sender` as a name.
const ROOM_BY_NAME: &str = "/ws/chat/{room}";
/// All rooms: beside the operation of that path, and by itself.
const ALL: [&str; 2] = ["/chat", "/chat/ws"];

/// Where sockets are opened, with names for the variable parts.
pub(crate) fn paths(prefixes: &[String]) -> Vec<String> {
    let below = prefixes.iter().flat_map(|prefix| {
        let prefix = prefix.trim_end_matches('/');
        [format!("{prefix}{ROOM}"), format!("{prefix}/chat/ws")]
    });
    [ROOM.to_owned(), ROOM_BY_NAME.to_owned()].into_iter().chain(below).collect()
}

/// Requests that want a WebSocket go to `sockets`, all others to `rest`: some paths have both.
pub(crate) fn beside<R: Endpoint<Output = Response>>(
    rest: R,
    prefixes: &[String],
) -> impl Endpoint<Output = Response> + use<R> {
    let variable = |path: &str| path.replace("{room}", ":room");
    let mut sockets = Route::new()
        .at(variable(ROOM), get(upgrade::of_room))
        .at(variable(ROOM_BY_NAME), get(upgrade::of_room_by_name));
    for prefix in prefixes.iter().map(|prefix| prefix.trim_end_matches('/')) {
        sockets = sockets.at(format!("{prefix}{}", variable(ROOM)), get(upgrade::of_room));
        for path in ALL {
            sockets = sockets.at(format!("{prefix}{path}"), get(upgrade::of_all));
        }
    }
    ByUpgrade { sockets, rest }
}

struct ByUpgrade<S, R> {
    sockets: S,
    rest: R,
}

impl<S: Endpoint<Output = Response>, R: Endpoint<Output = Response>> Endpoint for ByUpgrade<S, R> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if upgrade::is_upgrade(&request) {
            self.sockets.call(request).await
        } else {
            self.rest.call(request).await
        }
    }
}
