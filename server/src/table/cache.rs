//! Rows of tables, decoded and kept: statements that look up a few rows of a small one, or read all of one again and again, would decode the
//! same pages each time.
//!
//! A data file never changes, so its rows hold as long as the table has the file; a new version costs what is new in it. What is kept is
//! bounded, accounted in the pool of ad-hoc queries, and goes when other tables are asked for. Whatever cannot be kept (large tables, rows
//! that another engine marked as deleted) is read from the files by everybody, as if there were no cache.
//!
//! Batches have zone maps: the least and the greatest value of a column in each, by which a lookup passes by all but the batch it needs.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch},
    compute::kernels::cmp,
    datatypes::{DataType, SchemaRef},
};
use datafusion::{
    common::Result,
    execution::{
        SessionState,
        memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
    },
    functions_aggregate::min_max::{MaxAccumulator, MinAccumulator},
    logical_expr::{Accumulator, Operator},
    physical_plan::execute_stream,
    scalar::ScalarValue,
};
use futures::TryStreamExt;
use parking_lot::Mutex;
use sluice_connectors::delta::Snapshot;

/// Bytes of data files from which a table is not kept for those who look up rows of it.
const FILE_BYTES: i64 = 16 << 20;

/// Data files from which it is not: each is read by itself.
const FILES: usize = 2_000;

/// Data files that are read in a moment: their number, and their bytes together.
const FILES_AT_ONCE: usize = 16;
const FILE_BYTES_AT_ONCE: i64 = 1 << 20;

/// Bytes of data files from which a table is not kept for statements that read all of it.
const FILE_BYTES_TO_READ_WHOLE: i64 = 128 << 20;

/// What is read as a whole again within this time is worth keeping; what could not be kept is not tried again for as long.
const WHILE: Duration = Duration::from_secs(600);

/// The part of the memory of ad-hoc queries that is for decoded rows: one in so many.
const SHARE: usize = 8;

/// Decoded rows of tables.
#[derive(Debug)]
pub struct RowCache {
    limit: usize,
    pool: Arc<dyn MemoryPool>,
    tables: Mutex<Tables>,
    /// A table is read by one at a time; others wait for that.
    loading: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug)]
struct Tables {
    reservation: MemoryReservation,
    by_path: HashMap<String, Entry>,
    /// When a statement last read the whole of a table that is not kept.
    read_whole: HashMap<String, Instant>,
    /// Goes up with every use.
    now: u64,
}

#[derive(Debug)]
struct Entry {
    used: u64,
    snapshot: Arc<Snapshot>,
    /// `None` where the table is not to be kept at this version.
    rows: Option<Arc<CachedRows>>,
    since: Instant,
}

/// What is known of a table's rows.
#[derive(Clone, Debug)]
pub enum Known {
    /// They are here.
    Rows(Arc<CachedRows>),
    /// They are not to be kept.
    Refused,
    /// They have not been asked for at this version.
    No,
}

/// The committed rows of a table at a version.
#[derive(Debug)]
pub struct CachedRows {
    files: HashMap<String, Vec<RecordBatch>>,
    batches: Vec<RecordBatch>,
    /// By column, once somebody looks a value of it up.
    zones: Vec<OnceLock<Option<Zones>>>,
    rows: usize,
    bytes: usize,
}

/// The least and the greatest value of a column in each batch.
#[derive(Debug)]
struct Zones {
    least: ArrayRef,
    greatest: ArrayRef,
}

/// What rows must hold for: column, comparison, value.
pub type Comparison = (usize, Operator, ScalarValue);

/// Whether the files of a version are few and small enough to be kept.
pub fn fits(snapshot: &Snapshot) -> bool {
    snapshot.num_files() <= FILES && snapshot.size().1 <= FILE_BYTES
}

/// Whether they are for statements that read all of them.
fn fits_whole(snapshot: &Snapshot) -> bool {
    snapshot.num_files() <= FILES && snapshot.size().1 <= FILE_BYTES_TO_READ_WHOLE
}

impl Known {
    fn rows(self) -> Option<Arc<CachedRows>> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Refused | Self::No => None,
        }
    }
}

