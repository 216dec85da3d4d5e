//! Names people choose for their accounts.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Characters a name has at most.
const LONGEST: usize = 150;

/// A name somebody may choose, in its normal form (NFKC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// Why a name cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// More than 150 characters.
    #[error("too long")]
    TooLong,
    /// Something other than letters, numbers and `@.+-_`.
    #[error("invalid")]
    Invalid,
    /// It looks like a name that Peyk gives.
    #[error("reserved")]
    Reserved,
}

/// The one spelling of a name, in which names are stored and looked for.
pub fn normal_form(name: &str) -> String {
    name.nfkc().collect()
}

impl Username {
    /// Reads a name somebody wants, by Django's rules, and less those that look like the names of
    /// accounts made by a code (`G0-09123456789`) or of erased ones (`erased-17`).
    ///
    /// # Errors
    /// [`UsernameError`].
    pub fn parse(wanted: &str) -> Result<Self, UsernameError> {
        let name = normal_form(wanted);
        if name.chars().count() > LONGEST {
            return Err(UsernameError::TooLong);
        }
        if name.is_empty() || !name.chars().all(is_allowed) {
            return Err(UsernameError::Invalid);
        }
        if looks_like_ours(&name) {
            return Err(UsernameError::Reserved);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Python's `\w`, and `@.+-`.
fn is_allowed(char: char) -> bool {
    let group = char.general_category_group();
    matches!(group, GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
        || "_@.+-".contains(char)
}

/// What the eye takes for what Peyk gives: marks do not count, nor does case.
fn looks_like_ours(name: &str) -> bool {
    let name = name.nfkd().filter(|char| !is_unseen(*char)).flat_map(char::to_lowercase);
    let name: String = name.map(look).collect();
    name.starts_with("erased-") || looks_like_a_number(&name)
}

/// `g`, digits and a dash. Letters that look like digits count where a number follows.
fn looks_like_a_number(name: &str) -> bool {
    let Some((group, rest)) = name.strip_prefix('g').and_then(|name| name.split_once('-')) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.chars().all(char::is_numeric);
    let like_digits = |text: &str| {
        !text.is_empty() && text.chars().all(|char| char.is_numeric() || "oli".contains(char))
    };
    digits(group) || (like_digits(group) && like_digits(rest) && rest.chars().any(char::is_numeric))
}

fn is_unseen(char: char) -> bool {
    is_combining_mark(char) || matches!(char, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// The ASCII character that a letter of another script looks like.
fn look(char: char) -> char {
    match char {
        'ɡ' | 'ɢ' | 'ԍ' | 'ց' | 'ᶃ' | 'ꮐ' | 'ᏻ' => 'g',
        'ο' | 'о' | 'օ' => 'o',
        'ı' | 'і' | 'ӏ' | 'ⅼ' | 'ι' => 'l',
        'е' | 'ҽ' | 'є' => 'e',
        'г' | 'ʀ' => 'r',
        'а' | 'α' | 'ɑ' => 'a',
        'ѕ' | 'ꜱ' => 's',
        'ԁ' | 'ɗ' => 'd',
        'ー' | 'ـ' | '一' | 'ㅡ' | 'ᅳ' | 'ㄧ' => '-',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> Option<UsernameError> {
        Username::parse(name).err()
    }

    #[test]
    fn letters_of_every_script_numbers_and_five_signs_are_allowed() {
        for name in ["sara", "Sara.Ahmadi+1@x-y_z", "سارا", "سارا۷", "ÉLÈVE", "Δx", "名前", "7"]
        {
            assert_eq!(refused(name), None, "{name}");
        }
        for name in [
            "",
            "a b",
            "a/b",
            "a\0",
            "a\n",
            "a!",
            "a'b",
            "a\u{200c}b",
            "a\u{200d}b",
            "👍",
            "a‐b",
            "ﷺ",
        ] {
            assert_eq!(refused(name), Some(UsernameError::Invalid), "{name:?}");
        }
    }

    #[test]
    fn names_have_one_spelling() {
        let same = |one, other| Username::parse(one).unwrap() == Username::parse(other).unwrap();
        assert!(same("ｓａｒａ", "sara"));
        assert!(same("re\u{301}my", "rémy"));
        assert!(!same("Sara", "sara"), "case counts, as in Django");
    }

    #[test]
    fn a_name_has_at_most_150_characters_in_its_normal_form() {
        assert_eq!(refused(&"ژ".repeat(150)), None);
        assert_eq!(refused(&"a".repeat(151)), Some(UsernameError::TooLong));
        assert_eq!(refused(&"ﬃ".repeat(51)), Some(UsernameError::TooLong), "three letters each");
    }

    #[test]
    fn nobody_chooses_a_name_that_looks_like_ours() {
        for name in [
            "G0-09123456789",
            "g0-09123456789",
            "G1-anything",
            "G12345-",
            "Ｇ０－09123456789",
            "G۰-09123456789",
            "g٠-09123456789",
            "G०-0912",
            "G⁰-0912",
            "G①-0912",
            "Ⓖ0-0912",
            "𝐆𝟎-0912",
            "Ԍ0-09123456789",
            "Ꮐ0-09123456789",
            "ɡ0-09123456789",
            "Ġ0-09123456789",
            "GO-09123456789",
            "Gо-09123456789",
            "Gl-09123456789",
            "GI-O9l23456789",
            "G0ー09123456789",
            "G0ـ09123456789",
            "G\u{3164}0-09123456789",
            "erased-17",
            "Erased-x",
            "ERASED-",
            "ｅｒａｓｅｄ-1",
            "еrаsеd-1",
            "érased-1",
        ] {
            assert_eq!(refused(name), Some(UsernameError::Reserved), "{name}");
        }
    }

    #[test]
    fn other_names_are_free() {
        for name in [
            "G0",
            "g20",
            "gil-smith",
            "go-fish",
            "g-0912",
            "G0.0912",
            "ag0-0912",
            "erased",
            "unerased-1",
            "g2_player",
            "gary-77",
            "09123456789",
            "G0x-1",
        ] {
            assert_eq!(refused(name), None, "{name}");
        }
    }
}
