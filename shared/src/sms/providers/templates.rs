//! Templates for providers that have none: texts of the configuration with places for the values.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Content, Outcome, Problem, Rejection};

/// `templates.<name> = "text with {token}"` of one account. Has no `Debug`: rendering is near.
#[derive(Clone, Default)]
pub(super) struct Templates(BTreeMap<String, Vec<Piece>>);

#[derive(Clone)]
enum Piece {
    Text(String),
    Token(String),
}

impl Templates {
    /// # Errors
    /// A template whose braces hold no name of a variable.
    pub(super) fn new(texts: &BTreeMap<String, String>) -> Result<Self, Problem> {
        let parsed = texts.iter().map(|(name, text)| Some((name.clone(), pieces(text)?)));
        parsed.collect::<Option<_>>().map(Self).ok_or_else(|| {
            let message = "must be texts in which {…} holds the name of a variable (a-z 0-9 _)";
            Problem::new("templates", message)
        })
    }

    /// What a message says.
    ///
    /// # Errors
    /// The end of a message that cannot be rendered: `<kind>.no_template` for a name that is not
    /// configured, `<kind>.token_name` if a variable has no value or a value no place; a text
    /// without its code would be paid for nothing.
    pub(super) fn text_of(&self, content: &Content, kind: &str) -> Result<String, Outcome> {
        let refused = |why: &str| Outcome::Rejected {
            reason: Rejection::Request,
            code: format!("{kind}.{why}"),
        };
        match content {
            Content::Text(text) => Ok(text.clone()),
            Content::Template { name, tokens } => {
                let pieces = self.0.get(name).ok_or_else(|| refused("no_template"))?;
                render(pieces, tokens).ok_or_else(|| refused("token_name"))
            }
        }
    }
}

fn pieces(mut text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    while let Some((before, rest)) = text.split_once('{') {
        let (name, after) = rest.split_once('}')?;
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(fine) || before.contains('}') {
            return None;
        }
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Token(name.to_owned()));
        text = after;
    }
    pieces.push(Piece::Text(text.to_owned()));
    (!text.contains('}')).then_some(pieces)
}

fn render(pieces: &[Piece], tokens: &[(String, String)]) -> Option<String> {
    let has_place = |(name, _): &(String, String)| {
        pieces.iter().any(|piece| matches!(piece, Piece::Token(place) if place == name))
    };
    if !tokens.iter().all(has_place) {
        return None;
    }
    let mut text = String::new();
    for piece in pieces {
        let part = match piece {
            Piece::Text(part) => part,
            Piece::Token(place) => &tokens.iter().find(|(name, _)| name == place)?.1,
        };
        write!(text, "{part}").ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(text: &str) -> Result<Templates, Problem> {
        Templates::new(&BTreeMap::from([("login".to_owned(), text.to_owned())]))
    }

    fn rendered(name: &str, text: &str, tokens: &[(&str, &str)]) -> Result<String, String> {
        let tokens = tokens.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let content = Content::Template { name: name.to_owned(), tokens };
        templates(text).unwrap().text_of(&content, "x").map_err(|outcome| match outcome {
            Outcome::Rejected { reason: Rejection::Request, code } => code,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn values_take_their_places_and_are_not_read_again() {
        let text = "کد {token}، {name} ({token})";
        let tokens = [("name", "{token}"), ("token", "4829")];
        assert_eq!(rendered("login", text, &tokens).unwrap(), "کد 4829، {token} (4829)");
        assert_eq!(rendered("login", "سلام", &[]).unwrap(), "سلام");
    }

    #[test]
    fn what_has_no_place_or_no_value_is_refused() {
        assert_eq!(rendered("other", "{token}", &[("token", "1")]).unwrap_err(), "x.no_template");
        assert_eq!(rendered("login", "{token}", &[]).unwrap_err(), "x.token_name");
        assert_eq!(rendered("login", "hello", &[("token", "1")]).unwrap_err(), "x.token_name");
    }

    #[test]
    fn braces_without_a_name_are_a_mistake() {
        for text in ["{", "}", "{}", "{a b}", "{Token}", "a}{b}", "{a}}", "{a{b}}", "{کد}"] {
            assert_eq!(templates(text).map(|_| ()).unwrap_err().key, "templates", "{text}");
        }
    }
}
