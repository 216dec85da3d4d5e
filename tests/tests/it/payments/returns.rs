//! Money back: what staff may ask for, what it takes from the ledger, and what the gateway's word makes
//! of it.

use peyk_tests::{
    fake::{Behaviour, FakeZarinPal, Receiver},
    harness::{Peyk, wait_for},
};

use super::return_steps::{
    RIALS, assert_balanced, at, balance, begin, clerk, give_back, give_back_under, movements,
    outcome, pass_pauses, pay, state, without_panel,
};
use crate::{
    people::Person,
    webhooks::steps::{SECRET, endpoint},
};

fn refusal(code: i64) -> Behaviour {
    let body =
        format!(r#"{{"data":[],"errors":{{"code":{code},"message":"No.","validations":[]}}}}"#);
    Behaviour::HttpStatus { status: 400, headers: Vec::new(), body }
}

#[tokio::test]
async fn money_goes_back_from_the_wallet_or_the_shop_and_the_world_is_told() {
    let zarinpal = FakeZarinPal::start().await;
    let shop = Receiver::start(SECRET).await;
    let peyk = endpoint(at(&zarinpal), "SHOP", &shop.url()).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    for (mode, how, word, old) in [(1, "reverse", "reversed", RIALS), (2, "refund", "refunded", 0)]
    {
        let paid = pay(&peyk, &zarinpal, &payer, mode).await;
        assert_eq!(balance(&peyk, &payer).await, old);
        let answer = give_back(&peyk, &clerk, paid.id, how).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            (&answer.json["status"], &answer.json["payment_state"]),
            (&"done".into(), &word.into())
        );
        assert_eq!(state(&peyk, paid.id).await, word);
        assert_eq!((balance(&peyk, &payer).await, zarinpal.captured()), (0, 0));
        let told = "SELECT count(*) FROM webhook_events WHERE kind = 'payment.refunded'";
        wait_for("the event", async || (peyk.database.count(told).await > 0).then_some(())).await;
        let again = give_back(&peyk, &clerk, paid.id, how).await;
        assert_eq!((again.status, &again.json["code"]), (409, &"payment_not_paid".into()));
        let shown = payer.get(&peyk, &format!("payment/{}/", paid.id)).await;
        assert_eq!(shown.json["status"], "refounded", "{shown:?}");
    }
    let expected = ["payment payment", "refund reversal", "payment payment", "refund refund"];
    assert_eq!(movements(&peyk).await, expected);
    assert_balanced(&peyk).await;
    let audited = "SELECT count(*) FROM audit_events WHERE subject = 'payment'
        AND action IN ('payment.reverse_asked', 'payment.refund_asked')";
    assert_eq!(peyk.database.count(audited).await, 2);
}

