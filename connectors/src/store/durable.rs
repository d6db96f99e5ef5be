//! A local store whose writes are on disk when it says so.
//!
//! A put writes an unfinished file beside its target (`name#` and 30 digits, which `object_store` hides from every listing), syncs it,
//! gives it its name in one step (hard link for create, rename for overwrite) and syncs the folder; folders that had to be made are
//! synced in their parents first. So a reader never sees a torn file, a create has exactly one winner, and a process may die at any
//! instruction: at worst an unfinished file stays, which [`remove_leftovers`] tells from a living process' by the digits.
//!
//! It must never report a write as done that the disk may have lost. A file that cannot be synced never gets its name. A folder
//! that cannot be synced after the name was given is worse: the file is there, perhaps not for long. That write fails with a fault
//! of its own kind and the store takes no more writes; only a restart, which reads what is really there, gets past it.

use std::{
    collections::HashSet,
    fmt, fs, io,
    io::Write,
    ops::Range,
    os::unix::fs::OpenOptionsExt,
    path::{Path as FsPath, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, local::LocalFileSystem, path::Path,
};
use parking_lot::Mutex;

use super::{
    fault::{self, STORE, Unsynced},
    listing,
    upload::Upload,
};

/// Folders remembered as synced; forgotten all at once beyond this many.
const KNOWN_FOLDERS: usize = 16_384;

/// An [`ObjectStore`] over the local file system that syncs what it writes; paths start at the file system's root.
#[derive(Clone)]
pub struct DurableLocal {
    files: LocalFileSystem,
    disk: Arc<Disk>,
}

/// The part that touches the disk.
pub(super) struct Disk {
    /// Folders above this one are somebody else's and are never synced.
    floor: PathBuf,
    /// Folders that are known to be in their synced parents.
    known: Mutex<HashSet<PathBuf>>,
    /// Why no more writes are taken.
    failed: OnceLock<String>,
    sync_folder: fn(&FsPath) -> io::Result<()>,
}

impl DurableLocal {
    /// A store for what lies in `floor`.
    pub fn new(floor: &FsPath) -> Self {
        Self::with_sync(floor, sync_folder)
    }

    pub(super) fn with_sync(floor: &FsPath, sync_folder: fn(&FsPath) -> io::Result<()>) -> Self {
        Self {
            files: LocalFileSystem::new(),
            disk: Arc::new(Disk {
                floor: floor.to_path_buf(),
                known: Mutex::default(),
                failed: OnceLock::new(),
                sync_folder,
            }),
        }
    }
}

impl fmt::Debug for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.disk.floor.display())
    }
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// In a put's extensions: the file is for the server's user alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Private;

/// Who may read a file.
#[derive(Clone, Copy)]
enum Readers {
    /// Whom the process's umask lets.
    AsUsual,
    /// The server's user alone.
    Ourselves,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::AsUsual => 0o666,
            Self::Ourselves => 0o600,
        }
    }
}

/// How a finished file gets its name.
#[derive(Clone, Copy)]
pub(super) enum Naming {
    /// Unless the name is taken.
    Create,
    /// Whatever had the name before.
    Replace,
}

impl Disk {
    /// Refuses once a folder could not be synced.
    fn check(&self) -> Result<()> {
        match self.failed.get() {
            None => Ok(()),
            Some(reason) => Err(unsynced(format!(
                "{reason}; no more writes are taken until the server is restarted"
            ))),
        }
    }

    /// Opens an unfinished file for `target`, making its folder.
    pub(super) fn stage(&self, target: &FsPath) -> Result<(fs::File, PathBuf)> {
        self.stage_for(target, Readers::AsUsual)
    }

