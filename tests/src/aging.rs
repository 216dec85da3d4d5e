//! Lets time pass for one number: everything about its codes moves into the past.
//!
//! The processes read the real clock, so a test moves the rows instead.

use sqlx::PgPool;

/// Moves the codes, requests and messages of `mobile` (`09…`) `seconds` into the past. The daily
/// counters keep their day.
///
/// # Panics
/// When the database refuses.
pub async fn pass_seconds(pool: &PgPool, mobile: &str, seconds: impl Into<f64>) {
    let seconds = seconds.into();
    for statement in [
        "UPDATE otp_codes SET created_at = created_at - make_interval(secs => $2),
             expires_at = expires_at - make_interval(secs => $2),
             last_sent_at = last_sent_at - make_interval(secs => $2),
             consumed_at = consumed_at - make_interval(secs => $2)
         WHERE phone = $1",
        "UPDATE otp_requests SET created_at = created_at - make_interval(secs => $2),
             expires_at = expires_at - make_interval(secs => $2)
         WHERE phone = $1",
        "UPDATE sms_messages SET created_at = created_at - make_interval(secs => $2),
             expires_at = expires_at - make_interval(secs => $2)
         WHERE phone = $1",
    ] {
        let moved = sqlx::query(statement).bind(e164(mobile)).bind(seconds).execute(pool).await;
        moved.expect("rows can be moved");
    }
}

/// Makes the code of `mobile` that many seconds old, whatever time the test itself took; one that
/// is older already gets that many seconds older.
///
/// # Panics
/// When the number has no code.
pub async fn age_code_to(pool: &PgPool, mobile: &str, seconds: impl Into<f64>) {
    let age = "SELECT extract(epoch FROM clock_timestamp() - created_at)::float8
               FROM otp_codes WHERE phone = $1";
    let age: f64 = sqlx::query_scalar(age)
        .bind(e164(mobile))
        .fetch_one(pool)
        .await
        .expect("the number has a code");
    pass_seconds(pool, mobile, missing(age, seconds.into())).await;
}

#[expect(clippy::float_arithmetic, reason = "seconds of a test's clock, not money")]
fn missing(age: f64, seconds: f64) -> f64 {
    if age < seconds { seconds - age } else { seconds }
}

/// Moves all sessions `seconds` into the past.
///
/// # Panics
/// When the database refuses.
pub async fn pass_seconds_of_sessions(pool: &PgPool, seconds: u32) {
    let moved =
        "UPDATE sessions SET created_at = created_at - by, last_seen_at = last_seen_at - by,
            authenticated_at = authenticated_at - by, expires_at = expires_at - by,
            refresh_issued_at = refresh_issued_at - by,
            refresh_expires_at = refresh_expires_at - by,
            refresh_recent = array(SELECT at - by FROM unnest(refresh_recent) at)
        FROM make_interval(secs => $1) AS by";
    let moved = sqlx::query(moved).bind(f64::from(seconds)).execute(pool).await;
    moved.expect("rows can be moved");
}

/// Makes every idempotency key a day older.
///
/// # Panics
/// When the database refuses.
pub async fn pass_a_day_of_keys(pool: &PgPool) {
    let move_keys = "UPDATE idempotency_keys SET created_at = created_at - interval '1 day',
        expires_at = expires_at - interval '1 day'";
    sqlx::query(move_keys).execute(pool).await.expect("rows can be moved");
}

/// The number as the tables have it.
///
/// # Panics
/// Unless it is written `09…` or `+…`.
pub fn e164(mobile: &str) -> String {
    if mobile.starts_with('+') {
        return mobile.to_owned();
    }
    format!("+98{}", mobile.strip_prefix('0').expect("tests write numbers as 09…"))
}
