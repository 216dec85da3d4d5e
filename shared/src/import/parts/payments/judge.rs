//! What a payment of the old system says, judged by itself. Pure.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::amount::whole;
use crate::{
    import::{
        report::Reason,
        source::{Row, Unreadable, read_time},
    },
    money::{Amount, Currency},
    payments::{Purpose, State, gateways::Kind},
};

/// What a payment belongs to whose gateway is none, or none that is known.
const NO_GATEWAY: &str = "imported";

/// The columns, in the order they are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    UserId,
    OrderId,
    Amount,
    Description,
    CallbackUrl,
    FrontendCallbackUrl,
    Mobile,
    Email,
    Currency,
    PayMode,
    Status,
    StatusCode,
    Message,
    GatewayTitle,
    GatewayUrl,
    Authority,
    RefId,
    CardPan,
    CardHash,
    CreatedAt,
    UpdatedAt,
}

impl Field {
    /// Their names there, in order.
    pub(super) const NAMES: [&'static str; 21] = [
        "user_id",
        "order_id",
        "amount",
        "description",
        "callback_url",
        "frontend_callback_url",
        "mobile",
        "email",
        "currency",
        "pay_mode",
        "status",
        "status_code",
        "message",
        "gateway_title",
        "gateway_url",
        "authority",
        "ref_id",
        "card_pan",
        "card_hash",
        "created_at",
        "updated_at",
    ];
}

/// A payment as it will be here. Has no `Debug`: it names a person.
#[derive(Clone)]
pub(in crate::import) struct Payment {
    pub(in crate::import) id: i64,
    pub(in crate::import) user_id: i64,
    pub(in crate::import) order_id: String,
    pub(in crate::import) description: String,
    pub(in crate::import) mobile: String,
    pub(in crate::import) email: String,
    pub(in crate::import) amount: Amount,
    pub(in crate::import) purpose: Purpose,
    pub(in crate::import) gateway: String,
    pub(in crate::import) callback_url: String,
    pub(in crate::import) frontend_callback_url: Option<String>,
    pub(in crate::import) state: State,
    pub(in crate::import) gateway_code: Option<i32>,
    pub(in crate::import) gateway_message: Option<String>,
    /// Of a payment that was paid.
    pub(in crate::import) ref_id: Option<i64>,
    pub(in crate::import) card_pan: Option<String>,
    pub(in crate::import) card_hash: Option<String>,
    /// The gateway's page, and where it was.
    pub(in crate::import) authority: Option<String>,
    pub(in crate::import) page_url: Option<String>,
    pub(in crate::import) created_at: DateTime<Utc>,
    pub(in crate::import) updated_at: DateTime<Utc>,
}

/// By what rows are judged.
pub(super) struct Rules {
    /// The configured gateways.
    pub(super) gateways: Vec<(Kind, String)>,
    /// What those were counted in that do not say.
    pub(super) currency: Option<Currency>,
    pub(super) time_zone: Tz,
}

impl Rules {
    pub(super) fn created_at(&self, row: &Row) -> Option<DateTime<Utc>> {
        self.time(row, Field::CreatedAt)
    }

    fn time(&self, row: &Row, field: Field) -> Option<DateTime<Utc>> {
        read_time(row.text(field as usize).ok()??, self.time_zone)
    }

