//! A file written in parts, invisible until it is whole and synced.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{
    Error as StoreError, MultipartUpload, PutPayload, PutResult, Result, UploadPart,
};
use parking_lot::Mutex;

use super::{
    durable::{Disk, Naming, blocking},
    fault::{self, STORE},
};

/// An upload under way.
pub(super) struct Upload {
    disk: Arc<Disk>,
    target: PathBuf,
    staged: PathBuf,
    /// Taken when the upload ends, either way.
    file: Arc<Mutex<Option<fs::File>>>,
    offset: u64,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({})", self.target.display())
    }
}

impl Upload {
    pub(super) fn begin(disk: Arc<Disk>, target: PathBuf) -> Result<Self> {
        let (file, staged) = disk.stage(&target)?;
        Ok(Self {
            disk,
            target,
            staged,
            file: Arc::new(Mutex::new(Some(file))),
            offset: 0,
        })
    }
}

fn ended() -> StoreError {
    StoreError::Generic {
        store: STORE,
        source: "the upload has ended".into(),
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let offset = self.offset;
        self.offset += part.content_length() as u64;
        let file = Arc::clone(&self.file);
        let target = self.target.clone();
        blocking(move || {
            let mut guard = file.lock();
            let file = guard.as_mut().ok_or_else(ended)?;
            file.seek(SeekFrom::Start(offset))
                .and_then(|_| part.iter().try_for_each(|bytes| file.write_all(bytes)))
                .map_err(|error| fault::generic(error, &target))
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let file = self.file.lock().take().ok_or_else(ended)?;
        let disk = Arc::clone(&self.disk);
        let (staged, target) = (self.staged.clone(), self.target.clone());
        blocking(move || disk.publish(file, &staged, &target, Naming::Replace)).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.file.lock().take().ok_or_else(ended)?;
        fs::remove_file(&self.staged).map_err(|error| fault::generic(error, &self.staged))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.file.lock().take().is_some() {
            // Hidden if it stays, and removed at the next start.
            let _ = fs::remove_file(&self.staged);
        }
    }
}
