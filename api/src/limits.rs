//! Which short-window limits a request is measured by, and how its caller hears of them.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{HeaderMap, HeaderName, HeaderValue},
};
use shared::{
    config::{Config, Limits, Rate},
    limits::{Ask, Policy, Standing},
    phone::PhoneNumber,
    sms::messages::Owner,
};

use crate::{
    error::{Code, Problem},
    state::State,
};

/// The limits of this request: `"name";q=count;w=seconds`, a list.
pub(crate) const POLICY_HEADER: HeaderName = HeaderName::from_static("ratelimit-policy");
/// How they stand: `"name";r=remaining;t=seconds`, a list.
pub(crate) const STATE_HEADER: HeaderName = HeaderName::from_static("ratelimit");

/// What one request was measured by so far. The edge tells it to the caller with whatever answer
/// the request gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured(Arc<Mutex<Vec<Standing>>>);

/// A limit has nothing left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limited {
    /// Which one.
    pub(crate) policy: Policy,
    /// Whole seconds until it has.
    pub(crate) retry_after: u32,
}

impl From<Limited> for Problem {
    fn from(limited: Limited) -> Self {
        Self::new(Code::RateLimited).with_retry_after(limited.retry_after)
    }
}

impl<'a> FromRequest<'a> for Measured {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data().cloned().unwrap_or_default())
    }
}

impl Measured {
    /// Measures by these limits.
    ///
    /// # Errors
    /// The first of them that has nothing left, with the longest wait of all.
    pub(crate) async fn ask(&self, state: &State, asks: &[Ask]) -> Result<(), Limited> {
        self.judge(&state.limiter.ask(asks).await)
    }

    /// The same as far as this process knows, without asking Redis and spending nothing.
    ///
    /// # Errors
    /// As [`Measured::ask`].
    pub(crate) fn foresee(&self, state: &State, asks: &[Ask]) -> Result<(), Limited> {
        self.judge(&state.limiter.recall(asks))
    }

    fn judge(&self, standings: &[Standing]) -> Result<(), Limited> {
        self.note(standings);
        let refused = || standings.iter().filter(|standing| standing.refused);
        let Some(first) = refused().next() else { return Ok(()) };
        let wait = refused().map(|standing| standing.more_after).max().unwrap_or_default();
        Err(Limited { policy: first.policy, retry_after: whole_seconds(wait).max(1) })
    }

    /// Spends one of a limit's share without waiting for the answer. It has been asked of Redis when
    /// this returns, before whatever is asked next; the caller is told what was known before, less
    /// one.
    pub(crate) async fn spend_behind(&self, state: &State, ask: Ask) {
        let policy = ask.policy();
        let limiter = state.limiter.clone();
        let mut spending = Box::pin(async move { drop(limiter.ask(&[ask]).await) });
        if futures_util::poll!(&mut spending).is_pending() {
            tokio::spawn(spending);
        }
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for standing in noted.iter_mut().filter(|noted| noted.policy.name == policy.name) {
            standing.remaining = standing.remaining.saturating_sub(1);
            if standing.more_after.is_zero() {
                let Rate { count, seconds } = policy.rate;
                standing.more_after = Duration::from_secs(u64::from(seconds)) / count.max(1);
            }
        }
    }

    /// Tells how limits stand that this request does not spend of, as far as this process knows.
    pub(crate) fn recall(&self, state: &State, asks: &[Ask]) {
        self.note(&state.limiter.recall(asks));
    }

    /// The later word on a limit replaces the earlier one.
    fn note(&self, standings: &[Standing]) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for standing in standings {
            noted.retain(|earlier| earlier.policy.name != standing.policy.name);
            noted.push(*standing);
        }
    }

    /// Adds the headers of draft-ietf-httpapi-ratelimit-headers, if anything was measured.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, item) in
            [(POLICY_HEADER, policy as fn(&Standing) -> String), (STATE_HEADER, state)]
        {
            let list = noted.iter().map(item).collect::<Vec<_>>().join(", ");
            if let Some(value) = HeaderValue::from_str(&list).ok().filter(|_| !list.is_empty()) {
                headers.insert(name, value);
            }
        }
    }
}

fn policy(standing: &Standing) -> String {
    let Policy { name, rate } = standing.policy;
    format!("\"{name}\";q={};w={}", rate.count, rate.seconds)
}

