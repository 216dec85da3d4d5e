//! Payments: a user is sent to a gateway's page, comes back or not, and what the gateway itself says
//! counts. Nothing that a payer's browser brings changes anything: it only says "look now".

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{clock::SharedClock, config::Config, webhooks::Outbox};

pub mod callbacks;
pub mod cards;
pub mod gateways;
pub mod reconcile;
pub mod returns;
pub mod state;
mod store;

use self::gateways::Gateways;
pub use self::state::State;

/// Payments over one database and the configured gateways.
#[derive(Clone)]
pub struct Payments {
    pool: PgPool,
    clock: SharedClock,
    outbox: Outbox,
    gateways: Arc<Gateways>,
    config: Arc<Config>,
}

impl Payments {
    /// The feature over one database.
    pub fn new(
        pool: PgPool,
        clock: SharedClock,
        outbox: Outbox,
        config: &Config,
        gateways: Gateways,
    ) -> Self {
        let (gateways, config) = (Arc::new(gateways), Arc::new(config.clone()));
        Self { pool, clock, outbox, gateways, config }
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The configured gateways.
    pub fn gateways(&self) -> &Gateways {
        &self.gateways
    }
}

/// Our own name for a page, unique at every gateway.
fn client_ref(handle: &str, page_id: i64) -> String {
    format!("peyk-{handle}-{page_id}")
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