impl RowCache {
    /// For a part of the memory of ad-hoc queries.
    pub fn new(pool: &Arc<dyn MemoryPool>, query_memory: usize) -> Self {
        Self {
            limit: query_memory / SHARE,
            pool: Arc::clone(pool),
            tables: Mutex::new(Tables {
                reservation: MemoryConsumer::new("decoded rows of tables").register(pool),
                by_path: HashMap::new(),
                read_whole: HashMap::new(),
                now: 0,
            }),
            loading: Mutex::default(),
        }
    }

    /// Bytes of rows that are kept.
    pub fn bytes(&self) -> usize {
        self.tables.lock().reservation.size()
    }

    /// The rows of the table in this folder at this version, as far as they are here.
    pub fn get(&self, path: &str, snapshot: &Arc<Snapshot>) -> Known {
        let mut tables = self.tables.lock();
        tables.now += 1;
        let now = tables.now;
        match tables.by_path.get_mut(path) {
            Some(entry) if Arc::ptr_eq(&entry.snapshot, snapshot) => {
                entry.used = now;
                match &entry.rows {
                    Some(rows) => Known::Rows(Arc::clone(rows)),
                    None => Known::Refused,
                }
            }
            _ => Known::No,
        }
    }

    /// Number of rows of the table at this version, where they are here or are read in a moment.
    pub fn at_hand(&self, path: &str, snapshot: &Arc<Snapshot>) -> Option<usize> {
        match self.get(path, snapshot) {
            Known::Rows(rows) => return Some(rows.rows()),
            Known::Refused => return None,
            Known::No => {}
        }
        if !fits(snapshot) || snapshot.has_deletion_vectors() {
            return None;
        }
        let before = self.before(path);
        let (mut rows, mut files, mut bytes) = (0, 0, 0);
        for file in snapshot.files() {
            rows += usize::try_from(file.num_records?).ok()?;
            let known = before.as_ref();
            if !known.is_some_and(|known| known.files.contains_key(&file.path)) {
                files += 1;
                bytes += file.size;
            }
        }
        (files <= FILES_AT_ONCE && bytes <= FILE_BYTES_AT_ONCE).then_some(rows)
    }

    /// Its rows at the last version that was asked for.
    fn before(&self, path: &str) -> Option<Arc<CachedRows>> {
        let tables = self.tables.lock();
        let entry = tables.by_path.get(path);
        entry.and_then(|entry| entry.rows.clone())
    }

    /// Reads them, those of files that are new; `None` where they are not to be kept.
    pub async fn load(
        &self,
        path: &str,
        snapshot: &Arc<Snapshot>,
        schema: &SchemaRef,
        state: &SessionState,
    ) -> Result<Option<Arc<CachedRows>>> {
        match self.get(path, snapshot) {
            Known::No if fits(snapshot) => self.read_in_turn(path, snapshot, schema, state).await,
            known => Ok(known.rows()),
        }
    }

    /// The rows for a statement that reads all of them, and of the columns as many as `wide` says. The second of the kind in a while has
    /// them read and kept, as long as there is room; from then on every version costs what is new in it.
    pub(super) async fn for_all(
        &self,
        path: &str,
        snapshot: &Arc<Snapshot>,
        schema: &SchemaRef,
        wide: bool,
        state: &SessionState,
    ) -> Result<Option<Arc<CachedRows>>> {
        let known = self.get(path, snapshot);
        let unknown = matches!(known, Known::No);
        if unknown && wide && fits_whole(snapshot) && self.is_worth_it(path) {
            return self.read_in_turn(path, snapshot, schema, state).await;
        }
        Ok(known.rows())
    }

    /// Whether the rows of a table that is read as a whole should be kept: they were already, or it is not the first time in a while.
    fn is_worth_it(&self, path: &str) -> bool {
        let mut tables = self.tables.lock();
        match tables.by_path.get(path) {
            Some(entry) if entry.rows.is_some() => return true,
            Some(entry) if entry.since.elapsed() < WHILE => return false,
            _ => {}
        }
        tables.read_whole.retain(|_, at| at.elapsed() < WHILE);
        let before = tables.read_whole.insert(path.to_owned(), Instant::now());
        before.is_some()
    }

