//! Request bodies: read like the systems Peyk replaces read them, documented like a modern API.

mod body;
mod fields;

use std::marker::PhantomData;

use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry},
    types::Type,
};
use serde_json::Value;

use self::body::Parsed;
pub(crate) use self::fields::{Fields, Text};
use crate::error::{FieldError, Problem};

/// A request body as a handler's parameter: read as `T`, documented as `D`.
///
/// JSON, form and multipart bodies are read; unknown fields are ignored; an empty body is an empty
/// object. Everything wrong with the fields is refused at once with one validation problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input<T, D = T>(pub(crate) T, PhantomData<D>);

/// A type that is read field by field from a request body.
pub(crate) trait FromFields: Sized {
    /// Takes its fields. `None` if it cannot be built, of which the reasons are then recorded in
    /// `fields`. With any error recorded the result is not used, so an `Option` that is needed may
    /// be looked at (`?`) after all fields were taken.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

impl<T: FromFields, D> Input<T, D> {
    /// Reads a parsed body.
    ///
    /// # Errors
    ///
    /// A validation problem with every broken rule.
    fn read(body: Parsed) -> Result<Self, Problem> {
        let Value::Object(members) = body.value else {
            return Err(Problem::validation(vec![not_an_object(&body.value)]));
        };
        let mut fields = Fields::new(members, body.is_form, body.text);
        let value = T::from_fields(&mut fields);
        let sentence = fields.sentence();
        let mut errors = fields.into_errors();
        match value {
            Some(value) if errors.is_empty() => Ok(Self(value, PhantomData)),
            _ => {
                if errors.is_empty() {
                    errors.push(whole("Invalid data."));
                }
                let problem = Problem::validation(errors);
                Err(match sentence {
                    Some(sentence) => problem.sentence(sentence),
                    None => problem,
                })
            }
        }
    }
}

impl<'a, T: FromFields, D: Type> ApiExtractor<'a> for Input<T, D> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        D::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema: MetaSchemaRef = D::schema_ref();
        let content = vec![MetaMediaType { content_type: "application/json", schema }];
        Some(MetaRequest { description: None, content, required: needs_something::<D>() })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let bytes = body.take()?.into_bytes().await?;
        Ok(Self::read(body::parse(request, bytes.into()).await?)?)
    }
}

/// Whether there is a field that must be there: no body at all is read as an empty object.
fn needs_something<D: Type>() -> bool {
    let mut registry = Registry::new();
    D::register(&mut registry);
    registry.schemas.get(&*D::name()).is_none_or(|schema| !schema.required.is_empty())
}

