//! Organizations, their members and who is invited.

mod forgetting;
mod invitations;
mod life;
mod matrix;
mod members;
mod races;
mod steps;
