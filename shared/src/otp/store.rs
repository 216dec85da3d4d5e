//! All SQL of the `otp_codes`, `otp_requests` and `send_counters` tables.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool, postgres::types::PgInterval, types::ipnetwork::IpNetwork};

use super::{CheckedCode, Purpose, code::Nonce, form::Form, send::PendingSend, verify::Check};
use crate::{
    phone::PhoneNumber,
    purge::{Purged, Slice},
};

/// What holds for every send.
pub(super) struct SendRules {
    pub(super) key_id: String,
    /// Of codes that no mount asks for, and of those that one asks for.
    pub(super) form: Form,
    pub(super) forms: HashMap<String, Form>,
    pub(super) longest_life: TimeDelta,
    pub(super) cooldown: Option<TimeDelta>,
    pub(super) daily_sends: i32,
}

impl SendRules {
    fn form_of(&self, mount: Option<&str>) -> Form {
        mount.and_then(|mount| self.forms.get(mount)).copied().unwrap_or(self.form)
    }
}

/// Locks the codes there are, in order; as briefly as the transaction's lock time-out says. From
/// then on the transaction waits up to two seconds for a lock: what comes next are the counters, and
/// waiting for one's turn there is no reason to give up sharing a commit: whoever goes alone holds
/// them just as long, for one send instead of many.
pub(super) async fn lock(
    connection: &mut PgConnection,
    sends: &[PendingSend],
) -> Result<(), sqlx::Error> {
    let phones: Vec<_> = sends.iter().map(|send| send.new.phone.as_e164().to_owned()).collect();
    let purposes: Vec<_> = sends.iter().map(|send| send.new.purpose.as_str().to_owned()).collect();
    sqlx::query!(
        r#"WITH locked AS MATERIALIZED (
               SELECT 1 FROM unnest($1::text[], $2::text[]) AS r(phone, purpose)
               JOIN otp_codes c ON c.phone = r.phone AND c.purpose = r.purpose
               ORDER BY c.phone, c.purpose FOR UPDATE OF c)
           SELECT set_config('lock_timeout', '2000', true) AS "set!"
           FROM (SELECT count(*) FROM locked) AS all_locked"#,
        &phones,
        &purposes,
    )
    .fetch_one(connection)
    .await
    .map(drop)
}

