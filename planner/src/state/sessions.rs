//! The sessions of one aggregation: windows that rows make, one after the other for each key.
//!
//! A session is a list of partial states and the time from its first row to its last. Two sessions that come to touch become one by putting
//! their lists together; the states are merged when the session closes, or when there are many. So no accumulator is held open, and a
//! session that grows from both ends costs nothing but its list.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray},
    compute::interleave,
    datatypes::TimestampMicrosecondType,
    row::{RowConverter, SortField},
};

use super::{groups::Groups, stage::WindowRows};
use crate::{
    PaneState,
    error::{PlanError, Result},
    streaming::Stage,
};

/// Partial states of one session beyond which they are merged into one; few in tests, whose sessions are small.
const MANY: usize = if cfg!(test) { 3 } else { 64 };

/// The GROUP BY keys of a session as comparable bytes.
type Key = Box<[u8]>;

/// A partial state: which batch, and where in it.
type StateRef = (u64, usize);

/// An open session of one key.
#[derive(Clone, Debug)]
struct Session {
    /// Time of the last row.
    last: i64,
    states: Vec<StateRef>,
}

/// The open sessions of a stage.
pub(crate) struct Sessions {
    gap_us: i64,
    keys: RowConverter,
    /// Sessions of a key by the time of their first row.
    open: BTreeMap<Key, BTreeMap<i64, Session>>,
    /// Every session by its last row: the order in which they close.
    by_last: BTreeSet<(i64, i64, Key)>,
    /// Batches of partial states, and how many of their rows are of open sessions.
    batches: BTreeMap<u64, (RecordBatch, usize)>,
    next_batch: u64,
    saved: Option<Arc<RecordBatch>>,
}

impl Sessions {
    pub(crate) fn new(stage: &Stage, gap_us: i64) -> Result<Self> {
        let fields = key_indices(stage)
            .into_iter()
            .map(|index| SortField::new(stage.group_schema.field(index).data_type().clone()))
            .collect();
        Ok(Self {
            gap_us,
            keys: RowConverter::new(fields)?,
            open: BTreeMap::new(),
            by_last: BTreeSet::new(),
            batches: BTreeMap::new(),
            next_batch: 0,
            saved: None,
        })
    }

    /// Sessions as they were saved: merging their partial states in order makes them anew.
    pub(crate) fn restore(&mut self, stage: &Stage, state: &PaneState) -> Result<()> {
        self.add(stage, &state.state)?;
        self.saved = Some(Arc::clone(&state.state));
        Ok(())
    }

    /// What a checkpoint keeps: every partial state, session by session.
    pub(crate) fn snapshot(&mut self, number: usize, stage: &Stage) -> Result<Option<PaneState>> {
        let range = match (self.by_last.first(), self.by_last.last()) {
            (Some((_, first, _)), Some((last, _, _))) => *first..last.saturating_add(self.gap_us),
            _ => return Ok(None),
        };
        let state = match &self.saved {
            Some(saved) => Arc::clone(saved),
            None => {
                let states = self.by_last.iter().filter_map(|(_, start, key)| {
                    let session = self.open.get(key)?.get(start)?;
                    Some(session.states.iter().copied())
                });
                let states: Vec<StateRef> = states.flatten().collect();
                let columns = self.gather(&states)?;
                let saved = RecordBatch::try_new(Arc::clone(&stage.state_schema), columns)?;
                Arc::clone(self.saved.insert(Arc::new(saved)))
            }
        };
        Ok(Some(PaneState {
            stage: number,
            start_us: range.start,
            end_us: range.end,
            state,
        }))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_last.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        let batches: usize = self
            .batches
            .values()
            .map(|(batch, _)| batch.get_array_memory_size())
            .sum();
        let saved = self
            .saved
            .as_ref()
            .map_or(0, |saved| saved.get_array_memory_size());
        let keys: usize = self.open.keys().map(|key| key.len() * 2).sum();
        batches + saved + keys + self.by_last.len() * 2 * size_of::<(i64, i64, Key)>()
    }

    /// Merges partial states, each of rows of one key that are closer to one another than the gap.
    pub(crate) fn merge(&mut self, stage: &Stage, states: &RecordBatch) -> Result<()> {
        self.saved = None;
        let grown = self.add(stage, states)?;
        self.compact(stage, grown)
    }

