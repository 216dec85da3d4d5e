//! Letting somebody in who proved who they are: a session begins, whatever the proof.

use sqlx::PgConnection;

use super::endings::{Ended, Endings};
use crate::{
    clock::SharedClock,
    config,
    sessions::{self, EndReason, Lifetimes, Method, NewSession, Origin, Session},
    users::User,
    webhooks::{
        Outbox,
        events::{Kind, NewEvent},
    },
};

/// Begins sessions.
#[derive(Clone)]
pub(super) struct Admission {
    lifetimes: Lifetimes,
    /// 0: no limit.
    max_sessions: u32,
    endings: Endings,
    outbox: Outbox,
    clock: SharedClock,
}

/// Somebody who proved who they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entrant<'a> {
    pub(super) user: &'a User,
    pub(super) origin: &'a Origin,
    pub(super) method: Method,
}

/// A session that began, and what had to end for it. Once that is committed,
/// [`super::Auth::admitted`] makes a login of it.
#[derive(Debug)]
#[must_use = "Auth::admitted makes a login of it once it is committed"]
pub(super) struct Admitted {
    pub(super) session: Session,
    pub(super) method: Method,
    pub(super) ended: Ended,
}

impl Admission {
    pub(super) fn new(
        endings: Endings,
        outbox: Outbox,
        clock: SharedClock,
        config: &config::Auth,
    ) -> Self {
        let lifetimes = Lifetimes::new(config);
        Self { lifetimes, max_sessions: config.max_sessions, endings, outbox, clock }
    }

    /// Begins a session for each, inside the caller's transaction, in which the accounts' rows are
    /// locked. No two may be for one account. In their order.
    pub(super) async fn admit(
        &self,
        connection: &mut PgConnection,
        entrants: &[Entrant<'_>],
    ) -> Result<Vec<Admitted>, sqlx::Error> {
        if entrants.is_empty() {
            return Ok(Vec::new());
        }
        let new: Vec<_> = entrants
            .iter()
            .map(|entrant| NewSession {
                user_id: entrant.user.id,
                origin: entrant.origin,
                method: entrant.method,
            })
            .collect();
        let begun = sessions::begin(connection, &new, &self.lifetimes, self.clock.now()).await?;
        let mut admitted: Vec<_> = begun
            .into_iter()
            .zip(entrants)
            .map(|(session, entrant)| Admitted {
                session,
                method: entrant.method,
                ended: Ended::new(EndReason::TooMany, Vec::new()),
            })
            .collect();
        self.tell(connection, &admitted).await?;
        if self.max_sessions > 0 {
            let begun: Vec<_> =
                admitted.iter().map(|one| (one.session.user_id, one.session.id)).collect();
            let surplus = self.endings.end_surplus(connection, self.max_sessions, &begun).await?;
            for one in &mut admitted {
                let own = |(user, _): &&(i64, i64)| *user == one.session.user_id;
                one.ended.sessions = surplus.sessions.iter().filter(own).copied().collect();
            }
        }
        Ok(admitted)
    }

    async fn tell(
        &self,
        connection: &mut PgConnection,
        admitted: &[Admitted],
    ) -> Result<(), sqlx::Error> {
        if !self.outbox.wants(&[Kind::UserLoggedIn]) {
            return Ok(());
        }
        let events = admitted.iter().map(|Admitted { session, method, .. }| {
            let more = [("session_id", session.id.into()), ("method", method.as_str().into())];
            NewEvent::of_user(Kind::UserLoggedIn, session.user_id, more)
        });
        self.outbox.emit(connection, &events.collect::<Vec<_>>()).await.map(drop)
    }
}
