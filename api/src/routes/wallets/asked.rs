//! What is asked of wallets.

use chrono::TimeDelta;
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use shared::{
    config,
    money::{self, Amount, Rials},
};

use crate::{
    currency::Currency,
    error::{Code, Problem},
    input::{Fields, FromFields, Text},
};

/// Longest name a shop has for what money moves for.
const ORDER_CHARS: usize = 64;
/// Longest words for people.
const NOTE_CHARS: usize = 500;
/// Longest time money may be set aside: a year.
const LONGEST_HOLD: i64 = 31_536_000;

/// An amount as it was asked for. Which currency is meant if none is named, the settings say.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedAmount {
    value: i64,
    currency: Option<money::Currency>,
}

impl AskedAmount {
    fn read(fields: &mut Fields) -> Option<Self> {
        let value = fields.amount("amount");
        let currency = currency(fields);
        let value = positive(fields, value)?;
        Some(Self { value, currency })
    }

    /// As an amount.
    ///
    /// # Errors
    /// 400 for what is too much to be counted, and for a currency that is not allowed.
    pub(super) fn resolve(self, config: &config::Payments) -> Result<Amount, Problem> {
        let currency = chosen(self.currency, config)?;
        Amount::new(self.value, currency).ok_or_else(|| beyond("amount"))
    }
}

/// The currency a request means.
///
/// # Errors
/// 400 for one that is not allowed.
pub(super) fn chosen(
    asked: Option<money::Currency>,
    config: &config::Payments,
) -> Result<money::Currency, Problem> {
    let Some(asked) = asked else { return Ok(config.currency) };
    if config.currencies.contains(&asked) {
        return Ok(asked);
    }
    let message = format!("\"{}\" is not a valid choice.", asked.as_str());
    Err(Problem::new(Code::Validation).with_field("currency", "invalid_choice", message))
}

fn beyond(field: &'static str) -> Problem {
    let message = "This is more than can be counted.";
    Problem::new(Code::Validation).with_field(field, "max_value", message)
}

fn currency(fields: &mut Fields) -> Option<money::Currency> {
    let word = fields.optional_text("currency", Text::any())?;
    let currency = money::Currency::parse(&word);
    if currency.is_none() {
        fields.error("currency", "invalid_choice", format!("\"{word}\" is not a valid choice."));
    }
    currency
}

fn positive(fields: &mut Fields, value: Option<i64>) -> Option<i64> {
    let value = value?;
    if value < 1 {
        let message = "Ensure this value is greater than or equal to 1.";
        fields.error("amount", "min_value", message);
        return None;
    }
    Some(value)
}

/// What a movement is about, in the shop's words.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Words {
    pub(super) order_id: String,
    pub(super) description: String,
}

impl Words {
    fn read(fields: &mut Fields) -> Self {
        let order_id = fields.optional_text("order_id", Text::max(ORDER_CHARS).or_blank());
        let description = fields.optional_text("description", Text::max(NOTE_CHARS).or_blank());
        Self {
            order_id: order_id.unwrap_or_default(),
            description: description.unwrap_or_default(),
        }
    }
}

/// How much moves, and what for: a part of requests.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct AskedMovement {
    /// How much, a whole number.
    #[oai(validator(minimum(value = "1")))]
    amount: i64,
    /// What it is counted in; that of the settings (`payments.currency`) if absent.
    #[oai(skip_serializing_if_is_none)]
    currency: Option<Currency>,
    /// Your own name for what it is for.
    #[oai(skip_serializing_if_is_none, validator(max_length = 64))]
    order_id: Option<String>,
    /// Words, which whoever it is about sees too.
    #[oai(skip_serializing_if_is_none, validator(max_length = 500))]
    description: Option<String>,
}

impl Example for AskedMovement {
    fn example() -> Self {
        Self {
            amount: 25_000,
            currency: Some(Currency::Irt),
            order_id: Some("order-1042".to_owned()),
            description: Some("Two tickets".to_owned()),
        }
    }
}

/// [`AskedMovement`], read.
pub(super) struct Movement {
    amount: AskedAmount,
    words: Words,
}

impl Movement {
    fn read(fields: &mut Fields) -> Option<Self> {
        let amount = AskedAmount::read(fields);
        let words = Words::read(fields);
        Some(Self { amount: amount?, words })
    }

    /// With the amount as one.
    ///
    /// # Errors
    /// As [`AskedAmount::resolve`].
    pub(super) fn resolve(self, config: &config::Payments) -> Result<(Amount, Words), Problem> {
        Ok((self.amount.resolve(config)?, self.words))
    }
}

/// A user pays the shop from the wallet.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SpendFromWallet {
    /// Whose wallet.
    user_id: i64,
    /// How much, and what for.
    #[oai(flatten)]
    movement: AskedMovement,
}

impl Example for SpendFromWallet {
    fn example() -> Self {
        Self { user_id: 17, movement: AskedMovement::example() }
    }
}

/// A spend, read.
pub(super) struct SpendAsked {
    pub(super) user_id: i64,
    pub(super) movement: Movement,
}

impl FromFields for SpendAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let user_id = fields.integer("user_id");
        let movement = Movement::read(fields);
        Some(Self { user_id: user_id?, movement: movement? })
    }
}

/// Money of a user's to set aside.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct HoldInWallet {
    /// Whose wallet.
    user_id: i64,
    /// How much, and what for.
    #[oai(flatten)]
    movement: AskedMovement,
    /// Seconds after which it goes back by itself; those of the settings (`wallets.hold_seconds`) if
    /// absent.
    #[oai(
        skip_serializing_if_is_none,
        validator(minimum(value = "1"), maximum(value = "31536000"))
    )]
    expires_in: Option<i64>,
}

