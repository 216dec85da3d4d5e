//! How one kind of message is asked for: the settings of the request, and the request they make.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method as HttpMethod, Request, Url};
use secrecy::SecretString;
use serde::Deserialize;

use super::answer::Answer;
use super::body::{Escape, Json, Raw};
use super::template::{Template, Unfit, Values, Variable, percent};

/// `[sms.providers.<name>.text]` or `.template`. At most one of `form`, `json` and `body`.
#[derive(Debug, Clone, Deserialize)]
pub struct Section {
    /// The HTTP method.
    #[serde(default)]
    pub method: Method,
    /// Follows the path of `base_url`.
    #[serde(default)]
    pub path: Template,
    /// The query's fields.
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// Headers. A `content-type` replaces the one of the body.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// HTTP basic authentication.
    #[serde(default)]
    pub basic: Option<Basic>,
    /// The body as a form.
    #[serde(default)]
    pub form: Option<BTreeMap<String, Template>>,
    /// The body as JSON.
    #[serde(default)]
    pub json: Option<Json>,
    /// The body as text of another kind.
    #[serde(default)]
    pub body: Option<Raw>,
    /// What its answers mean, if not what the provider's `answer` says.
    #[serde(default)]
    pub answer: Option<Answer>,
}

/// An HTTP method that may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// No body.
    Get,
    /// The usual one.
    #[default]
    Post,
    /// Rare.
    Put,
}

/// A user and a password, normally `{secret.…}`.
#[derive(Debug, Clone, Deserialize)]
pub struct Basic {
    /// Holds no colon.
    pub user: Template,
    /// Anything.
    pub password: Template,
}

/// Headers that belong to the connection or to the body's length.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Section {
    /// Every variable it uses.
    pub(super) fn variables(&self) -> Vec<&Variable> {
        let fields = [Some(&self.query), Some(&self.headers), self.form.as_ref()];
        let basic = self.basic.iter().flat_map(|basic| [&basic.user, &basic.password]);
        let templates = fields.into_iter().flatten().flat_map(BTreeMap::values);
        let body = self.body.iter().map(|body| &body.text);
        let templates = templates.chain(basic).chain(body).chain([&self.path]);
        let json = self.json.iter().flat_map(Json::variables);
        templates.flat_map(Template::variables).chain(json).collect()
    }

    /// What is wrong with it, whatever the message.
    pub(super) fn problems(&self, secrets: &BTreeMap<String, SecretString>) -> Vec<String> {
        let bodies = [self.form.is_some(), self.json.is_some(), self.body.is_some()];
        let bodies = bodies.into_iter().filter(|set| *set).count();
        let mut problems = Vec::new();
        let mut require = |fine: bool, message: &str| {
            if !fine {
                problems.push(message.to_owned());
            }
        };
        require(bodies <= 1, "may have one of form, json and body");
        require(bodies == 0 || self.method != Method::Get, "with method GET has no body");
        let rooted = self.path.is_empty() || self.path.is_rooted();
        require(rooted, "must have a path that begins with a slash, or none");
        let names = self.headers.keys().map(|name| HeaderName::from_bytes(name.as_bytes()));
        let usable = |name: &Result<HeaderName, _>| {
            name.as_ref().is_ok_and(|name| !OWN_HEADERS.contains(&name.as_str()))
        };
        require(names.collect::<Vec<_>>().iter().all(usable), "has a header that cannot be set");
        let bare =
            self.body.as_ref().is_none_or(|raw| raw.escape != Escape::None || raw.text.is_bare());
        require(bare, "may have a body without escape only if it is one variable and nothing else");
        for variable in self.variables() {
            match variable {
                Variable::Secret(name) if !secrets.contains_key(name) => {
                    problems.push(format!("uses secret.{name}, which is not in secrets"));
                }
                _ => {}
            }
        }
        problems
    }

    /// The request for one message.
    pub(super) fn build(&self, base: &Url, values: Values<'_>) -> Result<Request, Unfit> {
        let method = match self.method {
            Method::Get => HttpMethod::GET,
            Method::Post => HttpMethod::POST,
            Method::Put => HttpMethod::PUT,
        };
        let mut request = Request::new(method, self.url(base, values)?);
        if let Some((kind, body)) = self.content(values)? {
            request.headers_mut().insert(CONTENT_TYPE, header_value(kind)?);
            *request.body_mut() = Some(body.into());
        }
        if let Some(basic) = &self.basic {
            let (user, password) = (basic.user.plain(values)?, basic.password.plain(values)?);
            if user.contains(':') {
                return Err(Unfit::Characters);
            }
            let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
            let value = header_value(&format!("Basic {credentials}"))?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        for (name, template) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unfit::Characters)?;
            request.headers_mut().insert(name, header_value(&template.plain(values)?)?);
        }
        Ok(request)
    }

    fn url(&self, base: &Url, values: Values<'_>) -> Result<Url, Unfit> {
        let mut url = base.clone();
        if !self.path.is_empty() {
            let path = self.path.render(values, percent)?;
            let path = format!("{}{path}", base.path().trim_end_matches('/'));
            url.set_path(&path);
            // A value that is `..` would be taken as a step up, whatever its encoding.
            if url.path() != path {
                return Err(Unfit::Characters);
            }
        }
        if !self.query.is_empty() {
            let mut fields = Vec::new();
            for (name, template) in &self.query {
                fields.push(format!("{}={}", percent(name)?, percent(&template.plain(values)?)?));
            }
            url.set_query(Some(&fields.join("&")));
        }
        Ok(url)
    }

    /// Media type and body.
    fn content(&self, values: Values<'_>) -> Result<Option<(&str, String)>, Unfit> {
        if let Some(form) = &self.form {
            let mut body = form_urlencoded::Serializer::new(String::new());
            for (name, template) in form {
                body.append_pair(name, &template.plain(values)?);
            }
            return Ok(Some(("application/x-www-form-urlencoded", body.finish())));
        }
        if let Some(json) = &self.json {
            return Ok(Some(("application/json", json.render(values)?)));
        }
        let Some(raw) = &self.body else { return Ok(None) };
        Ok(Some((&raw.content_type, raw.render(values)?)))
    }
}

/// Line breaks and all else that a header cannot hold are refused; so is what is no ASCII, which
/// the other side would read as Latin-1.
fn header_value(text: &str) -> Result<HeaderValue, Unfit> {
    let text = Some(text).filter(|text| text.is_ascii()).ok_or(Unfit::Characters)?;
    let mut value = HeaderValue::from_str(text).map_err(|_| Unfit::Characters)?;
    value.set_sensitive(true);
    Ok(value)
}
