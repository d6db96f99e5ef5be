//! The sessions of one aggregation: windows that rows make, one after the other for each key.
//!
//! A session is a list of partial states (one for each of its groups, where its keys are not all that is grouped by) and the time from its
//! first row to its last. Two sessions that come to touch become one by putting their lists together; the states are merged when the session
//! closes, or when there are many. So no accumulator is held open, and a session that grows from both ends costs nothing but its list.
//!
//! A session with a maximum length is cut at its first row and so much later, again and again. Where, is known when no earlier row can come
//! that is not late; until then its states are of rows of one time each. A piece is final when the watermark is a gap beyond its end, for
//! until then a row in it is not late. Every piece of one end is final at one moment, which is what further aggregation by windows rests on.
//!
//! Which sessions there are, and which states each has in which order, stays in memory (`open.rs`); the states may be on disk (`batches.rs`,
//! `spill.rs`), and are read when a session closes or has many.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::repeat_n,
    ops::Range,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt32Array, UInt64Array},
    compute::take,
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use self::{
    batches::Batches,
    columns::{Columns, bytes, key, set_times, times},
    open::{Key, Open},
    session::{Group, Session, StateRef, States, piece},
};
use super::{groups::Groups, long::long, stage::WindowRows};
use crate::{
    error::{PlanError, Result},
    streaming::Stage,
};

mod batches;
mod columns;
mod open;
mod saved;
mod session;
mod spill;
/// Partial states of one group of a session beyond which they are merged into one; few in tests, whose sessions are small.
const MANY: usize = if cfg!(test) { 3 } else { 64 };

/// Windows whose states are in memory at once when they are told. (Where they are does not count: sums must not depend on it.)
const WINDOWS: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// A group of a session, by the session's key and first row.
type Unit = (Key, i64, Group);

/// A window that closes, and the partial states of the rows in it.
type Window = (Range<i64>, Vec<StateRef>);

/// The open sessions of a stage.
pub(crate) struct Sessions {
    gap_us: i64,
    max_us: Option<i64>,
    keys: Columns,
    groups: Columns,
    /// Group columns of the results.
    result_groups: SchemaRef,
    open: Open,
    /// Sessions to be cut that have many partial states, and may have them merged once no earlier row can come.
    crowded: BTreeSet<(Key, i64)>,
    batches: Batches,
    saved: saved::Saved,
}

impl Sessions {
    pub(crate) fn new(stage: &Stage, gap_us: i64, max_us: Option<i64>) -> Result<Self> {
        let keys = stage.sessions.columns.clone();
        let is_group = |index: &usize| {
            stage.keys.iter().all(|key| key.index != *index)
                && !keys.contains(index)
                && !stage.sessions.hidden.contains(index)
        };
        let fields = stage.group_schema.fields();
        let groups = (0..fields.len()).filter(is_group).collect();
        let visible = |index: &usize| !stage.sessions.hidden.contains(index);
        let visible = (0..fields.len()).filter(visible);
        let result_groups: Vec<_> = visible
            .filter_map(|index| fields.get(index))
            .cloned()
            .collect();
        Ok(Self {
            gap_us,
            max_us,
            keys: Columns::new(stage, keys)?,
            groups: Columns::new(stage, groups)?,
            result_groups: Arc::new(Schema::new(result_groups)),
            open: Open::new(gap_us, max_us),
            crowded: BTreeSet::new(),
            batches: Batches::default(),
            saved: saved::Saved::new(gap_us),
        })
    }

    /// Whether a saved state says where its session begins. (One that is all of its session, cut nowhere, has no need to.)
    fn marks_start(&self) -> bool {
        self.max_us.is_some() || !self.is_whole()
    }

    /// Whether every session is one group.
    fn is_whole(&self) -> bool {
        self.groups.indices.is_empty()
    }

