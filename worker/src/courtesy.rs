//! Texts to many give way to codes: while codes come, they leave the processors and the database
//! more time than they take, as purges do; otherwise they go as fast as they can.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// How long after a code another one is expected.
const EXPECTED: Duration = Duration::from_secs(1);
/// How much longer than its work a pause is.
const TIMES: u32 = 3;
/// Longest pause.
const LONGEST: Duration = Duration::from_millis(300);

/// Whether codes come, in one process.
#[derive(Debug)]
pub struct Courtesy {
    begun: Instant,
    /// Milliseconds after `begun`; 0 before the first one.
    last_code: AtomicU64,
}

impl Default for Courtesy {
    fn default() -> Self {
        Self { begun: Instant::now(), last_code: AtomicU64::new(0) }
    }
}

impl Courtesy {
    /// Notes that there is a code to send.
    pub fn note_code(&self) {
        self.last_code.store(self.now().max(1), Ordering::Relaxed);
    }

    /// Pauses after so much work, if codes come.
    pub async fn give_way(&self, work: Duration) {
        let last = self.last_code.load(Ordering::Relaxed);
        let since = Duration::from_millis(self.now().saturating_sub(last));
        if last > 0 && since < EXPECTED {
            tokio::time::sleep((work * TIMES).min(LONGEST)).await;
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pause(courtesy: &Courtesy) -> Duration {
        let begun = Instant::now();
        courtesy.give_way(Duration::from_secs(1)).await;
        begun.elapsed()
    }

    #[tokio::test]
    async fn texts_to_many_pause_while_codes_come_and_only_then() {
        let courtesy = Courtesy::default();
        assert!(pause(&courtesy).await < LONGEST);
        courtesy.note_code();
        assert!(pause(&courtesy).await >= LONGEST);
    }
}
