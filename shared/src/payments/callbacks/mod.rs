//! What a payer's browser brings back, in the words of every gateway. Pure, and without any trust: it
//! says which payment to look at and nothing about it.

use serde_json::Value;

use super::gateways::Kind;

/// Longer names of pages are none of ours: the database keeps 128.
const MAX_AUTHORITY: usize = 128;
/// No way back is near this; what is longer is not read.
const MAX_BODY: usize = 16 * 1024;

/// The body of a way back.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// None, or none of a kind that gateways send.
    None,
    /// The pairs of a form.
    Form(&'a [(String, String)]),
    /// A JSON text as it came.
    Json(&'a [u8]),
}

/// What a way back names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The gateway's name of a page: 1 to 128 printable ASCII characters.
    pub authority: String,
    /// Gateways that come back in these words; the page is of one of them or of none of ours.
    pub kinds: &'static [Kind],
    /// The reference that the gateway wants to see again when it verifies, if there is one.
    pub reference: Option<i64>,
    /// What it claims; `None`: nothing, or nothing that can be read.
    pub hint: Option<Hint>,
}

/// What a way back claims. Good for choosing the first question to the gateway and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// That it was paid.
    Paid,
    /// That it was not.
    NotPaid,
}

/// Why a way back leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It names no page: a payer who reloads brings nothing.
    #[error("the request names no payment")]
    Nameless,
    /// What it names cannot be a page's name.
    #[error("the request names a payment in a way no gateway does")]
    Malformed,
}

const ZARINPAL: &[Kind] = &[Kind::ZarinPal, Kind::Sandbox];
const PAYPING: &[Kind] = &[Kind::PayPing, Kind::Sandbox];
const ZIBAL: &[Kind] = &[Kind::Zibal, Kind::Sandbox];

/// Reads a way back: the body where it names a page, else the query.
///
/// # Errors
/// [`Unreadable`].
pub fn read(query: &[(String, String)], body: Body<'_>) -> Result<Callback, Unreadable> {
    let body = match body {
        Body::None => Vec::new(),
        Body::Form(pairs) => pairs.to_vec(),
        Body::Json(text) => members(text).unwrap_or_default(),
    };
    match named(&Fields(&body)) {
        Err(Unreadable::Nameless) => named(&Fields(query)),
        read => read,
    }
}

fn named(fields: &Fields<'_>) -> Result<Callback, Unreadable> {
    // ZarinPal: GET, `Authority` and `Status`.
    if let (Some(authority), Some(status)) = (fields.filled("Authority"), fields.get("Status")) {
        let hint = match &*status.trim().to_ascii_uppercase() {
            "OK" => Some(Hint::Paid),
            "NOK" => Some(Hint::NotPaid),
            _ => None,
        };
        return callback(authority, ZARINPAL, None, hint);
    }
    // PayPing v3: POST form, the payment as a JSON text in `data`.
    let data = fields.filled("data").and_then(|text| members(text.as_bytes()));
    let data = data.unwrap_or_default();
    for payment in [&Fields(&data), fields] {
        if let Some(code) = payment.filled("paymentCode") {
            return payping(code, payment, fields.get("status"));
        }
    }
    // Zibal: GET, or a JSON POST of its server.
    if let Some(page) = fields.filled("trackId") {
        return callback(page, ZIBAL, None, fields.get("success").and_then(yes_or_no));
    }
    // The name alone, as people ask again.
    match fields.filled("Authority") {
        Some(authority) => callback(authority, &Kind::ALL, None, None),
        None => Err(Unreadable::Nameless),
    }
}

/// `status` is 1, or 0 or -1. The flat form of older versions has none and calls the reference
/// `refid`, which is empty or 1 when nothing was paid.
fn payping(code: &str, payment: &Fields<'_>, status: Option<&str>) -> Result<Callback, Unreadable> {
    let reference = payment.get("paymentRefId").or_else(|| payment.get("refid"));
    let number = reference.and_then(|text| text.trim().parse::<i64>().ok());
    let hint = match (status, reference, number) {
        (Some(status), _, _) => yes_or_no(status),
        (None, Some(_), None | Some(..=1)) => Some(Hint::NotPaid),
        (None, Some(_), Some(_)) => Some(Hint::Paid),
        (None, None, _) => None,
    };
    callback(code, PAYPING, number.filter(|number| *number > 1), hint)
}

fn yes_or_no(text: &str) -> Option<Hint> {
    match text.trim() {
        "1" | "true" => Some(Hint::Paid),
        "0" | "-1" | "false" => Some(Hint::NotPaid),
        _ => None,
    }
}

fn callback(
    authority: &str,
    kinds: &'static [Kind],
    reference: Option<i64>,
    hint: Option<Hint>,
) -> Result<Callback, Unreadable> {
    let authority = authority.trim();
    let printable = authority.bytes().all(|byte| byte.is_ascii_graphic());
    if authority.len() > MAX_AUTHORITY || !printable {
        return Err(Unreadable::Malformed);
    }
    Ok(Callback { authority: authority.to_owned(), kinds, reference, hint })
}

/// Pairs to look up. Names are taken as written first and in any case then, the last one first:
/// gateways add theirs after what the shop's own address had.
struct Fields<'a>(&'a [(String, String)]);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let last = |fits: &dyn Fn(&str) -> bool| self.0.iter().rev().find(|pair| fits(&pair.0));
        let pair = last(&|known| known == name);
        let pair = pair.or_else(|| last(&|known| known.eq_ignore_ascii_case(name)));
        pair.map(|(_, value)| value.as_str())
    }

    fn filled(&self, name: &str) -> Option<&'a str> {
        self.get(name).filter(|value| !value.trim().is_empty())
    }
}

/// The members of a JSON object as pairs: numbers and yes or no as words, what is nested as text.
fn members(text: &[u8]) -> Option<Vec<(String, String)>> {
    let text = Some(text).filter(|text| text.len() <= MAX_BODY)?;
    let pair = |(name, value): (String, Value)| match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    };
    Some(crate::wire::object(text)?.into_iter().filter_map(pair).collect())
}

#[cfg(test)]
mod tests;
