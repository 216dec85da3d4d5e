//! All SQL of `sandbox_faults`.

use sqlx::PgPool;

use super::faults::{Fault, Planned};

pub(super) async fn planned(pool: &PgPool) -> Result<Vec<Planned>, sqlx::Error> {
    sqlx::query_as!(
        Planned,
        r#"SELECT provider, fault AS "fault: Fault", remaining FROM sandbox_faults"#,
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn plan(pool: &PgPool, plan: &Planned) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO sandbox_faults (provider, fault, remaining) VALUES ($1, $2, $3)
         ON CONFLICT (provider) DO UPDATE SET fault = $2, remaining = $3",
        plan.provider,
        plan.fault.map(Fault::as_str),
        plan.remaining,
    )
    .execute(pool)
    .await
    .map(drop)
}

/// Takes the fault that is planned for a text, if one is; what a provider carries and does not answer
/// for is remembered.
pub(super) async fn take(
    pool: &PgPool,
    provider: &str,
    local_id: i64,
) -> Result<Option<Fault>, sqlx::Error> {
    let taken = sqlx::query_scalar!(
        r#"UPDATE sandbox_faults
           SET remaining = remaining - 1,
               carried = CASE WHEN fault = 'time_out'
                   THEN (array_append(carried, $2::bigint))[greatest(1, cardinality(carried) - 998):]
                   ELSE carried END
           WHERE provider = $1 AND fault IS NOT NULL AND (remaining IS NULL OR remaining > 0)
           RETURNING fault AS "fault: Fault""#,
        provider,
        local_id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(taken.flatten())
}

pub(super) async fn was_carried(
    pool: &PgPool,
    provider: &str,
    local_id: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM sandbox_faults WHERE provider = $1 AND $2 = ANY(carried)) AS "was!""#,
        provider,
        local_id,
    )
    .fetch_one(pool)
    .await
}
