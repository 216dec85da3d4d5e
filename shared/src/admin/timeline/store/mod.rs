//! All SQL of the timeline. It only reads, each kind of row by an index that the statement names, at
//! most so many of each; what belongs to several is read one by one (LATERAL), so that no plan can
//! choose to read a whole table instead.

mod logins;
mod messages;
mod payments;
mod people;
mod subjects;
mod told;

pub(super) use self::{logins::*, messages::*, payments::*, people::*, subjects::*, told::*};
