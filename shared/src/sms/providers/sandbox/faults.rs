//! What people have the sandbox provider do wrong, to see what Peyk makes of it. A row that every worker
//! reads with each text; only sandbox mode has one.

use sqlx::PgPool;

use super::store;

/// Something a provider does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Fault {
    /// It will not carry texts.
    Refuse,
    /// It takes most of the time a call may take.
    Slow,
    /// It carries texts and never answers; when it is asked afterwards it says so.
    TimeOut,
}

impl Fault {
    /// All.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Slow, Self::TimeOut];

    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Slow => "slow",
            Self::TimeOut => "time_out",
        }
    }

    /// The fault with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == word)
    }
}

/// What is to go wrong with one provider's next texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The provider.
    pub provider: String,
    /// `None`: nothing.
    pub fault: Option<Fault>,
    /// With how many more texts; `None`: until somebody says otherwise.
    pub remaining: Option<i32>,
}

/// What is planned for these providers, in their order.
///
/// # Errors
/// When the database is away.
pub async fn planned(pool: &PgPool, providers: &[String]) -> Result<Vec<Planned>, sqlx::Error> {
    let mut known = store::planned(pool).await?;
    let of = |provider: &String| {
        let place = known.iter().position(|plan| plan.provider == *provider);
        let plan = place.map(|place| known.swap_remove(place));
        // What is used up is nothing any more.
        plan.filter(|plan| plan.remaining != Some(0)).unwrap_or_else(|| Planned {
            provider: provider.clone(),
            fault: None,
            remaining: None,
        })
    };
    Ok(providers.iter().map(of).collect())
}

/// Plans a fault, in place of what was planned before.
///
/// # Errors
/// When the database is away.
pub async fn plan(pool: &PgPool, plan: &Planned) -> Result<(), sqlx::Error> {
    store::plan(pool, plan).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_back() {
        for fault in Fault::ALL {
            assert_eq!(Fault::parse(fault.as_str()), Some(fault));
        }
        assert_eq!(Fault::parse(""), None);
    }
}
