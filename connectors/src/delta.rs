//! Delta tables: appending to one exactly once, and reading one.
//!
//! Everything about the format comes from delta-rs and its kernel; what is ours is the append path. delta-rs' own commit brings its
//! list of all active files up to date after every commit, so its cost grows with the table; and it accepts the same application
//! transaction twice. [`DeltaSink`] therefore writes the log entry itself: one conditional put of the next version, with the
//! transaction looked at before every commit and after every answer that leaves the outcome open.
//!
//! Other engines read these tables. So a commit never goes out without partition values and statistics, no type is written that
//! Spark, delta-rs or DuckDB would read differently, and no table property is set that makes the log forget our transactions.

mod commit;
mod compact;
mod entry;
mod epochs;
mod log;
mod maintain;
mod partition;
mod reader;
mod rows;
mod sink;
mod spec;
mod stats;
#[cfg(test)]
mod tests;
mod texts;
mod travel;
mod vacuum;
mod write;

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::SchemaRef;
use deltalake::kernel::Add;
use serde::{Deserialize, Serialize};

pub use compact::{Compactor, FAN_IN, Merge, Merged, PartitionValues, Standing, merges};
pub use epochs::{Added, EpochRows, NextRows, added_since};
pub use log::Checkpoint;
pub use maintain::{Maintained, last_checkpoint, maintain, maintain_from, next_checkpoint};
pub use reader::{DeltaReader, HistoryEntry, Snapshot, TableFile};
pub use rows::{FILE_COLUMN, FileBatches, FileRows, ROW_COLUMN};
pub use sink::{Change, DeltaSink};
pub use spec::{DECLARED_TYPE, stored_schema};
pub use travel::{At, Versions, snapshot_at};
pub use vacuum::{Removal, VacuumRules, Vacuumed, vacuum};

/// What a table is: its columns, how it is partitioned, and its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Columns in order, partition columns among them.
    pub schema: SchemaRef,
    /// Names of the columns it is partitioned by.
    pub partition_columns: Vec<String>,
    /// Properties (`delta.…` and our own).
    pub properties: BTreeMap<String, String>,
    /// What it is for, in words.
    pub description: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// A data file that is on disk and may be committed, now or later, by this process or another one: the log's `add` action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataFile {
    add: Add,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The table version that holds it; where it was there already and its version is not known any more, the newest version seen.
    pub version: i64,
    /// It was there already and nothing was written.
    pub already: bool,
}

impl DataFile {
    /// Its path below the table's folder.
    pub fn path(&self) -> &str {
        &self.add.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> i64 {
        self.add.size
    }

    /// Its number of rows.
    pub fn rows(&self) -> u64 {
        self.add.stats.as_deref().and_then(stats::rows).unwrap_or(0)
    }

    /// The partition it belongs to: column and value as text.
    pub fn partition_values(&self) -> &HashMap<String, Option<String>> {
        &self.add.partition_values
    }
}
