//! What every request passes on its way in and out, composed once in [`with_edge`].

mod allowed;
mod body;
mod client_ip;
mod limits;
mod problem;
mod request_id;
mod slash;

use std::{sync::Arc, time::Duration};

use ipnetwork::IpNetwork;
use poem::{
    Endpoint, EndpointExt, Response, Result,
    http::{HeaderValue, header},
};

pub(crate) use self::{
    allowed::AllowedMethods, body::Uploads, client_ip::ClientIp, request_id::RequestId,
};
use self::{
    body::BoundRequests, client_ip::FindClientIp, limits::TellLimits, problem::RenderProblems,
    request_id::NameRequests, slash::TrimSlash,
};

/// What the edge is told by the configuration and the document.
#[derive(Debug)]
pub(crate) struct EdgeConfig {
    /// The methods of every documented path.
    pub(crate) allowed: AllowedMethods,
    /// Whether errors carry the members of the old systems (`http.legacy_field_errors`).
    pub(crate) legacy_field_errors: bool,
    /// The largest request body, in bytes.
    pub(crate) max_body_bytes: usize,
    /// The longest time from the end of a request's head to the beginning of its answer.
    pub(crate) request_timeout: Duration,
    /// Operations that read their bodies as they come.
    pub(crate) uploads: Uploads,
    /// The networks whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNetwork>,
}

/// Wraps the routes into everything all of them share. Outermost first: slashes, the request id
/// with its span, the client's address, headers of every answer, limits, problems, bounds.
pub(crate) fn with_edge(
    app: impl Endpoint + 'static,
    config: EdgeConfig,
) -> impl Endpoint<Output = Response> {
    let allowed = Arc::new(config.allowed);
    let bounds = BoundRequests {
        max_body_bytes: config.max_body_bytes,
        request_timeout: config.request_timeout,
        uploads: Arc::new(config.uploads),
    };
    let problems = RenderProblems {
        allowed: Arc::clone(&allowed),
        legacy_members: config.legacy_field_errors,
    };
    app.with(bounds)
        .with(problems)
        .with(TellLimits)
        .after(common_headers)
        .with(FindClientIp { trusted_proxies: config.trusted_proxies })
        .with(NameRequests { allowed })
        .with(TrimSlash)
}

