//! Compares what gateways, payments and the ledger say of the day before.

use futures_util::FutureExt;
use shared::payments::reconcile::Window;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night, when the day before is over everywhere: what was under way has been settled.
pub const JOB: CronJob = CronJob {
    name: "reconcile-payments",
    alias: None,
    schedule: "0 10 3 * * *",
    about: "Compares gateways, payments and the ledger of the day before, and reports differences",
    work: |env, run| reconcile(env, run).boxed(),
    count: |env| env.payments.count_compared(window(env)).boxed(),
};

fn window(env: &Environment) -> Window {
    Window::day_before(env.clock.now())
}

async fn reconcile(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let window = window(env);
    for gateway in env.payments.gateways_of(window).await? {
        let mut report = env.payments.begin_report(&gateway, window).await?;
        loop {
            if !run.still_mine().await? {
                return Ok(End::Stopped);
            }
            let before = report.payments;
            let is_last = env.payments.compare(&mut report, window).await?;
            run.count(report.payments - before);
            if is_last {
                break;
            }
        }
    }
    Ok(End::Done)
}
