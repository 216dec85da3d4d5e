//! Hub and feed.
