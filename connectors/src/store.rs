//! The one root under which everything durable lives, and small named texts in it.
//!
//! A [`Root`] is an [`ObjectStore`] seen twice: [`Root::store`] has its paths below the root folder, [`Root::base`] below the store
//! itself, which is what delta-rs wants. Hard about it: `object_store`'s local store neither syncs what it writes nor keeps a torn
//! file of a dying process apart from a whole one, so a local root goes through [`DurableLocal`]. What a call here has reported as
//! written is on disk, and a put-if-absent has one winner among any number of processes.

mod durable;
mod fault;
#[cfg(test)]
mod tests;
mod upload;

use std::{
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path,
    prefix::PrefixStore,
};
use url::Url;

pub use durable::DurableLocal;
pub(crate) use fault::io_fault;
pub(crate) use fault::is_unsynced;
pub use fault::storage_error;

use crate::error::{ConnectorError, Result};

/// Where everything durable lives.
#[derive(Clone, Debug)]
pub struct Root {
    /// The root's address, with a slash at its end.
    pub url: Url,
    /// Paths are below the root.
    pub store: Arc<dyn ObjectStore>,
    /// Paths are below the store that holds the root (the file system, the bucket): what delta-rs takes.
    pub base: Arc<dyn ObjectStore>,
    /// The folder, where the root is a local one.
    pub local_path: Option<PathBuf>,
}

/// Opens a root by path or URL and makes its folder where there is none; only local ones for now.
///
/// # Errors
/// `Option` for an address that cannot be used, `Storage` when the folder cannot be made.
pub fn open_root(url_or_path: &str) -> Result<Root> {
    let folder = match scheme_of(url_or_path) {
        None => PathBuf::from(url_or_path),
        Some("file") => Url::parse(url_or_path)
            .ok()
            .and_then(|url| url.to_file_path().ok())
            .ok_or_else(|| ConnectorError::Option {
                message: format!("root \"{url_or_path}\" is not a usable file URL"),
                hint: Some("Write file:///absolute/path, or just the path.".into()),
            })?,
        Some(scheme) => {
            return Err(ConnectorError::Option {
                message: format!("a root on {scheme}:// is not supported yet"),
                hint: Some("Use a local folder as root.".into()),
            });
        }
    };
    if folder.as_os_str().is_empty() {
        return Err(ConnectorError::Option {
            message: "the root has no path".into(),
            hint: Some("Use a local folder as root, for example ./sluice-data.".into()),
        });
    }
    let told = |error: std::io::Error| {
        storage_error(
            &format!("open the root {}", folder.display()),
            fault::generic(error, &folder),
        )
    };
    durable::make_folders(&folder).map_err(told)?;
    let folder = std::fs::canonicalize(&folder).map_err(told)?;
    let base: Arc<dyn ObjectStore> = Arc::new(DurableLocal::new(&folder));
    Root::local(&folder, base)
}

/// The scheme of a URL; a path has none (nor has a Windows drive letter).
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let named = scheme.len() > 1
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    named.then_some(scheme)
}

impl Root {
    /// A root in the local folder `folder` (absolute, existing) over a store whose paths start at the file system's own root.
    pub fn local(folder: &FsPath, base: Arc<dyn ObjectStore>) -> Result<Self> {
        let unusable = || ConnectorError::Option {
            message: format!(
                "the root folder {} cannot be written as a URL",
                folder.display()
            ),
            hint: Some("Use an absolute path of Unicode characters.".into()),
        };
        let url = Url::from_directory_path(folder).map_err(|()| unusable())?;
        let prefix = Path::from_url_path(url.path()).map_err(|_| unusable())?;
        Ok(Self {
            url,
            store: Arc::new(PrefixStore::new(Arc::clone(&base), prefix)),
            base,
            local_path: Some(folder.to_path_buf()),
        })
    }

    /// The address of a folder below the root, with a slash at its end.
    pub fn url_of(&self, path: &str) -> Result<Url> {
        let path = parse(path)?;
        let mut url = self.url.clone();
        {
            let mut segments = url
                .path_segments_mut()
                .map_err(|()| ConnectorError::Option {
                    message: format!("the root {} cannot have paths below it", self.url),
                    hint: None,
                })?;
            segments.pop_if_empty();
            segments.extend(path.parts().map(|part| part.as_ref().to_owned()));
            segments.push("");
        }
        Ok(url)
    }

