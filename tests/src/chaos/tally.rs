//! What a scenario counted, for whoever reads the run.

use std::{fmt::Display, fs::OpenOptions, io::Write};

use super::Dice;

/// The counts of one scenario, in order.
#[derive(Debug)]
pub struct Tally {
    scenario: String,
    seed: u64,
    counts: Vec<String>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(scenario: impl Into<String>, dice: &Dice) -> Self {
        Self { scenario: scenario.into(), seed: dice.seed(), counts: Vec::new() }
    }

    /// One number with its name.
    #[must_use]
    pub fn count(mut self, name: &str, number: impl Display) -> Self {
        self.counts.push(format!("{name} {number}"));
        self
    }

    /// Shows the counts and, if `PEYK_SOAK_RESULTS` names a file, adds them to its table. Before
    /// the assertions: what went wrong is worth reading too.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[expect(clippy::print_stderr, reason = "the counts are what a run is for")]
    pub fn show(&self) {
        let row = format!("| {} | {} | {} |\n", self.scenario, self.counts.join(", "), self.seed);
        eprint!("{row}");
        if let Ok(path) = std::env::var("PEYK_SOAK_RESULTS") {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let written = file.and_then(|mut file| file.write_all(row.as_bytes()));
            written.expect("the results can be written");
        }
    }
}
