//! Why a body is no JSON, in the words of Python 3.11's `json` module: old clients show them.
//!
//! The order of the checks is that of the module's scanner; messages and positions were compared
//! with the real one. Positions count characters, as Python's do.

use std::str::from_utf8;

/// Where documents stop being read. Deeper ones are refused by `serde_json`, whose limit this is.
const MAX_DEPTH: usize = 127;

/// The error of Python's `json.loads` for this text; `None` if it finds none.
///
/// As in Django REST framework, `NaN` and the infinities are errors.
pub(crate) fn parse_error(text: &str) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    if chars.first() == Some(&'\u{feff}') {
        return Some(located("Unexpected UTF-8 BOM (decode using utf-8-sig)", &chars, 0));
    }
    let scanner = Scanner { chars: &chars };
    let fault = match scanner.value(scanner.skip_space(0), 0) {
        Ok(end) if scanner.skip_space(end) == chars.len() => return None,
        Ok(end) => Fault::At("Extra data", scanner.skip_space(end)),
        Err(fault) => fault,
    };
    Some(match fault {
        Fault::At(message, at) => located(message, &chars, at),
        Fault::Constant(name) => {
            format!("Out of range float values are not JSON compliant: '{name}'")
        }
        Fault::TooDeep => "The document is nested too deeply.".to_owned(),
    })
}

/// The error of Python's UTF-8 decoder for bytes that are none.
pub(crate) fn decode_error(bytes: &[u8]) -> String {
    let Err(error) = from_utf8(bytes) else {
        return "The document is UTF-8.".to_owned();
    };
    let start = error.valid_up_to();
    let (length, reason) = match error.error_len() {
        None => (bytes.len() - start, "unexpected end of data"),
        Some(length) if is_leading(bytes[start]) => (length, "invalid continuation byte"),
        Some(length) => (length, "invalid start byte"),
    };
    if length == 1 {
        let byte = bytes[start];
        return format!(
            "'utf-8' codec can't decode byte {byte:#04x} in position {start}: {reason}"
        );
    }
    let end = start + length - 1;
    format!("'utf-8' codec can't decode bytes in position {start}-{end}: {reason}")
}

/// Whether a byte can begin a sequence of two to four bytes.
fn is_leading(byte: u8) -> bool {
    (0xc2..=0xf4).contains(&byte)
}

fn located(message: &str, chars: &[char], at: usize) -> String {
    let before = &chars[..at.min(chars.len())];
    let line = before.iter().filter(|char| **char == '\n').count() + 1;
    let column = match before.iter().rposition(|char| *char == '\n') {
        Some(newline) => at - newline,
        None => at + 1,
    };
    format!("{message}: line {line} column {column} (char {at})")
}

/// What stopped the scanner.
enum Fault {
    At(&'static str, usize),
    Constant(&'static str),
    TooDeep,
}

/// Each method takes the index where its part begins and gives the index behind it.
struct Scanner<'a> {
    chars: &'a [char],
}

impl Scanner<'_> {
    fn at(&self, index: usize) -> Option<char> {
        self.chars.get(index).copied()
    }

    fn skip_space(&self, mut index: usize) -> usize {
        while matches!(self.at(index), Some(' ' | '\t' | '\n' | '\r')) {
            index += 1;
        }
        index
    }

    fn skip_digits(&self, mut index: usize) -> usize {
        while self.at(index).is_some_and(|char| char.is_ascii_digit()) {
            index += 1;
        }
        index
    }

    fn has(&self, index: usize, word: &str) -> bool {
        let rest = self.chars[index..].iter().copied();
        rest.take(word.len()).eq(word.chars())
    }

    fn value(&self, index: usize, depth: usize) -> Result<usize, Fault> {
        match self.at(index) {
            Some('"') => self.string(index),
            Some('{' | '[') if depth == MAX_DEPTH => Err(Fault::TooDeep),
            Some('{') => self.object(index + 1, depth + 1),
            Some('[') => self.array(index + 1, depth + 1),
            _ => self.word(index),
        }
    }

