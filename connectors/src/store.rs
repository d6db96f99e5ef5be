//! The one root under which everything durable lives, and small named texts in it.
//!
//! A [`Root`] is an [`ObjectStore`] seen twice: [`Root::store`] has its paths below the root folder, [`Root::base`] below the store
//! itself, which is what delta-rs wants. Hard about it: `object_store`'s local store neither syncs what it writes nor keeps a torn
//! file of a dying process apart from a whole one, so a local root goes through [`DurableLocal`]; and not every server that speaks a
//! store's protocol keeps its promises, so a remote root is put to the test when it is opened. What a call here has reported as written
//! is durable, and a put-if-absent has one winner among any number of processes.

mod address;
mod durable;
mod fault;
mod guarded;
mod listing;
mod probe;
mod remote;
mod settings;
#[cfg(test)]
mod tests;
mod upload;

use std::{
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion,
    WriteMultipart, path::Path, prefix::PrefixStore,
};
use url::Url;

pub use address::StoreKind;
pub use durable::DurableLocal;
pub use fault::storage_error;
pub(crate) use fault::{condensed, io_fault, is_unsynced};
pub use settings::StoreSettings;

use crate::error::{ConnectorError, Result};

/// Objects above this size go to a remote store in parts …
const PARTS_ABOVE: usize = 64 << 20;
/// … of this size, so that each request stays within its time limit.
const PART: usize = 16 << 20;

/// Where everything durable lives.
#[derive(Clone)]
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

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Root({})", self.url)
    }
}

/// An object and the version of it that was read.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// What is in it.
    pub bytes: Bytes,
    /// Which version, for [`Root::put_if_unchanged`].
    pub version: UpdateVersion,
}

/// What became of a put that depends on what is there.
#[derive(Clone, Debug)]
pub enum Conditional {
    /// Ours is there now, as this version.
    Put(UpdateVersion),
    /// Something else was there.
    Refused,
}

/// Opens a root by path or URL: a local folder, which is made where there is none, or a folder in a bucket or container (`s3://`,
/// `az://`, `abfss://`, `gs://`), whose store is put to the test first.
///
/// # Errors
/// `Option` for an address or settings that cannot be used, `Storage` when the folder cannot be made; `Denied`, `NotFound` or
/// `Unreachable` when the store cannot be used, `Conflict` when it does not honour conditional puts.
pub async fn open_root(url_or_path: &str, settings: &StoreSettings) -> Result<Root> {
    let kind = scheme_of(url_or_path).and_then(StoreKind::of);
    let Some(kind) = kind else {
        settings.check(None)?;
        return open_local(url_or_path);
    };
    let address = address::Address::parse(kind, url_or_path)?;
    let base = remote::connect(&address, settings)?;
    let root = Root {
        url: address.url.clone(),
        store: Arc::new(PrefixStore::new(Arc::clone(&base), address.prefix.clone())),
        base,
        local_path: None,
    };
    probe::probe(&root, &address).await?;
    Ok(root)
}

