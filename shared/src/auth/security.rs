//! Lines about security in the log, under the target `security`: who logged in or did not, what was
//! denied, what was ended. No number, code, password or token is in any of them.
//!
//! What comes from a client is always the value of a field: both formats of the log write that
//! escaped, so that nobody forges a line.

use std::net::IpAddr;

use crate::sessions::{EndReason, Method, Origin, Session};

/// Session ids of one line, at most.
const IDS: usize = 50;

/// A login succeeded.
pub fn logged_in(session: &Session, method: Method, origin: &Origin) {
    tracing::info!(
        target: "security",
        event = "login",
        outcome = "ok",
        user.id = session.user_id,
        session.id = session.id,
        method = method.as_str(),
        ip = origin.ip.map(display),
        user_agent = origin.user_agent,
        "logged in"
    );
}

/// A login failed; `user_id` if it is known whose it was, `reason` one of few words.
pub fn login_failed(method: Method, origin: &Origin, user_id: Option<i64>, reason: &'static str) {
    tracing::info!(
        target: "security",
        event = "login",
        outcome = "failed",
        reason,
        user.id = user_id,
        method = method.as_str(),
        ip = origin.ip.map(display),
        user_agent = origin.user_agent,
        "login failed"
    );
}

/// Somebody who is logged in may not do this; `reason` is one of few words.
pub fn denied(user_id: i64, session_id: i64, ip: IpAddr, reason: &'static str) {
    tracing::info!(
        target: "security",
        event = "denied",
        reason,
        user.id = user_id,
        session.id = session_id,
        ip = %ip,
        "denied"
    );
}

/// Sessions were ended before their time; each with its user, all of them for one `reason`.
pub fn revoked(reason: EndReason, sessions: &[(i64, i64)]) {
    let Some((user_id, _)) = sessions.first() else { return };
    let ids: Vec<_> = sessions.iter().take(IDS).map(|(_, id)| id.to_string()).collect();
    tracing::info!(
        target: "security",
        event = "revoked",
        reason = reason.as_str(),
        user.id = user_id,
        session.ids = ids.join(","),
        sessions = sessions.len(),
        "sessions revoked"
    );
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::Value;
    use tracing_subscriber::{fmt, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// A header that would like to be a line of its own.
    fn forger() -> Origin {
        let user_agent = "x\n{\"outcome\":\"ok\"}\r\u{1b}[31mred\u{9b}31m\"";
        Origin { user_agent: Some(user_agent.to_owned()), ..Origin::default() }
    }

    #[test]
    fn a_user_agent_stays_within_its_field_in_json() {
        let written = Written::default();
        let out = written.clone();
        let layer = fmt::layer().json().flatten_event(true).with_writer(move || out.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            login_failed(Method::Otp, &forger(), Some(17), "no_such_code");
        });
        let text = written.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(|c: char| c.is_ascii_control()), "{text:?}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["user_agent"], forger().user_agent.unwrap());
        assert_eq!((&line["target"], &line["outcome"]), (&"security".into(), &"failed".into()));
        assert_eq!(line["user.id"], 17);
    }

    #[test]
    fn a_user_agent_stays_within_its_field_on_a_terminal() {
        let written = Written::default();
        let out = written.clone();
        let layer = fmt::layer().compact().with_ansi(false).with_writer(move || out.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            login_failed(Method::Otp, &forger(), None, "no_such_code");
        });
        let text = written.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    }

    #[test]
    fn a_line_about_many_sessions_is_bounded() {
        let written = Written::default();
        let out = written.clone();
        let layer = fmt::layer().json().flatten_event(true).with_writer(move || out.clone());
        let many: Vec<_> = (0..10_000).map(|id| (17, 1_000_000 + id)).collect();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            revoked(EndReason::Account, &many);
            revoked(EndReason::Account, &[]);
        });
        let text = written.text();
        assert_eq!(text.lines().count(), 1);
        assert!(text.len() < 1_000, "{}", text.len());
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["sessions"], &line["user.id"]), (&10_000.into(), &17.into()));
    }
}
