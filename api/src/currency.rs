//! What amounts are counted in, in requests and answers.

use poem_openapi::Enum;
use shared::money;

/// What amounts are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "UPPERCASE")]
pub(crate) enum Currency {
    /// Rials.
    Irr,
    /// Tomans: ten rials each.
    Irt,
}

impl From<money::Currency> for Currency {
    fn from(currency: money::Currency) -> Self {
        match currency {
            money::Currency::Irr => Self::Irr,
            money::Currency::Irt => Self::Irt,
        }
    }
}
