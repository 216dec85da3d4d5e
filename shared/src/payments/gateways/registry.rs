//! The registry: which gateways are configured, each behind a circuit breaker.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgPool;

use super::{
    Capabilities, NewPage, Opened, Page, PaymentGateway, Returned, Said, Standing, Unanswered,
    Unverified, Verified, payping, sandbox, zarinpal, zibal,
};
use crate::{
    breaker::{Admission, Breaker, Health},
    config::{Config, ConfigError},
    http_client::Timeouts,
    settings::Account,
    telemetry::{GATEWAY_BREAKER, GATEWAY_CALLS, GATEWAY_SECONDS},
};

pub use crate::settings::Problem;

/// What every gateway is built with besides its own table.
#[derive(Clone)]
pub struct Setup {
    /// How long one exchange may take.
    pub timeouts: Timeouts,
    /// `http.public_url`.
    pub public_url: String,
    /// Where the sandbox keeps its pages; `None` while a configuration is only checked.
    pub pool: Option<PgPool>,
}

/// Every gateway a configured account can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PayPing v3.
    PayPing,
    /// The built-in one, for trying out.
    Sandbox,
    /// ZarinPal v4.
    ZarinPal,
    /// Zibal.
    Zibal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::PayPing, Self::Sandbox, Self::ZarinPal, Self::Zibal];

    /// Reads `kind`, in any case, including the names the systems we replace used.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "payping" | "payping_ir" => Some(Self::PayPing),
            "sandbox" => Some(Self::Sandbox),
            "zarinpal" | "zarinpal_com" => Some(Self::ZarinPal),
            "zibal" | "zibal_ir" => Some(Self::Zibal),
            _ => None,
        }
    }
}

/// The configured gateways, those too that no request may name any more: what they began they
/// finish.
pub struct Gateways(Vec<Guarded>);

impl Gateways {
    /// Builds them. What is wrong with any is added to `errors`.
    pub fn build(config: &Config, pool: Option<&PgPool>, errors: &mut Vec<ConfigError>) -> Self {
        let setup = Setup {
            timeouts: Timeouts {
                connect: config.payments.connect_timeout(),
                budget: config.payments.budget(),
            },
            public_url: config.http.public_url.clone(),
            pool: pool.cloned(),
        };
        let mut built = Vec::new();
        for name in config.gateway_names() {
            let table = config.payments.gateways.get(&name).cloned().unwrap_or_default();
            let kind = config.payments.kind(&name);
            let section = "payments.gateways";
            let account = Account { section, name: &name, table: &table, setup: &setup };
            built.extend(build_one(&account, kind, errors));
        }
        Self(built.into_iter().map(Guarded::new).collect())
    }