fn state(standing: &Standing) -> String {
    let (name, remaining) = (standing.policy.name, standing.remaining);
    format!("\"{name}\";r={remaining};t={}", whole_seconds(standing.more_after))
}

/// Rounded up: a client that waits as told is not told again.
fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// Asking for codes, by the address that asks.
pub(crate) fn otp_send_ip(limits: &Limits, ip: IpAddr) -> Vec<Ask> {
    by_address(["otp-send-ip", "otp-send-ip-site"], limits.otp_send_per_ip, limits, ip)
}

/// Wrong codes, by the address they come from.
pub(crate) fn verify_failure_ip(limits: &Limits, ip: IpAddr) -> Vec<Ask> {
    let names = ["verify-failure-ip", "verify-failure-ip-site"];
    by_address(names, limits.verify_failures_per_ip, limits, ip)
}

/// Wrong passwords, by the name they were tried with from an address, and by the address.
pub(crate) fn password_failures(limits: &Limits, ip: IpAddr, name: &str) -> Vec<Ask> {
    let names = ["password-failure-ip", "password-failure-ip-site"];
    let by_ip = by_address(names, limits.password_failures_per_ip, limits, ip);
    let policy = Policy { name: "password-failure-name", rate: limits.password_failures_per_name };
    // No address has a blank in it.
    let place = by_ip.first().map_or("", Ask::subject);
    let mut asks = vec![Ask::spend(policy, format!("{place} {name}"))];
    asks.extend(by_ip);
    asks
}

/// Accounts with a password, by the address that asks for them.
pub(crate) fn registrations_ip(limits: &Limits, ip: IpAddr) -> Vec<Ask> {
    by_address(["register-ip", "register-ip-site"], limits.registrations_per_ip, limits, ip)
}

/// The pause between two codes for a new password to one number.
pub(crate) const RESET_COOLDOWN: &str = "reset-cooldown";

/// Codes for new passwords, by the address that asks (with those for logging in) and by the number.
/// Here the number's limits know nothing of what was sent: they are the same where no account is.
pub(crate) fn password_resets(config: &Config, ip: IpAddr, phone: &PhoneNumber) -> Vec<Ask> {
    let mut asks = otp_send_ip(&config.limits, ip);
    if let Ok(seconds @ 1..) = u32::try_from(config.otp.resend_after().as_secs()) {
        let policy = Policy { name: RESET_COOLDOWN, rate: Rate { count: 1, seconds } };
        asks.push(Ask::spend(policy, phone.as_e164()));
    }
    let policy = Policy { name: "reset-target", rate: config.limits.otp_send_per_target };
    asks.push(Ask::spend(policy, phone.as_e164()));
    asks
}

/// Sends of somebody with credentials.
pub(crate) fn message_sender(limits: &Limits, owner: Owner) -> Vec<Ask> {
    let ask = |name, rate, id: i64| vec![Ask::spend(Policy { name, rate }, id.to_string())];
    match owner {
        Owner::ApiKey(id) => ask("message-key", limits.messages_per_key, id),
        Owner::User(id) => ask("message-user", limits.messages_per_user, id),
        Owner::Nobody => Vec::new(),
    }
}

/// Payments that an account begins.
pub(crate) fn payments(config: &Config, user_id: i64) -> Ask {
    let rate = Rate { count: config.payments.hourly_per_user, seconds: 3_600 };
    Ask::spend(Policy { name: "payment-user", rate }, user_id.to_string())
}

/// Changes of rooms and of who is in them, and reports.
pub(crate) fn chat_changes(config: &Config, user_id: i64) -> Ask {
    Ask::spend(Policy { name: "chat-rooms", rate: config.chat.rate }, user_id.to_string())
}

/// Looks at a page of a gateway's because somebody came back from it, whoever that was.
pub(crate) fn payment_looks(limits: &Limits, authority: &str) -> Ask {
    let policy = Policy { name: "payment-look", rate: limits.payment_looks_per_page };
    Ask::spend(policy, authority)
}

/// Messages, edits and reactions of one person, over HTTP and WebSockets.
pub(crate) fn chat_writes(config: &Config, user_id: i64) -> Ask {
    Ask::spend(Policy { name: "chat-user", rate: config.chat.rate }, user_id.to_string())
}

