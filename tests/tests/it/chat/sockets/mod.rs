//! WebSockets, with real clients and, where it matters, two api processes.

mod bad_frames;
mod cost;
mod delivery;
mod ends;
mod opening;
mod passing;
mod resume;
mod steps;