fn not_an_object(body: &Value) -> FieldError {
    let kind = match body {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    whole(format!("Invalid data. Expected a dictionary, but got {kind}."))
}

fn whole(message: impl Into<std::borrow::Cow<'static, str>>) -> FieldError {
    FieldError { field: None, code: "invalid".into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use poem::{Body, http::header};
    use poem_openapi::Object;
    use serde_json::json;

    use super::*;
    use crate::error::RenderContext;

    /// A code with its phone number.
    #[derive(Debug, PartialEq, Eq, Object)]
    struct Login {
        mobile_number: String,
        code: i64,
    }

    impl FromFields for Login {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            let mobile_number = fields.text("mobile_number", Text::max(11));
            let code = fields.integer("code");
            Some(Self { mobile_number: mobile_number?, code: code? })
        }
    }

    async fn read(content_type: Option<&str>, body: impl Into<Body>) -> Result<Login, Value> {
        let mut request = Request::builder();
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let (request, mut body) = request.body(body).split();
        let input =
            Input::<Login>::from_request(&request, &mut body, ExtractParamOptions::default());
        match input.await {
            Ok(Input(login, _)) => Ok(login),
            Err(error) => {
                let problem = error.downcast::<Problem>().unwrap();
                let context = RenderContext { legacy_members: true, ..RenderContext::default() };
                Err(problem.render(&context).into_body().into_json().await.unwrap())
            }
        }
    }

    const JSON: Option<&str> = Some("application/json");
    const LOGIN: fn() -> Login = || Login { mobile_number: "09123456789".to_owned(), code: 7 };

    #[tokio::test]
    async fn json_with_extra_fields_and_loose_types_is_read() {
        let body = r#"{"mobile_number": " 09123456789 ", "code": "7", "x": [1]}"#;
        assert_eq!(read(JSON, body).await, Ok(LOGIN()));
        let utf8 = Some("Application/JSON; charset=utf-8");
        let body = r#"{"mobile_number": 9123456789, "code": 7.0}"#;
        let number = Login { mobile_number: "9123456789".to_owned(), code: 7 };
        assert_eq!(read(utf8, body).await, Ok(number));
    }

    #[tokio::test]
    async fn forms_are_read_and_the_last_value_wins() {
        let form = Some("application/x-www-form-urlencoded");
        let body = "mobile_number=1&code=7&mobile_number=+09123456789";
        assert_eq!(read(form, body).await, Ok(LOGIN()));
    }

    #[tokio::test]
    async fn multipart_text_is_read_and_files_are_ignored() {
        let multipart = Some("multipart/form-data; boundary=b");
        let body = "--b\r\nContent-Disposition: form-data; name=\"mobile_number\"\r\n\r\n09123456789\r\n\
            --b\r\nContent-Disposition: form-data; name=\"code\"; filename=\"f\"\r\n\r\n9\r\n\
            --b\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\n7\r\n--b--\r\n";
        assert_eq!(read(multipart, body).await, Ok(LOGIN()));
        let broken = read(multipart, "--b\r\nContent-Disp").await.unwrap_err();
        assert_eq!(broken["code"], "bad_request");
        assert_eq!(read(Some("multipart/form-data"), "x").await.unwrap_err()["status"], 400);
    }

    #[tokio::test]
    async fn an_empty_body_is_an_empty_object_whatever_its_type() {
        for content_type in [None, JSON, Some("text/plain")] {
            let body = read(content_type, "").await.unwrap_err();
            assert_eq!(body["mobile_number"], json!(["This field is required."]));
            assert_eq!(body["fields"]["code"], json!(["This field is required."]));
        }
    }

    #[tokio::test]
    async fn other_media_types_are_named_as_they_were_sent() {
        for (sent, named) in [
            (Some("text/plain"), "text/plain"),
            (Some("text/Plain; charset=x"), "text/Plain; charset=x"),
            (None, ""),
        ] {
            let body = read(sent, "x").await.unwrap_err();
            assert_eq!(body["status"], 415);
            let detail = format!("Unsupported media type \"{named}\" in request.");
            assert_eq!(body["detail"], detail.as_str());
        }
    }

    #[tokio::test]
    async fn bodies_that_are_no_object_are_refused_with_the_old_sentence() {
        for (body, kind) in [
            ("[1]", "list"),
            ("\"a\"", "str"),
            ("1", "int"),
            ("1.5", "float"),
            ("true", "bool"),
            ("null", "NoneType"),
        ] {
            let refused = read(JSON, body).await.unwrap_err();
            let sentence = format!("Invalid data. Expected a dictionary, but got {kind}.");
            assert_eq!(refused["non_field_errors"], json!([sentence]));
        }
    }

    #[tokio::test]
    async fn malformed_json_is_explained_like_python_explains_it() {
        for (body, detail) in [
            (
                b"{bad".to_vec(),
                "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            ),
            (
                b"{\"a\":\xff}".to_vec(),
                "'utf-8' codec can't decode byte 0xff in position 5: invalid start byte",
            ),
            (b"{\"a\":\"\\ud800\"}".to_vec(), "The document cannot be represented."),
            ("[".repeat(100_000).into_bytes(), "The document is nested too deeply."),
            (
                format!("{}{}", "[".repeat(500), "]".repeat(500)).into_bytes(),
                "The document is nested too deeply.",
            ),
        ] {
            let refused = read(JSON, body).await.unwrap_err();
            assert_eq!(refused["detail"], format!("JSON parse error - {detail}").as_str());
            assert_eq!(
                (&refused["code"], &refused["status"]),
                (&json!("malformed_json"), &json!(400))
            );
        }
    }

    #[test]
    fn it_documents_one_json_body_with_the_schema_of_its_type() {
        let meta = Input::<Login>::request_meta().unwrap();
        assert!(meta.required);
        assert_eq!(meta.content.len(), 1);
        assert_eq!(meta.content[0].content_type, "application/json");
        assert_eq!(meta.content[0].schema, MetaSchemaRef::Reference("Login".to_owned()));
    }
}
