//! Accounts and their sessions.

use chrono::{DateTime, Utc};

use crate::admin::timeline::{
    Item, LinkKind,
    codes::Code,
    store::{PersonRow, SessionRow},
};

/// What happened to accounts themselves.
pub(in crate::admin::timeline) fn of(people: &[PersonRow]) -> Vec<Item> {
    people.iter().flat_map(of_person).collect()
}

fn of_person(person: &PersonRow) -> Vec<Item> {
    let item = |at, code| Item::new(at, code, person.id).of(LinkKind::User, person.id);
    let happened = [
        (Some(person.created_at), Code::AccountMade),
        (person.phone_changed_at, Code::NumberChanged),
        (person.password_changed_at, Code::PasswordChanged),
        (person.erased_at, Code::AccountErased),
    ];
    happened.into_iter().filter_map(|(at, code)| Some(item(at?, code))).collect()
}

/// What happened to sessions.
pub(in crate::admin::timeline) fn of_sessions(
    sessions: &[SessionRow],
    now: DateTime<Utc>,
) -> Vec<Item> {
    sessions.iter().flat_map(|session| of_session(session, now)).collect()
}

fn of_session(session: &SessionRow, now: DateTime<Utc>) -> Vec<Item> {
    let item = |at, code| {
        let item = Item::new(at, code, session.id).of(LinkKind::User, session.user_id);
        item.with("session", session.id)
    };
    let begun = item(session.created_at, Code::SessionBegun)
        .with("method", &session.method)
        .with_some("device", session.device.as_deref())
        .with_some("browser", session.browser.as_deref())
        .with_some("ip", session.ip.map(|ip| ip.ip()));
    let ended = match session.revoked_at {
        Some(at) => {
            let reason = session.revoked_reason.as_deref();
            Some(item(at, Code::SessionEnded).with_some("reason", reason))
        }
        None if session.ends_at <= now => Some(item(session.ends_at, Code::SessionExpired)),
        None => None,
    };
    [Some(begun), ended].into_iter().flatten().collect()
}