/// Makes new codes or renews living ones, each with the request that asks for it, and says when they
/// end, by the message that carries them; a send in its cool-down or over its daily cap has no entry.
/// No two sends may be for one (phone, purpose).
///
/// The living code stays the same; with less than half of its life left it is extended, once,
/// never past the longest life, and the shared budget of checks starts anew (the daily cap holds).
/// `instead_of`: a message that failed and therefore starts no cool-down.
/// Locks the rows of (phone, purpose), so that parallel sends get one answer each.
#[expect(clippy::too_many_lines, reason = "one statement")]
pub(super) async fn issue(
    connection: &mut PgConnection,
    rules: &SendRules,
    now: DateTime<Utc>,
    sends: &[&PendingSend],
) -> Result<HashMap<i64, DateTime<Utc>>, sqlx::Error> {
    let phones: Vec<_> = sends.iter().map(|send| send.new.phone.as_e164().to_owned()).collect();
    let purposes: Vec<_> = sends.iter().map(|send| send.new.purpose.as_str().to_owned()).collect();
    let nonces: Vec<_> = sends.iter().map(|send| send.nonce.to_vec()).collect();
    let local_ids: Vec<_> = sends.iter().map(|send| send.local_id).collect();
    // Random over 63 bits, so an id of one send means nothing to another.
    let instead_of: Vec<_> = sends.iter().filter_map(|send| send.instead_of).collect();
    let requests: Vec<_> = sends.iter().map(|send| send.request_id.clone()).collect();
    let addresses: Vec<Option<IpNetwork>> =
        sends.iter().map(|send| send.new.ip.map(IpNetwork::from)).collect();
    let mounts: Vec<_> = sends.iter().map(|send| send.new.mount.clone()).collect();
    let forms = mounts.iter().map(|mount| rules.form_of(mount.as_deref()));
    let (digits, lives): (Vec<_>, Vec<_>) =
        forms.map(|form| (form.digits, interval(form.ttl))).unzip();
    let rows = sqlx::query!(
        r#"WITH issued AS (INSERT INTO otp_codes AS c
               (phone, purpose, nonce, key_id, digits, created_at, expires_at,
                last_sent_at, last_local_id, day, sends_today, mount)
           SELECT r.phone, r.purpose, r.nonce, $4, r.digits, $6::timestamptz,
                  $6::timestamptz + r.life, $6, r.local_id,
                  ($6::timestamptz AT TIME ZONE 'UTC')::date, 1, r.mount
           FROM unnest($1::text[], $2::text[], $3::bytea[], $8::bigint[], $5::smallint[],
                       $7::interval[], $15::text[])
               AS r(phone, purpose, nonce, local_id, digits, life, mount)
           ON CONFLICT (phone, purpose) DO UPDATE SET
               generation = CASE WHEN c.consumed_at IS NULL AND c.expires_at > $6
                   THEN c.generation ELSE c.generation + 1 END,
               nonce = CASE WHEN c.consumed_at IS NULL AND c.expires_at > $6
                   THEN c.nonce ELSE excluded.nonce END,
               key_id = CASE WHEN c.consumed_at IS NULL AND c.expires_at > $6
                   THEN c.key_id ELSE excluded.key_id END,
               digits = CASE WHEN c.consumed_at IS NULL AND c.expires_at > $6
                   THEN c.digits ELSE excluded.digits END,
               created_at = CASE WHEN c.consumed_at IS NULL AND c.expires_at > $6
                   THEN c.created_at ELSE excluded.created_at END,
               expires_at = CASE
                   WHEN c.consumed_at IS NOT NULL OR c.expires_at <= $6 THEN excluded.expires_at
                   WHEN NOT c.extended
                        AND c.expires_at - $6::timestamptz < (excluded.expires_at - $6) / 2
                       THEN least(excluded.expires_at, c.created_at + $9::interval)
                   ELSE c.expires_at END,
               extended = c.consumed_at IS NULL AND c.expires_at > $6
                   AND (c.extended
                        OR c.expires_at - $6::timestamptz < (excluded.expires_at - $6) / 2),
               consumed_at = NULL,
               shared_attempts = 0,
               last_sent_at = excluded.last_sent_at,
               last_local_id = excluded.last_local_id,
               mount = excluded.mount,
               sends_today = CASE WHEN c.day >= excluded.day THEN c.sends_today + 1 ELSE 1 END,
               shared_attempts_today =
                   CASE WHEN c.day >= excluded.day THEN c.shared_attempts_today ELSE 0 END,
               requested_attempts_today =
                   CASE WHEN c.day >= excluded.day THEN c.requested_attempts_today ELSE 0 END,
               day = greatest(c.day, excluded.day)
           WHERE (c.consumed_at IS NOT NULL OR c.expires_at <= $6
                  OR c.last_sent_at + $10::interval <= $6 OR c.last_local_id = ANY($11::bigint[]))
             AND (c.day < excluded.day OR c.sends_today < $12)
           RETURNING c.phone, c.purpose, c.last_local_id, c.generation, c.expires_at),
           requested AS (
               INSERT INTO otp_requests
                   (id, phone, purpose, generation, local_id, ip, created_at, expires_at)
               SELECT r.id, i.phone, i.purpose, i.generation, r.local_id, r.ip, $6::timestamptz,
                      $6::timestamptz + $9::interval
               FROM unnest($13::text[], $8::bigint[], $14::inet[]) AS r(id, local_id, ip)
               JOIN issued i ON i.last_local_id = r.local_id)
           SELECT last_local_id, expires_at FROM issued"#,
        &phones,
        &purposes,
        &nonces,
        rules.key_id,
        &digits,
        now,
        &lives,
        &local_ids,
        interval(rules.longest_life),
        rules.cooldown.map(interval),
        &instead_of,
        rules.daily_sends,
        &requests,
        &addresses as &[Option<IpNetwork>],
        &mounts as &[Option<String>],
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.last_local_id, row.expires_at)).collect())
}

