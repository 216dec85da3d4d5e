//! Reads the fields of a request body with the rules, texts and codes of Django REST framework.

use std::{borrow::Cow, collections::HashMap};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, value::RawValue};
use shared::phone::ascii_digit;

use crate::error::FieldError;

/// The fields of one request body, and what was found wrong with them so far.
#[derive(Debug)]
pub(crate) struct Fields {
    members: Map<String, Value>,
    is_form: bool,
    /// The JSON the members come from, if they do.
    text: Option<String>,
    sentence: Option<&'static str>,
    errors: Vec<FieldError>,
}

/// The rules of a text field. Whitespace around the text is taken off first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Text {
    max_chars: Option<usize>,
    allows_blank: bool,
}

impl Text {
    /// A text of any length.
    pub(crate) const fn any() -> Self {
        Self { max_chars: None, allows_blank: false }
    }

    /// A text of at most this many characters.
    pub(crate) const fn max(chars: usize) -> Self {
        Self { max_chars: Some(chars), allows_blank: false }
    }

    /// The text may be empty.
    pub(crate) const fn or_blank(self) -> Self {
        Self { allows_blank: true, ..self }
    }
}

impl Fields {
    pub(super) fn new(members: Map<String, Value>, is_form: bool, text: Option<String>) -> Self {
        Self { members, is_form, text, sentence: None, errors: Vec::new() }
    }

