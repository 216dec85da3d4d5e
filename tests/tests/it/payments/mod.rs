//! Payments: whoever comes back or not, the gateway says what counts, and it is credited once.

mod crash;
mod forged;
mod verify;
mod verify_steps;
mod watch;