fn interval(delta: TimeDelta) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: delta.num_microseconds().unwrap_or(i64::MAX) }
}

/// The parts of a code's row that explain a refusal.
pub(super) struct SendState {
    pub(super) expires_at: DateTime<Utc>,
    pub(super) last_sent_at: DateTime<Utc>,
    pub(super) last_local_id: i64,
    pub(super) consumed_at: Option<DateTime<Utc>>,
    pub(super) day: NaiveDate,
    pub(super) sends_today: i32,
}

pub(super) async fn find(
    pool: &PgPool,
    phone: &PhoneNumber,
    purpose: Purpose,
) -> Result<Option<SendState>, sqlx::Error> {
    sqlx::query_as!(
        SendState,
        "SELECT expires_at, last_sent_at, last_local_id, consumed_at, day, sends_today
         FROM otp_codes WHERE phone = $1 AND purpose = $2",
        phone.as_e164(),
        purpose.as_str(),
    )
    .fetch_optional(pool)
    .await
}

/// A request with the life of the code it is about.
pub(super) struct RequestState {
    pub(super) local_id: i64,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) consumed: bool,
}

pub(super) async fn find_request(
    pool: &PgPool,
    request_id: &str,
) -> Result<Option<RequestState>, sqlx::Error> {
    sqlx::query_as!(
        RequestState,
        r#"SELECT r.local_id,
                  coalesce(c.expires_at, r.created_at) AS "expires_at!",
                  coalesce(c.consumed_at IS NOT NULL, true) AS "consumed!"
           FROM otp_requests r
           LEFT JOIN otp_codes c ON c.phone = r.phone AND c.purpose = r.purpose
               AND c.generation = r.generation
           WHERE r.id = $1 AND r.purpose <> 'reset_password'"#,
        request_id,
    )
    .fetch_optional(pool)
    .await
}

/// What a code is derived from.
pub(super) struct CodeRow {
    pub(super) phone: PhoneNumber,
    pub(super) purpose: Purpose,
    pub(super) generation: i64,
    pub(super) nonce: Nonce,
    pub(super) key_id: String,
    pub(super) digits: i16,
    pub(super) mount: Option<String>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) consumed_at: Option<DateTime<Utc>>,
}

/// A row of `otp_codes` as the database hands it over.
struct RawCode {
    phone: String,
    purpose: String,
    generation: i64,
    nonce: Vec<u8>,
    key_id: String,
    digits: i16,
    mount: Option<String>,
    expires_at: DateTime<Utc>,
    consumed_at: Option<DateTime<Utc>>,
}

impl TryFrom<RawCode> for CodeRow {
    type Error = sqlx::Error;

    /// The table checks their forms, so a failure means the row was not written by Peyk.
    fn try_from(raw: RawCode) -> Result<Self, sqlx::Error> {
        let phone = PhoneNumber::from_e164(&raw.phone)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let purpose = Purpose::parse(&raw.purpose)
            .ok_or_else(|| sqlx::Error::Decode("not a purpose".into()))?;
        let nonce = Nonce::try_from(raw.nonce)
            .map_err(|_| sqlx::Error::Decode("a nonce has 16 bytes".into()))?;
        Ok(Self {
            phone,
            purpose,
            generation: raw.generation,
            nonce,
            key_id: raw.key_id,
            digits: raw.digits,
            mount: raw.mount,
            expires_at: raw.expires_at,
            consumed_at: raw.consumed_at,
        })
    }
}

