//! Looking at payments: asking for it, claiming, settling.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{
    due,
    jobs::Backlog,
    payments::{
        Purpose, State,
        look::Look,
        verify::{Call, Claim, ClaimedPage, View},
    },
};

/// Those who wait for one payment at most; who comes later reads the row.
const MOST_WAITING: i32 = 64;
/// References of one page that wait to be tried at most.
pub(in crate::payments) const MOST_REFERENCES: i64 = 10;

/// A page that somebody names.
pub(in crate::payments) struct NamedPage {
    pub(in crate::payments) id: i64,
    pub(in crate::payments) payment_id: i64,
    pub(in crate::payments) gateway: String,
    pub(in crate::payments) state: State,
    /// Those that wait to be tried.
    pub(in crate::payments) references: Vec<i64>,
    /// How many are known, those that were refused included.
    pub(in crate::payments) known: i64,
    /// Whether the one that was asked for is.
    pub(in crate::payments) is_known: bool,
}

/// The pages of this name: one, unless two gateways have the same names. The latest first.
pub(in crate::payments) async fn find_pages(
    pool: &PgPool,
    authority: &str,
    reference: Option<i64>,
) -> Result<Vec<NamedPage>, sqlx::Error> {
    sqlx::query_as!(
        NamedPage,
        r#"SELECT s.id, s.payment_id, s.gateway, p.state AS "state: State",
               ARRAY(SELECT r.ref_id FROM payment_references r
                     WHERE r.session_id = s.id AND r.refused IS NULL) AS "references!",
               (SELECT count(*) FROM payment_references r
                WHERE r.session_id = s.id) AS "known!",
               EXISTS (SELECT FROM payment_references r
                       WHERE r.session_id = s.id AND r.ref_id = $2) AS "is_known!"
           FROM payment_sessions s JOIN payments p ON p.id = s.payment_id
           WHERE s.authority = $1 ORDER BY s.id DESC LIMIT 10"#,
        authority,
        reference,
    )
    .fetch_all(pool)
    .await
}

/// Makes a payment due, unless it was paid; whether it is. Locks its row.
pub(in crate::payments) async fn make_due(
    connection: &mut PgConnection,
    id: i64,
    now: DateTime<Utc>,
    waiter: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let due = sqlx::query!(
        "UPDATE payments
         SET asked_at = $2, failures = 0, next_attempt_at = now(),
             pushed_until = now() + make_interval(secs => $4),
             waiting = CASE WHEN $3::text IS NULL OR cardinality(waiting) >= $5 THEN waiting
                 ELSE array_append(waiting, $3) END
         WHERE id = $1 AND state NOT IN ('paid', 'reversed', 'refunded')",
        id,
        now,
        waiter,
        due::PUSH_TRUST_SECONDS,
        MOST_WAITING,
    )
    .execute(connection)
    .await?;
    Ok(due.rows_affected() > 0)
}