impl Example for HoldInWallet {
    fn example() -> Self {
        let SpendFromWallet { user_id, movement } = SpendFromWallet::example();
        Self { user_id, movement, expires_in: Some(3_600) }
    }
}

/// A hold, read.
pub(super) struct HoldAsked {
    pub(super) spend: SpendAsked,
    pub(super) lasts: Option<TimeDelta>,
}

impl FromFields for HoldAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let seconds = fields.optional_integer("expires_in");
        if seconds.is_some_and(|seconds| !(1..=LONGEST_HOLD).contains(&seconds)) {
            let message = format!("Ensure this value is between 1 and {LONGEST_HOLD}.");
            fields.error("expires_in", "out_of_range", message);
        }
        let spend = SpendAsked::from_fields(fields)?;
        Some(Self { spend, lasts: seconds.and_then(TimeDelta::try_seconds) })
    }
}

/// How much of a hold to spend.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CaptureHold {
    /// How much, a whole number; the rest goes back. All of it if absent.
    #[oai(skip_serializing_if_is_none, validator(minimum(value = "1")))]
    amount: Option<i64>,
    /// What it is counted in; that of the settings (`payments.currency`) if absent.
    #[oai(skip_serializing_if_is_none)]
    currency: Option<Currency>,
}

impl Example for CaptureHold {
    fn example() -> Self {
        Self { amount: Some(20_000), currency: Some(Currency::Irt) }
    }
}

/// A capture, read.
pub(super) struct CaptureAsked {
    pub(super) value: Option<i64>,
    pub(super) currency: Option<money::Currency>,
}

impl CaptureAsked {
    /// As an amount; `None`: all of it.
    ///
    /// # Errors
    /// As [`AskedAmount::resolve`].
    pub(super) fn resolve(&self, config: &config::Payments) -> Result<Option<Amount>, Problem> {
        let currency = self.currency;
        let asked = self.value.map(|value| AskedAmount { value, currency });
        asked.map(|asked| asked.resolve(config)).transpose()
    }
}

impl FromFields for CaptureAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let value = fields.has("amount").then(|| fields.amount("amount")).flatten();
        let value = positive(fields, value);
        Some(Self { value, currency: currency(fields) })
    }
}

/// Giving back what was set aside asks for nothing more.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ReleaseHold {
    /// What the answer is counted in; that of the settings (`payments.currency`) if absent.
    #[oai(skip_serializing_if_is_none)]
    currency: Option<Currency>,
}

impl Example for ReleaseHold {
    fn example() -> Self {
        Self { currency: Some(Currency::Irt) }
    }
}

/// A release, read.
pub(super) struct ReleaseAsked {
    pub(super) currency: Option<money::Currency>,
}

impl FromFields for ReleaseAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { currency: currency(fields) })
    }
}

/// From one user's wallet to another's.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TransferBetweenWallets {
    /// Who gives.
    from_user_id: i64,
    /// Who gets.
    to_user_id: i64,
    /// How much, and what for.
    #[oai(flatten)]
    movement: AskedMovement,
}

impl Example for TransferBetweenWallets {
    fn example() -> Self {
        Self { from_user_id: 17, to_user_id: 18, movement: AskedMovement::example() }
    }
}

/// A transfer, read.
pub(super) struct TransferAsked {
    pub(super) from_user_id: i64,
    pub(super) to_user_id: i64,
    pub(super) movement: Movement,
}

impl FromFields for TransferAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let from = fields.integer("from_user_id");
        let to = fields.integer("to_user_id");
        if from.is_some() && from == to {
            fields.error("to_user_id", "invalid", "This is the same wallet.");
        }
        let movement = Movement::read(fields);
        Some(Self { from_user_id: from?, to_user_id: to?, movement: movement? })
    }
}

/// What staff give or take.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct AdjustWallet {
    /// What the wallet gets, a whole number; negative: gives.
    amount: i64,
    /// What it is counted in; that of the settings (`payments.currency`) if absent.
    #[oai(skip_serializing_if_is_none)]
    currency: Option<Currency>,
    /// Why. The wallet's owner does not see it.
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: String,
    /// The shop's own name for what it is about; its owner sees it.
    #[oai(skip_serializing_if_is_none, validator(max_length = 64))]
    order_id: Option<String>,
}

impl Example for AdjustWallet {
    fn example() -> Self {
        Self {
            amount: -5_000,
            currency: Some(Currency::Irt),
            reason: "Credited twice by telephone".to_owned(),
            order_id: Some("order-1042".to_owned()),
        }
    }
}

/// An adjustment, read.
pub(super) struct AdjustAsked {
    value: i64,
    currency: Option<money::Currency>,
    pub(super) reason: String,
    pub(super) order_id: String,
}

impl AdjustAsked {
    /// What the wallet gets or, negative, gives.
    ///
    /// # Errors
    /// As [`AskedAmount::resolve`].
    pub(super) fn resolve(
        &self,
        config: &config::Payments,
    ) -> Result<(Rials, money::Currency), Problem> {
        let value = self.value.checked_abs().ok_or_else(|| beyond("amount"))?;
        let amount = AskedAmount { value, currency: self.currency }.resolve(config)?;
        let rials = amount.rials().get();
        Ok((Rials::new(if self.value < 0 { -rials } else { rials }), amount.currency()))
    }
}

impl FromFields for AdjustAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let value = fields.amount("amount");
        if value == Some(0) {
            fields.error("amount", "invalid", "Nothing would change.");
        }
        let currency = currency(fields);
        let reason = fields.text("reason", Text::max(NOTE_CHARS));
        let order_id = fields.optional_text("order_id", Text::max(ORDER_CHARS).or_blank());
        let order_id = order_id.unwrap_or_default();
        Some(Self { value: value?, currency, reason: reason?, order_id })
    }
}
