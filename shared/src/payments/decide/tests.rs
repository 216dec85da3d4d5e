use serde_json::Value;

use super::*;
use crate::payments::gateways::{Receipt, Said};

fn said() -> Said {
    Said {
        code: Some(-51),
        reason: "zarinpal.-51".to_owned(),
        message: String::new(),
        answer: Value::Null,
    }
}

fn paid() -> Finding {
    Finding::Paid(Receipt {
        ref_id: Some(201),
        card_pan: None,
        card_hash: None,
        already: false,
        said: said(),
    })
}

const ALL: TimeLeft = TimeLeft { to_pay: true, to_ask: true };
/// Nobody can pay any more, but somebody has just come back.
const ASKED: TimeLeft = TimeLeft { to_pay: false, to_ask: true };
const NONE: TimeLeft = TimeLeft { to_pay: false, to_ask: false };

/// Every row: a state, what was found, the time left; the next state, whether to ask again, why.
#[test]
fn every_row_of_the_table() {
    use State::{
        Cancelled, Created, Expired, Failed, NeedsReview, Paid, Redirected, Refunded, Reversed,
        Verifying,
    };
    type Row = (State, Finding, TimeLeft, Option<State>, bool, Option<&'static str>);
    let unanswered = || Finding::Unanswered(None, None);
    let rows: Vec<Row> = vec![
        // A yes is a yes, whatever was thought of it before.
        (Redirected, paid(), ALL, Some(Paid), false, None),
        (Verifying, paid(), NONE, Some(Paid), false, None),
        (Failed, paid(), NONE, Some(Paid), false, None),
        (Cancelled, paid(), NONE, Some(Paid), false, None),
        (Expired, paid(), NONE, Some(Paid), false, None),
        (NeedsReview, paid(), NONE, Some(Paid), false, None),
        (Paid, paid(), ALL, None, false, None),
        (Reversed, paid(), ALL, None, false, None),
        (Refunded, paid(), ALL, None, false, None),
        // Something is wrong with the money.
        (Redirected, Finding::Mismatch(said()), ALL, Some(NeedsReview), false, None),
        (Verifying, Finding::Mismatch(said()), NONE, Some(NeedsReview), false, None),
        (Expired, Finding::Mismatch(said()), ASKED, Some(NeedsReview), false, None),
        (NeedsReview, Finding::Mismatch(said()), ALL, None, false, None),
        // The gateway is at work on it: never given up for that.
        (Redirected, Finding::Processing(None), ALL, Some(Verifying), true, None),
        (Verifying, Finding::Processing(None), ASKED, None, true, None),
        (Expired, Finding::Processing(None), ASKED, Some(Verifying), true, None),
        (NeedsReview, Finding::Processing(None), ASKED, None, true, None),
        (Redirected, Finding::Processing(None), NONE, Some(NeedsReview), false, Some("undecided")),
        (Verifying, Finding::Processing(None), NONE, Some(NeedsReview), false, Some("undecided")),
        (Expired, Finding::Processing(None), NONE, Some(NeedsReview), false, Some("undecided")),
        (NeedsReview, Finding::Processing(None), NONE, None, false, None),
        // No answer changes nothing, until the time is over.
        (Redirected, unanswered(), ALL, None, true, None),
        (Redirected, unanswered(), ASKED, None, true, None),
        (Redirected, unanswered(), NONE, Some(NeedsReview), false, Some("silent")),
        (Verifying, unanswered(), NONE, Some(NeedsReview), false, Some("undecided")),
        (Cancelled, unanswered(), ASKED, None, true, None),
        (Cancelled, unanswered(), NONE, None, false, None),
        (Created, unanswered(), NONE, Some(Expired), false, Some("expired")),
        (Redirected, Finding::More, ALL, None, true, None),
        // The gateway's own no.
        (Redirected, Finding::Failed(None), ALL, Some(Failed), false, Some("failed")),
        (Verifying, Finding::Failed(None), ALL, Some(Failed), false, Some("failed")),
        (NeedsReview, Finding::Failed(None), ALL, Some(Failed), false, Some("failed")),
        (Expired, Finding::Failed(None), ASKED, None, false, Some("failed")),
        (Redirected, Finding::Cancelled(None), ALL, Some(Cancelled), false, Some("cancelled")),
        (Failed, Finding::Cancelled(None), ASKED, None, false, Some("cancelled")),
        (Redirected, Finding::NotFound(None), ALL, Some(Failed), false, Some("not_found")),
        (Verifying, Finding::NotFound(None), ALL, None, true, None),
        (Verifying, Finding::NotFound(None), NONE, Some(NeedsReview), false, Some("undecided")),
        (NeedsReview, Finding::NotFound(None), ALL, None, false, None),
        // Not yet, until it is never.
        (Redirected, Finding::NotPaid(None), ALL, None, false, None),
        (Redirected, Finding::NotPaid(None), ASKED, Some(Expired), false, Some("expired")),
        (Redirected, Finding::NotPaid(None), NONE, Some(Expired), false, Some("expired")),
        (Verifying, Finding::NotPaid(None), ALL, None, true, None),
        (Verifying, Finding::NotPaid(None), NONE, Some(NeedsReview), false, Some("undecided")),
        (Failed, Finding::NotPaid(None), ASKED, None, false, Some("expired")),
        (NeedsReview, Finding::NotPaid(None), ASKED, None, false, Some("expired")),
        (Created, Finding::NotPaid(None), NONE, Some(Expired), false, Some("expired")),
        // It cannot be asked: never called failed or expired for that, if somebody was sent there.
        (Redirected, Finding::NoReference(None), ALL, None, false, None),
        (
            Redirected,
            Finding::NoReference(None),
            NONE,
            Some(NeedsReview),
            false,
            Some("no_reference"),
        ),
        (Redirected, Finding::Nothing, ALL, None, false, None),
        (Redirected, Finding::Nothing, NONE, Some(NeedsReview), false, Some("no_inquiry")),
        (Cancelled, Finding::NoReference(None), ASKED, None, false, None),
        (Expired, Finding::Nothing, ASKED, None, false, None),
        (Created, Finding::Nothing, ALL, None, false, None),
        (Created, Finding::Nothing, NONE, Some(Expired), false, Some("expired")),
        (Verifying, Finding::NoReference(None), ALL, None, true, None),
    ];
    for (state, finding, left, next, again, reason) in rows {
        let decision = decide(state, &finding, left);
        let came = (decision.state, !decision.is_final(), decision.reason);
        assert_eq!(came, (next, again, reason), "{state:?} {finding:?} {left:?}");
    }
}

#[test]
fn no_finding_leads_where_a_state_may_not_go_and_no_open_payment_stays_open_for_ever() {
    let findings = [
        paid(),
        Finding::Mismatch(said()),
        Finding::Processing(None),
        Finding::Unanswered(None, None),
        Finding::Failed(None),
        Finding::Cancelled(None),
        Finding::NotFound(None),
        Finding::NotPaid(None),
        Finding::NoReference(None),
        Finding::Nothing,
    ];
    for state in State::ALL {
        for finding in &findings {
            for left in [ALL, ASKED, NONE] {
                let decision = decide(state, finding, left);
                assert!(decision.state.is_none_or(|next| state.can_become(next)));
                let over = left == NONE && state.is_open() && state != State::Created;
                if over {
                    let next = decision.state.expect("it ends");
                    assert!(!next.is_open(), "{state:?} {finding:?} {next:?}");
                }
            }
        }
    }
}

#[test]
fn a_gateways_wish_for_a_pause_is_kept() {
    let pause = Some(Duration::from_secs(30));
    let decision = decide(State::Redirected, &Finding::Unanswered(pause, None), ALL);
    assert_eq!(decision.again, Some(Again::Later(pause)));
    assert_eq!(decide(State::Redirected, &Finding::More, ALL).again, Some(Again::Now));
}
