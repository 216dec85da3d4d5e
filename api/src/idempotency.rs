//! `Idempotency-Key`: a request that is sent again is carried out once.

use poem::{FromRequest, Request, RequestBody, Result};
use serde::Serialize;
use shared::idempotency::{self, Caller, Keyed, Standing};

use crate::{
    error::{Code, Problem},
    state::State,
};

/// The header as it is documented.
pub(crate) const HEADER: &str = "Idempotency-Key";
/// The longest key.
pub(crate) const LONGEST: usize = 255;
/// The operations that read it, by their operationIds: each POST that costs money or a text.
pub(crate) const OPERATIONS: [&str; 15] = [
    "sendOtp",
    "sendConfirmation",
    "beginPhoneChange",
    "sendMessage",
    "sendBulk",
    "createPayment",
    "spendFromWallet",
    "holdInWallet",
    "captureHold",
    "releaseHold",
    "transferBetweenWallets",
    "adjustWallet",
    "refundPayment",
    "reversePayment",
    "resendStaffMessage",
];
/// Those of them that are refused without it: they move money.
pub(crate) const DEMANDING: [&str; 6] = [
    "spendFromWallet",
    "holdInWallet",
    "captureHold",
    "releaseHold",
    "transferBetweenWallets",
    "adjustWallet",
];

/// The key of a request, if it has one.
#[derive(Clone)]
pub(crate) struct IdempotencyKey(Option<String>);

/// A key that cannot be read is refused: whoever sent it counts on it.
impl<'a> FromRequest<'a> for IdempotencyKey {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let mut values = request.headers().get_all(HEADER).iter();
        let Some(first) = values.next() else { return Ok(Self(None)) };
        let key = first.to_str().ok().filter(|key| is_key(key) && values.next().is_none());
        let key = key.ok_or_else(|| {
            let message = format!("Send one key of 1 to {LONGEST} visible ASCII characters.");
            Problem::new(Code::Validation).with_field(HEADER, "invalid", message)
        })?;
        Ok(Self(Some(key.to_owned())))
    }
}

fn is_key(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl IdempotencyKey {
    /// The request under this key; `None` without one. `request`: see [`Keyed::new`].
    pub(crate) fn keyed(
        self,
        caller: Caller,
        operation: &'static str,
        request: &impl Serialize,
    ) -> Option<Keyed> {
        self.0.map(|key| Keyed::new(caller, &key, operation, request))
    }

    /// The request under this key, for operations that are too dear to be carried out without one.
    ///
    /// # Errors
    /// 400 without a key.
    pub(crate) fn demanded(
        self,
        caller: Caller,
        operation: &'static str,
        request: &impl Serialize,
    ) -> Result<Keyed, Problem> {
        self.keyed(caller, operation, request).ok_or_else(|| {
            let message =
                "This operation moves money: name the request, so that it is carried out once.";
            Problem::new(Code::Validation).with_field(HEADER, "required", message)
        })
    }
}

/// What came of this request when it was sent before, if it was.
///
/// # Errors
/// 409 while it is carried out, 422 if another one was sent under its key.
pub(crate) async fn earlier(state: &State, keyed: &Keyed) -> Result<Option<String>, Problem> {
    match idempotency::find(&state.pool, state.messages.now(), keyed).await? {
        None => Ok(None),
        Some(Standing::Done { reference }) => Ok(Some(reference)),
        Some(Standing::InFlight { retry_after }) => Err(in_flight(retry_after)),
        Some(Standing::Mismatch) => Err(Problem::new(Code::IdempotencyMismatch)),
    }
}

/// Somebody else is carrying the same request out.
pub(crate) fn in_flight(retry_after: u32) -> Problem {
    Problem::new(Code::IdempotencyInFlight).with_retry_after(retry_after)
}

/// Whether the refusal may come of the same request's being carried out at this moment, so that
/// looking again what came of it is worth it.
pub(crate) fn may_be_a_repeat(problem: &Problem) -> bool {
    matches!(problem.code().status().as_u16(), 409 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(values: &[&[u8]]) -> Result<Option<String>> {
        let mut request = Request::builder();
        for value in values {
            request = request.header(HEADER, *value);
        }
        let request = request.finish();
        let key = IdempotencyKey::from_request(&request, &mut RequestBody::default()).await?;
        Ok(key.0)
    }

    #[tokio::test]
    async fn a_key_is_one_header_of_bounded_visible_ascii() {
        assert_eq!(read(&[]).await.unwrap(), None);
        let longest = "~".repeat(LONGEST);
        for key in ["k", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &longest] {
            assert_eq!(read(&[key.as_bytes()]).await.unwrap().as_deref(), Some(key));
        }
        let too_long = "~".repeat(LONGEST + 1);
        let refused: [&[&[u8]]; 6] = [
            &[b""],
            &[b"a b"],
            &[b"a\tb"],
            &["é".as_bytes()],
            &[too_long.as_bytes()],
            &[b"a", b"b"],
        ];
        for values in refused {
            let error = read(values).await.unwrap_err();
            assert_eq!(error.status().as_u16(), 400, "{values:?}");
        }
    }
}