/// Says what is to be found out of a page.
pub(in crate::payments) async fn want_look(
    connection: &mut PgConnection,
    page: i64,
    look: Look,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE payment_sessions SET look = greatest(look, $2), asks = asks + 1 WHERE id = $1",
        page,
        look.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The same of every page of a payment.
pub(in crate::payments) async fn want_looks(
    connection: &mut PgConnection,
    payment: i64,
    look: Look,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE payment_sessions SET look = greatest(look, $2), asks = asks + 1
         WHERE payment_id = $1 AND state = 'open'",
        payment,
        look.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Takes down a reference that somebody brought; one that was refused is tried again.
pub(in crate::payments) async fn note_reference(
    connection: &mut PgConnection,
    page: i64,
    reference: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO payment_references AS r (session_id, ref_id, seen_at)
         SELECT $1, $2, $3
         WHERE (SELECT count(*) FROM payment_references
                WHERE session_id = $1 AND refused IS NULL) < $4
         ON CONFLICT (session_id, ref_id) DO UPDATE SET refused = NULL, seen_at = $3
         WHERE r.refused IS NOT NULL",
        page,
        reference,
        now,
        MOST_REFERENCES,
    )
    .execute(&mut *connection)
    .await?;
    // What was refused is remembered for people, not for ever.
    sqlx::query!(
        "DELETE FROM payment_references
         WHERE session_id = $1 AND ref_id IN (
             SELECT ref_id FROM payment_references
             WHERE session_id = $1 AND refused IS NOT NULL ORDER BY seen_at DESC OFFSET $2)",
        page,
        MOST_REFERENCES,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Claims the payment if it is due and nobody else's.
pub(in crate::payments) async fn claim(
    pool: &PgPool,
    id: i64,
    lease: Duration,
) -> Result<Option<Claim>, sqlx::Error> {
    let row = sqlx::query!(
        r#"UPDATE payments
           SET attempt = attempt + 1, lease_until = now() + make_interval(secs => $2),
               next_attempt_at = NULL, pushed_until = NULL
           WHERE id = $1 AND next_attempt_at <= now() AND lease_until IS NULL
             AND state NOT IN ('paid', 'reversed', 'refunded')
           RETURNING id, handle, user_id, order_id, amount_rials, currency,
               purpose AS "purpose: Purpose", gateway, state AS "state: State", attempt, failures,
               watch_until, asked_at"#,
        id,
        lease.as_secs_f64(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let pages = sqlx::query!(
        r#"SELECT s.id, s.authority AS "authority!", s.look AS "look: Look", s.asks,
               ARRAY(SELECT r.ref_id FROM payment_references r
                     WHERE r.session_id = s.id AND r.refused IS NULL
                     ORDER BY r.seen_at DESC) AS "references!"
           FROM payment_sessions s WHERE s.payment_id = $1 AND s.state = 'open'
           ORDER BY s.look DESC NULLS LAST, s.id DESC"#,
        id,
    )
    .fetch_all(pool)
    .await?;
    let pages = pages.into_iter().map(|page| ClaimedPage {
        id: page.id,
        authority: page.authority,
        look: page.look,
        asks: page.asks,
        references: page.references,
    });
    Ok(Some(Claim {
        id: row.id,
        handle: row.handle,
        user_id: row.user_id,
        order_id: row.order_id,
        amount_rials: row.amount_rials,
        currency: row.currency,
        purpose: row.purpose,
        gateway: row.gateway,
        state: row.state,
        attempt: row.attempt,
        failures: row.failures,
        watch_until: row.watch_until,
        asked_at: row.asked_at,
        pages: pages.collect(),
    }))
}

/// Whether another payment of the gateway has this reference.
pub(in crate::payments) async fn is_taken(
    connection: &mut PgConnection,
    gateway: &str,
    reference: i64,
    id: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM payments
               WHERE gateway = $1 AND ref_id = $2 AND id <> $3) AS "taken!""#,
        gateway,
        reference,
        id,
    )
    .fetch_one(connection)
    .await
}

/// What the gateway said last, if it said something.
pub(in crate::payments) struct Word<'a> {
    pub(in crate::payments) code: Option<i32>,
    pub(in crate::payments) message: &'a str,
    pub(in crate::payments) answer: &'a Value,
}

/// What a receipt adds.
#[derive(Default)]
pub(in crate::payments) struct Slip<'a> {
    pub(in crate::payments) page: Option<i64>,
    pub(in crate::payments) reference: Option<i64>,
    pub(in crate::payments) gateway_reference: Option<i64>,
    pub(in crate::payments) card_pan: Option<&'a str>,
    pub(in crate::payments) card_hash: Option<&'a str>,
}

/// How a look ends.
pub(in crate::payments) struct Ending<'a> {
    pub(in crate::payments) id: i64,
    pub(in crate::payments) attempt: i32,
    pub(in crate::payments) from: State,
    pub(in crate::payments) to: State,
    pub(in crate::payments) reason: Option<&'a str>,
    pub(in crate::payments) word: Option<Word<'a>>,
    pub(in crate::payments) slip: Slip<'a>,
    /// When to look again; `None`: it is over.
    pub(in crate::payments) pause: Option<Duration>,
    pub(in crate::payments) failures: i32,
    pub(in crate::payments) now: DateTime<Utc>,
}