    /// A payment and what there is to note of it, or why it cannot come.
    pub(super) fn payment(&self, row: &Row) -> Result<(Payment, Vec<Reason>), Reason> {
        let text = |field: Field| row.text(field as usize).map_err(|Unreadable| Reason::Unreadable);
        let user_id = text(Field::UserId)?.and_then(|id| id.parse().ok());
        let user_id = user_id.ok_or(Reason::OwnerMissing)?;
        let kind = text(Field::GatewayTitle)?.and_then(|title| Kind::parse(title.trim()));
        let currency = self.currency(kind, text(Field::Currency)?.unwrap_or_default().trim())?;
        let amount = text(Field::Amount)?.and_then(whole);
        let amount = amount.and_then(|amount| Amount::new(amount, currency));
        let mode = text(Field::PayMode)?.map_or(Some(1), |mode| mode.parse().ok());
        let mut notes = Vec::new();
        let created_at = self.created_at(row);
        notes.extend(created_at.is_none().then_some(Reason::DateUnreadable));
        let created_at = created_at.unwrap_or_default();
        let state = state(text(Field::Status)?.unwrap_or_default())?;
        let authority = text(Field::Authority)?.map(str::trim).filter(|text| !text.is_empty());
        let kept = authority.filter(|text| text.chars().count() <= 128 && kind.is_some());
        notes.extend((kept != authority).then_some(Reason::AuthorityLeftOut));
        let cut = |field, most| text(field).map(|text| cut(text.unwrap_or_default(), most));
        let some =
            |field, most| cut(field, most).map(|text| Some(text).filter(|it| !it.is_empty()));
        let ref_id = text(Field::RefId)?.and_then(|id| id.parse().ok()).filter(|id| *id > 0);
        let payment = Payment {
            id: row.id,
            user_id,
            order_id: cut(Field::OrderId, 64)?,
            description: cut(Field::Description, 500)?,
            mobile: cut(Field::Mobile, 20)?,
            email: cut(Field::Email, 254)?,
            amount: amount.ok_or(Reason::AmountBad)?,
            purpose: mode.and_then(Purpose::from_pay_mode).ok_or(Reason::PayModeBad)?,
            gateway: self.gateway(kind),
            callback_url: cut(Field::CallbackUrl, 2_000)?,
            frontend_callback_url: some(Field::FrontendCallbackUrl, 2_000)?,
            state,
            gateway_code: text(Field::StatusCode)?.and_then(|code| code.parse().ok()),
            gateway_message: some(Field::Message, 500)?,
            ref_id: ref_id.filter(|_| state.was_paid()),
            card_pan: text(Field::CardPan)?.and_then(mask),
            card_hash: text(Field::CardHash)?.filter(|hash| is_hash(hash)).map(str::to_owned),
            authority: kept.map(str::to_owned),
            page_url: some(Field::GatewayUrl, 2_000)?,
            created_at,
            updated_at: self.time(row, Field::UpdatedAt).unwrap_or(created_at),
        };
        Ok((payment, notes))
    }

    /// The old package never told `PayPing` of a currency, which counts in tomans, and `ZarinPal` counts
    /// in rials unless told.
    fn currency(&self, kind: Option<Kind>, word: &str) -> Result<Currency, Reason> {
        match (kind, word) {
            (Some(Kind::PayPing), _) => Ok(Currency::Irt),
            (Some(Kind::ZarinPal), "") => Ok(Currency::Irr),
            (_, "") => self.currency.ok_or(Reason::CurrencyBad),
            (_, word) => Currency::parse(word).ok_or(Reason::CurrencyBad),
        }
    }

    /// The configured gateway of this kind, else the name one would have.
    fn gateway(&self, kind: Option<Kind>) -> String {
        let Some(kind) = kind else { return NO_GATEWAY.to_owned() };
        let configured = self.gateways.iter().find(|(of, _)| *of == kind);
        configured.map_or_else(|| usual_name(kind).to_owned(), |(_, name)| name.clone())
    }
}

const fn usual_name(kind: Kind) -> &'static str {
    match kind {
        Kind::PayPing => "payping",
        Kind::Sandbox => "sandbox",
        Kind::ZarinPal => "zarinpal",
        Kind::Zibal => "zibal",
    }
}

/// What an old word comes to. Nobody is going to pay what was left unpaid, and if somebody did after
/// all, the gateway may still say so.
fn state(word: &str) -> Result<State, Reason> {
    match word {
        "paid" => Ok(State::Paid),
        "unpaid" => Ok(State::Expired),
        "canceled" => Ok(State::Cancelled),
        "refounded" => Ok(State::Refunded),
        _ => Err(Reason::StatusBad),
    }
}

fn cut(text: &str, most: usize) -> String {
    text.trim().chars().take(most).collect()
}

/// A card's number with no more of it than its first six and last four digits. The old system took it
/// from whoever came back.
fn mask(pan: &str) -> Option<String> {
    let kept =
        |character: &char| character.is_ascii_digit() || matches!(character, '*' | 'X' | 'x');
    let marks: Vec<char> = pan.chars().filter(kept).take(32).collect();
    if marks.len() < 10 {
        return None;
    }
    let hidden = 6..marks.len() - 4;
    let shown = marks.iter().enumerate();
    Some(shown.map(|(at, mark)| if hidden.contains(&at) { '*' } else { *mark }).collect())
}