    fn word(&self, index: usize) -> Result<usize, Fault> {
        if index >= self.chars.len() {
            return Err(Fault::At("Expecting value", index));
        }
        for word in ["null", "true", "false"] {
            if self.has(index, word) {
                return Ok(index + word.len());
            }
        }
        for constant in ["NaN", "Infinity", "-Infinity"] {
            if self.has(index, constant) {
                return Err(Fault::Constant(constant));
            }
        }
        self.number(index)
    }

    fn number(&self, start: usize) -> Result<usize, Fault> {
        let first = if self.at(start) == Some('-') { start + 1 } else { start };
        let mut index = match self.at(first) {
            Some('0') => first + 1,
            Some('1'..='9') => self.skip_digits(first),
            _ => return Err(Fault::At("Expecting value", start)),
        };
        if self.at(index) == Some('.') && self.skip_digits(index + 1) > index + 1 {
            index = self.skip_digits(index + 1);
        }
        if matches!(self.at(index), Some('e' | 'E')) {
            let signed = matches!(self.at(index + 1), Some('+' | '-'));
            let digits = index + 1 + usize::from(signed);
            if self.skip_digits(digits) > digits {
                index = self.skip_digits(digits);
            }
        }
        Ok(index)
    }

    fn object(&self, index: usize, depth: usize) -> Result<usize, Fault> {
        let mut index = self.skip_space(index);
        if self.at(index) == Some('}') {
            return Ok(index + 1);
        }
        loop {
            if self.at(index) != Some('"') {
                let message = "Expecting property name enclosed in double quotes";
                return Err(Fault::At(message, index));
            }
            index = self.skip_space(self.string(index)?);
            if self.at(index) != Some(':') {
                return Err(Fault::At("Expecting ':' delimiter", index));
            }
            index = self.value(self.skip_space(index + 1), depth)?;
            index = self.skip_space(index);
            match self.at(index) {
                Some('}') => return Ok(index + 1),
                Some(',') => index = self.skip_space(index + 1),
                _ => return Err(Fault::At("Expecting ',' delimiter", index)),
            }
        }
    }

    fn array(&self, index: usize, depth: usize) -> Result<usize, Fault> {
        let mut index = self.skip_space(index);
        if self.at(index) == Some(']') {
            return Ok(index + 1);
        }
        loop {
            index = self.skip_space(self.value(index, depth)?);
            match self.at(index) {
                Some(']') => return Ok(index + 1),
                Some(',') => index = self.skip_space(index + 1),
                _ => return Err(Fault::At("Expecting ',' delimiter", index)),
            }
        }
    }

    fn string(&self, quote: usize) -> Result<usize, Fault> {
        let mut index = quote + 1;
        loop {
            match self.at(index) {
                Some('"') => return Ok(index + 1),
                Some('\\') => index = self.escape(quote, index)?,
                Some('\0'..='\x1f') => {
                    return Err(Fault::At("Invalid control character at", index));
                }
                Some(_) => index += 1,
                None => return Err(Fault::At("Unterminated string starting at", quote)),
            }
        }
    }

    fn escape(&self, quote: usize, backslash: usize) -> Result<usize, Fault> {
        match self.at(backslash + 1) {
            None => Err(Fault::At("Unterminated string starting at", quote)),
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => Ok(backslash + 2),
            Some('u') => self.unicode_escape(backslash),
            Some(_) => Err(Fault::At("Invalid \\escape", backslash)),
        }
    }

    /// The scanner wants a character behind the four digits, and looks at a second escape only
    /// behind a high surrogate and only if the text is long enough.
    fn unicode_escape(&self, backslash: usize) -> Result<usize, Fault> {
        let end = backslash + 6;
        let invalid = |at: usize| Fault::At("Invalid \\uXXXX escape", at);
        if end >= self.chars.len() {
            return Err(invalid(backslash + 1));
        }
        let unit = self.hex(backslash + 2).ok_or(invalid(backslash + 1))?;
        let is_high = (0xd800..0xdc00).contains(&unit);
        if !(is_high && end + 6 < self.chars.len() && self.has(end, "\\u")) {
            return Ok(end);
        }
        let second = self.hex(end + 2).ok_or(invalid(end + 1))?;
        let is_low = (0xdc00..0xe000).contains(&second);
        Ok(if is_low { end + 6 } else { end })
    }

