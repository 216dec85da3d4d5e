//! Whose manners the sandbox has: names, bounds, numbers and sentences of the real ones.

use std::time::Duration;

use rand::{Rng, RngExt};
use serde_json::{Value, json};

use crate::{money::Rials, payments::gateways::Capabilities};

/// A gateway that can be imitated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Imitation {
    /// ZarinPal v4: comes back with a GET, can be asked everything.
    #[default]
    ZarinPal,
    /// PayPing v3: comes back with a POST, and is verified with what that brings.
    PayPing,
    /// Zibal: comes back with a GET.
    Zibal,
}

/// What is said about a payment, before it is put in a gateway's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Opened,
    Verified,
    Already,
    NotPaid,
    OtherAmount,
    NotFound,
    BadRequest,
    GivenBack,
    NotGivenBack,
    TooLate,
}

const MINUTE: u64 = 60;

impl Imitation {
    /// The word in settings and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ZarinPal => "zarinpal",
            Self::PayPing => "payping",
            Self::Zibal => "zibal",
        }
    }

    /// What the systems we replace call the imitated gateway.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::ZarinPal => "ZARINPAL_COM",
            Self::PayPing => "PAYPING_IR",
            Self::Zibal => "ZIBAL_IR",
        }
    }

    /// What the imitated gateway can do.
    pub(super) const fn capabilities(self) -> Capabilities {
        let zarinpal = Capabilities {
            inquiry: true,
            reverse: true,
            refund: true,
            unverified: true,
            needs_reference: false,
            least: Rials::new(1_000),
            most: Rials::new(1_000_000_000),
            whole_tomans: false,
            page_life: Duration::from_secs(20 * MINUTE),
            verify_within: Duration::from_secs(30 * MINUTE),
            reverse_within: Duration::from_secs(30 * MINUTE),
        };
        match self {
            Self::ZarinPal => zarinpal,
            Self::PayPing => Capabilities {
                refund: false,
                unverified: false,
                needs_reference: true,
                least: Rials::new(10_000),
                most: Rials::new(500_000_000),
                whole_tomans: true,
                verify_within: Duration::from_secs(10 * MINUTE),
                ..zarinpal
            },
            Self::Zibal => {
                Capabilities { reverse: false, refund: false, unverified: false, ..zarinpal }
            }
        }
    }

    /// Whether it tells a payer who turned back from one who was refused.
    pub(super) const fn tells_cancelled(self) -> bool {
        !matches!(self, Self::ZarinPal)
    }

    /// A name for a page, in the form the imitated gateway gives: ZarinPal's of its own sandbox,
    /// PayPing's ULID, Zibal's number.
    pub(super) fn new_authority(self, rng: &mut impl Rng) -> String {
        const ALPHANUMERIC: &[u8] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        match self {
            Self::ZarinPal => format!("S{}", random_text(rng, ALPHANUMERIC, 35)),
            Self::PayPing => format!("01{}", random_text(rng, CROCKFORD, 24)),
            Self::Zibal => rng.random_range(1_000_000_000_000_u64..10_000_000_000_000).to_string(),
        }
    }

    /// What it answers when a page was opened.
    pub(super) fn opened(self, authority: &str, amount: Rials, code: i32, message: &str) -> Value {
        match self {
            Self::ZarinPal => json!({
                "code": code, "message": message, "authority": authority,
                "fee_type": "Merchant", "fee": 0,
            }),
            Self::PayPing => json!({"paymentCode": authority, "amount": amount.to_tomans()}),
            Self::Zibal => json!({
                "result": code, "message": message, "trackId": authority.parse::<u64>().ok(),
            }),
        }
    }

    /// Its number for it and its sentence.
    pub(super) const fn words(self, word: Word) -> (i32, &'static str) {
        match self {
            Self::ZarinPal => zarinpal(word),
            Self::PayPing => payping(word),
            Self::Zibal => zibal(word),
        }
    }
}

fn random_text(rng: &mut impl Rng, letters: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(letters[rng.random_range(0..letters.len())])).collect()
}

const fn zarinpal(word: Word) -> (i32, &'static str) {
    match word {
        Word::Opened => (100, "Success"),
        Word::Verified => (100, "Verified"),
        Word::Already => (101, "Verified"),
        Word::NotPaid => (-51, "Session is not valid, session is not active paid try."),
        Word::OtherAmount => (-50, "Session is not valid, amounts values is not the same."),
        Word::NotFound => (-54, "Invalid authority."),
        Word::BadRequest => (-9, "The input params invalid, validation error."),
        Word::GivenBack => (100, "Reversed"),
        Word::NotGivenBack => (-61, "Session is not in success status."),
        Word::TooLate => (-63, "Maximum time for reverse this session is expired."),
    }
}

const fn payping(word: Word) -> (i32, &'static str) {
    match word {
        Word::Opened | Word::Verified | Word::GivenBack => (200, ""),
        Word::Already => (110, "پرداخت قبلا انجام شده است"),
        Word::NotPaid => (121, "تایید پرداخت نیازمند پرداخت موفق است"),
        Word::OtherAmount => (137, "مبلغ صحیح نیست"),
        Word::NotFound => (122, "پرداخت یافت نشد"),
        Word::BadRequest => (101, "اطلاعات ارسالی صحیح نیست"),
        Word::NotGivenBack => (134, "پرداخت قابل برگشت نیست"),
        Word::TooLate => (135, "مهلت برگشت پرداخت تمام شده است"),
    }
}

const fn zibal(word: Word) -> (i32, &'static str) {
    match word {
        // It compares no amount, so that a wrong one is found out by us: still a success to it.
        Word::Opened | Word::Verified | Word::GivenBack | Word::OtherAmount => (100, "success"),
        Word::Already => (201, "already confirmed"),
        Word::NotPaid | Word::NotGivenBack | Word::TooLate => (202, "order is not paid or failed"),
        Word::NotFound => (203, "trackId is invalid"),
        Word::BadRequest => (105, "amount is invalid"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_have_the_form_of_the_imitated_gateway() {
        let mut rng = rand::rng();
        let of = |imitation: Imitation, rng: &mut _| imitation.new_authority(rng);
        let zarinpal = of(Imitation::ZarinPal, &mut rng);
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(zarinpal.starts_with('S') && zarinpal.len() == 36 && plain(&zarinpal));
        let payping = of(Imitation::PayPing, &mut rng);
        assert!(payping.len() == 26 && !payping.contains(['I', 'L', 'O', 'U']), "{payping}");
        let zibal = of(Imitation::Zibal, &mut rng);
        assert!(zibal.len() == 13 && zibal.parse::<u64>().is_ok(), "{zibal}");
        assert_ne!(of(Imitation::Zibal, &mut rng), zibal);
    }
}
