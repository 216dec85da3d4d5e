//! Searching for words in the rooms somebody belongs to.

use super::{Chat, RoomId, log::Message, store};
use crate::fold;

/// Words of a search at most; the others are not looked for.
const WORDS: usize = 10;

/// What somebody looks for: all of these words, the last of which may go on.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted(String);

impl Wanted {
    /// Reads what somebody typed; `None` if there is no word in it.
    pub fn parse(text: &str) -> Option<Self> {
        let words = fold::words(text);
        // They are letters and digits, so nothing in them ends the quotes.
        let words: Vec<_> = words.split(' ').filter(|word| !word.is_empty()).take(WORDS).collect();
        let all = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" & ");
        (!words.is_empty()).then(|| Self(format!("{all}:*")))
    }

    pub(super) fn as_query(&self) -> &str {
        &self.0
    }
}

impl Chat {
    /// Messages with these words, newest first, in one of somebody's rooms or in all of them; before
    /// a message, if one is named. Of rooms they do not belong to there is nothing.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn search(
        &self,
        user_id: i64,
        (wanted, room): (&Wanted, Option<RoomId>),
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Message>, sqlx::Error> {
        let rooms = store::rooms_to_search(&self.pool, user_id, room).await?;
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let ids = store::search(&self.pool, &rooms, wanted.as_query(), before, limit).await?;
        store::load_messages(&self.pool, &ids).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_its_words_and_the_last_may_go_on() {
        for (text, query) in [
            ("سلام", Some("'سلام':*")),
            ("  Foo, BAR ", Some("'foo' & 'bar':*")),
            ("كتاب‌هاي ۱۲", Some("'کتابهای' & '12':*")),
            ("a' | 'b", Some("'a' & 'b':*")),
            ("\\'", None),
            ("", None),
            (" ،! ", None),
        ] {
            assert_eq!(Wanted::parse(text).map(|wanted| wanted.0).as_deref(), query, "{text:?}");
        }
        let long = "w ".repeat(50);
        assert_eq!(Wanted::parse(&long).unwrap().0.matches('&').count(), WORDS - 1);
    }
}
