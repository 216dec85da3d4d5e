//! Moving from the Django packages: reads their database and makes the same accounts here.
//!
//! Rows are read by id in batches, in one snapshot of the old database. A batch's rows and how far the
//! import is are one commit here, so that what is killed goes on exactly where it was. What cannot be
//! imported is said, row by row, and the rest goes on.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;

use crate::{
    audit::{self, Entry, Subject},
    chat::files::Files,
    money::Currency,
    payments::gateways::Kind,
    phone::PhoneRules,
};

mod parts;
mod report;
mod source;
mod store;

pub use chrono_tz::Tz as TimeZone;

pub use self::{
    parts::Elsewhere,
    report::{Reason, Tally},
};
use self::{
    parts::{Made, Part},
    report::Report,
    source::Source,
    store::Progress,
};

/// What an import does to this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing, it only looks at the old system.
    Check,
    /// Everything, and takes each batch back.
    DryRun,
    /// Everything; refuses to begin where one was begun before.
    Import,
    /// Goes on after the last committed batch.
    Resume,
    /// Looks at every row again. What is here stays as it is.
    Again,
}

impl Mode {
    /// Whether anything is here afterwards.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Import | Self::Resume | Self::Again)
    }
}

/// What to import, and how.
#[derive(Debug)]
pub struct Options {
    /// URL of the old database.
    pub from: SecretString,
    /// What happens here.
    pub mode: Mode,
    /// The table of accounts.
    pub user_table: String,
    /// Its column with the phone, where `django-chelseru` keeps none. `None`: the username if
    /// `django-rest-sms-auth` is there alone.
    pub phone_field: Option<String>,
    /// Which zone times without one are of.
    pub time_zone: TimeZone,
    /// What the old system counted money in. `None`: nobody said.
    pub currency: Option<Currency>,
    /// What time it is, for the audit log and the ledger.
    pub now: DateTime<Utc>,
    /// Rows a commit has.
    pub batch: u32,
    /// Whether superusers become administrators and other staff viewers.
    pub staff: bool,
    /// Which phones there may be.
    pub phones: PhoneRules,
    /// The groups that may log in.
    pub groups: Vec<i32>,
    /// The configured gateways: payments belong to the one of their kind.
    pub gateways: Vec<(Kind, String)>,
    /// The folder of the old system's files. `None`: nobody said, and none come.
    pub media: Option<PathBuf>,
    /// Where files go. `None`: they are only looked at.
    pub files: Option<Files>,
    /// Bytes of a file at most.
    pub file_bytes: u64,
    /// A file for a line about each row that is not imported, or not whole.
    pub report: Option<PathBuf>,
    /// Whether those lines say what the rows hold.
    pub full: bool,
}

/// The zone of a name such as `Asia/Tehran`.
///
/// # Errors
/// When there is none, with a sentence.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    name.parse().map_err(|_| "not a time zone such as Asia/Tehran".to_owned())
}

/// The currency of a word: `IRT` or `IRR`.
///
/// # Errors
/// When it is neither, with a sentence.
pub fn currency(word: &str) -> Result<Currency, String> {
    Currency::parse(word).ok_or_else(|| "neither IRT (tomans) nor IRR (rials)".to_owned())
}

