//! What a posting does to balances. Pure.

use std::collections::BTreeMap;

use super::{Account, Kind, Posting};
use crate::money::Rials;

/// The balances of some wallets, while postings are applied to them one after the other.
#[derive(Debug, Clone)]
pub struct Books {
    wallets: BTreeMap<i64, Wallet>,
    most: Rials,
}

#[derive(Debug, Clone, Copy)]
struct Wallet {
    balance: Rials,
    changed: bool,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose.
    pub account: Account,
    /// What it got; negative: gave.
    pub amount: Rials,
    /// Of a wallet: what it holds after this line.
    pub balance: Option<Rials>,
}

/// Why a posting is not applied. Nothing of it is, then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A wallet does not hold that much.
    Insufficient,
    /// A wallet would hold more than it may, or than can be counted.
    TooMuch,
}

impl Books {
    /// Wallets by the user and what they hold; all others hold nothing. `most`: what one may come to
    /// hold by a posting of a kind that [`is_bounded`].
    pub fn new(balances: impl IntoIterator<Item = (i64, Rials)>, most: Rials) -> Self {
        let unchanged = |balance| Wallet { balance, changed: false };
        let wallets = balances.into_iter().map(|(user, balance)| (user, unchanged(balance)));
        Self { wallets: wallets.collect(), most }
    }

    /// What a wallet holds.
    pub fn balance(&self, user_id: i64) -> Rials {
        self.wallets.get(&user_id).map_or(Rials::ZERO, |wallet| wallet.balance)
    }

    /// Applies a posting, whole or not at all; its lines, in the order of its legs.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn apply(&mut self, posting: &Posting) -> Result<Vec<Line>, Refusal> {
        let most = is_bounded(posting.kind).then_some(self.most);
        let mut touched = BTreeMap::new();
        let mut lines = Vec::with_capacity(posting.legs.len());
        for (account, amount) in &posting.legs {
            let balance = match account.user_id() {
                Some(user_id) => {
                    let before = touched.get(&user_id).copied();
                    let before = before.unwrap_or_else(|| self.balance(user_id));
                    let balance = after(before, *amount, most)?;
                    touched.insert(user_id, balance);
                    Some(balance)
                }
                None => None,
            };
            lines.push(Line { account: account.clone(), amount: *amount, balance });
        }
        let touched = touched.into_iter();
        self.wallets
            .extend(touched.map(|(user_id, balance)| (user_id, Wallet { balance, changed: true })));
        Ok(lines)
    }

    /// The wallets that postings were applied to, and what they hold now.
    pub fn changed(&self) -> impl Iterator<Item = (i64, Rials)> {
        let changed = self.wallets.iter().filter(|(_, wallet)| wallet.changed);
        changed.map(|(user_id, wallet)| (*user_id, wallet.balance))
    }
}

/// Whether a posting of this kind is refused when a wallet would hold too much. Money that has come in
/// already, and money that was the wallet's own before, is never turned away.
pub const fn is_bounded(kind: Kind) -> bool {
    match kind {
        Kind::Spend | Kind::Hold | Kind::Transfer | Kind::Adjustment => true,
        Kind::Payment
        | Kind::Refund
        | Kind::Reversal
        | Kind::Capture
        | Kind::Release
        | Kind::Import => false,
    }
}

