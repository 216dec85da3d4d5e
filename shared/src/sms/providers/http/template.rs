//! Texts with variables, and how a value is written where it lands.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::sms::providers::{Content, OutgoingSms};

/// What stands between braces.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// `{to}`: the country code and the number, digits only.
    To,
    /// `{to_e164}`: with a plus in front.
    ToE164,
    /// `{to_national}`: `09…` in Iran, E.164 elsewhere.
    ToNational,
    /// `{text}`.
    Text,
    /// `{template}`: the template's name.
    Template,
    /// `{token}`, `{token2}` …: the values of the template's variables.
    Token(String),
    /// `{local_id}`: our own random number of the message.
    LocalId,
    /// `{secret.<name>}`.
    Secret(String),
}

impl Variable {
    fn parse(name: &str) -> Option<Self> {
        let is_token = |name: &str| {
            let digits = name.strip_prefix("token");
            digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        };
        Some(match name {
            "to" => Self::To,
            "to_e164" => Self::ToE164,
            "to_national" => Self::ToNational,
            "text" => Self::Text,
            "template" => Self::Template,
            "local_id" => Self::LocalId,
            name if is_token(name) => Self::Token(name.to_owned()),
            name => Self::Secret(name.strip_prefix("secret.")?.to_owned()),
        })
    }

    /// Whether it says who gets the message.
    pub(super) fn is_recipient(&self) -> bool {
        matches!(self, Self::To | Self::ToE164 | Self::ToNational)
    }
}

/// Where the values come from.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) sms: &'a OutgoingSms,
    pub(super) secrets: &'a BTreeMap<String, SecretString>,
}

impl<'a> Values<'a> {
    pub(super) fn get(&self, variable: &Variable) -> Result<Cow<'a, str>, Unfit> {
        let Self { sms, secrets } = *self;
        let found = match (variable, &sms.content) {
            (Variable::To, _) => Some(sms.to.digits().into()),
            (Variable::ToE164, _) => Some(sms.to.as_e164().into()),
            (Variable::ToNational, _) => Some(sms.to.to_national().into()),
            (Variable::LocalId, _) => Some(sms.local_id.to_string().into()),
            (Variable::Secret(name), _) => {
                secrets.get(name).map(|secret| secret.expose_secret().into())
            }
            (Variable::Text, Content::Text(text)) => Some(text.as_str().into()),
            (Variable::Template, Content::Template { name, .. }) => Some(name.as_str().into()),
            (Variable::Token(wanted), Content::Template { tokens, .. }) => {
                let token = tokens.iter().find(|(name, _)| name == wanted);
                token.map(|(_, value)| value.as_str().into())
            }
            _ => None,
        };
        found.ok_or(Unfit::Missing)
    }
}

/// Why a message cannot be written as the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// A variable has no value.
    Missing,
    /// A value has characters that cannot stand where it lands.
    Characters,
}

impl Unfit {
    /// For the code of a rejection.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Characters => "characters",
        }
    }
}

#[derive(Clone)]
enum Part {
    Literal(String),
    Variable(Variable),
}

/// A text with variables, such as `Bearer {secret.key}`; `{{` and `}}` are braces.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Part>);

/// What is written literally may be a secret, too.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(…)")
    }
}

impl TryFrom<String> for Template {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text.as_str());
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{").or(rest.strip_prefix("}}")) {
                literal.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let name = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (name, after) = name.ok_or("a brace has no partner; literal ones are doubled")?;
            let variable = Variable::parse(name).ok_or("uses an unknown variable")?;
            parts.extend(Part::literal(&mut literal));
            parts.push(Part::Variable(variable));
            rest = after;
        }
        literal.push_str(rest);
        parts.extend(Part::literal(&mut literal));
        Ok(Self(parts))
    }
}

impl Part {
    /// What was gathered so far, if anything; leaves nothing.
    fn literal(text: &mut String) -> Option<Self> {
        (!text.is_empty()).then(|| Self::Literal(std::mem::take(text)))
    }
}

impl Template {
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Literal(_) => None,
        })
    }

    /// Whether it is one variable and nothing else.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self.0[..], [Part::Variable(_)])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it begins literally with a slash.
    pub(super) fn is_rooted(&self) -> bool {
        matches!(self.0.first(), Some(Part::Literal(text)) if text.starts_with('/'))
    }

    /// Puts the values in, each written by `encode`; what is literal stays as it is.
    pub(super) fn render(
        &self,
        values: Values<'_>,
        encode: impl Fn(&str) -> Result<Cow<'_, str>, Unfit>,
    ) -> Result<String, Unfit> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Variable(variable) => text.push_str(&encode(&values.get(variable)?)?),
            }
        }
        Ok(text)
    }

    /// For places whose writer encodes the whole text afterwards.
    pub(super) fn plain(&self, values: Values<'_>) -> Result<String, Unfit> {
        self.render(values, |value| Ok(value.into()))
    }
}

/// Percent-encoding of everything but the unreserved characters (RFC 3986, 2.3).
#[expect(clippy::unnecessary_wraps, reason = "one signature for all encodings")]
pub(super) fn percent(value: &str) -> Result<Cow<'_, str>, Unfit> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)]));
            encoded.extend(['%', digits[0], digits[1]]);
        }
    }
    Ok(encoded.into())
}

/// Text of an element or a quoted attribute. What XML 1.0 has no way to write is refused.
pub(super) fn xml(value: &str) -> Result<Cow<'_, str>, Unfit> {
    let mut encoded = String::new();
    for c in value.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '\t' | '\n' | '\r' => {
                encoded.extend(["&#", &u32::from(c).to_string(), ";"]);
            }
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => return Err(Unfit::Characters),
            c => encoded.push(c),
        }
    }
    Ok(encoded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_must_pair_and_name_a_variable() {
        for text in ["", "x", "{{}}", "{to}{token}{token20}", "a {secret.x} b", "{text}"] {
            assert!(Template::try_from(text.to_owned()).is_ok(), "{text}");
        }
        for text in ["{", "}", "{}", "{To}", "{to", "to}", "{tokenx}", "{secret}", "{ to }"] {
            assert!(Template::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn encodings_leave_nothing_that_could_end_the_place_they_stand_in() {
        let hostile = "a/../b?c#d&e=f%2e;\"'<x>\r\n:سلام";
        let encoded = percent(hostile).unwrap();
        assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"%-._~".contains(&b)));
        assert!(percent("سلام +").unwrap().starts_with("%D8%B3"));
        assert_eq!(percent(" +").unwrap(), "%20%2B");
        assert_eq!(xml("<a b=\"'&]]>").unwrap(), "&#60;a b=&#34;&#39;&#38;]]&#62;");
        assert_eq!(xml("۱\n۲").unwrap(), "۱&#10;۲");
        assert_eq!(xml("\u{1}"), Err(Unfit::Characters));
    }
}
