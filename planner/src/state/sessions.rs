//! The sessions of one aggregation: windows that rows make, one after the other for each key.
//!
//! A session is a list of partial states (one for each of its groups, where its keys are not all that is grouped by) and the time from its
//! first row to its last. Two sessions that come to touch become one by putting their lists together; the states are merged when the session
//! closes, or when there are many. So no accumulator is held open, and a session that grows from both ends costs nothing but its list.
//!
//! A session with a maximum length is cut at its first row and so much later, again and again. Where, is known when no earlier row can come
//! that is not late; until then its states are of rows of one time each. A piece is final when the watermark is a gap beyond its end, for
//! until then a row in it is not late. Every piece of one end is final at one moment, which is what further aggregation by windows rests on.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::repeat_n,
    ops::Range,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt64Array},
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use self::{
    batches::Batches,
    columns::{Columns, bytes, set_times, time_column, times},
    session::{Group, Session, StateRef, States, piece},
};
use super::{groups::Groups, stage::WindowRows};
use crate::{
    PaneState,
    error::{PlanError, Result},
    streaming::Stage,
};

mod batches;
mod columns;
mod saved;
mod session;
#[cfg(test)]
mod tests;

/// Partial states of one group of a session beyond which they are merged into one; few in tests, whose sessions are small.
const MANY: usize = if cfg!(test) { 3 } else { 64 };

