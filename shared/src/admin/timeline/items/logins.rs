//! What went wrong on the way in, and what the guard decided.

use crate::admin::timeline::{
    Item, LinkKind,
    codes::Code,
    store::{DecisionRow, LoginRow},
};

/// What went wrong on the way in.
pub(in crate::admin::timeline) fn of(events: &[LoginRow]) -> Vec<Item> {
    events.iter().filter_map(of_event).collect()
}

fn of_event(event: &LoginRow) -> Option<Item> {
    let code = match event.kind.as_str() {
        "send_refused" => Code::SendRefused,
        "code_wrong" => Code::CodeWrong,
        "code_unknown" => Code::CodeUnknown,
        "code_used" => Code::CodeUsed,
        "code_expired" => Code::CodeExpired,
        "attempts_spent" => Code::AttemptsSpent,
        "password_wrong" => Code::PasswordWrong,
        "account_disabled" => Code::AccountDisabled,
        _ => return None,
    };
    let item = Item::new(event.at, code, event.id)
        .with_some("purpose", event.purpose.as_deref())
        .with_some("reason", event.reason.as_deref())
        .with_some("ip", event.ip.map(|ip| ip.ip()))
        .with_some("request_id", event.request_id.as_deref());
    Some(match event.user_id {
        Some(user) => item.of(LinkKind::User, user),
        None => item,
    })
}

/// What the guard decided. `maybe`: it keeps too little of a number to be sure.
pub(in crate::admin::timeline) fn of_guard(decisions: &[DecisionRow]) -> Vec<Item> {
    decisions.iter().map(of_decision).collect()
}

fn of_decision(decision: &DecisionRow) -> Item {
    let refused = decision.action == "refused" && decision.mode == "enforce";
    let code = if refused { Code::GuardRefused } else { Code::GuardPassed };
    let rule = |reason: &crate::otp::guard::Reason| {
        format!("{} {}/{}", reason.rule.as_str(), reason.measured, reason.limit)
    };
    let rules: Vec<_> = decision.reasons.iter().map(rule).collect();
    Item::new(decision.at, code, decision.id)
        .with("rules", rules.join(", "))
        .with("mode", &decision.mode)
        .with_some("request_id", decision.request_id.as_deref())
        .with_some("maybe", (!decision.is_sure).then_some(true))
}