    /// As [`Disk::stage`], for these readers.
    fn stage_for(&self, target: &FsPath, readers: Readers) -> Result<(fs::File, PathBuf)> {
        self.check()?;
        let folder = parent(target)?;
        self.ensure_folder(folder)?;
        let staged = staged_name(target);
        let open = || {
            fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(readers.mode())
                .open(&staged)
        };
        let file = match open() {
            // The folder was removed by somebody since we last looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.known.lock().clear();
                self.ensure_folder(folder)?;
                open()
            }
            other => other,
        };
        match file {
            Ok(file) => Ok((file, staged)),
            Err(error) => Err(fault::generic(error, &staged)),
        }
    }

    /// Syncs an unfinished file and gives it its name; on failure the unfinished file is gone.
    pub(super) fn publish(
        &self,
        file: fs::File,
        staged: &FsPath,
        target: &FsPath,
        naming: Naming,
    ) -> Result<PutResult> {
        let named = file.sync_all().and_then(|()| {
            let meta = file.metadata()?;
            drop(file);
            match naming {
                Naming::Create => fs::hard_link(staged, target)?,
                Naming::Replace => fs::rename(staged, target)?,
            }
            Ok(meta)
        });
        if named.is_err() || matches!(naming, Naming::Create) {
            // An unfinished file that stays is hidden and is removed at the next start.
            let _ = fs::remove_file(staged);
        }
        let meta = named.map_err(|error| fault::generic(error, target))?;
        self.sync_name(target)?;
        Ok(PutResult {
            e_tag: Some(format!("{:x}-{:x}", mtime_ns(&meta), meta.len())),
            version: None,
        })
    }

    /// Syncs the folder in which `target` has just been named.
    fn sync_name(&self, target: &FsPath) -> Result<()> {
        (self.sync_folder)(parent(target)?).map_err(|error| {
            let reason = format!("{}: {error}", target.display());
            // The first reason is the one to tell.
            let _ = self.failed.set(reason.clone());
            unsynced(reason)
        })
    }

    /// Makes a folder, and sees to it that it and those above it up to the floor are in synced parents.
    fn ensure_folder(&self, folder: &FsPath) -> Result<()> {
        // The lock is held while syncing: a second writer must not go on before the folder is safe.
        let mut known = self.known.lock();
        if known.contains(folder) {
            return Ok(());
        }
        let mut missing = vec![folder];
        while let Some(above) = missing.last().and_then(|last| last.parent()) {
            if !above.starts_with(&self.floor) || known.contains(above) {
                break;
            }
            missing.push(above);
        }
        if known.len() + missing.len() > KNOWN_FOLDERS {
            known.clear();
        }
        for at in missing.into_iter().rev() {
            let made = match fs::create_dir(at) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(at),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            };
            made.map_err(|error| fault::generic(error, at))?;
            if at != self.floor
                && let Some(above) = at.parent()
            {
                (self.sync_folder)(above).map_err(|error| fault::generic(error, above))?;
            }
            known.insert(at.to_path_buf());
        }
        Ok(())
    }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let naming = match options.mode {
            PutMode::Create => Naming::Create,
            PutMode::Overwrite => Naming::Replace,
            PutMode::Update(_) => {
                return Err(StoreError::NotImplemented {
                    operation: "a put that compares versions".into(),
                    implementer: STORE.into(),
                });
            }
        };
        let readers = match options.extensions.get::<Private>() {
            Some(Private) => Readers::Ourselves,
            None => Readers::AsUsual,
        };
        let target = self.files.path_to_filesystem(location)?;
        let disk = Arc::clone(&self.disk);
        blocking(move || {
            if matches!(naming, Naming::Create) && target.exists() {
                // Loses without writing anything; the link below decides among those that come this far.
                let taken = io::Error::from(io::ErrorKind::AlreadyExists);
                return Err(fault::generic(taken, &target));
            }
            let (mut file, staged) = disk.stage_for(&target, readers)?;
            for part in &payload {
                if let Err(error) = file.write_all(part) {
                    let _ = fs::remove_file(&staged);
                    return Err(fault::generic(error, &target));
                }
            }
            disk.publish(file, &staged, &target, naming)
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let target = self.files.path_to_filesystem(location)?;
        let disk = Arc::clone(&self.disk);
        let upload = blocking(move || Upload::begin(disk, target)).await?;
        Ok(Box::new(upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        // Not synced: a deletion that a loss of power undoes is made again.
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let plain = self.files.list_with_offset(prefix, offset);
        let Some(prefix) = prefix.cloned() else {
            return plain;
        };
        let (files, offset) = (self.files.clone(), offset.clone());
        let listed = blocking(move || listing::later(&files, &prefix, &offset));
        futures::stream::once(async move {
            Ok::<_, StoreError>(match listed.await? {
                Some(found) => futures::stream::iter(found.into_iter().map(Ok)).boxed(),
                // It has not begun, so it has cost nothing where it is not needed.
                None => plain,
            })
        })
        .try_flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.named(to, self.files.copy_opts(from, to, options))
            .await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.named(to, self.files.rename_opts(from, to, options))
            .await
    }
}

impl DurableLocal {
    /// Lets the plain store give a synced file a further name, and syncs that.
    async fn named(
        &self,
        to: &Path,
        naming: impl Future<Output = Result<()>> + Send,
    ) -> Result<()> {
        let target = self.files.path_to_filesystem(to)?;
        let disk = Arc::clone(&self.disk);
        let folder = parent(&target)?.to_path_buf();
        blocking(move || {
            disk.check()?;
            disk.ensure_folder(&folder)
        })
        .await?;
        naming.await?;
        let disk = Arc::clone(&self.disk);
        blocking(move || disk.sync_name(&target)).await
    }
}

/// Runs what waits for the disk off the async threads, where there are any.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await?,
        Err(_) => work(),
    }
}

