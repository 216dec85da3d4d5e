//! Bodies of `wallet/…`.

use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use serde::Serialize;
use shared::{
    config,
    money::{self, Amount, Rials},
    wallets::{
        Kind,
        holds::{self, HoldState},
        read::{Balance, Entry, Movement},
    },
};

use crate::{
    error::{Code, Problem},
    input::{Fields, FromFields, Text},
    timestamp::Timestamp,
};

/// Longest name a shop has for what money moves for.
const ORDER_CHARS: usize = 64;
/// Longest words for people.
const NOTE_CHARS: usize = 500;
/// Longest time money may be set aside: a year.
const LONGEST_HOLD: i64 = 31_536_000;

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

/// What moved money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum EntryKind {
    /// A payment came in.
    Payment,
    /// A payment was paid out again.
    Refund,
    /// A payment was taken back.
    Reversal,
    /// The shop was paid from the wallet.
    Spend,
    /// Something was set aside.
    Hold,
    /// What was set aside was spent in part, and the rest came back.
    Capture,
    /// What was set aside came back.
    Release,
    /// From one user to another.
    Transfer,
    /// By staff.
    Adjustment,
    /// What the wallet held in the system it came from.
    Import,
}

impl From<Kind> for EntryKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Payment => Self::Payment,
            Kind::Refund => Self::Refund,
            Kind::Reversal => Self::Reversal,
            Kind::Spend => Self::Spend,
            Kind::Hold => Self::Hold,
            Kind::Capture => Self::Capture,
            Kind::Release => Self::Release,
            Kind::Transfer => Self::Transfer,
            Kind::Adjustment => Self::Adjustment,
            Kind::Import => Self::Import,
        }
    }
}

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

/// A user pays the shop from the wallet.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SpendFromWallet {
    /// Whose wallet.
    user_id: i64,
    /// How much, a whole number.
    #[oai(validator(minimum(value = "1")))]
    amount: i64,
    /// What it is counted in; that of the settings (`payments.currency`) if absent.
    #[oai(skip_serializing_if_is_none)]
    currency: Option<Currency>,
    /// Your own name for what it is for.
    #[oai(skip_serializing_if_is_none, validator(max_length = 64))]
    order_id: Option<String>,
    /// Words, which the user sees too.
    #[oai(skip_serializing_if_is_none, validator(max_length = 500))]
    description: Option<String>,
}

impl Example for SpendFromWallet {
    fn example() -> Self {
        Self {
            user_id: 17,
            amount: 25_000,
            currency: Some(Currency::Irt),
            order_id: Some("order-1042".to_owned()),
            description: Some("Two tickets".to_owned()),
        }
    }
}

/// A spend, read.
pub(super) struct SpendAsked {
    pub(super) user_id: i64,
    pub(super) amount: AskedAmount,
    pub(super) words: Words,
}

impl FromFields for SpendAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let user_id = fields.integer("user_id");
        let amount = AskedAmount::read(fields);
        let words = Words::read(fields);
        Some(Self { user_id: user_id?, amount: amount?, words })
    }
}

/// Money of a user's to set aside.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct HoldInWallet {
    /// Whose wallet.
    user_id: i64,
    /// How much, a whole number.
    #[oai(validator(minimum(value = "1")))]
    amount: i64,
    /// What it is counted in; that of the settings (`payments.currency`) if absent.
    #[oai(skip_serializing_if_is_none)]
    currency: Option<Currency>,
    /// Your own name for what it is for.
    #[oai(skip_serializing_if_is_none, validator(max_length = 64))]
    order_id: Option<String>,
    /// Words, which the user sees too.
    #[oai(skip_serializing_if_is_none, validator(max_length = 500))]
    description: Option<String>,
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
        let SpendFromWallet { user_id, amount, currency, order_id, description } =
            SpendFromWallet::example();
        Self { user_id, amount, currency, order_id, description, expires_in: Some(3_600) }
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
    /// How much, a whole number.
    #[oai(validator(minimum(value = "1")))]
    amount: i64,
    /// What it is counted in; that of the settings (`payments.currency`) if absent.
    #[oai(skip_serializing_if_is_none)]
    currency: Option<Currency>,
    /// Your own name for what it is for.
    #[oai(skip_serializing_if_is_none, validator(max_length = 64))]
    order_id: Option<String>,
    /// Words, which both users see too.
    #[oai(skip_serializing_if_is_none, validator(max_length = 500))]
    description: Option<String>,
}

