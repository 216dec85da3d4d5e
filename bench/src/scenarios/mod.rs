//! What is measured, in order.

mod accept;
mod backlog;
mod bearer;
mod bulk;
mod chat;
mod chat_pages;
mod closed;
mod console;
mod drain;
mod fan;
mod idle;
mod latency;
mod login;
mod pages;
mod payments;
mod sockets;
mod wallets;
mod yardsticks;

use crate::{Options, Part, report::Report, system::System};

/// Measures everything that is asked for.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut idle, mut maximum) = (None, None);
    if options.wants(Part::Idle) {
        idle = Some(idle::measure(options, system).await?);
    }
    if options.wants(Part::Accept) {
        maximum = Some(accept::measure(options, system, report).await?);
    }
    if options.wants(Part::Login) {
        login::measure(options, system, report).await?;
    }
    if options.wants(Part::Latency) {
        latency::measure(options, system, report, maximum).await?;
    }
    if let Some(idle) = idle {
        idle.report(options, system, report).await?;
    }
    if options.wants(Part::Drain) {
        drain::measure(options, system, report).await?;
    }
    if options.wants(Part::Bulk) {
        bulk::measure(options, system, report).await?;
    }
    if options.wants(Part::Backlog) {
        backlog::measure(options, system, report).await?;
    }
    if options.wants(Part::Bearer) {
        bearer::measure(options, system, report).await?;
    }
    if options.wants(Part::Payments) {
        payments::measure(options, system, report).await?;
    }
    if options.wants(Part::Wallets) {
        wallets::measure(options, system, report).await?;
    }
    if options.wants(Part::Chat) {
        chat::measure(options, system, report).await?;
    }
    if options.wants(Part::ChatPages) {
        chat_pages::measure(options, system, report).await?;
    }
    if options.wants(Part::Fan) {
        fan::measure(options, system, report).await?;
    }
    if options.wants(Part::Sockets) {
        sockets::measure(options, system, report).await?;
    }
    if options.wants(Part::Console) {
        console::measure(options, system, report).await?;
    }
    if options.wants(Part::Yardsticks) {
        yardsticks::measure(options, system, report).await?;
    }
    Ok(())
}
