//! The copy of all blocks that a process keeps in memory.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{PoisonError, RwLock, RwLockReadGuard, Weak},
    time::Duration,
};

use chrono::{DateTime, Utc};
use ipnetwork::IpNetwork;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};

use super::{Block, Blocked, store};

/// Between two looks at the table.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Until when something is blocked; `None`: until it is taken off.
type Until = Option<DateTime<Utc>>;

/// Blocks by what is looked up.
#[derive(Default)]
struct Held {
    /// Whether the table was read, and what it was like then.
    seen: Option<store::Print>,
    numbers: HashMap<String, Until>,
    prefixes: HashMap<String, Until>,
    networks: HashMap<IpNetwork, Until>,
    /// The lengths that any of them has: what is looked up is cut to each.
    prefix_lengths: BTreeSet<usize>,
    masks: BTreeSet<u8>,
}

/// What a process knows.
#[derive(Default)]
pub(super) struct Known(RwLock<Held>);

impl Known {
    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.held().seen.is_some()
    }

    pub(super) fn number(&self, e164: &str, now: DateTime<Utc>) -> bool {
        let held = self.held();
        let beginning = |length: &usize| {
            e164.get(..*length).is_some_and(|prefix| holds(held.prefixes.get(prefix), now))
        };
        holds(held.numbers.get(e164), now) || held.prefix_lengths.iter().any(beginning)
    }

    pub(super) fn address(&self, ip: IpAddr, now: DateTime<Utc>) -> bool {
        let (held, ip) = (self.held(), ip.to_canonical());
        held.masks.iter().any(|mask| {
            let network = IpNetwork::new(ip, *mask).ok();
            let whole = network.and_then(|network| IpNetwork::new(network.network(), *mask).ok());
            whole.is_some_and(|network| holds(held.networks.get(&network), now))
        })
    }

    fn replace(&self, seen: store::Print, blocks: Vec<Block>) {
        let mut new = Held { seen: Some(seen), ..Held::default() };
        for Block { what, expires_at, .. } in blocks {
            match what {
                Blocked::Number(phone) => {
                    new.numbers.insert(phone.as_e164().to_owned(), expires_at);
                }
                Blocked::Prefix(prefix) => {
                    new.prefix_lengths.insert(prefix.len());
                    new.prefixes.insert(prefix, expires_at);
                }
                Blocked::Network(network) => {
                    new.masks.insert(network.prefix());
                    new.networks.insert(network, expires_at);
                }
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
    }
}

fn holds(until: Option<&Until>, now: DateTime<Utc>) -> bool {
    until.is_some_and(|until| until.is_none_or(|until| until > now))
}

/// Renews the copy for as long as somebody has it. While the table cannot be read, what was read holds.
pub(super) async fn follow(pool: PgPool, copy: Weak<Known>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        looks.tick().await;
        let Some(copy) = copy.upgrade().filter(|_| !pool.is_closed()) else { return };
        match look(&pool, &copy).await {
            Ok(()) => away = false,
            Err(error) => {
                if !away {
                    tracing::warn!(%error, "blocks cannot be read");
                }
                away = true;
            }
        }
    }
}

/// Reads the table if it has changed.
pub(super) async fn look(pool: &PgPool, copy: &Known) -> Result<(), sqlx::Error> {
    let print = store::print(pool).await?;
    if copy.held().seen.as_ref() == Some(&print) {
        return Ok(());
    }
    let (print, blocks) = store::all(pool).await?;
    copy.replace(print, blocks);
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::phone::PhoneNumber;

    fn copy(blocks: Vec<(Blocked, Until)>) -> Known {
        let copy = Known::default();
        let block = |(what, expires_at)| Block {
            id: 1,
            what,
            reason: String::new(),
            created_at: DateTime::UNIX_EPOCH,
            created_by: None,
            expires_at,
        };
        copy.replace(store::Print::default(), blocks.into_iter().map(block).collect());
        copy
    }

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn nothing_is_known_before_the_table_was_read() {
        let copy = Known::default();
        assert!(!copy.is_loaded());
        copy.replace(store::Print::default(), Vec::new());
        assert!(copy.is_loaded() && !copy.number("+989351234567", NOW));
    }

    #[test]
    fn a_number_is_blocked_by_itself_and_by_its_beginning_until_the_end() {
        let number = Blocked::Number(PhoneNumber::from_e164("+989351234567").unwrap());
        let soon = NOW + TimeDelta::seconds(1);
        let copy = copy(vec![(number, Some(soon)), (Blocked::prefix("+98912").unwrap(), None)]);
        assert!(copy.number("+989351234567", NOW));
        assert!(!copy.number("+989351234567", soon));
        assert!(!copy.number("+989351234568", NOW));
        assert!(copy.number("+989121234567", NOW) && copy.number("+98912", soon));
        assert!(!copy.number("+98911234567", NOW) && !copy.number("+98", NOW));
    }

    #[test]
    fn an_address_is_blocked_by_each_network_it_is_in() {
        let networks = ["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"];
        let copy = copy(networks.map(|text| (Blocked::network(text).unwrap(), None)).to_vec());
        let is = |ip: &str| copy.address(ip.parse().unwrap(), NOW);
        assert!(is("203.0.113.255") && is("198.51.100.7") && is("2001:db8:1::1"));
        assert!(is("::ffff:203.0.113.1"), "an IPv4 address in the form of IPv6");
        assert!(!is("203.0.114.1") && !is("198.51.100.8") && !is("2001:db9::1"));
    }
}
