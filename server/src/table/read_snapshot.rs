//! What a transaction reads: every table as it was when the transaction first read it.

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;

use super::Cut;

/// The cuts of a session's transaction.
#[derive(Debug, Default)]
pub struct ReadSnapshot {
    /// By the table's folder; `None` where every statement reads what is newest.
    cuts: Mutex<Option<HashMap<String, (SchemaRef, Cut)>>>,
}

impl ReadSnapshot {
    /// A transaction begins whose statements read the same.
    pub fn begin(&self) {
        *self.cuts.lock() = Some(HashMap::new());
    }

    /// Every statement reads what is newest from now on.
    pub fn end(&self) {
        *self.cuts.lock() = None;
    }

    /// Whether the transaction has read anything.
    pub fn has_read(&self) -> bool {
        self.cuts
            .lock()
            .as_ref()
            .is_some_and(|cuts| !cuts.is_empty())
    }

    /// The transaction has written to a table: it reads what is newest there, its own rows among it.
    pub fn wrote(&self, path: &str) {
        if let Some(cuts) = self.cuts.lock().as_mut() {
            cuts.remove(path);
        }
    }

    /// The transaction has changed what exists: it reads what is newest from now on.
    pub fn forget(&self) {
        if let Some(cuts) = self.cuts.lock().as_mut() {
            cuts.clear();
        }
    }

    /// The cut of a table that the transaction has read; another table in the same folder is told by its columns.
    pub(super) fn get(&self, path: &str, schema: &SchemaRef) -> Option<Cut> {
        let cuts = self.cuts.lock();
        let (of, cut) = cuts.as_ref()?.get(path)?;
        (of == schema).then(|| cut.clone())
    }

    /// The first to be read of a table is what the transaction reads of it from now on.
    pub(super) fn keep(&self, path: &str, schema: &SchemaRef, cut: Cut) -> Cut {
        if let Some(cuts) = self.cuts.lock().as_mut() {
            cuts.insert(path.to_owned(), (schema.clone(), cut.clone()));
        }
        cut
    }
}
