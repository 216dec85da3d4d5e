//! Ids of texts to many that wait to be worked on together, so that they share a call of the
//! provider as writes share commits: without a timer, while others are under way.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use shared::jobs::RowId;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// Groups under way at once: while one hangs, another goes on.
const GROUPS: usize = 2;

struct Waiting {
    id: RowId,
    done: oneshot::Sender<()>,
}

/// Where the jobs of one process meet.
pub struct Gather {
    waiting: Mutex<VecDeque<Waiting>>,
    groups: Semaphore,
    /// Places of those who go alone.
    singles: Semaphore,
}

/// What came of waiting.
pub enum Joined<'a> {
    /// Somebody else worked on it, or gave up.
    Carried,
    /// This job is to work on a group.
    Lead(Lead<'a>),
}

/// The duty to work on a group, which begins with the job's own id.
pub struct Lead<'a> {
    gather: &'a Gather,
    own: RowId,
    ended: oneshot::Receiver<()>,
    turn: SemaphorePermit<'a>,
}

/// Ids that are worked on; whoever brought them hears when it is dropped.
pub struct Group {
    /// The ids.
    pub ids: Vec<RowId>,
    _done: Vec<oneshot::Sender<()>>,
}

impl Gather {
    /// With so many places for those who go alone.
    pub fn new(singles: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            groups: Semaphore::new(GROUPS),
            singles: Semaphore::new(singles),
        }
    }

    /// Takes a place to go alone; `None` when there is none within `patience`.
    pub async fn alone(&self, patience: Duration) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(patience, self.singles.acquire()).await.ok()?.ok()
    }

    /// Waits until somebody has worked on the id or it is this job's turn. A job that goes away
    /// takes its id with it.
    pub async fn join(&self, id: RowId) -> Joined<'_> {
        let (done, mut ended) = oneshot::channel();
        self.waiting().push_back(Waiting { id, done });
        tokio::select! {
            biased;
            _ = &mut ended => Joined::Carried,
            turn = self.groups.acquire() => match turn {
                Ok(turn) => Joined::Lead(Lead { gather: self, own: id, ended, turn }),
                Err(_) => Joined::Carried,
            },
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().expect("no holder of this lock panics")
    }

    /// Up to so many ids, this one first; `None` if it waits no more.
    fn take(&self, own: RowId, most: usize) -> Option<Group> {
        let mut waiting = self.waiting();
        waiting.retain(|other| !other.done.is_closed());
        let place = waiting.iter().position(|other| other.id == own)?;
        let own = waiting.remove(place)?;
        let others = waiting.len().min(most.saturating_sub(1));
        let taken = std::iter::once(own).chain(waiting.drain(..others));
        let (ids, done) = taken.map(|waiting| (waiting.id, waiting.done)).unzip();
        Some(Group { ids, _done: done })
    }
}

impl Lead<'_> {
    /// Up to so many ids to work on; `None` if somebody else has taken the job's own meanwhile.
    pub fn group(&self, most: usize) -> Option<Group> {
        self.gather.take(self.own, most)
    }

    /// Leaves the place to others and waits until whoever took the id has worked on it.
    pub async fn carried(self) {
        drop(self.turn);
        let _ = self.ended.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    async fn lead(gather: &Gather, id: i64) -> Lead<'_> {
        match gather.join(RowId(id)).await {
            Joined::Lead(lead) => lead,
            Joined::Carried => panic!("{id} was carried"),
        }
    }

    fn numbers(group: &Group) -> Vec<i64> {
        group.ids.iter().map(|id| id.0).collect()
    }

    #[tokio::test]
    async fn whoever_comes_while_groups_are_under_way_goes_with_the_next() {
        let gather = Arc::new(Gather::new(1));
        let first = lead(&gather, 1).await;
        let one = first.group(10).unwrap();
        let second = lead(&gather, 2).await;
        let two = second.group(10).unwrap();
        assert_eq!((numbers(&one), numbers(&two)), (vec![1], vec![2]));
        let mut later = Vec::new();
        for id in 3..8 {
            let gather = gather.clone();
            later.push(tokio::spawn(async move {
                match gather.join(RowId(id)).await {
                    Joined::Carried => None,
                    Joined::Lead(lead) => lead.group(4).map(|group| numbers(&group)),
                }
            }));
            tokio::task::yield_now().await;
        }
        drop((one, first));
        let mut groups = Vec::new();
        for job in later {
            groups.extend(job.await.unwrap());
        }
        groups.sort_unstable();
        assert_eq!(groups, [vec![3, 4, 5, 6], vec![7]], "at most four, each once");
    }

    #[tokio::test]
    async fn a_leader_whose_id_was_taken_waits_for_the_end_of_that_group_only() {
        let gather = Gather::new(1);
        let (first, second) = (lead(&gather, 1).await, lead(&gather, 2).await);
        let both = first.group(10).unwrap();
        assert_eq!(numbers(&both), [1, 2]);
        assert!(second.group(10).is_none());
        let (mut carried, third) = (Box::pin(second.carried()), gather.join(RowId(3)));
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut carried).await;
        assert!(waited.is_err(), "its group is still worked on");
        assert!(matches!(third.await, Joined::Lead(_)), "its place is free");
        drop(both);
        carried.await;
    }

    #[tokio::test]
    async fn a_job_that_went_away_took_its_id_with_it() {
        let gather = Gather::new(1);
        let (_one, _two) = (lead(&gather, 1).await, lead(&gather, 2).await);
        let gone = tokio::time::timeout(Duration::from_millis(1), gather.join(RowId(3))).await;
        assert!(gone.is_err());
        let group = gather.take(RowId(1), 10).unwrap();
        assert_eq!(numbers(&group), [1, 2]);
        assert!(gather.take(RowId(1), 10).is_none(), "taken by somebody else");
    }
}
