//! The end of looks: what is asked before, and one statement that writes all of it.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use super::verify::MOST_REFERENCES;
use crate::payments::{State, verify::Call};

/// A payment that is to be settled, as it was claimed.
pub(in crate::payments) struct Claimed {
    pub(in crate::payments) id: i64,
    pub(in crate::payments) attempt: i32,
    pub(in crate::payments) state: State,
    /// What the gateway calls it, if it said that it was paid.
    pub(in crate::payments) reference: Option<i64>,
}

/// A payment that is locked, and is as it was claimed.
pub(in crate::payments) struct Locked {
    /// Those who wait for what becomes of it.
    pub(in crate::payments) waiting: Vec<String>,
    /// Somebody asked meanwhile.
    pub(in crate::payments) asked: bool,
    /// Another payment of the gateway has the reference.
    pub(in crate::payments) is_taken: bool,
}

/// Locks those payments that nobody has begun another look at and that are in the state they were
/// found in, in the order of their ids.
pub(in crate::payments) async fn lock(
    connection: &mut PgConnection,
    claimed: &[Claimed],
) -> Result<HashMap<i64, Locked>, sqlx::Error> {
    let ids: Vec<_> = claimed.iter().map(|one| one.id).collect();
    let attempts: Vec<_> = claimed.iter().map(|one| one.attempt).collect();
    let states: Vec<_> = claimed.iter().map(|one| one.state.as_str().to_owned()).collect();
    let references: Vec<_> = claimed.iter().map(|one| one.reference).collect();
    let rows = sqlx::query!(
        r#"SELECT p.id, p.waiting, p.next_attempt_at IS NOT NULL AS "asked!",
               EXISTS (SELECT FROM payments o
                       WHERE o.ref_id = c.reference AND o.gateway = p.gateway
                         AND o.id <> p.id) AS "is_taken!"
           FROM unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[])
               AS c(id, attempt, state, reference)
           JOIN payments p ON p.id = c.id AND p.attempt = c.attempt AND p.state = c.state
           ORDER BY p.id FOR NO KEY UPDATE OF p"#,
        &ids,
        &attempts,
        &states,
        &references as &[Option<i64>],
    )
    .fetch_all(connection)
    .await?;
    let mut locked = HashMap::new();
    for row in rows {
        let one = Locked { waiting: row.waiting, asked: row.asked, is_taken: row.is_taken };
        locked.insert(row.id, one);
    }
    Ok(locked)
}

/// What the gateway said last, if it said something.
pub(in crate::payments) struct Word {
    pub(in crate::payments) code: Option<i32>,
    pub(in crate::payments) message: String,
    pub(in crate::payments) answer: Value,
}

/// What a receipt adds.
#[derive(Clone, Default)]
pub(in crate::payments) struct Slip {
    pub(in crate::payments) page: Option<i64>,
    pub(in crate::payments) reference: Option<i64>,
    pub(in crate::payments) gateway_reference: Option<i64>,
    pub(in crate::payments) card_pan: Option<String>,
    pub(in crate::payments) card_hash: Option<String>,
}

/// How a look at a locked payment ends.
pub(in crate::payments) struct Ending {
    pub(in crate::payments) id: i64,
    pub(in crate::payments) to: State,
    pub(in crate::payments) reason: Option<String>,
    pub(in crate::payments) word: Option<Word>,
    pub(in crate::payments) slip: Slip,
    /// When to look again; `None`: it is over.
    pub(in crate::payments) pause: Option<Duration>,
    pub(in crate::payments) failures: i32,
    /// Those who wait have their answer.
    pub(in crate::payments) answered: bool,
}

