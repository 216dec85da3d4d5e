//! `api ledger verify`: the proof of the ledger.

use std::fmt::Write;

use anyhow::{Context, bail};
use clap::Subcommand;
use shared::{
    config::Config,
    db,
    wallets::verify::{self, Proof},
};

/// Looks at the ledger.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Derive every balance from the entries again; fails if anything does not agree
    Verify,
}

/// Carries out the command and prints what came of it.
///
/// # Errors
/// When the database is away, and when something does not agree.
pub(crate) async fn execute(config: &Config, command: LedgerCommand) -> anyhow::Result<()> {
    let LedgerCommand::Verify = command;
    let pool = db::connect(&config.database)?;
    let proof = verify::verify(&pool).await.context("the ledger cannot be read")?;
    super::print(&describe(&proof));
    if proof.count > 0 {
        bail!("{} differences in the ledger", proof.count);
    }
    Ok(())
}

fn describe(proof: &Proof) -> String {
    let mut text = String::new();
    for difference in &proof.differences {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{difference}");
    }
    let (entries, accounts) = (proof.entries, proof.accounts);
    let _ = writeln!(text, "{entries} entries of {accounts} accounts, {} differences", proof.count);
    text
}
