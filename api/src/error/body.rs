//! The body of every 4xx and 5xx answer, as it is documented and as it is sent.

use std::{borrow::Cow, collections::BTreeMap};

use poem::{
    Body, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef},
    types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::{Map, Value};

use super::{Code, FieldError, Problem};
use crate::language::Language;

/// The name under which the old system lists what is wrong with the request as a whole.
const WHOLE_REQUEST: &str = "non_field_errors";

/// What went wrong, as a problem document of RFC 9457.
///
/// `code` is for programs; `title` and `detail` follow `Accept-Language` (`fa` or `en`).
#[derive(Debug, Object)]
#[oai(rename = "Problem", example)]
pub(crate) struct ProblemBody {
    /// The kind of problem as a URI.
    #[oai(rename = "type")]
    kind: String,
    /// A short text for people, the same for every problem of this kind.
    title: String,
    /// The HTTP status code.
    status: u16,
    /// A longer text for people about this problem.
    detail: String,
    /// The kind of problem: stable, made for programs.
    code: String,
    /// The id of the request, as in the `X-Request-Id` header; name it to the support.
    request_id: String,
    /// One English sentence, always the same in every language.
    error: String,
    /// The same sentence as `error`.
    details: String,
    /// The same sentence as `error`.
    message: String,
    /// What is wrong with the fields of the request, rule by rule; empty if it is not about fields.
    errors: Vec<ProblemFieldError>,
    /// The same by field: its messages. What is wrong with the whole is in `non_field_errors`.
    fields: BTreeMap<String, Vec<String>>,
    /// The seconds after which trying again makes sense; absent if that is not known.
    #[oai(skip_serializing_if_is_none)]
    retry_after: Option<u32>,
}

impl Example for ProblemBody {
    fn example() -> Self {
        let message = "This field is required.";
        let problem =
            Problem::new(Code::Validation).with_field("mobile_number", "required", message);
        problem.body(&RenderContext {
            request_id: "1f0e5c9ab3d24c6f8a7b0d9e2c4f6a81",
            ..RenderContext::default()
        })
    }
}

/// One broken rule of one field.
#[derive(Debug, Object)]
struct ProblemFieldError {
    /// The name of the field; null for the request as a whole.
    field: FieldName,
    /// The rule that was broken: stable, made for programs.
    code: String,
    /// The rule in English, for people.
    message: String,
}

/// A field's name, or null. An `Option` would be documented as a member that may be absent; this one
/// is always there.
#[derive(Debug)]
struct FieldName(Option<String>);

impl Type for FieldName {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "nullable_string".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let schema = MetaSchema { nullable: true, ..MetaSchema::new("string") };
        MetaSchemaRef::Inline(Box::new(schema))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ToJSON for FieldName {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone().into())
    }
}

impl ParseFromJSON for FieldName {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::String(name)) => Ok(Self(Some(name))),
            None | Some(Value::Null) => Ok(Self(None)),
            Some(other) => Err(ParseError::expected_type(other)),
        }
    }
}

/// What a problem's answer depends on besides the problem.
#[derive(Debug, Default)]
pub(crate) struct RenderContext<'a> {
    /// The language of `title` and `detail`.
    pub(crate) language: Language,
    /// The id of the request; empty where there is none.
    pub(crate) request_id: &'a str,
    /// Whether the members of the old system are added.
    pub(crate) legacy_members: bool,
}

impl Problem {
    /// The answer: status, headers and body.
    pub(crate) fn render(&self, context: &RenderContext<'_>) -> Response {
        let mut members = match self.body(context).to_json() {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        };
        if context.legacy_members {
            self.add_legacy_members(&mut members);
        }
        let mut response = Response::builder()
            .status(self.0.code.status())
            .content_type("application/problem+json")
            .body(Body::from(Value::Object(members).to_string()));
        self.add_headers(&mut response, context.language);
        response
    }

    /// The longer text for people.
    pub(crate) fn detail(&self, language: Language) -> String {
        let Problem(parts) = self;
        match (&parts.sentence, language) {
            (Some(sentence), Language::English) if !sentence.is_empty() => {
                sentence.clone().into_owned()
            }
            _ => parts.code.detail(language, parts.argument.as_deref()),
        }
    }

    fn body(&self, context: &RenderContext<'_>) -> ProblemBody {
        let Problem(parts) = self;
        let argument = parts.argument.as_deref();
        let sentence = match &parts.sentence {
            Some(sentence) => sentence.clone().into_owned(),
            None => parts.code.detail(Language::English, argument),
        };
        let detail = self.detail(context.language);
        ProblemBody {
            kind: format!("urn:peyk:problem:{}", parts.code.as_str()),
            title: parts.code.title(context.language).to_owned(),
            status: parts.code.status().as_u16(),
            detail,
            code: parts.code.as_str().to_owned(),
            request_id: context.request_id.to_owned(),
            error: sentence.clone(),
            details: sentence.clone(),
            message: if parts.has_message { sentence } else { String::new() },
            errors: parts.errors.iter().map(ProblemFieldError::from).collect(),
            fields: self.by_field(),
            retry_after: parts.retry_after,
        }
    }

