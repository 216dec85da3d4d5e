//! Proves the ledger: what `api ledger verify` does, every night.

use std::time::Duration;

use futures_util::FutureExt;
use shared::wallets::verify::{self, Proof};

use super::{CronJob, End, Run};
use crate::Environment;

/// How often a long proof says that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Differences that are logged one by one.
const LOGGED: usize = 20;

/// Every night. What it counts as rows are the differences.
pub const JOB: CronJob = CronJob {
    name: "verify-ledger",
    alias: None,
    schedule: "0 45 2 * * *",
    about: "Derives every balance from the ledger's entries again and compares",
    work: |env, run| prove(env, run).boxed(),
    count: |env| async { Ok(differences(&verify::verify(&env.pool).await?)) }.boxed(),
};

async fn prove(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let mut proof = std::pin::pin!(verify::verify(&env.pool));
    while run.still_mine().await? {
        if let Ok(proof) = tokio::time::timeout(SIGN_OF_LIFE, &mut proof).await {
            let proof = proof?;
            run.count(differences(&proof));
            tell(&proof);
            return Ok(End::Done);
        }
    }
    Ok(End::Stopped)
}

fn differences(proof: &Proof) -> i64 {
    i64::try_from(proof.count).unwrap_or(i64::MAX)
}

/// Ids and amounts: nothing of a person.
fn tell(proof: &Proof) {
    if proof.count == 0 {
        tracing::info!(entries = proof.entries, accounts = proof.accounts, "the ledger agrees");
        return;
    }
    tracing::error!(differences = proof.count, "the ledger does not agree: api ledger verify");
    for difference in proof.differences.iter().take(LOGGED) {
        tracing::error!(%difference, "in the ledger");
    }
}
