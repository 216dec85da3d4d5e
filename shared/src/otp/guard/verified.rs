//! Giving back what a verified code had taken: behind the login, never in its way. What a dying
//! process does not give back only makes the guard stricter for the rest of the hour or day.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::{Guard, rules::verified_scope, store};
use crate::{batch::BatchWrite, otp::CheckedCode, sms::budget};

/// The shared write that gives back.
pub(in crate::otp) struct GiveBack(pub(in crate::otp) Guard);

/// A code that was verified.
pub(in crate::otp) struct Verified(pub(in crate::otp) CheckedCode);

impl BatchWrite for GiveBack {
    const NAME: &'static str = "give_back_verified";

    type Item = Verified;
    type Answer = ();
    type Key = (String, i64);

    fn key(&self, Verified(code): &Verified) -> Self::Key {
        (code.phone.as_e164().to_owned(), code.generation)
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        codes: &[Verified],
    ) -> Result<Vec<()>, sqlx::Error> {
        let guard = &self.0;
        let mut days: BTreeMap<NaiveDate, BTreeMap<String, i64>> = BTreeMap::new();
        for send in store::sends_of(connection, codes).await? {
            let counted = guard.counted(send.at, &send.phone, send.ip);
            if counted.is_empty() {
                continue;
            }
            let counts = days.entry(send.at.date_naive()).or_default();
            for one in counted {
                *counts.entry(one.scope).or_default() -= guard.given_back();
            }
            let (country, prefix) = guard.places(&send.phone);
            for place in country.into_iter().chain([prefix]) {
                *counts.entry(verified_scope(&place)).or_default() += 1;
            }
        }
        for (day, counts) in days {
            budget::adjust(connection, day, counts).await?;
        }
        Ok(vec![(); codes.len()])
    }
}
