//! All SQL of the ledger and the wallets.

mod holds;
mod ledger;
mod read;
mod verify;

pub(super) use self::{holds::*, ledger::*, read::*, verify::*};
