//! Files that go with messages, and pictures of rooms.
//!
//! A file is a row and its bytes in the storage, under a name made up here. The row comes first and
//! goes last. What a file is was found out from its bytes ([`kind`]), what does not belong to a
//! picture was taken out on the way ([`strip`]), and whoever may see a file gets an address of it that
//! works for some time ([`address`]).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::{address::Addresses, storage::Storage};
pub use self::{
    address::FOLDER,
    avatar::AvatarError,
    kind::{HEAD_BYTES, Picture},
    open::{OpenError, OpenFile},
    spool::Spool,
    upload::{NewFile, Upload, UploadError, Uploaded},
};
use super::{Chat, log::FileRef};
use crate::{config::Config, otp::code::CodeKeys};

mod address;
mod avatar;
pub(crate) mod bring;
mod kind;
mod name;
mod open;
mod passage;
mod purge;
mod spool;
mod storage;
mod strip;
#[cfg(test)]
mod tests;
mod upload;

/// Uploads that a process takes at once.
const SLOTS: usize = 32;

/// Where files are, and their addresses.
#[derive(Debug, Clone)]
pub struct Files(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    addresses: Addresses,
    storage: Storage,
    slots: Arc<Semaphore>,
    spools: Arc<Semaphore>,
}

impl Files {
    /// Opens the storage.
    ///
    /// # Errors
    /// When a key cannot be read, or the storage cannot be used.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let files = &config.chat.files;
        let keys = CodeKeys::new(&config.otp)?.subkeys("chat files");
        Ok(Self(Arc::new(Parts {
            addresses: Addresses::new(keys, files.url_hours),
            storage: Storage::open(files)?,
            slots: Arc::new(Semaphore::new(SLOTS)),
            spools: Arc::new(Semaphore::new(SLOTS)),
        })))
    }

    /// A storage that goes with the process's temporary folder.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let name = crate::ids::random_handle(&mut rand::rng());
        let folder = std::env::temp_dir().join(format!("peyk-files-{name}"));
        let storage = folder.display().to_string();
        let files = crate::config::Files { storage, ..crate::config::Files::default() };
        Self(Arc::new(Parts {
            addresses: Addresses::new(vec![vec![1; 32].into()], files.url_hours),
            storage: Storage::open(&files).expect("the temporary folder can be used"),
            slots: Arc::new(Semaphore::new(SLOTS)),
            spools: Arc::new(Semaphore::new(SLOTS)),
        }))
    }

    fn storage(&self) -> &Storage {
        &self.0.storage
    }

    fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.slots).try_acquire_owned().ok()
    }

    fn spool_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.spools).try_acquire_owned().ok()
    }
}

/// What a file is called in the storage: few in each folder.
fn stored_name(handle: &str) -> String {
    format!("{}/{handle}", handle.get(..2).unwrap_or("_"))
}

impl Chat {
    /// The path at which members of its room get a file, for `chat.files.url_hours`: the one maker of
    /// such addresses. `http.public_url` goes in front of it, but not in frames. It is signed: it is
    /// for an answer, not for a log.
    pub fn file_path(&self, file: &FileRef) -> String {
        let extension = kind::extension(&file.mime);
        let now = self.clock.now();
        self.files.0.addresses.make(&file.handle, extension, file.created_at, now)
    }
}
