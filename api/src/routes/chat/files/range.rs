//! Parts of files (RFC 9110, 14). Pure.

use std::ops::Range;

/// What of a file is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it; also where several parts are asked for, or something that nobody understands.
    Whole,
    /// A part.
    Part(Range<u64>),
    /// A part that is not there.
    Nothing,
}

/// Reads the header `Range` for a file of so many bytes.
pub(super) fn asked(header: Option<&str>, bytes: u64) -> Asked {
    let Some(part) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    let Some((first, last)) = part.split_once('-') else { return Asked::Whole };
    let number = |text: &str| {
        let text = text.trim();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(bytes),
        (Some(first), None) if last.trim().is_empty() => first..bytes,
        (None, Some(count)) if first.trim().is_empty() => bytes.saturating_sub(count)..bytes,
        _ => return Asked::Whole,
    };
    if range.is_empty() { Asked::Nothing } else { Asked::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_there_is_of_it() {
        for (header, expected) in [
            (None, Asked::Whole),
            (Some("bytes=0-9"), Asked::Part(0..10)),
            (Some("bytes=90-"), Asked::Part(90..100)),
            (Some("bytes=90-1000"), Asked::Part(90..100)),
            (Some("bytes=90-99999999999999999999999"), Asked::Part(90..100)),
            (Some("bytes=-10"), Asked::Part(90..100)),
            (Some("bytes=-1000"), Asked::Part(0..100)),
            (Some("bytes=0-0"), Asked::Part(0..1)),
            (Some("bytes=100-"), Asked::Nothing),
            (Some("bytes=100-200"), Asked::Nothing),
            (Some("bytes=-0"), Asked::Nothing),
            (Some("bytes=0-1,5-6"), Asked::Whole),
            (Some("bytes=9-5"), Asked::Whole),
            (Some("bytes=-"), Asked::Whole),
            (Some("bytes=a-b"), Asked::Whole),
            (Some("bytes=+1-5"), Asked::Whole),
            (Some("lines=1-5"), Asked::Whole),
        ] {
            assert_eq!(asked(header, 100), expected, "{header:?}");
        }
    }
}