    fn hex(&self, index: usize) -> Option<u32> {
        let digits = self.chars.get(index..index + 4)?;
        digits.iter().try_fold(0, |unit, char| Some(unit * 16 + char.to_digit(16)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_positions_are_pythons() {
        for (text, message) in [
            ("", "Expecting value: line 1 column 1 (char 0)"),
            (" ", "Expecting value: line 1 column 2 (char 1)"),
            ("x", "Expecting value: line 1 column 1 (char 0)"),
            ("-", "Expecting value: line 1 column 1 (char 0)"),
            ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            ("{bad", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            (
                "{\"a\":1,}",
                "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)",
            ),
            ("{\n\"a\"", "Expecting ':' delimiter: line 2 column 4 (char 5)"),
            ("{\"a\":}", "Expecting value: line 1 column 6 (char 5)"),
            ("{\"a\":1", "Expecting ',' delimiter: line 1 column 7 (char 6)"),
            ("[1 2]", "Expecting ',' delimiter: line 1 column 4 (char 3)"),
            ("[", "Expecting value: line 1 column 2 (char 1)"),
            ("[1,]", "Expecting value: line 1 column 4 (char 3)"),
            ("01", "Extra data: line 1 column 2 (char 1)"),
            ("1.", "Extra data: line 1 column 2 (char 1)"),
            ("1e+", "Extra data: line 1 column 2 (char 1)"),
            ("{} x", "Extra data: line 1 column 4 (char 3)"),
            ("\"سلام", "Unterminated string starting at: line 1 column 1 (char 0)"),
            ("[\n\"a\\", "Unterminated string starting at: line 2 column 1 (char 2)"),
            ("\"a\nb\"", "Invalid control character at: line 1 column 3 (char 2)"),
            ("\"\\x\"", "Invalid \\escape: line 1 column 2 (char 1)"),
            ("\"\\u12\"", "Invalid \\uXXXX escape: line 1 column 3 (char 2)"),
            ("\"\\u12x4\"", "Invalid \\uXXXX escape: line 1 column 3 (char 2)"),
            ("\"\\ud800\\uzzzz\"", "Invalid \\uXXXX escape: line 1 column 9 (char 8)"),
            (
                "\u{feff}{}",
                "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)",
            ),
            ("[NaN]", "Out of range float values are not JSON compliant: 'NaN'"),
            ("-Infinity", "Out of range float values are not JSON compliant: '-Infinity'"),
        ] {
            assert_eq!(parse_error(text).as_deref(), Some(message), "{text:?}");
        }
    }

    #[test]
    fn what_python_takes_has_no_error() {
        for text in
            ["{}", " [1, -0.5e+3, \"\\ud83d\\ude00\\n\"]\r\n", "\"\\ud800\"", "1e999", "null"]
        {
            assert_eq!(parse_error(text), None, "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded_where_serde_json_bounds_it() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for depth in [126, 127, 128, 129, 10_000] {
            let text = nested(depth);
            let is_refused = serde_json::from_str::<serde_json::Value>(&text).is_err();
            assert_eq!(parse_error(&text).is_some(), is_refused, "{depth}");
        }
    }

    #[test]
    fn undecodable_bytes_are_described_like_pythons_decoder_does() {
        for (bytes, message) in [
            (&b"\xff"[..], "byte 0xff in position 0: invalid start byte"),
            (b"ab\x80", "byte 0x80 in position 2: invalid start byte"),
            (b"\xc3(", "byte 0xc3 in position 0: invalid continuation byte"),
            (b"\xe2\x82(", "bytes in position 0-1: invalid continuation byte"),
            (b"a\xe2\x82", "bytes in position 1-2: unexpected end of data"),
            (b"\xc3", "byte 0xc3 in position 0: unexpected end of data"),
            (b"\xc0\x80", "byte 0xc0 in position 0: invalid start byte"),
            (b"\xed\xa0\x80", "byte 0xed in position 0: invalid continuation byte"),
        ] {
            assert_eq!(decode_error(bytes), format!("'utf-8' codec can't decode {message}"));
        }
    }
}