/// The codes that messages carry, by the messages' idempotency keys; those that were replaced since
/// have no entry.
pub(super) async fn codes_of_messages(
    connection: &mut PgConnection,
    local_ids: &[i64],
) -> Result<HashMap<i64, CodeRow>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT r.local_id,
                c.phone, c.purpose, c.generation, c.nonce, c.key_id, c.digits, c.mount,
                c.expires_at, c.consumed_at
         FROM otp_requests r
         JOIN otp_codes c ON c.phone = r.phone AND c.purpose = r.purpose
             AND c.generation = r.generation
         WHERE r.local_id = ANY($1)",
        local_ids,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let raw = RawCode {
                phone: row.phone,
                purpose: row.purpose,
                generation: row.generation,
                nonce: row.nonce,
                key_id: row.key_id,
                digits: row.digits,
                mount: row.mount,
                expires_at: row.expires_at,
                consumed_at: row.consumed_at,
            };
            Ok((row.local_id, CodeRow::try_from(raw)?))
        })
        .collect()
}

/// What holds for every check.
pub(super) struct CheckRules {
    /// Checks of one code by callers without a request.
    pub(super) shared: i32,
    /// Checks by one request.
    pub(super) of_request: i32,
    /// Checks of one number and day: this many of either kind.
    pub(super) daily: i32,
}

/// Takes one attempt each: from the budget of the check's own request, or from the one shared by
/// callers without a request. A check that has no budget, no living code or a request about
/// another code has no entry. No two checks may be for one (phone, purpose).
///
/// Locks requests, then codes; so parallel guesses queue up and no more than the budget ever see
/// the nonce.
pub(super) async fn reserve(
    connection: &mut PgConnection,
    rules: &CheckRules,
    now: DateTime<Utc>,
    checks: &[Check],
) -> Result<HashMap<(String, String), CodeRow>, sqlx::Error> {
    let phones: Vec<_> = checks.iter().map(|check| check.phone.as_e164().to_owned()).collect();
    let purposes: Vec<_> = checks.iter().map(|check| check.purpose.as_str().to_owned()).collect();
    let requests: Vec<_> = checks.iter().map(|check| check.request_id.clone()).collect();
    let rows = sqlx::query_as!(
        RawCode,
        r#"WITH r AS (
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
                 AS r(phone, purpose, request_id)),
         request AS (
             UPDATE otp_requests q SET attempts = attempts + 1
             FROM r
             WHERE q.id = r.request_id AND q.phone = r.phone AND q.purpose = r.purpose
               AND q.expires_at > $4 AND q.attempts < $5
             RETURNING q.id, q.generation)
         UPDATE otp_codes c SET
             shared_attempts = shared_attempts + (r.request_id IS NULL)::int,
             sends_today = CASE WHEN day >= $6 THEN sends_today ELSE 0 END,
             shared_attempts_today = CASE WHEN day >= $6 THEN shared_attempts_today ELSE 0 END
                 + (r.request_id IS NULL)::int,
             requested_attempts_today =
                 CASE WHEN day >= $6 THEN requested_attempts_today ELSE 0 END
                 + (r.request_id IS NOT NULL)::int,
             day = greatest(day, $6)
         FROM r LEFT JOIN request ON request.id = r.request_id
         WHERE c.phone = r.phone AND c.purpose = r.purpose
           AND c.consumed_at IS NULL AND c.expires_at > $4
           AND CASE WHEN r.request_id IS NULL
               THEN c.shared_attempts < $7 AND (c.day < $6 OR c.shared_attempts_today < $8)
               ELSE c.generation = request.generation
                   AND (c.day < $6 OR c.requested_attempts_today < $8) END
         RETURNING c.phone AS "phone!", c.purpose AS "purpose!", c.generation AS "generation!", c.nonce AS "nonce!",
             c.key_id AS "key_id!", c.digits AS "digits!", c.expires_at AS "expires_at!",
             c.consumed_at, c.mount"#,
        &phones,
        &purposes,
        &requests as &[Option<String>],
        now,
        rules.of_request,
        now.date_naive(),
        rules.shared,
        rules.daily,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|raw| {
            let row = CodeRow::try_from(raw)?;
            let key = (row.phone.as_e164().to_owned(), row.purpose.as_str().to_owned());
            Ok((key, row))
        })
        .collect()
}

