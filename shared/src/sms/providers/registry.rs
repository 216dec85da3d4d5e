//! The kinds of providers, and the accounts of the configuration built of them.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use sqlx::PgPool;

use super::{
    Problem, Setup, SmsProvider, http, ippanel, kavenegar, megafon, melipayamak, parsian_webco,
    sandbox, sms_aero, sms_ir, twilio,
};
use crate::config::{Config, ConfigError, SANDBOX, parse_common};
use crate::http_client::Timeouts;
use crate::settings::Account;
use crate::sms::callbacks::Callbacks;

/// Where accounts are configured.
const SECTION: &str = "sms.providers";

/// Every provider a configured account can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Ippanel,
    Kavenegar,
    Megafon,
    Melipayamak,
    ParsianWebco,
    Sandbox,
    SmsAero,
    SmsIr,
    Twilio,
}

impl Kind {
    /// Reads `kind`, in any case, including the names the systems we replace used.
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Http),
            "ippanel" | "farazsms" => Some(Self::Ippanel),
            "kavenegar" | "kavenegar_com" => Some(Self::Kavenegar),
            "megafon" => Some(Self::Megafon),
            "melipayamak" | "melipayamak_com" | "meli_payamak_com" => Some(Self::Melipayamak),
            "parsian_webco" | "parsian_webco_ir" => Some(Self::ParsianWebco),
            "sandbox" => Some(Self::Sandbox),
            "sms_aero" | "smsaero" => Some(Self::SmsAero),
            "sms_ir" => Some(Self::SmsIr),
            "twilio" => Some(Self::Twilio),
            _ => None,
        }
    }

    /// Whether there are templates at the provider; the others are handed texts only.
    const fn has_templates(self) -> bool {
        !matches!(self, Self::Megafon | Self::SmsAero | Self::Twilio)
    }
}

/// Whether a provider of this `kind` may have templates of its own; see
/// [`crate::sms::templates`].
pub fn has_templates(kind: &str) -> bool {
    Kind::parse(kind).is_none_or(Kind::has_templates)
}

/// The accounts to send through, first choice first, as [`Config::sms_order`] says. What is wrong
/// with any account, used or not, is added to `errors`; `sms.order` itself is checked with the
/// rest of the configuration.
pub fn build(config: &Config, errors: &mut Vec<ConfigError>) -> Vec<Arc<dyn SmsProvider>> {
    ordered(config, &build_each(config, None, errors))
}

/// As [`build`], for a process that sends: sandbox providers do wrong what is planned in this database.
pub fn build_over(config: &Config, pool: &PgPool) -> Vec<Arc<dyn SmsProvider>> {
    ordered(config, &build_each(config, Some(pool), &mut Vec::new()))
}

fn ordered(config: &Config, built: &[Arc<dyn SmsProvider>]) -> Vec<Arc<dyn SmsProvider>> {
    let named = |name: &String| built.iter().find(|provider| provider.name() == name);
    config.sms_order().iter().filter_map(named).cloned().collect()
}

/// Every account, by name, whether or not texts are sent through it: those that are not used any
/// more still report what they carried.
pub fn build_all(config: &Config, errors: &mut Vec<ConfigError>) -> Vec<Arc<dyn SmsProvider>> {
    build_each(config, None, errors)
}

fn build_each(
    config: &Config,
    pool: Option<&PgPool>,
    errors: &mut Vec<ConfigError>,
) -> Vec<Arc<dyn SmsProvider>> {
    let timeouts = Timeouts { connect: config.sms.connect_timeout(), budget: config.sms.budget() };
    let callbacks = Callbacks::new(config);
    let order = config.sms_order();
    let mut tables = config.sms.providers.clone();
    if order.iter().any(|name| name == SANDBOX) {
        // Needs no table.
        tables.entry(SANDBOX.to_owned()).or_default();
    }
    let setup = |name: &String| {
        let webhook_url = callbacks.as_ref().and_then(|callbacks| callbacks.url(name));
        Setup { timeouts, webhook_url }
    };
    for (name, table) in &tables {
        check_common(&Account { section: SECTION, name, table, setup: &setup(name) }, errors);
    }
    tables
        .iter()
        .filter_map(|(name, table)| {
            let account = Account { section: SECTION, name, table, setup: &setup(name) };
            build_one(&account, config.sms.kind(name), pool, errors)
        })
        .collect()
}

