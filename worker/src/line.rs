//! The line of a provider: so many texts in any second, all workers together. Codes pass.
//!
//! Who finds no room waits before anything is claimed, a few at a time, so that waiting costs
//! neither statements nor attempts. Texts to one take what they find at once; texts to many only
//! look, because what they are to claim may be gone, and so come behind them.

use std::time::Duration;

use shared::{
    config::Rate,
    jobs::Queue,
    limits::{Ask, Limiter, Policy},
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Shortest pause between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// The bound of one provider.
pub struct Line {
    limiter: Limiter,
    provider: String,
    policy: Policy,
    /// Who may look for room at once, for each queue: as many as may find some.
    turns: [Semaphore; Queue::ALL.len()],
}

/// The right to claim what the line has room for.
#[derive(Debug)]
pub struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    /// Texts there was room for, as far as is known.
    pub room: usize,
    /// The provider on whose line room for one text has been taken already.
    pub taken: Option<&'a str>,
}

impl Turn<'_> {
    /// That of a line without a bound.
    pub fn free() -> Self {
        Self { _permit: None, room: usize::MAX, taken: None }
    }
}

/// What a line took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Of the texts, the first so many.
    pub texts: usize,
    /// When there is room for another; for the rest.
    pub more_after: Duration,
}

impl Line {
    /// The line of the provider of this name.
    pub fn new(provider: &str, per_second: u32, limiter: Limiter) -> Self {
        let at_once = (per_second / 10).max(1) as usize;
        Self {
            limiter,
            provider: provider.to_owned(),
            policy: Policy { name: "sms-line", rate: Rate { count: per_second, seconds: 1 } },
            turns: Queue::ALL.map(|_| Semaphore::new(at_once)),
        }
    }

    /// Waits for room; `None` when there is none within `patience`.
    pub async fn turn(&self, queue: Queue, patience: Duration) -> Option<Turn<'_>> {
        let waiting = async {
            let turn = self.turns[queue as usize].acquire().await.ok()?;
            let provider = self.provider.as_str();
            let taken = (queue != Queue::Bulk).then_some(provider);
            let ask = if taken.is_some() { Ask::spend } else { Ask::look };
            let ask = [ask(self.policy, provider).paced()];
            loop {
                let standing = *self.limiter.ask(&ask).await.first()?;
                if !standing.refused {
                    let room = (standing.remaining as usize).max(1);
                    return Some(Turn { _permit: Some(turn), room, taken });
                }
                tokio::time::sleep(standing.more_after.max(SHORTEST_PAUSE)).await;
            }
        };
        tokio::time::timeout(patience, waiting).await.ok().flatten()
    }

    /// Takes room for so many texts, or for the first of them.
    pub async fn take(&self, texts: usize) -> Room {
        let asks = vec![Ask::spend(self.policy, self.provider.as_str()).paced(); texts];
        let standings = self.limiter.ask(&asks).await;
        let refused = standings.iter().find(|standing| standing.refused);
        Room {
            texts: standings.iter().take_while(|standing| !standing.refused).count(),
            more_after: refused.map_or(Duration::ZERO, |standing| standing.more_after),
        }
    }
}
