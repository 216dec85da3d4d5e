//! Which queues rest, because staff said so: every worker reads it twice a second. Until it has, all
//! do, for nothing of a queue that rests is to be claimed, by whatever process.

use std::{sync::Arc, time::Duration};

use shared::{admin::queues, jobs::Queue, telemetry::QUEUE_PAUSED};
use sqlx::PgPool;
use tokio::{sync::watch, time::MissedTickBehavior};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which queues rest, as one process knows it.
#[derive(Debug, Clone)]
pub struct Pauses(Arc<[watch::Sender<bool>; Queue::ALL.len()]>);

impl Default for Pauses {
    fn default() -> Self {
        Self(Arc::new(Queue::ALL.map(|_| watch::Sender::new(true))))
    }
}

impl Pauses {
    /// Whether nothing of the queue may be claimed.
    pub fn rests(&self, queue: Queue) -> bool {
        *self.0[queue as usize].borrow()
    }

    /// The same, to be waited for.
    pub fn watch(&self, queue: Queue) -> watch::Receiver<bool> {
        self.0[queue as usize].subscribe()
    }

    /// Reads, for as long as its runtime lives. While the database is away what was read holds.
    pub async fn follow(self, pool: PgPool) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            match queues::paused(&pool).await {
                Ok(paused) => self.set(&paused),
                Err(error) => tracing::warn!(%error, "it is not known which queues rest"),
            }
        }
    }

    fn set(&self, paused: &[String]) {
        for (queue, rests) in Queue::ALL.into_iter().zip(self.0.iter()) {
            let now = paused.iter().any(|name| name == queue.name());
            let changed = rests.send_if_modified(|was| std::mem::replace(was, now) != now);
            if changed {
                tracing::info!(queue = queue.name(), rests = now, "queue rests or goes on");
            }
            QUEUE_PAUSED.with_label_values(&[queue.name()]).set(now.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_rests_until_it_is_known_which_do() {
        let pauses = Pauses::default();
        assert!(Queue::ALL.into_iter().all(|queue| pauses.rests(queue)));
        pauses.set(&["sms".to_owned(), "unknown".to_owned()]);
        let resting: Vec<_> = Queue::ALL.into_iter().filter(|queue| pauses.rests(*queue)).collect();
        assert_eq!(resting, [Queue::Sms]);
    }
}
