//! What the rest of the process sees of a socket: a mailbox and a few flags.
//!
//! The socket's own future ([`super::socket`]) is the only one that reads it; whoever else puts
//! something in wakes it. An idle slot owns nothing but itself.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    task::{Context, Waker},
};

use chrono::{DateTime, Utc};
use futures_util::task::AtomicWaker;
use shared::chat::RoomId;

use crate::language::Language;

/// Frames of one socket that wait to be carried out; meanwhile nothing more is read from it.
const INBOX: usize = 8;

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// The token or the session has ended.
    SignedOut,
    /// The person does not belong to the room any more.
    PutOut,
    /// The room is gone.
    RoomGone,
    /// It reads too slowly; it can come back with `since`.
    Slow,
    /// It sends too much.
    Flood,
    /// The server is about to stop; it can come back at once, to another.
    Drain,
    /// As [`Close::Drain`], for clients that know the codes of RFC 6455 only.
    GoingAway,
    /// A frame is far too long.
    TooLong,
    /// A fault of ours.
    Fault,
}

impl Close {
    /// The code on the wire and its word, which is also the label in metrics.
    pub(crate) const fn code(self) -> (u16, &'static str) {
        match self {
            Self::SignedOut => (4401, "signed_out"),
            Self::PutOut => (4403, "not_a_member"),
            Self::RoomGone => (4404, "no_such_room"),
            Self::Slow => (4408, "slow_reader"),
            Self::Flood => (4429, "too_many_frames"),
            Self::Drain => (4000, "restarting"),
            Self::GoingAway => (1001, "going_away"),
            Self::TooLong => (1009, "frame_too_long"),
            Self::Fault => (1011, "internal_error"),
        }
    }
}

/// What frames a socket understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// All of them, not only those of the systems Peyk replaces.
    pub(crate) is_typed: bool,
    /// Where a sender is a name, as in django-chelseru-chat.
    pub(crate) names_senders: bool,
}

/// Which rooms a socket listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One, for as long as it is open.
    One(RoomId),
    /// All of its person's.
    All,
}

/// Whose socket it is, of what kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Profile {
    pub(crate) user_id: i64,
    pub(crate) session_id: i64,
    /// When the token it was opened with ends.
    pub(crate) until: DateTime<Utc>,
    pub(crate) scope: Scope,
    pub(crate) dialect: Dialect,
    pub(crate) language: Language,
}

/// One open socket, or one that is about to be.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Unique in the process.
    pub(crate) number: u64,
    pub(crate) profile: Profile,
    /// Unix seconds; moves when a new token is shown.
    until: AtomicI64,
    /// Seconds of the process at which it was last heard of.
    seen: AtomicU32,
    /// Asked to prove that it is there.
    pinged: AtomicBool,
    /// Nothing more can be done for it.
    dead: AtomicBool,
    waker: AtomicWaker,
    outbox: Mutex<Outbox>,
    inbox: Mutex<Inbox>,
}

/// What is to be sent.
#[derive(Debug, Default)]
struct Outbox {
    frames: VecDeque<Arc<str>>,
    limit: usize,
    close: Option<Close>,
    /// Since when (seconds of the process) it waits to be closed.
    closing_since: Option<u32>,
    /// Who waits until little is left to send.
    waits: Option<Waker>,
}

/// What came and is not carried out.
#[derive(Debug, Default)]
struct Inbox {
    frames: VecDeque<Box<str>>,
    working: bool,
}

/// The next thing a socket has to send.
pub(crate) enum Next {
    Frame(Arc<str>),
    Close(Close),
    Nothing,
}

impl Slot {
    /// A slot that holds so many frames, heard of just now.
    pub(crate) fn new(number: u64, profile: Profile, limit: usize, now: u32) -> Self {
        Self {
            number,
            profile,
            until: AtomicI64::new(profile.until.timestamp()),
            seen: AtomicU32::new(now),
            pinged: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            outbox: Mutex::new(Outbox { limit, ..Outbox::default() }),
            inbox: Mutex::default(),
        }
    }

    /// Puts a frame in, unless the socket is about to be closed. A full mailbox closes it: whoever
    /// misses one frame must not get the next.
    pub(crate) fn push(&self, frame: Arc<str>) {
        let mut outbox = self.outbox();
        if outbox.close.is_some() {
            return;
        }
        if outbox.frames.len() >= outbox.limit {
            outbox.frames = VecDeque::new();
            outbox.close = Some(Close::Slow);
        } else {
            outbox.frames.push_back(frame);
        }
        drop(outbox);
        self.waker.wake();
    }

