//! All SQL of the `otp_codes` and `otp_requests` tables.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool, postgres::types::PgInterval, types::ipnetwork::IpNetwork};

use super::{CheckedCode, Purpose, code::Nonce};
use crate::phone::PhoneNumber;

/// Everything a send may write; what is not needed is not used.
pub(super) struct NewSend<'a> {
    pub(super) request_id: String,
    pub(super) local_id: i64,
    pub(super) phone: &'a PhoneNumber,
    pub(super) purpose: Purpose,
    pub(super) nonce: Nonce,
    pub(super) key_id: &'a str,
    pub(super) digits: i16,
    pub(super) now: DateTime<Utc>,
    pub(super) ttl: TimeDelta,
    pub(super) longest_life: TimeDelta,
    pub(super) cooldown: Option<TimeDelta>,
    pub(super) daily_sends: i32,
    pub(super) ip: Option<IpNetwork>,
}

/// The code a send is about.
pub(super) struct Issued {
    pub(super) generation: i64,
    pub(super) expires_at: DateTime<Utc>,
}

/// Makes a new code or renews the living one; `None` in the cool-down or over the daily cap.
///
/// The living code stays the same; with less than half of its life left it is extended, once,
/// never past the longest life, and the shared budget of checks starts anew (the daily cap holds).
/// `instead_of`: a message that failed and therefore starts no cool-down.
/// Locks the row of (phone, purpose), so that parallel sends get one answer each.
pub(super) async fn issue(
    connection: &mut PgConnection,
    new: &NewSend<'_>,
    instead_of: Option<i64>,
) -> Result<Option<Issued>, sqlx::Error> {
    sqlx::query_as!(
        Issued,
        r#"INSERT INTO otp_codes AS c
               (phone, purpose, nonce, key_id, digits, created_at, expires_at,
                last_sent_at, last_local_id, day, sends_today)
           VALUES ($1, $2, $3, $4, $5, $6::timestamptz, $6::timestamptz + $7::interval, $6, $8,
                   ($6::timestamptz AT TIME ZONE 'UTC')::date, 1)
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
                   WHEN NOT c.extended AND c.expires_at - $6::timestamptz < $7::interval / 2
                       THEN least(excluded.expires_at, c.created_at + $9::interval)
                   ELSE c.expires_at END,
               extended = c.consumed_at IS NULL AND c.expires_at > $6
                   AND (c.extended OR c.expires_at - $6::timestamptz < $7::interval / 2),
               consumed_at = NULL,
               shared_attempts = 0,
               last_sent_at = excluded.last_sent_at,
               last_local_id = excluded.last_local_id,
               sends_today = CASE WHEN c.day = excluded.day THEN c.sends_today + 1 ELSE 1 END,
               shared_attempts_today =
                   CASE WHEN c.day = excluded.day THEN c.shared_attempts_today ELSE 0 END,
               requested_attempts_today =
                   CASE WHEN c.day = excluded.day THEN c.requested_attempts_today ELSE 0 END,
               day = excluded.day
           WHERE (c.consumed_at IS NOT NULL OR c.expires_at <= $6
                  OR c.last_sent_at + $10::interval <= $6 OR c.last_local_id = $11)
             AND (c.day <> excluded.day OR c.sends_today < $12)
           RETURNING generation, expires_at"#,
        new.phone.as_e164(),
        new.purpose.as_str(),
        &new.nonce[..],
        new.key_id,
        new.digits,
        new.now,
        interval(new.ttl),
        new.local_id,
        interval(new.longest_life),
        new.cooldown.map(interval),
        instead_of,
        new.daily_sends,
    )
    .fetch_optional(connection)
    .await
}

fn interval(delta: TimeDelta) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: delta.num_microseconds().unwrap_or(i64::MAX) }
}

pub(super) async fn insert_request(
    connection: &mut PgConnection,
    new: &NewSend<'_>,
    generation: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO otp_requests
             (id, phone, purpose, generation, local_id, ip, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.request_id,
        new.phone.as_e164(),
        new.purpose.as_str(),
        generation,
        new.local_id,
        new.ip,
        new.now,
        new.now + new.longest_life,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The parts of a code's row that explain a refusal.
pub(super) struct SendState {
    pub(super) expires_at: DateTime<Utc>,
    pub(super) last_sent_at: DateTime<Utc>,
    pub(super) last_local_id: i64,
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
        "SELECT expires_at, last_sent_at, last_local_id, day, sends_today
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
           WHERE r.id = $1"#,
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
    pub(super) expires_at: DateTime<Utc>,
    pub(super) consumed_at: Option<DateTime<Utc>>,
}

/// A row of `otp_codes` as the database hands it over.
struct RawCode {
    phone: String,
    generation: i64,
    nonce: Vec<u8>,
    key_id: String,
    digits: i16,
    expires_at: DateTime<Utc>,
    consumed_at: Option<DateTime<Utc>>,
}

impl TryFrom<RawCode> for CodeRow {
    type Error = sqlx::Error;

    /// The table checks both forms, so a failure means the row was not written by Peyk.
    fn try_from(raw: RawCode) -> Result<Self, sqlx::Error> {
        let phone = PhoneNumber::from_e164(&raw.phone)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let nonce = Nonce::try_from(raw.nonce)
            .map_err(|_| sqlx::Error::Decode("a nonce has 16 bytes".into()))?;
        Ok(Self {
            phone,
            purpose: Purpose::Login,
            generation: raw.generation,
            nonce,
            key_id: raw.key_id,
            digits: raw.digits,
            expires_at: raw.expires_at,
            consumed_at: raw.consumed_at,
        })
    }
}

/// The code a message carries, unless it was replaced since.
pub(super) async fn code_of_message(
    pool: &PgPool,
    local_id: i64,
) -> Result<Option<CodeRow>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawCode,
        "SELECT c.phone, c.generation, c.nonce, c.key_id, c.digits, c.expires_at, c.consumed_at
         FROM otp_requests r
         JOIN otp_codes c ON c.phone = r.phone AND c.purpose = r.purpose
             AND c.generation = r.generation
         WHERE r.local_id = $1",
        local_id,
    )
    .fetch_optional(pool)
    .await?;
    raw.map(CodeRow::try_from).transpose()
}