    /// Adds partial states; gives the sessions that have many now.
    fn add(&mut self, stage: &Stage, states: &RecordBatch) -> Result<BTreeSet<(Key, i64)>> {
        let mut grown = BTreeSet::new();
        if states.num_rows() == 0 {
            return Ok(grown);
        }
        let (firsts, lasts) = times(states)?;
        let key_columns: Vec<ArrayRef> = key_indices(stage)
            .into_iter()
            .map(|index| Arc::clone(states.column(index)))
            .collect();
        let keys = match key_columns.is_empty() {
            true => None,
            false => Some(self.keys.convert_columns(&key_columns)?),
        };
        let number = self.next_batch;
        self.next_batch += 1;
        self.batches
            .insert(number, (states.clone(), states.num_rows()));
        for (row, (first, last)) in firsts.values().iter().zip(lasts.values()).enumerate() {
            // Without keys there is one session at a time.
            let key: Key = match &keys {
                Some(keys) => keys.row(row).data().into(),
                None => Key::default(),
            };
            let start = self.extend(&key, *first..*last, (number, row));
            let many = self
                .open
                .get(&key)
                .and_then(|sessions| sessions.get(&start))
                .is_some_and(|session| session.states.len() > MANY);
            if many {
                grown.insert((key, start));
            }
        }
        Ok(grown)
    }

    /// Puts a partial state into the session it touches, or the sessions, which become one; gives the time of its first row.
    fn extend(&mut self, key: &Key, rows: Range<i64>, state: StateRef) -> i64 {
        let sessions = self.open.entry(key.clone()).or_default();
        let reach = rows.end.saturating_add(self.gap_us);
        let touched: Vec<i64> = sessions
            .range(..=reach)
            .rev()
            // Sessions of a key are a gap apart and more: the first that ends too early is the last to look at.
            .take_while(|(_, session)| session.last.saturating_add(self.gap_us) >= rows.start)
            .map(|(start, _)| *start)
            .collect();
        let (mut first, mut last, mut states) = (rows.start, rows.end, Vec::new());
        for start in touched.into_iter().rev() {
            if let Some(session) = sessions.remove(&start) {
                self.by_last.remove(&(session.last, start, key.clone()));
                (first, last) = (first.min(start), last.max(session.last));
                match states.is_empty() {
                    true => states = session.states,
                    false => states.extend(session.states),
                }
            }
        }
        states.push(state);
        self.by_last.insert((last, first, key.clone()));
        sessions.insert(first, Session { last, states });
        first
    }

    /// Merges the partial states of sessions that have many, into one each.
    fn compact(&mut self, stage: &Stage, grown: BTreeSet<(Key, i64)>) -> Result<()> {
        let mut sessions: Vec<(Key, i64, Session)> = Vec::new();
        for (key, start) in grown {
            // It may have become part of another since.
            let session = self.open.get(&key).and_then(|of_key| of_key.get(&start));
            if let Some(session) = session.filter(|session| session.states.len() > MANY) {
                sessions.push((key, start, session.clone()));
            }
        }
        if sessions.is_empty() {
            return Ok(());
        }
        let whole: Vec<(Range<i64>, &[StateRef])> = sessions
            .iter()
            .map(|(_, start, session)| (*start..session.last, session.states.as_slice()))
            .collect();
        let merged = self
            .groups(stage, &whole)?
            .into_state(&stage.state_schema)?;
        if merged.num_rows() != sessions.len() {
            return Err(PlanError::internal("sessions were mixed up"));
        }
        let number = self.next_batch;
        self.next_batch += 1;
        self.batches.insert(number, (merged, sessions.len()));
        for (row, (key, start, session)) in sessions.into_iter().enumerate() {
            self.release(&session.states);
            let of_key = self.open.get_mut(&key);
            if let Some(open) = of_key.and_then(|of_key| of_key.get_mut(&start)) {
                open.states = vec![(number, row)];
            }
        }
        Ok(())
    }

    /// Accumulators with a group for each of these sessions, in this order.
    fn groups(&self, stage: &Stage, sessions: &[(Range<i64>, &[StateRef])]) -> Result<Groups> {
        let mut groups = Groups::new(stage)?;
        let states: Vec<StateRef> = sessions
            .iter()
            .flat_map(|(_, states)| states.iter().copied())
            .collect();
        let mut columns = self.gather(&states)?;
        for key in &stage.keys {
            let values = sessions.iter().flat_map(|(rows, states)| {
                let window = rows.start..rows.end.saturating_add(self.gap_us);
                std::iter::repeat_n(key.column.of(&window), states.len())
            });
            if let Some(column) = columns.get_mut(key.index) {
                let values = TimestampMicrosecondArray::from_iter_values(values);
                *column = Arc::new(values.with_timezone("UTC"));
            }
        }
        groups.merge(stage, &columns)?;
        Ok(groups)
    }

