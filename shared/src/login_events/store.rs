//! All SQL that writes `login_events`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::ipnetwork::IpNetwork};

use super::NewEvent;
use crate::{otp::Purpose, phone::PhoneNumber};

/// Of a code that could not be compared, the code's row says why: it is looked at here and not where
/// the answer is waited for.
pub(super) async fn insert(
    connection: &mut PgConnection,
    events: &[(DateTime<Utc>, NewEvent)],
) -> Result<(), sqlx::Error> {
    let texts = |text: fn(&NewEvent) -> Option<String>| -> Vec<Option<String>> {
        events.iter().map(|(_, event)| text(event)).collect()
    };
    let times: Vec<_> = events.iter().map(|(at, _)| *at).collect();
    let kinds: Vec<_> = events.iter().map(|(_, event)| event.kind.as_str().to_owned()).collect();
    let users: Vec<_> = events.iter().map(|(_, event)| event.user_id).collect();
    let address = |event: &NewEvent| event.trace.ip.map(IpNetwork::from);
    let addresses: Vec<_> = events.iter().map(|(_, event)| address(event)).collect();
    sqlx::query!(
        "INSERT INTO login_events (at, kind, phone, user_id, purpose, reason, ip, request_id)
         SELECT e.at,
             CASE WHEN e.kind <> 'code_refused' THEN e.kind
                 WHEN c.phone IS NULL THEN 'code_unknown'
                 WHEN c.consumed_at IS NOT NULL THEN 'code_used'
                 WHEN c.expires_at <= e.at THEN 'code_expired'
                 ELSE 'attempts_spent' END,
             e.phone, e.user_id, e.purpose, e.reason, e.ip, e.request_id
         FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[], $5::text[],
             $6::text[], $7::inet[], $8::text[])
             AS e(at, kind, phone, user_id, purpose, reason, ip, request_id)
         LEFT JOIN otp_codes c ON c.phone = e.phone AND c.purpose = e.purpose",
        &times,
        &kinds,
        &texts(|event| Some(event.phone.as_ref()?.as_e164().to_owned())) as &[Option<String>],
        &users as &[Option<i64>],
        &texts(|event| Some(event.purpose?.as_str().to_owned())) as &[Option<String>],
        &texts(|event| event.reason.map(str::to_owned)) as &[Option<String>],
        &addresses as &[Option<IpNetwork>],
        &texts(|event| event.trace.request_id.clone()) as &[Option<String>],
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn forget_number(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    purposes: &[Purpose],
) -> Result<(), sqlx::Error> {
    let purposes: Vec<_> = purposes.iter().map(|purpose| purpose.as_str().to_owned()).collect();
    sqlx::query!(
        "DELETE FROM login_events WHERE phone = $1 AND purpose = ANY($2)",
        phone.as_e164(),
        &purposes,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn forget_account(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM login_events WHERE user_id = $1", user_id)
        .execute(connection)
        .await
        .map(drop)
}

crate::purge_table!(pub(super) purge, count_old, "login_events", "at", "");