impl Example for TransferBetweenWallets {
    fn example() -> Self {
        Self {
            from_user_id: 17,
            to_user_id: 18,
            amount: 25_000,
            currency: Some(Currency::Irt),
            order_id: Some("order-1042".to_owned()),
            description: Some("Your share".to_owned()),
        }
    }
}

/// A transfer, read.
pub(super) struct TransferAsked {
    pub(super) from_user_id: i64,
    pub(super) to_user_id: i64,
    pub(super) amount: AskedAmount,
    pub(super) words: Words,
}

impl FromFields for TransferAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let from = fields.integer("from_user_id");
        let to = fields.integer("to_user_id");
        if from.is_some() && from == to {
            fields.error("to_user_id", "invalid", "This is the same wallet.");
        }
        let amount = AskedAmount::read(fields);
        let words = Words::read(fields);
        Some(Self { from_user_id: from?, to_user_id: to?, amount: amount?, words })
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

/// What somebody has.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Wallet {
    /// Whose it is.
    user_id: i64,
    /// What may be spent, in whole units of `currency`; what is less than one is cut off.
    amount: i64,
    /// That of the settings.
    currency: Currency,
    /// What may be spent, in rials.
    balance_rials: i64,
    /// What is set aside beside it, in rials.
    held_rials: i64,
}

impl Wallet {
    pub(super) fn new(balance: Balance, currency: money::Currency) -> Self {
        Self {
            user_id: balance.user_id,
            amount: balance.balance.shown_in(currency),
            currency: currency.into(),
            balance_rials: balance.balance.get(),
            held_rials: balance.held.get(),
        }
    }
}

impl Example for Wallet {
    fn example() -> Self {
        Self {
            user_id: 17,
            amount: 125_000,
            currency: Currency::Irt,
            balance_rials: 1_250_000,
            held_rials: 250_000,
        }
    }
}

/// Something that went through a wallet.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WalletEntry {
    /// The entry.
    id: i64,
    /// The movement it is a side of.
    transaction_id: i64,
    /// What that was.
    kind: EntryKind,
    /// What the wallet got, negative: gave, in whole units of `currency`.
    amount: i64,
    /// That of the settings.
    currency: Currency,
    /// What the wallet got, in rials; negative: gave.
    amount_rials: i64,
    /// What it held then, in rials.
    balance_rials: i64,
    /// The shop's own name for what it was about; may be empty.
    order_id: String,
    /// Words; may be empty. The reason of an adjustment is shown to staff alone.
    description: String,
    /// When.
    created_at: Timestamp,
}

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Viewer {
    /// Somebody on the staff.
    Staff,
    /// Anybody else.
    Outside,
}

impl WalletEntry {
    pub(super) fn new(entry: Entry, currency: money::Currency, viewer: Viewer) -> Self {
        let shown = entry.kind != Kind::Adjustment || viewer == Viewer::Staff;
        Self {
            id: entry.id,
            transaction_id: entry.transaction_id,
            kind: entry.kind.into(),
            amount: entry.amount.shown_in(currency),
            currency: currency.into(),
            amount_rials: entry.amount.get(),
            balance_rials: entry.balance.get(),
            order_id: entry.reference,
            description: if shown { entry.note } else { String::new() },
            created_at: Timestamp(entry.created_at),
        }
    }
}

impl Example for WalletEntry {
    fn example() -> Self {
        Self {
            id: 141,
            transaction_id: 97,
            kind: EntryKind::Spend,
            amount: -25_000,
            currency: Currency::Irt,
            amount_rials: -250_000,
            balance_rials: 1_250_000,
            order_id: "order-1042".to_owned(),
            description: "Two tickets".to_owned(),
            created_at: Timestamp(example_moment()),
        }
    }
}

/// A page of what went through a wallet.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WalletEntryPage {
    /// The next page; null on the last.
    pub(super) next: Option<String>,
    /// Pages go one way: always null.
    pub(super) previous: Option<String>,
    /// The entries, newest first.
    pub(super) results: Vec<WalletEntry>,
}

impl Example for WalletEntryPage {
    fn example() -> Self {
        let url = |before: i64| format!("https://peyk.example/api/wallet/entries/?before={before}");
        let results = vec![WalletEntry::example()];
        Self { next: Some(url(141)), previous: Some(url(241)), results }
    }
}