    /// The columns of these partial states.
    fn gather(&self, states: &[StateRef]) -> Result<Vec<ArrayRef>> {
        let places: BTreeMap<u64, usize> = self
            .batches
            .keys()
            .enumerate()
            .map(|(place, number)| (*number, place))
            .collect();
        let lost = || PlanError::internal("a session lost its state");
        let indices = states
            .iter()
            .map(|(number, row)| Some((*places.get(number)?, *row)))
            .collect::<Option<Vec<(usize, usize)>>>()
            .ok_or_else(lost)?;
        let width = match self.batches.values().next() {
            Some((batch, _)) => batch.num_columns(),
            None => return Err(lost()),
        };
        (0..width)
            .map(|column| {
                let sources: Vec<&dyn Array> = self
                    .batches
                    .values()
                    .map(|(batch, _)| batch.column(column).as_ref())
                    .collect();
                Ok(interleave(&sources, &indices)?)
            })
            .collect()
    }

    /// Lets go of partial states; a batch that nobody needs goes.
    fn release(&mut self, states: &[StateRef]) {
        for (number, _) in states {
            let Some((_, used)) = self.batches.get_mut(number) else {
                continue;
            };
            *used = used.saturating_sub(1);
            if *used == 0 {
                self.batches.remove(number);
            }
        }
    }

    /// The end of the session that ends first.
    pub(crate) fn next_end(&self) -> Option<i64> {
        let (last, _, _) = self.by_last.first()?;
        // One later: a row at the very end still belongs to the session.
        Some(last.saturating_add(self.gap_us).saturating_add(1))
    }

    /// The rows of every session that ended before the watermark. A row at the very end of a session still belongs to it, and may come as
    /// long as the watermark is there.
    pub(crate) fn close(&mut self, stage: &Stage, watermark: i64) -> Result<Vec<WindowRows>> {
        let mut closed: Vec<(Range<i64>, Vec<StateRef>)> = Vec::new();
        while let Some((last, start, key)) = self.by_last.first().cloned() {
            if last.saturating_add(self.gap_us) >= watermark && watermark != i64::MAX {
                break;
            }
            self.by_last.pop_first();
            let Some(sessions) = self.open.get_mut(&key) else {
                continue;
            };
            if let Some(session) = sessions.remove(&start) {
                closed.push((start..last, session.states));
            }
            if sessions.is_empty() {
                self.open.remove(&key);
            }
        }
        if closed.is_empty() {
            return Ok(Vec::new());
        }
        self.saved = None;
        let rows = self.rows(stage, &closed)?;
        for (_, states) in &closed {
            self.release(states);
        }
        Ok(vec![rows])
    }

    /// The rows of every open session as they would be if it ended now.
    pub(crate) fn peek(&self, stage: &Stage) -> Result<Vec<WindowRows>> {
        let open: Vec<(Range<i64>, Vec<StateRef>)> = self
            .by_last
            .iter()
            .filter_map(|(last, start, key)| {
                let session = self.open.get(key)?.get(start)?;
                Some((*start..*last, session.states.clone()))
            })
            .collect();
        match open.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(vec![self.rows(stage, &open)?]),
        }
    }

    fn rows(&self, stage: &Stage, sessions: &[(Range<i64>, Vec<StateRef>)]) -> Result<WindowRows> {
        let borrowed: Vec<(Range<i64>, &[StateRef])> = sessions
            .iter()
            .map(|(rows, states)| (rows.clone(), states.as_slice()))
            .collect();
        let groups = self.groups(stage, &borrowed)?;
        let starts = sessions.iter().map(|(rows, _)| rows.start);
        let starts = TimestampMicrosecondArray::from_iter_values(starts).with_timezone("UTC");
        WindowRows::new(stage, groups, Arc::new(starts))
    }
}

/// Which group columns are keys, and not the window's.
fn key_indices(stage: &Stage) -> Vec<usize> {
    (0..stage.group_schema.fields().len())
        .filter(|index| stage.keys.iter().all(|key| key.index != *index))
        .collect()
}

/// First and last time of each partial state: its last two columns.
fn times(states: &RecordBatch) -> Result<(&TimestampMicrosecondArray, &TimestampMicrosecondArray)> {
    let mut columns = states.columns().iter().rev();
    let mut next = || {
        columns
            .next()
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .filter(|times| times.null_count() == 0)
            .ok_or_else(|| PlanError::internal("a state of a session has no time"))
    };
    let last = next()?;
    Ok((next()?, last))
}
