//! A store whose puts of log entries go wrong as told.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, path::Path,
};
use parking_lot::Mutex;

use crate::store::{DurableLocal, Root};

/// What goes wrong with a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is done, and the answer is an error.
    LostReply,
    /// It is done, and the answer is that it was there: as after a retry inside a client.
    LostReplyThenExists,
    /// It is not done.
    Refused,
}

/// The store.
pub(super) struct Faulty {
    inner: DurableLocal,
    /// The next one last.
    faults: Mutex<Vec<Fault>>,
    puts: AtomicUsize,
}

impl Faulty {
    /// A root over such a store.
    pub(super) fn root(folder: &std::path::Path) -> (Arc<Self>, Root) {
        let folder = std::fs::canonicalize(folder).unwrap();
        let store = Arc::new(Self {
            inner: DurableLocal::new(&folder),
            faults: Mutex::default(),
            puts: AtomicUsize::new(0),
        });
        let base: Arc<dyn ObjectStore> = store.clone();
        (store, Root::local(&folder, base).unwrap())
    }

    /// The next puts go wrong like this, one after the other, and then no more.
    pub(super) fn next(&self, faults: &[Fault]) {
        *self.faults.lock() = faults.iter().rev().copied().collect();
        self.puts.store(0, Ordering::Relaxed);
    }

    /// Puts of log entries since then.
    pub(super) fn puts(&self) -> usize {
        self.puts.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let create = matches!(options.mode, PutMode::Create);
        if !create || !location.as_ref().contains("_delta_log/") {
            return self.inner.put_opts(location, payload, options).await;
        }
        self.puts.fetch_add(1, Ordering::Relaxed);
        let fault = self.faults.lock().pop();
        let lost = StoreError::Generic {
            store: "Faulty",
            source: "connection reset".into(),
        };
        if fault == Some(Fault::Refused) {
            return Err(lost);
        }
        let answer = self.inner.put_opts(location, payload, options).await?;
        match fault {
            Some(Fault::LostReply) => Err(lost),
            Some(Fault::LostReplyThenExists) => Err(StoreError::AlreadyExists {
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
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
