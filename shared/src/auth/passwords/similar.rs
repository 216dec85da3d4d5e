//! Whether a password is too much like what everybody knows of its owner: Django's rule, number by
//! number (`UserAttributeSimilarityValidator` with its 0.7).

use std::collections::HashMap;

/// Whether the password is like the value, or like a word of it. Case does not matter.
pub(super) fn is_similar(password: &str, value: &str) -> bool {
    let (password, value) = (password.to_lowercase(), value.to_lowercase());
    let words = value.split(|char: char| !char.is_alphanumeric() && char != '_');
    words.chain([value.as_str()]).any(|part| is_like(&password, part))
}

fn is_like(password: &str, part: &str) -> bool {
    let (long, short) = (password.chars().count(), part.chars().count());
    // So much longer that it cannot be like it.
    if long >= 10 * short && 20 * short < 7 * long {
        return false;
    }
    // Python's `SequenceMatcher.quick_ratio`: characters in common, whatever their order.
    20 * in_common(password, part) >= 7 * (long + short)
}

fn in_common(one: &str, other: &str) -> usize {
    let mut left = HashMap::new();
    for char in other.chars() {
        *left.entry(char).or_insert(0_usize) += 1;
    }
    let take = |char: &char| match left.get_mut(char) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    one.chars().filter(take).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_like_a_name_is_found_and_an_unlike_one_is_not() {
        // Each answer is Django's.
        for (password, value, similar) in [
            ("sara.ahmadi", "sara.ahmadi", true),
            ("SaraAhmadi1", "sara.ahmadi", true),
            ("ahmadi77", "sara.ahmadi@example.com", true),
            ("idamhaaras", "sara.ahmadi", true),
            ("examplecom", "sara.ahmadi@example.com", true),
            ("09123456789", "09123456789", true),
            ("9123456789x", "09123456789", true),
            ("correct horse battery", "sara", false),
            ("S3cret-pass-77", "a@example.com", false),
            ("abcdefghij", "abcdefg", true),
            ("abcdefghijk", "abcdef", true),
            ("abcdefghijk", "abcde", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", false),
            ("سارا احمدی", "سارا", false),
            ("سارا۱۲", "سارا", true),
            ("password", "", false),
        ] {
            assert_eq!(is_similar(password, value), similar, "{password} {value}");
        }
    }
}
