//! What the whole-system tests stand on: private servers, real processes, strict fakes.
//!
//! `script/test` starts a throw-away PostgreSQL and says where the binaries are; each test makes
//! its own database in it, its own Redis and its own api and worker processes.

pub mod aging;
pub mod browser;
pub mod chaos;
pub mod compat;
pub mod fake;
pub mod harness;
pub mod multipart;
pub mod simulated;
