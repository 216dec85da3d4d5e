//! Checks of `[limits]`: caps that could never be reached, or would let nothing through.

use super::{Checks, access::is_country};
use crate::config::Config;

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    let limits = &config.limits;
    checks.range("limits.api_processes", limits.api_processes, 1..=1_000);
    checks.range("limits.worker_processes", limits.worker_processes, 1..=1_000);
    checks.range("limits.ipv6_site_factor", limits.ipv6_site_factor, 1..=65_536);
    checks.range("limits.daily_sends", limits.daily_sends, 1..=u64::MAX);
    checks.range("limits.daily_messages", limits.daily_messages, 1..=u64::MAX);
    let fine = limits.daily_sends_per_country.keys().all(|code| is_country(code));
    let message = "must only name countries, such as IR (ISO 3166 alpha-2)";
    checks.require("limits.daily_sends_per_country", fine, message);
    spend(checks, limits.daily_spend_rials, config.sms.price_rials);
}

fn spend(checks: &mut Checks<'_>, spend: u64, price: u64) {
    let path = "limits.daily_spend_rials";
    let priced = spend == 0 || price > 0;
    checks.relate(path, "sms.price_rials", priced, "needs sms.price_rials, the price of one text");
    let enough = spend == 0 || spend >= price;
    checks.relate(path, "sms.price_rials", enough, "must not be less than sms.price_rials");
}
