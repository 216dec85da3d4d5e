//! Payments that begin, and their pages.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{
    money::Currency,
    payments::{
        Begun, NewPayment, OpenPage, Purpose, State,
        gateways::Said,
        writes::{Begin, Open},
    },
};

/// A payment with what its pages are opened for. Has no `Debug`: it names a person.
pub(in crate::payments) struct Row {
    pub(in crate::payments) id: i64,
    pub(in crate::payments) handle: String,
    pub(in crate::payments) order_id: String,
    pub(in crate::payments) description: String,
    pub(in crate::payments) mobile: String,
    pub(in crate::payments) email: String,
    pub(in crate::payments) state: State,
    pub(in crate::payments) amount: i64,
    pub(in crate::payments) currency: Currency,
    pub(in crate::payments) amount_rials: i64,
    pub(in crate::payments) purpose: Purpose,
    pub(in crate::payments) gateway: String,
    pub(in crate::payments) callback_url: String,
}

impl Row {
    /// As [`insert`] has written it.
    pub(in crate::payments) fn fresh(id: i64, handle: &str, new: NewPayment) -> Self {
        Self {
            id,
            handle: handle.to_owned(),
            order_id: new.order_id,
            description: new.description,
            mobile: new.mobile,
            email: new.email,
            state: State::Created,
            amount: new.amount.value(),
            currency: new.amount.currency(),
            amount_rials: new.amount.rials().get(),
            purpose: new.purpose,
            gateway: new.gateway,
            callback_url: new.callback_url,
        }
    }

    pub(in crate::payments) fn begun(self, page: OpenPage) -> Begun {
        Begun {
            id: self.id,
            handle: self.handle,
            order_id: self.order_id,
            state: self.state,
            amount: self.amount,
            currency: self.currency,
            amount_rials: self.amount_rials,
            purpose: self.purpose,
            gateway: self.gateway,
            callback_url: self.callback_url,
            page,
        }
    }
}

/// Writes payments and their first pages, in one statement; the ids of both by the handle. Those of
/// accounts that are not active are left out. Locks the accounts' rows, so that they are not disabled
/// or erased meanwhile.
pub(in crate::payments) async fn insert(
    connection: &mut PgConnection,
    begins: &[Begin],
) -> Result<HashMap<String, (i64, i64)>, sqlx::Error> {
    let handles: Vec<_> = begins.iter().map(|begin| begin.handle.clone()).collect();
    let new = || begins.iter().map(|begin| &begin.new);
    let users: Vec<_> = new().map(|new| new.user_id).collect();
    let orders: Vec<_> = new().map(|new| new.order_id.clone()).collect();
    let descriptions: Vec<_> = new().map(|new| new.description.clone()).collect();
    let mobiles: Vec<_> = new().map(|new| new.mobile.clone()).collect();
    let emails: Vec<_> = new().map(|new| new.email.clone()).collect();
    let amounts: Vec<_> = new().map(|new| new.amount.value()).collect();
    let currencies: Vec<_> = new().map(|new| new.amount.currency().as_str().to_owned()).collect();
    let rials: Vec<_> = new().map(|new| new.amount.rials().get()).collect();
    let purposes: Vec<_> = new().map(|new| new.purpose.as_str().to_owned()).collect();
    let gateways: Vec<_> = new().map(|new| new.gateway.clone()).collect();
    let callbacks: Vec<_> = new().map(|new| new.callback_url.clone()).collect();
    let frontends: Vec<_> = new().map(|new| new.frontend_callback_url.clone()).collect();
    let times: Vec<_> = begins.iter().map(|begin| begin.now).collect();
    let ends: Vec<_> = begins.iter().map(|begin| begin.watch_until).collect();
    let written = sqlx::query!(
        r#"WITH wanted AS (
             SELECT w.* FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                     $6::text[], $7::bigint[], $8::text[], $9::bigint[], $10::text[], $11::text[],
                     $12::text[], $13::text[], $14::timestamptz[], $15::timestamptz[])
                 AS w(handle, user_id, order_id, description, mobile, email, amount, currency,
                     amount_rials, purpose, gateway, callback_url, frontend_callback_url, at, until)
             JOIN users u ON u.id = w.user_id WHERE u.is_active FOR SHARE OF u),
         payment AS (
             INSERT INTO payments (handle, user_id, order_id, description, mobile, email, amount,
                 currency, amount_rials, purpose, gateway, callback_url, frontend_callback_url,
                 created_at, updated_at, watch_until)
             SELECT handle, user_id, order_id, description, mobile, email, amount, currency,
                 amount_rials, purpose, gateway, callback_url, frontend_callback_url, at, at, until
             FROM wanted RETURNING id, handle, gateway, created_at),
         page AS (
             INSERT INTO payment_sessions (payment_id, gateway, created_at)
             SELECT id, gateway, created_at FROM payment RETURNING id, payment_id)
         SELECT payment.handle AS "handle!", payment.id AS "payment_id!", page.id AS "page_id!"
         FROM payment JOIN page ON page.payment_id = payment.id"#,
        &handles,
        &users,
        &orders,
        &descriptions,
        &mobiles,
        &emails,
        &amounts,
        &currencies,
        &rials,
        &purposes,
        &gateways,
        &callbacks,
        &frontends as &[Option<String>],
        &times,
        &ends,
    )
    .fetch_all(connection)
    .await?;
    Ok(written.into_iter().map(|row| (row.handle, (row.payment_id, row.page_id))).collect())
}

