//! Which keys had rows in which of the last windows, and the rows of windows without.
//!
//! Between two epochs this is, for each key, how many windows ago it had rows, and where the last of them stand when they are carried
//! forward. Windows without any row have no pane, so they are counted here, from the window told last to the watermark.
//!
//! What must hold: the rows told up to a watermark are the same however many steps it came in; a jump of the watermark costs as many rows as
//! it tells (at most the keys times the windows that FILL speaks of), not as many windows as it passes; rows of one window come with those
//! of the stream first, then those filled in, by key in ascending order.

use std::{collections::HashMap, ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, Field, Int64Type, Schema, TimestampMicrosecondType},
    row::{RowConverter, SortField},
};

use super::stage::WindowRows;
use crate::{
    PaneState,
    error::{PlanError, PlanErrorKind, Result},
    streaming::{Filling, Program, Stage},
};

#[cfg(test)]
mod tests;

/// Rows that are filled in at once: windows without rows are put together up to so many.
const CHUNK: usize = 8_192;
/// Rows that one gap may be filled with: they are made at once.
const MANY_FILLED: usize = 10_000_000;

/// Values of a row as bytes: those of a key compare like the key.
type Bytes = Box<[u8]>;

/// What is known of a key.
struct Seen {
    /// The window, counted, that had the last rows of it.
    at: i64,
    /// The results of that window; empty where they are not carried forward.
    results: Bytes,
}

/// A row to be filled in: its window, its key, and what is known of it.
type Missing<'a> = (Range<i64>, &'a Bytes, &'a Seen);

/// What a query's last windows are filled with, in a query that asks for it.
pub(crate) struct Filled(Option<FillState>);

impl Filled {
    pub(crate) fn new(program: &Program) -> Result<Self> {
        Ok(Self(match parts(program) {
            Some((filling, stage)) => Some(FillState::new(filling, stage)?),
            None => None,
        }))
    }

