//! Where the bytes of files are: a directory, or a store that speaks S3.

use std::{fs, io, ops::Range, path::PathBuf, time::Duration};

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    ClientOptions, Error, GetOptions, GetRange, GetResultPayload, MultipartUpload, ObjectStore,
    ObjectStoreExt, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    local::LocalFileSystem,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::{bytes::Bytes, io::ReaderStream};

use crate::{config, ids};

/// Bytes that a directory is given at once, and that are read from one.
const PIECE: usize = 256 * 1024;

/// Bytes of a part of an upload to S3: the least that it takes, all but the last of one size.
const PART: usize = 5 * 1024 * 1024;

/// What a request to S3 may take to connect, and in all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// The storage.
#[derive(Debug)]
pub(super) enum Storage {
    /// A directory.
    Folder(LocalFileSystem),
    /// A store that speaks S3, and what the names of files begin with there.
    Bucket(Box<AmazonS3>, String),
}

impl Storage {
    /// Opens the storage. A directory is made if it is not there, for nobody else to look into.
    ///
    /// # Errors
    /// When the directory cannot be written to; when the settings of S3 make no sense.
    pub(super) fn open(config: &config::Files) -> anyhow::Result<Self> {
        match config.storage.strip_prefix("s3://") {
            Some(place) => open_bucket(place, &config.s3),
            None => open_folder(&config.storage)
                .with_context(|| format!("chat.files.storage: cannot use {}", config.storage)),
        }
    }

    /// Begins to write a file.
    ///
    /// # Errors
    /// When the storage does not take it.
    pub(super) async fn write(&self, name: &str) -> Result<Writer<'_>, Error> {
        let path = self.path(name);
        let target = match self {
            Self::Folder(folder) => Target::Folder(folder.put_multipart(&path).await?),
            Self::Bucket(bucket, _) => {
                Target::Bucket { bucket, path, upload: None, parts: Vec::new() }
            }
        };
        Ok(Writer { target, waiting: Vec::new() })
    }

    /// A part of a file, as it comes.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such file.
    pub(super) async fn read(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, Error> {
        let options =
            GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let found = match self {
            Self::Folder(folder) => folder.get_opts(&self.path(name), options).await?,
            Self::Bucket(bucket, _) => bucket.get_opts(&self.path(name), options).await?,
        };
        // A file is read in larger pieces than the library would.
        if let GetResultPayload::File(file, path) = found.payload {
            let mut file = tokio::fs::File::from_std(file);
            let sought = file.seek(io::SeekFrom::Start(range.start)).await;
            sought.map_err(|source| Error::NotFound {
                path: path.display().to_string(),
                source: source.into(),
            })?;
            let rest = file.take(range.end - range.start);
            return Ok(ReaderStream::with_capacity(rest, PIECE).boxed());
        }
        Ok(found.into_stream().map_err(io::Error::other).boxed())
    }

    /// Removes a file and what an upload of it that broke off left. What is not there is no error.
    ///
    /// # Errors
    /// When the storage cannot say that it is gone.
    pub(super) async fn remove(&self, name: &str, upload: Option<&str>) -> Result<(), Error> {
        let path = self.path(name);
        match self {
            Self::Folder(folder) => {
                let staged = staged(folder.path_to_filesystem(&path)?);
                let removed = tokio::fs::remove_file(&staged).await;
                gone(removed.map_err(|source| unreadable(&staged, source)))?;
                gone(folder.delete(&path).await)
            }
            Self::Bucket(bucket, _) => {
                if let Some(upload) = upload {
                    gone(bucket.abort_multipart(&path, &upload.to_owned()).await)?;
                }
                gone(bucket.delete(&path).await)
            }
        }
    }

    fn path(&self, name: &str) -> Path {
        match self {
            Self::Folder(_) => Path::from(name),
            Self::Bucket(_, prefix) => Path::from(format!("{prefix}/{name}")),
        }
    }
}

fn gone(removed: Result<(), Error>) -> Result<(), Error> {
    match removed {
        Err(Error::NotFound { .. }) => Ok(()),
        removed => removed,
    }
}

fn unreadable(path: &std::path::Path, source: io::Error) -> Error {
    let path = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path, source: source.into() },
        _ => Error::Generic { store: "LocalFileSystem", source: source.into() },
    }
}

