//! Chance with a seed that is shown, so that a bad run can be had again.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// A source of random choices. What it is asked decides nothing about when threads run: the same
/// seed gives the same blows and the same troubles, not the same microseconds.
#[derive(Debug)]
pub struct Dice {
    rng: StdRng,
    seed: u64,
}

impl Dice {
    /// With the seed of `PEYK_CHAOS_SEED`, or a new one; says which.
    ///
    /// # Panics
    /// When the given one is no number.
    #[expect(clippy::print_stderr, reason = "who wants to repeat a run needs its seed")]
    pub fn new(scenario: &str) -> Self {
        let seed = std::env::var("PEYK_CHAOS_SEED").map_or_else(
            |_| u64::from(rand::rng().random::<u32>()),
            |seed| seed.parse().expect("PEYK_CHAOS_SEED is a number"),
        );
        eprintln!("{scenario}: PEYK_CHAOS_SEED={seed}");
        Self { rng: StdRng::seed_from_u64(seed), seed }
    }

    /// What it began with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Dice of their own for another task.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self { rng: StdRng::seed_from_u64(self.rng.random()), seed: self.seed }
    }

    /// A whole number of milliseconds, both ends included.
    pub fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(least..=most))
    }

    /// The same things in another order.
    #[must_use]
    pub fn shuffled<T, const N: usize>(&mut self, mut things: [T; N]) -> [T; N] {
        things.shuffle(&mut self.rng);
        things
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// When `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }
}
