//! Keeps the guards of this process in step with what all workers know of the providers: tells
//! the others what was noticed here, and reads once a second what they all noticed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shared::{
    sms::standing::{self, Outage, Standing},
    telemetry::{PROVIDER_BALANCE, PROVIDER_LOW_CREDIT, PROVIDER_OUT},
};

use crate::{Environment, guard::Guard};

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a process has the right to find out whether an account is taken again: some text
/// should come by meanwhile.
const PROBE_RIGHT: Duration = Duration::from_secs(30);

/// Goes on until its runtime ends: jobs that drain have something to say, too.
pub async fn run(env: Arc<Environment>) {
    loop {
        if let Err(error) = agree(&env).await {
            tracing::warn!(%error, "standing of the providers unknown");
            // A word that cannot be told rings no more; without this pause others would.
            tokio::time::sleep(PERIOD).await;
        }
        tokio::select! {
            () = env.words.notified() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

/// Tells first, so that what is read then holds it.
async fn agree(env: &Environment) -> Result<(), sqlx::Error> {
    let pause = Duration::from_secs(env.config.sms.account_pause_seconds.into());
    for guard in &env.providers {
        let Some(word) = guard.take_word() else { continue };
        if let Err(error) =
            standing::record(&env.pool, &env.outbox, guard.name(), &word, pause).await
        {
            guard.keep_word(word);
            return Err(error);
        }
    }
    let all = standing::all(&env.pool).await?;
    for guard in &env.providers {
        let known = all.iter().find(|known| known.provider == guard.name());
        let out = known.and_then(|known| known.out.as_ref());
        let right = match out {
            Some(outage) => right_to_probe(env, guard, outage).await?,
            None => None,
        };
        guard.agree(out.is_some(), right);
        guard.rest(known.is_some_and(|known| known.paused.is_some()));
        show(guard.name(), known);
    }
    Ok(())
}

/// Taken here, before there is a text to probe with: no send asks the database for it. For the
/// others it lasts until the call must have ended.
async fn right_to_probe(
    env: &Environment,
    guard: &Guard,
    outage: &Outage,
) -> Result<Option<Instant>, sqlx::Error> {
    if guard.is_alone() || !outage.is_due {
        return Ok(None);
    }
    let until = Instant::now() + PROBE_RIGHT;
    let length = PROBE_RIGHT + env.config.sms.lease();
    let mine = standing::take_probe(&env.pool, guard.name(), length).await?;
    Ok(mine.then_some(until))
}

fn show(provider: &str, known: Option<&Standing>) {
    let credit = known.and_then(|known| known.credit.as_ref());
    let is_out = known.is_some_and(|known| known.out.is_some());
    let is_low = credit.is_some_and(|credit| credit.low_since.is_some());
    PROVIDER_OUT.with_label_values(&[provider]).set(is_out.into());
    PROVIDER_LOW_CREDIT.with_label_values(&[provider]).set(is_low.into());
    if let Some(credit) = credit {
        let labels = [provider, credit.balance.unit()];
        PROVIDER_BALANCE.with_label_values(&labels).set(credit.balance.amount());
    }
}