/// A movement that was carried out.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WalletMovement {
    /// The movement.
    id: i64,
    /// What it was.
    kind: EntryKind,
    /// Whose wallet it was about; of a transfer, who gave.
    user_id: i64,
    /// Of a transfer: who got.
    #[oai(skip_serializing_if_is_none)]
    to_user_id: Option<i64>,
    /// As it was asked for.
    amount: i64,
    /// What `amount` is counted in.
    currency: Currency,
    /// The same in rials.
    amount_rials: i64,
    /// What the wallet held then, in rials.
    balance_rials: i64,
    /// The shop's own name for what it was about; may be empty.
    order_id: String,
    /// Words; may be empty.
    description: String,
    /// When.
    created_at: Timestamp,
}

impl WalletMovement {
    /// `asked`: what was asked for, signed where an adjustment is.
    pub(super) fn new(
        (user_id, to_user_id): (i64, Option<i64>),
        asked: (Rials, money::Currency),
        movement: Movement,
    ) -> Self {
        let (rials, currency) = asked;
        Self {
            id: movement.id,
            kind: movement.kind.into(),
            user_id,
            to_user_id,
            amount: rials.shown_in(currency),
            currency: currency.into(),
            amount_rials: rials.get(),
            balance_rials: movement.balance.get(),
            order_id: movement.reference,
            description: movement.note,
            created_at: Timestamp(movement.created_at),
        }
    }
}

impl Example for WalletMovement {
    fn example() -> Self {
        Self {
            id: 97,
            kind: EntryKind::Transfer,
            user_id: 17,
            to_user_id: Some(18),
            amount: 25_000,
            currency: Currency::Irt,
            amount_rials: 250_000,
            balance_rials: 1_000_000,
            order_id: "order-1042".to_owned(),
            description: "Your share".to_owned(),
            created_at: Timestamp(example_moment()),
        }
    }
}

/// How what was set aside stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum WalletHoldState {
    /// It is set aside.
    Held,
    /// It was spent, or a part of it.
    Captured,
    /// It went back because somebody said so.
    Released,
    /// It went back by itself.
    Expired,
}

impl From<HoldState> for WalletHoldState {
    fn from(state: HoldState) -> Self {
        match state {
            HoldState::Held => Self::Held,
            HoldState::Captured => Self::Captured,
            HoldState::Released => Self::Released,
            HoldState::Expired => Self::Expired,
        }
    }
}

/// Money that was set aside.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WalletHold {
    /// The hold.
    id: i64,
    /// Whose.
    user_id: i64,
    /// How it stands now.
    state: WalletHoldState,
    /// How much was set aside, in whole units of `currency`.
    amount: i64,
    /// That of the request.
    currency: Currency,
    /// How much was set aside, in rials.
    amount_rials: i64,
    /// How much of it was spent, in rials; null unless it was.
    captured_rials: Option<i64>,
    /// The shop's own name for what it is about; may be empty.
    order_id: String,
    /// Words; may be empty.
    description: String,
    /// When it was set aside.
    created_at: Timestamp,
    /// When it goes back by itself.
    expires_at: Timestamp,
    /// When it was spent or went back; null before.
    ended_at: Option<Timestamp>,
}

impl WalletHold {
    pub(super) fn new(hold: holds::Hold, currency: money::Currency) -> Self {
        Self {
            id: hold.id,
            user_id: hold.user_id,
            state: hold.state.into(),
            amount: hold.amount.shown_in(currency),
            currency: currency.into(),
            amount_rials: hold.amount.get(),
            captured_rials: hold.captured.map(Rials::get),
            order_id: hold.reference,
            description: hold.note,
            created_at: Timestamp(hold.created_at),
            expires_at: Timestamp(hold.expires_at),
            ended_at: hold.ended_at.map(Timestamp),
        }
    }
}

impl Example for WalletHold {
    fn example() -> Self {
        Self {
            id: 41,
            user_id: 17,
            state: WalletHoldState::Captured,
            amount: 25_000,
            currency: Currency::Irt,
            amount_rials: 250_000,
            captured_rials: Some(200_000),
            order_id: "order-1042".to_owned(),
            description: "Two tickets".to_owned(),
            created_at: Timestamp(example_moment()),
            expires_at: Timestamp(example_moment() + TimeDelta::hours(1)),
            ended_at: Some(Timestamp(example_moment() + TimeDelta::minutes(7))),
        }
    }
}

fn example_moment() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_600)
}
