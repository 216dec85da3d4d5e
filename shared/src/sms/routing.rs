//! Which provider gets the next attempt. Pure.

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
}
