//! What there is to look at and to play with in sandbox mode, and only there: the inbox of texts
//! that would have been sent, and the page of a bank.

pub(crate) mod bank;
mod bank_page;
mod digits;
mod inbox;
mod layout;

pub(crate) use self::inbox::messages;
