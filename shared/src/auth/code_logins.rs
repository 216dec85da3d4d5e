//! Logins by code share commits: the code is used up, the account is found or made, and its session
//! begins, together with the logins of other callers.

use sqlx::PgConnection;

use super::admission::{Admission, Admitted, Entrant};
use crate::{
    batch::BatchWrite,
    clock::SharedClock,
    otp::{self, CheckedCode},
    phone::PhoneNumber,
    sessions::{Method, Origin},
    users::{self, User},
    webhooks::Outbox,
};

/// The shared write of logins by code.
pub(super) struct CodeLogins {
    pub(super) admission: Admission,
    pub(super) outbox: Outbox,
    pub(super) clock: SharedClock,
}

/// One caller's part of it: a right code.
pub(super) struct RightCode {
    pub(super) checked: CheckedCode,
    pub(super) phone: PhoneNumber,
    pub(super) group: i32,
    pub(super) origin: Origin,
}

/// What one caller is told; all of it is committed.
pub(super) enum Entry {
    /// Somebody was faster, or the code expired meanwhile.
    UsedUp,
    /// The account is disabled; the code is used up.
    Disabled(User),
    /// A session began.
    Admitted(Box<(User, Admitted)>),
}

impl BatchWrite for CodeLogins {
    const NAME: &'static str = "code_logins";

    type Item = RightCode;
    type Answer = Entry;
    /// A number has one code to log in with, so two right answers to it are about one row.
    type Key = PhoneNumber;

    fn key(&self, login: &RightCode) -> PhoneNumber {
        login.phone.clone()
    }

    /// Locks codes, then accounts, each in the order of the numbers.
    async fn write(
        &self,
        connection: &mut PgConnection,
        logins: &[RightCode],
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let now = self.clock.now();
        let checked: Vec<_> = logins.iter().map(|login| &login.checked).collect();
        let consumed = otp::consume_all(connection, &checked, now).await?;
        let entering = || logins.iter().zip(&consumed).filter_map(|(one, is)| is.then_some(one));
        let asked: Vec<_> = entering().map(|login| (&login.phone, login.group)).collect();
        let found = users::find_or_create(connection, &self.outbox, &asked, now).await?;
        let entrants: Vec<_> = found
            .iter()
            .zip(entering())
            .filter(|(user, _)| user.is_active)
            .map(|(user, login)| Entrant { user, origin: &login.origin, method: Method::Otp })
            .collect();
        let mut admitted = self.admission.admit(connection, &entrants).await?.into_iter();
        let mut found = found.into_iter();
        let mut entry = |consumed: &bool| match consumed.then(|| found.next()).flatten() {
            None => Entry::UsedUp,
            Some(user) if !user.is_active => Entry::Disabled(user),
            Some(user) => match admitted.next() {
                Some(admitted) => Entry::Admitted(Box::new((user, admitted))),
                None => Entry::UsedUp,
            },
        };
        Ok(consumed.iter().map(&mut entry).collect())
    }
}
