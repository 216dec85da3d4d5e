//! Whom a search is about.

use sqlx::PgPool;

use crate::phone::PhoneNumber;

/// The accounts that have this number, in any group. `users_phone_group_key`.
pub(in crate::admin::timeline) async fn users_with(
    pool: &PgPool,
    phone: &PhoneNumber,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM users WHERE phone = $1 ORDER BY id LIMIT 20",
        phone.as_e164()
    )
    .fetch_all(pool)
    .await
}

/// The number of an account; `None`: there is no such account.
pub(in crate::admin::timeline) async fn number_of(
    pool: &PgPool,
    user_id: i64,
) -> Result<Option<Option<PhoneNumber>>, sqlx::Error> {
    let row = sqlx::query_scalar!("SELECT phone FROM users WHERE id = $1", user_id);
    let Some(phone) = row.fetch_optional(pool).await? else { return Ok(None) };
    let phone = phone.as_deref().map(PhoneNumber::from_e164).transpose();
    phone.map(Some).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Payments that are called this: by the shop (`payments_order_id_idx`), by a gateway
/// (`payment_sessions_authority_idx`, `payments_reference_key`), or in an address of ours.
pub(in crate::admin::timeline) async fn payments_named(
    pool: &PgPool,
    name: &str,
    reference: Option<i64>,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"(SELECT id AS "id!" FROM payments
            WHERE order_id = $1 AND order_id <> '' ORDER BY id DESC LIMIT 20)
           UNION (SELECT payment_id FROM payment_sessions WHERE authority = $1 LIMIT 20)
           UNION (SELECT id FROM payments WHERE ref_id = $2 LIMIT 20)
           UNION (SELECT id FROM payments WHERE handle = $1)
           ORDER BY 1 DESC LIMIT 20"#,
        name,
        reference,
    )
    .fetch_all(pool)
    .await
}

/// The text of the send that has this handle; both by their keys.
pub(in crate::admin::timeline) async fn messages_of_handle(
    pool: &PgPool,
    handle: &str,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT m.id FROM otp_requests r JOIN sms_messages m ON m.local_id = r.local_id
         WHERE r.id = $1",
        handle,
    )
    .fetch_all(pool)
    .await
}
