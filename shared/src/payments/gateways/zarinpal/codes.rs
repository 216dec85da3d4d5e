//! ZarinPal's table of codes (<https://www.zarinpal.com/docs/paymentGateway/errorList>). Pure.

use super::super::{Opened, Said, Verified};

/// What a code is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// 100.
    Done,
    /// It was verified before.
    Already,
    /// Our request is wrong.
    Request,
    /// Our account, terminal, address or settings.
    Account,
    /// Not now.
    Later,
    /// Nobody has paid, or not yet.
    NotPaid,
    /// The session is not as we say: another amount, another merchant.
    Mismatch,
    /// It knows no such session.
    NotFound,
    /// It cannot be taken back.
    NoReturn,
    /// It does not say how far it got.
    Ambiguous,
}

pub(super) fn class(code: i64) -> Class {
    match code {
        100 => Class::Done,
        101 => Class::Already,
        // Fields; wages over the amount, their percentages, number, minimum; extra parameters; over
        // the maximum.
        -9 | -36..=-32 | -41..=-39 => Class::Request,
        // Merchant or address, terminal inactive, its limit, callback's domain, suspended, levels,
        // referrer's domain, banned; wages not allowed, no bank account; IBANs; no address set.
        -10 | -11 | -19..=-13 | -31 | -30 | -38 | -37 | -62 => Class::Account,
        // Too many attempts.
        -12 => Class::Later,
        -51 => Class::NotPaid,
        -50 | -53 => Class::Mismatch,
        -54 | -55 => Class::NotFound,
        -60 | -61 | -63 => Class::NoReturn,
        // -52: "unexpected error, contact support".
        _ => Class::Ambiguous,
    }
}

/// What a code says about a page that was asked for; no page comes with it.
pub(super) fn refused(code: i64, said: Said) -> Opened {
    match class(code) {
        Class::Request => Opened::Refused(said),
        Class::Account => Opened::Account(said),
        Class::Later => Opened::RetryLater(said),
        // Including what makes no sense here.
        Class::Done
        | Class::Already
        | Class::NotPaid
        | Class::Mismatch
        | Class::NotFound
        | Class::NoReturn
        | Class::Ambiguous => Opened::Unknown(said),
    }
}

/// What a code other than 100 and 101 says about a payment.
pub(super) fn unpaid(code: i64, said: Said) -> Verified {
    match class(code) {
        Class::NotPaid => Verified::NotPaid(said),
        Class::Mismatch => Verified::Mismatch(said),
        Class::NotFound => Verified::NotFound(said),
        // A request it cannot read is our mistake: an operator has to look.
        Class::Account | Class::Request => Verified::Account(said),
        Class::Later => Verified::RetryLater { after: None, said },
        Class::Done | Class::Already | Class::NoReturn | Class::Ambiguous => {
            Verified::Unknown(said)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn said(code: i64) -> Said {
        let reason = format!("zarinpal.{code}");
        Said { code: i32::try_from(code).ok(), reason, message: String::new(), answer: Value::Null }
    }

    /// Every row of the table: what it is, what it means when a page is asked for, and when one is
    /// verified.
    const TABLE: [(i64, Class, &str, &str); 40] = [
        (100, Class::Done, "unknown", "unknown"),
        (101, Class::Already, "unknown", "unknown"),
        (-9, Class::Request, "refused", "account"),
        (-10, Class::Account, "account", "account"),
        (-11, Class::Account, "account", "account"),
        (-12, Class::Later, "later", "later"),
        (-13, Class::Account, "account", "account"),
        (-14, Class::Account, "account", "account"),
        (-15, Class::Account, "account", "account"),
        (-16, Class::Account, "account", "account"),
        (-17, Class::Account, "account", "account"),
        (-18, Class::Account, "account", "account"),
        (-19, Class::Account, "account", "account"),
        (-30, Class::Account, "account", "account"),
        (-31, Class::Account, "account", "account"),
        (-32, Class::Request, "refused", "account"),
        (-33, Class::Request, "refused", "account"),
        (-34, Class::Request, "refused", "account"),
        (-35, Class::Request, "refused", "account"),
        (-36, Class::Request, "refused", "account"),
        (-37, Class::Account, "account", "account"),
        (-38, Class::Account, "account", "account"),
        (-39, Class::Request, "refused", "account"),
        (-40, Class::Request, "refused", "account"),
        (-41, Class::Request, "refused", "account"),
        (-50, Class::Mismatch, "unknown", "mismatch"),
        (-51, Class::NotPaid, "unknown", "not_paid"),
        (-52, Class::Ambiguous, "unknown", "unknown"),
        (-53, Class::Mismatch, "unknown", "mismatch"),
        (-54, Class::NotFound, "unknown", "not_found"),
        (-55, Class::NotFound, "unknown", "not_found"),
        (-60, Class::NoReturn, "unknown", "unknown"),
        (-61, Class::NoReturn, "unknown", "unknown"),
        (-62, Class::Account, "account", "account"),
        (-63, Class::NoReturn, "unknown", "unknown"),
        // Not of the table.
        (0, Class::Ambiguous, "unknown", "unknown"),
        (-1, Class::Ambiguous, "unknown", "unknown"),
        (-20, Class::Ambiguous, "unknown", "unknown"),
        (-42, Class::Ambiguous, "unknown", "unknown"),
        (200, Class::Ambiguous, "unknown", "unknown"),
    ];

    #[test]
    fn every_row_of_the_table() {
        for (code, expected, opened, verified) in TABLE {
            assert_eq!(class(code), expected, "{code}");
            let open = match refused(code, said(code)) {
                Opened::Page { .. } => "page",
                Opened::Refused(_) => "refused",
                Opened::Account(_) => "account",
                Opened::RetryLater(_) => "later",
                Opened::Unknown(_) => "unknown",
            };
            assert_eq!(open, opened, "{code}");
            let verify = match unpaid(code, said(code)) {
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
            assert_eq!(verify, verified, "{code}");
        }
    }
}
