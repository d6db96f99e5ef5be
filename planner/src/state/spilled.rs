//! The state of a pane that memory does not hold: on disk, in the order in which it came, and merged when its windows close.
//!
//! Partial states are written down as they come, not merged, because merging them in another order than a pane in memory does would give
//! other last bits of a sum. Rows are written by the hash of their group, so that a part of the groups can be merged at a time; each
//! carries its number, so that the results come in the order in which a pane in memory would give them. So nobody can tell from the rows
//! of a query whether, or when, its state went to disk.

mod file;
mod merge;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type},
};
use datafusion::{
    common::hash_utils::{RandomState, create_hashes},
    execution::disk_manager::DiskManager,
};

use super::{groups::Groups, long::long};
use crate::{
    error::{PlanError, Result},
    streaming::Stage,
};

pub use file::StateFile;
pub(super) use file::StateWriter;
pub(crate) use merge::{Source, rows};

/// Into how many parts the groups are divided: a pane may grow to this many times what may be merged at once.
const PARTS: usize = 64;

/// Rows written since the last merge, beyond which the merged ones are too few to leave it at that.
const MANY_ROWS: u64 = if cfg!(test) { 8 } else { 1 << 20 };

/// Files beyond which opening them all for each part is dear: a checkpoint makes one, however little came.
const MANY_FILES: usize = if cfg!(test) { 4 } else { 256 };

/// Rows of a batch on disk.
const BATCH_ROWS: usize = if cfg!(test) { 16 } else { 1 << 16 };

/// Seed of the hash that divides the groups; another one than the engine's tables use, or each part would fill a part of a table only.
const PART_SEED: u64 = 0x51_u64;

/// Where state goes, and how much of it waits in memory until it is worth writing.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    pub(crate) disk: Arc<DiskManager>,
    pub(crate) pending_bytes: usize,
}

/// A pane on disk.
#[derive(Clone)]
pub(crate) struct Spilled {
    scratch: Scratch,
    /// Group columns ++ state columns ++ the row's number.
    schema: SchemaRef,
    /// What came, in order; the merged ones first.
    files: Vec<Arc<StateFile>>,
    /// What came since, not written yet.
    pending: Vec<RecordBatch>,
    pending_bytes: usize,
    next_number: u64,
    /// Rows that are merged: one for each group.
    merged_rows: u64,
    /// Files that they are in.
    merged_files: usize,
    /// Rows that came since.
    added_rows: u64,
}

impl Spilled {
    pub(crate) fn new(stage: &Stage, scratch: Scratch) -> Self {
        Self {
            scratch,
            schema: schema(stage),
            files: Vec::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            next_number: 0,
            merged_rows: 0,
            merged_files: 0,
            added_rows: 0,
        }
    }

    /// A pane that was in memory: a state for each of its groups.
    pub(crate) fn of(stage: &Stage, state: &RecordBatch, scratch: Scratch) -> Result<Self> {
        let mut spilled = Self::new(stage, scratch);
        spilled.append(stage, state.columns())?;
        spilled.write(stage)?;
        spilled.merged_files = spilled.files.len();
        (spilled.merged_rows, spilled.added_rows) = (spilled.added_rows, 0);
        Ok(spilled)
    }

    /// Takes in what a file of a checkpoint holds. It is divided anew: another build may hash otherwise.
    pub(crate) fn restore(&mut self, stage: &Stage, file: &StateFile) -> Result<()> {
        for batch in file.read()? {
            let batch = batch?;
            if batch.schema().fields() != self.schema.fields() {
                return Err(other_query());
            }
            let last = numbers(&batch)?.values().iter().max().copied();
            self.next_number = self.next_number.max(last.map_or(0, |last| last + 1));
            self.push(stage, batch)?;
        }
        Ok(())
    }

    /// Partial states that came: group columns ++ state columns.
    pub(crate) fn append(&mut self, stage: &Stage, states: &[ArrayRef]) -> Result<()> {
        let count = states.first().map_or(0, |column| column.len());
        let next = self.next_number + count as u64;
        let numbers = UInt64Array::from_iter_values(self.next_number..next);
        self.next_number = next;
        let mut columns = states.to_vec();
        columns.push(Arc::new(numbers));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.push(stage, batch)
    }

    fn push(&mut self, stage: &Stage, batch: RecordBatch) -> Result<()> {
        self.added_rows += batch.num_rows() as u64;
        self.pending_bytes += batch.get_array_memory_size();
        self.pending.push(batch);
        if self.pending_bytes < self.scratch.pending_bytes {
            return Ok(());
        }
        self.write_down(stage)
    }

    /// Writes what is pending; merges, where much has come since it was last done.
    fn write_down(&mut self, stage: &Stage) -> Result<()> {
        self.write(stage)?;
        let is_much = self.added_rows > self.merged_rows.max(MANY_ROWS);
        if is_much || (self.added_rows > 0 && self.files.len() > self.merged_files + MANY_FILES) {
            long(usize::MAX, || self.merge_all(stage))?;
        }
        Ok(())
    }

