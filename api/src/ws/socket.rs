//! The future of one open socket, written by hand: it owns the connection and its slot and nothing
//! else, so that an idle socket costs little memory.
//!
//! It sends what is in the slot's mailbox, takes in frames and hands them to a task that carries them out
//! one after the other ([`super::act`]) and is there only while there is something to do. Time is not its
//! business: [`super::sweep`] asks who is silent and ends what is over.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Sink, Stream};
use poem::web::websocket::{CloseCode, Message, WebSocketStream};
use shared::{
    config::Rate,
    telemetry::{SOCKET_FRAMES, SOCKETS_CLOSED},
};
use tokio::time::Instant;

use super::{
    act,
    hub::Registered,
    slot::{Close, Next, Slot},
};
use crate::state::SharedState;

/// Frames up to so many times the longest that is carried out are refused; longer ones end the
/// socket.
const CLOSE_FACTOR: usize = 4;
/// Frames read in one go; then others have their turn.
const READ_AT_ONCE: usize = 32;

/// An open socket.
pub(super) struct Socket {
    stream: WebSocketStream,
    registered: Registered,
    state: SharedState,
    pace: Pace,
    phase: Phase,
    is_unflushed: bool,
}

/// What a socket is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// We have said that we close it; the other side says so, too, or nothing any more.
    Closing,
    /// Nothing more can be read from it.
    Deaf,
}

/// Why the future ends.
struct End;

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Socket {
    pub(super) fn new(stream: WebSocketStream, registered: Registered, state: SharedState) -> Self {
        let pace = Pace::new(state.config.chat.sockets.rate);
        Self { stream, registered, state, pace, phase: Phase::Open, is_unflushed: false }
    }

    fn slot(&self) -> &std::sync::Arc<Slot> {
        &self.registered.slot
    }

    fn stream(&mut self) -> Pin<&mut WebSocketStream> {
        Pin::new(&mut self.stream)
    }

    /// Hands over what waits to be sent, as far as the connection takes it.
    fn send(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        while self.phase == Phase::Open {
            match self.stream().poll_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => break,
            }
            let message = if self.slot().take_ping() {
                Message::Ping(Vec::new())
            } else {
                match self.slot().next() {
                    Next::Frame(frame) => {
                        SOCKET_FRAMES.with_label_values(&["out"]).inc();
                        Message::Text((*frame).to_owned())
                    }
                    // What it has asked for before is done and answered first.
                    Next::Close(why) if !self.slot().is_working() || why == Close::Slow => {
                        self.phase = Phase::Closing;
                        close_message(why)
                    }
                    Next::Close(_) | Next::Nothing => break,
                }
            };
            self.stream().start_send(message)?;
            self.is_unflushed = true;
        }
        Ok(())
    }

    /// Takes in what has come.
    fn receive(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        for _ in 0..READ_AT_ONCE {
            if self.phase == Phase::Deaf || (self.phase == Phase::Open && self.slot().is_full()) {
                return Ok(());
            }
            let message = match self.stream().poll_next(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(None) => return Err(End),
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return self.hear_nothing_more(&error),
            };
            let now = self.state.sockets.hub.seconds();
            self.slot().note_seen(now);
            if self.phase == Phase::Open {
                self.take(message);
            }
        }
        context.waker().wake_by_ref();
        Ok(())
    }

    /// What comes after a frame that is far too long, or no frame, cannot be understood.
    fn hear_nothing_more(&mut self, error: &io::Error) -> Result<(), End> {
        if self.phase != Phase::Open || !is_capacity(error) {
            return Err(End);
        }
        self.slot().close(Close::TooLong);
        self.phase = Phase::Deaf;
        self.stream().start_send(close_message(Close::TooLong))?;
        self.is_unflushed = true;
        Ok(())
    }

    fn take(&mut self, message: Message) {
        let asked = match message {
            Message::Text(text) => Ok(text),
            Message::Binary(_) => Err("bad_frame"),
            Message::Ping(_) => Err(""),
            // The other side closes: the library answers, and the stream ends.
            Message::Pong(_) | Message::Close(_) => return,
        };
        SOCKET_FRAMES.with_label_values(&["in"]).inc();
        let slot = self.slot().clone();
        match (self.pace.step(Instant::now()), asked) {
            (Step::Fine, Ok(text)) => {
                let most = act::frame_bytes(&self.state);
                if text.len() > CLOSE_FACTOR * most {
                    slot.close(Close::TooLong);
                } else if text.len() > most {
                    act::refuse(&slot, "frame_too_long");
                } else if slot.take_in(&text) {
                    tokio::spawn(act::work(self.state.clone(), slot));
                }
            }
            (Step::Fine, Err("")) | (Step::Refused, _) => {}
            (Step::Fine, Err(code)) => act::refuse(&slot, code),
            (Step::Warned(seconds), _) => act::refuse_pace(&slot, seconds),
            (Step::Flood, _) => slot.close(Close::Flood),
        }
    }

    fn turn(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        self.receive(context)?;
        self.send(context)?;
        if self.is_unflushed {
            match self.stream().poll_flush(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(flushed) => flushed?,
            }
            self.is_unflushed = false;
        }
        if self.phase == Phase::Deaf { Err(End) } else { Ok(()) }
    }
}

