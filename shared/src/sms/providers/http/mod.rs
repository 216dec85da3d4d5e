//! A provider that is described by configuration alone: what to request for a text and for a
//! template, and what the answers mean. `docs/sms-http.md` is its reference.
//!
//! Values are written for the place where they land (path, query, header, form, JSON string, XML),
//! so that no text, token or number can change the request around it. What cannot be written
//! there is refused before any call.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::DateTime;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::settings::base_url;
use super::{Content, Lookup, Outcome, OutgoingSms, Problem, Rejection, Setup, SmsProvider};
use crate::http_client::HttpClient;
use crate::phone::PhoneNumber;
use template::{Values, Variable};

mod answer;
mod body;
mod request;
mod template;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Class, Pointer, Rule, Scalar};
pub use body::{Escape, Json, Raw};
pub use request::{Basic, Method, Section};
pub use template::Template;

/// `[sms.providers.<name>]` with `kind = "http"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where the provider is; may have a path, which those of the sections follow.
    pub base_url: String,
    /// What `{secret.<name>}` stands for.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretString>,
    /// How free texts are sent. `None`: they are not.
    #[serde(default)]
    pub text: Option<Section>,
    /// How templates are sent. `None`: they are not.
    #[serde(default)]
    pub template: Option<Section>,
    /// What answers mean, where a section has no `answer` of its own.
    #[serde(default)]
    pub answer: Option<Answer>,
}

/// One account at a provider that only the configuration knows.
pub struct Http {
    name: String,
    client: HttpClient,
    base: Url,
    secrets: BTreeMap<String, SecretString>,
    text: Option<Plan>,
    template: Option<Plan>,
}

/// A section with its rules.
struct Plan {
    section: Section,
    answer: Answer,
    /// The variables of templates that the request carries.
    tokens: BTreeSet<String>,
}

/// Requests may hold secrets.
impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Http {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let base = base_url("base_url", &config.base_url).map_err(|p| problems.push(p)).ok();
        let client = HttpClient::new(setup.timeouts)
            .map_err(|error| problems.push(Problem::new("base_url", &format!("no TLS: {error}"))))
            .ok();
        check_secrets(&config.secrets, &mut problems);
        let text = plan("text", config, base.as_ref(), &mut problems);
        let template = plan("template", config, base.as_ref(), &mut problems);
        if config.text.is_none() && config.template.is_none() {
            problems.push(Problem::new("text", "is required, or template is, or both are"));
        }
        let (Some(base), Some(client), true) = (base, client, problems.is_empty()) else {
            return Err(problems);
        };
        let (name, secrets) = (name.to_owned(), config.secrets.clone());
        Ok(Self { name, client, base, secrets, text, template })
    }

    fn refuse(&self, why: &str) -> Outcome {
        Outcome::Rejected { reason: Rejection::Request, code: format!("{}.{why}", self.name) }
    }
}

#[async_trait]
impl SmsProvider for Http {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        let (plan, tokens, none) = match &sms.content {
            Content::Text(_) => (&self.text, &[][..], "no_text"),
            Content::Template { tokens, .. } => (&self.template, &tokens[..], "no_template"),
        };
        let Some(plan) = plan else { return self.refuse(none) };
        // It would be lost without a word, and with it perhaps the code.
        if tokens.iter().any(|(name, _)| !plan.tokens.contains(name)) {
            return self.refuse("token_name");
        }
        let values = Values { sms, secrets: &self.secrets };
        match plan.section.build(&self.base, values) {
            Err(unfit) => self.refuse(unfit.code()),
            Ok(request) => match self.client.execute(request).await {
                Ok(reply) => plan.answer.outcome(&self.name, &reply),
                Err(failure) => failure.into(),
            },
        }
    }

    async fn lookup(&self, _sms: &OutgoingSms) -> Lookup {
        Lookup::Unsupported
    }
}

fn check_secrets(secrets: &BTreeMap<String, SecretString>, problems: &mut Vec<Problem>) {
    // Names of environment variables become lower case.
    let is_name = |name: &str| {
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let named = secrets.keys().all(|name| !name.is_empty() && is_name(name));
    if !named || secrets.values().any(|secret| secret.expose_secret().is_empty()) {
        let message = "must have names of a-z 0-9 _ and values that are not empty";
        problems.push(Problem::new("secrets", message));
    }
}

/// A section that can work, or what is wrong with it. `None` where there is no such section.
fn plan(
    key: &'static str,
    config: &Config,
    base: Option<&Url>,
    problems: &mut Vec<Problem>,
) -> Option<Plan> {
    let (section, sample) = match key {
        "text" => (config.text.as_ref()?, Content::Text("1".to_owned())),
        _ => (config.template.as_ref()?, sample_template(config.template.as_ref()?)),
    };
    let mut found = section.problems(&config.secrets);
    found.extend(variables_missing_or_foreign(section, &sample));
    let answer = section.answer.as_ref().or(config.answer.as_ref());
    match answer {
        Some(answer) => {
            let wrong = answer.problems().into_iter();
            found.extend(wrong.map(|problem| format!("has an answer that {problem}")));
        }
        None => found.push("needs an answer, here or beside it".to_owned()),
    }
    // A secret or a literal may still be impossible where it stands.
    let sms = sample_sms(sample);
    let values = Values { sms: &sms, secrets: &config.secrets };
    if found.is_empty() && base.is_some_and(|base| section.build(base, values).is_err()) {
        found.push("has a path, header or secret with characters it cannot hold".to_owned());
    }
    if !found.is_empty() {
        problems.push(Problem::new(key, &found.join("; ")));
    }
    Some(Plan { section: section.clone(), answer: answer?.clone(), tokens: tokens_of(section) })
}

fn tokens_of(section: &Section) -> BTreeSet<String> {
    let name = |variable: &Variable| match variable {
        Variable::Token(name) => Some(name.clone()),
        _ => None,
    };
    section.variables().into_iter().filter_map(name).collect()
}

fn variables_missing_or_foreign(section: &Section, content: &Content) -> Vec<String> {
    let variables = section.variables();
    let uses = |wanted: Variable| variables.contains(&&wanted);
    let mut found = Vec::new();
    if !variables.iter().any(|variable| variable.is_recipient()) {
        found.push("must use to, to_e164 or to_national");
    }
    match content {
        Content::Text(_) => {
            if !uses(Variable::Text) {
                found.push("must use text");
            }
            if uses(Variable::Template) || !tokens_of(section).is_empty() {
                found.push("must not use template or tokens, which free texts do not have");
            }
        }
        Content::Template { .. } => {
            if !uses(Variable::Token("token".to_owned())) {
                found.push("must use token: codes are in it");
            }
            if uses(Variable::Text) {
                found.push("must not use text, which templates do not have");
            }
        }
    }
    found.into_iter().map(str::to_owned).collect()
}

fn sample_template(section: &Section) -> Content {
    let tokens = tokens_of(section).into_iter().map(|name| (name, "1".to_owned())).collect();
    Content::Template { name: "1".to_owned(), tokens }
}

fn sample_sms(content: Content) -> OutgoingSms {
    OutgoingSms {
        to: PhoneNumber::from_e164("+989120000000").expect("a number in E.164"),
        content,
        local_id: 1,
        accepted_at: DateTime::UNIX_EPOCH,
        expires_at: DateTime::UNIX_EPOCH,
    }
}