    /// See [`Fields::say`].
    pub(super) fn sentence(&self) -> Option<&'static str> {
        self.sentence
    }

    pub(super) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// A text that must be there. `None` means an error was recorded.
    pub(crate) fn text(&mut self, name: &'static str, rules: Text) -> Option<String> {
        let value = self.required(name)?;
        self.check_text(name, value, rules)
    }

    /// A text that may be left out. `None` means it was, or an error was recorded.
    pub(crate) fn optional_text(&mut self, name: &'static str, rules: Text) -> Option<String> {
        let value = self.optional(name)?;
        self.check_text(name, value, rules)
    }

    /// A password that must be there, taken as it is. `None` means an error was recorded.
    pub(crate) fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        let value = self.required(name)?;
        self.check_secret(name, value)
    }

    /// A password that may be left out. `None` means it was, or an error was recorded.
    pub(crate) fn optional_secret(&mut self, name: &'static str) -> Option<SecretString> {
        let value = self.optional(name)?;
        self.check_secret(name, value)
    }

    /// A whole number that must be there, also as a string and in Persian digits. `None` means an
    /// error was recorded.
    pub(crate) fn integer(&mut self, name: &'static str) -> Option<i64> {
        let value = self.required(name)?;
        self.check_integer(name, &value)
    }

    /// A whole number that may be left out. `None` means it was, or an error was recorded.
    pub(crate) fn optional_integer(&mut self, name: &'static str) -> Option<i64> {
        let value = self.optional(name)?;
        self.check_integer(name, &value)
    }

    /// A whole amount of money that must be there: digits, also as a string and in Persian ones, with
    /// a fraction of zeros at most. It is read as it was written, never by way of a float: what is
    /// not that very number is refused. `None` means an error was recorded.
    pub(crate) fn amount(&mut self, name: &'static str) -> Option<i64> {
        let text = match self.required(name)? {
            Value::String(text) => Some(text),
            Value::Number(_) => self.as_written(name),
            _ => None,
        };
        let amount = text.as_deref().and_then(parse_amount);
        if amount.is_none() {
            self.error(name, "invalid", "A valid integer is required.");
        }
        amount
    }

    /// The value as it was sent, for fields with rules of their own; `None` if there is none.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// Whether the field is there and null, for those that mean something by it.
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(Value::is_null)
    }

    /// Whether the field was filled in, with whatever.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !self.is_form || value != "")
    }

    /// Records that a field breaks a rule.
    pub(crate) fn error(
        &mut self,
        field: &'static str,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) {
        let (field, code) = (Some(field.into()), code.into());
        self.errors.push(FieldError { field, code, message: message.into() });
    }

    /// What the old system says if anything is wrong, in the place of the usual sentence.
    pub(crate) fn say(&mut self, sentence: &'static str) {
        self.sentence = Some(sentence);
    }

    /// The member's own text in the body. Of several with one name the last counts, as in
    /// [`Fields::value`].
    fn as_written(&self, name: &str) -> Option<String> {
        let members: HashMap<String, &RawValue> =
            serde_json::from_str(self.text.as_deref()?).ok()?;
        Some(members.get(name)?.get().to_owned())
    }

    fn required(&mut self, name: &'static str) -> Option<Value> {
        let value = self.members.remove(name);
        if value.is_none() {
            self.error(name, "required", "This field is required.");
        }
        self.not_null(name, value?)
    }

    fn optional(&mut self, name: &'static str) -> Option<Value> {
        let value = self.members.remove(name)?;
        // An empty input of an HTML form is sent as an empty string and means "not filled in".
        if self.is_form && value == "" {
            return None;
        }
        self.not_null(name, value)
    }

    fn not_null(&mut self, name: &'static str, value: Value) -> Option<Value> {
        if value.is_null() {
            self.error(name, "null", "This field may not be null.");
            return None;
        }
        Some(value)
    }

    fn check_text(&mut self, name: &'static str, value: Value, rules: Text) -> Option<String> {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => {
                self.error(name, "invalid", "Not a valid string.");
                return None;
            }
        };
        let text = text.trim_matches(is_python_space);
        if text.is_empty() && !rules.allows_blank {
            self.error(name, "blank", "This field may not be blank.");
            return None;
        }
        let before = self.errors.len();
        if let Some(max) = rules.max_chars.filter(|max| text.chars().count() > *max) {
            let message = format!("Ensure this field has no more than {max} characters.");
            self.error(name, "max_length", message);
        }
        if text.contains('\0') {
            let message = "Null characters are not allowed.";
            self.error(name, "null_characters_not_allowed", message);
        }
        (self.errors.len() == before).then(|| text.to_owned())
    }

    /// The blanks around a password belong to it.
    fn check_secret(&mut self, name: &'static str, value: Value) -> Option<SecretString> {
        let secret: SecretString = match value {
            Value::String(text) => text.into(),
            Value::Number(number) => number.to_string().into(),
            _ => {
                self.error(name, "invalid", "Not a valid string.");
                return None;
            }
        };
        let text = secret.expose_secret();
        if text.is_empty() {
            self.error(name, "blank", "This field may not be blank.");
            return None;
        }
        if text.contains('\0') {
            let message = "Null characters are not allowed.";
            self.error(name, "null_characters_not_allowed", message);
            return None;
        }
        Some(secret)
    }

    fn check_integer(&mut self, name: &'static str, value: &Value) -> Option<i64> {
        let number = match value {
            Value::String(text) => parse_integer(text),
            Value::Number(number) => parse_integer(&number.to_string()),
            _ => None,
        };
        if number.is_none() {
            self.error(name, "invalid", "A valid integer is required.");
        }
        number
    }
}

/// What Python's `str.strip` takes off: Unicode's white space and four separators.
fn is_python_space(char: char) -> bool {
    char.is_whitespace() || ('\x1c'..='\x1f').contains(&char)
}

/// Reads what Python's `int` reads once a fraction of zeros is cut off: a sign, digits of any of the
/// scripts in use here, single underscores between them.
fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim_matches(is_python_space);
    let text = match text.rsplit_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let mut plain = sign.to_owned();
    for group in digits.split('_') {
        if group.is_empty() {
            return None;
        }
        for char in group.chars() {
            plain.push(ascii_digit(char)?);
        }
    }
    plain.parse().ok()
}

