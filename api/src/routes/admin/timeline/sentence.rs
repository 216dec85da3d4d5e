//! Sentences with holes: `A provider took it[: {provider}].` A part in brackets is left out when
//! there is nothing for its hole.

use std::collections::HashMap;

/// The sentence with its holes filled. Pure.
pub(super) fn fill(sentence: &str, params: &HashMap<String, String>) -> String {
    let mut filled = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some((before, optional)) = rest.split_once('[') {
        filled.push_str(&holes(before, params).unwrap_or_default());
        let (part, after) = optional.split_once(']').unwrap_or((optional, ""));
        filled.push_str(&holes(part, params).unwrap_or_default());
        rest = after;
    }
    filled.push_str(&holes(rest, params).unwrap_or_default());
    filled
}

/// `None`: there is nothing for one of them.
fn holes(part: &str, params: &HashMap<String, String>) -> Option<String> {
    let mut filled = String::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, hole)) = rest.split_once('{') {
        let (name, after) = hole.split_once('}')?;
        filled.push_str(before);
        filled.push_str(params.get(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// The holes of a sentence outside of brackets: they are always to be filled.
#[cfg(test)]
pub(super) fn required(sentence: &str) -> Vec<&str> {
    let outside = sentence.split('[').enumerate().map(|(place, part)| {
        if place == 0 { part } else { part.split_once(']').map_or("", |(_, after)| after) }
    });
    outside
        .flat_map(|part| part.split('{').skip(1))
        .filter_map(|hole| Some(hole.split_once('}')?.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_and_parts_without_anything_to_say_are_left_out() {
        let params = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let sentence = "Took it[: {provider}][ after {took_ms} ms].";
        let filled = |pairs: &[(&str, &str)]| fill(sentence, &params(pairs));
        assert_eq!(filled(&[]), "Took it.");
        assert_eq!(filled(&[("provider", "kavenegar")]), "Took it: kavenegar.");
        assert_eq!(filled(&[("took_ms", "80")]), "Took it after 80 ms.");
        assert_eq!(
            filled(&[("provider", "a{b}[c]"), ("took_ms", "1")]),
            "Took it: a{b}[c] after 1 ms."
        );
        assert_eq!(required(sentence), Vec::<&str>::new());
        assert_eq!(required("{a} is[ {b}] {c}"), ["a", "c"]);
    }
}
