//! What the chaos tests stand on: chance that can be repeated, a load that goes on while things
//! break, and a table of what was counted.

mod dice;
mod load;
mod moment;
mod tally;

pub use self::{
    dice::Dice,
    load::{Load, Sent, send_once},
    moment::Moment,
    tally::Tally,
};

/// The size of a scenario: `short`, or what `full` makes of the environment's `PEYK_SOAK_<name>`,
/// which `script/soak` sets. So both run the same test.
///
/// # Panics
/// When the variable is no number.
pub fn size(name: &str, short: usize, full: impl FnOnce(usize) -> usize) -> usize {
    let set = std::env::var(format!("PEYK_SOAK_{name}"));
    set.map_or(short, |size| full(size.parse().expect("PEYK_SOAK_… are numbers")))
}
