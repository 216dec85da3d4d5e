//! Giving back what a send had taken, when its code was verified or no provider took its text:
//! behind what found that out, never in its way. What a dying process does not give back only
//! makes the guard stricter for the rest of the hour or day.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::{
    Guard, UNIT,
    rules::verified_scope,
    store::{self, CountedSend},
};
use crate::{batch::BatchWrite, otp::CheckedCode, sms::budget};

/// The shared write that gives back.
pub(in crate::otp) struct GiveBack(pub(in crate::otp) Guard);

/// A send that is not to be held against anybody.
pub(in crate::otp) enum Return {
    /// The latest of this code, which was verified.
    Verified(CheckedCode),
    /// That of this message (`local_id`), which nobody got.
    Unsent(i64),
}

type Counts = BTreeMap<NaiveDate, BTreeMap<String, i64>>;

impl GiveBack {
    fn add(&self, counts: &mut Counts, send: &CountedSend, amount: i64) {
        for one in self.0.counted(send.at, &send.phone, send.ip) {
            let of_day = counts.entry(send.at.date_naive()).or_default();
            *of_day.entry(one.scope).or_default() -= amount;
        }
    }

    /// For what is usual of its places, if they are watched at all.
    fn add_verified(&self, counts: &mut Counts, send: &CountedSend) {
        let Some(of_day) = counts.get_mut(&send.at.date_naive()) else { return };
        let (country, prefix) = self.0.places(&send.phone);
        for place in country.into_iter().chain([prefix]) {
            *of_day.entry(verified_scope(&place)).or_default() += 1;
        }
    }
}

impl BatchWrite for GiveBack {
    const NAME: &'static str = "guard_give_back";

    type Item = Return;
    type Answer = ();
    type Key = (String, i64);

    fn key(&self, item: &Return) -> Self::Key {
        match item {
            Return::Verified(code) => (code.phone.as_e164().to_owned(), code.generation),
            Return::Unsent(local_id) => (String::new(), *local_id),
        }
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        items: &[Return],
    ) -> Result<Vec<()>, sqlx::Error> {
        let verified: Vec<_> = items
            .iter()
            .filter_map(|item| if let Return::Verified(code) = item { Some(code) } else { None })
            .collect();
        let unsent: Vec<_> = items
            .iter()
            .filter_map(|item| if let Return::Unsent(id) = item { Some(*id) } else { None })
            .collect();
        let mut counts = Counts::new();
        for send in store::sends_of(connection, &verified).await? {
            self.add(&mut counts, &send, self.0.given_back());
            self.add_verified(&mut counts, &send);
        }
        for send in store::sends_as(connection, &unsent).await? {
            self.add(&mut counts, &send, UNIT);
        }
        for (day, counts) in counts {
            budget::adjust(connection, day, counts).await?;
        }
        Ok(vec![(); items.len()])
    }
}
