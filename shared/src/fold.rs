//! Folding: texts that a reader takes for the same become the same. Pure; for comparing words and
//! for searching, never for showing.

use crate::phone::{ascii_digit, is_invisible};

/// The text in one spelling: lower case, Persian letters for their Arabic twins, ASCII digits,
/// without vowel marks, stretched letters, joiners and direction marks, every run of blanks one
/// space, none at the ends.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_dropped(*c)) {
        if c.is_whitespace() {
            if !folded.is_empty() && !folded.ends_with(' ') {
                folded.push(' ');
            }
            continue;
        }
        match ascii_digit(c).or_else(|| letter(c)) {
            Some(plain) => folded.push(plain),
            None => folded.extend(c.to_lowercase()),
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// A word as somebody types it alone into a text: folded, with no blanks at all and without the
/// quotes and full stops around it. Empty if nothing is left.
pub fn keyword(text: &str) -> String {
    let folded = fold(text);
    let word = folded.trim_matches(|c: char| !c.is_alphanumeric());
    word.chars().filter(|c| *c != ' ').collect()
}

/// The words of a text for searching: folded, one blank between each two, without anything that is
/// part of no word.
pub fn words(text: &str) -> String {
    let folded = fold(text);
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Marks that change how a text looks and not what it says: joiners and directions (the zero-width
/// non-joiner among them), vowel marks of Arabic, the stretching line of calligraphy.
fn is_dropped(c: char) -> bool {
    let is_vowel_mark = matches!(c, '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}');
    is_vowel_mark || c == '\u{640}' || is_invisible(c)
}

/// The Persian letter that keyboards of other languages write with another code point.
fn letter(c: char) -> Option<char> {
    match c {
        // Yeh: Arabic, without dots, with a hamza.
        '\u{64a}' | '\u{649}' | '\u{626}' => Some('ی'),
        // Kaf: Arabic.
        '\u{643}' => Some('ک'),
        // Heh: with a hamza, teh marbuta, goal.
        '\u{6c0}' | '\u{629}' | '\u{6c1}' => Some('ه'),
        // Alef: with a hamza above or below, wasla. Alef with madda is a letter of its own.
        '\u{623}' | '\u{625}' | '\u{671}' => Some('ا'),
        // Waw with a hamza.
        '\u{624}' => Some('و'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_the_same_folds_to_the_same() {
        for (text, folded) in [
            ("", ""),
            ("  \t\n ", ""),
            ("STOP", "stop"),
            ("  Stop \r\n now ", "stop now"),
            ("ÉTÉ", "été"),
            ("كتاب‌هاي", "کتابهای"),
            ("کتاب\u{200c}های", "کتابهای"),
            ("مُحَمَّد", "محمد"),
            ("ســـلام", "سلام"),
            ("أحمد إيران ٱ", "احمد ایران ا"),
            ("خانهٔ ما", "خانه ما"),
            ("خانۀ ما", "خانه ما"),
            ("مؤمن رئیس", "مومن رییس"),
            ("۱۲٣٤５6", "123456"),
            ("\u{200f}لغو\u{feff}", "لغو"),
            ("آب", "آب"),
        ] {
            assert_eq!(fold(text), folded, "{text:?}");
        }
    }

    #[test]
    fn folding_again_changes_nothing() {
        for text in ["İstanbul ẞ", "كتاب‌هاي ۱۲", " a\u{a0} b ", "ﷺ!", "🙂 ok"] {
            let once = fold(text);
            assert_eq!(fold(&once), once, "{text:?}");
        }
    }

    #[test]
    fn words_are_what_is_left_without_signs() {
        for (text, found) in [
            ("«سلام،» گفت!", "سلام گفت"),
            ("a.b@example.com", "a b example com"),
            (" … 👍 ", ""),
            ("كتاب‌هاي ۱۲", "کتابهای 12"),
        ] {
            assert_eq!(words(text), found, "{text:?}");
        }
    }

    #[test]
    fn a_keyword_is_the_bare_word_however_it_was_typed() {
        for text in ["لغو11", "لغو ۱۱", " لغو\u{200c}۱۱. ", "«لغو ١١»", "لغـو11"]
        {
            assert_eq!(keyword(text), "لغو11", "{text:?}");
        }
        assert_eq!(keyword("\"Stop!\""), "stop");
        assert_eq!(keyword(" ... "), "");
        assert_ne!(keyword("please stop"), keyword("stop"));
    }
}
