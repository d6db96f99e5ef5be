//! The simulated store: what it holds survives crashes; every operation may fail in the ways stores fail, as the seed has it.
//!
//! What befalls an operation depends on the seed, the life, the object and how often this life has asked for it, never on the order in
//! which operations happen to come: so a seed gives the same faults again.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, memory::InMemory, path::Path,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What befalls an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// It is not done, and says so.
    Refused,
    /// It is not done: there is no room.
    Full,
    /// It is done, and the answer is an error.
    LostReply,
    /// It is done, and the answer is that the object was there, as after a retry in a client.
    LostReplyThenExists,
    /// It is done later than what is asked for after it.
    Slow,
}

/// The store as one life sees it.
pub(super) struct SimStore {
    inner: Arc<InMemory>,
    seed: u64,
    life: usize,
    /// Operations in a thousand that go wrong.
    per_mille: u64,
    asked: Mutex<HashMap<(String, &'static str), u64>>,
    /// Writes left before the process dies.
    left: AtomicI64,
    pub(super) crashed: AtomicBool,
    pub(super) crash: Notify,
    pub(super) faults: AtomicUsize,
}

impl SimStore {
    /// A life that dies at its `dies_at`th write, or not at all.
    pub(super) fn new(
        inner: &Arc<InMemory>,
        seed: u64,
        life: usize,
        per_mille: u64,
        dies_at: Option<i64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            seed,
            life,
            per_mille,
            asked: Mutex::default(),
            left: AtomicI64::new(dies_at.unwrap_or(i64::MAX)),
            crashed: AtomicBool::new(false),
            crash: Notify::new(),
            faults: AtomicUsize::new(0),
        })
    }

    fn draw(&self, path: &Path, kind: &'static str) -> u64 {
        let mut asked = self.asked.lock();
        let times = asked.entry((path.to_string(), kind)).or_default();
        *times += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.life, stem(path), kind, *times).hash(&mut hasher);
        hasher.finish()
    }

    fn fault(&self, drawn: u64, create: bool) -> Fault {
        if drawn % 1000 >= self.per_mille {
            return Fault::None;
        }
        self.faults.fetch_add(1, Ordering::Relaxed);
        match (drawn / 1000) % 5 {
            0 => Fault::Refused,
            1 => Fault::Full,
            2 => Fault::LostReply,
            3 if create => Fault::LostReplyThenExists,
            3 => Fault::LostReply,
            _ => Fault::Slow,
        }
    }

    /// The process is gone: its reads end, or a thread that waits for one would be left for ever. Nobody hears the answer.
    fn readable(&self) -> Result<()> {
        match self.crashed.load(Ordering::Acquire) {
            true => Err(io(std::io::ErrorKind::NotConnected)),
            false => Ok(()),
        }
    }

    /// The process is gone: nothing that it writes is ever done, or answered.
    async fn check_alive(&self) {
        if self.crashed.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
    }

    /// Counts a write; dies in it where it is the last one, perhaps with half of it done.
    async fn count(&self, path: &Path, payload: &PutPayload, options: &PutOptions, drawn: u64) {
        if self.left.fetch_sub(1, Ordering::AcqRel) > 0 {
            return;
        }
        let ours = path.as_ref().contains("/checkpoints/");
        match drawn % 4 {
            0 if ours => {
                let bytes: Bytes = payload.iter().flatten().copied().collect();
                let half = bytes.slice(..bytes.len() / 2);
                let torn = self.inner.put_opts(path, half.into(), options.clone());
                // Whatever became of it, nobody is left to hear it.
                let _ = torn.await;
            }
            1 => {
                let done = self.inner.put_opts(path, payload.clone(), options.clone());
                let _ = done.await;
            }
            _ => {}
        }
        self.crashed.store(true, Ordering::Release);
        self.crash.notify_one();
        std::future::pending::<()>().await;
    }
}

/// Data files have names that nobody draws twice.
fn stem(path: &Path) -> &str {
    let path = path.as_ref();
    match path.rsplit_once('/') {
        Some((folder, name)) if name.ends_with(".parquet") => folder,
        _ => path,
    }
}

fn io(kind: std::io::ErrorKind) -> StoreError {
    StoreError::Generic {
        store: "simulated",
        source: Box::new(std::io::Error::from(kind)),
    }
}

impl fmt::Debug for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimStore")
    }
}

impl fmt::Display for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimStore")
    }
}

#[async_trait]
impl ObjectStore for SimStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.check_alive().await;
        let drawn = self.draw(location, "put");
        self.count(location, &payload, &options, drawn / 7).await;
        let create = matches!(options.mode, PutMode::Create);
        let fault = self.fault(drawn, create);
        match fault {
            Fault::Refused => return Err(io(std::io::ErrorKind::ConnectionReset)),
            Fault::Full => return Err(io(std::io::ErrorKind::StorageFull)),
            Fault::Slow => {
                for _ in 0..8 {
                    tokio::task::yield_now().await;
                }
            }
            Fault::None | Fault::LostReply | Fault::LostReplyThenExists => {}
        }
        let answer = self.inner.put_opts(location, payload, options).await?;
        match fault {
            Fault::LostReply => Err(io(std::io::ErrorKind::TimedOut)),
            Fault::LostReplyThenExists => Err(StoreError::AlreadyExists {
                path: location.to_string(),
                source: "it is there".into(),
            }),
            _ => Ok(answer),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check_alive().await;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.readable()?;
        let drawn = self.draw(location, "get");
        // A read has one way to fail.
        if !options.head && drawn % 1000 < self.per_mille / 4 {
            self.faults.fetch_add(1, Ordering::Relaxed);
            return Err(io(std::io::ErrorKind::TimedOut));
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.readable()?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        if self.crashed.load(Ordering::Acquire) {
            return Box::pin(futures::stream::pending());
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.readable()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
