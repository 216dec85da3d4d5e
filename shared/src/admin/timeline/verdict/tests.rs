use super::*;
use crate::admin::timeline::LinkKind;

const TEXT: i64 = 41;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// What happened, by second, to the one text; codes typed and refusals belong to none.
fn story(happened: &[(i64, Code)]) -> Vec<Item> {
    let mut items: Vec<_> = happened.iter().map(|(second, code)| item(*second, *code)).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.place()));
    items
}

fn item(second: i64, code: Code) -> Item {
    let item = Item::new(at(second), code, second);
    match code {
        Code::CodeAsked | Code::TextAsked => {
            Item { until: Some(at(second + 240)), ..item.of(LinkKind::Message, TEXT) }
        }
        Code::SendRefused
        | Code::CodeWrong
        | Code::CodeExpired
        | Code::AttemptsSpent
        | Code::CodeUnknown
        | Code::AccountDisabled => item,
        _ => item.of(LinkKind::Message, TEXT),
    }
}

/// Seconds, and what happened then.
type Happened = &'static [(i64, Code)];

fn verdict_at(second: i64, happened: &[(i64, Code)]) -> Verdict {
    answer(&story(happened), Conditions::default(), at(second)).verdict
}

#[test]
fn every_verdict_is_given_for_what_it_says() {
    use Code::{
        AccountDisabled, AttemptsSpent, CodeAsked, CodeExpired, CodeUnknown, CodeVerified,
        CodeWrong, MessageCancelled, MessageExpired, MessageFailed, MessageSending, MessageUnknown,
        MessageWaiting, ProviderAccepted, ProviderAsked, ProviderPutOff, ProviderRefused,
        ProviderSilent, ReportCarried, ReportDelivered, ReportUndelivered, TextAsked,
    };
    let table: &[(Happened, i64, Verdict)] = &[
        (&[], 9, Verdict::NeverAsked),
        (&[(0, CodeUnknown)], 9, Verdict::NeverAsked),
        (&[(0, CodeAsked), (0, MessageWaiting)], 1, Verdict::Queued),
        (&[(0, CodeAsked), (1, MessageSending)], 3, Verdict::Queued),
        (&[(0, CodeAsked), (1, MessageSending)], 9, Verdict::ProviderSlow),
        (&[(0, CodeAsked), (0, MessageWaiting), (2, ProviderSilent)], 3, Verdict::ProviderSlow),
        (&[(0, CodeAsked), (0, MessageWaiting), (2, ProviderPutOff)], 3, Verdict::ProviderSlow),
        (&[(0, CodeAsked), (0, MessageWaiting), (2, ProviderRefused)], 3, Verdict::ProviderRefused),
        (&[(0, CodeAsked), (8, ProviderSilent), (8, MessageUnknown)], 9, Verdict::ProviderSlow),
        (&[(0, CodeAsked), (2, ProviderRefused), (2, MessageFailed)], 3, Verdict::ProviderRefused),
        (&[(0, CodeAsked), (2, MessageFailed)], 3, Verdict::ProviderRefused),
        (&[(0, CodeAsked), (240, MessageExpired)], 300, Verdict::ExpiredUnsent),
        (&[(0, CodeAsked), (2, MessageCancelled)], 3, Verdict::Cancelled),
        (&[(0, CodeAsked), (1, ProviderAccepted)], 9, Verdict::Sent),
        (&[(0, CodeAsked), (1, ProviderAccepted)], 90, Verdict::SentNotDelivered),
        (&[(0, CodeAsked), (1, ProviderAccepted)], 900, Verdict::SentNotDelivered),
        (&[(0, CodeAsked), (1, ProviderAccepted), (3, ReportCarried)], 9, Verdict::Sent),
        (
            &[(0, CodeAsked), (1, ProviderAccepted), (3, ReportUndelivered)],
            9,
            Verdict::SentNotDelivered,
        ),
        (&[(0, CodeAsked), (40, ProviderAccepted)], 50, Verdict::ProviderSlow),
        (&[(0, CodeAsked), (8, ProviderSilent), (9, ProviderAsked)], 10, Verdict::Sent),
        (&[(0, CodeAsked), (1, ProviderAccepted), (3, ReportDelivered)], 9, Verdict::Delivered),
        (
            &[(0, CodeAsked), (1, ProviderAccepted), (3, ReportDelivered)],
            300,
            Verdict::ExpiredBeforeUse,
        ),
        (&[(0, TextAsked), (1, ProviderAccepted), (3, ReportDelivered)], 300, Verdict::Delivered),
        (
            &[(0, CodeAsked), (1, ProviderAccepted), (300, CodeExpired)],
            301,
            Verdict::ExpiredBeforeUse,
        ),
        (&[(0, CodeAsked), (1, ProviderAccepted), (20, CodeWrong)], 30, Verdict::WrongCode),
        (
            &[(0, CodeAsked), (1, ProviderAccepted), (20, CodeWrong), (30, AttemptsSpent)],
            31,
            Verdict::AttemptsSpent,
        ),
        (
            &[(0, CodeAsked), (1, ProviderAccepted), (20, CodeWrong), (30, CodeVerified)],
            31,
            Verdict::Verified,
        ),
        (
            &[(0, CodeAsked), (1, ProviderAccepted), (30, CodeVerified), (30, AccountDisabled)],
            31,
            Verdict::AccountDisabled,
        ),
        // What was wrong before is no matter once a new one is asked for.
        (
            &[(0, CodeWrong), (1, AttemptsSpent), (2, CodeAsked), (2, MessageWaiting)],
            3,
            Verdict::Queued,
        ),
    ];
    for (happened, now, verdict) in table {
        assert_eq!(verdict_at(*now, happened), *verdict, "{happened:?} at {now}");
    }
}

