//! Turns every error into the one error body, whoever raised it.

use std::{any::Any, error::Error as StdError, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError},
    http::{HeaderValue, Method, StatusCode, header},
};
use poem_openapi::error::{
    AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError,
};

use super::{AllowedMethods, RequestId, allowed::is_plain_options};
use crate::{
    error::{Code, Problem, RenderContext},
    language::Language,
};

/// Renders errors and panics as problems, and answers `OPTIONS`.
#[derive(Debug, Clone)]
pub(crate) struct RenderProblems {
    /// What `Allow` says.
    pub(crate) allowed: Arc<AllowedMethods>,
    /// `http.legacy_field_errors`.
    pub(crate) legacy_members: bool,
}

impl<E: Endpoint> Middleware<E> for RenderProblems {
    type Output = RenderProblemsEndpoint<E>;

    fn transform(&self, app: E) -> Self::Output {
        RenderProblemsEndpoint { app, settings: self.clone() }
    }
}

/// The endpoint of [`RenderProblems`].
pub(crate) struct RenderProblemsEndpoint<E> {
    app: E,
    settings: RenderProblems,
}

/// What is kept of the request for its error.
struct Asked {
    method: Method,
    allow: Option<HeaderValue>,
    language: Language,
    id: Option<RequestId>,
}

impl<E: Endpoint> Endpoint for RenderProblemsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let known = self.settings.allowed.find(request.uri().path());
        if let Some(known) = known.filter(|_| is_plain_options(request.method(), request.headers()))
        {
            return Ok(known.options());
        }
        let asked = Asked {
            method: request.method().clone(),
            allow: known.map(super::allowed::KnownPath::allow),
            language: Language::of(request.headers()),
            id: request.data().cloned(),
        };
        let answer = AssertUnwindSafe(self.app.call(request)).catch_unwind().await;
        let problem = match answer {
            Ok(Ok(response)) => {
                let response = response.into_response();
                if !is_bare_error(&response) {
                    return Ok(response);
                }
                of_status(response.status())
            }
            Ok(Err(error)) if error.is_from_response() && !is_error(error.status()) => {
                return Ok(error.into_response());
            }
            Ok(Err(error)) => of_error(error),
            Err(panic) => Problem::internal(describe_panic(panic.as_ref())),
        };
        log(&problem);
        Ok(self.render(problem, &asked))
    }
}

impl<E> RenderProblemsEndpoint<E> {
    fn render(&self, mut problem: Problem, asked: &Asked) -> Response {
        if problem.code() == Code::MethodNotAllowed {
            let allow = asked.allow.clone().unwrap_or(HeaderValue::from_static("OPTIONS"));
            let method = asked.method.as_str().to_owned();
            problem = problem.with_argument(method).with_header(header::ALLOW, allow);
        }
        problem.render(&RenderContext {
            language: asked.language,
            request_id: asked.id.as_ref().map_or("", RequestId::as_str),
            legacy_members: self.settings.legacy_members,
        })
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// An error status without a body of ours: some library's own plain answer. Answers in JSON and
/// pages were made on purpose.
fn is_bare_error(response: &Response) -> bool {
    let is_ours = |content: &str| content.contains("json") || content.contains("html");
    is_error(response.status()) && !response.content_type().is_some_and(is_ours)
}

/// The problem an error of any origin is. Errors of the libraries keep their text to the log.
fn of_error(error: poem::Error) -> Problem {
    let error = match error.downcast::<Problem>() {
        Ok(problem) => return problem,
        Err(error) => error,
    };
    if error.is::<NotFoundError>()
        || error.is::<ParsePathError>()
        || error.is::<poem::error::ParsePathError>()
    {
        // The old system's paths match digits only: anything else is not found.
        return Problem::new(Code::NotFound);
    }
    if error.is::<MethodNotAllowedError>() {
        return Problem::new(Code::MethodNotAllowed);
    }
    if error.is::<AuthorizationError>() {
        return Problem::new(Code::NotAuthenticated);
    }
    if let Some(parameter) = error.downcast_ref() {
        return of_parameter(parameter);
    }
    if let Some(media_type) = error.downcast_ref::<ContentTypeError>() {
        return of_content_type(media_type);
    }
    if error.is::<ParseRequestPayloadError>() {
        return Problem::new(Code::BadRequest);
    }
    if matches!(error.downcast_ref(), Some(ReadBodyError::Io(_))) {
        return Problem::new(Code::BadRequest).with_cause("the client's body broke off");
    }
    let problem = of_status(error.status());
    if problem.code().status().is_server_error() {
        return problem.with_cause(error.to_string());
    }
    // The text of a refusal may quote the request: it is not for the log.
    problem
}

/// A query parameter or header that is missing or of the wrong form.
fn of_parameter(error: &ParseParamError) -> Problem {
    // The library tells the two apart by their text only.
    let (code, message) = if error.reason.ends_with("expects an input value.") {
        ("required", "This field is required.")
    } else {
        ("invalid", "Enter a valid value.")
    };
    Problem::new(Code::Validation).with_field(error.name, code, message)
}

fn of_content_type(error: &ContentTypeError) -> Problem {
    let sent = match error {
        ContentTypeError::NotSupported { content_type } => content_type.clone(),
        ContentTypeError::ExpectContentType => String::new(),
    };
    Problem::new(Code::UnsupportedMediaType).with_argument(sent)
}

fn of_status(status: StatusCode) -> Problem {
    Problem::new(Code::of_status(status))
}

fn describe_panic(panic: &(dyn Any + Send)) -> &'static str {
    match panic.downcast_ref::<&'static str>() {
        Some(text) => text,
        None => "a handler panicked",
    }
}

/// Faults of ours are logged once, here, with the whole chain of causes; the rest is the client's.
fn log(problem: &Problem) {
    let code = problem.code();
    let mut causes = Vec::new();
    let mut cause = problem.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    let cause = causes.join(": ");
    if code == Code::ProviderRejected {
        // The worker has logged what the provider said; nothing is wrong here.
        tracing::info!(code = code.as_str(), "Request failed at the provider");
    } else if code.status().is_server_error() {
        tracing::error!(code = code.as_str(), cause, "Request failed");
    } else {
        tracing::debug!(code = code.as_str(), cause, "Request refused");
    }
}