/// The user's payment with this handle, and its page to pay at: that which was paid, else the latest.
pub(in crate::payments) async fn find(
    pool: &PgPool,
    user_id: i64,
    handle: &str,
) -> Result<Option<(Row, Option<OpenPage>)>, sqlx::Error> {
    let found = sqlx::query!(
        r#"SELECT p.id, p.handle, p.order_id, p.description, p.mobile, p.email, p.amount,
             p.amount_rials, p.gateway, p.callback_url, p.state AS "state: State",
             p.currency AS "currency: Currency", p.purpose AS "purpose: Purpose",
             s.authority AS "authority?", s.url AS "url?", s.code AS "code?",
             s.message AS "message?", s.answer AS "answer?"
         FROM payments p
         LEFT JOIN LATERAL (
             SELECT * FROM payment_sessions WHERE payment_id = p.id AND state = 'open'
             ORDER BY (id = p.paid_session_id) DESC NULLS LAST, id DESC LIMIT 1) s ON true
         WHERE p.handle = $1 AND p.user_id = $2"#,
        handle,
        user_id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(found.map(|row| {
        let page = row.authority.map(|authority| OpenPage {
            authority,
            url: row.url.unwrap_or_default(),
            code: row.code,
            message: row.message.unwrap_or_default(),
            answer: row.answer.unwrap_or(Value::Null),
        });
        let payment = Row {
            id: row.id,
            handle: row.handle,
            order_id: row.order_id,
            description: row.description,
            mobile: row.mobile,
            email: row.email,
            state: row.state,
            amount: row.amount,
            currency: row.currency,
            amount_rials: row.amount_rials,
            purpose: row.purpose,
            gateway: row.gateway,
            callback_url: row.callback_url,
        };
        (payment, page)
    }))
}

/// The states in which a payment may be given another page.
fn may_begin() -> Vec<String> {
    let states = State::ALL.into_iter().filter(|state| state.can_become(State::Redirected));
    states.map(|state| state.as_str().to_owned()).collect()
}

/// Writes one more page of a payment; `None` if the payment is past that.
pub(in crate::payments) async fn add_page(
    pool: &PgPool,
    payment_id: i64,
    now: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO payment_sessions (payment_id, gateway, created_at)
         SELECT id, gateway, $2 FROM payments WHERE id = $1 AND state = ANY($3)
         RETURNING id",
        payment_id,
        now,
        &may_begin(),
    )
    .fetch_optional(pool)
    .await
}

