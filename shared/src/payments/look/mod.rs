//! What a look at a payment asks its gateway, in which order, and what the answers come to. Pure.
//!
//! A *look* goes through the pages that somebody wanted looked at, one after another: [`PageLook`]
//! says what to ask next about one, and what was found. [`super::decide`] makes of the finding what
//! the payment becomes.

use std::{cmp::Ordering, time::Duration};

use super::gateways::{Receipt, Said, Standing, Unanswered, Verified};

/// What is to be found out of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Look {
    /// How it stands; verified only if the gateway says that it was paid.
    Inquire,
    /// Whether it was paid, which takes the money for good.
    Verify,
}

impl Look {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inquire => "inquire",
            Self::Verify => "verify",
        }
    }
}

/// The next question about a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// How does it stand?
    Inquire,
    /// Verify it, under this reference if there is one.
    Verify(Option<i64>),
    /// There is nothing more to ask.
    End,
}

/// What was found out of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The gateway said yes.
    Paid(Receipt),
    /// Something of it is not as in our row.
    Mismatch(Said),
    /// The gateway has the money or is about to, and has not said yes yet.
    Processing(Option<Said>),
    /// There was no answer that says anything; the gateway's own wish for a pause. What it said, if it
    /// did.
    Unanswered(Option<Duration>, Option<Said>),
    /// There is more to ask than one attempt may.
    More,
    /// It will not be paid.
    Failed(Option<Said>),
    /// The payer turned back.
    Cancelled(Option<Said>),
    /// The gateway knows no such page of ours.
    NotFound(Option<Said>),
    /// Nobody has paid, or not yet.
    NotPaid(Option<Said>),
    /// It cannot be asked: nobody has brought the reference that it takes. What it said of those that
    /// somebody brought.
    NoReference(Option<Said>),
    /// It cannot be asked without verifying it, and nobody said that it was paid.
    Nothing,
}

impl Finding {
    /// Whether to leave the other pages alone for now: this one was paid, or may have been.
    pub const fn stops(&self) -> bool {
        !matches!(
            self,
            Self::Failed(_)
                | Self::Cancelled(_)
                | Self::NotFound(_)
                | Self::NotPaid(_)
                | Self::NoReference(_)
                | Self::Nothing
        )
    }

    /// What the gateway said.
    pub const fn said(&self) -> Option<&Said> {
        match self {
            Self::Paid(receipt) => Some(&receipt.said),
            Self::Mismatch(said) => Some(said),
            Self::Processing(said)
            | Self::Failed(said)
            | Self::Cancelled(said)
            | Self::NotFound(said)
            | Self::NotPaid(said)
            | Self::NoReference(said) => said.as_ref(),
            Self::Unanswered(..) | Self::More | Self::Nothing => None,
        }
    }

    /// Of two pages' findings the one that counts; of equals the first.
    fn rank(&self) -> u8 {
        match self {
            Self::NotFound(_) => 1,
            Self::Failed(_) | Self::Cancelled(_) => 2,
            Self::NotPaid(_) => 3,
            Self::NoReference(_) | Self::Nothing => 4,
            Self::Unanswered(..) | Self::More => 5,
            Self::Processing(_) => 6,
            Self::Mismatch(_) => 7,
            Self::Paid(_) => 8,
        }
    }

    /// The same of a payment that has other pages: one that is over says nothing of those.
    #[must_use]
    pub fn of_one_page(self) -> Self {
        match self {
            Self::Failed(said) | Self::Cancelled(said) | Self::NotFound(said) => {
                Self::NotPaid(said)
            }
            other => other,
        }
    }

    /// The one of two that counts.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.rank().cmp(&other.rank()) == Ordering::Less { other } else { self }
    }
}

/// What a gateway can be asked about a page of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Questions {
    /// [`super::gateways::Capabilities::inquiry`].
    pub inquiry: bool,
    /// [`super::gateways::Capabilities::needs_reference`].
    pub needs_reference: bool,
}

/// A look at one page, as far as it has come.
#[derive(Debug)]
pub struct PageLook {
    questions: Questions,
    look: Look,
    references: Vec<i64>,
    /// Those that the gateway refused, and why.
    refused: Vec<(i64, String)>,
    inquired: bool,
    /// The gateway said that it has been paid.
    says_paid: bool,
    /// What verifying came to, where that was a no.
    denied: Option<Finding>,
    finding: Option<Finding>,
}

impl PageLook {
    /// Before the first question. `references`: what those who came back say that it is called.
    pub fn new(questions: Questions, look: Look, references: Vec<i64>) -> Self {
        Self {
            questions,
            look,
            references,
            refused: Vec::new(),
            inquired: false,
            says_paid: false,
            denied: None,
            finding: None,
        }
    }

    /// What to ask next.
    pub fn next(&self) -> Step {
        if self.finding.is_some() {
            return Step::End;
        }
        let needs_reference = self.questions.needs_reference;
        if !self.inquired && self.questions.inquiry {
            let unnamed = needs_reference && self.references.is_empty();
            // Verifying said no: does the gateway say that it is over, or only that it is not yet?
            if self.look == Look::Inquire || unnamed || self.denied.is_some() {
                return Step::Inquire;
            }
        }
        // A payer who comes back with "no" is not believed, and not taken for one who paid.
        let may_verify = self.look == Look::Verify || self.says_paid || needs_reference;
        match self.references.first() {
            _ if self.denied.is_some() || !may_verify => Step::End,
            None if needs_reference => Step::End,
            Some(reference) if needs_reference => Step::Verify(Some(*reference)),
            _ => Step::Verify(None),
        }
    }

