//! All SQL of the ledger and the wallets.

mod holds;
mod ledger;
mod read;

pub(super) use self::{holds::*, ledger::*, read::*};