/// Writes how looks at locked payments end, that what was wanted of these pages (and how many times)
/// is done, and the calls that were made, each with its payment. Those that are due again at once.
#[expect(clippy::too_many_lines, reason = "one statement, and what it is given")]
pub(in crate::payments) async fn settle(
    connection: &mut PgConnection,
    endings: &[Ending],
    looked: &[(i64, i32)],
    calls: &[(i64, &Call)],
    now: DateTime<Utc>,
) -> Result<Vec<i64>, sqlx::Error> {
    let ids: Vec<_> = endings.iter().map(|end| end.id).collect();
    let states: Vec<_> = endings.iter().map(|end| end.to.as_str().to_owned()).collect();
    let reasons: Vec<_> = endings.iter().map(|end| end.reason.clone()).collect();
    let words = || endings.iter().map(|end| end.word.as_ref());
    let spoke: Vec<_> = words().map(|word| word.is_some()).collect();
    let codes: Vec<_> = words().map(|word| word.and_then(|word| word.code)).collect();
    let messages: Vec<_> = words().map(|word| word.map(|word| word.message.clone())).collect();
    let answers: Vec<_> = words().map(|word| word.map(|word| word.answer.clone())).collect();
    let slips = || endings.iter().map(|end| &end.slip);
    let paid_pages: Vec<_> = slips().map(|slip| slip.page).collect();
    let references: Vec<_> = slips().map(|slip| slip.reference).collect();
    let gateway_references: Vec<_> = slips().map(|slip| slip.gateway_reference).collect();
    let pans: Vec<_> = slips().map(|slip| slip.card_pan.clone()).collect();
    let hashes: Vec<_> = slips().map(|slip| slip.card_hash.clone()).collect();
    let failures: Vec<_> = endings.iter().map(|end| end.failures).collect();
    let pauses: Vec<_> = endings.iter().map(|end| end.pause.map(millis)).collect();
    let answered: Vec<_> = endings.iter().map(|end| end.answered).collect();
    let (pages, asks): (Vec<_>, Vec<_>) = looked.iter().copied().unzip();
    let called: Vec<_> = calls.iter().map(|(payment, _)| *payment).collect();
    let calls = || calls.iter().map(|(_, call)| call);
    let call_pages: Vec<_> = calls().map(|call| call.page).collect();
    let actions: Vec<_> = calls().map(|call| call.action.to_owned()).collect();
    let outcomes: Vec<_> = calls().map(|call| call.outcome.to_owned()).collect();
    let call_codes: Vec<_> = calls().map(|call| call.code.clone()).collect();
    let starts: Vec<_> = calls().map(|call| call.started_at).collect();
    let ends: Vec<_> = calls().map(|call| call.ended_at).collect();
    sqlx::query_scalar!(
        r#"WITH looked AS (
               UPDATE payment_sessions s SET look = NULL
               FROM unnest($1::bigint[], $2::int[]) AS r(id, asks)
               WHERE s.id = r.id AND s.asks = r.asks),
           called AS (
               INSERT INTO payment_attempts
                   (payment_id, session_id, action, outcome, code, started_at, ended_at)
               SELECT c.payment, c.page, c.action, c.outcome, left(c.code, 64), c.started, c.ended
               FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                       $8::timestamptz[], $9::timestamptz[])
                   WITH ORDINALITY
                   AS c(payment, page, action, outcome, code, started, ended, place)
               ORDER BY c.place)
           UPDATE payments p
           SET state = e.state,
               reason = CASE WHEN e.state = p.state THEN p.reason ELSE e.reason END,
               updated_at = CASE WHEN e.state = p.state THEN p.updated_at ELSE $10 END,
               paid_at = CASE WHEN e.state = 'paid' THEN $10 ELSE p.paid_at END,
               gateway_code = CASE WHEN e.spoke THEN e.code ELSE p.gateway_code END,
               gateway_message = CASE WHEN e.spoke THEN left(e.message, 500)
                   ELSE p.gateway_message END,
               gateway_answer = CASE WHEN e.spoke THEN e.answer ELSE p.gateway_answer END,
               paid_session_id = coalesce(e.page, p.paid_session_id),
               ref_id = coalesce(e.reference, p.ref_id),
               gateway_ref_id = coalesce(e.gateway_reference, p.gateway_ref_id),
               card_pan = coalesce(left(e.card_pan, 32), p.card_pan),
               card_hash = coalesce(left(e.card_hash, 128), p.card_hash),
               failures = e.failures, lease_until = NULL, pushed_until = NULL,
               next_attempt_at = CASE WHEN e.state = 'paid' THEN NULL
                   ELSE coalesce(p.next_attempt_at, now() + e.pause * interval '1 millisecond') END,
               waiting = CASE WHEN e.answered THEN '{}' ELSE p.waiting END
           FROM unnest($11::bigint[], $12::text[], $13::text[], $14::bool[], $15::int[],
                   $16::text[], $17::jsonb[], $18::bigint[], $19::bigint[], $20::bigint[],
                   $21::text[], $22::text[], $23::int[], $24::bigint[], $25::bool[])
               AS e(id, state, reason, spoke, code, message, answer, page, reference,
                   gateway_reference, card_pan, card_hash, failures, pause, answered)
           WHERE p.id = e.id
           RETURNING CASE WHEN p.next_attempt_at <= now() THEN p.id END"#,
        &pages,
        &asks,
        &called,
        &call_pages,
        &actions,
        &outcomes,
        &call_codes as &[Option<String>],
        &starts,
        &ends,
        now,
        &ids,
        &states,
        &reasons as &[Option<String>],
        &spoke,
        &codes as &[Option<i32>],
        &messages as &[Option<String>],
        &answers as &[Option<Value>],
        &paid_pages as &[Option<i64>],
        &references as &[Option<i64>],
        &gateway_references as &[Option<i64>],
        &pans as &[Option<String>],
        &hashes as &[Option<String>],
        &failures,
        &pauses as &[Option<i64>],
        &answered,
    )
    .fetch_all(connection)
    .await
    .map(|due| due.into_iter().flatten().collect())
}

fn millis(pause: Duration) -> i64 {
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}

/// The gateway refused these references (of a page), and why. What was refused is remembered for
/// people, not for ever.
pub(in crate::payments) async fn refuse(
    connection: &mut PgConnection,
    refused: &[&(i64, i64, String)],
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
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM payment_references p
         USING (SELECT session_id, ref_id,
                    row_number() OVER (PARTITION BY session_id ORDER BY seen_at DESC) AS place
                FROM payment_references
                WHERE session_id = ANY($1) AND refused IS NOT NULL) AS r
         WHERE p.session_id = r.session_id AND p.ref_id = r.ref_id AND r.place > $2",
        &pages,
        MOST_REFERENCES,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Gives claims (a payment, its attempt) back whose payment somebody else has moved on: due again,
/// unless it was paid. Those that are.
pub(in crate::payments) async fn give_back(
    connection: &mut PgConnection,
    claims: &[(i64, i32)],
) -> Result<Vec<i64>, sqlx::Error> {
    let (ids, attempts): (Vec<_>, Vec<_>) = claims.iter().copied().unzip();
    sqlx::query_scalar!(
        "UPDATE payments p
         SET lease_until = NULL, pushed_until = NULL,
             next_attempt_at = CASE WHEN state IN ('paid', 'reversed', 'refunded') THEN NULL
                 ELSE now() END
         FROM unnest($1::bigint[], $2::int[]) AS c(id, attempt)
         WHERE p.id = c.id AND p.attempt = c.attempt AND p.lease_until IS NOT NULL
         RETURNING p.id",
        &ids,
        &attempts,
    )
    .fetch_all(connection)
    .await
}
