//! What a look asks of a gateway about each page, in which order, and when it stops.

use super::{
    Payments,
    gateways::{Guarded, Page, Said, Standing, Unanswered, Verified},
    look::{Finding, Look, PageLook, Questions, Step},
    pages::client_ref,
    verify::{Call, Claim, ClaimedPage, Looked},
};
use crate::money::Rials;

/// Calls of one attempt at most: its lease is as long.
const CALLS: usize = 3;

impl Payments {
    /// Asks the gateway, page after page.
    pub async fn look(&self, claim: &Claim) -> Looked {
        let mut looked = Looked {
            finding: Finding::Nothing,
            page: None,
            refused: Vec::new(),
            calls: Vec::new(),
        };
        let Some(gateway) = self.gateways.get(&claim.gateway) else {
            tracing::error!(payment.id = claim.id, gateway = claim.gateway, "gateway is gone");
            looked.finding = Finding::Unanswered(None, None);
            return looked;
        };
        let (mut best, mut seen) = (None::<Finding>, 0);
        for page in claim.pages.iter().filter(|page| page.look.is_some()) {
            let found = self.ask_about(gateway, claim, page, &mut looked).await;
            seen += 1;
            let stops = found.stops();
            let before = best.take();
            let counts =
                before.as_ref().is_none_or(|before| before.clone().or(found.clone()) != *before);
            if counts {
                looked.page = Some(page.id);
            }
            best = Some(before.map_or(found.clone(), |before| before.or(found)));
            if stops {
                break;
            }
        }
        if let Some(found) = best {
            let others = claim.pages.len() > seen;
            looked.finding = if others { found.of_one_page() } else { found };
        }
        looked
    }

    async fn ask_about(
        &self,
        gateway: &Guarded,
        claim: &Claim,
        page: &ClaimedPage,
        looked: &mut Looked,
    ) -> Finding {
        let can = gateway.capabilities();
        let questions = Questions { inquiry: can.inquiry, needs_reference: can.needs_reference };
        let look = page.look.unwrap_or(Look::Inquire);
        let mut way = PageLook::new(questions, look, page.references.clone());
        loop {
            if looked.calls.len() >= CALLS {
                way.stop();
            }
            let step = way.next();
            let started_at = self.clock.now();
            let asked = |reference| Page {
                authority: page.authority.clone(),
                amount: Rials::new(claim.amount_rials),
                client_ref: client_ref(&claim.handle, page.id),
                reference,
            };
            let (action, (outcome, code)) = match step {
                Step::Inquire => {
                    let answer = gateway.inquire(&asked(None)).await;
                    way.hear_inquiry(&answer);
                    ("inquire", inquired(&answer))
                }
                Step::Verify(reference) => {
                    let answer = gateway.verify(&asked(reference)).await;
                    let word = verified(&answer);
                    way.hear_verified(reference, answer);
                    ("verify", word)
                }
                Step::End => break,
            };
            let ended_at = self.clock.now();
            tracing::info!(
                payment.id = claim.id,
                page.id,
                gateway = claim.gateway,
                action,
                outcome,
                code = code.as_deref(),
                attempt = claim.attempt,
                "payment"
            );
            looked.calls.push(Call { page: page.id, action, outcome, code, started_at, ended_at });
        }
        let (finding, refused) = way.end();
        let refused = refused.into_iter().map(|(reference, why)| (page.id, reference, why));
        looked.refused.extend(refused);
        finding
    }
}

fn inquired(answer: &Result<Standing, Unanswered>) -> (&'static str, Option<String>) {
    match answer {
        Ok(Standing::Open) => ("open", None),
        Ok(Standing::Paid(_)) => ("paid", None),
        Ok(Standing::Verified(_)) => ("verified", None),
        Ok(Standing::Failed) => ("failed", None),
        Ok(Standing::Cancelled) => ("cancelled", None),
        Ok(Standing::Reversed) => ("reversed", None),
        Ok(Standing::NotFound) => ("not_found", None),
        Err(Unanswered::Unsupported) => ("unsupported", None),
        Err(Unanswered::Unavailable(code)) => ("unavailable", Some(code.clone())),
    }
}

fn verified(answer: &Verified) -> (&'static str, Option<String>) {
    let code = |said: &Said| Some(said.reason.clone());
    match answer {
        Verified::Paid(receipt) => {
            (if receipt.already { "already" } else { "paid" }, code(&receipt.said))
        }
        Verified::Processing(said) => ("processing", code(said)),
        Verified::NotPaid(said) => ("not_paid", code(said)),
        Verified::Mismatch(said) => ("mismatch", code(said)),
        Verified::NotFound(said) => ("not_found", code(said)),
        Verified::NoReference => ("no_reference", None),
        Verified::Account(said) => ("account", code(said)),
        Verified::RetryLater { said, .. } => ("retry_later", code(said)),
        Verified::Unknown(said) => ("unknown", code(said)),
    }
}