/// Writes down that pages are there, and that their payments' payers may be on them.
pub(in crate::payments) async fn opened(
    connection: &mut PgConnection,
    opens: &[Open],
) -> Result<(), sqlx::Error> {
    let ids: Vec<_> = opens.iter().map(|open| open.page_id).collect();
    let pages = || opens.iter().map(|open| &open.page);
    let authorities: Vec<_> = pages().map(|page| page.authority.clone()).collect();
    let urls: Vec<_> = pages().map(|page| page.url.clone()).collect();
    let codes: Vec<_> = pages().map(|page| page.code).collect();
    let messages: Vec<_> = pages().map(|page| page.message.clone()).collect();
    let answers: Vec<_> = pages().map(|page| page.answer.clone()).collect();
    let times: Vec<_> = opens.iter().map(|open| open.now).collect();
    let ends: Vec<_> = opens.iter().map(|open| open.watch_until).collect();
    sqlx::query!(
        "WITH page AS (
             UPDATE payment_sessions s SET state = 'open', authority = o.authority, url = o.url,
                 code = o.code, message = left(o.message, 500), answer = o.answer, opened_at = o.at
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::int[], $5::text[], $6::jsonb[],
                     $7::timestamptz[], $8::timestamptz[])
                 AS o(id, authority, url, code, message, answer, at, until)
             WHERE s.id = o.id AND s.state = 'opening' RETURNING s.payment_id, o.at, o.until)
         UPDATE payments SET state = 'redirected', reason = NULL, updated_at = page.at,
             watch_until = greatest(watch_until, page.until)
         FROM page WHERE payments.id = page.payment_id
           AND (state = ANY($9) OR state = 'redirected')",
        &ids,
        &authorities,
        &urls,
        &codes as &[Option<i32>],
        &messages,
        &answers,
        &times,
        &ends,
        &may_begin(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// What became of a page that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::payments) enum NoPage {
    /// The gateway does not take the payment: one that nobody was sent anywhere for has failed.
    Refused,
    /// The gateway does not open any, or not now.
    Unavailable,
    /// Nobody can say.
    Unknown,
}

/// A payment that has failed because its gateway does not take it.
pub(in crate::payments) struct Failed {
    pub(in crate::payments) id: i64,
    pub(in crate::payments) user_id: i64,
    pub(in crate::payments) order_id: String,
    pub(in crate::payments) amount_rials: i64,
    pub(in crate::payments) currency: String,
    pub(in crate::payments) gateway: String,
    pub(in crate::payments) purpose: Purpose,
}

/// Writes down that there is no page, or that nobody can say; the payment, if it has failed by that.
pub(in crate::payments) async fn not_opened(
    connection: &mut PgConnection,
    page_id: i64,
    what: NoPage,
    said: &Said,
    now: DateTime<Utc>,
) -> Result<Option<Failed>, sqlx::Error> {
    let state = if what == NoPage::Unknown { "unknown" } else { "refused" };
    sqlx::query_as!(
        Failed,
        r#"WITH page AS (
             UPDATE payment_sessions SET state = $2, code = $3, reason = left($4, 64),
                 message = left($5, 500), answer = $6
             WHERE id = $1 AND state = 'opening' RETURNING payment_id)
         UPDATE payments p SET state = 'failed', reason = left($4, 64), updated_at = $7
         FROM page WHERE p.id = page.payment_id AND p.state = 'created' AND $8
         RETURNING p.id, p.user_id, p.order_id, p.amount_rials, p.currency, p.gateway,
             p.purpose AS "purpose: Purpose""#,
        page_id,
        state,
        said.code,
        said.reason,
        said.message,
        said.answer,
        now,
        what == NoPage::Refused,
    )
    .fetch_optional(connection)
    .await
}
