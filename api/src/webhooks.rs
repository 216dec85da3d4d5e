//! `api webhooks urls`.

use std::fmt::Write;

use anyhow::Context;
use clap::Subcommand;
use shared::{
    config::Config,
    sms::{callbacks::Callbacks, providers},
};

/// What providers are told of this service.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// Print the addresses to enter in the providers' panels; each holds a secret
    Urls,
}

/// Carries out the command and returns what to print.
///
/// # Errors
/// When webhooks are off.
pub(crate) fn execute(config: &Config, command: &WebhooksCommand) -> anyhow::Result<String> {
    let WebhooksCommand::Urls = command;
    let callbacks = Callbacks::new(config).context("webhooks are off: set sms.webhook_secret")?;
    let mut text = String::new();
    for provider in providers::build_all(config, &mut Vec::new()) {
        let name = provider.name();
        match provider.webhook_answer() {
            Some(_) => writeln!(text, "{name}  {}", callbacks.address(name))?,
            None => writeln!(text, "{name}  tells nothing by itself")?,
        }
    }
    if !callbacks.is_public() {
        text.push_str("\nNobody outside reaches these: set http.public_url.\n");
    }
    Ok(text)
}