/// What follows from a settled look.
pub(in crate::payments) struct Settled {
    /// Those who have their answer now.
    pub(in crate::payments) waiting: Vec<String>,
    /// It is due again at once.
    pub(in crate::payments) due: bool,
}

/// Writes the end of a look, if nobody has begun another one and it is in the state it was found in.
/// Somebody who asked meanwhile is not answered yet, unless it was paid.
pub(in crate::payments) async fn settle(
    connection: &mut PgConnection,
    ending: &Ending<'_>,
) -> Result<Option<Settled>, sqlx::Error> {
    let word = ending.word.as_ref();
    let slip = &ending.slip;
    let row = sqlx::query!(
        r#"WITH before AS (
               SELECT id, waiting, next_attempt_at AS asked FROM payments
               WHERE id = $1 AND attempt = $2 AND state = $3 FOR UPDATE)
           UPDATE payments p
           SET state = $4,
               reason = CASE WHEN $4 = $3 THEN p.reason ELSE $5 END,
               updated_at = CASE WHEN $4 = $3 THEN p.updated_at ELSE $6 END,
               paid_at = CASE WHEN $4 = 'paid' THEN $6 ELSE p.paid_at END,
               gateway_code = CASE WHEN $7 THEN $8 ELSE p.gateway_code END,
               gateway_message = CASE WHEN $7 THEN left($9, 500) ELSE p.gateway_message END,
               gateway_answer = CASE WHEN $7 THEN $10 ELSE p.gateway_answer END,
               paid_session_id = coalesce($11, p.paid_session_id),
               ref_id = coalesce($12, p.ref_id),
               gateway_ref_id = coalesce($13, p.gateway_ref_id),
               card_pan = coalesce(left($14, 32), p.card_pan),
               card_hash = coalesce(left($15, 128), p.card_hash),
               failures = $16, lease_until = NULL, pushed_until = NULL,
               next_attempt_at = CASE WHEN $4 = 'paid' THEN NULL
                   ELSE coalesce(before.asked, now() + make_interval(secs => $17)) END,
               waiting = CASE
                   WHEN $4 = 'paid' OR ($17::float8 IS NULL AND before.asked IS NULL) THEN '{}'
                   ELSE p.waiting END
           FROM before WHERE p.id = before.id
           RETURNING coalesce(p.next_attempt_at <= now(), false) AS "due!",
               CASE WHEN p.waiting = '{}' THEN before.waiting ELSE '{}' END AS "waiting!""#,
        ending.id,
        ending.attempt,
        ending.from.as_str(),
        ending.to.as_str(),
        ending.reason,
        ending.now,
        word.is_some(),
        word.and_then(|word| word.code),
        word.map(|word| word.message),
        word.map(|word| word.answer),
        slip.page,
        slip.reference,
        slip.gateway_reference,
        slip.card_pan,
        slip.card_hash,
        ending.failures,
        ending.pause.map(|pause| pause.as_secs_f64()),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Settled { waiting: row.waiting, due: row.due }))
}

