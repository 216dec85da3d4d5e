//! All SQL of the feature.

mod blocklist;
mod counters;
mod deliveries;
mod hours;
mod inbound;
mod messages;
mod reports;
mod staff;
mod states;
mod told;

pub(super) use self::{
    blocklist::*, counters::*, deliveries::*, hours::*, inbound::*, messages::*, reports::*,
    staff::*, states::*, told::*,
};

use crate::phone::PhoneNumber;

/// The table checks the form, so a failure here means the row was not written by Peyk.
fn stored_phone(text: &str) -> Result<PhoneNumber, sqlx::Error> {
    PhoneNumber::from_e164(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