    /// The same sessions once more.
    pub(crate) fn copy(&self, stage: &Stage) -> Result<Self> {
        Ok(Self {
            open: self.open.clone(),
            crowded: self.crowded.clone(),
            batches: self.batches.clone(),
            ..Self::new(stage, self.gap_us, self.max_us)?
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        // A list has room for a few more.
        let state = match self.is_whole() {
            true => 2 * size_of::<StateRef>(),
            false => size_of::<(Group, Vec<StateRef>)>() + 2 * size_of::<StateRef>(),
        };
        self.open.bytes() + self.batches.bytes() + self.batches.len() * state + self.saved.bytes()
    }

    /// Merges partial states, each of rows of one key that are closer to one another than the gap.
    pub(crate) fn merge(&mut self, stage: &Stage, states: &RecordBatch) -> Result<()> {
        let number = self.batches.add(states.clone());
        let grown = self.take_in(states, number, None, |_| true)?;
        self.compact(stage, grown)
    }

    /// After an epoch's last merge, given the watermark by which its rows were late: merges what will be in one piece.
    pub(crate) fn settle(&mut self, stage: &Stage, closed: Option<i64>) -> Result<()> {
        let (Some(max_us), Some(closed)) = (self.max_us, closed) else {
            return Ok(());
        };
        let crowded = std::mem::take(&mut self.crowded);
        let mut units: Vec<(Unit, Vec<StateRef>)> = Vec::new();
        for (key, start) in crowded {
            let Some(session) = self.open.get(&key, start) else {
                continue;
            };
            if start.saturating_add(self.gap_us) > closed.saturating_add(1) {
                // A row before the first would not be late.
                self.crowded.insert((key, start));
                continue;
            }
            for (group, states) in session.states.lists() {
                if states.len() > MANY {
                    let pieces = self.pieces(states, start, max_us)?.into_values();
                    let several = pieces.filter(|states| states.len() > 1);
                    units
                        .extend(several.map(|states| ((key.clone(), start, group.into()), states)));
                }
            }
        }
        self.unite(stage, units)
    }

    /// Adds the partial states of a batch that are wanted; gives the groups of sessions that have many now. `begins` says of saved states
    /// where their session begins.
    fn take_in(
        &mut self,
        states: &RecordBatch,
        number: u64,
        begins: Option<&TimestampMicrosecondArray>,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Result<BTreeSet<Unit>> {
        let mut grown = BTreeSet::new();
        if states.num_rows() == 0 {
            return Ok(grown);
        }
        let (firsts, lasts) = times(states)?;
        let (keys, groups) = (self.keys.of(states)?, self.groups.of(states)?);
        let begins = begins.unwrap_or(firsts).values();
        for (row, (first, last)) in begins.iter().zip(lasts.values()).enumerate() {
            if !is_wanted(row) {
                continue;
            }
            let (key, group) = (key(&keys, row), bytes(&groups, row));
            let state = (number, row);
            let (key, start, of_group) = self.extend(key, group.clone(), *first..*last, state);
            // Of sessions that are cut it is not known yet what may be merged with what.
            if of_group > MANY && self.max_us.is_none() {
                grown.insert((key, start, group));
            }
        }
        Ok(grown)
    }

    /// Puts a partial state into the session it touches, or the sessions, which become one; gives the session's key and the time of its
    /// first row, and how many states its group has.
    fn extend(
        &mut self,
        key: Key,
        group: Group,
        rows: Range<i64>,
        state: StateRef,
    ) -> (Key, i64, usize) {
        let touched = self.open.touched(&key, &rows);
        if let [start] = touched.as_slice()
            && *start <= rows.start
        {
            let grown = self.open.change(&key, *start, |session| {
                session.last = session.last.max(rows.end);
                session.states.push(group, state)
            });
            let of_group = grown.unwrap_or_default();
            self.saved.changed(*start);
            if self.max_us.is_some() && of_group > MANY {
                self.crowded.insert((Arc::clone(&key), *start));
            }
            return (key, *start, of_group);
        }
        let (mut first, mut crowded) = (rows.start, false);
        let mut whole: Option<Session> = None;
        for start in touched {
            let Some(mut session) = self.open.remove(&key, start) else {
                continue;
            };
            self.saved.changed(start);
            if !self.crowded.is_empty() {
                crowded |= self.crowded.remove(&(Arc::clone(&key), start));
            }
            match &mut whole {
                None => {
                    // Pieces are final only where no earlier row can come: then the cut stays.
                    if start > first {
                        session.cut = first;
                        if self.marks_start() {
                            self.batches.unname(&session.states.all());
                        }
                    }
                    first = first.min(start);
                    whole = Some(session);
                }
                Some(whole) => {
                    // They come after those of the first, wherever they stand.
                    self.batches.unname(&session.states.all());
                    whole.last = whole.last.max(session.last);
                    whole.states.append(session.states);
                    crowded |= self.max_us.is_some() && whole.states.most() > MANY;
                }
            }
        }
        let mut whole = whole.unwrap_or_else(|| Session {
            last: rows.end,
            cut: first,
            states: match self.is_whole() {
                true => States::One(Vec::with_capacity(1)),
                false => States::ByGroup(Vec::with_capacity(1)),
            },
        });
        whole.last = whole.last.max(rows.end);
        let of_group = whole.states.push(group, state);
        if crowded || (self.max_us.is_some() && of_group > MANY) {
            self.crowded.insert((Arc::clone(&key), first));
        }
        self.saved.changed(first);
        self.open.insert(Arc::clone(&key), first, whole);
        (key, first, of_group)
    }

    /// Merges the partial states of groups that have many, into one each.
    fn compact(&mut self, stage: &Stage, grown: BTreeSet<Unit>) -> Result<()> {
        let mut units = Vec::new();
        for (key, start, group) in grown {
            // Its session may have become part of another since.
            let session = self.open.get_mut(&key, start);
            let states = session.and_then(|session| session.states.of_group(&group));
            if let Some(states) = states.filter(|states| states.len() > MANY) {
                let states = states.clone();
                units.push(((key, start, group), states));
            }
        }
        self.unite(stage, units)
    }

    /// Merges some partial states of each of some groups into one.
    fn unite(&mut self, stage: &Stage, units: Vec<(Unit, Vec<StateRef>)>) -> Result<()> {
        if units.is_empty() {
            return Ok(());
        }
        let width = stage.group_schema.fields().len();
        let states: Vec<StateRef> = units
            .iter()
            .flat_map(|(_, states)| states)
            .copied()
            .collect();
        let numbers = (0u64..)
            .zip(&units)
            .flat_map(|(number, (_, states))| repeat_n(number, states.len()));
        let width_of_all = stage.state_schema.fields().len();
        let mut keys = self.batches.gather(&states, 0..width_of_all)?;
        let own = keys.split_off(width);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from_iter_values(numbers))];
        columns.extend(own);
        let number = Field::new("number", DataType::UInt64, false);
        let mut groups = Groups::over(stage, &Arc::new(Schema::new(vec![number.clone()])))?;
        groups.merge(&columns)?;
        let mut fields = vec![Arc::new(number)];
        fields.extend(stage.state_schema.fields().iter().skip(width).cloned());
        let merged = groups.into_state(&Arc::new(Schema::new(fields)))?;
        if merged.num_rows() != units.len() {
            return Err(PlanError::internal("sessions were mixed up"));
        }
        // What each is of stands with the first of its states.
        let firsts = units.iter().scan(0, |next, (_, states)| {
            let first = *next;
            *next += states.len() as u32;
            Some(first)
        });
        let firsts = UInt32Array::from_iter_values(firsts);
        let keys = keys.iter().map(|column| take(column, &firsts, None));
        let mut columns = keys.collect::<std::result::Result<Vec<_>, _>>()?;
        columns.extend(merged.columns().iter().skip(1).cloned());
        let merged = RecordBatch::try_new(Arc::clone(&stage.state_schema), columns)?;
        let number = self.batches.add(merged);
        for (row, ((key, start, group), united)) in units.into_iter().enumerate() {
            self.batches.release(&united);
            self.saved.changed(start);
            let session = self.open.get_mut(&key, start);
            if let Some(states) = session.and_then(|session| session.states.of_group(&group)) {
                let united: BTreeSet<StateRef> = united.into_iter().collect();
                states.retain(|state| !united.contains(state));
                states.push((number, row));
            }
        }
        Ok(())
    }

    /// Partial states by the piece of their session that they are in.
    fn pieces(
        &self,
        states: &[StateRef],
        start: i64,
        max_us: i64,
    ) -> Result<BTreeMap<i64, Vec<StateRef>>> {
        let mut pieces: BTreeMap<i64, Vec<StateRef>> = BTreeMap::new();
        for state in states {
            let piece = piece(start, self.batches.first(*state)?, max_us);
            pieces.entry(piece).or_default().push(*state);
        }
        Ok(pieces)
    }

    /// The windows that a session is.
    fn windows(&self, start: i64, session: &Session) -> Result<Vec<Window>> {
        let end = session.last.saturating_add(self.gap_us);
        let states = session.states.all();
        let Some(max_us) = self.max_us else {
            return Ok(vec![(start..end, states)]);
        };
        let pieces = self.pieces(&states, start, max_us)?.into_iter();
        Ok(pieces
            .map(|(piece, states)| (piece..end.min(piece.saturating_add(max_us)), states))
            .collect())
    }

    /// The watermark at which the next window closes.
    pub(crate) fn next_end(&self) -> Option<i64> {
        self.open.next_due()
    }

    /// The rows of every window that is final at the watermark.
    pub(crate) fn close(&mut self, stage: &Stage, watermark: i64) -> Result<Vec<WindowRows>> {
        let mut closed: Vec<Window> = Vec::new();
        while let Some((key, start, mut session)) = self.open.pop(watermark) {
            self.saved.changed(start);
            let windows = self.windows(start, &session)?.into_iter();
            let is_final = |window: &Window| match self.max_us {
                Some(_) => window.0.end.saturating_add(self.gap_us) <= watermark,
                None => true,
            };
            let (done, rest): (Vec<Window>, Vec<Window>) = windows.partition(is_final);
            let cut = rest.first().map(|(window, _)| window.start);
            closed.extend(done);
            let left: BTreeSet<StateRef> = rest.into_iter().flat_map(|(_, rest)| rest).collect();
            if let Some(cut) = cut
                && session.states.retain(|state| left.contains(state))
            {
                session.cut = cut;
                self.open.insert(key, start, session);
            }
        }
        if closed.is_empty() {
            return Ok(Vec::new());
        }
        self.in_order(&mut closed);
        let rows = long(closed.len(), || self.rows(stage, &closed))?;
        for (_, states) in &closed {
            self.batches.release(states);
        }
        Ok(vec![rows])
    }

    /// Pieces of sessions that are cut, in the order of their ends; whole sessions are.
    fn in_order(&self, windows: &mut [Window]) {
        if self.max_us.is_some() {
            windows.sort_by_key(|(window, _)| (window.end, window.start));
        }
    }

    /// The rows of every open session as they would be if it ended now.
    pub(crate) fn peek(&self, stage: &Stage) -> Result<Vec<WindowRows>> {
        let mut open = Vec::new();
        for (start, session) in self.open.in_order() {
            open.extend(self.windows(start, session)?);
        }
        self.in_order(&mut open);
        match open.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(vec![long(open.len(), || self.rows(stage, &open))?]),
        }
    }

