//! Where settings come from: one TOML file, and over it the environment.

use std::collections::BTreeMap;

use toml::{Table, Value, de::DeTable};

use super::{
    error::{ConfigError, is_within},
    tree,
};

/// What every variable begins with; `__` also separates the keys.
pub(super) const ENV_PREFIX: &str = "PEYK__";
/// A variable ending in this names a file that holds the value.
const FILE_SUFFIX: &str = "_FILE";

/// The merged settings, untyped.
pub(super) struct Sources {
    /// The file with the environment written over it.
    pub(super) tree: Table,
    /// Who set what.
    pub(super) origins: Origins,
    /// What could not be merged; these errors name their origin already.
    pub(super) errors: Vec<ConfigError>,
}

impl Sources {
    /// Merges `file` (name and text) and `env`; other variables than [`ENV_PREFIX`]'s are ignored.
    ///
    /// # Errors
    /// The syntax errors of the file, all of them.
    pub(super) fn gather(
        file: Option<(&str, &str)>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut tree =
            file.map_or_else(|| Ok(Table::new()), |(name, text)| read_toml(name, text))?;
        hyphenate_cron_jobs(&mut tree, &mut errors);
        let file = file.map(|(name, _)| (name.to_owned(), Value::Table(tree.clone())));
        let mut sources = Self { tree, origins: Origins { file, env: BTreeMap::new() }, errors };
        // Sorted, so that a table given as a whole comes before its single keys.
        let env = env.into_iter().filter(|(name, _)| name.starts_with(ENV_PREFIX));
        for (name, value) in env.collect::<BTreeMap<_, _>>() {
            sources.add(&name, value);
        }
        Ok(sources)
    }

    /// Writes one variable over the tree.
    fn add(&mut self, name: &str, value: String) {
        let short = name.strip_suffix(FILE_SUFFIX);
        let Some(keys) = keys_of(short.unwrap_or(name)) else {
            self.errors
                .push(ConfigError::new(name, "names no setting: a key between `__` is empty"));
            return;
        };
        let path = keys.join(".");
        let other = self.origins.env.insert(path.clone(), name.to_owned());
        let added = match (other, short) {
            (Some(other), _) => Err(format!("is set by {other} too")),
            (None, Some(_)) => read_value(&value).and_then(|value| self.plant(&keys, value)),
            (None, None) => self.plant(&keys, value),
        };
        if let Err(problem) = added {
            self.errors.push(ConfigError::new(path, format!("{problem} (from {name})")));
        }
    }

    fn plant(&mut self, keys: &[String], value: String) -> Result<(), String> {
        let planted = tree::plant(&mut self.tree, keys, Value::String(value));
        planted.then_some(()).ok_or_else(|| "lies inside a setting that is not a table".to_owned())
    }
}

/// Who set what, to say so in errors.
pub(super) struct Origins {
    /// The file's name and its settings alone.
    file: Option<(String, Value)>,
    /// Which variable set which path.
    env: BTreeMap<String, String>,
}

impl Origins {
    /// Adds to the message where the value at the error's path came from.
    pub(super) fn locate(&self, error: ConfigError) -> ConfigError {
        let ConfigError { path, message } = error;
        let origin = self.of(&path);
        ConfigError { path, message: format!("{message} ({origin})") }
    }

    fn of(&self, path: &str) -> String {
        // The longest path that covers this one comes last.
        if let Some((_, name)) = self.env.iter().rfind(|(set, _)| is_within(path, set)) {
            return format!("from {name}");
        }
        if let Some((name, _)) = self.file.as_ref().filter(|(_, tree)| holds(tree, path)) {
            return format!("from {name}");
        }
        let below = self.env.iter().filter(|(set, _)| is_within(set, path));
        let below: Vec<&str> = below.map(|(_, name)| name.as_str()).collect();
        if below.is_empty() {
            return format!("not set; its variable is {}", variable_of(path));
        }
        format!("from {}", below.join(", "))
    }
}

/// Every syntax error with its line. The parser's excerpts are left out: they show values.
fn read_toml(name: &str, text: &str) -> Result<Table, Vec<ConfigError>> {
    let (_, problems) = DeTable::parse_recoverable(text);
    let errors: Vec<_> = problems.iter().map(|problem| syntax_error(name, text, problem)).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    toml::from_str(text).map_err(|problem| vec![syntax_error(name, text, &problem)])
}

fn syntax_error(name: &str, text: &str, problem: &toml::de::Error) -> ConfigError {
    let before = problem.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    ConfigError::new(format!("{name} line {line}"), problem.message().replace('\n', ", "))
}

/// Names of cron jobs are written with `-`, which the name of a variable cannot hold.
fn hyphenate_cron_jobs(tree: &mut Table, errors: &mut Vec<ConfigError>) {
    let Some(jobs) = tree.get_mut("cron").and_then(Value::as_table_mut) else {
        return;
    };
    for (name, job) in std::mem::take(jobs) {
        let name = name.replace('_', "-");
        if jobs.insert(name.clone(), job).is_some() {
            errors.push(ConfigError::new(format!("cron.{name}"), "is written twice, with - and _"));
        }
    }
}

/// `PEYK__SMS__BUDGET_MS` → `["sms", "budget_ms"]`; `None` if a key is empty.
fn keys_of(name: &str) -> Option<Vec<String>> {
    let mut keys: Vec<String> =
        name.strip_prefix(ENV_PREFIX)?.split("__").map(str::to_ascii_lowercase).collect();
    if let [section, job, ..] = keys.as_mut_slice()
        && section == "cron"
    {
        *job = job.replace('_', "-");
    }
    keys.iter().all(|key| !key.is_empty()).then_some(keys)
}

/// `sms.budget_ms` → `PEYK__SMS__BUDGET_MS`.
fn variable_of(path: &str) -> String {
    let keys = path.split('[').next().unwrap_or(path);
    format!("{ENV_PREFIX}{}", keys.replace('.', "__").replace('-', "_").to_ascii_uppercase())
}

/// The text of a file, without the newline at its end. The error does not name the file: whoever
/// mixed up the two variables has put the secret there.
fn read_value(file: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the file cannot be read: {}", error.kind()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Whether `tree` has something at `path`, or a value around it (an array around its element).
fn holds(tree: &Value, path: &str) -> bool {
    let keys = path.split('[').next().unwrap_or(path);
    let found = keys.split('.').try_fold(tree, |value, key| match value {
        Value::Table(table) => table.get(key),
        whole => Some(whole),
    });
    found.is_some()
}
