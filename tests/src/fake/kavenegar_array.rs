//! `sms/sendarray` of the fake Kavenegar: lists in form fields, all of one length.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    kavenegar::{Call, Delivered, State},
    kavenegar_rules::{
        DEFAULT_LINE, MAX_MESSAGE_CHARS, MAX_RECEPTORS, Outgoing, deliver, destination_of,
        mandatory, only_fields,
    },
};

/// All of them or none.
pub(super) fn send(state: &mut State, call: &Call) -> Result<Vec<Value>, u16> {
    if call.request.method != "POST" {
        return Err(405);
    }
    only_fields(call, &["receptor", "sender", "message", "date", "type", "localmessageids"])?;
    let receptors: Vec<String> = list(call, "receptor")?;
    let (senders, texts): (Vec<String>, Vec<String>) =
        (list(call, "sender")?, list(call, "message")?);
    let local_ids = local_ids(call, receptors.len())?;
    let lengths = [senders.len(), texts.len(), local_ids.len()];
    if lengths.iter().any(|length| *length != receptors.len()) {
        return Err(419);
    }
    match receptors.len() {
        0 => return Err(406),
        too_many if too_many > MAX_RECEPTORS => return Err(414),
        _ => {}
    }
    let destinations = receptors.iter().map(|receptor| destination_of(receptor));
    let destinations: Vec<_> = destinations.collect::<Option<_>>().ok_or(411_u16)?;
    let too_long = |text: &String| text.is_empty() || text.chars().count() > MAX_MESSAGE_CHARS;
    if texts.iter().any(too_long) {
        return Err(413);
    }
    let known = |line: &String| line == DEFAULT_LINE || state.lines.contains(line);
    if !senders.iter().all(known) {
        return Err(412);
    }
    let all = destinations.into_iter().zip(&senders).zip(&texts).zip(local_ids);
    Ok(all
        .map(|(((destination, sender), message), local_id)| {
            if let Some(old) = local_id.and_then(|id| state.by_local_id.get(&id)) {
                return old.clone();
            }
            let content = Delivered::Text(message.clone());
            deliver(state, call, Outgoing { destination, content, local_id, sender, message })
        })
        .collect())
}

fn list<T: DeserializeOwned>(call: &Call, name: &str) -> Result<Vec<T>, u16> {
    serde_json::from_str(mandatory(call, name)?).map_err(|_| 400)
}

fn local_ids(call: &Call, receptors: usize) -> Result<Vec<Option<i64>>, u16> {
    if call.field("localmessageids").is_none() {
        return Ok(vec![None; receptors]);
    }
    let ids: Vec<i64> = list(call, "localmessageids")?;
    if ids.iter().any(|id| *id <= 0) { Err(400) } else { Ok(ids.into_iter().map(Some).collect()) }
}
