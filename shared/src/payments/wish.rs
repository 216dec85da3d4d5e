//! What a request for a payment may ask for: the client wishes, the configuration decides.

use serde::Serialize;

use super::{
    Payments, Purpose, base_url,
    gateways::{Guarded, Kind},
};
use crate::{
    config::Config,
    money::{Amount, Currency, Rials},
    users::email,
};

/// A payment as it was asked for. Serialised, it is the fingerprint of the request under an
/// idempotency key. Has no `Debug`: it names a person.
#[derive(Clone, Serialize)]
pub struct Wish {
    /// See [`NewPayment::order_id`].
    pub order_id: String,
    /// See [`NewPayment::description`].
    pub description: String,
    /// So many of the currency.
    pub amount: i64,
    /// `None`: the configured one.
    pub currency: Option<String>,
    /// The number of a [`Purpose`]; `None`: the first configured one.
    pub pay_mode: Option<i64>,
    /// A configured name, or what the old systems call the gateway; `None`: the configured one.
    pub gateway: Option<String>,
    /// `None`: the configured one.
    pub callback_url: Option<String>,
    /// `None`: whoever comes back gets JSON.
    pub frontend_callback_url: Option<String>,
    /// May be empty.
    pub mobile: String,
    /// May be empty.
    pub email: String,
}

/// A payment that may be written down. Has no `Debug`: it names a person.
#[derive(Clone)]
pub struct NewPayment {
    /// Who pays, and whose wallet it may go to.
    pub user_id: i64,
    /// The shop's own name for what is paid, at most 64 characters; may be empty.
    pub order_id: String,
    /// At most 500 characters; may be empty.
    pub description: String,
    /// The payer's number in the national form; may be empty.
    pub mobile: String,
    /// May be empty.
    pub email: String,
    /// What is to be paid.
    pub amount: Amount,
    /// What the money is for.
    pub purpose: Purpose,
    /// The configured name.
    pub gateway: String,
    /// Where the gateway sends the payer back to.
    pub callback_url: String,
    /// Where we send the payer on to.
    pub frontend_callback_url: Option<String>,
}

/// What is wrong with one field of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The field.
    pub field: &'static str,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// Why there can be no payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WishRefused {
    /// There is no gateway to pay at.
    Off,
    /// The client asks for what it may not have.
    Wrong(Vec<Wrong>),
}

/// What is wrong so far.
#[derive(Default)]
struct Wrongs(Vec<Wrong>);

impl Wrongs {
    fn note(&mut self, field: &'static str, code: &'static str, message: impl Into<String>) {
        self.0.push(Wrong { field, code, message: message.into() });
    }

    fn no_choice(&mut self, field: &'static str, given: &str) {
        let given: String = given.chars().take(64).collect();
        self.note(field, "invalid_choice", format!("\"{given}\" is not a valid choice."));
    }
}

impl Payments {
    /// Reads a wish by the rules of the configuration.
    ///
    /// # Errors
    /// [`WishRefused`], with everything that is wrong.
    pub fn consider(&self, user_id: i64, wish: Wish) -> Result<NewPayment, WishRefused> {
        let default = self.config.default_gateway().ok_or(WishRefused::Off)?;
        let mut wrongs = Wrongs::default();
        let gateway = self.choose_gateway(&default, wish.gateway.as_deref(), &mut wrongs);
        let currency = self.choose_currency(wish.currency.as_deref(), &mut wrongs);
        let purpose = self.choose_purpose(wish.pay_mode, &mut wrongs);
        let amount = currency.and_then(|currency| {
            self.admit_amount(wish.amount, currency, gateway.as_deref(), &mut wrongs)
        });
        let callback_url = self.admit_url("callback_url", wish.callback_url, &mut wrongs);
        let frontend = "frontend_callback_url";
        let frontend_callback_url =
            self.admit_url(frontend, wish.frontend_callback_url, &mut wrongs);
        let mobile = self.admit_mobile(&wish.mobile, &mut wrongs);
        if !wish.email.is_empty() && !email::is_email(&wish.email) {
            wrongs.note("email", "invalid", "Enter a valid email address.");
        }
        match (gateway, amount, purpose) {
            (Some(gateway), Some(amount), Some(purpose)) if wrongs.0.is_empty() => Ok(NewPayment {
                user_id,
                order_id: wish.order_id,
                description: wish.description,
                mobile,
                email: wish.email,
                amount,
                purpose,
                gateway,
                callback_url: callback_url.unwrap_or_else(|| way_back(&self.config)),
                frontend_callback_url,
            }),
            _ => Err(WishRefused::Wrong(wrongs.0)),
        }
    }

