//! Which provider gets the next attempt. Pure.

use std::collections::BTreeMap;

/// How an earlier attempt of the same message ended, as far as the choice is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// The provider refused the recipient: nobody else will take it.
    RecipientRefused,
    /// The provider refused our text or our account: it is out, others are not.
    ProviderRefused,
    /// Not now, or nobody knows.
    MayTryAgain,
}

/// The provider for the next attempt: of those that have not refused the one asked least often,
/// in configured order. `None` when there is nobody left to ask.
///
/// So the second attempt of one text goes elsewhere when there is an elsewhere.
pub fn choose<'a>(order: &[&'a str], history: &[(&str, Past)]) -> Option<&'a str> {
    if history.iter().any(|(_, past)| *past == Past::RecipientRefused) {
        return None;
    }
    let refused = |name: &str| {
        history.iter().any(|(tried, past)| *tried == name && *past == Past::ProviderRefused)
    };
    let times_tried = |name: &str| history.iter().filter(|(tried, _)| *tried == name).count();
    order.iter().copied().filter(|name| !refused(name)).min_by_key(|name| times_tried(name))
}

/// Whether some provider has not been asked yet, so that failing over need not wait.
pub fn has_untried(order: &[&str], history: &[(&str, Past)]) -> bool {
    order.iter().any(|name| history.iter().all(|(tried, _)| tried != name))
}

/// The order in which one message is offered to providers: drawn by `weights` from the message's
/// idempotency key, so that all workers and all retries agree; without weights the configured one.
///
/// Each place goes to one of those left in proportion to their weights, so when one of them is out,
/// the others take over its share in proportion to theirs. Who has no weight comes last.
pub fn spread<'a>(
    order: &[&'a str],
    weights: &BTreeMap<String, u32>,
    local_id: i64,
) -> Vec<&'a str> {
    let weight = |name: &str| u64::from(weights.get(name).copied().unwrap_or(0));
    let mut left = order.to_vec();
    let mut drawn = Vec::with_capacity(left.len());
    let mut seed = local_id.cast_unsigned();
    loop {
        let total: u64 = left.iter().map(|name| weight(name)).sum();
        if total == 0 {
            drawn.append(&mut left);
            return drawn;
        }
        seed = mixed(seed);
        let mut mark = seed % total;
        let place = left.iter().position(|name| match mark.checked_sub(weight(name)) {
            Some(rest) => {
                mark = rest;
                false
            }
            None => true,
        });
        drawn.push(left.remove(place.unwrap_or(0)));
    }
}

/// One step of `SplitMix64` (<https://prng.di.unimi.it/splitmix64.c>): neighbours end far apart.
fn mixed(seed: u64) -> u64 {
    let step = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let once = (step ^ (step >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    twice ^ (twice >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Past::{MayTryAgain, ProviderRefused, RecipientRefused};

    #[test]
    fn attempts_walk_the_order_and_come_round_again() {
        let order = ["a", "b"];
        assert_eq!(choose(&order, &[]), Some("a"));
        assert_eq!(choose(&order, &[("a", MayTryAgain)]), Some("b"));
        assert_eq!(choose(&order, &[("a", MayTryAgain), ("b", MayTryAgain)]), Some("a"));
    }

    #[test]
    fn a_provider_that_refused_is_not_asked_again() {
        let order = ["a", "b"];
        assert_eq!(choose(&order, &[("a", ProviderRefused)]), Some("b"));
        assert_eq!(choose(&order, &[("a", ProviderRefused), ("b", MayTryAgain)]), Some("b"));
        assert_eq!(choose(&order, &[("a", ProviderRefused), ("b", ProviderRefused)]), None);
    }

    #[test]
    fn a_refused_recipient_ends_it_for_everybody() {
        assert_eq!(choose(&["a", "b"], &[("a", RecipientRefused)]), None);
    }

    #[test]
    fn nobody_configured_is_nobody_to_ask() {
        assert_eq!(choose(&[], &[]), None);
        assert!(!has_untried(&[], &[]) && has_untried(&["a"], &[]));
    }

    fn weights(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
        pairs.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect()
    }

    #[test]
    fn without_weights_the_order_is_the_configured_one() {
        for local_id in 0..100 {
            assert_eq!(spread(&["b", "a"], &BTreeMap::new(), local_id), ["b", "a"]);
        }
    }

    /// Of so many messages the expected part, and four standard deviations of chance.
    fn about(count: usize, of: usize, percent: usize) -> bool {
        let (expected, variance) = (of * percent, of * percent * (100 - percent));
        (count * 100).abs_diff(expected).pow(2) <= 16 * variance
    }

    #[test]
    fn first_attempts_are_spread_in_proportion_and_so_is_the_share_of_one_that_is_out() {
        let weights = weights(&[("a", 70), ("b", 20), ("c", 10)]);
        let messages = 100_000;
        // Ids in a row are the hardest: real ones are random.
        let orders: Vec<_> =
            (0..100_000).map(|id| spread(&["a", "b", "c", "d"], &weights, id)).collect();
        let count = |wanted: &dyn Fn(&[&str]) -> bool| orders.iter().filter(|o| wanted(o)).count();
        for (name, percent) in [("a", 70), ("b", 20), ("c", 10)] {
            assert!(about(count(&|o| o[0] == name), messages, percent), "{name}");
        }
        // Of the texts that would go to `a`, two thirds go to `b` while it is out.
        let (of_a, to_b) = (count(&|o| o[0] == "a"), count(&|o| o[..2] == ["a", "b"]));
        assert!(about(to_b, of_a, 67) && about(of_a - to_b, of_a, 33), "{to_b} of {of_a}");
        assert_eq!(count(&|o| o[3] == "d"), messages, "who has no weight comes last");
    }

    #[test]
    fn a_message_has_one_order_for_ever_and_each_provider_one_place_in_it() {
        let weights = weights(&[("a", 1), ("b", 1), ("c", 1)]);
        for local_id in [1, 2, i64::MAX] {
            let order = spread(&["a", "b", "c"], &weights, local_id);
            assert_eq!(order, spread(&["a", "b", "c"], &weights, local_id));
            let mut names = order.clone();
            names.sort_unstable();
            assert_eq!(names, ["a", "b", "c"]);
        }
        // Written down: a change of the rule would make two versions of the worker disagree.
        let order = |id| spread(&["a", "b", "c"], &weights, id).concat();
        assert_eq!([1, 2, 3, 4].map(order), ["cab", "bac", "acb", "bca"]);
    }
}