/// Reads a sign, digits of any of the scripts in use here, and a fraction of zeros.
fn parse_amount(text: &str) -> Option<i64> {
    let text = text.trim_matches(is_python_space);
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, zeros) = text.split_once('.').unwrap_or((text, "0"));
    let is_zero = |char| ascii_digit(char) == Some('0');
    if whole.is_empty() || zeros.is_empty() || !zeros.chars().all(is_zero) {
        return None;
    }
    let mut plain = String::from(if negative { "-" } else { "" });
    for char in whole.chars() {
        plain.push(ascii_digit(char)?);
    }
    plain.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(body: Value, is_form: bool) -> Fields {
        let Value::Object(members) = body else { panic!("a test reads objects") };
        Fields::new(members, is_form, None)
    }

    fn text(value: &Value, rules: Text) -> Result<String, Vec<(String, String)>> {
        let mut fields = fields(json!({"f": value}), false);
        let read = fields.text("f", rules);
        let errors = fields.into_errors().into_iter();
        let errors: Vec<_> =
            errors.map(|error| (error.code.into_owned(), error.message.into_owned())).collect();
        assert_eq!(read.is_some(), errors.is_empty());
        read.ok_or(errors)
    }

    #[test]
    fn texts_follow_the_old_rules() {
        let max = Text::max(4);
        for (value, read) in [
            (json!(" \u{1f}abc\u{a0}"), "abc"),
            (json!(1234), "1234"),
            (json!(1.5), "1.5"),
            (json!("سلام"), "سلام"),
            (json!("a\tb"), "a\tb"),
        ] {
            assert_eq!(text(&value, max), Ok(read.to_owned()));
        }
        assert_eq!(text(&json!("  "), max.or_blank()), Ok(String::new()));
        assert_eq!(text(&json!("abcdefgh"), Text::any()), Ok("abcdefgh".to_owned()));
    }

    #[test]
    fn broken_texts_get_the_old_codes_and_sentences() {
        let blank = ("blank", "This field may not be blank.");
        let invalid = ("invalid", "Not a valid string.");
        let long = ("max_length", "Ensure this field has no more than 4 characters.");
        let nul = ("null_characters_not_allowed", "Null characters are not allowed.");
        for (value, errors) in [
            (json!(""), vec![blank]),
            (json!(" \n"), vec![blank]),
            (json!(null), vec![("null", "This field may not be null.")]),
            (json!(true), vec![invalid]),
            (json!(["a"]), vec![invalid]),
            (json!({}), vec![invalid]),
            (json!("abcde"), vec![long]),
            (json!("a\0b"), vec![nul]),
            (json!("a\0bcd"), vec![long, nul]),
        ] {
            let expected =
                errors.into_iter().map(|(code, text)| (code.to_owned(), text.to_owned()));
            assert_eq!(text(&value, Text::max(4)), Err(expected.collect()));
        }
    }

    #[test]
    fn secrets_are_taken_as_they_are() {
        let secret = |value: Value| {
            let mut fields = fields(json!({"f": value}), false);
            let read = fields.secret("f").map(|secret| secret.expose_secret().to_owned());
            let errors: Vec<_> = fields.into_errors().into_iter().map(|it| it.code).collect();
            (read, errors)
        };
        for (value, text) in [(json!(" a "), " a "), (json!("   "), "   "), (json!(1234), "1234")] {
            assert_eq!(secret(value), (Some(text.to_owned()), vec![]));
        }
        for (value, code) in [
            (json!(""), "blank"),
            (json!(null), "null"),
            (json!(true), "invalid"),
            (json!(["a"]), "invalid"),
            (json!("a\0b"), "null_characters_not_allowed"),
        ] {
            assert_eq!(secret(value), (None, vec![code.into()]));
        }
        let mut fields = fields(json!({}), false);
        assert!(fields.optional_secret("f").is_none());
        assert!(fields.secret("f").is_none());
        assert_eq!(fields.into_errors()[0].code, "required");
    }

    #[test]
    fn integers_are_read_from_numbers_and_strings() {
        for (value, number) in [
            (json!(5), 5),
            (json!(-5), -5),
            (json!(5.0), 5),
            (json!(" 5 "), 5),
            (json!("+5.00 "), 5),
            (json!("1_000"), 1000),
            (json!("۱۲٣"), 123),
        ] {
            let mut fields = fields(json!({"f": value}), false);
            assert_eq!(fields.integer("f"), Some(number));
            assert_eq!(fields.into_errors(), []);
        }
        for value in
            ["\"\"", "\"a\"", "1.5", "true", "[]", "\"1__0\"", "\"_1\"", "99999999999999999999"]
        {
            let value: Value = serde_json::from_str(value).unwrap();
            let mut fields = fields(json!({"f": value}), false);
            assert_eq!(fields.integer("f"), None);
            assert_eq!(fields.into_errors()[0].message, "A valid integer is required.");
        }
    }

    fn amount(member: &str) -> Result<i64, Vec<FieldError>> {
        let text = format!("{{\"x\": 1.5, \"f\": 1, \"f\" : {member} }}");
        let Value::Object(members) = serde_json::from_str(&text).unwrap() else { unreachable!() };
        let mut fields = Fields::new(members, false, Some(text));
        let read = fields.amount("f");
        read.ok_or_else(|| fields.into_errors())
    }

    /// Every way an amount may be written.
    fn spellings(number: i64) -> Vec<String> {
        let plain = number.to_string();
        let persian: String = plain
            .chars()
            .map(|c| c.to_digit(10).map_or(c, |d| char::from_u32(0x6f0 + d).unwrap()))
            .collect();
        vec![
            plain.clone(),
            format!("{plain}.0"),
            format!("{plain}.000000000000000000000000000000"),
            format!("\"{plain}\""),
            format!("\" {plain}.00 \""),
            format!("\"{persian}\""),
            format!("\"{persian}.۰\""),
        ]
    }

    #[test]
    fn an_amount_is_the_number_that_was_written_and_never_another_one() {
        let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(0x5045);
        let edges =
            [1, 9, 10, 1_000, 1 << 53, (1 << 53) + 1, i64::MAX - 1, i64::MAX, 0, -1, i64::MIN];
        let random = std::iter::repeat_with(|| {
            rand::Rng::next_u64(&mut rng).cast_signed() >> (rand::Rng::next_u32(&mut rng) % 63)
        });
        for number in edges.into_iter().chain(random.take(5_000)) {
            for spelling in spellings(number) {
                assert_eq!(amount(&spelling), Ok(number), "{spelling}");
            }
        }
    }

    #[test]
    fn what_is_no_whole_amount_is_refused() {
        for member in [
            "1000.5",
            "1000.000000000000000000000000000001",
            "0.1",
            "1e3",
            "1E3",
            "1.0e3",
            "1e-3",
            "10e-1",
            "9223372036854775808",
            "9223372036854775808.0",
            "-9223372036854775809",
            "92233720368547758070",
            "1e19",
            "true",
            "[1000]",
            "{}",
            "\"\"",
            "\"abc\"",
            "\"1_000\"",
            "\"1,000\"",
            "\"1 000\"",
            "\"1000.\"",
            "\".0\"",
            "\"1000.0.0\"",
            "\"1e3\"",
            "\"0x10\"",
            "\"--1\"",
            "\"١٠٠٠٫٥\"",
            "\"9223372036854775808\"",
            "\"NaN\"",
        ] {
            let errors = amount(member).unwrap_err();
            assert_eq!(errors[0].message, "A valid integer is required.", "{member}");
        }
        assert_eq!(amount("null").unwrap_err()[0].code, "null");
    }

    #[test]
    fn optional_fields_may_be_absent_or_empty_in_a_form() {
        let mut absent = fields(json!({}), false);
        assert_eq!(absent.optional_text("f", Text::any()), None);
        assert_eq!(absent.optional_integer("f"), None);
        assert_eq!(absent.into_errors(), []);
        let mut form = fields(json!({"f": "", "g": "", "h": "x"}), true);
        assert_eq!(form.optional_text("f", Text::any()), None);
        assert_eq!(form.optional_integer("g"), None);
        assert_eq!(form.optional_text("h", Text::any()).as_deref(), Some("x"));
        assert_eq!(form.into_errors(), []);
        let mut json = fields(json!({"f": "", "g": null}), false);
        assert_eq!(json.optional_text("f", Text::any()), None);
        assert_eq!(json.optional_integer("g"), None);
        assert_eq!(json.into_errors().len(), 2);
    }

    #[test]
    fn a_type_may_add_rules_of_its_own() {
        let mut fields = fields(json!({"group": "x"}), false);
        assert_eq!(fields.value("group"), Some(json!("x")));
        fields.error("group", "invalid_choice", "\"x\" is not a valid choice.");
        let errors = fields.into_errors();
        assert_eq!(errors[0].field.as_deref(), Some("group"));
        assert_eq!(errors[0].code, "invalid_choice");
    }
}
