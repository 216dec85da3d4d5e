//! Money: whole rials inside, toman only at the edges that speak it. There is no float.

use std::fmt;

/// Whole Iranian rials. Neither addition nor negation can overflow unseen: arithmetic is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rials(i64);

impl Rials {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many.
    pub const fn new(rials: i64) -> Self {
        Self(rials)
    }

    /// How many.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum; `None` if it is beyond what can be counted.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference; `None` if it is beyond what can be counted.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Whole tomans; `None` if it is no whole number of them.
    pub const fn to_tomans(self) -> Option<i64> {
        if self.0 % 10 == 0 { Some(self.0 / 10) } else { None }
    }

    /// In a currency, what is less than one unit of it cut off: for showing, not for reckoning.
    pub const fn shown_in(self, currency: Currency) -> i64 {
        self.0 / currency.rials()
    }
}

impl fmt::Display for Rials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an amount is counted in, at the edges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "UPPERCASE")]
#[sqlx(type_name = "text", rename_all = "UPPERCASE")]
pub enum Currency {
    /// Rials (ISO 4217).
    #[default]
    Irr,
    /// Tomans: ten rials each. Not of ISO 4217, but what people and some gateways count in.
    Irt,
}

impl Currency {
    /// Every currency.
    pub const ALL: [Self; 2] = [Self::Irr, Self::Irt];

    /// The word in requests, answers and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Irr => "IRR",
            Self::Irt => "IRT",
        }
    }

    /// The currency with this word, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.as_str().eq_ignore_ascii_case(word))
    }

    const fn rials(self) -> i64 {
        match self {
            Self::Irr => 1,
            Self::Irt => 10,
        }
    }
}

/// A positive amount as somebody named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    value: i64,
    currency: Currency,
    rials: Rials,
}

impl Amount {
    /// So many of a currency; `None` unless it is positive and can be counted in rials.
    pub fn new(value: i64, currency: Currency) -> Option<Self> {
        let rials = value.checked_mul(currency.rials()).filter(|rials| *rials > 0)?;
        Some(Self { value, currency, rials: Rials(rials) })
    }

    /// As it was named.
    pub const fn value(self) -> i64 {
        self.value
    }

    /// What it was named in.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// What it comes to.
    pub const fn rials(self) -> Rials {
        self.rials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toman_is_ten_rials_both_ways() {
        let amount = Amount::new(1_000, Currency::Irt).unwrap();
        assert_eq!((amount.value(), amount.rials()), (1_000, Rials::new(10_000)));
        assert_eq!(amount.rials().to_tomans(), Some(1_000));
        assert_eq!(Amount::new(1_000, Currency::Irr).unwrap().rials(), Rials::new(1_000));
        assert_eq!(Rials::new(1_005).to_tomans(), None);
        assert_eq!(Rials::new(1_005).shown_in(Currency::Irt), 100);
    }

    #[test]
    fn amounts_are_positive_and_can_be_counted() {
        for wrong in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(Amount::new(wrong, Currency::Irt), None, "{wrong}");
        }
        assert!(Amount::new(i64::MAX, Currency::Irr).is_some());
    }

    #[test]
    fn currencies_are_read_in_any_case() {
        assert_eq!(Currency::parse("irt"), Some(Currency::Irt));
        assert_eq!(Currency::parse("USD"), None);
    }
}
