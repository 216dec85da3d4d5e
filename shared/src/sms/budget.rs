//! Room in the caps of a day: counted in the accepting transaction, so that no loss of Redis
//! raises them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::store;

/// What one send takes of one cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    /// What is counted: `all`, `country:IR`, `key:7`, `rials:key:7` …
    pub(crate) scope: String,
    /// How much of it.
    pub(crate) amount: i64,
    /// How much there is in a day.
    pub(crate) cap: i64,
}

/// Room that was taken for the sends of one transaction.
pub(crate) struct Budget {
    day: NaiveDate,
    scopes: BTreeMap<String, Taken>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Taken {
    asked: i64,
    before: i64,
    used: i64,
}

impl Budget {
    /// Counts all demands; locks the counters until the transaction ends. Everybody who accepts
    /// waits for everybody else here: take every lock that somebody may hold for long before, and
    /// let the transaction wait for locks from then on.
    pub(crate) async fn take(
        connection: &mut PgConnection,
        now: DateTime<Utc>,
        demands: impl Iterator<Item = Demand>,
    ) -> Result<Self, sqlx::Error> {
        let mut scopes: BTreeMap<String, Taken> = BTreeMap::new();
        for demand in demands {
            scopes.entry(demand.scope).or_default().asked += demand.amount;
        }
        let day = now.date_naive();
        let asked = scopes.iter().map(|(scope, taken)| (scope.clone(), taken.asked));
        let used = store::count(connection, day, asked.collect()).await?;
        for (scope, taken) in &mut scopes {
            taken.before = used.get(scope).copied().unwrap_or(0) - taken.asked;
        }
        Ok(Self { day, scopes })
    }

    /// Where a counter stands with all that was admitted so far; 0 if nothing was asked of it.
    pub(crate) fn standing(&self, scope: &str) -> i64 {
        self.known(scope).unwrap_or(0)
    }

    /// [`Budget::standing`]; `None` if nothing was asked of it.
    pub(crate) fn known(&self, scope: &str) -> Option<i64> {
        self.scopes.get(scope).map(|taken| taken.before.saturating_add(taken.used))
    }

    /// Uses up room for one send.
    ///
    /// # Errors
    /// The scope that has no room, the first of the demands if there are several; nothing is used
    /// up then.
    pub(crate) fn admit<'a>(&mut self, demands: &'a [Demand]) -> Result<(), &'a str> {
        let fits = |demand: &&Demand| {
            self.scopes.get(&demand.scope).is_some_and(|taken| {
                let left = demand.cap.saturating_sub(taken.before.saturating_add(taken.used));
                demand.amount <= left
            })
        };
        if let Some(full) = demands.iter().find(|demand| !fits(demand)) {
            return Err(&full.scope);
        }
        self.change(demands, 1);
        Ok(())
    }

    /// Gives back what [`Budget::admit`] used, for a send that was refused after all.
    pub(crate) fn give_back(&mut self, demands: &[Demand]) {
        self.change(demands, -1);
    }

    fn change(&mut self, demands: &[Demand], sign: i64) {
        for demand in demands {
            if let Some(taken) = self.scopes.get_mut(&demand.scope) {
                taken.used += sign * demand.amount;
            }
        }
    }

    /// Takes what was counted and not used off the counters again.
    pub(crate) async fn settle(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let spare: BTreeMap<String, i64> = self
            .scopes
            .into_iter()
            .filter(|(_, taken)| taken.used < taken.asked)
            .map(|(scope, taken)| (scope, taken.asked - taken.used))
            .collect();
        if !spare.is_empty() {
            store::uncount(connection, self.day, spare).await?;
        }
        Ok(())
    }
}

/// Adds to counters of a day that have no cap, in the order in which everybody locks them.
pub(crate) async fn adjust(
    connection: &mut PgConnection,
    day: NaiveDate,
    counts: BTreeMap<String, i64>,
) -> Result<(), sqlx::Error> {
    store::allow_waiting(connection).await?;
    store::count(connection, day, counts).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(scope: &str, amount: i64, cap: i64) -> Demand {
        Demand { scope: scope.to_owned(), amount, cap }
    }

    fn budget(scopes: &[(&str, i64, i64)]) -> Budget {
        let scopes = scopes
            .iter()
            .map(|&(scope, asked, before)| (scope.to_owned(), Taken { asked, before, used: 0 }));
        Budget { day: NaiveDate::MIN, scopes: scopes.collect() }
    }

    #[test]
    fn no_more_are_admitted_than_fit_every_cap() {
        let send = [demand("all", 1, 10), demand("country:IR", 1, 5)];
        let mut budget = budget(&[("all", 3, 7), ("country:IR", 3, 3)]);
        let admitted: Vec<_> = (0..3).map(|_| budget.admit(&send)).collect();
        assert_eq!(admitted, [Ok(()), Ok(()), Err("country:IR")]);
        budget.give_back(&send);
        assert_eq!(budget.admit(&send), Ok(()), "what is given back can be used again");
    }

    #[test]
    fn a_dear_one_does_not_fit_where_a_cheap_one_does() {
        let mut budget = budget(&[("rials:key:7", 9_000, 2_000)]);
        assert_eq!(budget.admit(&[demand("rials:key:7", 6_000, 10_000)]), Ok(()));
        assert_eq!(budget.admit(&[demand("rials:key:7", 3_000, 10_000)]), Err("rials:key:7"));
        assert_eq!(budget.admit(&[demand("rials:key:7", 2_000, 10_000)]), Ok(()));
    }

    #[test]
    fn the_first_full_cap_is_named() {
        let send = [demand("all", 1, 1), demand("country:IR", 1, 1)];
        let mut budget = budget(&[("all", 1, 1), ("country:IR", 1, 1)]);
        assert_eq!(budget.admit(&send), Err("all"));
    }
}
