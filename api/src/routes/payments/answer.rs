//! What a gateway said, as an object that nothing is promised about.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::{Map, Value};

/// The part of a gateway's answer that old clients look into: an object whose members are the
/// gateway's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GatewayAnswer(pub(crate) Value);

impl Type for GatewayAnswer {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "object_gateway".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new("object")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromJSON for GatewayAnswer {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            object @ Value::Object(_) => Ok(Self(object)),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl ToJSON for GatewayAnswer {
    fn to_json(&self) -> Option<Value> {
        Some(match &self.0 {
            object @ Value::Object(_) => object.clone(),
            _ => Value::Object(Map::new()),
        })
    }
}
