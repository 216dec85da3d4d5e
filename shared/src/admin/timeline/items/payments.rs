//! Payments, what gateways said of them, and wallets.

use std::collections::HashMap;

use super::milliseconds;
use crate::{
    admin::timeline::{
        Item, LinkKind,
        codes::Code,
        store::{CallRow, EntryRow, PageRow, PaymentRow, ReturnRow},
    },
    payments::State,
};

/// What became of payments.
pub(in crate::admin::timeline) fn of(payments: &[PaymentRow]) -> Vec<Item> {
    payments.iter().flat_map(of_payment).collect()
}

fn of_payment(payment: &PaymentRow) -> Vec<Item> {
    let item = |at, code| Item::new(at, code, payment.id).of(LinkKind::Payment, payment.id);
    let order = Some(&payment.order_id).filter(|order| !order.is_empty());
    let begun = item(payment.created_at, Code::PaymentBegun)
        .with("amount_rials", payment.amount_rials)
        .with("gateway", &payment.gateway)
        .with("purpose", &payment.purpose)
        .with_some("order_id", order);
    let paid = payment.paid_at.map(|at| {
        let item = item(at, Code::PaymentPaid).with("amount_rials", payment.amount_rials);
        item.with_some("ref_id", payment.ref_id)
    });
    let ended = match payment.state {
        State::Failed => Some(Code::PaymentFailed),
        State::Cancelled => Some(Code::PaymentCancelled),
        State::Expired => Some(Code::PaymentExpired),
        State::NeedsReview => Some(Code::PaymentNeedsReview),
        _ => None,
    };
    let ended = ended
        .map(|code| item(payment.updated_at, code).with_some("reason", payment.reason.as_deref()));
    [Some(begun), paid, ended].into_iter().flatten().collect()
}

/// What became of asking gateways for pages; nothing is said yet of one that is being opened.
pub(in crate::admin::timeline) fn of_pages(pages: &[PageRow]) -> Vec<Item> {
    let of_page = |page: &PageRow| {
        let code = match page.state.as_str() {
            "open" => Code::PageOpened,
            "refused" => Code::PageRefused,
            "unknown" => Code::PageUnknown,
            _ => return None,
        };
        let item = Item::new(page.opened_at.unwrap_or(page.created_at), code, page.id)
            .of(LinkKind::Payment, page.payment_id)
            .with("gateway", &page.gateway)
            .with_some("reason", page.reason.as_deref());
        Some(item.with_some("code", page.code))
    };
    pages.iter().filter_map(of_page).collect()
}

/// Calls about pages that were opened.
pub(in crate::admin::timeline) fn of_calls(calls: &[CallRow]) -> Vec<Item> {
    let of_call = |call: &CallRow| {
        Item::new(call.ended_at, Code::GatewayAsked, call.id)
            .of(LinkKind::Payment, call.payment_id)
            .with("action", &call.action)
            .with("outcome", &call.outcome)
            .with("took_ms", milliseconds(call.started_at, call.ended_at))
            .with_some("code", call.code.as_deref())
    };
    calls.iter().map(of_call).collect()
}

/// Money on its way back.
pub(in crate::admin::timeline) fn of_returns(returns: &[ReturnRow]) -> Vec<Item> {
    returns.iter().flat_map(of_return).collect()
}

fn of_return(row: &ReturnRow) -> Vec<Item> {
    let item = |at, code| {
        let item = Item::new(at, code, row.id).of(LinkKind::Payment, row.payment_id);
        item.with("action", &row.action)
    };
    let ended = match row.state.as_str() {
        "done" => Some(Code::ReturnDone),
        "refused" => Some(Code::ReturnRefused),
        "unknown" => Some(Code::ReturnUnknown),
        _ => None,
    };
    let ended = ended
        .zip(row.ended_at)
        .map(|(code, at)| item(at, code).with_some("code", row.code.as_deref()));
    [Some(item(row.created_at, Code::ReturnAsked)), ended].into_iter().flatten().collect()
}

/// Entries of wallets; `payments`: those that the transactions' keys name.
pub(in crate::admin::timeline) fn of_entries(
    entries: &[EntryRow],
    payments: &HashMap<&str, i64>,
) -> Vec<Item> {
    let of_entry = |entry: &EntryRow| {
        let more = entry.amount_rials > 0;
        let code = if more { Code::WalletCredited } else { Code::WalletDebited };
        let item = Item::new(entry.created_at, code, entry.id)
            .with("amount_rials", entry.amount_rials.abs())
            .with("reason", &entry.kind)
            .with_some("balance_rials", entry.balance_rials);
        match payments.get(entry.key.as_str()) {
            Some(payment) => item.of(LinkKind::Payment, *payment),
            None => item.of(LinkKind::User, entry.user_id),
        }
    };
    entries.iter().map(of_entry).collect()
}