    fn choose_gateway(
        &self,
        default: &str,
        wished: Option<&str>,
        wrongs: &mut Wrongs,
    ) -> Option<String> {
        let Some(wished) = wished else { return Some(default.to_owned()) };
        let payments = &self.config.payments;
        let choices = payments.choices.iter().map(String::as_str);
        let choices = choices.chain([default]).collect::<Vec<_>>();
        let by_name = choices.iter().find(|name| name.eq_ignore_ascii_case(wished));
        let by_kind = || {
            let kind = Kind::parse(wished)?;
            choices.iter().find(|name| Kind::parse(payments.kind(name)) == Some(kind))
        };
        let chosen = by_name.or_else(by_kind).map(|name| (*name).to_owned());
        if chosen.is_none() {
            wrongs.no_choice("gateway", wished);
        }
        chosen
    }

    fn choose_currency(&self, wished: Option<&str>, wrongs: &mut Wrongs) -> Option<Currency> {
        let payments = &self.config.payments;
        let Some(wished) = wished else { return Some(payments.currency) };
        let chosen = Currency::parse(wished).filter(|it| payments.currencies.contains(it));
        if chosen.is_none() {
            wrongs.no_choice("currency", wished);
        }
        chosen
    }

    fn choose_purpose(&self, wished: Option<i64>, wrongs: &mut Wrongs) -> Option<Purpose> {
        let allowed = &self.config.payments.purposes;
        let named = |word: &String| Purpose::ALL.into_iter().find(|it| it.as_str() == word);
        let Some(wished) = wished else { return allowed.first().and_then(named) };
        let chosen = Purpose::from_pay_mode(wished)
            .filter(|purpose| allowed.iter().any(|word| word == purpose.as_str()));
        if chosen.is_none() {
            wrongs.no_choice("pay_mode", &wished.to_string());
        }
        chosen
    }

    /// Positive, within our own bounds and those of the gateway.
    fn admit_amount(
        &self,
        value: i64,
        currency: Currency,
        gateway: Option<&str>,
        wrongs: &mut Wrongs,
    ) -> Option<Amount> {
        const FIELD: &str = "amount";
        if value <= 0 {
            wrongs.note(FIELD, "min_value", "Ensure this value is greater than or equal to 1.");
            return None;
        }
        let Some(amount) = Amount::new(value, currency) else {
            wrongs.note(FIELD, "max_value", "This is more than can be paid.");
            return None;
        };
        let can = gateway.and_then(|name| self.gateways.get(name)).map(Guarded::capabilities);
        let least = Rials::new(self.config.payments.least_rials);
        let least = can.map_or(least, |can| can.least.max(least));
        let most = Rials::new(self.config.payments.most_rials);
        let most = can.map_or(most, |can| can.most.min(most));
        let rials = amount.rials();
        if rials < least {
            wrongs.note(FIELD, "min_value", format!("At least {least} rials can be paid."));
        } else if rials > most {
            wrongs.note(FIELD, "max_value", format!("At most {most} rials can be paid."));
        } else if can.is_some_and(|can| can.whole_tomans) && rials.to_tomans().is_none() {
            wrongs.note(FIELD, "whole_tomans", "This gateway takes whole tomans only.");
        } else {
            return Some(amount);
        }
        None
    }

    fn admit_url(
        &self,
        field: &'static str,
        url: Option<String>,
        wrongs: &mut Wrongs,
    ) -> Option<String> {
        let hosts = if field == "callback_url" { &self.callbacks } else { &self.frontends };
        let admitted = hosts.admit(&url?);
        admitted.inspect_err(|wrong| wrongs.note(field, wrong.code, wrong.message)).ok()
    }

    /// As the old system kept it: `09123456789`.
    fn admit_mobile(&self, text: &str, wrongs: &mut Wrongs) -> String {
        if text.is_empty() {
            return String::new();
        }
        if let Ok(phone) = self.phones.parse(text) {
            return phone.to_national();
        }
        wrongs.note("mobile", "invalid", "Enter a valid mobile number.");
        String::new()
    }
}

/// Where gateways send a payer back to unless a request names another place.
fn way_back(config: &Config) -> String {
    if !config.payments.callback_url.is_empty() {
        return config.payments.callback_url.clone();
    }
    format!("{}/payment/verify/", base_url(config))
}
