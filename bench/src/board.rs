//! Where times of one run are noted: by the load when it sends and hears, by the provider when it
//! is called.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::statistics::Latencies;

/// Numbers are `091` and eight digits.
const NUMBERS: u64 = 100_000_000;
/// Prime to [`NUMBERS`]: each index gives another number, in an order that looks random.
const STEP: u64 = 61_803_399;

/// One request: when it was sent (or should have been), answered, and its text handed over.
/// Nanoseconds since the board was made; 0 is "not yet".
#[derive(Debug, Default)]
struct Slot {
    sent: AtomicU64,
    answered: AtomicU64,
    called: AtomicU64,
}

/// The times of all requests of one run.
#[derive(Debug)]
pub(crate) struct Board {
    begun: Instant,
    first: u64,
    slots: Vec<Slot>,
    called: AtomicUsize,
    twice: AtomicUsize,
    /// Request `i` is that of client `i % clients`, which may wait here for its text.
    clients: Vec<Notify>,
}

/// Hands out numbers that no other board of this process has.
#[derive(Debug, Default)]
pub(crate) struct Boards {
    next: u64,
}

impl Boards {
    pub(crate) fn next(&mut self, capacity: usize, clients: usize) -> Board {
        let first = self.next;
        self.next += capacity as u64;
        Board {
            begun: Instant::now(),
            first,
            slots: std::iter::repeat_with(Slot::default).take(capacity).collect(),
            called: AtomicUsize::new(0),
            twice: AtomicUsize::new(0),
            clients: std::iter::repeat_with(Notify::new).take(clients).collect(),
        }
    }
}

impl Board {
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Where this board's numbers begin among all, for SQL that makes the same ones.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The last eight digits of the number of request `index`.
    pub(crate) fn number(&self, index: usize) -> u64 {
        (self.first + index as u64) * STEP % NUMBERS
    }

    /// The request whose number ends in these digits, if it is on this board.
    fn index(&self, number: u64) -> Option<usize> {
        let position = number * inverse(STEP) % NUMBERS;
        // Indexes beyond the number space come round again.
        let index = (position + NUMBERS - self.first % NUMBERS) % NUMBERS;
        usize::try_from(index).ok().filter(|index| *index < self.slots.len())
    }

    pub(crate) fn now(&self) -> u64 {
        nanos(self.begun.elapsed())
    }

    /// Notes when request `index` was due.
    pub(crate) fn send(&self, index: usize, at: u64) {
        self.slots[index].sent.store(at, Ordering::Relaxed);
    }

    pub(crate) fn answer(&self, index: usize) {
        self.slots[index].answered.store(self.now(), Ordering::Relaxed);
    }

    /// Notes that the provider is called for a number.
    pub(crate) fn call(&self, number: u64) {
        let Some(index) = self.index(number) else { return };
        if self.slots[index].called.swap(self.now(), Ordering::Relaxed) > 0 {
            self.twice.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.called.fetch_add(1, Ordering::Relaxed);
        if let Some(client) = self.clients.get(index % self.clients.len().max(1)) {
            client.notify_one();
        }
    }

    /// Waits until the text of request `index` was handed over.
    pub(crate) async fn called(&self, index: usize) {
        while self.slots[index].called.load(Ordering::Relaxed) == 0 {
            self.clients[index % self.clients.len()].notified().await;
        }
    }

    /// Texts handed over, and how often one of them again.
    pub(crate) fn calls(&self) -> (usize, usize) {
        (self.called.load(Ordering::Relaxed), self.twice.load(Ordering::Relaxed))
    }

    /// Requests answered, and those of them whose text was not handed over.
    pub(crate) fn answered(&self) -> (usize, usize) {
        let (mut answered, mut missing) = (0, 0);
        for slot in &self.slots {
            if slot.answered.load(Ordering::Relaxed) > 0 {
                answered += 1;
                missing += usize::from(slot.called.load(Ordering::Relaxed) == 0);
            }
        }
        (answered, missing)
    }

    /// The times of what was answered (or called, for the later two) in this span.
    pub(crate) fn times(&self, from: u64, to: u64) -> Times {
        let (mut accept, mut to_call, mut behind) = (Vec::new(), Vec::new(), Vec::new());
        let within = |at: u64| at > 0 && (from..to).contains(&at);
        for slot in &self.slots {
            let [sent, answered, called] =
                [&slot.sent, &slot.answered, &slot.called].map(|time| time.load(Ordering::Relaxed));
            let since = |end: u64, start: u64| Duration::from_nanos(end.saturating_sub(start));
            if within(answered) {
                accept.push(since(answered, sent));
            }
            if within(called) && answered > 0 {
                to_call.push(since(called, sent));
                behind.push(since(called, answered));
            }
        }
        Times {
            accept: Latencies::new(accept),
            to_call: Latencies::new(to_call),
            behind_answer: Latencies::new(behind),
        }
    }
}

/// What a span of a run took.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    /// From the request to its answer.
    pub(crate) accept: Latencies,
    /// From the request to the call of the provider.
    pub(crate) to_call: Latencies,
    /// From the answer to the call; nothing if the call came first.
    pub(crate) behind_answer: Latencies,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The inverse modulo [`NUMBERS`], by Euler: its totient is 40,000,000.
const fn inverse(factor: u64) -> u64 {
    let (mut base, mut exponent, mut power) = (factor % NUMBERS, 40_000_000 - 1, 1);
    while exponent > 0 {
        if exponent % 2 == 1 {
            power = power * base % NUMBERS;
        }
        base = base * base % NUMBERS;
        exponent /= 2;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_back_to_its_request() {
        let mut boards = Boards::default();
        let [first, second] = [boards.next(1_000, 1), boards.next(1_000, 1)];
        for index in 0..1_000 {
            assert_eq!(first.index(first.number(index)), Some(index));
            assert_eq!(second.index(first.number(index)), None);
        }
    }

    #[test]
    fn a_second_call_for_a_number_is_noticed() {
        let board = Boards::default().next(2, 1);
        board.call(board.number(1));
        board.call(board.number(1));
        assert_eq!(board.calls(), (1, 1));
    }
}