/// Checks what every table may hold.
fn check_common(account: &Account<'_, Setup>, errors: &mut Vec<ConfigError>) {
    let path = format!("{SECTION}.{}", account.name);
    let settings = parse_common(account.table, &path, errors).unwrap_or_default();
    if settings.per_second.is_some_and(|texts| !(1..=10_000).contains(&texts)) {
        account.report(vec![Problem::new("per_second", "must be 1 to 10000")], errors);
    }
}

fn build_one(
    account: &Account<'_, Setup>,
    kind: &str,
    pool: Option<&PgPool>,
    errors: &mut Vec<ConfigError>,
) -> Option<Arc<dyn SmsProvider>> {
    match Kind::parse(kind) {
        Some(Kind::ParsianWebco) => built(account, errors, parsian_webco::ParsianWebco::new),
        Some(Kind::Kavenegar) => built(account, errors, kavenegar::Kavenegar::new),
        Some(Kind::Melipayamak) => built(account, errors, melipayamak::Melipayamak::new),
        Some(Kind::Sandbox) => built(account, errors, |name, config, setup| {
            sandbox::Sandbox::configured(name, config, setup).map(|sandbox| sandbox.over(pool))
        }),
        Some(Kind::SmsIr) => built(account, errors, sms_ir::SmsIr::new),
        Some(Kind::Http) => built(account, errors, http::Http::new),
        Some(Kind::Ippanel) => built(account, errors, ippanel::Ippanel::new),
        Some(Kind::Megafon) => built(account, errors, megafon::Megafon::new),
        Some(Kind::SmsAero) => built(account, errors, sms_aero::SmsAero::new),
        Some(Kind::Twilio) => built(account, errors, twilio::Twilio::new),
        None => {
            let message = "is no known kind of provider: http, ippanel (farazsms), kavenegar, \
                           megafon, melipayamak, parsian_webco, sandbox, sms_aero, sms_ir, twilio";
            account.report(vec![Problem::new("kind", message)], errors);
            None
        }
    }
}

