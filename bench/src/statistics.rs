//! Medians, quantiles and how they are written.

use std::{fmt::Write, time::Duration};

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// The number of things.
pub(crate) fn count(things: usize) -> f64 {
    float(things as u64)
}

/// Milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Microseconds each of so many took.
pub(crate) fn micros_each(time: Duration, things: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count(things.max(1))
}

/// Times of many requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a thousand do not exceed; zero when there are none.
    pub(crate) fn quantile(&self, permille: usize) -> Duration {
        let rank = (self.0.len() * permille).div_ceil(1000);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(crate) fn p50_ms(&self) -> f64 {
        millis(self.quantile(500))
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        millis(self.quantile(990))
    }
}

/// One figure, measured several times.
#[derive(Debug, Clone)]
pub(crate) struct Figure(Vec<f64>);

impl Figure {
    /// A figure of each run.
    pub(crate) fn of<R>(runs: &[R], figure: impl Fn(&R) -> f64) -> Self {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        Self(figures)
    }

    /// The middle one; of two the worse for a rate, the better for a time: the lower.
    pub(crate) fn median(&self) -> f64 {
        self.0.get(self.0.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }

    /// `median (lowest-highest)` with so many decimals.
    pub(crate) fn show(&self, decimals: usize) -> String {
        let median = number(self.median(), decimals);
        match (self.0.first(), self.0.last()) {
            (Some(low), Some(high)) if self.0.len() > 1 => {
                format!("{median} ({}-{})", number(*low, decimals), number(*high, decimals))
            }
            _ => median,
        }
    }
}

/// With separators between thousands.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut text = String::new();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        let _ = write!(text, ".{fraction}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let times = Latencies::new((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(times.quantile(500), Duration::from_millis(100));
        assert_eq!(times.quantile(990), Duration::from_millis(198));
        assert_eq!(times.quantile(1000), Duration::from_millis(200));
        assert_eq!(Latencies::default().quantile(990), Duration::ZERO);
    }

    #[test]
    fn a_figure_shows_its_median_and_its_spread() {
        let runs = [12_345.6, 9.0, 20_000.0];
        assert_eq!(Figure::of(&runs, |run| *run).show(0), "12,346 (9-20,000)");
        assert_eq!(Figure::of(&[1.25], |run| *run).show(1), "1.2");
        assert_eq!(number(-1234.5, 1), "-1,234.5");
        assert_eq!(number(999.0, 0), "999");
    }
}
