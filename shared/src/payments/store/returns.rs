//! Money on its way back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{
    due,
    jobs::Backlog,
    payments::{
        Purpose, State,
        returns::{Action, Called, Claim, NewReturn, Paid, Return, Standing},
    },
};

/// The id that the next return will have.
pub(in crate::payments) async fn next_id(
    connection: &mut PgConnection,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT nextval('payment_returns_id_seq') AS "id!""#)
        .fetch_one(connection)
        .await
}

/// A payment, locked until the transaction ends.
pub(in crate::payments) async fn lock_payment(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Paid>, sqlx::Error> {
    sqlx::query_as!(
        Paid,
        r#"SELECT id, user_id, order_id, currency, ref_id, state AS "state: State", purpose AS "purpose: Purpose",
               gateway, amount_rials, paid_at AS at, paid_session_id AS session_id
           FROM payments WHERE id = $1 FOR UPDATE"#,
        id,
    )
    .fetch_optional(connection)
    .await
}

/// Writes one that is asked for; `false`: another one is under way.
pub(in crate::payments) async fn insert(
    connection: &mut PgConnection,
    id: i64,
    new: &NewReturn<'_>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!(
        "INSERT INTO payment_returns (id, payment_id, action, actor_id, note, created_at,
             next_attempt_at, reply_to)
         OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, now(), $7)
         ON CONFLICT DO NOTHING",
        id,
        new.payment_id,
        new.action as _,
        new.source.actor.user_id(),
        new.note,
        now,
        new.reply_to,
    )
    .execute(connection)
    .await?;
    Ok(written.rows_affected() == 1)
}

pub(in crate::payments) async fn is_payment(pool: &PgPool, id: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM payments WHERE id = $1) AS "is!""#, id)
        .fetch_one(pool)
        .await
}

pub(in crate::payments) async fn find(
    pool: &PgPool,
    id: i64,
) -> Result<Option<Return>, sqlx::Error> {
    sqlx::query_as!(
        Return,
        r#"SELECT r.id, r.payment_id, r.action AS "action: Action", r.state AS "standing: Standing",
               r.code, r.note, r.settled_note, r.actor_id, r.created_at, r.ended_at,
               p.state AS "payment_state: State"
           FROM payment_returns r JOIN payments p ON p.id = r.payment_id WHERE r.id = $1"#,
        id,
    )
    .fetch_optional(pool)
    .await
}

pub(in crate::payments) async fn of_payment(
    pool: &PgPool,
    payment_id: i64,
) -> Result<Vec<Return>, sqlx::Error> {
    sqlx::query_as!(
        Return,
        r#"SELECT r.id, r.payment_id, r.action AS "action: Action", r.state AS "standing: Standing",
               r.code, r.note, r.settled_note, r.actor_id, r.created_at, r.ended_at,
               p.state AS "payment_state: State"
           FROM payment_returns r JOIN payments p ON p.id = r.payment_id
           WHERE r.payment_id = $1 ORDER BY r.id DESC LIMIT 100"#,
        payment_id,
    )
    .fetch_all(pool)
    .await
}

/// Claims one that is due and nobody's.
pub(in crate::payments) async fn claim(
    pool: &PgPool,
    id: i64,
    lease: Duration,
) -> Result<Option<Claim>, sqlx::Error> {
    sqlx::query_as!(
        Claim,
        r#"UPDATE payment_returns r
           SET attempt = r.attempt + 1, lease_until = now() + make_interval(secs => $2)
           FROM payments p JOIN payment_sessions s ON s.id = p.paid_session_id
           WHERE r.id = $1 AND r.state = 'asked' AND r.next_attempt_at <= now()
             AND r.lease_until IS NULL AND p.id = r.payment_id
           RETURNING r.id, r.attempt, r.payment_id, s.id AS session_id,
               r.action AS "action: Action", r.in_doubt, r.note, r.created_at, p.paid_at, p.gateway,
               p.handle, s.authority AS "authority!", p.amount_rials, p.ref_id, r.reply_to"#,
        id,
        lease.as_secs_f64(),
    )
    .fetch_optional(pool)
    .await
}