/// One check of a code.
pub(super) struct Attempt<'a> {
    pub(super) phone: &'a PhoneNumber,
    pub(super) purpose: Purpose,
    pub(super) request_id: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
    pub(super) per_code: i32,
    pub(super) per_day: i32,
}

/// Takes one attempt from the budget shared by callers without a request. The row lock makes
/// parallel guesses queue up, so no more than the budget ever see the nonce.
pub(super) async fn reserve_shared(
    pool: &PgPool,
    attempt: &Attempt<'_>,
) -> Result<Option<CodeRow>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawCode,
        "UPDATE otp_codes SET
             shared_attempts = shared_attempts + 1,
             sends_today = CASE WHEN day = $4 THEN sends_today ELSE 0 END,
             shared_attempts_today = CASE WHEN day = $4 THEN shared_attempts_today + 1 ELSE 1 END,
             requested_attempts_today = CASE WHEN day = $4 THEN requested_attempts_today ELSE 0 END,
             day = $4
         WHERE phone = $1 AND purpose = $2 AND consumed_at IS NULL AND expires_at > $3
           AND shared_attempts < $5 AND (day <> $4 OR shared_attempts_today < $6)
         RETURNING phone, generation, nonce, key_id, digits, expires_at, consumed_at",
        attempt.phone.as_e164(),
        attempt.purpose.as_str(),
        attempt.now,
        attempt.now.date_naive(),
        attempt.per_code,
        attempt.per_day,
    )
    .fetch_optional(pool)
    .await?;
    raw.map(CodeRow::try_from).transpose()
}

/// Takes one attempt from a request's own budget. Locks the request, then the code.
pub(super) async fn reserve_of_request(
    pool: &PgPool,
    attempt: &Attempt<'_>,
) -> Result<Option<CodeRow>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawCode,
        "WITH request AS (
             UPDATE otp_requests SET attempts = attempts + 1
             WHERE id = $7 AND phone = $1 AND purpose = $2 AND expires_at > $3 AND attempts < $5
             RETURNING generation)
         UPDATE otp_codes c SET
             sends_today = CASE WHEN day = $4 THEN sends_today ELSE 0 END,
             shared_attempts_today = CASE WHEN day = $4 THEN shared_attempts_today ELSE 0 END,
             requested_attempts_today =
                 CASE WHEN day = $4 THEN requested_attempts_today + 1 ELSE 1 END,
             day = $4
         FROM request r
         WHERE c.phone = $1 AND c.purpose = $2 AND c.generation = r.generation
           AND c.consumed_at IS NULL AND c.expires_at > $3
           AND (c.day <> $4 OR c.requested_attempts_today < $6)
         RETURNING c.phone, c.generation, c.nonce, c.key_id, c.digits, c.expires_at, c.consumed_at",
        attempt.phone.as_e164(),
        attempt.purpose.as_str(),
        attempt.now,
        attempt.now.date_naive(),
        attempt.per_code,
        attempt.per_day,
        attempt.request_id,
    )
    .fetch_optional(pool)
    .await?;
    raw.map(CodeRow::try_from).transpose()
}

pub(super) async fn consume(
    connection: &mut PgConnection,
    checked: &CheckedCode,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let consumed = sqlx::query!(
        "UPDATE otp_codes SET consumed_at = $4
         WHERE phone = $1 AND purpose = $2 AND generation = $3
           AND consumed_at IS NULL AND expires_at > $4",
        checked.phone.as_e164(),
        checked.purpose.as_str(),
        checked.generation,
        now,
    )
    .execute(connection)
    .await?;
    Ok(consumed.rows_affected() == 1)
}

pub(super) async fn purge_codes(
    pool: &PgPool,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, sqlx::Error> {
    let purged = sqlx::query!(
        "DELETE FROM otp_codes WHERE (phone, purpose) IN (
             SELECT phone, purpose FROM otp_codes WHERE expires_at < $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        batch,
    )
    .execute(pool)
    .await?;
    Ok(purged.rows_affected())
}

pub(super) async fn purge_requests(
    pool: &PgPool,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, sqlx::Error> {
    let purged = sqlx::query!(
        "DELETE FROM otp_requests WHERE id IN (
             SELECT id FROM otp_requests WHERE expires_at < $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        batch,
    )
    .execute(pool)
    .await?;
    Ok(purged.rows_affected())
}

pub(super) async fn count_purgeable(
    pool: &PgPool,
    before: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM otp_codes WHERE expires_at < $1)
                + (SELECT count(*) FROM otp_requests WHERE expires_at < $1) AS "count!""#,
        before,
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
