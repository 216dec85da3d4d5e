//! Which methods each path has, read from the `OpenAPI` document: for `Allow`, `OPTIONS` and the
//! names of paths in logs.

use std::collections::HashMap;

use poem::{
    Body, Response,
    http::{HeaderValue, Method, StatusCode, header},
};
use serde_json::{Value, json};

use super::slash::trim_path;

/// Methods in the order in which the old system lists them.
const ORDER: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Every known path with its methods.
#[derive(Debug, Default)]
pub(crate) struct AllowedMethods {
    /// Paths without variables, by themselves.
    literal: HashMap<String, KnownPath>,
    /// Paths with variables, those with fewer first.
    variable: Vec<KnownPath>,
}

/// One path of the API.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KnownPath {
    /// The path with `{names}` for its variable parts and no trailing slash: safe to log.
    pub(crate) template: String,
    /// The value of `Allow`.
    allow: HeaderValue,
    name: String,
    description: String,
}

impl AllowedMethods {
    /// Reads the `paths` of an `OpenAPI` document. What is documented below the first of a pair is
    /// known below every prefix of its second, where it is served; what is documented elsewhere is
    /// known where it stands.
    pub(crate) fn from_document(document: &Value, served: &[(&str, &[String])]) -> Self {
        let mut known = Self::default();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for path in wherever(path, served) {
                known.add(KnownPath::documented(trim_path(&path).to_owned(), item));
            }
        }
        known.variable.sort_by_key(|path| path.template.matches('{').count());
        known
    }

    /// Adds a path that is served below every prefix and is in no document, so that it has a name,
    /// too.
    pub(crate) fn add_undocumented(&mut self, path: &str, item: &Value, served: &[String]) {
        for prefix in served {
            let path = format!("{}{path}", prefix.trim_end_matches('/'));
            self.add(KnownPath::documented(path, item));
        }
    }

    fn add(&mut self, path: KnownPath) {
        if !path.template.contains('{') {
            self.literal.insert(path.template.clone(), path);
        } else if !self.variable.contains(&path) {
            self.variable.push(path);
        }
    }

    /// The known path this request path is, with or without a trailing slash.
    pub(crate) fn find(&self, path: &str) -> Option<&KnownPath> {
        let path = trim_path(path);
        let variable = || self.variable.iter().find(|known| matches(&known.template, path));
        self.literal.get(path).or_else(variable)
    }
}

fn wherever(path: &str, served: &[(&str, &[String])]) -> Vec<String> {
    let below = |(documented, prefixes): &(&str, &[String])| {
        let rest = path.strip_prefix(documented).filter(|rest| rest.starts_with('/'))?;
        let at = |prefix: &String| format!("{}{rest}", prefix.trim_end_matches('/'));
        Some(prefixes.iter().map(at).collect())
    };
    served.iter().find_map(below).unwrap_or_else(|| vec![path.to_owned()])
}

fn matches(template: &str, path: &str) -> bool {
    let mut expected = template.split('/');
    let mut actual = path.split('/');
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return true,
            (Some(expected), Some(actual)) => {
                let is_variable = expected.starts_with('{') && !actual.is_empty();
                if !is_variable && expected != actual {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

impl KnownPath {
    fn documented(template: String, item: &Value) -> Self {
        let has = |method: &str| item.get(method.to_ascii_lowercase()).is_some();
        let mut methods: Vec<_> = ORDER.into_iter().filter(|method| has(method)).collect();
        if has("GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        let allow = HeaderValue::try_from(methods.join(", "));
        let operation = ORDER.iter().find_map(|method| item.get(method.to_ascii_lowercase()));
        let text = |member: &str| operation.and_then(|operation| operation[member].as_str());
        Self {
            name: text("summary").unwrap_or(&template).to_owned(),
            description: text("description").unwrap_or_default().to_owned(),
            allow: allow.expect("method names are visible ASCII"),
            template,
        }
    }

    /// The value of the `Allow` header.
    pub(crate) fn allow(&self) -> HeaderValue {
        self.allow.clone()
    }

    /// The answer to `OPTIONS`, as the old system gives it.
    pub(crate) fn options(&self) -> Response {
        let description = json!({
            "name": self.name,
            "description": self.description,
            "renders": ["application/json"],
            "parses":
                ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
        });
        let body = Body::from(description.to_string());
        let mut response =
            Response::builder().status(StatusCode::OK).content_type("application/json").body(body);
        response.headers_mut().insert(header::ALLOW, self.allow());
        response
    }
}

/// Whether this is a question about the path itself and not a CORS preflight.
pub(crate) fn is_plain_options(method: &Method, headers: &poem::http::HeaderMap) -> bool {
    method == Method::OPTIONS && !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> AllowedMethods {
        let document = json!({"paths": {
            "/api/otp/send/": {"post": {"summary": "Send a code", "description": "By SMS."}},
            "/api/sessions/": {"get": {}},
            "/api/chat/chatrooms/{id}/": {"delete": {}, "get": {}, "patch": {}, "put": {}},
            "/api/chat/chatrooms/new/": {"post": {}},
            "/auth/sign-in/": {"post": {}},
        }});
        let prefixes = ["/api".to_owned(), "/drfchelseru/".to_owned()];
        AllowedMethods::from_document(&document, &[("/api", &prefixes)])
    }

    #[test]
    fn every_prefix_and_both_slash_forms_are_known() {
        let allowed = allowed();
        for (path, allow) in [
            ("/api/otp/send/", "POST, OPTIONS"),
            ("/api/otp/send", "POST, OPTIONS"),
            ("/drfchelseru/otp/send/", "POST, OPTIONS"),
            ("/drfchelseru/sessions", "GET, HEAD, OPTIONS"),
            ("/drfchelseru/chat/chatrooms/7/", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
            ("/api/chat/chatrooms/new", "POST, OPTIONS"),
            ("/auth/sign-in/", "POST, OPTIONS"),
        ] {
            assert_eq!(allowed.find(path).unwrap().allow(), allow, "{path}");
        }
        for path in
            ["/", "/api", "/otp/send", "/drfchelseru/auth/sign-in/", "/api/chat/chatrooms//"]
        {
            assert_eq!(allowed.find(path), None, "{path}");
        }
    }

    #[test]
    fn a_found_path_is_named_without_its_values() {
        let allowed = allowed();
        let found = allowed.find("/drfchelseru/chat/chatrooms/7/").unwrap();
        assert_eq!(found.template, "/drfchelseru/chat/chatrooms/{id}");
    }

    #[tokio::test]
    async fn options_describes_the_path() {
        let allowed = allowed();
        let response = allowed.find("/api/otp/send/").unwrap().options();
        assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
        assert_eq!(response.header("content-type"), Some("application/json"));
        let body: Value = response.into_body().into_json().await.unwrap();
        assert_eq!(
            (&body["name"], &body["description"]),
            (&json!("Send a code"), &json!("By SMS."))
        );
        assert_eq!(body["renders"], json!(["application/json"]));
    }
}
