//! All SQL of the guard: its decisions, and its rows of `send_counters`.

use std::{collections::HashMap, net::IpAddr};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{
    PgConnection, PgPool,
    types::{Json, ipnetwork::IpNetwork},
};

use super::{Decision, Reason};
use crate::{
    otp::CheckedCode,
    phone::PhoneNumber,
    purge::{Purged, Slice},
};

/// The counters of a day that there are.
pub(super) async fn counters(
    connection: &mut PgConnection,
    day: NaiveDate,
    scopes: &[String],
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT scope, used FROM send_counters WHERE day = $1 AND scope = ANY($2)",
        day,
        scopes,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.scope, row.used)).collect())
}

/// The highest each of these counters was on any of these days.
pub(super) async fn best_days(
    connection: &mut PgConnection,
    days: &[NaiveDate],
    scopes: &[String],
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT scope, max(used) AS "best!" FROM send_counters
           WHERE day = ANY($1) AND scope = ANY($2) GROUP BY scope"#,
        days,
        scopes,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.scope, row.best)).collect())
}

/// A send as it was counted.
pub(super) struct CountedSend {
    pub(super) phone: PhoneNumber,
    pub(super) ip: Option<IpAddr>,
    pub(super) at: DateTime<Utc>,
}

struct RawSend {
    phone: String,
    ip: Option<IpNetwork>,
    created_at: DateTime<Utc>,
}

impl TryFrom<RawSend> for CountedSend {
    type Error = sqlx::Error;

    fn try_from(row: RawSend) -> Result<Self, sqlx::Error> {
        let phone = PhoneNumber::from_e164(&row.phone)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Self { phone, ip: row.ip.map(|network| network.ip()), at: row.created_at })
    }
}

/// The latest send of each of these codes.
pub(super) async fn sends_of(
    connection: &mut PgConnection,
    codes: &[&CheckedCode],
) -> Result<Vec<CountedSend>, sqlx::Error> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let phones: Vec<_> = codes.iter().map(|code| code.phone.as_e164().to_owned()).collect();
    let purposes: Vec<_> = codes.iter().map(|code| code.purpose.as_str().to_owned()).collect();
    let generations: Vec<_> = codes.iter().map(|code| code.generation).collect();
    let rows = sqlx::query_as!(
        RawSend,
        "SELECT r.phone, r.ip, r.created_at
         FROM unnest($1::text[], $2::text[], $3::bigint[]) AS v(phone, purpose, generation)
         JOIN otp_codes c ON c.phone = v.phone AND c.purpose = v.purpose
             AND c.generation = v.generation
         JOIN otp_requests r ON r.local_id = c.last_local_id",
        &phones,
        &purposes,
        &generations,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(CountedSend::try_from).collect()
}

/// The sends of these messages (`local_id`).
pub(super) async fn sends_as(
    connection: &mut PgConnection,
    local_ids: &[i64],
) -> Result<Vec<CountedSend>, sqlx::Error> {
    if local_ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        RawSend,
        "SELECT phone, ip, created_at FROM otp_requests WHERE local_id = ANY($1)",
        local_ids,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(CountedSend::try_from).collect()
}

pub(super) async fn insert_decisions(
    connection: &mut PgConnection,
    decisions: &[Decision],
) -> Result<(), sqlx::Error> {
    let texts = |text: fn(&Decision) -> Option<String>| -> Vec<Option<String>> {
        decisions.iter().map(text).collect()
    };
    let times: Vec<_> = decisions.iter().map(|decision| decision.at).collect();
    let addresses: Vec<Option<IpNetwork>> =
        decisions.iter().map(|decision| decision.ip.map(IpNetwork::from)).collect();
    let reasons: Vec<_> = decisions.iter().map(|decision| Json(&decision.reasons)).collect();
    sqlx::query!(
        "INSERT INTO guard_decisions
             (at, country, prefix, number_end, ip, mode, action, reasons, request_id)
         SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::inet[],
             $6::text[], $7::text[], $8::jsonb[], $9::text[])",
        &times,
        &texts(|decision| decision.country.clone()) as &[Option<String>],
        &texts(|decision| Some(decision.prefix.clone())) as &[Option<String>],
        &texts(|decision| Some(decision.number_end.clone())) as &[Option<String>],
        &addresses as &[Option<IpNetwork>],
        &texts(|decision| Some(decision.mode.clone())) as &[Option<String>],
        &texts(|decision| Some(decision.action.clone())) as &[Option<String>],
        &reasons as &[Json<&Vec<Reason>>],
        &texts(|decision| decision.request_id.clone()) as &[Option<String>],
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn list(
    pool: &PgPool,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Decision>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT at, country, prefix, number_end, ip, mode, action,
               reasons AS "reasons: Json<Vec<Reason>>", request_id
           FROM guard_decisions WHERE at >= $1 ORDER BY at DESC, id DESC LIMIT $2"#,
        since,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let decision = rows.into_iter().map(|row| Decision {
        at: row.at,
        country: row.country,
        prefix: row.prefix,
        number_end: row.number_end,
        ip: row.ip.map(|network| network.ip()),
        mode: row.mode,
        action: row.action,
        reasons: row.reasons.0,
        request_id: row.request_id,
    });
    Ok(decision.collect())
}

crate::purge_table!(pub(super) purge_decisions, count_decisions, "guard_decisions", "at", "");

/// The next slice begins with the day this one reached.
pub(super) async fn purge_counters(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    sqlx::query_as!(
        Purged,
        r#"WITH gone AS (
               DELETE FROM send_counters WHERE ctid = ANY(ARRAY(
                   SELECT ctid FROM send_counters
                   WHERE day >= $1 AND day < $2 AND scope LIKE 'guard:%'
                   ORDER BY day LIMIT $3 FOR UPDATE SKIP LOCKED))
               RETURNING day)
           SELECT count(*) AS "rows!", max(day)::timestamp AT TIME ZONE 'UTC' AS reached FROM gone"#,
        slice.from.date_naive(),
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
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM send_counters
           WHERE day < $1 AND scope LIKE 'guard:%'"#,
        before.date_naive(),
    )
    .fetch_one(pool)
    .await
}
