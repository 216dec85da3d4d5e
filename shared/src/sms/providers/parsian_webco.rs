//! Parsian Webco (<https://api.parsianwebco.ir>): templates only.
//!
//! It publishes no documents; what is known is what django-chelseru and other public callers do.
//! Certain are the address, the fields and three values of `status` in the answer: 200 taken, 100
//! failed, 401 not authenticated. Nothing is known of an id (so any of the likely ones is read),
//! of states and of credit (so neither is asked for).

use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::settings::{Problems, base_url};
use super::wire::{code, id, integer, join, json, refused};
use super::{Content, Lookup, Outcome, OutgoingSms, Problem, Rejection, Setup, SmsProvider};
use crate::http_client::{HttpClient, Reply};

/// Between two texts of one call, in seconds, as all callers send it. Ours have one text.
const DELAY: &str = "1";

/// Names an id may have in the answer, in any case.
const IDS: [&str; 4] = ["smsid", "sms_id", "messageid", "id"];

/// `[sms.providers.<name>]` with `kind = "parsian_webco"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where the API is; may have a path.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The account's token.
    pub api_key: SecretString,
}

fn default_base_url() -> String {
    "https://api.parsianwebco.ir".to_owned()
}

/// One Parsian Webco account.
pub struct ParsianWebco {
    name: String,
    http: HttpClient,
    url: Url,
    api_key: SecretString,
}

impl std::fmt::Debug for ParsianWebco {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParsianWebco").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ParsianWebco {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let base = problems.keep(base_url("base_url", &config.base_url));
        problems.require_filled("api_key", config.api_key.expose_secret());
        let http = problems.client(setup.timeouts);
        problems.into_result(base.zip(http).map(|(base, http)| Self {
            name: name.to_owned(),
            http,
            url: join(&base, &["webservice-send-sms", "send"]),
            api_key: config.api_key.clone(),
        }))
    }

    async fn send_template(
        &self,
        sms: &OutgoingSms,
        name: &str,
        tokens: &[(String, String)],
    ) -> Outcome {
        let Ok(template) = name.parse::<u32>() else {
            return refused(Rejection::Request, "parsian_webco.template_name");
        };
        // There is no way to write one inside a value: it would move the others.
        if tokens.iter().any(|(_, value)| value.contains(',')) {
            return refused(Rejection::Request, "parsian_webco.token_value");
        }
        let receiver = sms.to.to_national();
        if receiver.starts_with('+') {
            return refused(Rejection::Request, "parsian_webco.abroad");
        }
        let values: Vec<_> = tokens.iter().map(|(_, value)| &**value).collect();
        let (template, values) = (template.to_string(), values.join(","));
        let form = [
            ("token", self.api_key.expose_secret()),
            ("TemplateID", &template),
            ("MessageVars", &values),
            ("Receiver", &receiver),
            ("delay", DELAY),
        ];
        match self.http.post_form(self.url.clone(), &form).await {
            Ok(reply) => outcome_of(&reply),
            Err(failure) => failure.into(),
        }
    }
}

#[async_trait]
impl SmsProvider for ParsianWebco {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        match &sms.content {
            Content::Text(_) => refused(Rejection::Request, "parsian_webco.no_text"),
            Content::Template { name, tokens } => self.send_template(sms, name, tokens).await,
        }
    }

    /// There is nothing to ask by.
    async fn lookup(&self, _: &OutgoingSms) -> Lookup {
        Lookup::Unsupported
    }
}

/// `status` in the body decides, under any HTTP status.
fn outcome_of(reply: &Reply) -> Outcome {
    let body = json(&reply.body);
    let status = body.as_ref().and_then(|body| integer(body.get("status")?));
    let (Some(body), Some(status)) = (body, status) else {
        return reply.unreadable();
    };
    match status {
        200 => Outcome::Accepted { provider_message_id: message_id(&body) },
        401 => refused(Rejection::Account, "parsian_webco.401"),
        // 100, "failed", gives no reason and does not say how far it got.
        _ => Outcome::Unknown { code: code("parsian_webco", status, 0..=999) },
    }
}

/// The id, if there is one, at the top or in `data`, which may be a list.
fn message_id(body: &Value) -> Option<String> {
    let data = match body.get("data") {
        Some(Value::Array(list)) => list.first(),
        other => other,
    };
    let objects = [Some(body), data].into_iter().flatten().filter_map(Value::as_object);
    objects.into_iter().find_map(|object| IDS.iter().find_map(|name| member(object, name)))
}

fn member(object: &Map<String, Value>, name: &str) -> Option<String> {
    let found = object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| id(value))
}
