//! Looking at payments: asking for it, claiming.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    due,
    jobs::Backlog,
    payments::{
        Purpose, State,
        look::Look,
        verify::{Claim, ClaimedPage, View},
        writes::Ask,
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

/// Says what is to be found out of every page of a payment.
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

/// Takes down that somebody came back from these pages, unless their payments were paid: what is to be
/// found out, the reference that was brought (one that was refused is tried again), who waits. The
/// payments that are due now. Locks their rows, then what hangs on them.
///
/// Two processes that take references of one page down in the same moment may exceed
/// [`MOST_REFERENCES`] by one each.
pub(in crate::payments) async fn ask(
    connection: &mut PgConnection,
    asks: &[Ask],
    now: DateTime<Utc>,
) -> Result<HashSet<i64>, sqlx::Error> {
    let ids: Vec<_> = asks.iter().map(|ask| ask.payment_id).collect();
    let pages: Vec<_> = asks.iter().map(|ask| ask.page_id).collect();
    let looks: Vec<_> = asks.iter().map(|ask| ask.look.as_str().to_owned()).collect();
    let references: Vec<_> = asks.iter().map(|ask| ask.reference).collect();
    let waiters: Vec<_> = asks.iter().map(|ask| ask.waiter.clone()).collect();
    let due = sqlx::query_scalar!(
        r#"WITH asked AS (
               SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[])
                   AS a(id, page, look, reference, waiter)),
           due AS (
               UPDATE payments p
               SET asked_at = $6, failures = 0, next_attempt_at = now(),
                   pushed_until = now() + make_interval(secs => $7),
                   waiting = (p.waiting || a.waiters)[1:$8]
               FROM (SELECT id, array_remove(array_agg(waiter), NULL) AS waiters
                     FROM asked GROUP BY id ORDER BY id) AS a
               WHERE p.id = a.id AND p.state NOT IN ('paid', 'reversed', 'refunded')
               RETURNING p.id),
           noted AS (
               INSERT INTO payment_references AS r (session_id, ref_id, seen_at)
               SELECT n.page, n.reference, $6
               FROM (SELECT page, reference, row_number() OVER (PARTITION BY page) AS place
                     FROM (SELECT DISTINCT a.page, a.reference FROM asked a JOIN due USING (id)
                           WHERE a.reference IS NOT NULL) AS brought) AS n
               WHERE n.place + (SELECT count(*) FROM payment_references k
                                WHERE k.session_id = n.page AND k.refused IS NULL) <= $9
               ON CONFLICT (session_id, ref_id) DO UPDATE SET refused = NULL, seen_at = $6
               WHERE r.refused IS NOT NULL)
           UPDATE payment_sessions s
           SET look = greatest(s.look, a.look), asks = s.asks + a.asks
           FROM (SELECT a.page, max(a.look) AS look, count(*)::int AS asks
                 FROM asked a JOIN due USING (id) GROUP BY a.page ORDER BY a.page) AS a
           WHERE s.id = a.page
           RETURNING s.payment_id"#,
        &ids,
        &pages,
        &looks,
        &references as &[Option<i64>],
        &waiters as &[Option<String>],
        now,
        due::PUSH_TRUST_SECONDS,
        MOST_WAITING,
        MOST_REFERENCES,
    )
    .fetch_all(connection)
    .await?;
    Ok(due.into_iter().collect())
}

/// Claims the payments that are due and nobody else's.
pub(in crate::payments) async fn claim(
    connection: &mut PgConnection,
    ids: &[i64],
    lease: Duration,
) -> Result<HashMap<i64, Claim>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"UPDATE payments
           SET attempt = attempt + 1, lease_until = now() + make_interval(secs => $2),
               next_attempt_at = NULL, pushed_until = NULL
           WHERE id = ANY($1) AND next_attempt_at <= now() AND lease_until IS NULL
             AND state NOT IN ('paid', 'reversed', 'refunded')
           RETURNING id, handle, user_id, order_id, amount_rials, currency,
               purpose AS "purpose: Purpose", gateway, state AS "state: State", attempt, failures,
               watch_until, asked_at"#,
        ids,
        lease.as_secs_f64(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let rows = rows.into_iter().map(|row| Claim {
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
        pages: Vec::new(),
    });
    let mut claims: HashMap<_, _> = rows.map(|claim| (claim.id, claim)).collect();
    let claimed: Vec<_> = claims.keys().copied().collect();
    if claimed.is_empty() {
        return Ok(claims);
    }
    // Not part of the first statement: that may have waited for whoever came back, and would not see
    // what they want looked at.
    let pages = sqlx::query!(
        r#"SELECT s.payment_id, s.id, s.authority AS "authority!", s.look AS "look: Look", s.asks,
               ARRAY(SELECT r.ref_id FROM payment_references r
                     WHERE r.session_id = s.id AND r.refused IS NULL
                     ORDER BY r.seen_at DESC) AS "references!"
           FROM payment_sessions s WHERE s.payment_id = ANY($1) AND s.state = 'open'
           ORDER BY s.look DESC NULLS LAST, s.id DESC"#,
        &claimed,
    )
    .fetch_all(connection)
    .await?;
    for page in pages {
        let Some(claim) = claims.get_mut(&page.payment_id) else { continue };
        claim.pages.push(ClaimedPage {
            id: page.id,
            authority: page.authority,
            look: page.look,
            asks: page.asks,
            references: page.references,
        });
    }
    Ok(claims)
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
