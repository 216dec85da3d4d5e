//! Payments.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{admin::overview::PaymentsIn, payments::State};

/// Payments that wait for a person, counted to a bound. `payments_state_idx`.
pub(in crate::admin::overview) async fn needs_review(
    pool: &PgPool,
) -> Result<PaymentsIn, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", coalesce(sum(amount_rials), 0)::bigint AS "sum!"
           FROM (SELECT amount_rials FROM payments WHERE state = 'needs_review'
                 ORDER BY id DESC LIMIT 10000) waiting"#,
    )
    .fetch_one(pool)
    .await?;
    Ok(PaymentsIn { state: State::NeedsReview, count: row.count, amount_rials: row.sum })
}

/// Payments that were paid since a moment (`payments_paid_at_idx`), or begun and not paid
/// (`payments_unpaid_created_idx`), by state.
pub(in crate::admin::overview) async fn payments(
    pool: &PgPool,
    since: DateTime<Utc>,
) -> Result<Vec<PaymentsIn>, sqlx::Error> {
    sqlx::query_as!(
        PaymentsIn,
        r#"SELECT state AS "state!: State", count(*) AS "count!",
                  sum(amount_rials)::bigint AS "amount_rials!"
           FROM (SELECT state, amount_rials FROM payments WHERE paid_at >= $1
                 UNION ALL
                 SELECT state, amount_rials FROM payments
                 WHERE paid_at IS NULL AND created_at >= $1) today
           GROUP BY 1 ORDER BY 2 DESC, 1"#,
        since,
    )
    .fetch_all(pool)
    .await
}