    /// Reads rows that are not known, unless somebody else is at it: then that is waited for.
    async fn read_in_turn(
        &self,
        path: &str,
        snapshot: &Arc<Snapshot>,
        schema: &SchemaRef,
        state: &SessionState,
    ) -> Result<Option<Arc<CachedRows>>> {
        let turn = Arc::clone(self.loading.lock().entry(path.to_owned()).or_default());
        let turn = turn.lock_owned().await;
        let rows = match self.get(path, snapshot) {
            Known::No => {
                let rows = self.read(path, snapshot, schema, state).await?;
                self.put(path, snapshot, rows)
            }
            known => known.rows(),
        };
        drop(turn);
        let mut loading = self.loading.lock();
        loading.retain(|_, turn| Arc::strong_count(turn) > 1);
        Ok(rows)
    }

    async fn read(
        &self,
        path: &str,
        snapshot: &Snapshot,
        schema: &SchemaRef,
        state: &SessionState,
    ) -> Result<Option<CachedRows>> {
        if snapshot.has_deletion_vectors() {
            return Ok(None);
        }
        // Until they are accounted among what is kept.
        let held = MemoryConsumer::new("rows being decoded").register(&self.pool);
        let before = self.before(path);
        let mut files = HashMap::new();
        let mut batches = Vec::new();
        let mut bytes = 0;
        for file in snapshot.files() {
            let known = before.as_ref().and_then(|rows| rows.files.get(&file.path));
            let known =
                known.filter(|known| known.iter().all(|batch| batch.schema_ref() == schema));
            let found = match known {
                Some(known) => known.clone(),
                None => {
                    let provider = snapshot.provider_of(&file.path);
                    let provider =
                        provider.map_err(|e| super::external(crate::root::storage_error(e)))?;
                    let plan = provider.scan(state, None, &[], None).await?;
                    let (mut found, mut room) = (Vec::new(), self.limit.saturating_sub(bytes));
                    let mut rows = execute_stream(plan, state.task_ctx())?;
                    // A few megabytes of a file may be any number of rows.
                    while let Some(batch) = rows.try_next().await? {
                        let size = batch.get_array_memory_size();
                        let Some(left) = room.checked_sub(size) else {
                            return Ok(None);
                        };
                        if held.try_grow(size).is_err() {
                            return Ok(None);
                        }
                        room = left;
                        found.push(batch);
                    }
                    found
                }
            };
            let sizes = found.iter().map(RecordBatch::get_array_memory_size);
            bytes += sizes.sum::<usize>();
            if found.iter().any(|batch| batch.schema_ref() != schema) {
                return Ok(None);
            }
            batches.extend(found.iter().filter(|batch| batch.num_rows() > 0).cloned());
            files.insert(file.path, found);
        }
        Ok(Some(CachedRows {
            rows: batches.iter().map(RecordBatch::num_rows).sum(),
            bytes,
            zones: schema.fields().iter().map(|_| OnceLock::new()).collect(),
            files,
            batches,
        }))
    }

    /// Keeps rows, in the place of those that were not asked for the longest.
    fn put(
        &self,
        path: &str,
        snapshot: &Arc<Snapshot>,
        rows: Option<CachedRows>,
    ) -> Option<Arc<CachedRows>> {
        let mut tables = self.tables.lock();
        let rows = rows.filter(|rows| rows.bytes <= self.limit).map(Arc::new);
        tables.now += 1;
        let entry = Entry {
            used: tables.now,
            snapshot: Arc::clone(snapshot),
            rows,
            since: Instant::now(),
        };
        tables.by_path.insert(path.to_owned(), entry);
        loop {
            let bytes = tables.bytes();
            if bytes <= self.limit && tables.reservation.try_resize(bytes).is_ok() {
                break;
            }
            let kept = tables
                .by_path
                .iter()
                .filter(|(_, entry)| entry.rows.is_some());
            let oldest = kept.min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(path, _)| path.clone()) else {
                break;
            };
            match oldest == path {
                // There is no room for it: everybody reads its files.
                true => {
                    if let Some(entry) = tables.by_path.get_mut(path) {
                        entry.rows = None;
                    }
                }
                false => drop(tables.by_path.remove(&oldest)),
            }
        }
        tables.by_path.get(path)?.rows.clone()
    }
}