/// Marks codes used, and of each the latest text that carried it as the one that brought it: what is
/// learnt about providers. Gives number and purpose of those that were good. Locks the codes in the
/// order given, then the messages. No two may be for one (phone, purpose).
pub(super) async fn consume(
    connection: &mut PgConnection,
    checked: &[&CheckedCode],
    now: DateTime<Utc>,
) -> Result<HashSet<(String, String)>, sqlx::Error> {
    let phones: Vec<_> = checked.iter().map(|code| code.phone.as_e164().to_owned()).collect();
    let purposes: Vec<_> = checked.iter().map(|code| code.purpose.as_str().to_owned()).collect();
    let generations: Vec<_> = checked.iter().map(|code| code.generation).collect();
    let rows = sqlx::query!(
        r#"WITH r AS (
             SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
                 AS r(phone, purpose, generation)),
         code AS (
             UPDATE otp_codes c SET consumed_at = $4
             FROM r
             WHERE c.phone = r.phone AND c.purpose = r.purpose AND c.generation = r.generation
               AND c.consumed_at IS NULL AND c.expires_at > $4
             RETURNING c.phone, c.purpose, c.last_local_id),
         brought AS (
             UPDATE sms_messages m SET verified_at = now()
             FROM code WHERE m.local_id = code.last_local_id)
         SELECT phone, purpose FROM code"#,
        &phones,
        &purposes,
        &generations,
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.phone, row.purpose)).collect())
}

/// Marks codes of a number used that nobody used.
pub(super) async fn void(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    purposes: &[Purpose],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let purposes: Vec<_> = purposes.iter().map(|purpose| purpose.as_str().to_owned()).collect();
    sqlx::query!(
        "UPDATE otp_codes SET consumed_at = $3
         WHERE phone = $1 AND purpose = ANY($2) AND consumed_at IS NULL",
        phone.as_e164(),
        &purposes,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Reads a day's requests: nobody looks for them by their number but who erases a person, which is
/// rare, and an index for it would be written with every send.
pub(super) async fn delete_requests(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    purposes: &[Purpose],
) -> Result<(), sqlx::Error> {
    let purposes: Vec<_> = purposes.iter().map(|purpose| purpose.as_str().to_owned()).collect();
    sqlx::query!(
        "DELETE FROM otp_requests WHERE phone = $1 AND purpose = ANY($2)",
        phone.as_e164(),
        &purposes,
    )
    .execute(connection)
    .await
    .map(drop)
}

crate::purge_table!(pub(super) purge_codes, count_codes, "otp_codes", "expires_at", "");

crate::purge_table!(pub(super) purge_requests, count_requests, "otp_requests", "expires_at", "");

/// A few rows a day: no need to go on where the last slice ended.
pub(super) async fn purge_counters(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    sqlx::query_as!(
        Purged,
        r#"WITH gone AS (
               DELETE FROM send_counters WHERE ctid = ANY(ARRAY(
                   SELECT ctid FROM send_counters WHERE day < $1
                   ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING day)
           SELECT count(*) AS "rows!", NULL::timestamptz AS reached FROM gone"#,
        slice.before.date_naive(),
        slice.limit,
    )
    .fetch_one(pool)
    .await
}

pub(super) async fn count_counters(
    pool: &PgPool,
    before: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    let day = before.date_naive();
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM send_counters WHERE day < $1"#, day)
        .fetch_one(pool)
        .await
}
