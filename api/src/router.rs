//! The whole route table on one screen.

use std::sync::Arc;

use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route, endpoint::make_sync, get};
use serde_json::json;
use shared::{
    chat::files::FOLDER,
    config::{Config, Mode},
    sms::callbacks::PATH as CALLBACK_PATH,
};

use crate::{
    console, document,
    legacy::rest_sms_auth::{DOCUMENTED_MOUNT, Mounted},
    middleware::{AllowedMethods, EdgeConfig, with_edge},
    routes::{
        DOCUMENTED_PREFIX, chat::files, mounted_service, operations, sandbox, service, webhooks,
        well_known,
    },
    state::SharedState,
    ws,
};

/// Everything the api serves on its public port.
pub(crate) fn app(state: SharedState) -> impl Endpoint<Output = Response> {
    let config = &state.config;
    let document = document::served_at(&config.http.public_url);
    let mut routes = Route::new()
        .at("/livez", get(operations::livez))
        .at("/readyz", get(operations::readyz))
        .at("/.well-known/jwks.json", get(well_known::jwks))
        .at("/openapi.json", fixed(document::json_text(&document), "application/json"))
        .at("/openapi.yaml", fixed(document::yaml_text(&document), "application/yaml"));
    for prefix in &config.http.prefixes {
        routes = routes.nest(prefix, service());
        if state.callbacks.is_some() {
            let path = format!("{prefix}{CALLBACK_PATH}").replace('{', ":").replace('}', "");
            routes = routes.at(path, get(webhooks::receive).post(webhooks::receive));
        }
    }
    for (path, settings) in &config.rest_sms_auth.0 {
        let mounted = Mounted { path: path.clone(), settings: settings.clone() };
        routes = routes.nest(format!("/{path}"), mounted_service().data(mounted));
    }
    let file = format!("{FOLDER}/:year/:month/:day/:name");
    routes = routes.at(file, get(files::serve));
    if config.docs() {
        let page = document::ui_html(&service(), &document);
        routes = routes.at("/docs", fixed(page, "text/html; charset=utf-8"));
    }
    routes = routes
        .at("/admin", get(console::index))
        .at("/admin/*path", get(console::index))
        .at(format!("{}/*name", console::ASSETS), get(console::asset));
    if config.mode == Mode::Sandbox {
        routes = routes
            .at("/", get(console::walk))
            .at("/sandbox", get(console::inbox))
            .at("/sandbox/chat", get(console::chat))
            .at("/sandbox/failures", get(console::failures))
            .at("/sandbox/messages", get(sandbox::messages))
            .at("/sandbox/faults", get(sandbox::faults::look).post(sandbox::faults::plan))
            .at("/sandbox/bank/:authority", get(sandbox::bank::look).post(sandbox::bank::act))
            .at("/metrics", get(operations::metrics));
    }
    let edge = edge(config);
    with_edge(ws::beside(routes, &state.config.http.prefixes).data(state), edge)
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
    let document = document::document();
    let served = &config.http.prefixes;
    let mounts = config.rest_sms_auth.0.keys().map(|path| format!("/{path}"));
    let mounts: Vec<_> = mounts.collect();
    let everywhere = [(DOCUMENTED_PREFIX, served.as_slice()), (DOCUMENTED_MOUNT, &mounts)];
    let mut allowed = AllowedMethods::from_document(&document, &everywhere);
    if config.sms.webhook_secret.is_some() {
        allowed.add_undocumented(CALLBACK_PATH, &json!({"get": {}, "post": {}}), served);
    }
    for path in ws::paths(served) {
        allowed.add_undocumented(&path, &json!({"get": {}}), &[String::new()]);
    }
    let file = format!("{FOLDER}/{{year}}/{{month}}/{{day}}/{{name}}");
    allowed.add_undocumented(&file, &json!({"get": {}}), &[String::new()]);
    for page in ["/admin", "/admin/assets/{name}"] {
        allowed.add_undocumented(page, &json!({"get": {}}), &[String::new()]);
    }
    EdgeConfig {
        allowed,
        legacy_field_errors: config.http.legacy_field_errors,
        max_body_bytes: config.http.max_body_bytes,
        request_timeout: config.http.request_timeout(),
        uploads: files::uploads(config),
        trusted_proxies: config.http.trusted_proxies.clone(),
    }
}

fn fixed(text: String, content_type: &'static str) -> impl Endpoint<Output = Response> {
    let text: Arc<str> = text.into();
    get(make_sync(move |_| text.to_string().with_content_type(content_type).into_response()))
}
