//! Payments: a user is sent to a gateway's page, comes back or not, and what the gateway itself says
//! counts. Nothing that a payer's browser brings changes anything: it only says "look now".

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    clock::SharedClock, config::Config, money::Rials, phone::PhoneRules, webhooks::Outbox,
};

mod ask;
pub mod callbacks;
pub mod cards;
mod create;
pub mod decide;
pub mod gateways;
pub mod look;
mod pages;
mod read;
pub mod reconcile;
pub mod returns;
mod review;
mod settle;
pub mod state;
mod store;
mod targets;
pub mod verify;
mod watch;
mod wish;
mod writes;

pub use self::{
    create::{Begun, CreateError},
    pages::OpenPage,
    read::{Attempt, Page, Payment, Search, StaffPayment, Status},
    review::ReviewError,
    settle::Outcome,
    state::State,
    wish::{NewPayment, Wish, WishRefused, Wrong},
};
use self::{
    gateways::Gateways, pages::client_ref, settle::Settlements, targets::Hosts, writes::Writes,
};

/// Payments over one database and the configured gateways.
#[derive(Clone)]
pub struct Payments {
    pool: PgPool,
    clock: SharedClock,
    outbox: Outbox,
    gateways: Arc<Gateways>,
    config: Arc<Config>,
    callbacks: Arc<Hosts>,
    frontends: Arc<Hosts>,
    /// Those whose mobiles gateways know, whoever may log in.
    phones: PhoneRules,
    writes: Writes,
}

impl Payments {
    /// The feature over one database; starts batchers.
    ///
    /// # Panics
    /// Never: there is a country of that name.
    pub fn new(
        pool: PgPool,
        clock: SharedClock,
        outbox: Outbox,
        config: &Config,
        gateways: Gateways,
    ) -> Self {
        let settlements = Settlements {
            clock: clock.clone(),
            outbox: outbox.clone(),
            most: Rials::new(config.wallets.most_rials),
        };
        let lease = config.payments.lease();
        Self {
            writes: Writes::start(&pool, clock.clone(), lease, settlements),
            pool,
            clock,
            outbox,
            gateways: Arc::new(gateways),
            callbacks: Arc::new(Hosts::of_callbacks(config)),
            frontends: Arc::new(Hosts::of_frontends(config)),
            phones: PhoneRules::new(&["IR".to_owned()], "IR").expect("there is such a country"),
            config: Arc::new(config.clone()),
        }
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Where anybody may ask how the payment with this handle stands.
    pub fn status_url(&self, handle: &str) -> String {
        format!("{}/payment/status/{handle}/", base_url(&self.config))
    }

    /// The configured gateways.
    pub fn gateways(&self) -> &Gateways {
        &self.gateways
    }
}

/// What the money of a payment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Purpose {
    /// It goes into the user's wallet: `pay_mode` 1.
    ChargeWallet,
    /// The shop has it: `pay_mode` 2.
    PayOnly,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ChargeWallet, Self::PayOnly];

    /// The word in the database, the settings and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChargeWallet => "charge_wallet",
            Self::PayOnly => "pay_only",
        }
    }

    /// The number of the old system.
    pub const fn pay_mode(self) -> i32 {
        match self {
            Self::ChargeWallet => 1,
            Self::PayOnly => 2,
        }
    }

    /// The purpose with this number.
    pub fn from_pay_mode(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| i64::from(purpose.pay_mode()) == number)
    }
}

/// Where the operations of this installation are.
fn base_url(config: &Config) -> String {
    let prefix = config.http.prefixes.first().map_or("", String::as_str);
    format!("{}{prefix}", config.http.public_url)
}

/// Takes out of the payments of somebody whose account is locked what names them.
///
/// # Errors
/// When the database refuses or is away.
pub async fn forget(connection: &mut PgConnection, user_id: i64) -> Result<(), sqlx::Error> {
    store::read::forget(connection, user_id).await
}
