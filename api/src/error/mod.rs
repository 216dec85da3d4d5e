//! The one error of the HTTP edge. Handlers build a [`Problem`]; the problem middleware turns it,
//! and every other error, into the one error body (RFC 9457).

mod body;
mod codes;
mod document;

use std::{borrow::Cow, error::Error as StdError, fmt};

use poem::{
    Response,
    error::ResponseError,
    http::{HeaderName, HeaderValue, StatusCode},
};
use serde_json::{Map, Value};

pub(crate) use self::{
    body::{ProblemBody, RenderContext},
    codes::Code,
    document::{problem_responses, problems},
};

/// An error on its way to the client: what to say, and for the log why.
///
/// `Debug` and `Display` show the code and the cause's own text, never an argument, so that no
/// value of a request reaches a log through them.
pub(crate) struct Problem(Box<Parts>);

/// Boxed, so that a `Result` with a problem in it stays small.
struct Parts {
    code: Code,
    argument: Option<Cow<'static, str>>,
    sentence: Option<Cow<'static, str>>,
    has_message: bool,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
    legacy: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// What is wrong with one field of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The field's name as the client sent it; `None` means the request as a whole.
    pub(crate) field: Option<Cow<'static, str>>,
    /// The stable name of the rule that was broken, such as `required`.
    pub(crate) code: Cow<'static, str>,
    /// The English sentence of the old system.
    pub(crate) message: Cow<'static, str>,
}

impl Problem {
    /// A problem of this kind that says what the table says.
    pub(crate) fn new(code: Code) -> Self {
        Self(Box::new(Parts {
            code,
            argument: None,
            sentence: None,
            has_message: true,
            errors: Vec::new(),
            retry_after: None,
            legacy: Map::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// A validation problem listing what is wrong.
    pub(crate) fn validation(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(Code::Validation);
        problem.0.errors = errors;
        problem
    }

    /// A fault of ours: 500, with the cause for the log only.
    pub(crate) fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal).with_cause(cause)
    }

    /// What the log says about it; the client never sees it.
    pub(crate) fn with_cause(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// What replaces the placeholder in the detail (a method, a media type, seconds).
    pub(crate) fn with_argument(mut self, argument: impl Into<Cow<'static, str>>) -> Self {
        self.0.argument = Some(argument.into());
        self
    }

    /// When to try again, in whole seconds: the `retry_after` member, the `Retry-After` header and,
    /// unless it has one already, the argument of the detail.
    pub(crate) fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        let argument = self.0.argument.take();
        self.0.argument = Some(argument.unwrap_or_else(|| seconds.to_string().into()));
        self
    }

    /// The old system's sentence where it is not the table's: the members `error`, `details`,
    /// `message` and the English `detail`.
    pub(crate) fn sentence(mut self, sentence: impl Into<Cow<'static, str>>) -> Self {
        self.0.sentence = Some(sentence.into());
        self
    }

    /// Leaves the member `message` empty, as old clients of some operations expect it.
    pub(crate) fn without_message(mut self) -> Self {
        self.0.has_message = false;
        self
    }

    /// Adds what is wrong with the request as a whole.
    pub(crate) fn with_whole(
        mut self,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (code, message) = (code.into(), message.into());
        self.0.errors.push(FieldError { field: None, code, message });
        self
    }

    /// Adds one broken rule.
    pub(crate) fn with_field(
        mut self,
        field: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (field, code, message) = (Some(field.into()), code.into(), message.into());
        self.0.errors.push(FieldError { field, code, message });
        self
    }

    /// Adds a member only old clients read. It is not documented, is left out when
    /// `http.legacy_field_errors` is off, and never overrides a documented member.
    pub(crate) fn with_legacy_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.legacy.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer, such as `RateLimit`.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// When to try again, in whole seconds, if it says so.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        self.0.retry_after
    }

    /// The first rule that was broken, if it is about rules.
    pub(crate) fn first_error(&self) -> Option<&FieldError> {
        self.0.errors.first()
    }

    /// The kind of problem.
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.as_str())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.0.cause.as_ref().map(ToString::to_string);
        f.debug_struct("Problem").field("code", &self.0.code).field("cause", &cause).finish()
    }
}

impl StdError for Problem {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The English answer without a request id, for a problem that meets no middleware.
    fn as_response(&self) -> Response {
        self.render(&RenderContext::default())
    }
}
