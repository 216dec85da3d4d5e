//! What clients keep account of, and what follows from it. Pure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

/// What one client saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Where it was.
    pub(super) room: i64,
    /// The last number of the log that it has.
    pub(super) last: i64,
    /// Events that came.
    pub(super) received: u64,
    /// Numbers that were skipped: something is lost.
    pub(super) skipped: u64,
    /// Numbers that came again.
    pub(super) doubled: u64,
    /// Numbers that came after a higher one, for the first time.
    pub(super) reordered: u64,
    /// Events that were read over HTTP, because too much was missed.
    pub(super) filled: u64,
    /// Sockets that were opened.
    pub(super) connections: u64,
    /// What it wrote: the message's id, or `None` while nobody has said that it is there.
    pub(super) written: HashMap<String, Option<i64>>,
    /// Messages that it got: what their writers' clients call them is not told to all who read them.
    pub(super) got: HashSet<i64>,
    /// From sending to the answer.
    pub(super) accepted_after: Vec<Duration>,
    /// From sending to receiving, of what came live.
    pub(super) delivered_after: Vec<Duration>,
    pub(super) skipped_numbers: HashSet<i64>,
}

impl Tally {
    /// An event of the log came.
    pub(super) fn note(&mut self, seq: i64) {
        self.received += 1;
        if seq == self.last + 1 {
            self.last = seq;
        } else if seq > self.last {
            self.skipped += (self.last + 1..seq).count() as u64;
            self.skipped_numbers.extend(self.last + 1..seq);
            self.last = seq;
        } else if self.skipped_numbers.remove(&seq) {
            self.skipped -= 1;
            self.reordered += 1;
        } else {
            self.doubled += 1;
        }
    }

    /// Whether everything it wrote was accepted.
    pub(super) fn has_all_accepted(&self) -> bool {
        self.written.values().all(Option::is_some)
    }
}

/// What all clients saw.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// How long it took.
    pub(super) seconds: u64,
    pub(super) clients: u64,
    pub(super) connections: u64,
    /// Messages that somebody was told are there.
    pub(super) accepted: u64,
    /// Messages that nobody was told are there, although they were sent again and again.
    pub(super) unaccepted: u64,
    pub(super) received: u64,
    pub(super) filled: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) reordered: u64,
    pub(super) accepted_after: Times,
    pub(super) delivered_after: Times,
}

impl Report {
    /// The clients of one room, the messages in its log by what their writers' clients call them, and
    /// how far it goes.
    pub(super) fn add(&mut self, tallies: &[&Tally], logged: &[(String, i64)], head: i64) {
        let mut ids: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for (client_id, id) in logged {
            ids.entry(client_id).or_default().push(*id);
        }
        // One message under two ids.
        self.doubled += ids.values().map(|ids| ids.len() as u64 - 1).sum::<u64>();
        let mut accepted = Vec::new();
        for tally in tallies {
            self.clients += 1;
            self.connections += tally.connections;
            self.received += tally.received;
            self.filled += tally.filled;
            self.doubled += tally.doubled;
            self.reordered += tally.reordered;
            // What it skipped, and what never came at the end.
            self.lost += tally.skipped + u64::try_from(head - tally.last).unwrap_or_default();
            self.unaccepted += tally.written.values().filter(|id| id.is_none()).count() as u64;
            accepted.extend(tally.written.iter().filter_map(|(name, id)| Some((name, (*id)?))));
            self.accepted_after.0.extend(&tally.accepted_after);
            self.delivered_after.0.extend(&tally.delivered_after);
        }
        self.accepted += accepted.len() as u64;
        for (name, id) in accepted {
            if ids.get(name.as_str()).is_none_or(|ids| !ids.contains(&id)) {
                // Somebody was told that it is there, and it is not.
                self.lost += 1;
            }
            let missed = tallies.iter().filter(|tally| !tally.got.contains(&id));
            self.lost += missed.count() as u64;
        }
    }

    /// Whether nothing went wrong.
    pub(super) fn is_clean(&self) -> bool {
        [self.lost, self.doubled, self.reordered, self.unaccepted] == [0; 4]
    }
}

/// How long something took, each time.
#[derive(Debug, Default)]
pub(super) struct Times(pub(super) Vec<Duration>);

impl Times {
    /// Median, 99th percentile and maximum, in milliseconds.
    pub(super) fn describe(&self) -> String {
        let mut times = self.0.clone();
        times.sort_unstable();
        let at = |percent: usize| {
            let time = times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
            time.map_or(0, Duration::as_millis)
        };
        format!("p50 {}  p99 {}  max {}  of {}", at(50), at(99), at(100), times.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[i64]) -> Tally {
        let mut tally = Tally::default();
        for seq in numbers {
            tally.note(*seq);
        }
        tally
    }

    #[test]
    fn every_number_must_come_once_and_after_the_one_before_it() {
        for (numbers, skipped, doubled, reordered) in [
            (&[1, 2, 3][..], 0, 0, 0),
            (&[1, 3], 1, 0, 0),
            (&[1, 2, 2], 0, 1, 0),
            (&[1, 3, 2], 0, 0, 1),
            (&[1, 3, 2, 2], 0, 1, 1),
            (&[3, 1], 1, 0, 1),
        ] {
            let tally = after(numbers);
            let found = (tally.skipped, tally.doubled, tally.reordered);
            assert_eq!(found, (skipped, doubled, reordered), "{numbers:?}");
        }
    }

    fn heard(numbers: &[i64], got: &[i64], written: &[(&str, Option<i64>)]) -> Tally {
        Tally {
            got: got.iter().copied().collect(),
            written: written.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect(),
            ..after(numbers)
        }
    }

    fn judged(tallies: &[&Tally], logged: &[(&str, i64)], head: i64) -> Report {
        let logged: Vec<_> = logged.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect();
        let mut report = Report::default();
        report.add(tallies, &logged, head);
        report
    }

    #[test]
    fn a_sound_room_is_clean() {
        let a = heard(&[1, 2], &[7], &[("m", Some(7))]);
        let b = heard(&[1, 2], &[7], &[]);
        let report = judged(&[&a, &b], &[("m", 7)], 2);
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((report.accepted, report.clients, report.received), (1, 2, 4));
    }

    #[test]
    fn each_way_of_going_wrong_is_found() {
        let writer = || heard(&[1, 2], &[7], &[("m", Some(7))]);
        let deaf_at_the_end = heard(&[1], &[7], &[]);
        assert_eq!(judged(&[&writer(), &deaf_at_the_end], &[("m", 7)], 2).lost, 1);
        let without_it = heard(&[1, 2], &[], &[]);
        assert_eq!(judged(&[&writer(), &without_it], &[("m", 7)], 2).lost, 1);
        assert_eq!(judged(&[&writer()], &[], 2).lost, 1, "accepted and not in the log");
        assert_eq!(judged(&[&writer()], &[("m", 7), ("m", 8)], 2).doubled, 1);
        let unheard = heard(&[1, 2], &[], &[("m", None)]);
        assert_eq!(judged(&[&unheard], &[], 2).unaccepted, 1);
    }
}