/// Sends without a key, where a deployment lets somebody: as asking for codes.
pub(crate) fn message_ip(limits: &Limits, ip: IpAddr) -> Vec<Ask> {
    by_address(["message-ip", "message-ip-site"], limits.otp_send_per_ip, limits, ip)
}

/// Codes sent to a number.
pub(crate) fn otp_send_target(limits: &Limits, phone: &PhoneNumber) -> (Policy, String) {
    let policy = Policy { name: "otp-send-target", rate: limits.otp_send_per_target };
    (policy, phone.as_e164().to_owned())
}

/// IPv6 by its /64, which one household owns whole, and, with a wider share, by its /48: a site may
/// own all 65,536 networks in it.
fn by_address(names: [&'static str; 2], rate: Rate, limits: &Limits, ip: IpAddr) -> Vec<Ask> {
    let [name, site_name] = names;
    let policy = Policy { name, rate };
    let IpAddr::V6(v6) = ip.to_canonical() else {
        return vec![Ask::spend(policy, ip.to_canonical().to_string())];
    };
    let count = rate.count.saturating_mul(limits.ipv6_site_factor);
    let site = Policy { name: site_name, rate: Rate { count, ..rate } };
    let [a, b, c, d, ..] = v6.segments();
    vec![
        Ask::spend(policy, format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")),
        Ask::spend(site, format!("{a:x}:{b:x}:{c:x}::/48")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(ip: &str) -> Vec<String> {
        let asks = otp_send_ip(&Limits::default(), ip.parse().unwrap());
        asks.iter().map(|ask| format!("{} {}", ask.policy().rate, ask.subject())).collect()
    }

    #[test]
    fn addresses_are_measured_alone_and_ipv6_by_household_and_site() {
        assert_eq!(asked("203.0.113.7"), ["60/1m 203.0.113.7"]);
        assert_eq!(asked("::ffff:203.0.113.7"), asked("203.0.113.7"));
        let both = ["60/1m 2001:db8:1:2::/64", "960/1m 2001:db8:1::/48"];
        assert_eq!(asked("2001:db8:1:2:3:4:5:6"), both);
        assert_eq!(asked("2001:db8:1:3::1")[1], both[1]);
        assert_ne!(asked("2001:db8:2:2::1")[1], both[1]);
    }

    #[test]
    fn a_name_is_measured_at_each_address_apart_and_before_the_address() {
        let asked = |ip: &str, name| {
            let asks = password_failures(&Limits::default(), ip.parse().unwrap(), name);
            asks.iter().map(|ask| ask.subject().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(asked("203.0.113.7", "sara"), ["203.0.113.7 sara", "203.0.113.7"]);
        let household = asked("2001:db8:1:2:3:4:5:6", "sara");
        assert_eq!(household[0], "2001:db8:1:2::/64 sara");
        assert_eq!(household, asked("2001:db8:1:2::1", "sara"));
        assert_eq!(household.len(), 3);
    }

    #[test]
    fn a_number_waits_as_long_for_a_new_password_as_for_a_code() {
        let asked = |resend_after_seconds| {
            let mut config = Config::default();
            config.otp.resend_after_seconds = resend_after_seconds;
            let phone = PhoneNumber::from_e164("+989123456789").unwrap();
            let asks = password_resets(&config, [203, 0, 113, 7].into(), &phone);
            asks.iter().map(|ask| format!("{}", ask.policy().rate)).collect::<Vec<_>>()
        };
        assert_eq!(asked(90), ["60/1m", "1/90s", "10/1h"]);
        assert_eq!(asked(0), ["60/1m", "10/1h"]);
    }

    #[test]
    fn the_headers_are_lists_of_the_last_word_on_each_limit() {
        let rate = Rate { count: 60, seconds: 60 };
        let standing = |name, remaining, millis, refused| Standing {
            policy: Policy { name, rate },
            remaining,
            more_after: Duration::from_millis(millis),
            refused,
        };
        let measured = Measured::default();
        let mut headers = HeaderMap::new();
        measured.tell(&mut headers);
        assert!(headers.is_empty(), "nothing was measured");
        measured.note(&[standing("a", 59, 1, false), standing("b", 1, 999, false)]);
        measured.note(&[standing("b", 0, 59_001, true)]);
        measured.tell(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"a\";q=60;w=60, \"b\";q=60;w=60");
        assert_eq!(headers["ratelimit"], "\"a\";r=59;t=1, \"b\";r=0;t=60");
    }
}
