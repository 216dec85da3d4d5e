//! Trailing slashes: the routes have none, the documented paths have one, both work.

use poem::{
    Endpoint, Middleware, Request, Result,
    http::{Uri, uri::PathAndQuery},
};

/// Takes trailing slashes off the path before anything matches on it. It changes nothing else;
/// [`Request::original_uri`] keeps them.
pub(crate) struct TrimSlash;

impl<E: Endpoint> Middleware<E> for TrimSlash {
    type Output = TrimSlashEndpoint<E>;

    fn transform(&self, app: E) -> Self::Output {
        TrimSlashEndpoint(app)
    }
}

/// The endpoint of [`TrimSlash`].
pub(crate) struct TrimSlashEndpoint<E>(E);

impl<E: Endpoint> Endpoint for TrimSlashEndpoint<E> {
    type Output = E::Output;

    async fn call(&self, mut request: Request) -> Result<Self::Output> {
        if let Some(uri) = trimmed(request.uri()) {
            *request.uri_mut() = uri;
        }
        self.0.call(request).await
    }
}

/// The URI without trailing slashes in its path, `None` if there is nothing to take off.
fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = trim_path(uri.path());
    if path.len() == uri.path().len() {
        return None;
    }
    let path_and_query = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

/// The path without trailing slashes; the root stays `/`.
pub(crate) fn trim_path(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trailing_slashes_go() {
        for (uri, expected) in [
            ("/api/otp/send/", "/api/otp/send"),
            ("/api/otp/send/?a=/b/&c", "/api/otp/send?a=/b/&c"),
            ("/a//b//", "/a//b"),
            ("//", "/"),
            ("http://host:1/a/", "http://host:1/a"),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(trimmed(&uri).unwrap().to_string(), expected);
        }
        for uri in ["/", "/a", "/a//b", "/?a/", "/a?x=/"] {
            assert_eq!(trimmed(&uri.parse().unwrap()), None, "{uri}");
        }
    }
}
