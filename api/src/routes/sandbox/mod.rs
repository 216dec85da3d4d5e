//! What there is to look at and to play with in sandbox mode, and only there: the inbox of texts
//! that would have been sent, the page of a bank, and what the provider is to do wrong.

pub(crate) mod bank;
mod bank_page;
mod digits;
pub(crate) mod faults;
mod inbox;
mod layout;

pub(crate) use self::inbox::messages;