/// `most` bounds what is put in: a wallet that holds more already may still give.
fn after(before: Rials, amount: Rials, most: Option<Rials>) -> Result<Rials, Refusal> {
    let balance = before.checked_add(amount).ok_or(Refusal::TooMuch)?;
    if balance < Rials::ZERO {
        return Err(Refusal::Insufficient);
    }
    if amount > Rials::ZERO && most.is_some_and(|most| balance > most) {
        return Err(Refusal::TooMuch);
    }
    Ok(balance)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn posting(kind: Kind, legs: &[(Account, i64)]) -> Posting {
        Posting {
            key: "k".to_owned(),
            kind,
            reference: String::new(),
            note: String::new(),
            legs: legs.iter().map(|(a, rials)| (a.clone(), Rials::new(*rials))).collect(),
        }
    }

    fn books(balances: &[(i64, i64)], most: i64) -> Books {
        let balances = balances.iter().map(|(user, rials)| (*user, Rials::new(*rials)));
        Books::new(balances, Rials::new(most))
    }

    #[test]
    fn a_wallet_gives_no_more_than_it_holds_and_a_refusal_changes_nothing() {
        let mut books = books(&[(1, 100)], 1_000);
        let spend = |rials: i64| {
            posting(Kind::Spend, &[(Account::Wallet(1), -rials), (Account::Sales, rials)])
        };
        assert_eq!(books.apply(&spend(101)), Err(Refusal::Insufficient));
        assert_eq!(books.changed().count(), 0);
        let lines = books.apply(&spend(100)).unwrap();
        assert_eq!(lines[0].balance, Some(Rials::ZERO));
        assert_eq!(lines[1].balance, None);
        assert_eq!(books.apply(&spend(1)), Err(Refusal::Insufficient));
        let transfer = [(Account::Wallet(2), 5), (Account::Wallet(1), -5)];
        assert_eq!(books.apply(&posting(Kind::Transfer, &transfer)), Err(Refusal::Insufficient));
        assert_eq!(books.balance(2), Rials::ZERO, "the other half is not applied either");
    }

    #[test]
    fn a_wallet_that_gives_to_itself_holds_what_it_held() {
        let mut books = books(&[(1, 100)], 1_000);
        let legs = [(Account::Wallet(1), -60), (Account::Wallet(1), 60)];
        let lines = books.apply(&posting(Kind::Transfer, &legs)).unwrap();
        assert_eq!(lines[0].balance, Some(Rials::new(40)));
        assert_eq!(books.balance(1), Rials::new(100));
    }

    #[test]
    fn what_has_come_in_already_is_not_turned_away() {
        let give = |kind, rials| {
            posting(
                kind,
                &[(Account::Wallet(1), rials), (Account::Gateway("x".to_owned()), -rials)],
            )
        };
        let mut books = books(&[(1, 90)], 100);
        assert_eq!(books.apply(&give(Kind::Adjustment, 11)), Err(Refusal::TooMuch));
        assert!(books.apply(&give(Kind::Adjustment, 10)).is_ok());
        assert!(books.apply(&give(Kind::Payment, 11)).is_ok());
        assert!(books.apply(&give(Kind::Adjustment, -1)).is_ok(), "too much may become less");
        assert_eq!(books.apply(&give(Kind::Payment, i64::MAX)), Err(Refusal::TooMuch));
        assert_eq!(books.balance(1), Rials::new(110));
    }

    /// Whatever is asked for in whatever order: no wallet below zero, everything together zero, and
    /// each wallet holds the sum of its lines.
    #[test]
    fn random_postings_keep_the_sum_and_no_wallet_is_negative() {
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut books = books(&[], 5_000);
            let mut sums: BTreeMap<Account, i64> = BTreeMap::new();
            for _ in 0..200 {
                let posting = random_posting(&mut rng);
                let before = books.clone();
                let Ok(lines) = books.apply(&posting) else {
                    for user in 0..5 {
                        assert_eq!(books.balance(user), before.balance(user), "seed {seed}");
                    }
                    continue;
                };
                for line in lines {
                    let sum = sums.entry(line.account.clone()).or_default();
                    *sum += line.amount.get();
                    if let Account::Wallet(user) = line.account {
                        assert_eq!(line.balance, Some(Rials::new(*sum)), "seed {seed}");
                        assert_eq!(books.balance(user), Rials::new(*sum), "seed {seed}");
                        assert!(*sum >= 0, "seed {seed}");
                    }
                }
                assert_eq!(sums.values().sum::<i64>(), 0, "seed {seed}");
            }
            let changed: Vec<_> = books.changed().collect();
            for (user, balance) in changed {
                assert_eq!(sums[&Account::Wallet(user)], balance.get(), "seed {seed}");
            }
        }
    }

    fn random_posting(rng: &mut StdRng) -> Posting {
        let rials = rng.random_range(1..2_000);
        let wallet = Account::Wallet(rng.random_range(0..5));
        match rng.random_range(0..5) {
            0 => posting(
                Kind::Payment,
                &[(Account::Gateway("zarinpal".to_owned()), -rials), (wallet, rials)],
            ),
            1 => posting(Kind::Spend, &[(wallet, -rials), (Account::Sales, rials)]),
            2 => posting(Kind::Hold, &[(wallet, -rials), (Account::Holds, rials)]),
            3 => posting(Kind::Adjustment, &[(Account::Adjustments, -rials), (wallet, rials)]),
            _ => {
                let other = Account::Wallet(rng.random_range(5..9));
                posting(Kind::Transfer, &[(wallet, -rials), (other, rials)])
            }
        }
    }
}
