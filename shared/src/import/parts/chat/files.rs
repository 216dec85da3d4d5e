//! Files: each goes from the old system's folder into the storage, with the checks of an upload.
//!
//! A file's bytes cannot be taken back, so they come before its batch: a row for each, which is
//! committed, then the bytes. The batch gives the files to their messages. What is killed in between
//! finds its rows again.

use std::{
    collections::{HashMap, HashSet},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures_util::{StreamExt, stream};
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::{Tables, clean, file_store as store, messages};
use crate::{
    chat::files::{Files as Storage, UploadError, bring::Found},
    ids,
    import::{
        Options,
        parts::{Batch, Made, Part},
        report::{Finding, Reason},
        source::{Column, Reading, Row, Source, read_time},
    },
};

/// Where the package keeps them.
pub(super) const TABLE: &str = "drfchelseru_attachfile";

/// The columns, in the order they are read.
const NAMES: [&str; 6] = ["user_id", "chatroom_id", "message_id", "file", "text", "created_at"];
const USER: usize = 0;
const ROOM: usize = 1;
const MESSAGE: usize = 2;
const FILE: usize = 3;
const TEXT: usize = 4;
const CREATED_AT: usize = 5;

/// Characters that may be said of a file: the table's.
const TEXT_CHARS: usize = 4_000;

/// Files that are stored at once.
const AT_ONCE: usize = 8;

/// The part.
pub(super) struct Files {
    reading: Reading,
    /// The table of messages.
    messages: Reading,
    media: Option<PathBuf>,
    storage: Option<Storage>,
    most: u64,
    time_zone: Tz,
    now: DateTime<Utc>,
    full: bool,
    /// What becomes of the rows that come next, by their ids.
    fates: HashMap<i64, Fate>,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It is here or was.
    Present,
    /// It comes, or could.
    Comes,
    /// So many bytes of it are in the storage.
    Stored(i64),
    /// It stays, and why; which other one is in the way.
    Stays(Reason, Option<i64>),
}

/// A file that is about to come.
pub(super) struct Coming {
    pub(super) id: i64,
    pub(super) handle: String,
    pub(super) user_id: i64,
    pub(super) room_id: i64,
    pub(super) message_id: i64,
    pub(super) text: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) found: Found,
}

/// What the old system says of the messages of files.
#[derive(Default)]
struct There {
    /// Room and sender of each.
    messages: HashMap<i64, (i64, i64)>,
    /// The file that each shows.
    shown: HashMap<i64, i64>,
}

impl Files {
    /// # Errors
    /// When `--media` names no folder.
    pub(super) fn find(tables: Tables, options: &Options) -> anyhow::Result<Self> {
        if let Some(media) = &options.media {
            ensure!(media.is_dir(), "--media: {} is no folder", media.display());
        }
        let of = |table: &str, names: &[&str]| Reading {
            table: table.to_owned(),
            join: None,
            columns: names.iter().map(|name| Some(Column::Own((*name).to_owned()))).collect(),
        };
        Ok(Self {
            reading: of(TABLE, &NAMES),
            messages: of(tables.messages, &messages::NAMES),
            media: options.media.clone(),
            storage: options.files.clone(),
            most: options.file_bytes,
            time_zone: options.time_zone,
            now: options.now,
            full: options.full,
            fates: HashMap::new(),
        })
    }

    fn created_at(&self, row: &Row) -> DateTime<Utc> {
        let time = |text| read_time(text, self.time_zone);
        row.text(CREATED_AT).ok().flatten().and_then(time).unwrap_or_default()
    }

