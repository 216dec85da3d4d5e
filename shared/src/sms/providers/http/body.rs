//! Bodies of requests: JSON, and text of any other kind.

use serde::Deserialize;
use serde_json::Value;

use super::template::{Template, Unfit, Values, Variable, percent, xml};

/// A JSON document whose strings are templates. It is parsed once; values are only ever put into
/// its strings, so that they cannot become structure.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub struct Json(Node);

#[derive(Debug, Clone)]
enum Node {
    /// No string.
    Fixed(Value),
    Text(Template),
    /// `{number:to}` or `{number:local_id}`: the digits as a JSON integer.
    Number(Template),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// As a table, or as a text that is JSON.
impl TryFrom<Value> for Json {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let value = match value {
            Value::String(text) => serde_json::from_str(&text)
                .map_err(|error| format!("no JSON at line {}", error.line()))?,
            table => table,
        };
        match Node::compile(value)? {
            node @ (Node::Object(_) | Node::List(_)) => Ok(Self(node)),
            _ => Err("must be a JSON object or list".to_owned()),
        }
    }
}

impl Node {
    fn compile(value: Value) -> Result<Self, &'static str> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix("{number:") {
                Some(name @ ("to}" | "local_id}")) => Self::Number(format!("{{{name}").try_into()?),
                _ => Self::Text(text.try_into()?),
            },
            Value::Array(list) => {
                Self::List(list.into_iter().map(Self::compile).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let compile = |(name, value)| Self::compile(value).map(|node| (name, node));
                Self::Object(members.into_iter().map(compile).collect::<Result<_, _>>()?)
            }
            fixed => Self::Fixed(fixed),
        })
    }

    fn render(&self, values: Values<'_>) -> Result<Value, Unfit> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => Value::String(template.plain(values)?),
            Self::Number(template) => {
                let digits = template.plain(values)?;
                digits.parse::<i64>().map_err(|_| Unfit::Characters)?.into()
            }
            Self::List(list) => {
                list.iter().map(|node| node.render(values)).collect::<Result<_, _>>()?
            }
            Self::Object(members) => {
                let render = |(name, node): &(String, Self)| {
                    node.render(values).map(|value| (name.clone(), value))
                };
                Value::Object(members.iter().map(render).collect::<Result<_, _>>()?)
            }
        })
    }

    fn variables(&self) -> Vec<&Variable> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Text(template) | Self::Number(template) => template.variables().collect(),
            Self::List(list) => list.iter().flat_map(Self::variables).collect(),
            Self::Object(members) => {
                members.iter().flat_map(|(_, node)| node.variables()).collect()
            }
        }
    }
}

impl Json {
    pub(super) fn render(&self, values: Values<'_>) -> Result<String, Unfit> {
        self.0.render(values).map(|value| value.to_string())
    }

    pub(super) fn variables(&self) -> Vec<&Variable> {
        self.0.variables()
    }
}

/// A body that is neither a form nor JSON.
#[derive(Debug, Clone, Deserialize)]
pub struct Raw {
    /// What to write.
    pub text: Template,
    /// Its media type.
    pub content_type: String,
    /// How values are written into it.
    pub escape: Escape,
}

/// How values are written into a [`Raw`] body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// As XML text, in elements and in quoted attributes.
    Xml,
    /// Percent-encoded.
    Url,
    /// As they are: only where one variable is the whole body, so that there is nothing around it
    /// which a value could change.
    None,
}

impl Raw {
    pub(super) fn render(&self, values: Values<'_>) -> Result<String, Unfit> {
        match self.escape {
            Escape::Xml => self.text.render(values, xml),
            Escape::Url => self.text.render(values, percent),
            Escape::None => self.text.plain(values),
        }
    }
}