    /// Takes over what a checkpoint kept, if it is of this.
    pub(crate) fn restore(&mut self, program: &Program, state: &PaneState) -> Result<bool> {
        match parts(program).zip(self.0.as_mut()) {
            Some(((filling, stage), fill)) if state.stage == program.stages.len() => {
                fill.restore(filling, stage, state)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// What a checkpoint keeps, as one more stage above the others.
    pub(crate) fn snapshot(&mut self, program: &Program) -> Result<Option<PaneState>> {
        match parts(program).zip(self.0.as_mut()) {
            Some(((filling, stage), fill)) => fill.snapshot(program.stages.len(), filling, stage),
            None => Ok(None),
        }
    }

    /// The rows of these windows, which closed in this order, and of every window without rows that ends at or before `limit`.
    pub(crate) fn close(
        &mut self,
        program: &Program,
        closed: Vec<WindowRows>,
        limit: i64,
    ) -> Result<Vec<WindowRows>> {
        match parts(program).zip(self.0.as_mut()) {
            Some(((filling, stage), fill)) => fill.close(filling, stage, closed, limit),
            None => Ok(closed),
        }
    }

    /// The end of the next window, if a row would be filled in there.
    pub(crate) fn next_end(&self, program: &Program) -> Option<i64> {
        let ((_, stage), fill) = parts(program).zip(self.0.as_ref())?;
        Some(stage.windows.after(fill.last.as_ref()?)?.end)
    }

    /// Bytes of state held.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, FillState::bytes)
    }
}

/// How a program fills, and the stage whose windows it fills.
fn parts(program: &Program) -> Option<(&Filling, &Stage)> {
    program.fill.as_ref().zip(program.stages.last())
}

/// Keys of the last windows.
struct FillState {
    keys: RowConverter,
    /// Where results are carried forward.
    results: Option<RowConverter>,
    seen: HashMap<Bytes, Seen>,
    /// How many windows were told.
    told: i64,
    /// The window told last; none when there is no key.
    last: Option<Range<i64>>,
    /// Bytes of keys and results.
    heap: usize,
    saved: Option<Arc<RecordBatch>>,
}

impl FillState {
    fn new(filling: &Filling, stage: &Stage) -> Result<Self> {
        let converter = |columns: Vec<usize>| {
            let fields = stage.result_schema.fields();
            let fields = columns.iter().filter_map(|index| fields.get(*index));
            let sorts = fields.map(|field| SortField::new(field.data_type().clone()));
            RowConverter::new(sorts.collect())
        };
        let results = match filling.results {
            Some(_) => None,
            None => Some(converter(result_columns(stage).collect())?),
        };
        Ok(Self {
            keys: converter(filling.keys.clone())?,
            results,
            seen: HashMap::new(),
            told: 0,
            last: None,
            heap: 0,
            saved: None,
        })
    }

    fn bytes(&self) -> usize {
        let saved = self.saved.as_ref();
        self.heap
            + self.seen.capacity() * size_of::<(Bytes, Seen)>()
            + saved.map_or(0, |saved| saved.get_array_memory_size())
    }

    /// The rows of these windows, which closed in this order, and of every window without rows that ends at or before `limit`.
    fn close(
        &mut self,
        filling: &Filling,
        stage: &Stage,
        closed: Vec<WindowRows>,
        limit: i64,
    ) -> Result<Vec<WindowRows>> {
        let mut told = Vec::with_capacity(closed.len());
        // A large window comes in several batches, one behind the other.
        let mut windows: Vec<(Range<i64>, Vec<WindowRows>)> = Vec::new();
        for rows in closed.into_iter().filter(|rows| rows.rows.num_rows() > 0) {
            let window = window_of(filling, stage, &rows)?;
            match windows.last_mut() {
                Some((last, batches)) if *last == window => batches.push(rows),
                _ => windows.push((window, vec![rows])),
            }
        }
        for (window, batches) in windows {
            self.gap(filling, stage, window.end.saturating_sub(1), &mut told)?;
            self.window(filling, stage, window, batches, &mut told)?;
        }
        self.gap(filling, stage, limit, &mut told)?;
        Ok(told)
    }

    /// A window with rows, and the rows of keys that have none in it.
    fn window(
        &mut self,
        filling: &Filling,
        stage: &Stage,
        window: Range<i64>,
        batches: Vec<WindowRows>,
        told: &mut Vec<WindowRows>,
    ) -> Result<()> {
        self.saved = None;
        self.told += 1;
        for WindowRows { rows, .. } in &batches {
            let count = rows.num_rows();
            let keys = encode(&self.keys, columns_at(rows, &filling.keys), count)?;
            let results = match &self.results {
                None => vec![Bytes::default(); count],
                Some(converter) => {
                    let columns: Vec<usize> = result_columns(stage).collect();
                    encode(converter, columns_at(rows, &columns), count)?
                }
            };
            for (key, results) in keys.into_iter().zip(results) {
                self.see(key, results, self.told);
            }
        }
        told.extend(batches);
        let now = self.told;
        let missing = self.sorted(|seen| seen.at < now);
        let missing = missing
            .into_iter()
            .map(|(key, seen)| (window.clone(), key, seen));
        let missing: Vec<Missing<'_>> = missing.collect();
        for chunk in missing.chunks(CHUNK) {
            told.push(self.filled(filling, stage, chunk)?);
        }
        self.last = Some(window);
        self.forget(filling);
        Ok(())
    }

    /// The windows after the one told last that end at or before `until`, none of which has rows.
    fn gap(
        &mut self,
        filling: &Filling,
        stage: &Stage,
        until: i64,
        told: &mut Vec<WindowRows>,
    ) -> Result<()> {
        let Some(mut last) = self.last.clone() else {
            return Ok(());
        };
        let mut next = stage.windows.after(&last);
        if next.as_ref().is_none_or(|next| next.end > until) {
            return Ok(());
        }
        let mut now = self.told;
        let mut silent = self.sorted(|_| true);
        let mut room = MANY_FILLED;
        let mut chunk: Vec<Missing<'_>> = Vec::new();
        while !silent.is_empty()
            && let Some(window) = next.take_if(|next| next.end <= until)
        {
            now += 1;
            room = room
                .checked_sub(silent.len())
                .ok_or_else(|| too_many(filling))?;
            for (key, seen) in &silent {
                chunk.push((window.clone(), key, seen));
                if chunk.len() == CHUNK {
                    told.push(self.filled(filling, stage, &chunk)?);
                    chunk.clear();
                }
            }
            silent.retain(|(_, seen)| now - seen.at < filling.windows());
            next = stage.windows.after(&window);
            last = window;
        }
        if !chunk.is_empty() {
            told.push(self.filled(filling, stage, &chunk)?);
        }
        self.saved = None;
        self.told = now;
        self.last = Some(last);
        self.forget(filling);
        Ok(())
    }

    /// The keys of which this is true, in their order.
    fn sorted(&self, is_wanted: impl Fn(&Seen) -> bool) -> Vec<(&Bytes, &Seen)> {
        let mut keys: Vec<(&Bytes, &Seen)> = self
            .seen
            .iter()
            .filter(|(_, seen)| is_wanted(seen))
            .collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        keys
    }

    /// A key has rows in a window.
    fn see(&mut self, key: Bytes, results: Bytes, at: i64) {
        self.heap += key.len() + results.len();
        let length = key.len();
        if let Some(before) = self.seen.insert(key, Seen { at, results }) {
            self.heap -= length + before.results.len();
        }
    }

    /// Lets go of the keys that are not to be filled in the next window.
    fn forget(&mut self, filling: &Filling) {
        let (now, heap) = (self.told, &mut self.heap);
        self.seen.retain(|key, seen| {
            let is_kept = now - seen.at < filling.windows();
            if !is_kept {
                *heap -= key.len() + seen.results.len();
            }
            is_kept
        });
        if self.seen.is_empty() {
            self.last = None;
        }
        // What a burst of keys took is given back.
        if self.seen.len() * 4 < self.seen.capacity() {
            self.seen.shrink_to_fit();
        }
    }

    /// The rows that are filled in.
    fn filled(&self, filling: &Filling, stage: &Stage, rows: &[Missing<'_>]) -> Result<WindowRows> {
        let keys = decode(&self.keys, rows.iter().map(|(_, key, _)| *key))?;
        let mut keys = keys.into_iter();
        let results: Vec<ArrayRef> = match (&self.results, &filling.results) {
            (Some(converter), _) => {
                decode(converter, rows.iter().map(|(_, _, seen)| &seen.results))?
            }
            (None, Some(values)) => values
                .iter()
                .map(|value| value.to_array_of_size(rows.len()))
                .collect::<Result<_, _>>()?,
            (None, None) => return Err(PlanError::internal("a filled query has no results")),
        };
        let groups = stage.group_schema.fields().len();
        let mut columns = Vec::with_capacity(stage.result_schema.fields().len());
        for index in 0..groups {
            let key = stage.keys.iter().find(|key| key.index == index);
            columns.push(match key {
                Some(key) => times(rows.iter().map(|(window, _, _)| key.column.of(window))),
                None => keys
                    .next()
                    .ok_or_else(|| PlanError::internal("a filled row lost its key"))?,
            });
        }
        columns.extend(results);
        for (column, field) in columns.iter_mut().zip(stage.result_schema.fields()) {
            if column.data_type() != field.data_type() {
                // Bytes know of no dictionaries.
                *column = cast(column, field.data_type())?;
            }
        }
        Ok(WindowRows {
            starts: times(rows.iter().map(|(window, _, _)| window.start)),
            rows: RecordBatch::try_new(Arc::clone(&stage.result_schema), columns)?,
        })
    }

    /// Keys, the results carried forward, and how many windows ago they were.
    fn snapshot(
        &mut self,
        number: usize,
        filling: &Filling,
        stage: &Stage,
    ) -> Result<Option<PaneState>> {
        let Some(last) = self.last.clone() else {
            return Ok(None);
        };
        let state = match &self.saved {
            Some(saved) => Arc::clone(saved),
            None => {
                let seen = self.sorted(|_| true);
                let mut columns = decode(&self.keys, seen.iter().map(|(key, _)| *key))?;
                if let Some(converter) = &self.results {
                    let results = seen.iter().map(|(_, seen)| &seen.results);
                    columns.extend(decode(converter, results)?);
                }
                let ages = seen.iter().map(|(_, seen)| self.told - seen.at);
                columns.push(Arc::new(Int64Array::from_iter_values(ages)));
                let fields = self.fields(filling, stage);
                for (column, field) in columns.iter_mut().zip(&fields) {
                    if column.data_type() != field.data_type() {
                        *column = cast(column, field.data_type())?;
                    }
                }
                let saved = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
                Arc::clone(self.saved.insert(Arc::new(saved)))
            }
        };
        Ok(Some(PaneState {
            stage: number,
            start_us: last.start,
            end_us: last.end,
            state,
        }))
    }

    /// The state as it was saved.
    fn restore(&mut self, filling: &Filling, stage: &Stage, state: &PaneState) -> Result<()> {
        let wrong = || {
            PlanError::invalid("the saved state is of another query")
                .detail("its columns are not those of this query's filling")
        };
        let fields = self.fields(filling, stage);
        let columns = state.state.columns();
        let fits = columns.len() == fields.len()
            && columns
                .iter()
                .zip(&fields)
                .all(|(column, field)| column.data_type() == field.data_type());
        let (ages, values) = columns.split_last().filter(|_| fits).ok_or_else(wrong)?;
        let ages = ages
            .as_primitive_opt::<Int64Type>()
            .filter(|ages| ages.null_count() == 0)
            .ok_or_else(wrong)?;
        let (keys, results) = values
            .split_at_checked(filling.keys.len())
            .ok_or_else(wrong)?;
        let count = ages.len();
        let keys = encode(&self.keys, keys.to_vec(), count)?;
        let results = match &self.results {
            None => vec![Bytes::default(); count],
            Some(converter) => encode(converter, results.to_vec(), count)?,
        };
        for ((key, results), age) in keys.into_iter().zip(results).zip(ages.values()) {
            self.see(key, results, self.told - age);
        }
        self.last = (count > 0).then_some(state.start_us..state.end_us);
        self.saved = Some(Arc::clone(&state.state));
        Ok(())
    }

    /// The columns of what is saved.
    fn fields(&self, filling: &Filling, stage: &Stage) -> Vec<Field> {
        let ours = stage.result_schema.fields();
        let results = self.results.iter().flat_map(|_| result_columns(stage));
        let columns = filling.keys.iter().copied().chain(results);
        let mut fields: Vec<Field> = columns
            .enumerate()
            .filter_map(|(number, index)| {
                let data_type = ours.get(index)?.data_type().clone();
                Some(Field::new(format!("column_{number}"), data_type, true))
            })
            .collect();
        fields.push(Field::new("windows_ago", DataType::Int64, false));
        fields
    }
}

fn too_many(filling: &Filling) -> PlanError {
    PlanError::new(
        PlanErrorKind::Resources,
        format!("a gap between two windows with rows would be filled with more than {MANY_FILLED} rows"),
    )
    .detail(format!(
        "every key is filled in up to {} windows after its last row, all at once when rows come again",
        filling.windows()
    ))
    .hint("drop the table and create it again with FILL … FOR fewer WINDOWS")
}

/// Where the results stand, behind the groups.
fn result_columns(stage: &Stage) -> Range<usize> {
    stage.group_schema.fields().len()..stage.result_schema.fields().len()
}

/// The window that the rows of a batch are of: it has no others.
fn window_of(filling: &Filling, stage: &Stage, rows: &WindowRows) -> Result<Range<i64>> {
    let (index, column) = filling.window;
    let value = rows
        .rows
        .columns()
        .get(index)
        .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
        .and_then(|times| times.iter().next().flatten());
    value
        .and_then(|value| stage.windows.window_at(column, value))
        .ok_or_else(|| PlanError::internal("a result has no window"))
}

fn columns_at(batch: &RecordBatch, columns: &[usize]) -> Vec<ArrayRef> {
    let columns = columns
        .iter()
        .filter_map(|index| batch.columns().get(*index));
    columns.cloned().collect()
}

/// Rows as bytes. Rows of no columns are all alike.
fn encode(converter: &RowConverter, columns: Vec<ArrayRef>, count: usize) -> Result<Vec<Bytes>> {
    if columns.is_empty() {
        return Ok(vec![Bytes::default(); count]);
    }
    let rows = converter.convert_columns(&columns)?;
    Ok(rows.iter().map(|row| row.as_ref().into()).collect())
}

/// Bytes as the columns they were.
fn decode<'a>(
    converter: &RowConverter,
    rows: impl Iterator<Item = &'a Bytes>,
) -> Result<Vec<ArrayRef>> {
    let parser = converter.parser();
    let rows: Vec<&[u8]> = rows.map(AsRef::as_ref).collect();
    if rows.iter().all(|row| row.is_empty()) {
        return Ok(Vec::new());
    }
    Ok(converter.convert_rows(rows.iter().map(|row| parser.parse(row)))?)
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    let times = TimestampMicrosecondArray::from_iter_values(values);
    Arc::new(times.with_timezone("UTC"))
}
