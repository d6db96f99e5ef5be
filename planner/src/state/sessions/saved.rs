//! What a checkpoint keeps of open sessions, and what they are made of again.
//!
//! States on disk are in files that never change, which a checkpoint names; which of their rows are still what they were is said in a file of
//! its own, a bit for each, written anew where it is not what it was. The other states are kept in batches, by the time at which sessions
//! begin: sessions that begin near one another change together, as long as they are young, and then rest until their gap is over; so what is
//! kept of them is filed by stretches of time, and a stretch that rests is not written again.
//!
//! The order of the states of a group is that of its sums, and must come through: states on disk first, in the order in which they stand
//! there, then those of its stretch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{
        AsArray, BooleanBuilder, ListBuilder, RecordBatch, TimestampMicrosecondArray, UInt64Array,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type},
};

use super::{
    Sessions,
    batches::OnDisk,
    columns::{key, set_times, time_column, times},
    open::Key,
    session::{StateRef, piece},
    spill::begins,
};
use crate::{
    PaneState, SpilledState, StateFile, StateSnapshot,
    error::{PlanError, Result},
    state::{
        long::long,
        spilled::{Scratch, StateWriter, numbers, other_query, schema},
    },
    streaming::Stage,
};

/// More stretches than this are not kept apart: sessions that go on and on begin at any time.
const MOST: i64 = 64;

/// What was saved and is still true.
pub(super) struct Saved {
    /// Length of a stretch.
    stretch_us: i64,
    batches: BTreeMap<i64, Arc<RecordBatch>>,
    /// Of batches on disk that are about to be restored, by the number of their first row: which rows are named.
    named: BTreeMap<u64, Vec<bool>>,
}

impl Saved {
    pub(super) fn new(gap_us: i64) -> Self {
        Self {
            stretch_us: gap_us.max(1),
            batches: BTreeMap::new(),
            named: BTreeMap::new(),
        }
    }

    fn stretch(&self, start: i64) -> i64 {
        start.saturating_sub(start.rem_euclid(self.stretch_us))
    }

    /// A session that begins then is not what it was.
    pub(super) fn changed(&mut self, start: i64) {
        if !self.batches.is_empty() {
            self.batches.remove(&self.stretch(start));
        }
    }

    /// Nothing is what it was.
    pub(super) fn forget(&mut self) {
        self.batches.clear();
    }

    pub(super) fn bytes(&self) -> usize {
        let batches = self.batches.values();
        batches.map(|batch| batch.get_array_memory_size()).sum()
    }
}

/// Sessions that begin in one stretch of time.
#[derive(Default)]
struct Stretch {
    end: i64,
    states: Vec<StateRef>,
    /// Where sessions begin, and of how many states.
    starts: Vec<(i64, usize)>,
}

impl Sessions {
    /// What a checkpoint keeps: every partial state, session by session.
    pub(crate) fn snapshot(
        &mut self,
        number: usize,
        stage: &Stage,
        scratch: &Scratch,
        snapshot: &mut StateSnapshot,
    ) -> Result<()> {
        let files = self.batches.files(|on_disk| on_disk.named.contains(&true));
        let files: Vec<Arc<StateFile>> = files.into_iter().cloned().collect();
        if !files.is_empty() {
            let named = self.named_rows(scratch)?;
            let files = [named].into_iter().chain(files);
            snapshot.spilled.extend(files.map(|file| SpilledState {
                stage: number,
                start_us: 0,
                // As long as there is one of its sessions.
                end_us: i64::MAX,
                file,
            }));
        }
        let sessions = self.open.len();
        let kept = long(sessions, || self.stretches(number, stage))?;
        snapshot.panes.extend(kept);
        Ok(())
    }