    /// What the old system says of the messages of these rows. Of several files of a message it showed
    /// the first.
    async fn there(&self, rows: &[Row], source: &mut Source) -> anyhow::Result<There> {
        let ids: HashSet<i64> = rows.iter().filter_map(|row| row.number(MESSAGE)).collect();
        let mut ids: Vec<i64> = ids.into_iter().collect();
        ids.sort_unstable();
        let mut there = There::default();
        for row in source.among(&self.messages, "id", &ids).await? {
            if let Ok((message, _)) = messages::judge(&row, self.time_zone) {
                there.messages.insert(message.id, (message.room_id, message.sender_id));
            }
        }
        for row in source.among(&self.reading, "message_id", &ids).await? {
            if let Some(message) = row.number(MESSAGE)
                && there.messages.get(&message).copied() == row.number(ROOM).zip(row.number(USER))
            {
                there.shown.entry(message).or_insert(row.id);
            }
        }
        Ok(there)
    }

    fn fate(&self, row: &Row, there: &There, here: &store::FilesHere, made: &Made) -> Fate {
        let Some(message) = row.number(MESSAGE) else {
            return Fate::Stays(Reason::FileUnused, None);
        };
        let Some((room, sender)) = there.messages.get(&message).copied() else {
            return Fate::Stays(Reason::MessageMissing, None);
        };
        if (row.number(ROOM), row.number(USER)) != (Some(room), Some(sender)) {
            return Fate::Stays(Reason::FileForeign, None);
        }
        if let Some(shown) = there.shown.get(&message).filter(|shown| **shown != row.id) {
            return Fate::Stays(Reason::FileNotShown, Some(*shown));
        }
        match here.files.get(&row.id) {
            Some(file) if file.created_at != self.created_at(row) => {
                return Fate::Stays(Reason::IdTaken, Some(row.id));
            }
            Some(file) if file.is_stored => return Fate::Present,
            _ => {}
        }
        // What was deleted here since stays so.
        match here.messages.get(&message) {
            Some(true) => Fate::Present,
            Some(false) => Fate::Comes,
            None if here.gone.contains(&room) => Fate::Present,
            None if made.rooms.contains(&room) && made.accounts.contains(&sender) => Fate::Comes,
            None => Fate::Stays(Reason::MessageMissing, None),
        }
    }

    /// Where a file is. Names come from a database that others wrote: none leads out of the folder.
    fn path(&self, row: &Row) -> Option<PathBuf> {
        let name = Path::new(row.text(FILE).ok()??);
        let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
        (is_inside && name.file_name().is_some()).then(|| Some(self.media.as_ref()?.join(name)))?
    }

    async fn look(&self, row: &Row) -> Result<Found, UploadError> {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        Found::look(&self.path(row).ok_or_else(missing)?, self.most).await
    }

    /// Rows for files, and their bytes into the storage. Gives those that are there.
    async fn store(
        &self,
        pool: &PgPool,
        storage: &Storage,
        coming: Vec<Coming>,
    ) -> anyhow::Result<Vec<(i64, Fate)>> {
        let handles = store::insert_files(pool, &coming).await?;
        let each = coming.into_iter().map(|file| {
            let handle = handles.get(&file.id).cloned();
            async move {
                let (handle, upload) = handle.context("a row of a file is gone")?;
                if handle != file.handle {
                    // What a run that was killed left of it.
                    storage.clear(&handle, upload.as_deref()).await?;
                }
                let row = (file.id, handle.as_str());
                match storage.bring(pool, row, file.found, self.now).await {
                    Ok(bytes) => Ok((file.id, Fate::Stored(bytes))),
                    Err(error) => Ok((file.id, Fate::Stays(refusal(error)?, None))),
                }
            }
        });
        let each: Vec<_> = each.collect();
        let stored: Vec<anyhow::Result<_>> =
            stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
        stored.into_iter().collect()
    }

    /// Takes away the row of a file that an earlier run began to store and that cannot come any more.
    async fn forget(&self, target: Option<&PgPool>, id: i64) -> anyhow::Result<()> {
        if let (Some(pool), Some(storage)) = (target, &self.storage) {
            storage.forget(pool, id, self.now).await?;
        }
        Ok(())
    }

    fn finding(&self, row: &Row, reason: Reason, other: Option<i64>) -> Finding {
        let text = |column| row.text(column).ok().flatten();
        let values = self.full.then(|| {
            json!({ "user": text(USER), "chatroom": text(ROOM), "message": text(MESSAGE),
                "file": text(FILE) })
        });
        Finding { id: row.id, reason, other, values }
    }
}