/// What was wanted of these pages when they were claimed is done.
pub(in crate::payments) async fn looked(
    connection: &mut PgConnection,
    pages: &[&ClaimedPage],
) -> Result<(), sqlx::Error> {
    let ids: Vec<_> = pages.iter().map(|page| page.id).collect();
    let asks: Vec<_> = pages.iter().map(|page| page.asks).collect();
    sqlx::query!(
        "UPDATE payment_sessions s SET look = NULL
         FROM unnest($1::bigint[], $2::int[]) AS r(id, asks)
         WHERE s.id = r.id AND s.asks = r.asks",
        &ids,
        &asks,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The gateway refused these references, and why.
pub(in crate::payments) async fn refuse(
    connection: &mut PgConnection,
    refused: &[(i64, i64, String)],
) -> Result<(), sqlx::Error> {
    let pages: Vec<_> = refused.iter().map(|(page, ..)| *page).collect();
    let references: Vec<_> = refused.iter().map(|(_, reference, _)| *reference).collect();
    let reasons: Vec<_> = refused.iter().map(|(.., reason)| reason.clone()).collect();
    sqlx::query!(
        "UPDATE payment_references p SET refused = left(r.reason, 64)
         FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS r(page, reference, reason)
         WHERE p.session_id = r.page AND p.ref_id = r.reference",
        &pages,
        &references,
        &reasons,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Writes down the calls that were made.
pub(in crate::payments) async fn record(
    connection: &mut PgConnection,
    payment: i64,
    calls: &[Call],
) -> Result<(), sqlx::Error> {
    let pages: Vec<_> = calls.iter().map(|call| call.page).collect();
    let actions: Vec<_> = calls.iter().map(|call| call.action.to_owned()).collect();
    let outcomes: Vec<_> = calls.iter().map(|call| call.outcome.to_owned()).collect();
    let codes: Vec<_> = calls.iter().map(|call| call.code.clone()).collect();
    let starts: Vec<_> = calls.iter().map(|call| call.started_at).collect();
    let ends: Vec<_> = calls.iter().map(|call| call.ended_at).collect();
    sqlx::query!(
        "INSERT INTO payment_attempts
             (payment_id, session_id, action, outcome, code, started_at, ended_at)
         SELECT $1, c.page, c.action, c.outcome, left(c.code, 64), c.started, c.ended
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                 $7::timestamptz[])
             WITH ORDINALITY AS c(page, action, outcome, code, started, ended, place)
         ORDER BY c.place",
        payment,
        &pages,
        &actions,
        &outcomes,
        &codes as &[Option<String>],
        &starts,
        &ends,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Gives a claim back whose payment somebody else has moved on: due again, unless it was paid.
pub(in crate::payments) async fn give_back(
    connection: &mut PgConnection,
    id: i64,
    attempt: i32,
) -> Result<bool, sqlx::Error> {
    let back = sqlx::query!(
        "UPDATE payments
         SET lease_until = NULL, pushed_until = NULL,
             next_attempt_at = CASE WHEN state IN ('paid', 'reversed', 'refunded') THEN NULL
                 ELSE now() END
         WHERE id = $1 AND attempt = $2 AND lease_until IS NOT NULL",
        id,
        attempt,
    )
    .execute(connection)
    .await?;
    Ok(back.rows_affected() > 0)
}

/// Leases of workers that died: due again, for verifying may be asked again.
pub(in crate::payments) async fn reclaim(pool: &PgPool) -> Result<u64, sqlx::Error> {
    due::reclaim!(
        pool,
        "payments",
        "next_attempt_at = CASE WHEN state IN ('paid', 'reversed', 'refunded') THEN NULL
             ELSE now() END",
        "true"
    )
}

/// Marks due payments as pushed and returns them.
pub(in crate::payments) async fn take_due(
    pool: &PgPool,
    room: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    due::take_due!(pool, room, "payments", "lease_until IS NULL")
}

/// What is due.
pub(in crate::payments) async fn backlog(pool: &PgPool) -> Result<Backlog, sqlx::Error> {
    due::backlog!(pool, "payments", "lease_until IS NULL")
}

/// Most payments to review that are counted.
const REVIEW_BOUND: i64 = 10_000;

/// How many wait for a person.
pub(in crate::payments) async fn count_to_review(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM payments WHERE state = 'needs_review' LIMIT $1) AS waiting"#,
        REVIEW_BOUND,
    )
    .fetch_one(pool)
    .await
}

/// How a payment stands, for whoever came back.
pub(in crate::payments) async fn view(pool: &PgPool, id: i64) -> Result<Option<View>, sqlx::Error> {
    sqlx::query_as!(
        View,
        r#"SELECT p.id, p.handle, p.state AS "state: State", p.order_id, p.amount,
               p.frontend_callback_url, p.gateway_code, p.gateway_message, p.gateway_answer,
               coalesce(p.gateway_ref_id, p.ref_id) AS gateway_ref_id, p.card_pan, p.card_hash,
               p.failures,
               (p.next_attempt_at IS NOT NULL OR p.lease_until IS NOT NULL) AS "is_looked_at!"
           FROM payments p WHERE p.id = $1"#,
        id,
    )
    .fetch_optional(pool)
    .await
}
