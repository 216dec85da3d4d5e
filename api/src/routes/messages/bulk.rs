//! One message to many, and a bulk that is asked for again.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use shared::{
    batch::WriteError,
    idempotency::{self as keys, End, Keyed},
    ids,
    phone::PhoneNumber,
    sms::{
        MessageKind,
        messages::{AcceptedMessage, MessageRefused, NewMessage, Repeat, Sender},
    },
};

use super::{
    message,
    types::{BulkRecipient, RecipientResult, SendBulkResult, ToMany},
};
use crate::{error::Problem, idempotency, state::State, timestamp::Timestamp};

/// Messages of one bulk that are written at once: most of a shared commit, and not all of its
/// room, so that other callers are in it too.
const BULK_WRITES: usize = 200;
/// What a lease is longer than a request may be: until then nobody else takes the bulk up.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// Sends, or says what came of the bulk that was sent under the same key. One whose process died
/// on the way is finished.
pub(super) async fn send_once(
    state: &State,
    input: &ToMany,
    sender: &Sender,
    keyed: Option<Keyed>,
) -> Result<SendBulkResult, Problem> {
    let prepared = prepare(state, input, sender)?;
    let bulk_id = ids::random_handle(&mut rand::rng());
    let Some(keyed) = keyed else {
        return Ok(send(state, prepared, &bulk_id, &Repeat::Unknown).await);
    };
    if let Some(earlier) = idempotency::earlier(state, &keyed).await? {
        return told_again(state, input, &earlier).await;
    }
    let lease = state.config.http.request_timeout() + LEASE_MARGIN;
    let now = state.messages.now();
    let begun = keys::begin(&state.pool, now, &keyed, &bulk_id, lease).await?;
    let Some(bulk_id) = begun else {
        // Somebody was faster.
        return match idempotency::earlier(state, &keyed).await? {
            Some(earlier) => told_again(state, input, &earlier).await,
            None => Err(idempotency::in_flight(1)),
        };
    };
    let result = send(state, prepared, &bulk_id, &Repeat::OfBulk).await;
    let whole = result.results.iter().all(|one| one.result != RecipientResult::Unknown);
    let end = if whole { End::Done } else { End::Unfinished };
    // Committed is committed: a repeat finds out what is.
    if let Err(error) = keys::end(&state.pool, &keyed, &bulk_id, end).await {
        tracing::warn!(%error, "the end of a bulk is not written");
    }
    Ok(result)
}

/// The recipients with what is known of them already, and the messages of those that may get one.
struct Prepared {
    results: Vec<BulkRecipient>,
    /// When all of them go out; `None`: at once.
    send_at: Option<DateTime<Utc>>,
    messages: Vec<(usize, NewMessage)>,
}

fn prepare(state: &State, input: &ToMany, sender: &Sender) -> Result<Prepared, Problem> {
    let mut prepared = Prepared { results: Vec::new(), send_at: None, messages: Vec::new() };
    for (at, (receiver, phone)) in recipients(state, input).into_iter().enumerate() {
        let result = match phone {
            Ok(phone) => {
                let sender = Some(sender.clone());
                let new = message(state, phone, &input.asked, MessageKind::Bulk, sender)?;
                if prepared.messages.is_empty() {
                    prepared.send_at = state.messages.time_of_bulk(new.send_at, &mut rand::rng());
                }
                let new = NewMessage { send_at: prepared.send_at, ..new };
                prepared.messages.push((at, new));
                RecipientResult::Accepted
            }
            Err(result) => result,
        };
        prepared.results.push(BulkRecipient { receiver, result, id: None });
    }
    Ok(prepared)
}

/// Accepts what can be accepted; what was before is not again.
async fn send(state: &State, prepared: Prepared, bulk_id: &str, repeat: &Repeat) -> SendBulkResult {
    let Prepared { mut results, send_at, messages } = prepared;
    let accepting = messages.into_iter().map(async |(at, new)| {
        let (bulk_id, repeat) = (Some(bulk_id.to_owned()), repeat.clone());
        let new = NewMessage { bulk_id, repeat, ..new };
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        (at, state.messages.accept(new, &mut rng).await)
    });
    let (mut accepted, mut segments) = (0, None);
    let mut answers = stream::iter(accepting).buffer_unordered(BULK_WRITES);
    while let Some((at, answer)) = answers.next().await {
        let recipient = &mut results[at];
        recipient.result = recipient_result(&answer);
        if let Ok(Ok(message)) = answer {
            accepted += 1;
            segments = message.segments.map(i32::from);
            recipient.id = Some(message.id.0);
            if send_at.is_none() {
                state.pusher.push(MessageKind::Bulk.queue(), message.id);
            }
        }
    }
    drop(answers);
    let send_at = send_at.map(Timestamp);
    SendBulkResult { bulk_id: bulk_id.to_owned(), accepted, segments, send_at, results }
}

/// Each recipient as it was sent, with its number or why it has none.
fn recipients(
    state: &State,
    input: &ToMany,
) -> Vec<(String, Result<PhoneNumber, RecipientResult>)> {
    let mut seen = HashSet::new();
    let mut read = |receiver: &String| {
        let phone = match state.phones.parse(receiver) {
            Ok(phone) if seen.insert(phone.clone()) => Ok(phone),
            Ok(_) => Err(RecipientResult::Duplicate),
            Err(_) => Err(RecipientResult::Invalid),
        };
        (receiver.clone(), phone)
    };
    input.mobile_numbers.iter().map(&mut read).collect()
}

/// What became of a bulk that was accepted before. Who is blocked is looked up anew; whoever else
/// has no message had none left that day.
async fn told_again(
    state: &State,
    input: &ToMany,
    bulk_id: &str,
) -> Result<SendBulkResult, Problem> {
    let messages: HashMap<_, _> = state.messages.of_bulk(bulk_id).await?;
    let recipients = recipients(state, input);
    let phones = recipients.iter().filter_map(|(_, phone)| phone.as_ref().ok());
    let missing = phones.filter(|phone| !messages.contains_key(phone));
    let blocked = state.messages.blocked(missing).await?;
    let result = |(receiver, phone): (String, Result<PhoneNumber, RecipientResult>)| {
        let message = phone.as_ref().ok().and_then(|phone| messages.get(phone));
        let result = match &phone {
            Ok(_) if message.is_some() => RecipientResult::Accepted,
            Ok(phone) if blocked.contains(phone) => RecipientResult::Blocked,
            Ok(_) => RecipientResult::OverLimit,
            Err(result) => *result,
        };
        BulkRecipient { receiver, result, id: message.map(|message| message.id.0) }
    };
    let segments = messages.values().find_map(|message| message.segments).map(i32::from);
    let send_at = messages.values().find_map(|message| message.send_at).map(Timestamp);
    Ok(SendBulkResult {
        bulk_id: bulk_id.to_owned(),
        accepted: i32::try_from(messages.len()).unwrap_or(i32::MAX),
        segments,
        send_at,
        results: recipients.into_iter().map(result).collect(),
    })
}

fn recipient_result(
    answer: &Result<Result<AcceptedMessage, MessageRefused>, WriteError>,
) -> RecipientResult {
    match answer {
        Ok(Ok(_)) => RecipientResult::Accepted,
        Ok(Err(MessageRefused::Blocked)) => RecipientResult::Blocked,
        Ok(Err(MessageRefused::KeyCap | MessageRefused::UserCap | MessageRefused::Cap)) => {
            RecipientResult::OverLimit
        }
        Ok(Err(MessageRefused::Repeated)) | Err(_) => RecipientResult::Unknown,
    }
}
