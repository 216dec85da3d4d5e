//! What survives when things break at random moments under load. Each scenario takes its size:
//! the short versions run with all tests, `just soak` runs the full ones and publishes what they
//! counted.

mod accounts;
mod attack;
mod drain;
mod frozen;
mod hanging;
mod kills;
mod servers;
mod texts;
mod wakeups;
