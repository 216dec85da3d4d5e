//! Zibal's tables of results and statuses (<https://docs.zibal.ir/IPG/API>). Pure.

use super::super::{Opened, Said, Standing, Verified};

/// Done.
pub(super) const OK: i64 = 100;
/// Verified before.
pub(super) const ALREADY: i64 = 201;
/// Not paid, or failed.
pub(super) const NOT_PAID: i64 = 202;
/// No such `trackId`.
pub(super) const NO_SUCH_PAGE: i64 = 203;

/// What a result says about a page that was asked for; no page comes with it.
pub(super) fn refused(result: i64, said: Said) -> Opened {
    match result {
        // Merchant: not found, inactive, invalid. Callback not of the merchant's address (106).
        102..=104 | 106 => Opened::Account(said),
        // Amount: below 1000, above the limit; percentMode and the like (107 to 112, 114, 115).
        105 | 107..=115 => Opened::Refused(said),
        _ => Opened::Unknown(said),
    }
}

/// What a result other than 100 and 201 says about a payment.
pub(super) fn unpaid(result: i64, said: Said) -> Verified {
    match result {
        102..=104 => Verified::Account(said),
        NOT_PAID => Verified::NotPaid(said),
        NO_SUCH_PAGE => Verified::NotFound(said),
        _ => Verified::Unknown(said),
    }
}

/// What a status of an inquiry says; `None`: not of the table.
pub(super) fn standing(status: i64, reference: Option<i64>) -> Option<Standing> {
    match status {
        // Waiting to be paid.
        -1 => Some(Standing::Open),
        1 => Some(Standing::Verified(reference)),
        2 => Some(Standing::Paid(None)),
        3 => Some(Standing::Cancelled),
        // Card, balance, PIN, too many, daily number and sum, issuer, switch, card out of reach.
        4..=12 => Some(Standing::Failed),
        // Of newer documents: paid out again, reversed.
        15 | 18 => Some(Standing::Reversed),
        // -2: "internal error", which says nothing.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn said() -> Said {
        let reason = "zibal.0".to_owned();
        Said { code: None, reason, message: String::new(), answer: Value::Null }
    }

    #[test]
    fn every_result_when_a_page_is_asked_for() {
        let account = [102, 103, 104, 106];
        let refused_ones = [105, 107, 108, 113, 115];
        let unknown = [100, 201, 202, 203, 0, -1, 99, 116, 500];
        for (results, expected) in
            [(&account[..], "account"), (&refused_ones[..], "refused"), (&unknown[..], "unknown")]
        {
            for result in results {
                let opened = match refused(*result, said()) {
                    Opened::Account(_) => "account",
                    Opened::Refused(_) => "refused",
                    Opened::Unknown(_) => "unknown",
                    _ => "other",
                };
                assert_eq!(opened, expected, "{result}");
            }
        }
    }

    #[test]
    fn every_result_when_one_is_verified() {
        for (result, expected) in [
            (102, "account"),
            (103, "account"),
            (104, "account"),
            (105, "unknown"),
            (106, "unknown"),
            (113, "unknown"),
            (202, "not_paid"),
            (203, "not_found"),
            (0, "unknown"),
            (-1, "unknown"),
            (204, "unknown"),
        ] {
            let verified = match unpaid(result, said()) {
                Verified::Account(_) => "account",
                Verified::NotPaid(_) => "not_paid",
                Verified::NotFound(_) => "not_found",
                Verified::Unknown(_) => "unknown",
                _ => "other",
            };
            assert_eq!(verified, expected, "{result}");
        }
    }

    #[test]
    fn every_status() {
        let expected = |status| match status {
            -1 => Some(Standing::Open),
            1 => Some(Standing::Verified(Some(7))),
            2 => Some(Standing::Paid(None)),
            3 => Some(Standing::Cancelled),
            4..=12 => Some(Standing::Failed),
            15 | 18 => Some(Standing::Reversed),
            _ => None,
        };
        for status in -3..=30 {
            assert_eq!(standing(status, Some(7)), expected(status), "{status}");
        }
    }
}
