//! What Kavenegar does with a request: its checks, its codes, its answers. Where the documents
//! leave room, the fake is the stricter one, so that a client it accepts is accepted anywhere.

use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};

use super::http::Response;
use super::kavenegar::{Call, Delivered, Effect, State};
use super::kavenegar_array;

/// The account's default line.
pub(super) const DEFAULT_LINE: &str = "10004346";

pub(super) const MAX_RECEPTORS: usize = 200;
const MAX_STATUS_IDS: usize = 500;
pub(super) const MAX_MESSAGE_CHARS: usize = 900;
const MAX_TOKEN_CHARS: usize = 100;

/// The variables of a template, and how many spaces each may hold.
const TOKENS: [(&str, usize); 5] =
    [("token", 0), ("token2", 0), ("token3", 0), ("token10", 4), ("token20", 8)];

/// `return.status` and `entries`.
pub(super) struct Answer {
    pub(super) status: u16,
    entries: Vec<Value>,
}

impl Answer {
    pub(super) fn refused(status: u16) -> Self {
        Self { status, entries: Vec::new() }
    }

    /// Claims success for a request that was not carried out.
    pub(super) fn pretended() -> Self {
        Self { status: 200, entries: vec![json!({"messageid": 1, "status": 1})] }
    }

    /// The body. Errors have `entries: null`.
    pub(super) fn envelope(&self) -> Value {
        let ok = self.status == 200;
        let message = if ok { "تایید شد" } else { "درخواست انجام نشد" };
        let entries = if ok { json!(self.entries) } else { Value::Null };
        json!({"return": {"status": self.status, "message": message}, "entries": entries})
    }

    /// The HTTP status is `return.status`.
    pub(super) fn response(&self) -> Response {
        Response::json(self.status, &self.envelope())
    }
}

/// Checks the request and does what it asks.
pub(super) fn carry_out(state: &mut State, call: &Call, key_is_right: bool) -> Answer {
    let entries = match call.method.as_str() {
        _ if !matches!(call.request.method.as_str(), "GET" | "POST") => Err(405),
        _ if !key_is_right => Err(403),
        "sms/send" => send(state, call),
        "sms/sendarray" => kavenegar_array::send(state, call),
        "verify/lookup" => verify_lookup(state, call),
        "sms/statuslocalmessageid" => status_by_local_id(state, call),
        "sms/status" => status(state, call),
        "account/info" => account_info(call),
        _ => Err(404),
    };
    match entries {
        Ok(entries) => Answer { status: 200, entries },
        Err(status) => Answer::refused(status),
    }
}

fn send(state: &mut State, call: &Call) -> Result<Vec<Value>, u16> {
    only_fields(call, &["receptor", "message", "sender", "date", "type", "localid"])?;
    let receptors: Vec<&str> = mandatory(call, "receptor")?.split(',').collect();
    if receptors.len() > MAX_RECEPTORS {
        return Err(414);
    }
    let destinations = receptors.iter().map(|it| destination_of(it)).collect::<Option<Vec<_>>>();
    let destinations = destinations.ok_or(411_u16)?;
    let message = call.field("message").ok_or(400_u16)?;
    if message.is_empty() || message.chars().count() > MAX_MESSAGE_CHARS {
        return Err(413);
    }
    let sender = call.field("sender").unwrap_or(DEFAULT_LINE);
    if sender != DEFAULT_LINE && !state.lines.iter().any(|line| line == sender) {
        return Err(412);
    }
    if call.field("date").is_some_and(|date| date.parse::<u32>().is_err()) {
        return Err(417);
    }
    let local_ids = local_ids(call, receptors.len())?;
    let entries = destinations.into_iter().zip(local_ids).map(|(destination, local_id)| {
        if let Some(old) = local_id.and_then(|id| state.by_local_id.get(&id)) {
            return old.clone();
        }
        let content = Delivered::Text(message.to_owned());
        deliver(state, call, Outgoing { destination, content, local_id, sender, message })
    });
    Ok(entries.collect())
}

/// One `localid` per receptor, or none at all.
fn local_ids(call: &Call, receptors: usize) -> Result<Vec<Option<i64>>, u16> {
    let Some(list) = call.field("localid") else {
        return Ok(vec![None; receptors]);
    };
    let ids: Vec<_> = list.split(',').map(|id| id.parse().ok().filter(|id| *id > 0)).collect();
    match () {
        () if ids.iter().any(Option::is_none) => Err(400),
        () if ids.len() != receptors => Err(419),
        () => Ok(ids),
    }
}

fn verify_lookup(state: &mut State, call: &Call) -> Result<Vec<Value>, u16> {
    let names = TOKENS.map(|(name, _)| name);
    only_fields(call, &[&["receptor", "template", "type"], &names[..]].concat())?;
    let destination = destination_of(mandatory(call, "receptor")?).ok_or(411_u16)?;
    let template = mandatory(call, "template")?;
    let token = mandatory(call, "token")?;
    for (name, spaces) in TOKENS {
        if call.field(name).is_some_and(|value| !is_token(value, spaces)) {
            return Err(431);
        }
    }
    if !state.templates.is_empty() {
        let needed = state.templates.get(template).ok_or(424_u16)?;
        if needed.iter().any(|name| call.field(name).is_none()) {
            return Err(432);
        }
    }
    match call.field("type") {
        None | Some("sms") => {}
        Some("call") if token.bytes().all(|byte| byte.is_ascii_digit()) => {}
        Some("call") => return Err(428),
        Some(_) => return Err(400),
    }
    let tokens = call.fields.iter().filter(|(name, _)| names.contains(&name.as_str()));
    let content =
        Delivered::Template { name: template.to_owned(), tokens: tokens.cloned().collect() };
    let local_id = None;
    let (sender, message) = (DEFAULT_LINE, template);
    Ok(vec![deliver(state, call, Outgoing { destination, content, local_id, sender, message })])
}

