//! Times in answers: RFC 3339 in UTC with a final `Z`, as the systems Peyk replaces write them.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

/// A moment, with microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) DateTime<Utc>);

impl Type for Timestamp {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_date-time".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "date-time")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromJSON for Timestamp {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        let time = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        time.map(|time| Self(time.to_utc())).ok_or_else(|| ParseError::expected_type(value))
    }
}

impl ToJSON for Timestamp {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.to_rfc3339_opts(SecondsFormat::Micros, true).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_end_in_z_and_are_read_back() {
        let time = Timestamp(DateTime::UNIX_EPOCH);
        let json = time.to_json().unwrap();
        assert_eq!(json, "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::parse_from_json(Some(json)).unwrap(), time);
        let offset = Timestamp::parse_from_json(Some("1970-01-01T03:30:00+03:30".into())).unwrap();
        assert_eq!(offset, time);
    }
}
