//! All SQL of the overview. It only reads.

mod codes;
mod others;

pub(super) use self::{codes::*, others::*};