/// The key of a session as comparable bytes.
type Key = Box<[u8]>;

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
    /// Sessions of a key by the time of their first row.
    open: BTreeMap<Key, BTreeMap<i64, Session>>,
    /// Bytes of these keys.
    key_bytes: usize,
    /// Every session by the watermark at which it, or its next piece, closes: the order in which they do.
    due: BTreeSet<(i64, i64, Key)>,
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
            open: BTreeMap::new(),
            key_bytes: 0,
            due: BTreeSet::new(),
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

    /// Sessions as they were saved: merging their partial states in order makes them anew.
    pub(crate) fn restore(&mut self, stage: &Stage, state: &PaneState) -> Result<()> {
        let states = state.state.as_ref();
        let begins = match stage.keys.first() {
            Some(key) if self.marks_start() => Some(time_column(states, key.index)?.clone()),
            _ => None,
        };
        self.add(states, begins.as_ref())?;
        let (Some(begins), Some(max_us)) = (begins, self.max_us) else {
            return Ok(());
        };
        // Pieces that are gone leave no trace but the first row of those that are not.
        let (firsts, _) = times(states)?;
        let keys = self.keys.of(states)?;
        let mut earliest: BTreeMap<(Key, i64), i64> = BTreeMap::new();
        for (row, (begin, first)) in begins.values().iter().zip(firsts.values()).enumerate() {
            let place = (bytes(&keys, row), *begin);
            let known = earliest.entry(place).or_insert(*first);
            *known = (*known).min(*first);
        }
        for ((key, start), first) in earliest {
            let of_key = self.open.get_mut(&key);
            if let Some(session) = of_key.and_then(|of_key| of_key.get_mut(&start)) {
                let old = session.due(self.gap_us, self.max_us);
                session.cut = piece(start, first, max_us);
                let new = session.due(self.gap_us, self.max_us);
                self.due.remove(&(old, start, key.clone()));
                self.due.insert((new, start, key));
            }
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        let state = match self.is_whole() {
            true => size_of::<StateRef>(),
            false => size_of::<(Group, Vec<StateRef>)>() + size_of::<StateRef>(),
        };
        self.batches.bytes()
            + self.saved.bytes()
            + self.key_bytes * 2
            + self.batches.len() * state
            + self.due.len() * 2 * size_of::<(i64, i64, Key)>()
    }

    /// Merges partial states, each of rows of one key that are closer to one another than the gap.
    pub(crate) fn merge(&mut self, stage: &Stage, states: &RecordBatch) -> Result<()> {
        let grown = self.add(states, None)?;
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
            let session = self.open.get(&key).and_then(|of_key| of_key.get(&start));
            let Some(session) = session else {
                continue;
            };
            if start.saturating_add(self.gap_us) > closed.saturating_add(1) {
                // A row before the first would not be late.
                self.crowded.insert((key, start));
                continue;
            }
            for (group, states) in session.states.groups() {
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

    /// Adds partial states; gives the groups of sessions that have many now. `begins` says of saved states where their session begins.
    fn add(
        &mut self,
        states: &RecordBatch,
        begins: Option<&TimestampMicrosecondArray>,
    ) -> Result<BTreeSet<Unit>> {
        let mut grown = BTreeSet::new();
        if states.num_rows() == 0 {
            return Ok(grown);
        }
        let (firsts, lasts) = times(states)?;
        let (keys, groups) = (self.keys.of(states)?, self.groups.of(states)?);
        let number = self.batches.add(states.clone());
        let begins = begins.unwrap_or(firsts).values();
        for (row, (first, last)) in begins.iter().zip(lasts.values()).enumerate() {
            let (key, group) = (bytes(&keys, row), bytes(&groups, row));
            let state = (number, row);
            let (start, of_group) = self.extend(&key, group.clone(), *first..*last, state);
            // Of sessions that are cut it is not known yet what may be merged with what.
            if of_group > MANY && self.max_us.is_none() {
                grown.insert((key, start, group));
            }
        }
        Ok(grown)
    }

    /// Puts a partial state into the session it touches, or the sessions, which become one; gives the time of its first row, and how many
    /// states its group has.
    fn extend(
        &mut self,
        key: &Key,
        group: Group,
        rows: Range<i64>,
        state: StateRef,
    ) -> (i64, usize) {
        let (gap_us, max_us) = (self.gap_us, self.max_us);
        let is_whole = self.is_whole();
        let key_bytes = &mut self.key_bytes;
        let sessions = self.open.entry(key.clone()).or_insert_with(|| {
            *key_bytes += key.len();
            BTreeMap::new()
        });
        let reach = rows.end.saturating_add(gap_us);
        let touched: Vec<i64> = sessions
            .range(..=reach)
            .rev()
            // Sessions of a key are a gap apart and more: the first that ends too early is the last to look at.
            .take_while(|(_, session)| session.last.saturating_add(gap_us) >= rows.start)
            .map(|(start, _)| *start)
            .collect();
        let (mut first, mut crowded) = (rows.start, false);
        let mut whole: Option<Session> = None;
        for start in touched.into_iter().rev() {
            if let Some(session) = sessions.remove(&start) {
                let due = session.due(gap_us, max_us);
                self.due.remove(&(due, start, key.clone()));
                self.saved.changed(start);
                if !self.crowded.is_empty() {
                    crowded |= self.crowded.remove(&(key.clone(), start));
                }
                match &mut whole {
                    None => {
                        whole = Some(session);
                        // Pieces are final only where no earlier row can come: then the cut stays.
                        if start > first {
                            whole.iter_mut().for_each(|whole| whole.cut = first);
                        }
                        first = first.min(start);
                    }
                    Some(whole) => {
                        whole.last = whole.last.max(session.last);
                        whole.states.append(session.states);
                        crowded |= max_us.is_some() && whole.states.most() > MANY;
                    }
                }
            }
        }
        let mut whole = whole.unwrap_or_else(|| Session {
            last: rows.end,
            cut: first,
            states: match is_whole {
                true => States::One(Vec::with_capacity(1)),
                false => States::ByGroup(BTreeMap::new()),
            },
        });
        whole.last = whole.last.max(rows.end);
        let of_group = whole.states.push(group, state);
        if crowded || (max_us.is_some() && of_group > MANY) {
            self.crowded.insert((key.clone(), first));
        }
        let due = whole.due(gap_us, max_us);
        self.due.insert((due, first, key.clone()));
        self.saved.changed(first);
        sessions.insert(first, whole);
        (first, of_group)
    }

    /// Merges the partial states of groups that have many, into one each.
    fn compact(&mut self, stage: &Stage, grown: BTreeSet<Unit>) -> Result<()> {
        let mut units = Vec::new();
        for (key, start, group) in grown {
            // Its session may have become part of another since.
            let session = self
                .open
                .get_mut(&key)
                .and_then(|of_key| of_key.get_mut(&start));
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
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from_iter_values(numbers))];
        columns.extend(
            self.batches
                .gather(&states, width..stage.state_schema.fields().len())?,
        );
        let number = Field::new("number", DataType::UInt64, false);
        let mut groups = Groups::over(stage, &Arc::new(Schema::new(vec![number.clone()])))?;
        groups.merge(&columns)?;
        let mut fields = vec![Arc::new(number)];
        fields.extend(stage.state_schema.fields().iter().skip(width).cloned());
        let merged = groups.into_state(&Arc::new(Schema::new(fields)))?;
        if merged.num_rows() != units.len() {
            return Err(PlanError::internal("sessions were mixed up"));
        }
        let firsts: Vec<StateRef> = units
            .iter()
            .filter_map(|(_, states)| states.first().copied())
            .collect();
        let mut columns = self.batches.gather(&firsts, 0..width)?;
        columns.extend(merged.columns().iter().skip(1).cloned());
        let merged = RecordBatch::try_new(Arc::clone(&stage.state_schema), columns)?;
        let number = self.batches.add(merged);
        for (row, ((key, start, group), united)) in units.into_iter().enumerate() {
            self.batches.release(&united);
            self.saved.changed(start);
            let session = self
                .open
                .get_mut(&key)
                .and_then(|of_key| of_key.get_mut(&start));
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
        self.due.first().map(|(due, _, _)| *due)
    }

    /// The rows of every window that is final at the watermark.
    pub(crate) fn close(&mut self, stage: &Stage, watermark: i64) -> Result<Vec<WindowRows>> {
        let mut closed: Vec<Window> = Vec::new();
        while let Some((due, start, key)) = self.due.pop_first() {
            if due > watermark {
                self.due.insert((due, start, key));
                break;
            }
            self.saved.changed(start);
            let sessions = self.open.get_mut(&key);
            let Some(mut session) = sessions.and_then(|sessions| sessions.remove(&start)) else {
                continue;
            };
            let windows = self.windows(start, &session)?.into_iter();
            let is_final = |window: &Window| match self.max_us {
                Some(_) => window.0.end.saturating_add(self.gap_us) <= watermark,
                None => true,
            };
            let (done, rest): (Vec<Window>, Vec<Window>) = windows.partition(is_final);
            let cut = rest.first().map(|(window, _)| window.start);
            closed.extend(done);
            let left: BTreeSet<StateRef> = rest.into_iter().flat_map(|(_, rest)| rest).collect();
            let Some(sessions) = self.open.get_mut(&key) else {
                continue;
            };
            if let Some(cut) = cut
                && session.states.retain(|state| left.contains(state))
            {
                session.cut = cut;
                let due = session.due(self.gap_us, self.max_us);
                self.due.insert((due, start, key));
                sessions.insert(start, session);
            } else if sessions.is_empty() {
                self.key_bytes -= key.len();
                self.open.remove(&key);
            }
        }
        if closed.is_empty() {
            return Ok(Vec::new());
        }
        self.in_order(&mut closed);
        let rows = self.rows(stage, &closed)?;
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
        for (_, start, key) in &self.due {
            if let Some(session) = self.open.get(key).and_then(|of_key| of_key.get(start)) {
                open.extend(self.windows(*start, session)?);
            }
        }
        self.in_order(&mut open);
        match open.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(vec![self.rows(stage, &open)?]),
        }
    }

    fn rows(&self, stage: &Stage, windows: &[Window]) -> Result<WindowRows> {
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
        let mut groups = Groups::over(stage, &self.result_groups)?;
        groups.merge(&columns)?;
        // Where sessions of several keys are one group, the first to begin speaks for it.
        let mut starts = vec![i64::MAX; groups.len()];
        let of_states = windows
            .iter()
            .flat_map(|(window, states)| repeat_n(window.start, states.len()));
        for (start, group) in of_states.zip(groups.indices()) {
            if let Some(known) = starts.get_mut(*group) {
                *known = start.min(*known);
            }
        }
        let starts = TimestampMicrosecondArray::from(starts).with_timezone("UTC");
        WindowRows::new(stage, groups, Arc::new(starts))
    }
}