    /// Writes what is pending, part by part.
    fn write(&mut self, stage: &Stage) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let batch = match pending.as_slice() {
            [] => return Ok(()),
            [batch] => batch.clone(),
            many => concat_batches(&self.schema, many)?,
        };
        drop(pending);
        let mut writer = StateWriter::new(&self.scratch.disk, &self.schema);
        for (part, rows) in divide(stage, batch.columns(), batch.num_rows())?
            .into_iter()
            .enumerate()
        {
            for rows in rows.chunks(BATCH_ROWS) {
                let rows = UInt32Array::from(rows.to_vec());
                writer.write(part, &take_record_batch(&batch, &rows)?)?;
            }
        }
        self.files.extend(writer.finish()?);
        Ok(())
    }

    /// Merges what came into what is merged, a part at a time.
    fn merge_all(&mut self, stage: &Stage) -> Result<()> {
        let mut writer = StateWriter::new(&self.scratch.disk, &self.schema);
        let mut merged = 0;
        for part in 0..PARTS {
            let (state, numbers) = self.part_state(stage, part)?;
            merged += state.num_rows() as u64;
            let mut columns = state.columns().to_vec();
            columns.push(Arc::new(numbers));
            let state = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
            for start in (0..state.num_rows()).step_by(BATCH_ROWS) {
                let rows = BATCH_ROWS.min(state.num_rows() - start);
                writer.write(part, &state.slice(start, rows))?;
            }
        }
        self.files = writer.finish()?;
        self.merged_files = self.files.len();
        (self.merged_rows, self.added_rows) = (merged, 0);
        Ok(())
    }

    /// The groups of a part with the number of the row that each was first seen in, merged; nothing may be pending.
    fn part(&self, stage: &Stage, part: usize) -> Result<(Groups, Vec<u64>)> {
        let mut groups = Groups::new(stage)?;
        let mut firsts = Vec::new();
        for file in &self.files {
            for batch in file.read_part(part)? {
                let batch = batch?;
                let numbers = numbers(&batch)?;
                groups.merge_numbered(batch.columns(), numbers.values(), &mut firsts)?;
            }
        }
        Ok((groups, firsts))
    }

    /// The same as a batch of states, and their numbers.
    fn part_state(&self, stage: &Stage, part: usize) -> Result<(RecordBatch, UInt64Array)> {
        let (groups, firsts) = self.part(stage, part)?;
        let state = groups.into_state(&stage.state_schema)?;
        Ok((state, UInt64Array::from(firsts)))
    }

    /// Everything there is, as files that never change.
    pub(crate) fn files(&mut self, stage: &Stage) -> Result<&[Arc<StateFile>]> {
        self.write_down(stage)?;
        Ok(&self.files)
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.pending_bytes + self.files.len() * size_of::<StateFile>()
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes()).sum()
    }
}

/// The schema of a stage's states on disk.
pub(super) fn schema(stage: &Stage) -> SchemaRef {
    let number = Field::new("__sluice_number", DataType::UInt64, false);
    let fields = stage.state_schema.fields().iter().cloned();
    Arc::new(Schema::new(
        fields.chain([Arc::new(number)]).collect::<Vec<_>>(),
    ))
}

/// The numbers of rows that were on disk.
pub(super) fn numbers(batch: &RecordBatch) -> Result<&UInt64Array> {
    batch
        .columns()
        .last()
        .and_then(|column| column.as_primitive_opt::<UInt64Type>())
        .ok_or_else(|| PlanError::internal("a state on disk has no numbers"))
}

/// What is said of a state whose columns are not ours.
pub(super) fn other_query() -> PlanError {
    PlanError::invalid("the saved state is of another query")
        .detail("its columns are not those of this query's state")
}

/// The rows of each part. The window does not count: what is in one window may be in panes that are divided at different times.
fn divide(stage: &Stage, states: &[ArrayRef], count: usize) -> Result<Vec<Vec<u32>>> {
    let keys: Vec<&ArrayRef> = key_indices(stage)
        .filter_map(|index| states.get(index))
        .collect();
    let mut hashes = vec![0; count];
    if !keys.is_empty() {
        create_hashes(keys, &RandomState::with_seed(PART_SEED), &mut hashes)?;
    }
    let mut parts = vec![Vec::new(); PARTS];
    for (row, hash) in (0..).zip(&hashes) {
        let part = usize::try_from(hash % PARTS as u64).unwrap_or_default();
        if let Some(part) = parts.get_mut(part) {
            part.push(row);
        }
    }
    Ok(parts)
}

/// The group columns that are not the window's.
fn key_indices(stage: &Stage) -> impl Iterator<Item = usize> {
    let is_window = |index: &usize| stage.keys.iter().any(|key| key.index == *index);
    (0..stage.group_schema.fields().len()).filter(move |index| !is_window(index))
}

#[cfg(test)]
mod tests;