    /// The answer to [`Step::Inquire`].
    pub fn hear_inquiry(&mut self, answer: &Result<Standing, Unanswered>) {
        self.inquired = true;
        let said = || self.denied.as_ref().and_then(Finding::said).cloned();
        self.finding = match answer {
            Ok(Standing::Paid(reference) | Standing::Verified(reference)) => {
                self.says_paid = true;
                return self.hear_paid(*reference);
            }
            Ok(Standing::Failed | Standing::Reversed) => Some(Finding::Failed(said())),
            Ok(Standing::Cancelled) => Some(Finding::Cancelled(said())),
            Ok(Standing::Open) => Some(Finding::NotPaid(said())),
            // Some know a page only when it has been paid.
            Ok(Standing::NotFound) if self.denied.is_none() => Some(Finding::NotPaid(None)),
            Err(Unanswered::Unavailable(_)) if self.denied.is_none() => self.without_inquiry(),
            Ok(Standing::NotFound) | Err(_) => None,
        };
    }

    fn hear_paid(&mut self, reference: Option<i64>) {
        let refused = |reference| self.refused.iter().any(|(refused, _)| *refused == reference);
        match reference.filter(|reference| !refused(*reference)) {
            Some(reference) if self.questions.needs_reference => {
                self.references.retain(|other| *other != reference);
                self.references.insert(0, reference);
                self.denied = None;
            }
            // It says yes where verifying said no: ask again, a little later.
            _ => {
                let said = self.denied.as_ref().and_then(Finding::said);
                self.finding = said.cloned().map(|said| Finding::Processing(Some(said)));
            }
        }
    }

    /// Verifying may still say more. Whoever verifies by references alone has not been asked for
    /// nothing: the watcher comes again.
    fn without_inquiry(&self) -> Option<Finding> {
        if self.questions.needs_reference {
            return self.references.is_empty().then_some(Finding::NoReference(None));
        }
        (self.look == Look::Inquire).then_some(Finding::Unanswered(None, None))
    }

    /// The answer to [`Step::Verify`].
    pub fn hear_verified(&mut self, reference: Option<i64>, answer: Verified) {
        let finding = match answer {
            Verified::Paid(receipt) => Finding::Paid(receipt),
            Verified::Processing(said) => Finding::Processing(Some(said)),
            Verified::Account(said) | Verified::Unknown(said) => {
                Finding::Unanswered(None, Some(said))
            }
            Verified::RetryLater { after, said } => Finding::Unanswered(after, Some(said)),
            Verified::NoReference => Finding::NoReference(None),
            Verified::Mismatch(said) if reference.is_none() || is_our_page(&said) => {
                Finding::Mismatch(said)
            }
            Verified::NotPaid(said) | Verified::NotFound(said) | Verified::Mismatch(said)
                if reference.is_some() =>
            {
                return self.refuse(reference, said);
            }
            // It says no where it just said yes.
            Verified::NotPaid(said) | Verified::NotFound(said) if self.says_paid => {
                Finding::Processing(Some(said))
            }
            Verified::NotFound(said) => {
                self.denied = Some(Finding::NotFound(Some(said)));
                return;
            }
            Verified::NotPaid(said) | Verified::Mismatch(said) => {
                self.denied = Some(Finding::NotPaid(Some(said)));
                return;
            }
        };
        self.finding = Some(finding);
    }

    /// This is not what the gateway calls our page: somebody made it up, which says nothing of the
    /// page. The next one may be true.
    fn refuse(&mut self, reference: Option<i64>, said: Said) {
        if let Some(reference) = reference {
            self.references.retain(|other| *other != reference);
            self.refused.push((reference, said.reason.clone()));
        }
        if self.references.is_empty() {
            self.denied = Some(Finding::NoReference(Some(said)));
        }
    }

    /// Nothing more may be asked in this attempt.
    pub fn stop(&mut self) {
        if self.next() != Step::End {
            self.finding = Some(Finding::More);
        }
    }

    /// What it came to, and the references that the gateway refused, with its words for it.
    pub fn end(self) -> (Finding, Vec<(i64, String)>) {
        let found = self.finding.or(self.denied).unwrap_or({
            let needs_reference = self.questions.needs_reference;
            if needs_reference { Finding::NoReference(None) } else { Finding::Nothing }
        });
        let found = match found {
            // What it said before counts: the money is there.
            Finding::Unanswered(_, said)
            | Finding::NoReference(said)
            | Finding::NotPaid(said)
            | Finding::NotFound(said)
                if self.says_paid =>
            {
                Finding::Processing(said)
            }
            Finding::Nothing if self.says_paid => Finding::Processing(None),
            found => found,
        };
        (found, self.refused)
    }
}

/// Whether the gateway means our own page and not another payment that somebody's reference is of:
/// it named ours, and only the amount differs.
fn is_our_page(said: &Said) -> bool {
    said.reason.ends_with(".amount")
}

#[cfg(test)]
mod tests;