#[test]
fn a_refusal_is_the_answer_only_after_the_last_code_and_never_during_a_cool_down() {
    let refused = |second, reason: &str| item(second, Code::SendRefused).with("reason", reason);
    let told = |reason: &str, verdict| {
        let mut items = vec![refused(5, reason)];
        let answered = answer(&items, Conditions::default(), at(6));
        assert_eq!(answered.verdict, verdict, "{reason}");
        assert_eq!((answered.at, answered.message), (Some(at(5)), None));
        assert_eq!(answered.params["reason"], reason);
        items.insert(0, item(7, Code::CodeAsked));
        items.insert(0, item(8, Code::ProviderAccepted));
        assert_eq!(answer(&items, Conditions::default(), at(9)).verdict, Verdict::Sent);
    };
    told("rate_limited", Verdict::Limited);
    told("daily_number_limit", Verdict::Limited);
    told("send_refused", Verdict::GuardRefused);
    told("number_blocked", Verdict::Blocked);
    told("unavailable", Verdict::Unavailable);
    let items =
        [refused(5, "otp_cooldown"), item(2, Code::ProviderAccepted), item(1, Code::CodeAsked)];
    assert_eq!(answer(&items, Conditions::default(), at(6)).verdict, Verdict::Sent);
}

#[test]
fn what_holds_now_is_the_answer_where_nothing_else_is() {
    let paused = Conditions { queue_paused: true, ..Conditions::default() };
    let waits = story(&[(0, Code::CodeAsked), (0, Code::MessageWaiting)]);
    assert_eq!(answer(&waits, paused, at(1)).verdict, Verdict::QueuePaused);
    let sent = story(&[(0, Code::CodeAsked), (1, Code::ProviderAccepted)]);
    assert_eq!(answer(&sent, paused, at(2)).verdict, Verdict::Sent);
    let blocked = Conditions { blocked: true, ..Conditions::default() };
    assert_eq!(answer(&[], blocked, at(1)).verdict, Verdict::Blocked);
    assert_eq!(answer(&sent, blocked, at(2)).verdict, Verdict::Sent);
}

#[test]
fn the_answer_names_the_text_the_provider_and_its_code() {
    let mut items = story(&[(0, Code::CodeAsked), (2, Code::MessageFailed)]);
    let refused = item(2, Code::ProviderRefused).with("provider", "kavenegar");
    items.push(refused.with("code", "kavenegar.411").with("took_ms", 80));
    items.sort_by_key(|item| std::cmp::Reverse(item.place()));
    let answered = answer(&items, Conditions::default(), at(3));
    assert_eq!((answered.verdict, answered.message), (Verdict::ProviderRefused, Some(TEXT)));
    let params: Vec<_> = answered.params.into_iter().collect();
    assert_eq!(params, [("code", "kavenegar.411".into()), ("provider", "kavenegar".into())]);
}

#[test]
fn every_verdict_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> =
        Verdict::ALL.iter().map(|verdict| verdict.as_str()).collect();
    assert_eq!(words.len(), Verdict::ALL.len());
}
