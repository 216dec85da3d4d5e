//! Finding whom a search is about, and reading everything there is about them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{
    Item, Search, Subjects, items,
    search::{handle, reference},
    store::{self, MessageRow},
};
use crate::phone::PhoneNumber;

/// Rows of one kind that are read for a page: a page and what shares its first moment.
const ROWS: i64 = 220;

/// Whom a search is about.
#[derive(Debug, Default)]
pub(super) struct Found {
    number: Option<PhoneNumber>,
    users: Vec<i64>,
    payments: Vec<i64>,
    messages: Vec<i64>,
    request_id: Option<String>,
}

impl Found {
    pub(super) async fn of(pool: &PgPool, search: &Search) -> Result<Self, sqlx::Error> {
        let mut found = Self::default();
        match search {
            Search::Number(phone) => {
                found.users = store::users_with(pool, phone).await?;
                found.number = Some(phone.clone());
            }
            Search::User(id) => {
                if let Some(phone) = store::number_of(pool, *id).await? {
                    found.users.push(*id);
                    found.number = phone;
                }
            }
            Search::Message(id) => found.messages.push(*id),
            Search::Payment(id) => found.payments.push(*id),
            Search::Name(name) => {
                found.payments = store::payments_named(pool, name, reference(name)).await?;
                if let Some(handle) = handle(name) {
                    found.messages = store::messages_of_handle(pool, handle).await?;
                }
                found.request_id = Some(name.clone());
            }
        }
        Ok(found)
    }

    pub(super) const fn number(&self) -> Option<&PhoneNumber> {
        self.number.as_ref()
    }

    pub(super) fn users(&self) -> &[i64] {
        &self.users
    }

    pub(super) fn payments(&self) -> &[i64] {
        &self.payments
    }

    /// Whether it makes sense to ask why no code came.
    pub(super) fn is_of_codes(&self) -> bool {
        self.number.is_some() || !self.messages.is_empty()
    }

    pub(super) fn subjects(&self) -> Subjects {
        Subjects {
            numbers: self.number.iter().map(PhoneNumber::to_national).collect(),
            users: self.users.clone(),
            payments: self.payments.clone(),
            messages: self.messages.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// Everything that began not after `before`, the latest of each kind.
    pub(super) async fn gather(
        &self,
        pool: &PgPool,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
        names_staff: bool,
    ) -> Result<Vec<Item>, sqlx::Error> {
        let mut all = Vec::new();
        let messages = self.messages(pool, before).await?;
        let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
        let attempts = store::attempts(pool, &ids).await?;
        all.extend(items::messages::of(&messages, &attempts));
        let logins = self.logins(pool, before).await?;
        all.extend(self.guard(pool, &messages, &logins).await?);
        all.extend(items::logins::of(&logins));
        if !self.users.is_empty() {
            all.extend(items::people::of(&store::people(pool, &self.users).await?));
            let sessions = store::sessions(pool, &self.users, before, ROWS).await?;
            all.extend(items::people::of_sessions(&sessions, now));
        }
        let payments = self.payments_and_wallets(pool, before, &mut all).await?;
        let told: Vec<_> = (ids.iter().map(|id| format!("sms:{id}")))
            .chain(payments.iter().map(|id| format!("payment:{id}")))
            .chain(self.users.iter().map(|id| format!("user:{id}")))
            .chain(self.users.iter().map(|id| format!("wallet:{id}")))
            .collect();
        all.extend(items::told::of_webhooks(&store::webhooks(pool, &told, before).await?));
        let subjects = items::told::audited(&self.users, &payments, &ids);
        let request = self.request_id.as_deref();
        let events = store::audit_events(pool, &subjects, request, before).await?;
        all.extend(items::told::of_staff(&events, names_staff));
        Ok(all)
    }

    async fn messages(
        &self,
        pool: &PgPool,
        before: DateTime<Utc>,
    ) -> Result<Vec<MessageRow>, sqlx::Error> {
        match &self.number {
            Some(phone) => store::messages_to(pool, phone, before, ROWS).await,
            None if self.messages.is_empty() => Ok(Vec::new()),
            None => store::messages(pool, &self.messages, before).await,
        }
    }

    async fn logins(
        &self,
        pool: &PgPool,
        before: DateTime<Utc>,
    ) -> Result<Vec<store::LoginRow>, sqlx::Error> {
        let (phone, request) = (self.number.as_ref(), self.request_id.as_deref());
        if phone.is_none() && self.users.is_empty() && request.is_none() {
            return Ok(Vec::new());
        }
        let phone = phone.map(PhoneNumber::as_e164);
        store::login_events(pool, phone, &self.users, request, (before, ROWS)).await
    }

    /// The guard keeps no number: what it decided is found by the request or, where it let a send
    /// pass, by the moment of the send and what it keeps of the number.
    async fn guard(
        &self,
        pool: &PgPool,
        messages: &[MessageRow],
        logins: &[store::LoginRow],
    ) -> Result<Vec<Item>, sqlx::Error> {
        let of_logins = logins.iter().filter_map(|event| event.request_id.clone());
        let requests: Vec<_> = of_logins.chain(self.request_id.clone()).collect();
        let codes = messages.iter().filter(|message| message.purpose.is_some());
        let times: Vec<_> = codes.map(|message| message.created_at).collect();
        let phone = messages.first().map(|message| message.phone.as_str());
        let phone = self.number.as_ref().map(PhoneNumber::as_e164).or(phone);
        if requests.is_empty() && times.is_empty() {
            return Ok(Vec::new());
        }
        let decisions = store::guard_decisions(pool, &requests, phone, &times).await?;
        Ok(items::logins::of_guard(&decisions))
    }

    /// The payments it is about, whose items and those of wallets are added.
    async fn payments_and_wallets(
        &self,
        pool: &PgPool,
        before: DateTime<Utc>,
        all: &mut Vec<Item>,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let rows = store::payments(pool, &self.users, &self.payments, (before, ROWS)).await?;
        let ids: Vec<_> = rows.iter().map(|payment| payment.id).collect();
        if !ids.is_empty() {
            all.extend(items::payments::of(&rows));
            all.extend(items::payments::of_pages(&store::pages(pool, &ids).await?));
            all.extend(items::payments::of_calls(&store::calls(pool, &ids).await?));
            all.extend(items::payments::of_returns(&store::returns(pool, &ids).await?));
        }
        let keys: Vec<_> = ids.iter().map(|id| format!("payment:{id}")).collect();
        let entries = store::entries(pool, &self.users, &keys, (before, ROWS)).await?;
        let of: HashMap<_, _> = keys.iter().map(String::as_str).zip(ids.iter().copied()).collect();
        all.extend(items::payments::of_entries(&entries, &of));
        Ok(ids)
    }
}