/// Answers are for one caller and one moment, unless the handler said otherwise.
async fn common_headers(answer: Result<Response>) -> Result<Response> {
    let mut response = answer?;
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The library adds a charset, which JSON does not have (RFC 8259, 11); old clients may compare.
    let json = headers.get(header::CONTENT_TYPE);
    if json.is_some_and(|sent| sent == "application/json; charset=utf-8") {
        let plain = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, plain);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unused_async, reason = "operations are async, these await nothing")]

    use futures_util::{Stream, StreamExt, future, stream};
    use poem::{
        Addr, Body, IntoResponse, Request, RequestParts, Route,
        endpoint::{make, make_sync},
        http::{HeaderMap, Method, StatusCode, uri::Scheme},
        web::{LocalAddr, RemoteAddr},
    };
    use poem_openapi::{
        Object, OpenApi, OpenApiService,
        param::{Path, Query},
        payload::Json,
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        error::{Code, Problem, problems},
        input::{Fields, FromFields, Input, Text},
        language::Language,
    };

    problems!(EchoProblem: 400);

    /// A text.
    #[derive(Object)]
    struct Echo {
        text: String,
    }

    impl FromFields for Echo {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            Some(Self { text: fields.text("text", Text::max(11))? })
        }
    }

    struct Api;

    #[OpenApi(prefix_path = "/api")]
    impl Api {
        /// Echo
        #[oai(path = "/echo", method = "post", operation_id = "echo")]
        async fn echo(&self, input: Input<Echo>) -> Result<Json<Echo>, EchoProblem> {
            Ok(Json(input.0))
        }

        #[oai(path = "/things/:id", method = "get", operation_id = "getThing")]
        async fn thing(&self, id: Path<i64>, limit: Query<Option<i64>>) -> Json<i64> {
            Json(id.0 + limit.0.unwrap_or_default())
        }

        #[oai(path = "/page", method = "get", operation_id = "page")]
        async fn page(&self, after: Query<i64>) -> Json<i64> {
            Json(after.0)
        }

        #[oai(path = "/seen", method = "get", operation_id = "seen")]
        async fn seen(&self, ip: ClientIp, id: RequestId, language: Language) -> Json<Vec<String>> {
            Json(vec![ip.0.to_string(), id.as_str().to_owned(), language.tag().to_owned()])
        }
    }

    fn app() -> impl Endpoint<Output = Response> {
        let api = OpenApiService::new(Api, "test", "1");
        let document = serde_json::from_str(&api.spec()).unwrap();
        let unready = || Json(json!({"ready": false})).with_status(StatusCode::SERVICE_UNAVAILABLE);
        let routes = Route::new()
            .nest_no_strip("/api", api)
            .at("/panic", make_sync(|_| -> StatusCode { panic!("secret") }))
            .at("/bare", make_sync(|_| StatusCode::BAD_GATEWAY))
            .at("/fault", make_sync(|_| Err::<(), poem::Error>(Problem::internal("secret").into())))
            .at("/slow", make(|_| future::pending::<StatusCode>()))
            .at("/api/upload", make(take_pieces))
            .at("/unready", make_sync(move |_| unready()));
        let config = EdgeConfig {
            allowed: AllowedMethods::from_document(&document, &[("/api", &["/api".to_owned()])]),
            legacy_field_errors: true,
            max_body_bytes: 100,
            request_timeout: Duration::from_secs(30),
            uploads: Uploads {
                paths: vec!["/api/upload".to_owned()],
                max_body_bytes: 1_000,
                timeout: Duration::from_mins(5),
            },
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        };
        with_edge(routes, config)
    }

    /// Counts the pieces that come.
    async fn take_pieces(mut request: Request) -> Result<String> {
        let mut pieces = Box::pin(request.take_body().into_bytes_stream());
        let mut count = 0;
        while let Some(piece) = pieces.next().await {
            // Without a pause for the next.
            piece.map_err(|_| Problem::new(Code::BadRequest))?;
            count += 1;
        }
        Ok(json!(count).to_string())
    }

    fn upload(pieces: impl Stream<Item = String> + Send + 'static) -> Request {
        let request = Request::builder().method(Method::POST).uri("/api/upload/".parse().unwrap());
        request.body(Body::from_bytes_stream(pieces.map(Ok::<_, std::io::Error>)))
    }

    async fn answer(request: Request) -> (StatusCode, HeaderMap, Value) {
        let mut response = app().get_response(request).await;
        let body = response.take_body().into_string().await.unwrap();
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        (response.status(), response.headers().clone(), body)
    }

    async fn ask(method: Method, path: &str) -> (StatusCode, HeaderMap, Value) {
        answer(Request::builder().method(method).uri(path.parse().unwrap()).finish()).await
    }

    fn post(content_type: &str, body: impl Into<Body>) -> Request {
        let request = Request::builder().method(Method::POST).uri("/api/echo/".parse().unwrap());
        request.header("content-type", content_type).body(body.into())
    }

    #[tokio::test]
    async fn both_slash_forms_reach_the_operation() {
        for path in ["/api/things/7", "/api/things/7/"] {
            let (status, headers, body) = ask(Method::GET, path).await;
            assert_eq!((status, body), (StatusCode::OK, json!(7)));
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["x-request-id"].len(), 32);
        }
        assert_eq!(ask(Method::GET, "/api/things/7/?limit=3").await.2, 10);
    }

    #[tokio::test]
    async fn handlers_see_who_asks() {
        let (head, ()) = poem::http::Request::builder()
            .uri("/api/seen/")
            .header("x-forwarded-for", "6.6.6.6, 203.0.113.5")
            .header("x-request-id", "abc-1")
            .header("accept-language", "fa")
            .body(())
            .unwrap()
            .into_parts();
        let peer = RemoteAddr(Addr::socket("10.0.0.1:9".parse().unwrap()));
        let head = RequestParts::from((head, LocalAddr::default(), peer, Scheme::HTTP));
        let request = Request::from_parts(head, Body::empty());
        let (_, headers, body) = answer(request).await;
        assert_eq!(body, json!(["203.0.113.5", "abc-1", "fa"]));
        assert_eq!(headers["x-request-id"], "abc-1");
    }

    #[tokio::test]
    async fn every_refusal_is_a_problem_with_the_old_sentence() {
        let get = Method::GET;
        for (method, path, status, code, detail) in [
            (&get, "/api/nothing/", 404, "not_found", "Not found."),
            (&get, "/api/things/abc/", 404, "not_found", "Not found."),
            (&get, "/api/echo/", 405, "method_not_allowed", "Method \"GET\" not allowed."),
            (&Method::PUT, "/api/echo", 405, "method_not_allowed", "Method \"PUT\" not allowed."),
            (&get, "/bare", 500, "internal", "An error occurred, please contact support."),
            (&get, "/fault", 500, "internal", "An error occurred, please contact support."),
            (&get, "/panic", 500, "internal", "An error occurred, please contact support."),
        ] {
            let (answered, headers, body) = ask(method.clone(), path).await;
            assert_eq!((answered.as_u16(), &body["code"]), (status, &json!(code)), "{path}");
            assert_eq!((&body["detail"], &body["error"]), (&json!(detail), &json!(detail)));
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(headers["x-request-id"], body["request_id"].as_str().unwrap());
            assert!(!body.to_string().contains("secret"));
        }
    }

    #[tokio::test]
    async fn a_refused_method_is_told_the_allowed_ones() {
        assert_eq!(ask(Method::GET, "/api/echo/").await.1["allow"], "POST, OPTIONS");
        assert_eq!(ask(Method::POST, "/api/seen").await.1["allow"], "GET, HEAD, OPTIONS");
        let (status, headers, body) = ask(Method::OPTIONS, "/api/echo/").await;
        assert_eq!((status, &body["name"]), (StatusCode::OK, &json!("Echo")));
        assert_eq!(headers["allow"], "POST, OPTIONS");
        assert_eq!(ask(Method::OPTIONS, "/api/nothing/").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn the_language_of_the_client_is_spoken() {
        let request = Request::builder()
            .uri("/api/nothing/".parse().unwrap())
            .header("accept-language", "fa-IR,fa;q=0.9,en;q=0.5")
            .finish();
        let (_, headers, body) = answer(request).await;
        assert_eq!((&body["title"], &body["detail"]), (&json!("پیدا نشد"), &json!("یافت نشد.")));
        assert_eq!(body["message"], "Not found.");
        assert_eq!(headers["content-language"], "fa");
    }

    #[tokio::test]
    async fn bad_fields_are_listed_and_bad_parameters_too() {
        let (status, _, body) = answer(post("application/json", "{}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["text"], json!(["This field is required."]));
        let (status, _, body) = ask(Method::GET, "/api/things/7/?limit=x").await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("validation")));
        assert_eq!(body["limit"], json!(["Enter a valid value."]));
        let (_, _, body) = ask(Method::GET, "/api/page/").await;
        assert_eq!(body["after"], json!(["This field is required."]));
    }

    #[tokio::test]
    async fn bodies_of_other_types_and_sizes_are_refused() {
        let (status, _, body) = answer(post("text/plain", "x")).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(body["detail"], "Unsupported media type \"text/plain\" in request.");
        let chunked = stream::repeat("x".repeat(60)).take(2).map(Ok::<_, std::io::Error>);
        let mut declared = post(
            "application/json",
            Body::from_bytes_stream(stream::pending::<Result<String, std::io::Error>>()),
        );
        declared.headers_mut().insert("content-length", 101.into());
        for request in [
            post("application/json", "x".repeat(101)),
            post("application/json", Body::from_bytes_stream(chunked)),
            declared,
        ] {
            let (status, headers, body) = answer(request).await;
            assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(body["code"], "payload_too_large");
            assert_eq!(headers["connection"], "close");
        }
        let fits = format!("{{\"text\": \"a\"}}{}", " ".repeat(87));
        assert_eq!(answer(post("application/json", fits)).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn an_upload_is_read_as_it_comes_up_to_its_own_bound() {
        let pieces = |count| stream::repeat("x".repeat(100)).take(count);
        let (status, _, body) = answer(upload(pieces(10))).await;
        assert_eq!((status, body), (StatusCode::OK, json!(10)));
        let mut declared = upload(pieces(11));
        declared.headers_mut().insert("content-length", 1_100.into());
        for request in [upload(pieces(11)), declared] {
            let (status, _, body) = answer(request).await;
            assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(body["code"], "payload_too_large");
        }
        let (status, _, _) = ask(Method::GET, "/api/upload/").await;
        assert_eq!(status, StatusCode::OK, "only POST uploads");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_may_take_long_if_something_comes_and_not_for_ever() {
        let every = |seconds: u64| {
            stream::repeat("x".to_owned()).then(move |piece| async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                piece
            })
        };
        let (status, _, body) = answer(upload(every(29).take(10))).await;
        assert_eq!((status, body), (StatusCode::OK, json!(10)));
        for request in [upload(every(31).take(2)), upload(every(29).take(11))] {
            let (status, _, body) = answer(request).await;
            assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{body}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_requests_and_slow_handlers_meet_the_deadline() {
        let dripping =
            stream::once(async { Ok::<_, std::io::Error>("{") }).chain(stream::pending());
        let (status, headers, body) =
            answer(post("application/json", Body::from_bytes_stream(dripping))).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::REQUEST_TIMEOUT, &json!("request_timeout"))
        );
        assert_eq!(headers["connection"], "close");
        let (status, _, body) = ask(Method::GET, "/slow").await;
        assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("timeout")));
    }

    #[tokio::test]
    async fn an_answer_in_json_is_left_as_it_is() {
        let (status, headers, body) = ask(Method::GET, "/unready").await;
        assert_eq!((status, body), (StatusCode::SERVICE_UNAVAILABLE, json!({"ready": false})));
        assert_eq!(headers["content-type"], "application/json");
    }

    #[tokio::test]
    async fn head_works_where_get_does() {
        assert_eq!(ask(Method::HEAD, "/api/seen/").await.0, StatusCode::OK);
        assert_eq!(ask(Method::HEAD, "/api/echo/").await.1["allow"], "POST, OPTIONS");
    }
}