    /// The file that says which rows on disk are named.
    fn named_rows(&mut self, scratch: &Scratch) -> Result<Arc<StateFile>> {
        if let Some(file) = &self.batches.named {
            return Ok(Arc::clone(file));
        }
        let mut first_rows = Vec::new();
        let mut named = ListBuilder::new(BooleanBuilder::new());
        for on_disk in self.batches.on_disk() {
            if on_disk.named.contains(&true) {
                first_rows.push(on_disk.number);
                named.values().append_slice(&on_disk.named);
                named.append(true);
            }
        }
        let schema = named_schema();
        let columns = vec![
            Arc::new(UInt64Array::from(first_rows)) as _,
            Arc::new(named.finish()) as _,
        ];
        let mut writer = StateWriter::new(&scratch.disk, &schema);
        writer.write(0, &RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
        let file = writer.finish()?.into_iter().next();
        let file = file.ok_or_else(|| PlanError::internal("a file of state was not written"))?;
        self.batches.named = Some(Arc::clone(&file));
        Ok(file)
    }

    /// The states that no file has, or not in their order.
    fn stretches(&mut self, number: usize, stage: &Stage) -> Result<Vec<PaneState>> {
        let is_loose = |state: &&StateRef| !self.batches.is_named(**state);
        let mut range: Option<(i64, i64)> = None;
        for (start, session) in self.open.all() {
            let mut states = session.states.lists().flat_map(|(_, list)| list);
            if states.any(|state| is_loose(&state)) {
                let (first, last) = range.unwrap_or((start, start));
                range = Some((first.min(start), last.max(start)));
            }
        }
        let Some((first, last)) = range else {
            return Ok(Vec::new());
        };
        let mut stretch_us = self.saved.stretch_us;
        let stretch = |start: i64, length: i64| start.saturating_sub(start.rem_euclid(length));
        while last.saturating_sub(stretch(first, stretch_us)) / stretch_us >= MOST {
            stretch_us = stretch_us.saturating_mul(2);
        }
        let is_known =
            |at: i64| stretch_us == self.saved.stretch_us && self.saved.batches.contains_key(&at);
        let mut stretches: BTreeMap<i64, Stretch> = BTreeMap::new();
        for (start, session) in self.open.all() {
            let at = stretch(start, stretch_us);
            let states = session.states.lists().flat_map(|(_, list)| list);
            let mut loose = states.filter(is_loose).copied().peekable();
            if loose.peek().is_none() {
                continue;
            }
            let stretch = stretches.entry(at).or_default();
            stretch.end = stretch.end.max(session.last.saturating_add(self.gap_us));
            if !is_known(at) {
                let before = stretch.states.len();
                stretch.states.extend(loose);
                stretch.starts.push((start, stretch.states.len() - before));
            }
        }
        if stretch_us != self.saved.stretch_us {
            self.saved.stretch_us = stretch_us;
            self.saved.batches.clear();
        }
        let mut kept = Vec::with_capacity(stretches.len());
        for (at, stretch) in &stretches {
            let state = match self.saved.batches.get(at) {
                Some(batch) => Arc::clone(batch),
                None => {
                    let batch = Arc::new(self.save(stage, stretch)?);
                    self.saved.batches.insert(*at, Arc::clone(&batch));
                    batch
                }
            };
            kept.push(PaneState {
                stage: number,
                start_us: *at,
                end_us: stretch.end,
                state,
            });
        }
        Ok(kept)
    }

    fn save(&self, stage: &Stage, stretch: &Stretch) -> Result<RecordBatch> {
        let width = stage.state_schema.fields().len();
        let mut columns = self.batches.gather(&stretch.states, 0..width)?;
        if self.marks_start() {
            for key in &stage.keys {
                set_times(&mut columns, key.index, begins(&stretch.starts));
            }
        }
        Ok(RecordBatch::try_new(
            Arc::clone(&stage.state_schema),
            columns,
        )?)
    }

    /// Sessions as they were saved, what was on disk restored: merging their partial states in order makes them anew.
    pub(crate) fn restore(&mut self, stage: &Stage, states: &RecordBatch) -> Result<()> {
        let begins = self.saved_begins(stage, states)?;
        let number = self.batches.add(states.clone());
        self.take_in(states, number, begins.as_ref(), |_| true)?;
        self.recut(states, begins.as_ref())
    }

    /// Whether all files have been restored that there should be.
    pub(crate) fn check_restored(&self) -> Result<()> {
        match self.saved.named.is_empty() {
            true => Ok(()),
            false => Err(PlanError::internal("a file of sessions is missing")),
        }
    }

    /// Takes in a file of a checkpoint; the first says which rows of the others there still are.
    pub(crate) fn restore_spilled(&mut self, stage: &Stage, file: &Arc<StateFile>) -> Result<()> {
        let (named_fields, schema) = (named_schema(), schema(stage));
        for (index, batch) in file.read()?.enumerate() {
            let batch = batch?;
            if batch.schema().fields() == named_fields.fields() {
                self.saved.named.extend(named_of(&batch)?);
                continue;
            }
            if batch.schema().fields() != schema.fields() {
                return Err(other_query());
            }
            let first_row = numbers(&batch)?.values().first().copied();
            let Some(first_row) = first_row else {
                continue;
            };
            let Some(named) = self.saved.named.remove(&first_row) else {
                self.batches.next_row = self
                    .batches
                    .next_row
                    .max(first_row + batch.num_rows() as u64);
                continue;
            };
            if named.len() != batch.num_rows() {
                return Err(PlanError::internal("a file of sessions is another one"));
            }
            let width = stage.state_schema.fields().len();
            let states = batch.project(&(0..width).collect::<Vec<_>>())?;
            let begins = self.saved_begins(stage, &states)?;
            let number = self.batches.add_on_disk(OnDisk {
                file: Arc::clone(file),
                index,
                number: first_row,
                firsts: match self.max_us {
                    Some(_) => Some(times(&states)?.0.clone()),
                    None => None,
                },
                named: named.clone(),
            });
            let is_named = |row: usize| named.get(row).copied().unwrap_or_default();
            self.take_in(&states, number, begins.as_ref(), is_named)?;
            self.recut(&states, begins.as_ref())?;
        }
        Ok(())
    }

    /// Where the session of each saved state begins, if it says so.
    fn saved_begins(
        &self,
        stage: &Stage,
        states: &RecordBatch,
    ) -> Result<Option<TimestampMicrosecondArray>> {
        match stage.keys.first() {
            Some(key) if self.marks_start() => Ok(Some(time_column(states, key.index)?.clone())),
            _ => Ok(None),
        }
    }

    /// Of sessions that are cut, pieces that are gone leave no trace but the first row of those that are not.
    fn recut(
        &mut self,
        states: &RecordBatch,
        begins: Option<&TimestampMicrosecondArray>,
    ) -> Result<()> {
        let (Some(begins), Some(max_us)) = (begins, self.max_us) else {
            return Ok(());
        };
        let keys = self.keys.of(states)?;
        let begins = begins.values().iter().enumerate();
        let sessions: BTreeSet<(Key, i64)> = begins
            .map(|(row, begin)| (key(&keys, row), *begin))
            .collect();
        for (key, start) in sessions {
            let Some(session) = self.open.get(&key, start) else {
                continue;
            };
            let mut earliest = i64::MAX;
            for state in session.states.all() {
                earliest = earliest.min(self.batches.first(state)?);
            }
            let cut = piece(start, earliest, max_us);
            self.open.change(&key, start, |session| session.cut = cut);
        }
        Ok(())
    }
}

/// The schema of the file that says which rows on disk there still are: the number of a batch's first row, and its rows.
fn named_schema() -> SchemaRef {
    let rows = DataType::List(Arc::new(Field::new_list_field(DataType::Boolean, true)));
    Arc::new(Schema::new(vec![
        Field::new("__sluice_first", DataType::UInt64, false),
        Field::new("__sluice_named", rows, false),
    ]))
}

fn named_of(batch: &RecordBatch) -> Result<Vec<(u64, Vec<bool>)>> {
    let first_rows = batch
        .columns()
        .first()
        .and_then(|column| column.as_primitive_opt::<UInt64Type>());
    let named = batch
        .columns()
        .get(1)
        .and_then(|column| column.as_list_opt::<i32>());
    let (Some(first_rows), Some(named)) = (first_rows, named) else {
        return Err(other_query());
    };
    let rows = named.iter().map(|rows| {
        let rows = rows.as_ref().and_then(|rows| rows.as_boolean_opt());
        rows.map_or_else(Vec::new, |rows| rows.values().iter().collect())
    });
    Ok(first_rows.values().iter().copied().zip(rows).collect())
}
