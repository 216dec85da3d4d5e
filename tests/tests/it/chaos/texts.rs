//! Who was promised a text, and what arrived.

use std::collections::HashMap;

use peyk_tests::{
    chaos::Sent,
    fake::{Delivered, FakeKavenegar},
    harness::Story,
};

/// A refusal of the recipient, which ends a message and is the fake's doing.
pub(crate) const REFUSED: (&str, &str) = ("failed", "kavenegar.411");

/// What all handsets together were sent, against what was promised.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// Promised by 200 or 202, and neither sent nor refused by the fake.
    pub(crate) lost: Vec<Story>,
    /// Promised without a row at all.
    pub(crate) untrue: Vec<String>,
    /// Given up after two calls without an answer, of which the handset saw nothing.
    pub(crate) given_up: Vec<Story>,
    /// More than one text of the same content, and how many more.
    pub(crate) repeated: Vec<(Story, usize)>,
    /// Different codes to one number.
    pub(crate) contradicted: Vec<Story>,
    /// Past their life, or failed for a reason that is not the fake's.
    pub(crate) ended_badly: Vec<Story>,
    /// Rows in all.
    pub(crate) rows: usize,
    /// Texts in all.
    pub(crate) arrived: usize,
}

impl Texts {
    /// Compares; every number must have been used once.
    pub(crate) fn judge(sent: &[Sent], stories: Vec<Story>, fakes: &[&FakeKavenegar]) -> Self {
        let mut arrived: HashMap<String, Vec<Delivered>> = HashMap::new();
        for effect in fakes.iter().flat_map(|fake| fake.effects()) {
            arrived.entry(effect.destination).or_default().push(effect.content);
        }
        let mut found = Self { rows: stories.len(), ..Self::default() };
        found.arrived = arrived.values().map(Vec::len).sum();
        let rows: HashMap<_, _> =
            stories.iter().map(|story| (story.mobile.as_str(), story)).collect();
        for sent in sent.iter().filter(|sent| sent.is_accepted()) {
            match rows.get(sent.mobile.as_str()) {
                None => found.untrue.push(sent.mobile.clone()),
                Some(story) if !arrived.contains_key(&sent.mobile) => found.missing(story),
                Some(_) => {}
            }
        }
        for story in stories {
            if story.status == "expired" || (story.status == "failed" && !is_refused(&story)) {
                found.ended_badly.push(story.clone());
            }
            let texts = arrived.get(&story.mobile).map_or(&[][..], Vec::as_slice);
            if texts.windows(2).any(|two| two[0] != two[1]) {
                found.contradicted.push(story.clone());
            }
            if texts.len() > 1 {
                found.repeated.push((story, texts.len() - 1));
            }
        }
        found
    }

    fn missing(&mut self, story: &Story) {
        if story.status == "unknown" && story.unanswered_sends() == 2 {
            self.given_up.push(story.clone());
        } else if !is_refused(story) {
            self.lost.push(story.clone());
        }
    }

    /// Texts beyond the first, all numbers together.
    pub(crate) fn repeats(&self) -> usize {
        self.repeated.iter().map(|(_, more)| more).sum()
    }

    /// Nothing was lost or promised in vain, no code ran out, and nobody got two codes.
    pub(crate) fn assert_whole(&self) {
        assert!(self.lost.is_empty(), "lost: {:?}", self.lost);
        assert!(self.untrue.is_empty(), "promised without a row: {:?}", self.untrue);
        assert!(self.ended_badly.is_empty(), "ended badly: {:?}", self.ended_badly);
        assert!(self.contradicted.is_empty(), "two codes: {:?}", self.contradicted);
    }
}

/// Also where a call before the refused one had no answer: it may have carried the text, and the row
/// says that nobody knows.
fn is_refused(story: &Story) -> bool {
    let ended =
        story.status == REFUSED.0 || (story.status == "unknown" && story.unanswered_sends() > 0);
    ended && story.reason.as_deref() == Some(REFUSED.1)
}