    /// Reads an object; `None` when it is not there.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>> {
        let what = || format!("read {path}");
        match self.store.get(&parse(path)?).await {
            Ok(found) => found
                .bytes()
                .await
                .map(Some)
                .map_err(|error| storage_error(&what(), error)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(storage_error(&what(), error)),
        }
    }

    /// Reads a text; `None` when it is not there.
    pub async fn read_text(&self, path: &str) -> Result<Option<String>> {
        let Some(bytes) = self.read(path).await? else {
            return Ok(None);
        };
        String::from_utf8(bytes.into())
            .map(Some)
            .map_err(|error| ConnectorError::Corrupt {
                message: format!("{path} is not UTF-8 text: {error}"),
            })
    }

    /// Writes an object, replacing what was there.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.store
            .put(&parse(path)?, bytes.into())
            .await
            .map(drop)
            .map_err(|error| storage_error(&format!("write {path}"), error))
    }

    /// Writes an object unless there is one of that name: `true` for the one caller whose bytes are now there.
    pub async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<bool> {
        let options = PutOptions::from(PutMode::Create);
        match self
            .store
            .put_opts(&parse(path)?, bytes.into(), options)
            .await
        {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(storage_error(&format!("write {path}"), error)),
        }
    }

    /// Writes a text, replacing what was there.
    pub async fn put_text(&self, path: &str, text: &str) -> Result<()> {
        self.put(path, Bytes::copy_from_slice(text.as_bytes()))
            .await
    }

    /// Writes a text unless there is one of that name: `true` for the one caller whose text is now there.
    pub async fn put_text_if_absent(&self, path: &str, text: &str) -> Result<bool> {
        self.put_if_absent(path, Bytes::copy_from_slice(text.as_bytes()))
            .await
    }

    /// Names of the objects directly in a folder, sorted; a folder that is not there has none.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>> {
        Ok(self.entries(folder).await?.0)
    }

    /// Names of the folders directly in a folder, sorted.
    pub async fn list_folders(&self, folder: &str) -> Result<Vec<String>> {
        Ok(self.entries(folder).await?.1)
    }

    async fn entries(&self, folder: &str) -> Result<(Vec<String>, Vec<String>)> {
        let prefix = parse(folder)?;
        let listed = match self.store.list_with_delimiter(Some(&prefix)).await {
            Ok(listed) => listed,
            Err(StoreError::NotFound { .. }) => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(storage_error(&format!("list {folder}"), error)),
        };
        let name = |path: &Path| path.filename().map(str::to_owned);
        let mut files: Vec<_> = listed
            .objects
            .iter()
            .filter_map(|object| name(&object.location))
            .collect();
        let mut folders: Vec<_> = listed.common_prefixes.iter().filter_map(name).collect();
        files.sort_unstable();
        folders.sort_unstable();
        Ok((files, folders))
    }

    /// Deletes an object; one that is not there is deleted already.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&parse(path)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(storage_error(&format!("delete {path}"), error)),
        }
    }

    /// Deletes every object below a folder and says how many there were.
    pub async fn delete_all(&self, folder: &str) -> Result<usize> {
        let failed = |error| storage_error(&format!("delete {folder}"), error);
        let prefix = parse(folder)?;
        let found: Vec<Path> = self
            .store
            .list(Some(&prefix))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(failed)?;
        for path in &found {
            match self.store.delete(path).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if let Some(local) = &self.local_path {
            // Only empty folders are left; one that somebody fills meanwhile stays.
            durable::remove_empty_folders(
                &prefix
                    .parts()
                    .fold(local.clone(), |at, part| at.join(part.as_ref())),
            );
        }
        Ok(found.len())
    }

    /// Removes the unfinished files of processes that are gone and says how many there were.
    ///
    /// To be called by whoever holds the root's lock, off every hot path: it walks the whole root.
    pub async fn remove_leftovers(&self) -> Result<usize> {
        let Some(folder) = self.local_path.clone() else {
            return Ok(0);
        };
        durable::blocking(move || Ok(durable::remove_leftovers(&folder)))
            .await
            .map_err(|error| storage_error("remove unfinished files", error))
    }
}

fn parse(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|error| ConnectorError::Option {
        message: format!("\"{path}\" is not a usable path: {error}"),
        hint: None,
    })
}
