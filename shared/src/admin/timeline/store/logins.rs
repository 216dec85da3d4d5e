//! What went wrong on the way in, and what the guard decided.

use chrono::{DateTime, Utc};
use sqlx::{
    PgPool,
    types::{Json, ipnetwork::IpNetwork},
};

use crate::otp::guard::Reason;

/// A row of `login_events`.
pub(in crate::admin::timeline) struct LoginRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) at: DateTime<Utc>,
    pub(in crate::admin::timeline) kind: String,
    pub(in crate::admin::timeline) user_id: Option<i64>,
    pub(in crate::admin::timeline) purpose: Option<String>,
    pub(in crate::admin::timeline) reason: Option<String>,
    pub(in crate::admin::timeline) ip: Option<IpNetwork>,
    pub(in crate::admin::timeline) request_id: Option<String>,
}

/// Of a number (`login_events_phone_idx`), of accounts (`login_events_user_idx`) and of a request
/// (`login_events_request_idx`), the latest first.
pub(in crate::admin::timeline) async fn login_events(
    pool: &PgPool,
    phone: Option<&str>,
    users: &[i64],
    request_id: Option<&str>,
    (before, rows): (DateTime<Utc>, i64),
) -> Result<Vec<LoginRow>, sqlx::Error> {
    sqlx::query_as!(
        LoginRow,
        r#"SELECT e.id AS "id!", e.at AS "at!", e.kind AS "kind!", e.user_id, e.purpose, e.reason,
             e.ip, e.request_id
           FROM (
             (SELECT * FROM login_events WHERE phone = $1 AND at <= $4 ORDER BY at DESC LIMIT $5)
             UNION
             (SELECT o.* FROM unnest($2::bigint[]) AS u(id) CROSS JOIN LATERAL
                (SELECT * FROM login_events WHERE user_id = u.id AND at <= $4
                 ORDER BY at DESC LIMIT $5) o)
             UNION
             (SELECT * FROM login_events WHERE request_id = $3 AND at <= $4 LIMIT 50)) e
           ORDER BY e.at DESC LIMIT $5"#,
        phone,
        users,
        request_id,
        before,
        rows,
    )
    .fetch_all(pool)
    .await
}

/// A row of `guard_decisions`.
pub(in crate::admin::timeline) struct DecisionRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) at: DateTime<Utc>,
    pub(in crate::admin::timeline) mode: String,
    pub(in crate::admin::timeline) action: String,
    pub(in crate::admin::timeline) reasons: Json<Vec<Reason>>,
    pub(in crate::admin::timeline) request_id: Option<String>,
    /// Found by the request, and not by what is kept of the number.
    pub(in crate::admin::timeline) is_sure: bool,
}

/// Of these requests (`guard_decisions_request_idx`), and those of these very moments
/// (`guard_decisions_at_idx`) about a number that begins and ends as this one.
pub(in crate::admin::timeline) async fn guard_decisions(
    pool: &PgPool,
    requests: &[String],
    phone: Option<&str>,
    times: &[DateTime<Utc>],
) -> Result<Vec<DecisionRow>, sqlx::Error> {
    sqlx::query_as!(
        DecisionRow,
        r#"(SELECT id AS "id!", at AS "at!", mode AS "mode!", action AS "action!",
              reasons AS "reasons!: Json<Vec<Reason>>", request_id, true AS "is_sure!"
            FROM guard_decisions WHERE request_id = ANY($1) ORDER BY id DESC LIMIT 200)
           UNION ALL
           (SELECT d.id, d.at, d.mode, d.action, d.reasons, d.request_id, false
            FROM unnest($3::timestamptz[]) AS sent(at)
            JOIN guard_decisions d ON d.at = sent.at
            WHERE starts_with($2, d.prefix) AND right($2, 2) = d.number_end
              AND NOT coalesce(d.request_id = ANY($1), false)
            LIMIT 200)"#,
        requests,
        phone,
        times,
    )
    .fetch_all(pool)
    .await
}
