//! Data files that statements have written and no version names yet: a vacuum must leave them alone, whatever its retention.
//!
//! A vacuum lists a table's folder first and asks then. So a file has to be known before anybody can see that it is there, or whoever asks
//! has to wait until it is: rounds of files are written under a lock that asking waits for.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use sluice_connectors::delta::DataFile;

use crate::error::Result;

/// Of one table.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    writing: tokio::sync::RwLock<()>,
    files: Mutex<HashSet<String>>,
}

impl UnderWay {
    /// Files that `work` writes, known from the moment they are there until [`UnderWay::end`].
    pub(super) async fn write(
        &self,
        work: impl Future<Output = Result<Vec<DataFile>>>,
    ) -> Result<Vec<DataFile>> {
        let _writing = self.writing.read().await;
        let files = work.await?;
        let paths = files.iter().map(|file| file.path().to_owned());
        self.files.lock().extend(paths);
        Ok(files)
    }

    /// The files are part of the table, or of nothing.
    pub(super) fn end(&self, files: &[DataFile]) {
        let mut known = self.files.lock();
        for file in files {
            known.remove(file.path());
        }
    }

    /// Paths below the table's folder.
    pub(crate) async fn files(&self) -> HashSet<String> {
        let _nobody = self.writing.write().await;
        self.files.lock().clone()
    }
}

/// Of all tables, by their folders: a table that is altered keeps its own.
#[derive(Debug, Default)]
pub(crate) struct Writings(Mutex<HashMap<String, Arc<UnderWay>>>);

impl Writings {
    /// Those of the table in this folder.
    pub(crate) fn of(&self, path: &str) -> Arc<UnderWay> {
        let mut all = self.0.lock();
        Arc::clone(all.entry(path.to_owned()).or_default())
    }
}
