//! How a fake provider treats one request.

/// How one request is treated. Where `effect` is true the text reaches the handset (if the
/// request was a valid one) although the caller cannot know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// As the real one would.
    Ok,
    /// Refuses with this code, as HTTP status and in the envelope.
    Error(u16),
    /// Refuses with this code in the envelope, under another HTTP status.
    ErrorUnder {
        /// `return.status`.
        code: u16,
        /// The HTTP status.
        http_status: u16,
    },
    /// HTTP 429 with `Retry-After`.
    RateLimited {
        /// The value of the header.
        retry_after_secs: u64,
    },
    /// Answers with exactly this, without looking at the request.
    HttpStatus {
        /// The HTTP status.
        status: u16,
        /// Headers besides `Content-Length`.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// Takes the call (200), but the entry says that this message has this status.
    EntryStatus(u16),
    /// Delivers; `entries` is one object instead of a list.
    EntriesAsObject,
    /// Delivers; there is no `entries`.
    EntriesAbsent,
    /// Delivers; `messageid` and `return.status` are strings.
    NumbersAsStrings,
    /// Delivers; the answer is `{}`.
    EmptyObject,
    /// Answers 200 with something that is no JSON.
    InvalidJson {
        /// See [`Behaviour`].
        effect: bool,
    },
    /// Answers 200 with more than 1 MiB of valid JSON.
    HugeBody {
        /// See [`Behaviour`].
        effect: bool,
    },
    /// Reads the request and never answers.
    HangAfterRead {
        /// See [`Behaviour`].
        effect: bool,
    },
    /// Reads the request and resets the connection.
    ResetAfterRead {
        /// See [`Behaviour`].
        effect: bool,
    },
    /// Closes the connection in the middle of the answer's body.
    TruncatedBody {
        /// See [`Behaviour`].
        effect: bool,
    },
    /// Answers one byte at a time, far too slowly.
    SlowDrip {
        /// See [`Behaviour`].
        effect: bool,
    },
    /// Resets the connection without reading what has arrived. Is no call: nothing was read.
    ResetBeforeRead,
}

impl Behaviour {
    /// Whether a valid request is carried out.
    pub(super) fn has_effect(&self) -> bool {
        match self {
            Self::Ok
            | Self::EntryStatus(_)
            | Self::EntriesAsObject
            | Self::EntriesAbsent
            | Self::NumbersAsStrings
            | Self::EmptyObject => true,
            Self::InvalidJson { effect }
            | Self::HugeBody { effect }
            | Self::HangAfterRead { effect }
            | Self::ResetAfterRead { effect }
            | Self::TruncatedBody { effect }
            | Self::SlowDrip { effect } => *effect,
            Self::Error(_)
            | Self::ErrorUnder { .. }
            | Self::RateLimited { .. }
            | Self::HttpStatus { .. }
            | Self::ResetBeforeRead => false,
        }
    }
}
