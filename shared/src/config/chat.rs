//! `[chat]`: rooms, sockets and files.

use serde::Deserialize;

use super::rate::Rate;

/// What one may do in rooms, and how much of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Chat {
    /// Characters of a message at most. Default 4000.
    pub message_chars: u32,
    /// Rooms somebody may belong to. Default 1000.
    pub rooms_per_user: u32,
    /// Members of a room. Default 1000.
    pub members: u32,
    /// Rooms somebody may make in a UTC day. Default 100.
    pub daily_rooms: u32,
    /// Messages, edits and reactions of one person; apart from those, changes of rooms and reports.
    /// Default 60/1m.
    pub rate: Rate,
    /// Seconds after which a member who has not read a message counts as absent; 0: nobody does.
    /// Default 60.
    pub absent_after_seconds: u32,
    /// What absent members of rooms that ask for it are texted; `{room}` is its name. Empty: nothing.
    /// Default empty.
    pub absent_text: String,
    /// Days deleted rooms, and files of deleted messages, are kept. Default 7.
    pub deleted_days: u32,
    /// WebSockets.
    pub sockets: Sockets,
    /// Files.
    pub files: Files,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            message_chars: 4_000,
            rooms_per_user: 1_000,
            members: 1_000,
            daily_rooms: 100,
            rate: Rate { count: 60, seconds: 60 },
            absent_after_seconds: 60,
            absent_text: String::new(),
            deleted_days: 7,
            sockets: Sockets::default(),
            files: Files::default(),
        }
    }
}

/// `[chat.sockets]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Sockets {
    /// Web origins that may open one, such as `https://app.example.com`; `*`: any. Programs that
    /// are no browsers name none and are let in. Empty (default): that of `http.public_url`, and in
    /// sandbox mode any.
    pub origins: Vec<String>,
    /// Sockets one person may have open in each api process. Default 10.
    pub per_user: u32,
    /// Rooms one socket may listen to. Default 200.
    pub rooms: u32,
    /// Bytes of a frame, both ways; what is longer goes over HTTP. Default 4096.
    pub frame_bytes: u32,
    /// Frames one socket may send. Default 120/1m.
    pub rate: Rate,
    /// Frames that wait for a slow reader before its socket is closed. Default 256.
    pub queue: u32,
    /// Seconds of silence after which a socket is asked whether it is still there. Default 25.
    pub ping_seconds: u32,
    /// Events a returning client gets; who missed more reads them over HTTP. Default 1000.
    pub resume: u32,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            per_user: 10,
            rooms: 200,
            frame_bytes: 4_096,
            rate: Rate { count: 120, seconds: 60 },
            queue: 256,
            ping_seconds: 25,
            resume: 1_000,
        }
    }
}

/// `[chat.files]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Files {
    /// Megabytes (2^20 bytes) of a file. Default 20.
    pub max_mb: u32,
    /// Megabytes somebody may upload in 24 hours. Default 500.
    pub daily_mb: u32,
    /// Where they are kept: a directory, or `s3://bucket/path`. Default `data/files`.
    pub storage: String,
    /// Hours an address of a file works. Default 24.
    pub url_hours: u32,
    /// Hours an uploaded file waits for its message. Default 24.
    pub unused_hours: u32,
    /// For `s3://`.
    pub s3: S3,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            max_mb: 20,
            daily_mb: 500,
            storage: "data/files".to_owned(),
            url_hours: 24,
            unused_hours: 24,
            s3: S3::default(),
        }
    }
}

/// `[chat.files.s3]`: a store that speaks S3.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct S3 {
    /// Where it is; empty: Amazon's.
    pub endpoint: String,
    /// Default `us-east-1`.
    pub region: String,
    /// Who we are.
    pub access_key: String,
    /// The secret.
    pub secret_key: secrecy::SecretString,
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            access_key: String::new(),
            secret_key: String::new().into(),
        }
    }
}