#[tokio::test]
async fn only_finance_and_admins_give_money_back_and_only_after_a_recent_login() {
    let zarinpal = FakeZarinPal::start().await;
    let peyk = at(&zarinpal).start().await;
    let payer = Person::new(&peyk).await;
    let paid = pay(&peyk, &zarinpal, &payer, 1).await;
    for (role, status) in [(None, 403), (Some("viewer"), 403), (Some("support"), 403)] {
        let person = Person::new(&peyk).await;
        if let Some(role) = role {
            person.join_staff(&peyk, role).await;
        }
        let answer = give_back(&peyk, &person, paid.id, "refund").await;
        assert_eq!(answer.status, status, "{role:?}: {answer:?}");
    }
    let clerk = clerk(&peyk).await;
    clerk.grow_stale(&peyk).await;
    let stale = give_back(&peyk, &clerk, paid.id, "refund").await;
    assert_eq!((stale.status, &stale.json["code"]), (403, &"confirmation_required".into()));
    assert_eq!(peyk.database.count("SELECT count(*) FROM payment_returns").await, 0);
    assert_eq!(balance(&peyk, &payer).await, RIALS);
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_written() {
    let zarinpal = FakeZarinPal::start().await;
    let peyk = without_panel(&zarinpal).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    let refused = async |peyk: &Peyk, id: i64, how: &str, code: &str| {
        let answer = give_back(peyk, &clerk, id, how).await;
        assert_eq!(answer.json["code"], code, "{answer:?}");
    };
    refused(&peyk, 999, "refund", "not_found").await;
    let open = begin(&peyk, &payer, 1).await;
    refused(&peyk, open.id, "reverse", "payment_not_paid").await;
    let paid = pay(&peyk, &zarinpal, &payer, 1).await;
    let old = "UPDATE payments SET paid_at = paid_at - interval '31 minutes' WHERE state = 'paid'";
    peyk.database.execute(old).await;
    refused(&peyk, paid.id, "reverse", "return_too_late").await;
    refused(&peyk, paid.id, "refund", "return_unsupported").await;
    peyk.database.execute("UPDATE payments SET paid_at = now() WHERE state = 'paid'").await;
    peyk.database.execute("UPDATE wallets SET balance_rials = 10").await;
    refused(&peyk, paid.id, "reverse", "insufficient_balance").await;
    peyk.database.execute("UPDATE wallets SET balance_rials = 50000").await;
    assert_eq!(peyk.database.count("SELECT count(*) FROM payment_returns").await, 0);
    assert_eq!(zarinpal.count("reverse.json") + zarinpal.count("graphql"), 0);
    assert_balanced(&peyk).await;
}

#[tokio::test]
async fn a_refusal_of_the_gateways_puts_the_money_back_into_the_wallet() {
    let zarinpal = FakeZarinPal::start().await;
    let peyk = at(&zarinpal).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    let paid = pay(&peyk, &zarinpal, &payer, 1).await;
    zarinpal.behave("reverse.json", refusal(-60));
    let answer = give_back(&peyk, &clerk, paid.id, "reverse").await;
    assert_eq!((answer.status, &answer.json["code"]), (409, &"return_refused".into()));
    assert!(answer.json["detail"].as_str().unwrap().contains("zarinpal.-60"), "{answer:?}");
    assert_eq!((state(&peyk, paid.id).await, balance(&peyk, &payer).await), ("paid".into(), RIALS));
    let expected = ["payment payment", "refund reversal", "refund-undone reversal"];
    assert_eq!(movements(&peyk).await, expected);
    let answer = give_back(&peyk, &clerk, paid.id, "refund").await;
    assert_eq!(answer.status, 200, "another way is another try: {answer:?}");
    assert_balanced(&peyk).await;
    let list = clerk.get(&peyk, &format!("payment/{}/returns/", paid.id)).await;
    let statuses: Vec<_> =
        list.json["results"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, ["done", "refused"]);
    let looks = "SELECT count(*) FROM audit_events WHERE action = 'payment.returns_listed'";
    assert_eq!(peyk.database.count(looks).await, 1);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_about_and_nothing_goes_back_twice() {
    let zarinpal = FakeZarinPal::start().await;
    let peyk = at(&zarinpal).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    for (how, call, effect) in [
        ("reverse", "reverse.json", true),
        ("reverse", "reverse.json", false),
        ("refund", "graphql", true),
    ] {
        let paid = pay(&peyk, &zarinpal, &payer, 1).await;
        if how == "refund" {
            // The first question is which payment it is.
            zarinpal.behave(call, Behaviour::Ok);
        }
        zarinpal.behave(call, Behaviour::ResetAfterRead { effect });
        let key = format!("{how}-{effect}");
        let asked = give_back_under(&peyk, &clerk, (paid.id, how), &key, "x").await;
        assert_eq!(asked.status, 202, "{asked:?}");
        wait_for("the first attempt", async || {
            let doubt = "SELECT count(*) FROM payment_returns WHERE state = 'asked' AND in_doubt
                AND lease_until IS NULL AND attempt = 1";
            (peyk.database.count(doubt).await == 1).then_some(())
        })
        .await;
        assert_eq!(balance(&peyk, &payer).await, 0, "it is nobody's meanwhile");
        let second = give_back(&peyk, &clerk, paid.id, "reverse").await;
        assert_eq!(second.json["code"], "return_under_way", "{second:?}");
        pass_pauses(&peyk).await;
        assert_eq!(outcome(&peyk, paid.id).await.0, "done", "{how} {effect}");
        assert_eq!((zarinpal.captured(), balance(&peyk, &payer).await), (0, 0));
    }
    assert_balanced(&peyk).await;
}

#[tokio::test]
async fn what_nobody_can_say_in_time_ends_with_a_person_and_the_payment_stays_paid() {
    let zarinpal = FakeZarinPal::start().await;
    let shop = Receiver::start(SECRET).await;
    let peyk = endpoint(at(&zarinpal), "SHOP", &shop.url()).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    let paid = pay(&peyk, &zarinpal, &payer, 1).await;
    zarinpal.behave("reverse.json", Behaviour::ResetAfterRead { effect: false });
    let asked = give_back_under(&peyk, &clerk, (paid.id, "reverse"), "k", "x").await;
    assert_eq!(asked.status, 202, "{asked:?}");
    wait_for("the first attempt", async || {
        let doubt = "SELECT count(*) FROM payment_returns WHERE in_doubt AND lease_until IS NULL";
        (peyk.database.count(doubt).await == 1).then_some(())
    })
    .await;
    for _ in 0..5 {
        let silent = Behaviour::ResetAfterRead { effect: false };
        zarinpal.behave("inquiry.json", silent);
    }
    let old = "UPDATE payment_returns SET created_at = created_at - interval '25 hours'";
    peyk.database.execute(old).await;
    pass_pauses(&peyk).await;
    assert_eq!(outcome(&peyk, paid.id).await.0, "unknown");
    assert_eq!((state(&peyk, paid.id).await, balance(&peyk, &payer).await), ("paid".into(), 0));
    let told = "SELECT count(*) FROM webhook_events WHERE kind = 'payment.needs_review'";
    assert_eq!(peyk.database.count(told).await, 1);
    assert!(peyk.output().contains("a person has to look"));
    let again = give_back(&peyk, &clerk, paid.id, "reverse").await;
    assert_eq!(again.json["code"], "return_under_way", "nobody knows yet: {again:?}");
    assert_balanced(&peyk).await;

    // Somebody looks into the panel: the money never left.
    let settle = format!("payment/{}/returns/settle/", paid.id);
    let said = |status: &str| serde_json::json!({"status": status, "note": "the panel"});
    assert_eq!(clerk.post(&peyk, &settle, &said("paid")).await.status, 400);
    assert_eq!(payer.post(&peyk, &settle, &said("refused")).await.status, 403);
    let settled = clerk.post(&peyk, &settle, &said("refused")).await;
    assert_eq!((settled.status, &settled.json["status"]), (200, &"refused".into()), "{settled:?}");
    assert_eq!((state(&peyk, paid.id).await, balance(&peyk, &payer).await), ("paid".into(), RIALS));
    assert_eq!(clerk.post(&peyk, &settle, &said("done")).await.status, 409, "it is settled");
    assert_eq!(settled.json["settled_note"], "the panel");
    let audited = "SELECT count(*) FROM audit_events WHERE action = 'payment.return_settled'
        AND detail - 'return_id' = '{\"status\": \"refused\"}'";
    assert_eq!(peyk.database.count(audited).await, 1);
    assert_balanced(&peyk).await;
}

#[tokio::test]
async fn the_same_request_is_carried_out_once_and_another_one_under_its_key_is_refused() {
    let zarinpal = FakeZarinPal::start().await;
    let peyk = at(&zarinpal).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    let paid = pay(&peyk, &zarinpal, &payer, 1).await;
    let ask = (paid.id, "reverse");
    let many = (0..20).map(|_| give_back_under(&peyk, &clerk, ask, "key", "why"));
    for answer in futures_util::future::join_all(many).await {
        assert!(matches!(answer.status, 200 | 202 | 409), "{answer:?}");
    }
    assert_eq!(outcome(&peyk, paid.id).await.0, "done");
    let repeat = give_back_under(&peyk, &clerk, ask, "key", "why").await;
    assert_eq!((repeat.status, &repeat.json["status"]), (200, &"done".into()));
    let other = give_back_under(&peyk, &clerk, ask, "key", "another reason").await;
    assert_eq!((other.status, &other.json["code"]), (422, &"idempotency_mismatch".into()));
    assert_eq!(peyk.database.count("SELECT count(*) FROM payment_returns").await, 1);
    assert_eq!(movements(&peyk).await, ["payment payment", "refund reversal"]);
}
