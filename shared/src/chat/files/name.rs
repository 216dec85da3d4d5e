//! Names of files as people see them. They name nothing in the storage.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Characters of a name at most.
const LONGEST: usize = 255;

/// Characters of an ending that is kept when a name is cut.
const LONGEST_ENDING: usize = 16;

/// What a file is called that came without a name.
const NAMELESS: &str = "file";

/// The name without folders, control characters and what turns the direction of writing around,
/// behind which `gpj.exe` hides. Persian's half space stays.
pub(super) fn clean(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.nfc().filter(|c| is_shown(*c)).collect();
    let trimmed = shown.trim().trim_end_matches('.').trim_end();
    if trimmed.trim_matches('.').is_empty() {
        return NAMELESS.to_owned();
    }
    cut(trimmed)
}

fn is_shown(c: char) -> bool {
    use GeneralCategory as Category;
    match c {
        '\u{200c}' | '\u{200d}' => true,
        c => !matches!(
            c.general_category(),
            Category::Control
                | Category::Format
                | Category::Surrogate
                | Category::PrivateUse
                | Category::Unassigned
                | Category::LineSeparator
                | Category::ParagraphSeparator
        ),
    }
}

fn cut(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let ending_chars = ending.chars().count();
    if ending.is_empty() || ending_chars > LONGEST_ENDING {
        return name.chars().take(LONGEST).collect();
    }
    let stem: String = stem.chars().take(LONGEST - 1 - ending_chars).collect();
    format!("{stem}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_people_may_see() {
        for (given, expected) in [
            ("a.txt", "a.txt"),
            ("../../evil.txt", "evil.txt"),
            ("C:\\Users\\me\\a.txt", "a.txt"),
            ("/etc/passwd", "passwd"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\u{2066}b\u{2069}\u{200f}.txt", "ab.txt"),
            ("a\r\nContent-Type: x.txt", "aContent-Type: x.txt"),
            ("a\0.txt", "a.txt"),
            ("می\u{200c}روم.txt", "می\u{200c}روم.txt"),
            ("  a.txt  ", "a.txt"),
            ("a.txt...", "a.txt"),
            ("..", NAMELESS),
            ("", NAMELESS),
            ("a/", NAMELESS),
            ("\u{202e}", NAMELESS),
        ] {
            assert_eq!(clean(given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_before_its_ending() {
        let name = clean(&format!("{}.tar", "ن".repeat(300)));
        assert_eq!(name.chars().count(), LONGEST);
        assert!(name.ends_with("ن.tar"));
        assert_eq!(clean(&"a".repeat(300)).len(), LONGEST);
        assert_eq!(clean(&format!("a.{}", "b".repeat(300))).len(), LONGEST);
    }
}
