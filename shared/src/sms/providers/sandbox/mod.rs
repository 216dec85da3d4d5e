//! The provider of sandbox mode: it takes every message and sends none.
//!
//! What it "delivered" is read from the database by the inbox page, not kept here. Three endings
//! of a number rehearse the failures of real providers:
//!
//! | number ends in | answer |
//! |---|---|
//! | `00001` | refused for good (`sandbox.refused`, about the recipient) |
//! | `00002` | "try again later", every time (`sandbox.later`) |
//! | `00003` | none: the budget runs out and the outcome is unknown (`sandbox.timeout`) |
//!
//! All other numbers get what people have planned at `/sandbox/faults`: see [`faults`].

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgPool;

use self::faults::Fault;
use super::{Lookup, Outcome, OutgoingSms, Problem, Rejection, Setup, SmsProvider};

pub mod faults;
mod store;

/// The settings of a sandbox provider: none. Keys other than `kind` are start-up errors.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub struct Config {}

/// Takes every message and sends none.
#[derive(Debug)]
pub struct Sandbox {
    name: String,
    budget: Duration,
    /// Where faults are planned; `None`: nowhere.
    pool: Option<PgPool>,
}

impl Sandbox {
    /// A sandbox that is silent for `budget` where it plays one that never answers.
    pub fn new(name: &str, budget: Duration) -> Self {
        Self { name: name.to_owned(), budget, pool: None }
    }

    /// The same with the faults that are planned in this database.
    #[must_use]
    pub fn over(self, pool: Option<&PgPool>) -> Self {
        Self { pool: pool.cloned(), ..self }
    }

    /// As [`Sandbox::new`], from its table, which is empty.
    ///
    /// # Errors
    /// None: it fits the registry.
    pub fn configured(name: &str, _: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        Ok(Self::new(name, setup.timeouts.budget))
    }
}

#[async_trait]
impl SmsProvider for Sandbox {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        match Rehearsal::of(sms) {
            Rehearsal::Accept => self.carry(sms).await,
            Rehearsal::Refuse => Outcome::Rejected {
                reason: Rejection::Recipient,
                code: "sandbox.refused".to_owned(),
            },
            Rehearsal::Later => {
                Outcome::RetryLater { after: None, code: "sandbox.later".to_owned() }
            }
            Rehearsal::Silence => {
                tokio::time::sleep(self.budget).await;
                Outcome::Unknown { code: "sandbox.timeout".to_owned() }
            }
        }
    }

    /// Nothing ever left this process, so sending again is safe; except where silence is
    /// rehearsed, which is silent here too.
    async fn lookup(&self, sms: &OutgoingSms) -> Lookup {
        match Rehearsal::of(sms) {
            Rehearsal::Silence => Lookup::Unavailable { code: "sandbox.timeout".to_owned() },
            _ if self.has_carried(sms).await => {
                Lookup::Found { provider_message_id: Some(id_of(sms)) }
            }
            _ => Lookup::NotFound,
        }
    }
}

impl Sandbox {
    /// Takes it, unless something else is planned.
    async fn carry(&self, sms: &OutgoingSms) -> Outcome {
        match self.fault(sms).await {
            Some(Fault::Refuse) => {
                return Outcome::Rejected {
                    reason: Rejection::Request,
                    code: "sandbox.fault_refuse".to_owned(),
                };
            }
            Some(Fault::TimeOut) => {
                tokio::time::sleep(self.budget).await;
                return Outcome::Unknown { code: "sandbox.fault_time_out".to_owned() };
            }
            Some(Fault::Slow) => tokio::time::sleep(self.budget * 3 / 4).await,
            None => {}
        }
        Outcome::Accepted { provider_message_id: Some(id_of(sms)) }
    }

    /// No playing is worth a text: without the database there is no fault.
    async fn fault(&self, sms: &OutgoingSms) -> Option<Fault> {
        let taken = store::take(self.pool.as_ref()?, &self.name, sms.local_id).await;
        taken.inspect_err(|error| tracing::debug!(%error, "faults cannot be read")).ok()?
    }

    /// Whether it carried a text that it did not answer for.
    async fn has_carried(&self, sms: &OutgoingSms) -> bool {
        let Some(pool) = &self.pool else { return false };
        store::was_carried(pool, &self.name, sms.local_id).await.unwrap_or(false)
    }
}

fn id_of(sms: &OutgoingSms) -> String {
    format!("sandbox-{}", sms.local_id)
}

/// What the number asks for.
enum Rehearsal {
    Accept,
    Refuse,
    Later,
    Silence,
}

impl Rehearsal {
    fn of(sms: &OutgoingSms) -> Self {
        let number = sms.to.as_e164();
        if number.ends_with("00001") {
            Self::Refuse
        } else if number.ends_with("00002") {
            Self::Later
        } else if number.ends_with("00003") {
            Self::Silence
        } else {
            Self::Accept
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::PhoneNumber;
    use crate::sms::providers::Content;

    fn sms(to: &str) -> OutgoingSms {
        OutgoingSms {
            to: PhoneNumber::from_e164(to).unwrap(),
            content: Content::Text("hello".to_owned()),
            local_id: 7,
            accepted_at: chrono::DateTime::UNIX_EPOCH,
            expires_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn the_last_digits_choose_the_answer() {
        let budget = Duration::from_millis(20);
        let sandbox = Sandbox::new("sandbox", budget);
        let accepted = Outcome::Accepted { provider_message_id: Some("sandbox-7".to_owned()) };
        assert_eq!(sandbox.send(&sms("+989123456789")).await, accepted);
        assert!(matches!(
            sandbox.send(&sms("+989123400001")).await,
            Outcome::Rejected { reason: Rejection::Recipient, .. }
        ));
        assert!(matches!(
            sandbox.send(&sms("+989123400002")).await,
            Outcome::RetryLater { after: None, .. }
        ));
        let begun = std::time::Instant::now();
        assert!(matches!(sandbox.send(&sms("+989123400003")).await, Outcome::Unknown { .. }));
        assert!(begun.elapsed() >= budget);
    }

    #[tokio::test]
    async fn looking_up_never_claims_a_message_left() {
        let sandbox = Sandbox::new("sandbox", Duration::ZERO);
        assert_eq!(sandbox.lookup(&sms("+989123456789")).await, Lookup::NotFound);
        let silent = sandbox.lookup(&sms("+989123400003")).await;
        assert!(matches!(silent, Lookup::Unavailable { .. }));
    }
}