impl Tables {
    fn bytes(&self) -> usize {
        let rows = self
            .by_path
            .values()
            .filter_map(|entry| entry.rows.as_ref());
        rows.map(|rows| rows.bytes).sum()
    }
}

impl CachedRows {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// All of them, for so many threads; batches that follow each other stay together.
    pub(super) fn shares(&self, threads: usize) -> Vec<Vec<RecordBatch>> {
        let share = self.batches.len().div_ceil(threads.max(1)).max(1);
        let shares = self.batches.chunks(share);
        shares.map(<[RecordBatch]>::to_vec).collect()
    }

    /// The batches that may have rows for which all of these hold.
    pub fn matching(&self, all: &[Comparison]) -> Result<Vec<&RecordBatch>> {
        let mut may = vec![true; self.batches.len()];
        for (column, operator, value) in all {
            if value.is_null() {
                // Nothing compares with it.
                return Ok(Vec::new());
            }
            let Some(zones) = self.zones(*column)? else {
                continue;
            };
            if zones.least.data_type() != &value.data_type() {
                continue;
            }
            for (may, holds) in may.iter_mut().zip(zones.may_hold(*operator, value)?) {
                *may &= holds;
            }
        }
        let batches = self.batches.iter().zip(may);
        Ok(batches
            .filter(|(_, may)| *may)
            .map(|(batch, _)| batch)
            .collect())
    }

    fn zones(&self, column: usize) -> Result<Option<&Zones>> {
        let Some(zones) = self.zones.get(column) else {
            return Ok(None);
        };
        if zones.get().is_none() {
            let made = Zones::of(&self.batches, column)?;
            // Another may have been first, with the same.
            let _ = zones.set(made);
        }
        Ok(zones.get().and_then(Option::as_ref))
    }
}

impl Zones {
    /// `None` for types that have no order, or one with surprises.
    fn of(batches: &[RecordBatch], column: usize) -> Result<Option<Self>> {
        let Some(first) = batches.first() else {
            return Ok(None);
        };
        let data_type = first.column(column).data_type();
        let ordered = data_type.is_integer()
            || matches!(
                data_type,
                DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..)
            );
        if !ordered {
            return Ok(None);
        }
        let (mut least, mut greatest) = (Vec::new(), Vec::new());
        for batch in batches {
            let values = [Arc::clone(batch.column(column))];
            let mut min = MinAccumulator::try_new(data_type)?;
            min.update_batch(&values)?;
            least.push(min.evaluate()?);
            let mut max = MaxAccumulator::try_new(data_type)?;
            max.update_batch(&values)?;
            greatest.push(max.evaluate()?);
        }
        Ok(Some(Self {
            least: ScalarValue::iter_to_array(least)?,
            greatest: ScalarValue::iter_to_array(greatest)?,
        }))
    }

    /// For each batch whether one of its values may compare so with a value.
    fn may_hold(&self, operator: Operator, value: &ScalarValue) -> Result<Vec<bool>> {
        let value = value.to_scalar()?;
        let (least, greatest) = (&self.least, &self.greatest);
        let holds = match operator {
            Operator::Eq => {
                let low = cmp::lt_eq(least, &value)?;
                let high = cmp::gt_eq(greatest, &value)?;
                return Ok(truths(&low)
                    .zip(truths(&high))
                    .map(|(a, b)| a && b)
                    .collect());
            }
            Operator::Lt => cmp::lt(least, &value)?,
            Operator::LtEq => cmp::lt_eq(least, &value)?,
            Operator::Gt => cmp::gt(greatest, &value)?,
            Operator::GtEq => cmp::gt_eq(greatest, &value)?,
            _ => return Ok(vec![true; least.len()]),
        };
        Ok(truths(&holds).collect())
    }
}

/// A batch of nothing but NULL has no least value, and nothing of it compares.
fn truths(holds: &BooleanArray) -> impl Iterator<Item = bool> + '_ {
    holds.iter().map(|holds| holds.unwrap_or(false))
}

#[cfg(test)]
mod tests;