/// No other white space than the allowed number of spaces, no underscore, not empty or too long.
fn is_token(value: &str, spaces: usize) -> bool {
    let blanks = value.chars().filter(|c| c.is_whitespace()).count();
    let plain_spaces = value.chars().filter(|c| *c == ' ').count();
    let length = value.chars().count();
    blanks == plain_spaces
        && blanks <= spaces
        && !value.contains('_')
        && (1..=MAX_TOKEN_CHARS).contains(&length)
}

fn status_by_local_id(state: &State, call: &Call) -> Result<Vec<Value>, u16> {
    only_fields(call, &["localid"])?;
    let ids: Vec<&str> = mandatory(call, "localid")?.split(',').collect();
    if ids.len() > MAX_STATUS_IDS {
        return Err(414);
    }
    let entry = |id: &str| -> Result<Value, u16> {
        let local_id: i64 = id.parse().map_err(|_| 400_u16)?;
        let known = state.by_local_id.get(&local_id);
        let message_id = known.map_or(json!(0), |entry| entry["messageid"].clone());
        let status = if known.is_some() { 10 } else { 100 };
        let text = status_text(status);
        Ok(json!({"messageid": message_id, "localid": local_id, "status": status,
                  "statustext": text}))
    };
    ids.into_iter().map(entry).collect()
}

fn status(state: &State, call: &Call) -> Result<Vec<Value>, u16> {
    only_fields(call, &["messageid"])?;
    let ids: Vec<&str> = mandatory(call, "messageid")?.split(',').collect();
    if ids.len() > MAX_STATUS_IDS {
        return Err(414);
    }
    let entry = |id: &str| -> Result<Value, u16> {
        let message_id: i64 = id.parse().map_err(|_| 400_u16)?;
        let known = state.effects.iter().any(|effect| effect.message_id == message_id);
        let status = if known { 10 } else { 100 };
        Ok(json!({"messageid": message_id, "status": status, "statustext": status_text(status)}))
    };
    ids.into_iter().map(entry).collect()
}

fn account_info(call: &Call) -> Result<Vec<Value>, u16> {
    only_fields(call, &[])?;
    Ok(vec![json!({"remaincredit": 1_500_032, "expiredate": 13_548_889, "type": "Master"})])
}

pub(super) struct Outgoing<'a> {
    pub(super) destination: String,
    pub(super) content: Delivered,
    pub(super) local_id: Option<i64>,
    pub(super) sender: &'a str,
    pub(super) message: &'a str,
}

pub(super) fn deliver(state: &mut State, call: &Call, sms: Outgoing<'_>) -> Value {
    state.last_message_id += 1;
    let message_id = state.last_message_id;
    let at = SystemClock.now();
    let entry = json!({
        "messageid": message_id,
        "message": sms.message,
        "status": 1,
        "statustext": status_text(1),
        "sender": sms.sender,
        "receptor": sms.destination,
        "date": at.timestamp(),
        "cost": 120,
    });
    if let Some(local_id) = sms.local_id {
        state.by_local_id.insert(local_id, entry.clone());
    }
    let (destination, content, local_id) = (sms.destination, sms.content, sms.local_id);
    let effect = Effect { destination, content, local_id, message_id, call: call.index, at };
    state.effects.push(effect);
    entry
}

/// The number in one spelling: `09…` for Iranian mobiles, else its digits with the country code.
pub(super) fn destination_of(receptor: &str) -> Option<String> {
    let digits = receptor.strip_prefix('+').or(receptor.strip_prefix("00")).unwrap_or(receptor);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let national = digits.strip_prefix("98").or(digits.strip_prefix('0')).unwrap_or(digits);
    match national.len() {
        10 if national.starts_with('9') => Some(format!("0{national}")),
        8..=15 if is_foreign(digits) => Some(digits.to_owned()),
        _ => None,
    }
}

/// A country code other than Iran's in front; no mobile number with a 9 in front is shorter.
fn is_foreign(digits: &str) -> bool {
    let too_short = digits.starts_with('9') && digits.len() < 11;
    !digits.starts_with('0') && !digits.starts_with("98") && !too_short
}

/// 400 where a mandatory field is absent, 406 where it is empty.
pub(super) fn mandatory<'a>(call: &'a Call, name: &str) -> Result<&'a str, u16> {
    match call.field(name) {
        None => Err(400),
        Some("") => Err(406),
        Some(value) => Ok(value),
    }
}

/// The real one ignores what it does not know; here a misspelt field is an error, and so is one
/// that comes twice.
pub(super) fn only_fields(call: &Call, known: &[&str]) -> Result<(), u16> {
    let twice = |name: &str| call.fields.iter().filter(|(other, _)| other == name).count() > 1;
    let wrong = |name: &str| !known.contains(&name) || twice(name);
    if call.fields.iter().any(|(name, _)| wrong(name)) { Err(400) } else { Ok(()) }
}

/// `statustext` of a message status.
pub(super) fn status_text(status: u16) -> &'static str {
    match status {
        1 => "در صف ارسال",
        2 => "زمان بندی شده",
        4 | 5 => "ارسال شده به مخابرات",
        6 => "خطا در ارسال پیام",
        10 => "رسیده به گیرنده",
        11 => "نرسیده به گیرنده",
        13 => "ارسال پیام از سمت کاربر لغو شده",
        14 => "بلاک شده است",
        _ => "شناسه پیامک نامعتبر است",
    }
}
