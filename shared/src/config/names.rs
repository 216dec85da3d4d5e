//! Names of templates as people write them: providers give numbers, and the systems Peyk replaces
//! took them as such.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::sms::SmsTemplate;

/// A text, or a number in its place.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl Visitor<'_> for Names {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Name, E> {
                Ok(Name(number.to_string()))
            }
        }
        deserializer.deserialize_any(Names)
    }
}

pub(super) fn optional_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let name = Option::<Name>::deserialize(deserializer)?;
    Ok(name.map(|Name(name)| name))
}

pub(super) fn names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let names = BTreeMap::<String, Name>::deserialize(deserializer)?;
    Ok(names.into_iter().map(|(key, Name(name))| (key, name)).collect())
}

/// `[sms.templates]`: tables, or nothing but what the providers call it.
pub(super) fn templates<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, SmsTemplate>, D::Error> {
    let templates = BTreeMap::<String, Written>::deserialize(deserializer)?;
    Ok(templates.into_iter().map(|(key, Written(template))| (key, template)).collect())
}

struct Written(SmsTemplate);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Templates;
        impl Templates {
            fn named(name: String) -> Written {
                Written(SmsTemplate { name: Some(name), ..SmsTemplate::default() })
            }
        }
        impl<'de> Visitor<'de> for Templates {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, or what the providers call it")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                Ok(Self::named(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Written, E> {
                Ok(Self::named(number.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                SmsTemplate::deserialize(MapAccessDeserializer::new(map)).map(Written)
            }
        }
        deserializer.deserialize_any(Templates)
    }
}