/// Why a file does not come; what is no fault of it ends the import.
fn refusal(error: UploadError) -> anyhow::Result<Reason> {
    match error {
        UploadError::Disk(_) => Ok(Reason::FileMissing),
        UploadError::TooLarge => Ok(Reason::FileTooLarge),
        UploadError::Empty | UploadError::Mismatch | UploadError::BrokenPicture => {
            Ok(Reason::FileBad)
        }
        other => Err(other).context("a file cannot be stored"),
    }
}

#[async_trait]
impl Part for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn rule(&self) -> Option<String> {
        let missing = "nobody named their folder (--media), so none of them comes";
        self.media.is_none().then(|| missing.to_owned())
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn lock(&self, target: &mut PgConnection, greatest: i64) -> Result<i64, sqlx::Error> {
        store::lock_files(target).await?;
        store::files_up_to(target, greatest).await
    }

    async fn take_ids(&self, target: &mut PgConnection, greatest: i64) -> Result<(), sqlx::Error> {
        store::take_file_ids(target, greatest).await
    }

    async fn prepare(
        &mut self,
        rows: &[Row],
        source: &mut Source,
        target: Option<&PgPool>,
        made: &Made,
    ) -> anyhow::Result<()> {
        let there = self.there(rows, source).await?;
        let here = match target {
            Some(pool) => {
                let files: Vec<i64> = rows.iter().map(|row| row.id).collect();
                let messages: Vec<i64> = there.messages.keys().copied().collect();
                let rooms: Vec<i64> = there.messages.values().map(|(room, _)| *room).collect();
                store::files_here(pool, &files, &messages, &rooms).await?
            }
            None => store::FilesHere::default(),
        };
        let (mut fates, mut coming) = (HashMap::new(), Vec::new());
        for row in rows {
            let mut fate = self.fate(row, &there, &here, made);
            if fate == Fate::Comes {
                match (self.look(row).await, &self.storage) {
                    (Err(error), _) => {
                        fate = Fate::Stays(refusal(error)?, None);
                        if here.files.contains_key(&row.id) {
                            self.forget(target, row.id).await?;
                        }
                    }
                    (Ok(found), Some(_)) => coming.extend(self.coming(row, found)),
                    (Ok(found), None) => {
                        if let Err(error) = found.examine().await {
                            fate = Fate::Stays(refusal(error)?, None);
                        }
                    }
                }
            }
            fates.insert(row.id, fate);
        }
        if let (Some(pool), Some(storage)) = (target, &self.storage) {
            fates.extend(self.store(pool, storage, coming).await?);
        }
        self.fates = fates;
        Ok(())
    }

    async fn take(
        &mut self,
        rows: &[Row],
        target: Option<&mut PgConnection>,
        _made: &mut Made,
    ) -> Result<Batch, sqlx::Error> {
        let (mut batch, mut stored) = (Batch::default(), Vec::new());
        for row in rows {
            match self.fates.get(&row.id).copied() {
                Some(Fate::Present) => batch.present += 1,
                Some(Fate::Stays(reason, other)) => {
                    batch.findings.push(self.finding(row, reason, other));
                }
                Some(Fate::Stored(bytes)) => stored.push((row.id, bytes)),
                Some(Fate::Comes) | None => batch.imported += 1,
            }
        }
        batch.imported += stored.len();
        if let Some(target) = target {
            store::finish_files(target, &stored, self.now).await?;
        }
        Ok(batch)
    }
}

impl Files {
    fn coming(&self, row: &Row, found: Found) -> Option<Coming> {
        let text = row.text(TEXT).ok().flatten().map(|text| clean(text, TEXT_CHARS).0);
        Some(Coming {
            id: row.id,
            handle: ids::random_handle(&mut rand::rng()),
            user_id: row.number(USER)?,
            room_id: row.number(ROOM)?,
            message_id: row.number(MESSAGE)?,
            text,
            created_at: self.created_at(row),
            found,
        })
    }
}