/// Makes a folder and those above it, each synced in its parent.
pub(super) fn make_folders(folder: &FsPath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder
        .parent()
        .filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folders(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(above.unwrap_or(FsPath::new("."))),
    }
}

/// Removes empty folders below `folder`, and itself if it is then empty.
pub(super) fn remove_empty_folders(folder: &FsPath) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    // Fails when it is not empty, which is as it should be.
    let _ = fs::remove_dir(folder);
}

fn sync_folder(folder: &FsPath) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn unsynced(reason: String) -> StoreError {
    StoreError::Generic {
        store: STORE,
        source: Box::new(Unsynced { reason }),
    }
}

fn parent(target: &FsPath) -> Result<&FsPath> {
    target
        .parent()
        .ok_or_else(|| fault::generic(io::ErrorKind::InvalidInput.into(), target))
}

fn mtime_ns(meta: &fs::Metadata) -> u128 {
    meta.modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos())
}

/// What tells this process from an earlier one with the same id (in a container every server may be process 1).
fn process_token() -> u32 {
    static TOKEN: OnceLock<u32> = OnceLock::new();
    *TOKEN.get_or_init(rand::random)
}

/// `name#` and 30 digits: process id, process token, count.
pub(super) fn staged_name(target: &FsPath) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) % 10_000_000_000;
    let mut name = target.as_os_str().to_owned();
    name.push(format!(
        "#{:010}{:010}{count:010}",
        std::process::id(),
        process_token()
    ));
    name.into()
}

/// Whether a file is unfinished and its writer is gone.
pub(super) fn is_leftover(name: &str, alive: impl Fn(u32) -> bool) -> bool {
    let Some((_, digits)) = name.rsplit_once('#') else {
        return false;
    };
    if digits.len() != 30 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let part = |range: Range<usize>| digits.get(range).and_then(|part| part.parse::<u32>().ok());
    let (Some(process), Some(token)) = (part(0..10), part(10..20)) else {
        return false;
    };
    if process == std::process::id() {
        return token != process_token();
    }
    !alive(process)
}

/// Removes the unfinished files of dead processes below `folder`.
pub(super) fn remove_leftovers(folder: &FsPath) -> usize {
    // Without /proc nobody can be told dead, and nothing is removed but our own predecessor's.
    let alive = |process: u32| {
        !FsPath::new("/proc/self").exists() || FsPath::new(&format!("/proc/{process}")).exists()
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let mut removed = 0;
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            removed += remove_leftovers(&entry.path());
        } else if entry
            .file_name()
            .to_str()
            .is_some_and(|name| is_leftover(name, alive))
            && fs::remove_file(entry.path()).is_ok()
        {
            removed += 1;
        }
    }
    removed
}