/// The provider that `new` makes of its table.
fn built<C: DeserializeOwned, P: SmsProvider + 'static>(
    account: &Account<'_, Setup>,
    errors: &mut Vec<ConfigError>,
    new: impl FnOnce(&str, &C, &Setup) -> Result<P, Vec<Problem>>,
) -> Option<Arc<dyn SmsProvider>> {
    Some(Arc::new(account.build(errors, new)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, Sms};

    /// Names of the providers built and paths of the errors.
    fn outcome(mode: Mode, order: &[&str], providers: &str) -> (Vec<String>, Vec<String>) {
        let config = Config {
            mode,
            sms: Sms {
                order: strings(order),
                providers: toml::from_str(providers).unwrap(),
                ..Sms::default()
            },
            ..Config::default()
        };
        let mut errors = Vec::new();
        let built = build(&config, &mut errors);
        let names = built.iter().map(|provider| provider.name().to_owned()).collect();
        (names, errors.into_iter().map(|error| error.path).collect())
    }

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    const TWO: &str = "[b]\nkind='sandbox'\n[a]\nkind='KAVENEGAR_COM'\napi_key='k'";

    #[test]
    fn the_order_is_the_configured_one_or_that_of_the_names() {
        assert_eq!(outcome(Mode::Production, &[], TWO).0, ["a", "b"]);
        assert_eq!(outcome(Mode::Production, &["b", "a"], TWO).0, ["b", "a"]);
        assert_eq!(outcome(Mode::Production, &["b"], TWO).0, ["b"]);
    }

    #[test]
    fn a_table_without_a_kind_is_named_after_it() {
        let tables = "[Kavenegar]\napi_key='k'\n[sandbox]";
        let expected = (strings(&["Kavenegar", "sandbox"]), strings(&[]));
        assert_eq!(outcome(Mode::Production, &[], tables), expected);
    }

    #[test]
    fn every_kind_is_built_by_all_its_names() {
        let ac = format!("AC{}", "0".repeat(32));
        let cases = [
            ("kavenegar", "api_key='k'".to_owned()),
            ("KAVENEGAR_COM", "api_key='k'".to_owned()),
            ("MELI_PAYAMAK_COM", "username='u'\npassword='p'".to_owned()),
            ("PARSIAN_WEBCO_IR", "api_key='k'".to_owned()),
            ("sms_ir", "api_key='k'".to_owned()),
            ("MegaFon", "login='a'\npassword='b'\nsender='c'".to_owned()),
            ("SmsAero", "email='a'\napi_key='b'".to_owned()),
            ("sms_aero", "email='a'\napi_key='b'".to_owned()),
            ("Twilio", format!("account_sid='{ac}'\nauth_token='b'\nsender='c'")),
        ];
        for (kind, settings) in cases {
            let table = format!("[a]\nkind='{kind}'\n{settings}");
            let expected = (strings(&["a"]), strings(&[]));
            assert_eq!(outcome(Mode::Production, &[], &table), expected, "{kind}");
        }
    }

    #[test]
    fn only_sandbox_mode_has_a_provider_of_its_own() {
        assert_eq!(outcome(Mode::Sandbox, &[], "").0, ["sandbox"]);
        assert!(outcome(Mode::Production, &[], "").0.is_empty());
        assert_eq!(outcome(Mode::Sandbox, &["sandbox"], "").0, ["sandbox"]);
        let both = outcome(Mode::Sandbox, &["sandbox", "kavenegar"], "[kavenegar]\napi_key='k'");
        assert_eq!(both, (strings(&["sandbox", "kavenegar"]), strings(&[])));
    }

    #[test]
    fn every_mistake_is_named_with_its_path() {
        let tables = "[a]\n[b]\nkind=7\n[c]\nkind='kavenegar'\napi_key=''\nbase_url='x'";
        let (built, errors) = outcome(Mode::Production, &[], tables);
        assert!(built.is_empty());
        let expected = [
            "sms.providers.a.kind",
            "sms.providers.b.kind",
            "sms.providers.c.base_url",
            "sms.providers.c.api_key",
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_bound_of_the_line_is_read_for_every_kind_and_has_its_own_bounds() {
        let tables = "[sandbox]\nper_second=1\n[kavenegar]\napi_key='k'\nper_second=10000";
        assert!(outcome(Mode::Sandbox, &[], tables).1.is_empty());
        let tables = "[sandbox]\nper_second=0\n[kavenegar]\napi_key='k'\nper_second=-1";
        let expected = ["sms.providers.kavenegar.per_second", "sms.providers.sandbox.per_second"];
        assert_eq!(outcome(Mode::Sandbox, &[], tables).1, expected);
    }

    #[test]
    fn every_kind_is_found_by_its_names_and_reads_its_own_table() {
        let tables = "[a]\nkind='FarazSMS'\napi_key='k'\nsender='+983000505'\n\
            [ippanel]\napi_key='k'\nsender='+98'\nvariables={token='code'}\n\
            [own]\nkind='http'\nbase_url='https://a'\nanswer={statuses=[200]}\n\
            secrets={key='k'}\ntext={query={to='{to}',text='{text}',key='{secret.key}'}}";
        let expected = (strings(&["a", "ippanel", "own"]), strings(&[]));
        assert_eq!(outcome(Mode::Production, &[], tables), expected);
        let tables = tables.replace("{text}", "").replace("'k'", "''").replace("'https", "'x");
        let (built, errors) = outcome(Mode::Production, &[], &tables);
        let expected = ["a.api_key", "ippanel.api_key", "own.base_url", "own.secrets", "own.text"];
        assert_eq!(errors, expected.map(|path| format!("sms.providers.{path}")));
        assert!(built.is_empty());
    }

    #[test]
    fn unknown_keys_are_mistakes() {
        let (_, errors) = outcome(Mode::Sandbox, &[], "[sandbox]\ncolour='red'");
        assert!(errors.iter().any(|path| path.contains("sandbox")), "{errors:?}");
    }
}
