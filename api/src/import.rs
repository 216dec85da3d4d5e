//! `api import-django`.

use std::{fmt::Write, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use shared::{
    chat::files::Files,
    clock::{Clock, SystemClock},
    config::Config,
    db,
    import::{self, Mode, Options, Reason, Summary, Tally, TimeZone},
    money::Currency,
    payments::gateways::Kind,
    phone::PhoneRules,
};

/// Where to import from, and how.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct ImportDjango {
    /// URL of the old database (`postgres://…`, `mysql://…` or `sqlite:///path`), or @ and the path of a
    /// file that has it: a command line is no place for a password
    #[arg(long)]
    from: String,
    /// Only look at the old database and say what would be refused
    #[arg(long, group = "mode")]
    check: bool,
    /// Do everything, and take every batch back
    #[arg(long, group = "mode")]
    dry_run: bool,
    /// Go on after the last batch of an import that was begun before
    #[arg(long, group = "mode")]
    resume: bool,
    /// Look at every row again, import what is not here and leave what is as it is
    #[arg(long, group = "mode")]
    again: bool,
    /// Write a line of JSON about each row that is refused or imported in part
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Names and numbers in that file too, not just ids
    #[arg(long, requires = "report")]
    full: bool,
    /// Succeed although rows were refused
    #[arg(long)]
    allow_refused: bool,
    /// Make superusers administrators and other staff viewers here
    #[arg(long)]
    staff: bool,
    /// The table of accounts
    #[arg(long, default_value = "auth_user")]
    user_table: String,
    /// Its column with the phone (`SMS_USER_FIELD`), where django-chelseru has none
    #[arg(long)]
    phone_field: Option<String>,
    /// The old `TIME_ZONE`, if `USE_TZ` was off
    #[arg(long, default_value = "UTC", value_parser = import::time_zone)]
    time_zone: TimeZone,
    /// What the old site counted money in (`BANK.SETTINGS.CURRENCY`), IRT or IRR: its wallets do not say
    #[arg(long, value_parser = import::currency)]
    currency: Option<Currency>,
    /// The folder of the old site's files (`MEDIA_ROOT`): those that messages have come along
    #[arg(long, value_name = "DIR")]
    media: Option<PathBuf>,
    /// Rows that are committed together
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
}

/// Imports and prints what came of it.
///
/// # Errors
/// When rows were refused and nobody allowed that, and for all that ends an import early.
pub(crate) async fn execute(config: &Config, command: ImportDjango) -> anyhow::Result<()> {
    let (mode, allow_refused) = (command.mode(), command.allow_refused);
    let options = command.options(config)?;
    let pool = db::connect(&config.database)?;
    let summary = import::run(&options, &pool, &|line| tell(line)).await?;
    super::print(&describe(&summary, mode));
    let refused = summary.refused();
    if refused > 0 && !allow_refused {
        bail!("{refused} rows were refused (--allow-refused makes that a success)");
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "progress is not the command's answer")]
fn tell(line: &str) {
    eprintln!("{line}");
}

impl ImportDjango {
    fn mode(&self) -> Mode {
        match (self.check, self.dry_run, self.resume, self.again) {
            (true, ..) => Mode::Check,
            (_, true, ..) => Mode::DryRun,
            (_, _, true, _) => Mode::Resume,
            (.., true) => Mode::Again,
            _ => Mode::Import,
        }
    }

    fn options(self, config: &Config) -> anyhow::Result<Options> {
        let mode = self.mode();
        let from = match self.from.strip_prefix('@') {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                text.with_context(|| format!("--from @{path}"))?.trim().to_owned()
            }
            None => self.from,
        };
        // Whoever only looks needs no place for files.
        let files = (mode.writes() && self.media.is_some()).then(|| Files::open(config));
        Ok(Options {
            from: from.into(),
            mode,
            user_table: self.user_table,
            phone_field: self.phone_field,
            time_zone: self.time_zone,
            currency: self.currency,
            now: SystemClock.now(),
            batch: self.batch,
            staff: self.staff,
            phones: PhoneRules::new(&config.phone.countries, &config.phone.default_country)?,
            groups: config.auth.groups.clone(),
            gateways: gateways(config),
            media: self.media,
            files: files.transpose()?,
            file_bytes: u64::from(config.chat.files.max_mb) << 20,
            report: self.report,
            full: self.full,
        })
    }
}

/// The configured gateways with their kinds.
fn gateways(config: &Config) -> Vec<(Kind, String)> {
    let names = config.gateway_names().into_iter();
    names.filter_map(|name| Kind::parse(config.payments.kind(&name)).map(|it| (it, name))).collect()
}

fn describe(summary: &Summary, mode: Mode) -> String {
    let mut text = String::new();
    for (part, tally) in &summary.parts {
        describe_part(&mut text, part, tally, mode);
    }
    if !summary.elsewhere.is_empty() {
        line(&mut text, format_args!("not imported"));
    }
    for (table, rows) in &summary.elsewhere {
        line(&mut text, format_args!("  {:<40} {rows:>9} {}", table.table, table.why));
    }
    text
}

fn describe_part(text: &mut String, part: &str, tally: &Tally, mode: Mode) {
    let imported = match mode {
        Mode::Check | Mode::DryRun => "could be imported",
        Mode::Import | Mode::Resume | Mode::Again => "imported",
    };
    let Tally { read, imported: count, present, refused, reasons } = tally;
    line(
        text,
        format_args!(
            "{part}: {read} read, {count} {imported}, {present} here before, {refused} refused"
        ),
    );
    let mut reasons: Vec<_> =
        reasons.iter().map(|(code, rows)| (Reason::from_code(code), code, rows)).collect();
    reasons.sort();
    for (reason, code, rows) in reasons {
        let outcome = if reason.is_some_and(Reason::refuses) { "refused" } else { "noted" };
        let why = reason.map_or("", Reason::why);
        line(text, format_args!("  {outcome:<8} {rows:>9}  {code:<18} {why}"));
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", arguments.to_string().trim_end());
}