/// Opens a local root and makes its folder where there is none.
///
/// # Errors
/// `Option` for an address that cannot be used, `Storage` when the folder cannot be made.
pub fn open_local(url_or_path: &str) -> Result<Root> {
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
                message: format!("a root cannot lie on {scheme}://"),
                hint: Some("Use a local folder, or s3://, az://, abfss:// or gs:// with bucket and folder.".into()),
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
        let path = path_of(path)?;
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

    /// Whether it lies on an object store.
    pub fn is_remote(&self) -> bool {
        self.local_path.is_none()
    }

    /// Reads an object; `None` when it is not there.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>> {
        let found = self.read_versioned(path).await?;
        Ok(found.map(|found| found.bytes))
    }

    /// Reads an object and which version of it that is; `None` when it is not there.
    pub async fn read_versioned(&self, path: &str) -> Result<Option<Versioned>> {
        let failed = |error| storage_error(&format!("read {path}"), error);
        let found = match self.store.get(&path_of(path)?).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found.bytes().await.map_err(failed)?;
        Ok(Some(Versioned { bytes, version }))
    }

    /// Whether an object is there.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        match self.store.head(&path_of(path)?).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(storage_error(&format!("look for {path}"), error)),
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
        let location = path_of(path)?;
        let put = if self.is_remote() && bytes.len() > PARTS_ABOVE {
            self.put_parts(&location, bytes).await
        } else {
            self.store.put(&location, bytes.into()).await.map(drop)
        };
        put.map_err(|error| put_error(path, error))
    }

    /// Writes an object in parts; it is there once all of them are.
    async fn put_parts(&self, path: &Path, bytes: Bytes) -> Result<(), StoreError> {
        let upload = self.store.put_multipart(path).await?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        parts.put(bytes);
        parts.finish().await.map(drop)
    }

    /// Writes an object unless there is one of that name: `true` for the one caller whose bytes are now there.
    ///
    /// `false` may be said of one's own bytes, where an earlier try of the same call had been answered with an error: who is to know
    /// for sure reads what is there.
    pub async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<bool> {
        let put = self.conditional(path, bytes, PutMode::Create).await?;
        Ok(matches!(put, Conditional::Put(_)))
    }

    /// Writes an object if it is still as it was when it was read; on a remote root only.
    ///
    /// As with [`Root::put_if_absent`], being refused may come of an earlier try of the same call.
    pub async fn put_if_unchanged(
        &self,
        path: &str,
        bytes: Bytes,
        version: UpdateVersion,
    ) -> Result<Conditional> {
        self.conditional(path, bytes, PutMode::Update(version))
            .await
    }

    async fn conditional(&self, path: &str, bytes: Bytes, mode: PutMode) -> Result<Conditional> {
        let options = PutOptions::from(mode);
        match self
            .store
            .put_opts(&path_of(path)?, bytes.into(), options)
            .await
        {
            Ok(put) => Ok(Conditional::Put(put.into())),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                Ok(Conditional::Refused)
            }
            Err(error) => Err(put_error(path, error)),
        }
    }

    /// Writes a text, replacing what was there.
    pub async fn put_text(&self, path: &str, text: &str) -> Result<()> {
        self.put(path, Bytes::copy_from_slice(text.as_bytes()))
            .await
    }

    /// Writes a text that only the server's user may read, where the root is a folder; on a store its own rules hold.
    pub async fn put_private(&self, path: &str, text: &str) -> Result<()> {
        let mut options = PutOptions::default();
        options.extensions.insert(durable::Private);
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.store
            .put_opts(&path_of(path)?, bytes.into(), options)
            .await
            .map(drop)
            .map_err(|error| put_error(path, error))
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
        let prefix = path_of(folder)?;
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
        match self.store.delete(&path_of(path)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(storage_error(&format!("delete {path}"), error)),
        }
    }

    /// Deletes every object below a folder and says how many there were.
    pub async fn delete_all(&self, folder: &str) -> Result<usize> {
        let failed = |error| storage_error(&format!("delete {folder}"), error);
        let prefix = path_of(folder)?;
        let found: Vec<Path> = self
            .store
            .list(Some(&prefix))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(failed)?;
        let count = found.len();
        self.delete_found(found).await.map_err(failed)?;
        if let Some(local) = &self.local_path {
            // Only empty folders are left; one that somebody fills meanwhile stays.
            durable::remove_empty_folders(
                &prefix
                    .parts()
                    .fold(local.clone(), |at, part| at.join(part.as_ref())),
            );
        }
        Ok(count)
    }

    /// Deletes objects by their paths, together where the store can; those that are not there are deleted already.
    pub async fn delete_many(&self, paths: impl IntoIterator<Item = String>) -> Result<()> {
        let paths = paths.into_iter().map(|path| path_of(&path));
        let paths = paths.collect::<Result<Vec<_>>>()?;
        let what = paths.first().map_or_else(String::new, Path::to_string);
        self.delete_found(paths)
            .await
            .map_err(|error| storage_error(&format!("delete {what}"), error))
    }

    async fn delete_found(&self, paths: Vec<Path>) -> Result<(), StoreError> {
        let paths = futures::stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut deleted = self.store.delete_stream(paths);
        while let Some(one) = deleted.next().await {
            match one {
                Ok(_) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

/// A put that finds nothing has found no bucket.
fn put_error(path: &str, error: StoreError) -> ConnectorError {
    match error {
        StoreError::NotFound { .. } => ConnectorError::Storage {
            message: format!("cannot write {path}: the bucket or container is not there"),
            retry: true,
        },
        error => storage_error(&format!("write {path}"), error),
    }
}

/// A path as the store takes it: its letters are what they are, and nothing is encoded.
pub(crate) fn path_of(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|error| ConnectorError::Option {
        message: format!("\"{path}\" is not a usable path: {error}"),
        hint: None,
    })
}
