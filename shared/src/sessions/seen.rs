//! When sessions were last seen: noted in memory by every request, written now and then.
//!
//! Requests never wait for it and no request fails for it. What is written is good to about a
//! minute: a row is written at most once in that time, however many processes see the session. A
//! process that is killed loses what it noted since it last wrote.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::{PgPool, types::ipnetwork::IpNetwork};
use tokio::time::MissedTickBehavior;

use super::store;

/// Sessions noted at once, at most; of more nothing is noted until these are written.
const MOST: usize = 100_000;
/// Rows of one statement.
const SLICE: usize = 5_000;

type Notes = HashMap<i64, (DateTime<Utc>, IpAddr)>;

/// What this process saw and has not written.
#[derive(Debug, Clone)]
pub struct LastSeen {
    pool: PgPool,
    notes: Arc<Mutex<Notes>>,
}

impl LastSeen {
    /// Writes what is noted every so often, for as long as the process lives.
    pub fn start(pool: PgPool, every: Duration) -> Self {
        let seen = Self { pool, notes: Arc::default() };
        let writing = seen.clone();
        tokio::spawn(async move {
            let mut turns = tokio::time::interval(every);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !writing.pool.is_closed() {
                turns.tick().await;
                writing.write().await;
            }
        });
        seen
    }

    /// Notes a request of a session.
    pub fn note(&self, session_id: i64, at: DateTime<Utc>, ip: IpAddr) {
        add(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner), session_id, (at, ip));
    }

    /// Writes what is noted now; what cannot be written is kept for the next time.
    pub async fn write(&self) {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let mut notes: Vec<_> = notes.into_iter().collect();
        while !notes.is_empty() {
            let rest = notes.split_off(SLICE.min(notes.len()));
            if let Err(error) = self.write_slice(&notes).await {
                tracing::warn!(%error, "last seen cannot be written");
                let mut kept = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
                for (session_id, note) in notes.into_iter().chain(rest) {
                    add(&mut kept, session_id, note);
                }
                return;
            }
            notes = rest;
        }
    }

    async fn write_slice(
        &self,
        notes: &[(i64, (DateTime<Utc>, IpAddr))],
    ) -> Result<u64, sqlx::Error> {
        let ids: Vec<_> = notes.iter().map(|(id, _)| *id).collect();
        let times: Vec<_> = notes.iter().map(|(_, (at, _))| *at).collect();
        let ips: Vec<_> = notes.iter().map(|(_, (_, ip))| IpNetwork::from(*ip)).collect();
        store::see(&self.pool, &ids, &times, &ips).await
    }
}

/// The later note of a session wins.
fn add(notes: &mut Notes, session_id: i64, note: (DateTime<Utc>, IpAddr)) {
    let full = notes.len() >= MOST;
    match notes.entry(session_id) {
        Entry::Occupied(mut known) if known.get().0 < note.0 => drop(known.insert(note)),
        Entry::Vacant(free) if !full => drop(free.insert(note)),
        Entry::Occupied(_) | Entry::Vacant(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn the_latest_note_of_a_session_wins_whatever_order_they_come_in() {
        let mut notes = Notes::new();
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        for seconds in [5, 9, 7] {
            add(&mut notes, 1, (at(seconds), HERE));
        }
        assert_eq!(notes[&1].0, at(9));
    }

    #[test]
    fn memory_is_bounded_and_known_sessions_are_noted_all_the_same() {
        let mut notes = Notes::new();
        let many = i64::try_from(MOST).unwrap() + 10;
        for session in 0..many {
            add(&mut notes, session, (DateTime::UNIX_EPOCH, HERE));
        }
        assert_eq!(notes.len(), MOST);
        let later = DateTime::UNIX_EPOCH + TimeDelta::seconds(1);
        add(&mut notes, 0, (later, HERE));
        assert_eq!(notes[&0].0, later);
    }
}