/// Writes that the gateway is about to be called; `false`: the lease is over.
pub(in crate::payments) async fn start_call(
    pool: &PgPool,
    claim: &Claim,
) -> Result<bool, sqlx::Error> {
    let started = sqlx::query!(
        "UPDATE payment_returns SET in_doubt = true
         WHERE id = $1 AND attempt = $2 AND state = 'asked' AND lease_until > now()",
        claim.id,
        claim.attempt,
    )
    .execute(pool)
    .await?;
    Ok(started.rows_affected() == 1)
}

/// Writes a call into the payment's story.
pub(in crate::payments) async fn record_call(
    pool: &PgPool,
    claim: &Claim,
    called: &Called,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO payment_attempts (payment_id, session_id, action, outcome, code, started_at,
             ended_at)
         VALUES ($1, $2, $3, $4, left($5, 64), $6, $7)",
        claim.payment_id,
        claim.session_id,
        called.action,
        called.outcome,
        called.code,
        called.started_at,
        called.ended_at,
    )
    .execute(pool)
    .await
    .map(drop)
}

/// Makes it due again after a pause.
pub(in crate::payments) async fn put_off(
    pool: &PgPool,
    claim: &Claim,
    in_doubt: bool,
    code: &str,
    pause: Duration,
) -> Result<bool, sqlx::Error> {
    let put_off = sqlx::query!(
        "UPDATE payment_returns
         SET in_doubt = $3, code = left($4, 64), lease_until = NULL, pushed_until = NULL,
             next_attempt_at = now() + make_interval(secs => $5)
         WHERE id = $1 AND attempt = $2 AND state = 'asked'",
        claim.id,
        claim.attempt,
        in_doubt,
        code,
        pause.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(put_off.rows_affected() == 1)
}

/// Ends it; `false`: it was not this attempt's any more.
pub(in crate::payments) async fn end(
    connection: &mut PgConnection,
    claim: &Claim,
    standing: Standing,
    code: Option<&str>,
    answer: Option<Value>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "UPDATE payment_returns
         SET state = $3, code = left($4, 64), answer = $5, ended_at = $6, lease_until = NULL,
             pushed_until = NULL, next_attempt_at = NULL
         WHERE id = $1 AND attempt = $2 AND state = 'asked'",
        claim.id,
        claim.attempt,
        standing as _,
        code,
        answer,
        now,
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends the return of a payment that nobody could say anything of; which one it is, if there is one.
pub(in crate::payments) async fn decide(
    connection: &mut PgConnection,
    payment_id: i64,
    standing: Standing,
    note: &str,
    now: DateTime<Utc>,
) -> Result<Option<(i64, Action)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"UPDATE payment_returns SET state = $2, ended_at = $3, settled_note = $4
           WHERE payment_id = $1 AND state = 'unknown'
           RETURNING id, action AS "action: Action""#,
        payment_id,
        standing as _,
        now,
        note,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.id, row.action)))
}

/// Moves the payment, which is locked, into its next state; `false`: it may not come there.
pub(in crate::payments) async fn change_state(
    connection: &mut PgConnection,
    id: i64,
    next: State,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let from = State::ALL.into_iter().filter(|state| state.can_become(next));
    let from: Vec<_> = from.map(|state| state.as_str().to_owned()).collect();
    let changed = sqlx::query!(
        "UPDATE payments SET state = $2, updated_at = $3 WHERE id = $1 AND state = ANY($4)",
        id,
        next as _,
        now,
        &from,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Leases of workers that died: due again.
pub(in crate::payments) async fn reclaim(pool: &PgPool) -> Result<u64, sqlx::Error> {
    due::reclaim!(pool, "payment_returns", "next_attempt_at = now()", "true")
}

/// Marks due returns as pushed and gives them.
pub(in crate::payments) async fn take_due(
    pool: &PgPool,
    room: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    due::take_due!(pool, room, "payment_returns", "lease_until IS NULL")
}

/// Makes those of these due that wait for their next attempt.
pub(in crate::payments) async fn make_due(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE payment_returns SET next_attempt_at = now(), pushed_until = NULL
         WHERE id = ANY($1) AND state = 'asked' AND lease_until IS NULL
         RETURNING id",
        ids,
    )
    .fetch_all(connection)
    .await
}

/// What is due.
pub(in crate::payments) async fn backlog(pool: &PgPool) -> Result<Backlog, sqlx::Error> {
    due::backlog!(pool, "payment_returns", "lease_until IS NULL")
}
