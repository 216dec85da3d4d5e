//! Whole-system tests, one module per subject.

mod login;
mod provider_kavenegar;
mod provider_suite;
