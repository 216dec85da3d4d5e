//! Logical templates: one name for what each provider calls otherwise, and the text it comes to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::providers::{Content, has_templates};
use crate::config::{Sms as SmsConfig, SmsTemplate};

/// What a message says, before it is known who carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Wording {
    /// The text, for providers that take texts; absent if only a template says it.
    pub text: Option<String>,
    /// A template and its variables in order: a logical one, or the provider's own.
    pub template: Option<(String, Vec<(String, String)>)>,
}

/// Never prints the text or the values: they hold codes and names.
impl std::fmt::Debug for Wording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let template = self.template.as_ref().map(|(name, _)| name);
        f.debug_struct("Wording").field("template", &template).finish_non_exhaustive()
    }
}

/// The configured templates.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    by_name: BTreeMap<String, SmsTemplate>,
    /// Accounts at providers that have no templates: what a template calls them is a text.
    text_only: BTreeSet<String>,
}

/// A language a template may have a text in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum TextLanguage {
    /// Persian, the default.
    #[default]
    Fa,
    /// English.
    En,
}

impl Templates {
    /// Those of `[sms.templates]`.
    pub fn new(config: &SmsConfig) -> Self {
        let accounts = config.providers.keys();
        let text_only = accounts.filter(|name| !has_templates(config.kind(name))).cloned();
        Self { by_name: config.templates.clone(), text_only: text_only.collect() }
    }

    /// Whether there is a logical template of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The variables a logical template needs and was not given, or was given and has not. Of one
    /// that is nothing but a name only the providers know them.
    pub fn mismatched(&self, name: &str, variables: &[(String, String)]) -> Vec<String> {
        let Some(template) = self.by_name.get(name) else { return Vec::new() };
        if template.text.is_none() && template.variables.is_empty() {
            return Vec::new();
        }
        let given = |wanted: &str| variables.iter().any(|(name, _)| name == wanted);
        let missing = template.variables.iter().filter(|wanted| !given(wanted)).cloned();
        let unknown = variables.iter().map(|(name, _)| name);
        let unknown = unknown.filter(|name| !template.variables.contains(name)).cloned();
        missing.chain(unknown).collect()
    }

    /// The text a logical template comes to; `None` for a provider's own or one without a text.
    pub fn text(
        &self,
        name: &str,
        language: TextLanguage,
        variables: &[(String, String)],
    ) -> Option<String> {
        let template = self.by_name.get(name)?;
        let english = template.text_en.as_ref().filter(|_| language == TextLanguage::En);
        let text = english.or(template.text.as_ref())?;
        Some(fill(text, variables))
    }

    /// What this provider is handed; `None` if it cannot say it.
    pub fn content_for(&self, provider: &str, wording: &Wording) -> Option<Content> {
        let special = wording.template.as_ref();
        let special = special.and_then(|(name, tokens)| self.special(provider, name, tokens));
        special.or_else(|| wording.text.clone().map(Content::Text))
    }

    /// What this template is at this provider: a template of its own, or a text of its own where it
    /// has none.
    fn special(
        &self,
        provider: &str,
        name: &String,
        tokens: &[(String, String)],
    ) -> Option<Content> {
        let template = self.by_name.get(name);
        let own = template.and_then(|template| template.providers.get(provider));
        if self.text_only.contains(provider) {
            return own.map(|text| Content::Text(fill(text, tokens)));
        }
        let name = match template {
            Some(template) => own.or(template.name.as_ref())?,
            None => name,
        };
        Some(Content::Template { name: name.clone(), tokens: tokens.to_vec() })
    }
}

/// Puts the values in, in one pass: a value that looks like a variable stays what it is.
fn fill(text: &str, variables: &[(String, String)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        rest = &rest[open..];
        let name = rest.find('}').map(|close| &rest[1..close]);
        let value = name.and_then(|name| variables.iter().find(|(known, _)| known == name));
        if let Some((name, value)) = value {
            filled.push_str(value);
            rest = &rest[name.len() + 2..];
        } else {
            filled.push('{');
            rest = &rest[1..];
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is written, with the old map of numbers.
    const CONFIG: &str = "
        [providers.a]\nkind = 'kavenegar'\n[providers.b]\nkind = 'melipayamak'
        [providers.plain]\nkind = 'twilio'\n[providers.russian]\nkind = 'MegaFon'
        [templates]\nT1 = 1
        [templates.login]\ntext = 'کد: {token}'\ntext_en = 'Code: {token} {token2}'
        variables = ['token', 'token2']
        providers = {a = 'reg-7', russian = 'Код: {token}'}";

    fn templates() -> Templates {
        Templates::new(&toml::from_str(CONFIG).unwrap())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn each_provider_gets_its_own_template_or_the_text() {
        let tokens = pairs(&[("token", "12")]);
        let wording = Wording {
            text: Some("کد: 12".to_owned()),
            template: Some(("login".to_owned(), tokens.clone())),
        };
        let template =
            |name: &str| Content::Template { name: name.to_owned(), tokens: tokens.clone() };
        assert_eq!(templates().content_for("a", &wording), Some(template("reg-7")));
        assert_eq!(
            templates().content_for("b", &wording),
            Some(Content::Text("کد: 12".to_owned()))
        );
        let own = Wording { text: None, template: Some(("7".to_owned(), tokens.clone())) };
        assert_eq!(templates().content_for("b", &own), Some(template("7")));
        let everywhere = Wording { text: None, template: Some(("T1".to_owned(), tokens.clone())) };
        assert_eq!(templates().content_for("b", &everywhere), Some(template("1")));
        let only = Wording { text: None, ..wording };
        assert_eq!(templates().content_for("b", &only), None);
    }

    #[test]
    fn a_provider_without_templates_gets_its_own_text_or_the_common_one() {
        let wording = |name: &str, text: Option<&str>| Wording {
            text: text.map(str::to_owned),
            template: Some((name.to_owned(), pairs(&[("token", "{token}")]))),
        };
        let text = |text: &str| Some(Content::Text(text.to_owned()));
        let content =
            |provider: &str, wording: &Wording| templates().content_for(provider, wording);
        let login = wording("login", Some("کد: 12"));
        assert_eq!(content("russian", &login), text("Код: {token}"));
        assert_eq!(content("plain", &login), text("کد: 12"));
        // Neither a number of all providers nor a provider's own name is a text.
        for name in ["T1", "5"] {
            assert_eq!(content("plain", &wording(name, Some("کد: 12"))), text("کد: 12"));
            assert_eq!(content("plain", &wording(name, None)), None);
        }
    }

    #[test]
    fn values_are_put_in_once_and_never_read_as_variables() {
        let values = pairs(&[("token", "{token2}"), ("token2", "x")]);
        let text = |language| templates().text("login", language, &values);
        assert_eq!(text(TextLanguage::En).as_deref(), Some("Code: {token2} x"));
        assert_eq!(text(TextLanguage::Fa).as_deref(), Some("کد: {token2}"));
        assert_eq!(fill("{ {x} {token} }", &values), "{ {x} {token2} }");
        assert_eq!(templates().text("other", TextLanguage::Fa, &values), None);
    }

    #[test]
    fn missing_and_unknown_variables_are_named() {
        let given = pairs(&[("token", "1"), ("token9", "2")]);
        assert_eq!(templates().mismatched("login", &given), ["token2", "token9"]);
        assert!(templates().mismatched("provider's own", &given).is_empty());
        assert!(templates().mismatched("T1", &given).is_empty(), "only the providers know");
    }
}