/// What an import came to.
#[derive(Debug)]
pub struct Summary {
    /// What was imported, in order: name and what became of its rows.
    pub parts: Vec<(&'static str, Tally)>,
    /// Tables that are there and stay there, with their rows.
    pub elsewhere: Vec<(&'static Elsewhere, i64)>,
}

impl Summary {
    /// Rows that are not here.
    pub fn refused(&self) -> u64 {
        self.parts.iter().map(|(_, tally)| tally.refused).sum()
    }
}

/// Imports. `tell` hears of every batch.
///
/// # Errors
/// When one of the databases refuses or is away, when what was asked for makes no sense, or when an
/// import was begun before and the mode does not say what of it.
pub async fn run(
    options: &Options,
    pool: &PgPool,
    tell: &(dyn Fn(&str) + Sync),
) -> anyhow::Result<Summary> {
    let mut source = Source::open(options.from.expose_secret()).await?;
    let mut parts = parts::all(&mut source, options).await?;
    let begun = match options.mode {
        Mode::Check => BTreeMap::new(),
        _ => store::progress(pool).await.context("the database of Peyk (api migrate?)")?,
    };
    permit(options.mode, &begun)?;
    let done = |part: &str, id: i64| {
        options.mode == Mode::Resume
            && begun.get(part).is_some_and(|progress| progress.last_id >= Some(id))
    };
    let report = Report::open(options.report.as_deref(), &done)?;
    let mut run = Run { options, pool, tell, source, report, made: Made::default() };
    let mut tallies = Vec::new();
    for part in &mut parts {
        let progress = begun.get(part.name());
        tallies.push((part.name(), run.part(part.as_mut(), progress).await?));
    }
    let elsewhere = parts::elsewhere(&mut run.source, &parts).await?;
    Ok(Summary { parts: tallies, elsewhere })
}

fn permit(mode: Mode, begun: &BTreeMap<String, Progress>) -> anyhow::Result<()> {
    if mode != Mode::Import || begun.is_empty() {
        return Ok(());
    }
    let so_far = begun.iter().map(|(part, progress)| {
        let state = if progress.finished { "done" } else { "not finished" };
        let since = progress.started_at.format("%Y-%m-%d %H:%MZ");
        format!("{part} since {since}, {} read, {state}", progress.tally.read)
    });
    bail!(
        "an import was begun here before ({}). --resume goes on after its last batch; --again looks at \
         every row again and imports those that are not here, leaving those that are as they are",
        so_far.collect::<Vec<_>>().join("; ")
    )
}

struct Run<'a> {
    options: &'a Options,
    pool: &'a PgPool,
    tell: &'a (dyn Fn(&str) + Sync),
    source: Source,
    report: Report,
    made: Made,
}

impl Run<'_> {
    async fn part(
        &mut self,
        part: &mut dyn Part,
        begun: Option<&Progress>,
    ) -> anyhow::Result<Tally> {
        let mode = self.options.mode;
        if let Some(rule) = part.rule() {
            (self.tell)(&format!("{}: {rule}", part.name()));
        }
        let mut progress = match begun {
            Some(begun) if mode == Mode::Resume => begun.clone(),
            _ => Progress::default(),
        };
        progress.finished = false;
        if mode != Mode::Check {
            self.begin(part, begun.is_none(), &progress).await?;
        }
        while !progress.finished {
            progress = self.batch(part, progress).await?;
            let (read, refused) = (progress.tally.read, progress.tally.refused);
            (self.tell)(&format!("{}: {read} read, {refused} refused", part.name()));
        }
        Ok(progress.tally)
    }

    /// Nobody may have an id that is needed, and nobody gets one from now on.
    async fn begin(&mut self, part: &dyn Part, first: bool, from: &Progress) -> anyhow::Result<()> {
        let greatest = self.source.greatest_id(&part.reading().table).await?;
        let mut tx = self.pool.begin().await?;
        let in_the_way = part.lock(&mut tx, greatest).await?;
        ensure!(
            !first || in_the_way == 0,
            "{in_the_way} rows of {} here have ids up to {greatest}, as those of the old system do, and \
             were not imported. Ids are kept, so an import needs a database in which nobody has logged \
             in yet: make a new one, `api migrate` and import before anything else uses it",
            part.name()
        );
        if !self.options.mode.writes() {
            return Ok(tx.rollback().await?);
        }
        part.take_ids(&mut tx, greatest).await?;
        store::begin(&mut tx, part.name(), from).await?;
        let (by, subject) = (audit::Source::cli(), Subject { kind: "import", id: None });
        let entry = Entry::new(&by, "import.begun", subject).with("part", part.name());
        audit::record(&mut tx, &entry, self.options.now).await?;
        Ok(tx.commit().await?)
    }

    /// The next batch, committed or taken back as the mode says.
    async fn batch(&mut self, part: &mut dyn Part, before: Progress) -> anyhow::Result<Progress> {
        let rows = self.source.page(part.reading(), before.last_id, self.options.batch).await?;
        let mut now = Progress {
            last_id: rows.last().map(|row| row.id).or(before.last_id),
            finished: rows.len() < self.options.batch as usize,
            ..before.clone()
        };
        now.tally.read += u64::try_from(rows.len())?;
        let target = (self.options.mode != Mode::Check).then_some(self.pool);
        part.prepare(&rows, &mut self.source, target, &self.made).await?;
        if self.options.mode == Mode::Check {
            let batch = part.take(&rows, None, &mut self.made).await?;
            now.tally.add(&batch);
            self.report.write(part.name(), &batch.findings)?;
            return Ok(now);
        }
        let mut tx = self.pool.begin().await?;
        let batch = part.take(&rows, Some(&mut tx), &mut self.made).await?;
        now.tally.add(&batch);
        // Before the commit: a line too many is dropped when the import goes on, one too few is lost.
        self.report.write(part.name(), &batch.findings)?;
        if !self.options.mode.writes() {
            tx.rollback().await?;
            return Ok(now);
        }
        let alone = store::advance(&mut tx, part.name(), before.last_id, &now).await?;
        ensure!(alone, "another import of {} is under way", part.name());
        tx.commit().await?;
        self.made = Made::default();
        Ok(now)
    }
}
