//! What the chaos tests stand on: chance that can be repeated, a load that goes on while things
//! break, and a table of what was counted.

mod dice;
mod load;
mod tally;

pub use self::{
    dice::Dice,
    load::{Load, Sent, send_once},
    tally::Tally,
};

/// How many rounds (or rows) the full version of a scenario has: the environment's
/// `PEYK_SOAK_<name>`, which `script/soak` sets, or the default.
///
/// # Panics
/// When it is no number.
pub fn soak_size(name: &str, default: usize) -> usize {
    let set = std::env::var(format!("PEYK_SOAK_{name}"));
    set.map_or(default, |size| size.parse().expect("PEYK_SOAK_… are numbers"))
}