    /// The gateway with this name.
    pub fn get(&self, name: &str) -> Option<&Guarded> {
        self.0.iter().find(|gateway| gateway.name() == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Guarded> {
        self.0.iter()
    }
}

fn build_one(
    account: &Account<'_, Setup>,
    kind: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<Arc<dyn PaymentGateway>> {
    match Kind::parse(kind) {
        Some(Kind::Sandbox) => built(account, errors, sandbox::Sandbox::new),
        Some(Kind::ZarinPal) => built(account, errors, zarinpal::ZarinPal::new),
        Some(Kind::PayPing) => built(account, errors, payping::PayPing::new),
        Some(Kind::Zibal) => built(account, errors, zibal::Zibal::new),
        None => {
            let message = "is no known kind of gateway: payping, sandbox, zarinpal, zibal";
            account.report(vec![Problem::new("kind", message)], errors);
            None
        }
    }
}

/// The gateway that `new` makes of its table.
fn built<C: DeserializeOwned, G: PaymentGateway + 'static>(
    account: &Account<'_, Setup>,
    errors: &mut Vec<ConfigError>,
    new: impl FnOnce(&str, &C, &Setup) -> Result<G, Vec<Problem>>,
) -> Option<Arc<dyn PaymentGateway>> {
    Some(Arc::new(account.build(errors, new)?))
}

/// A gateway behind its breaker: while that is open, nothing is asked and every answer is "later".
pub struct Guarded {
    gateway: Arc<dyn PaymentGateway>,
    breaker: Mutex<Breaker>,
}

impl Guarded {
    /// Guards one gateway.
    pub fn new(gateway: Arc<dyn PaymentGateway>) -> Self {
        Self { gateway, breaker: Mutex::new(Breaker::closed()) }
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        self.gateway.name()
    }

    /// What the systems we replace call it.
    pub fn title(&self) -> &'static str {
        self.gateway.title()
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.gateway.capabilities()
    }

    /// See [`PaymentGateway::open`].
    pub async fn open(&self, page: &NewPage) -> Opened {
        let Some(admission) = self.admit() else { return Opened::RetryLater(resting()) };
        let _timer = self.timer("open");
        let opened = self.gateway.open(page).await;
        let (outcome, health) = match &opened {
            Opened::Page { .. } => ("opened", Health::Good),
            Opened::Refused(_) => ("refused", Health::Good),
            Opened::Account(_) => ("account", Health::Bad),
            Opened::RetryLater(_) => ("retry_later", Health::Bad),
            Opened::Unknown(_) => ("unknown", Health::Bad),
        };
        self.record(admission, health, "open", outcome);
        opened
    }

    /// See [`PaymentGateway::verify`].
    pub async fn verify(&self, page: &Page) -> Verified {
        let Some(admission) = self.admit() else {
            return Verified::RetryLater { after: None, said: resting() };
        };
        let _timer = self.timer("verify");
        let verified = self.gateway.verify(page).await;
        let (outcome, health) = match &verified {
            Verified::Paid(_) => ("paid", Health::Good),
            Verified::Processing(_) => ("processing", Health::Good),
            Verified::NotPaid(_) => ("not_paid", Health::Good),
            Verified::Mismatch(_) => ("mismatch", Health::Good),
            Verified::NotFound(_) => ("not_found", Health::Good),
            Verified::NoReference => ("no_reference", Health::Good),
            Verified::Account(_) => ("account", Health::Bad),
            Verified::RetryLater { .. } => ("retry_later", Health::Bad),
            Verified::Unknown(_) => ("unknown", Health::Bad),
        };
        self.record(admission, health, "verify", outcome);
        verified
    }

    /// See [`PaymentGateway::inquire`].
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn inquire(&self, page: &Page) -> Result<Standing, Unanswered> {
        self.ask("inquire", self.gateway.inquire(page)).await
    }

    /// See [`PaymentGateway::unverified`].
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn unverified(&self) -> Result<Vec<Unverified>, Unanswered> {
        self.ask("unverified", self.gateway.unverified()).await
    }

    /// See [`PaymentGateway::reverse`].
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn reverse(&self, page: &Page) -> Result<Returned, Unanswered> {
        self.ask("reverse", self.gateway.reverse(page)).await
    }

    /// See [`PaymentGateway::refund`].
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn refund(&self, page: &Page, reason: &str) -> Result<Returned, Unanswered> {
        self.ask("refund", self.gateway.refund(page, reason)).await
    }

    async fn ask<T>(
        &self,
        call: &str,
        question: impl Future<Output = Result<T, Unanswered>>,
    ) -> Result<T, Unanswered> {
        let Some(admission) = self.admit() else {
            return Err(Unanswered::Unavailable("breaker".to_owned()));
        };
        let _timer = self.timer(call);
        let answer = question.await;
        let (outcome, health) = match &answer {
            Ok(_) => ("answered", Health::Good),
            Err(Unanswered::Unsupported) => ("unsupported", Health::Good),
            Err(Unanswered::Unavailable(_)) => ("unavailable", Health::Bad),
        };
        self.record(admission, health, call, outcome);
        answer
    }

    fn timer(&self, call: &str) -> prometheus::HistogramTimer {
        GATEWAY_SECONDS.with_label_values(&[self.name(), call]).start_timer()
    }

    fn admit(&self) -> Option<Admission> {
        self.breaker().admit(Instant::now())
    }

    fn record(&self, admission: Admission, health: Health, call: &str, outcome: &str) {
        GATEWAY_CALLS.with_label_values(&[self.name(), call, outcome]).inc();
        let mut breaker = self.breaker();
        breaker.record(admission, health, Instant::now());
        GATEWAY_BREAKER.with_label_values(&[self.name()]).set(breaker.state() as i64);
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().expect("no holder of this lock panics")
    }
}

fn resting() -> Said {
    let reason = "breaker".to_owned();
    Said { code: None, reason, message: String::new(), answer: Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and titles of the gateways built, and the errors.
    fn outcome(gateways: &str) -> (Vec<(String, &'static str)>, Vec<String>) {
        let mut config = Config::default();
        config.payments.gateways = toml::from_str(gateways).unwrap();
        let mut errors = Vec::new();
        let built = Gateways::build(&config, None, &mut errors);
        let names = built.iter().map(|gateway| (gateway.name().to_owned(), gateway.title()));
        (names.collect(), errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn kinds_are_read_under_their_old_names_too() {
        let (built, errors) = outcome(
            r#"
            [a]
            kind = "ZARINPAL_COM"
            merchant_id = "1344b5d4-0048-11e8-94db-005056a205be"
            [b]
            kind = "PAYPING_IR"
            merchant_id = "token"
            [payping]
            token = "token"
            reversible = true
            [zibal]
            merchant = "merchant"
            "#,
        );
        assert_eq!(errors, [""; 0]);
        let expected = [
            ("a", "ZARINPAL_COM"),
            ("b", "PAYPING_IR"),
            ("payping", "PAYPING_IR"),
            ("zibal", "ZIBAL_IR"),
        ];
        assert_eq!(built, expected.map(|(name, title)| (name.to_owned(), title)));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path_and_without_its_value() {
        let (built, errors) = outcome(
            r#"
            [a]
            kind = "paypal"
            [payping]
            token = "s3cret with spaces"
            [zarinpal]
            merchant_id = "s3cret"
            access_token = "s3cret"
            [zibal]
            colour = "s3cret"
            "#,
        );
        assert_eq!(built, []);
        let paths: Vec<_> = errors.iter().filter_map(|error| error.split(':').next()).collect();
        let expected = [
            "payments.gateways.a.kind",
            "payments.gateways.payping.token",
            "payments.gateways.zarinpal.merchant_id",
            "payments.gateways.zarinpal.terminal_id",
            "payments.gateways.zibal.merchant",
            "payments.gateways.zibal.colour",
        ];
        assert_eq!(paths, expected);
        assert!(!errors.concat().contains("s3cret"), "{errors:?}");
    }
}
