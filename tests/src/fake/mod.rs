//! The outside world, imitated over real HTTP.
//!
//! A fake is as strict as the real one is known to be, can misbehave down to the bytes, and
//! records effects (what reached a handset), so that tests count duplicates by destination and
//! content instead of trusting our own ids.

mod account;
mod behaviour;
mod books;
mod gateway;
pub mod http;
mod http_panel;
mod ippanel;
mod kavenegar;
mod kavenegar_array;
mod kavenegar_rules;
mod kavenegar_server;
mod megafon;
pub mod melipayamak;
pub mod parsian_webco;
mod payping;
mod provider;
mod receiver;
mod recorded_zarinpal;
mod s3;
mod self_signed;
mod sms_aero;
pub mod sms_ir;
#[cfg(test)]
mod tests;
mod twilio;
mod xml;
mod zarinpal;
mod zibal;

pub use account::Account;
pub use behaviour::Behaviour;
pub use books::{Books, Sheet, Stage};
pub use gateway::{Desk, FakeGateway, Held};
pub use http_panel::{PANEL_KEY, panel};
pub use ippanel::{IPPANEL_KEY, IPPANEL_LINE, ippanel};
pub use kavenegar::{API_KEY, Call, Delivered, Effect, FakeKavenegar};
pub use megafon::megafon;
pub use payping::{FakePayPing, PAYPING_TOKEN, PayPingDesk};
pub use provider::{Answer, FakeProvider, Protocol};
pub use receiver::{Receiver, Told};
pub use recorded_zarinpal::RecordedZarinPal;
pub use s3::{FakeS3, S3_KEY};
pub use self_signed::SelfSigned;
pub use sms_aero::sms_aero;
pub use twilio::{TWILIO_LINE, TWILIO_SERVICE, twilio};
pub use zarinpal::{
    FakeZarinPal, ZARINPAL_MERCHANT, ZARINPAL_TERMINAL, ZARINPAL_TOKEN, ZarinPalDesk,
};
pub use zibal::{FakeZibal, ZIBAL_MERCHANT, ZibalDesk};