    /// Closes it after what is in its mailbox was sent; the first reason counts.
    pub(crate) fn close(&self, why: Close) {
        self.outbox().close.get_or_insert(why);
        self.waker.wake();
    }

    /// Whether it is about to be closed, or is.
    pub(crate) fn is_closing(&self) -> bool {
        self.dead.load(Ordering::Relaxed) || self.outbox().close.is_some()
    }

    /// Why it is closed, if it is.
    pub(crate) fn closing(&self) -> Option<Close> {
        self.outbox().close
    }

    /// Gives up: the future ends without another word.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        self.wake_waiting();
        self.waker.wake();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Asks it to prove that it is there.
    pub(crate) fn ping(&self) {
        self.pinged.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it is to be asked; once.
    pub(crate) fn take_ping(&self) -> bool {
        self.pinged.load(Ordering::Relaxed) && self.pinged.swap(false, Ordering::AcqRel)
    }

    /// Registers the future: call before anything here is read, or a wake-up may be lost.
    pub(crate) fn register(&self, context: &Context<'_>) {
        self.waker.register(context.waker());
    }

    /// The next thing to send.
    pub(crate) fn next(&self) -> Next {
        let mut outbox = self.outbox();
        let next = match (outbox.frames.pop_front(), outbox.close) {
            (Some(frame), _) => Next::Frame(frame),
            (None, Some(why)) => Next::Close(why),
            (None, None) => {
                // What a burst has taken is given back: idle sockets own nothing.
                outbox.frames = VecDeque::new();
                Next::Nothing
            }
        };
        let waiting =
            if outbox.frames.len() * 4 <= outbox.limit { outbox.waits.take() } else { None };
        drop(outbox);
        if let Some(waker) = waiting {
            waker.wake();
        }
        next
    }

    /// Waits until no more than a quarter of the mailbox is full; `false` if the socket is closing.
    pub(crate) async fn has_room(&self) -> bool {
        std::future::poll_fn(|context| {
            let mut outbox = self.outbox();
            if outbox.close.is_some() || self.dead.load(Ordering::Acquire) {
                return std::task::Poll::Ready(false);
            }
            if outbox.frames.len() * 4 <= outbox.limit {
                return std::task::Poll::Ready(true);
            }
            outbox.waits = Some(context.waker().clone());
            std::task::Poll::Pending
        })
        .await
    }

    fn wake_waiting(&self) {
        let waiting = self.outbox().waits.take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Something came from it.
    pub(crate) fn note_seen(&self, now: u32) {
        self.seen.store(now, Ordering::Relaxed);
    }

    /// For how many seconds nothing came from it.
    pub(crate) fn silent_for(&self, now: u32) -> u32 {
        now.saturating_sub(self.seen.load(Ordering::Relaxed))
    }

    /// For how many seconds it has been waiting to be closed; the first call starts the clock.
    pub(crate) fn closing_for(&self, now: u32) -> Option<u32> {
        let mut outbox = self.outbox();
        outbox.close?;
        let since = *outbox.closing_since.get_or_insert(now);
        drop(outbox);
        self.wake_waiting();
        Some(now.saturating_sub(since))
    }

    /// Whether its token has ended.
    pub(crate) fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.until.load(Ordering::Relaxed) <= now.timestamp()
    }

    /// Its person showed a token that ends later.
    pub(crate) fn extend(&self, until: i64) {
        self.until.fetch_max(until, Ordering::Relaxed);
    }

    /// Takes in a frame that came; `true` if somebody has to be set to work on it.
    pub(crate) fn take_in(&self, frame: &str) -> bool {
        let mut inbox = self.inbox();
        inbox.frames.push_back(frame.into());
        !std::mem::replace(&mut inbox.working, true)
    }

    /// Whether frames wait to be carried out, or are.
    pub(crate) fn is_working(&self) -> bool {
        self.inbox().working
    }

    /// Whether no more frames are to be read for now.
    pub(crate) fn is_full(&self) -> bool {
        self.inbox().frames.len() >= INBOX
    }

    /// The next frame to carry out; `None` ends the work.
    pub(crate) fn next_to_do(&self) -> Option<Box<str>> {
        let mut inbox = self.inbox();
        let frame = inbox.frames.pop_front();
        if frame.is_none() {
            inbox.working = false;
            inbox.frames = VecDeque::new();
        }
        drop(inbox);
        // It may read on, or be closed now.
        self.waker.wake();
        frame
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
