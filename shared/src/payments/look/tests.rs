use serde_json::Value;

use super::*;

const ZARINPAL: Questions = Questions { inquiry: true, needs_reference: false };
const PAYPING: Questions = Questions { inquiry: false, needs_reference: true };
const PAYPING_WITH_REPORT: Questions = Questions { inquiry: true, needs_reference: true };
const SILENT: Questions = Questions { inquiry: false, needs_reference: false };

fn said(reason: &str) -> Said {
    Said { code: None, reason: reason.to_owned(), message: String::new(), answer: Value::Null }
}

fn receipt() -> Receipt {
    Receipt { ref_id: Some(7), card_pan: None, card_hash: None, already: false, said: said("ok") }
}

fn away() -> Result<Standing, Unanswered> {
    Err(Unanswered::Unavailable("http.timeout".to_owned()))
}

/// What the gateway answers, in the order of the questions.
enum Answer {
    Inquiry(Result<Standing, Unanswered>),
    Verify(Option<i64>, Verified),
}
use Answer::{Inquiry, Verify};

/// Plays a look; every answer must be to the question that is asked.
fn look(
    questions: Questions,
    look: Look,
    references: &[i64],
    answers: Vec<Answer>,
) -> (Finding, Vec<i64>) {
    let mut page = PageLook::new(questions, look, references.to_vec());
    for answer in answers {
        match (page.next(), answer) {
            (Step::Inquire, Inquiry(answer)) => page.hear_inquiry(&answer),
            (Step::Verify(asked), Verify(reference, answer)) => {
                assert_eq!(asked, reference);
                page.hear_verified(reference, answer);
            }
            (step, _) => panic!("asked {step:?}"),
        }
    }
    assert_eq!(page.next(), Step::End);
    let (finding, refused) = page.end();
    (finding, refused.into_iter().map(|(reference, _)| reference).collect())
}

fn found(questions: Questions, how: Look, references: &[i64], answers: Vec<Answer>) -> Finding {
    look(questions, how, references, answers).0
}

#[test]
fn a_yes_is_verified_and_only_asked_about_when_it_is_denied() {
    let no = || Verify(None, Verified::NotPaid(said("zarinpal.-51")));
    let after = Some(said("zarinpal.-51"));
    for (answers, finding) in [
        (vec![Verify(None, Verified::Paid(receipt()))], Finding::Paid(receipt())),
        (vec![no(), Inquiry(Ok(Standing::Open))], Finding::NotPaid(after.clone())),
        (vec![no(), Inquiry(Ok(Standing::Failed))], Finding::Failed(after.clone())),
        (vec![no(), Inquiry(Ok(Standing::Cancelled))], Finding::Cancelled(after.clone())),
        (vec![no(), Inquiry(Ok(Standing::Reversed))], Finding::Failed(after.clone())),
        (vec![no(), Inquiry(Ok(Standing::NotFound))], Finding::NotPaid(after.clone())),
        (vec![no(), Inquiry(away())], Finding::NotPaid(after.clone())),
        (vec![no(), Inquiry(Ok(Standing::Paid(None)))], Finding::Processing(after)),
        (
            vec![Verify(None, Verified::Unknown(said("x")))],
            Finding::Unanswered(None, Some(said("x"))),
        ),
        (
            vec![Verify(None, Verified::Account(said("x")))],
            Finding::Unanswered(None, Some(said("x"))),
        ),
        (vec![Verify(None, Verified::Mismatch(said("x")))], Finding::Mismatch(said("x"))),
    ] {
        assert_eq!(found(ZARINPAL, Look::Verify, &[], answers), finding);
    }
}

#[test]
fn a_page_the_gateway_does_not_know_is_asked_about_once_more() {
    let unknown = || Verify(None, Verified::NotFound(said("zarinpal.-55")));
    let after = Some(said("zarinpal.-55"));
    for (inquiry, finding) in [
        (away(), Finding::NotFound(after.clone())),
        (Ok(Standing::NotFound), Finding::NotFound(after.clone())),
        (Ok(Standing::Open), Finding::NotPaid(after.clone())),
        (Ok(Standing::Paid(None)), Finding::Processing(after)),
    ] {
        assert_eq!(found(ZARINPAL, Look::Verify, &[], vec![unknown(), Inquiry(inquiry)]), finding);
    }
}

#[test]
fn a_no_is_never_verified_unless_the_gateway_says_paid() {
    for (answer, finding) in [
        (Ok(Standing::Open), Finding::NotPaid(None)),
        (Ok(Standing::NotFound), Finding::NotPaid(None)),
        (Ok(Standing::Failed), Finding::Failed(None)),
        (Ok(Standing::Cancelled), Finding::Cancelled(None)),
        (away(), Finding::Unanswered(None, None)),
        (Err(Unanswered::Unsupported), Finding::Nothing),
    ] {
        assert_eq!(found(ZARINPAL, Look::Inquire, &[], vec![Inquiry(answer)]), finding);
    }
    assert_eq!(found(SILENT, Look::Inquire, &[], vec![]), Finding::Nothing);
    for standing in [Standing::Paid(None), Standing::Verified(Some(9))] {
        let answers = vec![Inquiry(Ok(standing)), Verify(None, Verified::Paid(receipt()))];
        assert_eq!(found(ZARINPAL, Look::Inquire, &[], answers), Finding::Paid(receipt()));
    }
}

