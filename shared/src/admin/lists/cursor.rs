//! Where a page ended: the key and the id of its last row, in words that only this list in this
//! order understands. Holds no personal data, as no list is sorted by any.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::DateTime;
use serde_json::{Value as Json, json};
use sqlx::{Row, postgres::PgRow};

use super::{Kind, ListError, Listing, Sort, Value};

/// The last row that was looked at.
pub(super) struct Cursor {
    /// Its key, if the order has one.
    pub(super) key: Option<Value>,
    /// Its id.
    pub(super) id: Value,
}

impl Cursor {
    /// Of a row as [`super::sql`] reads it.
    pub(super) fn of(row: &PgRow, listing: &Listing, sort: &Sort) -> Result<Self, sqlx::Error> {
        let key = sort.key.map(|key| read(row, "list_key", key.kind)).transpose()?;
        Ok(Self { key, id: read(row, "list_id", listing.id.kind)? })
    }

    /// As clients carry it.
    pub(super) fn encode(&self, sort: &Sort) -> String {
        let text = json!([sort.name, self.key.as_ref().map(write), write(&self.id)]).to_string();
        BASE64_URL_SAFE_NO_PAD.encode(text)
    }

    /// Reads what [`Cursor::encode`] wrote, of a list in the same order.
    pub(super) fn decode(text: &str, listing: &Listing, sort: &Sort) -> Result<Self, ListError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| ListError::Cursor)?;
        let read: Json = serde_json::from_slice(&bytes).map_err(|_| ListError::Cursor)?;
        let (name, key, id) = (&read[0], &read[1], &read[2]);
        if *name != sort.name || read.as_array().is_none_or(|parts| parts.len() != 3) {
            return Err(ListError::Cursor);
        }
        let key = sort.key.map(|its| parse(key, its.kind).ok_or(ListError::Cursor)).transpose()?;
        let id = parse(id, listing.id.kind).ok_or(ListError::Cursor)?;
        Ok(Self { key, id })
    }
}

fn read(row: &PgRow, column: &str, kind: Kind) -> Result<Value, sqlx::Error> {
    Ok(match kind {
        Kind::Integer => Value::Integer(row.try_get(column)?),
        Kind::Time => Value::Time(row.try_get(column)?),
        Kind::Text | Kind::Flag | Kind::Ip => Value::Text(row.try_get(column)?),
    })
}

fn write(value: &Value) -> Json {
    match value {
        Value::Integer(number) => json!(number),
        Value::Time(at) => json!(at.timestamp_micros()),
        Value::Text(text) => json!(text),
        Value::Flag(flag) => json!(flag),
        Value::Ip(ip) => json!(ip),
    }
}

fn parse(value: &Json, kind: Kind) -> Option<Value> {
    Some(match kind {
        Kind::Integer => Value::Integer(value.as_i64()?),
        Kind::Time => Value::Time(DateTime::from_timestamp_micros(value.as_i64()?)?),
        Kind::Text | Kind::Flag | Kind::Ip => {
            Value::Text(value.as_str().filter(|text| !text.contains('\0'))?.to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{super::users::LISTING, *};

    const SORT: Sort = Sort::NEWEST;

    #[test]
    fn a_cursor_is_read_back_by_its_own_order_and_by_no_other() {
        let cursor = Cursor { key: None, id: Value::Integer(17) };
        let text = cursor.encode(&SORT);
        assert!(Cursor::decode(&text, &LISTING, &SORT).is_ok_and(|it| it.id == cursor.id));
        assert!(Cursor::decode(&text, &LISTING, &Sort::OLDEST).is_err());
    }

    #[test]
    fn nothing_else_is_a_cursor() {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        for text in [
            String::new(),
            "17".to_owned(),
            encode("17"),
            encode("[]"),
            encode(r#"["newest", null, "17"]"#),
            encode(r#"["newest", null, 17, 18]"#),
            encode(r#"["newest", null, 1.5]"#),
        ] {
            assert!(Cursor::decode(&text, &LISTING, &SORT).is_err(), "{text}");
        }
        let at = Sort::by("seen", super::super::Key { sql: "at", kind: Kind::Time }, true);
        let never = encode(r#"["seen", 9223372036854775807, 17]"#);
        assert!(Cursor::decode(&never, &LISTING, &at).is_err());
        assert!(Cursor::decode(&encode(r#"["seen", 1, 17]"#), &LISTING, &at).is_ok());
    }
}
