//! What is answered of wallets.

use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use shared::{
    money::{self, Rials},
    wallets::{
        Kind,
        holds::{self, HoldState},
        read::{Balance, Entry, Movement},
    },
};

use crate::{currency::Currency, timestamp::Timestamp};

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
    /// How much of it was spent, in rials; absent unless it was.
    #[oai(skip_serializing_if_is_none)]
    captured_rials: Option<i64>,
    /// The shop's own name for what it is about; may be empty.
    order_id: String,
    /// Words; may be empty.
    description: String,
    /// When it was set aside.
    created_at: Timestamp,
    /// When it goes back by itself.
    expires_at: Timestamp,
    /// When it was spent or went back; absent before.
    #[oai(skip_serializing_if_is_none)]
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

pub(super) fn example_moment() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_600)
}