    fn rows(&self, stage: &Stage, windows: &[Window]) -> Result<WindowRows> {
        let mut groups = Groups::over(stage, &self.result_groups)?;
        let mut starts: Vec<i64> = Vec::new();
        for windows in windows.chunks(WINDOWS) {
            let states: Vec<StateRef> = windows
                .iter()
                .flat_map(|(_, states)| states)
                .copied()
                .collect();
            let mut columns = self
                .batches
                .gather(&states, 0..stage.state_schema.fields().len())?;
            for key in &stage.keys {
                let values = windows
                    .iter()
                    .flat_map(|(window, states)| repeat_n(key.column.of(window), states.len()));
                set_times(&mut columns, key.index, values);
            }
            columns.drain(stage.sessions.hidden.clone());
            groups.merge(&columns)?;
            // Where sessions of several keys are one group, the first to begin speaks for it.
            starts.resize(groups.len(), i64::MAX);
            let of_states = windows
                .iter()
                .flat_map(|(window, states)| repeat_n(window.start, states.len()));
            for (start, group) in of_states.zip(groups.indices()) {
                if let Some(known) = starts.get_mut(*group) {
                    *known = start.min(*known);
                }
            }
        }
        let starts = TimestampMicrosecondArray::from(starts).with_timezone("UTC");
        WindowRows::new(stage, groups, Arc::new(starts))
    }
}

#[cfg(test)]
mod tests;
