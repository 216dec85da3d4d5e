//! The whole route table on one screen.

use std::sync::Arc;

use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route, endpoint::make_sync, get};
use poem_openapi::{OpenApi, OpenApiService};
use shared::config::{Config, Mode};

use crate::{
    document,
    middleware::{AllowedMethods, EdgeConfig, with_edge},
    routes::{authenticate::AuthenticateApi, operations, otp::OtpApi, sandbox, well_known},
    state::SharedState,
};

/// The prefix the document shows; every configured one serves the same.
pub(crate) const DOCUMENTED_PREFIX: &str = "/api";

/// The documented operations: one line per file in `routes/`.
fn operations() -> impl OpenApi {
    (OtpApi, AuthenticateApi)
}

/// The operations as a service with its document.
pub(crate) fn service() -> OpenApiService<impl OpenApi, ()> {
    OpenApiService::new(operations(), "Peyk", env!("CARGO_PKG_VERSION"))
}

/// Everything the api serves on its public port.
pub(crate) fn app(state: SharedState) -> impl Endpoint<Output = Response> {
    let config = &state.config;
    let mut routes = Route::new()
        .at("/livez", get(operations::livez))
        .at("/readyz", get(operations::readyz))
        .at("/.well-known/jwks.json", get(well_known::jwks))
        .at("/openapi.json", fixed(document::json_text(), "application/json"))
        .at("/openapi.yaml", fixed(document::yaml_text(), "application/yaml"));
    for prefix in &config.http.prefixes {
        routes = routes.nest(prefix, service());
    }
    if config.docs() {
        let page = document::ui_html(&service());
        routes = routes.at("/docs", fixed(page, "text/html; charset=utf-8"));
    }
    if config.mode == Mode::Sandbox {
        routes = routes
            .at("/sandbox", get(sandbox::page))
            .at("/sandbox/messages", get(sandbox::messages))
            .at("/metrics", get(operations::metrics));
    }
    let edge = edge(config);
    with_edge(routes.data(state), edge)
}

/// What is served on the private port, when there is one.
pub(crate) fn operations_app(state: SharedState) -> impl Endpoint<Output = Response> {
    Route::new()
        .at("/livez", get(operations::livez))
        .at("/readyz", get(operations::readyz))
        .at("/metrics", get(operations::metrics))
        .data(state)
        .map_to_response()
}

fn edge(config: &Config) -> EdgeConfig {
    let mut prefixes = vec![DOCUMENTED_PREFIX.to_owned()];
    prefixes.extend(config.http.prefixes.iter().cloned());
    EdgeConfig {
        allowed: AllowedMethods::from_document(&document::document(), &prefixes),
        legacy_field_errors: config.http.legacy_field_errors,
        max_body_bytes: config.http.max_body_bytes,
        request_timeout: config.http.request_timeout(),
        trusted_proxies: config.http.trusted_proxies.clone(),
    }
}

fn fixed(text: String, content_type: &'static str) -> impl Endpoint<Output = Response> {
    let text: Arc<str> = text.into();
    get(make_sync(move |_| text.to_string().with_content_type(content_type).into_response()))
}
