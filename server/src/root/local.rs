//! What lies on local disk whatever the root is: epoch journals, state beyond memory, what queries spill.
//!
//! A local root has it in itself, apart from what `--scratch` puts elsewhere. A root on a store has a folder of its own below
//! `--scratch`, named by the id that the root was given when it was made, so that two roots never share journals, and a bucket made
//! anew under an old name does not find those of the old one. The folder is locked for as long as the process lives: whoever has the lock
//! of the folder that a lease names knows that the lease's owner is dead.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use sluice_connectors::store::Root;
use uuid::Uuid;

use super::storage_error;
use crate::error::{Error, Result, SqlState};

/// Where the folders of roots on stores are, unless `--scratch` says otherwise.
const DEFAULT: &str = "sluice-scratch";

/// Folders on local disk.
#[derive(Debug)]
pub struct Local {
    /// Above `checkpoints/<id>/journal`.
    journals: PathBuf,
    /// What is lost with the process.
    scratch: PathBuf,
    /// Which folder of which machine this is.
    id: String,
    _lock: Option<Lock>,
}

impl Local {
    /// Of a local root: in it, or what is lost with the process elsewhere.
    pub(super) fn beside(root: &Path, url: &str, elsewhere: Option<&Path>) -> Self {
        let scratch = match elsewhere {
            None => root.join("scratch"),
            // The root's lock is the folder's.
            Some(folder) => folder.join(format!("local-{:08x}", crc32fast::hash(url.as_bytes()))),
        };
        Self {
            journals: root.to_owned(),
            scratch,
            id: String::new(),
            _lock: None,
        }
    }

    /// Of a root on a store; locks the folder.
    pub(super) async fn of_remote(root: &Root, above: Option<&Path>) -> Result<Self> {
        let id = root_id(root).await?;
        let above = above.map_or_else(|| PathBuf::from(DEFAULT), Path::to_owned);
        let folder = above.join(&id);
        let told = |error: std::io::Error| {
            Error::outside(
                SqlState::IoError,
                format!(
                    "the scratch folder {} cannot be used: {error}",
                    folder.display()
                ),
            )
            .with_hint("A root on a store needs a folder on local disk beside it: name one that can be written with --scratch.")
        };
        fs::create_dir_all(&folder).map_err(told)?;
        let lock = Lock::new(&folder, root.url.as_str())?;
        let place = folder.join("ID");
        let id = match fs::read_to_string(&place) {
            Ok(text) if Uuid::parse_str(text.trim()).is_ok() => text.trim().to_owned(),
            _ => {
                let id = Uuid::new_v4().to_string();
                fs::write(&place, format!("{id}\n")).map_err(told)?;
                id
            }
        };
        fs::write(folder.join("ROOT"), format!("{}\n", root.url)).map_err(told)?;
        Ok(Self {
            scratch: folder.join("scratch"),
            journals: folder,
            id,
            _lock: Some(lock),
        })
    }

    /// The folder, by an id of its own.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The folder of a query's epoch journal, given the one of its checkpoints.
    pub fn journal(&self, checkpoints: &str) -> PathBuf {
        self.journals.join(checkpoints).join("journal")
    }

    /// Removes the journal of a query that is no more.
    pub fn forget(&self, checkpoints: &str) {
        // What cannot be removed is found by nobody: ids are not used twice.
        let _ = fs::remove_dir_all(self.journals.join(checkpoints));
    }

    /// The folder for what is lost with the process.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }
}

/// The id that a root on a store has from its first server.
async fn root_id(root: &Root) -> Result<String> {
    let read = async || root.read_text("ROOT").await.map_err(storage_error);
    let found = match read().await? {
        Some(found) => found,
        None => {
            let id = format!("{}\n", Uuid::new_v4());
            root.put_text_if_absent("ROOT", &id)
                .await
                .map_err(storage_error)?;
            // Whoever was first named it.
            read().await?.unwrap_or_default()
        }
    };
    let id = Uuid::parse_str(found.trim()).map_err(|_| {
        Error::outside(
            SqlState::DataCorrupted,
            format!(
                "root {} cannot be told apart: its ROOT is not an id",
                root.url
            ),
        )
        .with_hint("Something else lies there: give another folder with --root.")
    })?;
    Ok(id.to_string())
}

/// A lock that the operating system lets go when the process dies.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Of a local root.
    pub(super) fn of_root(path: &Path) -> Result<Self> {
        Self::new(path, &path.display().to_string())
    }

    /// Of `folder`, for the root that an error names.
    fn new(folder: &Path, root: &str) -> Result<Self> {
        let io = |error: std::io::Error| {
            Error::outside(
                SqlState::IoError,
                format!("root {root} cannot be used: {error}"),
            )
        };
        fs::create_dir_all(folder).map_err(io)?;
        let file_path = folder.join("LOCK");
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&file_path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                // For people only: who holds it.
                file.set_len(0).map_err(io)?;
                writeln!(file, "{}", std::process::id()).map_err(io)?;
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&file_path).unwrap_or_default();
                Err(Error::outside(
                    SqlState::ObjectInUse,
                    format!("root {root} is in use by another server"),
                )
                .with_detail(format!("It is held by process {}.", holder.trim()))
                .with_hint("Stop that server, or give this one another root with --root."))
            }
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }
}
