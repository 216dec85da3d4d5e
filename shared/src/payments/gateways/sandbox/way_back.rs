//! How a payer comes back from each gateway. Pure.

use reqwest::Url;
use serde_json::json;

use super::{
    Imitation,
    bank::{BankPage, PageState},
};

/// Where the payer's browser goes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayBack {
    /// It follows a link or a redirect.
    Get(String),
    /// It posts a form, from another site.
    Post {
        /// Where to.
        url: String,
        /// The fields, in order.
        fields: Vec<(&'static str, String)>,
    },
}

impl WayBack {
    pub(super) fn of(page: &BankPage) -> Self {
        let paid = page.state == PageState::Paid;
        match page.imitates {
            Imitation::ZarinPal => {
                let status = if paid { "OK" } else { "NOK" };
                Self::get(page, &[("Authority", &page.authority), ("Status", status)])
            }
            Imitation::Zibal => {
                let (success, status) = match page.state {
                    PageState::Paid => ("1", "2"),
                    PageState::Cancelled => ("0", "3"),
                    PageState::Failed => ("0", "5"),
                    PageState::Open => ("0", "-1"),
                };
                let told = [
                    ("success", success),
                    ("trackId", page.authority.as_str()),
                    ("orderId", &page.client_ref),
                    ("status", status),
                ];
                Self::get(page, &told)
            }
            Imitation::PayPing => Self::payping(page, paid),
        }
    }

    /// The merchant's own parameters stay as they are.
    fn get(page: &BankPage, told: &[(&str, &str)]) -> Self {
        let Ok(mut url) = Url::parse(&page.callback_url) else {
            return Self::Get(page.callback_url.clone());
        };
        url.query_pairs_mut().extend_pairs(told);
        Self::Get(url.into())
    }

    fn payping(page: &BankPage, paid: bool) -> Self {
        let mut data = json!({
            "clientRefId": page.client_ref,
            "paymentCode": page.authority,
            "amount": page.amount().to_tomans(),
            "gatewayAmount": page.amount().to_tomans(),
        });
        if paid {
            let (pan, hash) = BankPage::card();
            data["paymentRefId"] = page.ref_id.into();
            data["cardNumber"] = pan.into();
            data["cardHashPan"] = hash.into();
        }
        let (status, error) = if paid { ("1", "") } else { ("0", "127") };
        let fields = vec![
            ("status", status.to_owned()),
            ("errorCode", error.to_owned()),
            ("data", data.to_string()),
        ];
        Self::Post { url: page.callback_url.clone(), fields }
    }
}