#[test]
fn what_the_gateway_says_it_has_is_not_given_up_when_verifying_says_otherwise() {
    for (answer, finding) in [
        (Verified::NotPaid(said("x")), Finding::Processing(Some(said("x")))),
        (Verified::NotFound(said("x")), Finding::Processing(Some(said("x")))),
        (Verified::Unknown(said("x")), Finding::Processing(Some(said("x")))),
    ] {
        let answers = vec![Inquiry(Ok(Standing::Paid(None))), Verify(None, answer)];
        assert_eq!(found(ZARINPAL, Look::Inquire, &[], answers), finding);
    }
}

#[test]
fn references_are_tried_one_by_one_and_a_made_up_one_says_nothing_of_the_page() {
    let refused = |reference, answer| Verify(Some(reference), answer);
    let answers = vec![
        refused(1, Verified::NotFound(said("payping.122"))),
        refused(2, Verified::NotPaid(said("payping.121"))),
        refused(3, Verified::Mismatch(said("payping.mismatch.reference"))),
    ];
    let (finding, made_up) = look(PAYPING, Look::Verify, &[1, 2, 3], answers);
    assert_eq!(finding, Finding::NoReference(Some(said("payping.mismatch.reference"))));
    assert_eq!(made_up, [1, 2, 3]);
    let answers = vec![
        refused(1, Verified::NotFound(said("payping.122"))),
        refused(2, Verified::Paid(receipt())),
    ];
    let (finding, made_up) = look(PAYPING, Look::Verify, &[1, 2, 3], answers);
    assert_eq!((finding, made_up), (Finding::Paid(receipt()), vec![1]));
    assert_eq!(found(PAYPING, Look::Verify, &[], vec![]), Finding::NoReference(None));
}

#[test]
fn another_reference_is_not_tried_while_one_may_have_been_verified() {
    for (answer, finding) in [
        (Verified::Unknown(said("x")), Finding::Unanswered(None, Some(said("x")))),
        (Verified::Processing(said("x")), Finding::Processing(Some(said("x")))),
        (Verified::Mismatch(said("payping.amount")), Finding::Mismatch(said("payping.amount"))),
    ] {
        let answers = vec![Verify(Some(1), answer)];
        assert_eq!(found(PAYPING, Look::Verify, &[1, 2], answers), finding);
    }
}

#[test]
fn a_report_that_names_the_reference_takes_the_place_of_the_payer() {
    let answers =
        vec![Inquiry(Ok(Standing::Paid(Some(5)))), Verify(Some(5), Verified::Paid(receipt()))];
    assert_eq!(found(PAYPING_WITH_REPORT, Look::Verify, &[], answers), Finding::Paid(receipt()));
    // Also after somebody made one up.
    let answers = vec![
        Verify(Some(1), Verified::NotFound(said("payping.122"))),
        Inquiry(Ok(Standing::Paid(Some(5)))),
        Verify(Some(5), Verified::Paid(receipt())),
    ];
    let (finding, made_up) = look(PAYPING_WITH_REPORT, Look::Verify, &[1], answers);
    assert_eq!((finding, made_up), (Finding::Paid(receipt()), vec![1]));
    // One that it names and does not verify is not tried for ever.
    let answers = vec![
        Verify(Some(5), Verified::NotFound(said("payping.122"))),
        Inquiry(Ok(Standing::Paid(Some(5)))),
    ];
    let found = found(PAYPING_WITH_REPORT, Look::Verify, &[5], answers);
    assert_eq!(found, Finding::Processing(Some(said("payping.122"))));
}

#[test]
fn a_report_that_cannot_be_had_keeps_nobody_from_verifying() {
    let answers = vec![Inquiry(away()), Verify(Some(5), Verified::Paid(receipt()))];
    assert_eq!(found(PAYPING_WITH_REPORT, Look::Inquire, &[5], answers), Finding::Paid(receipt()));
    let answers = vec![Inquiry(away())];
    let finding = found(PAYPING_WITH_REPORT, Look::Verify, &[], answers);
    assert_eq!(finding, Finding::NoReference(None));
}

#[test]
fn a_look_that_is_stopped_goes_on_later() {
    let mut page = PageLook::new(PAYPING, Look::Verify, vec![1, 2]);
    page.hear_verified(Some(1), Verified::NotFound(said("payping.122")));
    page.stop();
    assert_eq!(page.end(), (Finding::More, vec![(1, "payping.122".to_owned())]));
    let mut page = PageLook::new(ZARINPAL, Look::Verify, vec![]);
    page.hear_verified(None, Verified::Paid(receipt()));
    page.stop();
    assert_eq!(page.end().0, Finding::Paid(receipt()));
}

#[test]
fn of_two_pages_the_one_that_was_paid_counts_and_an_open_one_keeps_it_open() {
    let order = [
        Finding::NotFound(None),
        Finding::Failed(None),
        Finding::NotPaid(None),
        Finding::NoReference(None),
        Finding::Unanswered(None, None),
        Finding::Processing(None),
        Finding::Mismatch(said("x")),
        Finding::Paid(receipt()),
    ];
    for (at, low) in order.iter().enumerate() {
        for high in &order[at + 1..] {
            assert_eq!(&low.clone().or(high.clone()), high);
            assert_eq!(&high.clone().or(low.clone()), high);
        }
    }
    let over = Finding::Failed(Some(said("x")));
    assert_eq!(over.of_one_page(), Finding::NotPaid(Some(said("x"))));
}