impl Future for Socket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Before anything is looked at: whoever puts something in afterwards wakes this again.
        self.slot().register(context);
        if self.slot().is_dead() {
            return Poll::Ready(());
        }
        match self.turn(context) {
            Ok(()) => Poll::Pending,
            Err(End) => Poll::Ready(()),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let why = self.slot().closing().map_or("client", |why| why.code().1);
        SOCKETS_CLOSED.with_label_values(&[why]).inc();
        // Whoever waits for room in its mailbox waits in vain.
        self.slot().kill();
    }
}

fn close_message(why: Close) -> Message {
    let (code, word) = why.code();
    Message::Close(Some((CloseCode::from(code), word.to_owned())))
}

/// Whether a frame was longer than this server reads. The library says it in words only.
fn is_capacity(error: &io::Error) -> bool {
    error.to_string().contains("too long")
}

/// How fast frames come: GCRA, as everywhere, in memory.
struct Pace {
    rate: Rate,
    /// When the bucket is empty again.
    full_until: Instant,
    /// Frames refused one after the other.
    refused: u32,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Fine,
    /// The first that is refused: after so many seconds there is room again.
    Warned(u32),
    Refused,
    /// As many were refused as are allowed in all.
    Flood,
}

impl Pace {
    fn new(rate: Rate) -> Self {
        Self { rate, full_until: Instant::now(), refused: 0 }
    }

    fn step(&mut self, now: Instant) -> Step {
        let window = std::time::Duration::from_secs(self.rate.seconds.into());
        let each = window / self.rate.count.max(1);
        let next = self.full_until.max(now) + each;
        if next <= now + window {
            self.full_until = next;
            self.refused = 0;
            return Step::Fine;
        }
        self.refused += 1;
        match self.refused {
            1 => {
                let wait = next.saturating_duration_since(now + window).as_secs();
                Step::Warned(u32::try_from(wait).unwrap_or(1).max(1))
            }
            refused if refused > self.rate.count => Step::Flood,
            _ => Step::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_socket_has_its_rate_is_warned_once_and_floods_end_it() {
        let mut pace = Pace::new(Rate { count: 3, seconds: 3 });
        let now = Instant::now();
        let steps: Vec<_> = (0..7).map(|_| pace.step(now)).collect();
        let fine = [Step::Fine, Step::Fine, Step::Fine];
        assert_eq!(steps[..3], fine);
        assert_eq!(steps[3..], [Step::Warned(1), Step::Refused, Step::Refused, Step::Flood]);
        assert_eq!(pace.step(now + Duration::from_secs(1)), Step::Fine);
        assert_eq!(pace.step(now + Duration::from_secs(1)), Step::Warned(1));
    }
}