/// Where the library keeps the bytes of a file until it is whole.
fn staged(path: PathBuf) -> PathBuf {
    let mut path = path.into_os_string();
    path.push("#1");
    path.into()
}

fn open_folder(folder: &str) -> anyhow::Result<Storage> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let probe =
        std::path::Path::new(folder).join(format!(".{}", ids::random_handle(&mut rand::rng())));
    fs::OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(&probe)?;
    let folder = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
    Ok(Storage::Folder(folder.with_automatic_cleanup(true)))
}

fn open_bucket(place: &str, config: &config::S3) -> anyhow::Result<Storage> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
        .with_allow_http(config.endpoint.starts_with("http://"));
    let retries =
        RetryConfig { max_retries: 2, retry_timeout: REQUEST_TIMEOUT, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&config.region)
        .with_access_key_id(&config.access_key)
        .with_secret_access_key(config.secret_key.expose_secret())
        // Not every store has the request that deletes many, and files are deleted one by one.
        .with_disable_bulk_delete(true)
        .with_client_options(client)
        .with_retry(retries);
    if !config.endpoint.is_empty() {
        builder = builder.with_endpoint(config.endpoint.trim_end_matches('/'));
    }
    let bucket = builder.build().context("chat.files.s3")?;
    Ok(Storage::Bucket(Box::new(bucket), prefix.trim_matches('/').to_owned()))
}

enum Target<'a> {
    Folder(Box<dyn MultipartUpload>),
    Bucket { bucket: &'a AmazonS3, path: Path, upload: Option<String>, parts: Vec<PartId> },
}

/// A file on its way to the storage, a bounded piece of it in memory. It is there once
/// [`Writer::finish`] says so; dropped before, it leaves what [`Storage::remove`] removes.
pub(super) struct Writer<'a> {
    target: Target<'a>,
    waiting: Vec<u8>,
}

impl Writer<'_> {
    /// Where bytes are added.
    pub(super) fn waiting(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Whether so much waits that [`Writer::flush`] has to come before more.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.piece()
    }

    /// Names the upload to the storage, if that wants it before the first flush: its name has to be
    /// written down before, because without it nothing finds the parts again.
    ///
    /// # Errors
    /// When the storage does not take it.
    pub(super) async fn begin(&mut self) -> Result<Option<String>, Error> {
        match &mut self.target {
            Target::Bucket { bucket, path, upload: upload @ None, .. } => {
                let id = bucket.create_multipart(path).await?;
                *upload = Some(id.clone());
                Ok(Some(id))
            }
            _ => Ok(None),
        }
    }

    /// Sends what waits, as far as it makes whole pieces.
    ///
    /// # Errors
    /// When the storage does not take it.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        let piece = self.piece();
        while self.waiting.len() >= piece {
            let rest = self.waiting.split_off(piece);
            let piece = std::mem::replace(&mut self.waiting, rest);
            self.send(piece).await?;
        }
        Ok(())
    }

    /// Sends the rest, and the file is there.
    ///
    /// # Errors
    /// When the storage does not take it.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let rest = std::mem::take(&mut self.waiting);
        if let Target::Bucket { bucket, path, upload: None, .. } = &self.target {
            bucket.put(path, PutPayload::from(rest)).await?;
            return Ok(());
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        match self.target {
            Target::Folder(mut file) => file.complete().await?,
            Target::Bucket { bucket, path, upload, parts } => {
                bucket.complete_multipart(&path, &upload.unwrap_or_default(), parts).await?
            }
        };
        Ok(())
    }

    fn piece(&self) -> usize {
        match self.target {
            Target::Folder(_) => PIECE,
            Target::Bucket { .. } => PART,
        }
    }

    async fn send(&mut self, piece: Vec<u8>) -> Result<(), Error> {
        let piece = PutPayload::from(piece);
        match &mut self.target {
            Target::Folder(file) => file.put_part(piece).await,
            Target::Bucket { bucket, path, upload, parts } => {
                let upload = upload.clone().unwrap_or_default();
                let part = bucket.put_part(path, &upload, parts.len(), piece).await?;
                parts.push(part);
                Ok(())
            }
        }
    }
}