fn is_hash(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(Field, &str)]) -> Row {
        let mut all = [None; Field::NAMES.len()];
        let usual = [
            (Field::UserId, "3"),
            (Field::Amount, "1000.0"),
            (Field::PayMode, "1"),
            (Field::Status, "paid"),
            (Field::CreatedAt, "2024-03-01 10:00:00"),
            (Field::GatewayTitle, "ZARINPAL_COM"),
        ];
        for (field, text) in usual.iter().chain(cells) {
            all[*field as usize] = Some(*text);
        }
        Row::of(7, &all)
    }

    fn judge(cells: &[(Field, &str)]) -> Result<(Payment, Vec<Reason>), Reason> {
        let gateways = vec![(Kind::ZarinPal, "main".to_owned())];
        let rules = Rules { gateways, currency: Some(Currency::Irt), time_zone: Tz::UTC };
        rules.payment(&row(cells))
    }

    fn good(cells: &[(Field, &str)]) -> Payment {
        judge(cells).map_or_else(|reason| panic!("{reason:?}"), |(payment, _)| payment)
    }

    fn refused(cells: &[(Field, &str)]) -> Option<Reason> {
        judge(cells).err()
    }

    #[test]
    fn money_is_what_the_gateway_was_told_and_never_ten_times_that() {
        let rials = |cells| good(cells).amount.rials().get();
        assert_eq!(rials(&[]), 1_000, "ZarinPal counts in rials unless told");
        assert_eq!(rials(&[(Field::Currency, "IRT")]), 10_000);
        assert_eq!(rials(&[(Field::Currency, "IRR")]), 1_000);
        let payping = [(Field::GatewayTitle, "PAYPING_IR"), (Field::Currency, "IRR")];
        assert_eq!(rials(&payping), 10_000, "PayPing was never told");
        assert_eq!(rials(&[(Field::GatewayTitle, "")]), 10_000, "as the importer says");
        assert_eq!(refused(&[(Field::Currency, "USD")]), Some(Reason::CurrencyBad));
        for amount in ["1000.5", "0", "-500", "abc", ""] {
            assert_eq!(refused(&[(Field::Amount, amount)]), Some(Reason::AmountBad), "{amount}");
        }
    }

    #[test]
    fn old_words_become_states_and_others_are_refused() {
        let state = |word| good(&[(Field::Status, word)]).state;
        assert_eq!(
            ["paid", "unpaid", "canceled", "refounded"].map(state),
            [State::Paid, State::Expired, State::Cancelled, State::Refunded]
        );
        assert_eq!(refused(&[(Field::Status, "odd")]), Some(Reason::StatusBad));
        assert_eq!(refused(&[(Field::PayMode, "3")]), Some(Reason::PayModeBad));
        assert_eq!(refused(&[(Field::UserId, "")]), Some(Reason::OwnerMissing));
    }

    #[test]
    fn a_reference_counts_only_where_something_was_paid() {
        let ref_id = |status| good(&[(Field::Status, status), (Field::RefId, "201")]).ref_id;
        assert_eq!([ref_id("paid"), ref_id("unpaid")], [Some(201), None]);
    }

    #[test]
    fn cards_are_masked_whatever_was_there() {
        let pan = |pan| good(&[(Field::CardPan, pan)]).card_pan;
        assert_eq!(pan("5022291234565995").as_deref(), Some("502229******5995"));
        assert_eq!(pan("502229******5995").as_deref(), Some("502229******5995"));
        assert_eq!(pan("6037-99**-****-1234").as_deref(), Some("603799******1234"));
        for junk in ["", "1", "<script>", "none"] {
            assert_eq!(pan(junk), None, "{junk}");
        }
    }

    #[test]
    fn pages_belong_to_the_configured_gateway_and_to_none_if_it_is_not_known() {
        let page = [(Field::Authority, "A1"), (Field::GatewayTitle, "ZARINPAL_COM")];
        assert_eq!(
            (good(&page).gateway.as_str(), good(&page).authority.as_deref()),
            ("main", Some("A1"))
        );
        assert_eq!(good(&[(Field::GatewayTitle, "PAYPING_IR")]).gateway, "payping");
        let (payment, notes) = judge(&[(Field::Authority, "A1"), (Field::GatewayTitle, "odd")])
            .map_err(|reason| panic!("{reason:?}"))
            .unwrap_or_else(|()| unreachable!());
        assert_eq!((payment.gateway.as_str(), payment.authority), (NO_GATEWAY, None));
        assert_eq!(notes, [Reason::AuthorityLeftOut]);
    }
}
