//! What is left on an account at a provider.

use std::fmt;

/// What is left on an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    /// Money, in hundredths of `currency` (ISO 4217), e.g. 12050 of `RUB`; rials are whole.
    Money {
        /// Hundredths; of rials: rials.
        amount: i64,
        /// `IRR`, `RUB`, `USD` …
        currency: String,
    },
    /// So many texts.
    Texts(i64),
}

/// The unit of [`Balance::Texts`] where currencies have their names.
const TEXTS: &str = "texts";

impl Balance {
    /// So much of a [`Balance::unit`].
    pub fn in_unit(amount: i64, unit: &str) -> Self {
        if unit == TEXTS {
            return Self::Texts(amount);
        }
        Self::Money { amount, currency: unit.to_owned() }
    }

    /// The number: texts, rials, or hundredths of another currency.
    pub fn amount(&self) -> i64 {
        match self {
            Self::Money { amount, .. } => *amount,
            Self::Texts(texts) => *texts,
        }
    }

    /// What is counted: `texts`, or the currency.
    pub fn unit(&self) -> &str {
        match self {
            Self::Money { currency, .. } => currency,
            Self::Texts(_) => TEXTS,
        }
    }

    /// How many of the number make one whole.
    fn parts(&self) -> i64 {
        if [TEXTS, "IRR"].contains(&self.unit()) { 1 } else { 100 }
    }

    /// Whether less than `least` whole units are left.
    pub fn is_below(&self, least: u32) -> bool {
        self.amount() < i64::from(least) * self.parts()
    }
}

/// `1500032 IRR`, `337.03 RUB`, `1234 texts`.
impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, unit) = (self.amount(), self.unit());
        if self.parts() == 1 {
            return write!(f, "{amount} {unit}");
        }
        let sign = if amount < 0 { "-" } else { "" };
        let amount = amount.unsigned_abs();
        write!(f, "{sign}{}.{:02} {unit}", amount / 100, amount % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balances_are_compared_in_whole_units_and_shown_in_their_own() {
        let cases = [
            (Balance::in_unit(1_500_032, "IRR"), "1500032 IRR", 1_500_032),
            (Balance::in_unit(33_703, "RUB"), "337.03 RUB", 337),
            (Balance::in_unit(1_234, "texts"), "1234 texts", 1_234),
        ];
        for (balance, shown, whole) in cases {
            assert_eq!(balance.to_string(), shown);
            assert_eq!(Balance::in_unit(balance.amount(), balance.unit()), balance);
            assert!(!balance.is_below(whole) && balance.is_below(whole + 1), "{shown}");
        }
        let debt = Balance::in_unit(-351, "USD");
        assert_eq!((debt.to_string(), debt.is_below(0)), ("-3.51 USD".to_owned(), true));
    }
}
