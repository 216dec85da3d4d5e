//! PayPing's table of codes (<https://docs.payping.ir>, "کدهای خطا"). Pure.
//!
//! The reference that a payment is verified with was brought by somebody's browser. So whatever
//! PayPing objects to in it says "not with this reference" and nothing about the payment.

use super::super::{Opened, Returned, Said, Verified};

/// Verified before; the payment is in `metaData.message`.
pub(super) const ALREADY: i64 = 110;
/// Verified before.
pub(super) const ALREADY_BARE: i64 = 123;
/// No such payment.
pub(super) const NOT_FOUND: i64 = 122;
/// The payer turned back, or was too slow.
pub(super) const CANCELLED: i64 = 127;

/// What a code is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It is at work on it.
    Processing,
    /// It was verified before.
    Already,
    /// Our request is wrong, or what the payer's browser brought.
    Request,
    /// Our account, its token or its settings.
    Account,
    /// Not now.
    Later,
    /// Nobody has paid.
    NotPaid,
    /// No such payment, or none of this version.
    NotFound,
    /// It cannot be taken back.
    NoReturn,
    /// It does not say how far it got.
    Ambiguous,
}

pub(super) fn class(code: i64) -> Class {
    match code {
        // Being examined; verification, reversal under way.
        109 | 155 | 156 => Class::Processing,
        ALREADY | ALREADY_BARE => Class::Already,
        // Data, return address, rules, mobile, shares; payment's data, its amount; sum of shares.
        101 | 105 | 107 | 113 | 116..=118 | 133 | 137 | 138 => Class::Request,
        // No gateway, token, test token's amount and number, blocked; settlement's settings.
        102..=104 | 111 | 112 | 158..=165 => Class::Account,
        // The bank cannot be reached.
        114 => Class::Later,
        121 | CANCELLED => Class::NotPaid,
        NOT_FOUND | 124 => Class::NotFound,
        134 | 135 => Class::NoReturn,
        // Internal errors (106, 108), duplicates at the bank (115), states it does not name.
        _ => Class::Ambiguous,
    }
}

/// What a code says about a page that was asked for.
pub(super) fn refused(code: i64, said: Said) -> Opened {
    match class(code) {
        Class::Request => Opened::Refused(said),
        Class::Account => Opened::Account(said),
        Class::Later => Opened::RetryLater(said),
        // Including what makes no sense here.
        Class::Processing
        | Class::Already
        | Class::NotPaid
        | Class::NotFound
        | Class::NoReturn
        | Class::Ambiguous => Opened::Unknown(said),
    }
}

/// What a code other than [`ALREADY`] and [`ALREADY_BARE`] says about a payment.
pub(super) fn unpaid(code: i64, said: Said) -> Verified {
    match class(code) {
        Class::Processing => Verified::Processing(said),
        Class::NotPaid => Verified::NotPaid(said),
        Class::Request | Class::NotFound => Verified::NotFound(said),
        Class::Account => Verified::Account(said),
        Class::Later => Verified::RetryLater { after: None, said },
        Class::Already | Class::NoReturn | Class::Ambiguous => Verified::Unknown(said),
    }
}

/// What a code says about a payment that was to be reversed.
pub(super) fn not_reversed(code: i64, said: Said) -> Returned {
    match class(code) {
        Class::Later => Returned::RetryLater(said),
        Class::Processing | Class::Already | Class::Ambiguous => Returned::Unknown(said),
        Class::Request | Class::Account | Class::NotPaid | Class::NotFound | Class::NoReturn => {
            Returned::Refused(said)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn said(code: i64) -> Said {
        let reason = format!("payping.{code}");
        Said { code: i32::try_from(code).ok(), reason, message: String::new(), answer: Value::Null }
    }

    fn outcomes(code: i64) -> (&'static str, &'static str, &'static str) {
        let opened = match refused(code, said(code)) {
            Opened::Page { .. } => "page",
            Opened::Refused(_) => "refused",
            Opened::Account(_) => "account",
            Opened::RetryLater(_) => "later",
            Opened::Unknown(_) => "unknown",
        };
        let verified = match unpaid(code, said(code)) {
            Verified::Paid(_) => "paid",
            Verified::Processing(_) => "processing",
            Verified::NotPaid(_) => "not_paid",
            Verified::Mismatch(_) => "mismatch",
            Verified::NotFound(_) => "not_found",
            Verified::NoReference => "no_reference",
            Verified::Account(_) => "account",
            Verified::RetryLater { .. } => "later",
            Verified::Unknown(_) => "unknown",
        };
        let returned = match not_reversed(code, said(code)) {
            Returned::Done(_) => "done",
            Returned::Already(_) => "already",
            Returned::Refused(_) => "refused",
            Returned::Unknown(_) => "unknown",
            Returned::RetryLater(_) => "later",
        };
        (opened, verified, returned)
    }

    #[test]
    fn every_row_of_the_table() {
        let request = ("refused", "not_found", "refused");
        let account = ("account", "account", "refused");
        let ambiguous = ("unknown", "unknown", "unknown");
        let processing = ("unknown", "processing", "unknown");
        let not_paid = ("unknown", "not_paid", "refused");
        let not_found = ("unknown", "not_found", "refused");
        let no_return = ("unknown", "unknown", "refused");
        let rows: &[(&[i64], _)] = &[
            (&[101, 105, 107, 113, 116, 117, 118, 133, 137, 138], request),
            (&[102, 103, 104, 111, 112], account),
            (&[158, 159, 160, 161, 162, 163, 164, 165], account),
            (&[106, 108, 115, 126, 128, 129, 130, 131, 132], ambiguous),
            (&[109, 155, 156], processing),
            // These two are looked at before.
            (&[110, 123], ambiguous),
            (&[114], ("later", "later", "later")),
            (&[121, 127], not_paid),
            (&[122, 124], not_found),
            (&[134, 135], no_return),
            // Not of the table.
            (&[0, -1, 100, 119, 120, 125, 136, 139, 154, 157, 166, 200], ambiguous),
        ];
        for (codes, expected) in rows {
            for code in *codes {
                assert_eq!(outcomes(*code), *expected, "{code}");
            }
        }
        assert_eq!((class(110), class(123)), (Class::Already, Class::Already));
    }
}