    fn by_field(&self) -> BTreeMap<String, Vec<String>> {
        let mut fields = BTreeMap::<String, Vec<String>>::new();
        for error in &self.0.errors {
            let name = error.field.as_deref().unwrap_or(WHOLE_REQUEST);
            fields.entry(name.to_owned()).or_default().push(error.message.clone().into_owned());
        }
        fields
    }

    fn add_legacy_members(&self, members: &mut Map<String, Value>) {
        for (name, value) in &self.0.legacy {
            members.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (name, texts) in self.by_field() {
            members.entry(name).or_insert_with(|| texts.into());
        }
    }

    fn add_headers(&self, response: &mut Response, language: Language) {
        let Problem(parts) = self;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        if parts.code.status().as_u16() == 401 {
            let challenge = HeaderValue::from_static("Bearer realm=\"api\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = parts.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if parts.code.closes_connection() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in &parts.headers {
            headers.insert(name, value.clone());
        }
    }
}

impl From<&FieldError> for ProblemFieldError {
    fn from(error: &FieldError) -> Self {
        Self {
            field: FieldName(error.field.as_deref().map(str::to_owned)),
            code: error.code.clone().into_owned(),
            message: error.message.clone().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn rendered(problem: Problem, context: RenderContext<'_>) -> Value {
        problem.render(&context).into_body().into_json().await.unwrap()
    }

    #[tokio::test]
    async fn the_body_speaks_the_language_and_keeps_the_old_sentence() {
        let cooldown = || Problem::new(Code::OtpCooldown).with_retry_after(12);
        let sentence =
            "An OTP code has already been sent. Please wait 12 seconds before trying again.";
        let context = RenderContext { request_id: "abc", ..RenderContext::default() };
        assert_eq!(
            rendered(cooldown(), context).await,
            json!({
                "type": "urn:peyk:problem:otp_cooldown", "title": "Code already sent",
                "status": 409, "detail": sentence, "code": "otp_cooldown", "request_id": "abc",
                "error": sentence, "details": sentence, "message": sentence,
                "errors": [], "fields": {}, "retry_after": 12,
            })
        );
        let context = RenderContext { language: Language::Persian, ..RenderContext::default() };
        let persian = rendered(cooldown(), context).await;
        assert_eq!(persian["title"], "کد پیش‌تر ارسال شده");
        assert_eq!(persian["detail"], "کد پیش‌تر ارسال شده است. لطفاً 12 ثانیه صبر کنید.");
        assert_eq!(persian["details"], sentence);
    }

    #[tokio::test]
    async fn field_errors_are_listed_three_ways_and_override_nothing() {
        let problem = || {
            Problem::new(Code::Validation)
                .with_field("mobile_number", "required", "This field is required.")
                .with_field("code", "invalid", "A valid integer is required.")
                .with_legacy_member("status", "old")
                .with_legacy_member("errorcode", 6)
        };
        let context = RenderContext { legacy_members: true, ..RenderContext::default() };
        let body = rendered(problem(), context).await;
        assert_eq!(body["mobile_number"], json!(["This field is required."]));
        assert_eq!(body["fields"]["code"], json!(["A valid integer is required."]));
        assert_eq!((&body["code"], &body["status"]), (&json!("validation"), &json!(400)));
        assert_eq!(body["errorcode"], 6);
        assert_eq!(
            body["errors"][0],
            json!({"field": "mobile_number", "code": "required", "message": "This field is required."})
        );
        let body = rendered(problem(), RenderContext::default()).await;
        assert_eq!(body.get("mobile_number"), None);
        assert_eq!(body.get("errorcode"), None);
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_whole_has_no_field() {
        let whole = FieldError { field: None, code: "invalid".into(), message: "No.".into() };
        let context = RenderContext { legacy_members: true, ..RenderContext::default() };
        let body = rendered(Problem::validation(vec![whole]), context).await;
        assert_eq!(body["errors"][0]["field"], Value::Null);
        assert_eq!(body["non_field_errors"], json!(["No."]));
        assert_eq!(body["fields"]["non_field_errors"], json!(["No."]));
    }

    #[test]
    fn headers_follow_the_kind() {
        let header = |problem: &Problem, name: &str| {
            let response = problem.render(&RenderContext::default());
            response.header(name).map(str::to_owned)
        };
        let found = |name| header(&Problem::new(Code::OtpNotFound), name);
        assert_eq!(found("www-authenticate").as_deref(), Some("Bearer realm=\"api\""));
        assert_eq!(found("content-language").as_deref(), Some("en"));
        assert_eq!(found("content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(found("connection"), None);
        let limited = Problem::new(Code::RateLimited)
            .with_retry_after(30)
            .with_header("ratelimit".parse().unwrap(), HeaderValue::from_static("\"ip\";r=0;t=30"));
        assert_eq!(header(&limited, "retry-after").as_deref(), Some("30"));
        assert_eq!(header(&limited, "ratelimit").as_deref(), Some("\"ip\";r=0;t=30"));
        let large = Problem::new(Code::PayloadTooLarge);
        assert_eq!(header(&large, "connection").as_deref(), Some("close"));
    }

    #[tokio::test]
    async fn the_cause_stays_inside() {
        let problem = Problem::internal("the password of the database is wrong");
        assert!(format!("{problem:?}").contains("password of the database"));
        let body = rendered(problem, RenderContext::default()).await.to_string();
        assert!(!body.contains("database"));
    }
}
