//! A payment that is begun, and one that is begun again under the same key.

use std::time::Duration;

use shared::{
    idempotency::{self as keys, Caller, End, Keyed},
    ids,
    payments::{Begun, CreateError, NewPayment, Wish, WishRefused},
};

use crate::{
    caller::SignedIn,
    error::{Code, FieldError, Problem},
    idempotency::{self, IdempotencyKey},
    limits,
    state::State,
};

/// What a lease is longer than a request may be: until then nobody else takes the payment up.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// Begins a payment, or says how the one stands that was begun under the same key. One without a page
/// is given another.
pub(super) async fn begin_once(
    state: &State,
    caller: &SignedIn,
    key: IdempotencyKey,
    wish: Wish,
) -> Result<Begun, Problem> {
    let keyed = key.keyed(Caller::User(caller.user_id), "createPayment", &wish);
    if let Some(earlier) = earlier(state, caller, keyed.as_ref()).await? {
        return Ok(earlier);
    }
    let new = state.payments.consider(caller.user_id, wish).map_err(refused)?;
    let ask = limits::payments(&state.config, caller.user_id);
    caller.measured.ask(state, &[ask]).await?;
    let handle = ids::random_handle(&mut rand::rng());
    let Some(keyed) = keyed else {
        return Ok(state.payments.create(&handle, new).await?);
    };
    let lease = state.config.http.request_timeout() + LEASE_MARGIN;
    let begun = keys::begin(&state.pool, state.payments.now(), &keyed, &handle, lease).await?;
    let Some(handle) = begun else {
        // Somebody was faster.
        let earlier = earlier(state, caller, Some(&keyed)).await?;
        return earlier.ok_or_else(|| idempotency::in_flight(1));
    };
    let result = begin(state, caller.user_id, &handle, new).await;
    let end = if result.is_ok() { End::Done } else { End::Unfinished };
    // Committed is committed: a repeat finds out what is.
    if let Err(error) = keys::end(&state.pool, &keyed, &handle, end).await {
        tracing::warn!(%error, "the end of a payment's request is not written");
    }
    Ok(result?)
}

/// Goes on with what somebody began under this handle and did not end, else begins.
async fn begin(
    state: &State,
    user_id: i64,
    handle: &str,
    new: NewPayment,
) -> Result<Begun, CreateError> {
    match state.payments.resume(user_id, handle).await? {
        Some(begun) => Ok(begun),
        None => state.payments.create(handle, new).await,
    }
}

/// How the payment stands that was begun under the same key.
async fn earlier(
    state: &State,
    caller: &SignedIn,
    keyed: Option<&Keyed>,
) -> Result<Option<Begun>, Problem> {
    let Some(keyed) = keyed else { return Ok(None) };
    let Some(handle) = idempotency::earlier(state, keyed).await? else { return Ok(None) };
    let found = state.payments.resume(caller.user_id, &handle).await?;
    found.map(Some).ok_or_else(|| Problem::new(Code::NotFound))
}

fn refused(refused: WishRefused) -> Problem {
    match refused {
        WishRefused::Off => Problem::new(Code::GatewayUnavailable),
        WishRefused::Wrong(wrongs) => {
            let errors = wrongs.into_iter().map(|wrong| FieldError {
                field: Some(wrong.field.into()),
                code: wrong.code.into(),
                message: wrong.message.into(),
            });
            Problem::validation(errors.collect())
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Inactive => Self::new(Code::UserInactive),
            CreateError::Refused(said) => {
                let code = Code::GatewayRefused;
                let word = "The payment gateway does not take this payment.";
                Self::new(code).with_whole(said.reason, word)
            }
            CreateError::NoGateway | CreateError::Account => Self::new(Code::GatewayUnavailable),
            CreateError::NoAnswer => Self::new(Code::GatewayNoAnswer),
            CreateError::Settled => Self::new(Code::Conflict),
            CreateError::Write(error) => error.into(),
        }
    }
}
