//! Whole-system tests, one module per subject.
#![expect(clippy::unwrap_used, reason = "the steps of tests may end them")]

mod batch;
mod compat;
mod crash;
mod cron;
mod cron_purges;
mod cron_runs;
mod daily_caps;
mod delivery;
mod documents;
mod evidence;
mod failover;
mod limit_steps;
mod limits_without_redis;
mod login;
mod login_attempts;
mod login_failures;
mod login_limits;
mod login_refusals;
mod login_sends;
mod login_steps;
mod login_tokens;
mod operations;
mod provider_http;
mod provider_ippanel;
mod provider_kavenegar;
mod provider_suite;
mod queue;
mod secrets;
mod supervision;
