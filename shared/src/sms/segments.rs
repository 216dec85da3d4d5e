//! How many parts a text is sent in. Pure.
//!
//! GSM 03.38 (3GPP TS 23.038, 6.2.1): 160 characters of 7 bits, 153 a part when there are several;
//! those of the extension table count twice and never straddle two parts. Anything else is sent as
//! UCS-2: 70 and 67 units of 16 bits; a character beyond the basic plane has two, which stay together.

/// How a text is written over the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The default alphabet of GSM, 7 bits a character.
    Gsm7,
    /// 16 bits a character: Persian, Arabic, Cyrillic, emoji …
    Ucs2,
}

/// The size of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// How it is written.
    pub encoding: Encoding,
    /// In how many parts, at least one.
    pub count: i16,
}

/// The default alphabet without its extension; ESC is not for use.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table: two septets each.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// Counts the parts of `text`.
pub fn segments(text: &str) -> Segments {
    let gsm = |c: char| BASIC.contains(c) || EXTENDED.contains(c);
    let (encoding, single, part) =
        if text.chars().all(gsm) { (Encoding::Gsm7, 160, 153) } else { (Encoding::Ucs2, 70, 67) };
    let units = |c: char| match encoding {
        Encoding::Gsm7 => 1 + usize::from(EXTENDED.contains(c)),
        Encoding::Ucs2 => c.len_utf16(),
    };
    let total: usize = text.chars().map(units).sum();
    let count = if total <= single { 1 } else { parts(text.chars().map(units), part) };
    Segments { encoding, count: i16::try_from(count).unwrap_or(i16::MAX) }
}

/// Fills parts one after the other; a character never straddles two.
fn parts(units: impl Iterator<Item = usize>, part: usize) -> usize {
    let (mut count, mut used) = (1, 0);
    for units in units {
        if used + units > part {
            (count, used) = (count + 1, 0);
        }
        used += units;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> (Encoding, i16) {
        let Segments { encoding, count } = segments(text);
        (encoding, count)
    }

    #[test]
    fn latin_texts_have_160_characters_and_153_a_part() {
        for (length, count) in [(0, 1), (1, 1), (160, 1), (161, 2), (306, 2), (307, 3), (459, 3)] {
            assert_eq!(size(&"a".repeat(length)), (Encoding::Gsm7, count), "{length}");
        }
    }

    #[test]
    fn persian_texts_have_70_characters_and_67_a_part() {
        for (length, count) in [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3)] {
            assert_eq!(size(&"ک".repeat(length)), (Encoding::Ucs2, count), "{length}");
        }
        assert_eq!(size("hello سلام"), (Encoding::Ucs2, 1));
        assert_eq!(size("code: `1`"), (Encoding::Ucs2, 1), "a backtick is not in the alphabet");
    }

    #[test]
    fn characters_of_the_extension_count_twice_and_do_not_straddle() {
        assert_eq!(size(&"€".repeat(80)), (Encoding::Gsm7, 1));
        assert_eq!(size(&"€".repeat(81)), (Encoding::Gsm7, 2));
        // 76 fit a part of 153, one septet stays empty.
        assert_eq!(size(&"€".repeat(152)), (Encoding::Gsm7, 2));
        assert_eq!(size(&"€".repeat(153)), (Encoding::Gsm7, 3));
    }

    #[test]
    fn an_emoji_is_two_units_and_does_not_straddle() {
        assert_eq!(size(&"😀".repeat(35)), (Encoding::Ucs2, 1));
        assert_eq!(size(&"😀".repeat(36)), (Encoding::Ucs2, 2));
        assert_eq!(size(&"😀".repeat(66)), (Encoding::Ucs2, 2));
        assert_eq!(size(&"😀".repeat(67)), (Encoding::Ucs2, 3));
    }
}
