//! The panes of one aggregation, and the windows they make.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use arrow::{
    array::{Array, AsArray, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::TimestampMicrosecondType,
};

use super::{
    groups::Groups,
    long::long,
    pane::Pane,
    spilled::{self, Scratch, Spilled},
    stage::{WindowRows, constant, window_rows},
};
use crate::{
    PaneState, SpilledState, StateSnapshot,
    error::{PlanError, Result},
    operators::WindowColumn,
    streaming::Stage,
};

/// Bytes of a pane below which it is not worth a file.
const SMALL_PANE: usize = if cfg!(test) { 1 } else { 64 << 10 };

/// The panes of a stage.
#[derive(Default)]
pub(crate) struct Panes {
    /// By their start.
    panes: BTreeMap<i64, Pane>,
    /// How often rows came.
    merges: u64,
}

impl Panes {
    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.panes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.panes.values().map(Pane::bytes).sum()
    }

    /// Bytes on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.panes.values().map(Pane::disk_bytes).sum()
    }

    /// Takes in a pane that was in memory, those on disk restored.
    pub(super) fn restore(&mut self, state: &PaneState) -> Result<()> {
        let pane = Pane::restore(Arc::clone(&state.state));
        match self.panes.insert(state.start_us, pane) {
            None => Ok(()),
            Some(_) => Err(PlanError::internal("a pane is both in memory and on disk")),
        }
    }

    pub(super) fn restore_spilled(
        &mut self,
        stage: &Stage,
        state: &SpilledState,
        scratch: &Scratch,
    ) -> Result<()> {
        let new = || Pane::on_disk(Spilled::new(stage, scratch.clone()));
        let pane = self.panes.entry(state.start_us).or_insert_with(new);
        match pane.spilled() {
            Some(spilled) => spilled.restore(stage, &state.file),
            None => Err(PlanError::internal("a pane is both in memory and on disk")),
        }
    }

    pub(super) fn snapshot(
        &mut self,
        number: usize,
        stage: &Stage,
        snapshot: &mut StateSnapshot,
    ) -> Result<()> {
        for (start, pane) in &mut self.panes {
            let end_us = stage.windows.last_end(*start);
            match pane.spilled() {
                None => snapshot.panes.push(PaneState {
                    stage: number,
                    start_us: *start,
                    end_us,
                    state: pane.save(stage)?,
                }),
                Some(spilled) => {
                    for file in spilled.files(stage)? {
                        snapshot.spilled.push(SpilledState {
                            stage: number,
                            start_us: *start,
                            end_us,
                            file: Arc::clone(file),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The same panes once more.
    pub(super) fn copy(&mut self, stage: &Stage) -> Result<Self> {
        let mut copy = Self::default();
        for (start, pane) in &mut self.panes {
            let pane = match pane.spilled() {
                Some(spilled) => Pane::on_disk(spilled.clone()),
                None => Pane::restore(pane.save(stage)?),
            };
            copy.panes.insert(*start, pane);
        }
        Ok(copy)
    }

    pub(super) fn shed(
        &mut self,
        stage: &Stage,
        excess: usize,
        scratch: &Scratch,
    ) -> Result<usize> {
        let mut freed = 0;
        for pane in self.panes.values_mut() {
            let before = pane.bytes();
            pane.live = None;
            freed += before - pane.bytes();
        }
        let mut coldest: Vec<(u64, i64)> = self
            .panes
            .iter()
            .map(|(start, pane)| (pane.touched, *start))
            .collect();
        coldest.sort_unstable();
        for (_, start) in coldest {
            if freed >= excess {
                break;
            }
            let Some(pane) = self.panes.get_mut(&start) else {
                continue;
            };
            let before = pane.bytes();
            if pane.spilled().is_some() || before < SMALL_PANE {
                continue;
            }
            pane.spill(stage, scratch)?;
            freed += before.saturating_sub(pane.bytes());
        }
        Ok(freed)
    }

    /// Merges partial states into their panes.
    pub(super) fn merge(&mut self, stage: &Stage, states: &RecordBatch) -> Result<()> {
        let key = stage
            .keys
            .first()
            .ok_or_else(|| PlanError::internal("a stage has no window among its groups"))?;
        let bounds = states
            .column(key.index)
            .as_primitive_opt::<TimestampMicrosecondType>()
            .filter(|bounds| bounds.null_count() == 0)
            .ok_or_else(|| PlanError::internal("a group has no window"))?;
        let values = bounds.values();
        let Some(first) = values.first() else {
            return Ok(());
        };
        if values.iter().all(|bound| bound == first) {
            let pane = pane_of(stage, key.column, *first)?;
            return self.pane(pane).merge(stage, states.columns());
        }
        let mut by_bound: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, bound) in (0u32..).zip(values) {
            by_bound.entry(*bound).or_default().push(row);
        }
        for (bound, rows) in by_bound {
            let part = take_record_batch(states, &UInt32Array::from(rows))?;
            let pane = pane_of(stage, key.column, bound)?;
            self.pane(pane).merge(stage, part.columns())?;
        }
        Ok(())
    }

    fn pane(&mut self, start: i64) -> &mut Pane {
        self.merges += 1;
        let pane = self.panes.entry(start).or_default();
        pane.touched = self.merges;
        pane
    }

    /// The end of the first window that a watermark beyond `closed` would close.
    pub(super) fn next_end(&self, stage: &Stage, closed: Option<i64>) -> Option<i64> {
        // Later panes are in later windows.
        let (first, _) = self.panes.first_key_value()?;
        stage
            .windows
            .windows_of(*first)
            .map(|window| window.end)
            .find(|end| closed.is_none_or(|closed| *end > closed))
    }

    /// The rows of every window that ends in (`closed`, `watermark`], in the order of their ends; panes of no other window go.
    pub(super) fn close(
        &mut self,
        stage: &Stage,
        closed: Option<i64>,
        watermark: i64,
    ) -> Result<Vec<WindowRows>> {
        let mut rows = Vec::new();
        if stage.windows.is_single() {
            while let Some(entry) = self.panes.first_entry() {
                let Some(window) = stage.windows.windows_of(*entry.key()).next() else {
                    return Err(PlanError::internal("a pane has no window"));
                };
                if window.end > watermark {
                    break;
                }
                rows.extend(entry.remove().into_rows(stage, &window)?);
            }
            return Ok(rows);
        }
        for window in self.windows(stage, closed, Some(watermark)) {
            rows.extend(self.rows_of(stage, &window)?);
        }
        while let Some(entry) = self.panes.first_entry()
            && stage.windows.last_end(*entry.key()) <= watermark
        {
            entry.remove();
        }
        Ok(rows)
    }

    /// The rows of every open window as they would be if it closed now.
    pub(super) fn peek(&mut self, stage: &Stage, closed: Option<i64>) -> Result<Vec<WindowRows>> {
        let mut rows = Vec::new();
        for window in self.windows(stage, closed, None) {
            rows.extend(self.rows_of(stage, &window)?);
        }
        Ok(rows)
    }

    /// Of panes that are windows: the rows of those whose live rows are not known.
    pub(crate) fn changed(&mut self, stage: &Stage) -> Result<Vec<(i64, Vec<WindowRows>)>> {
        let mut changed = Vec::new();
        for (start, pane) in &mut self.panes {
            if pane.live.is_some() {
                continue;
            }
            let Some(window) = stage.windows.windows_of(*start).next() else {
                return Err(PlanError::internal("a pane has no window"));
            };
            changed.push((*start, pane.rows_now(stage, &window)?));
        }
        Ok(changed)
    }

    /// Keeps the live rows of a pane until it changes.
    pub(crate) fn keep_live(&mut self, start: i64, rows: Vec<RecordBatch>) {
        if let Some(pane) = self.panes.get_mut(&start) {
            pane.live = Some(rows);
        }
    }

    /// The live rows that are known, in the order of the windows.
    pub(crate) fn live(&self) -> Vec<RecordBatch> {
        let known = self.panes.values().filter_map(|pane| pane.live.as_ref());
        known.flatten().cloned().collect()
    }

    /// The windows that hold a pane and end in (`closed`, `to`], in the order of their ends.
    fn windows(&self, stage: &Stage, closed: Option<i64>, to: Option<i64>) -> Vec<Range<i64>> {
        let mut windows: BTreeSet<(i64, i64)> = BTreeSet::new();
        for pane in self.panes.keys() {
            for window in stage.windows.windows_of(*pane) {
                if closed.is_some_and(|closed| window.end <= closed) {
                    continue;
                }
                if to.is_some_and(|to| window.end > to) {
                    break;
                }
                windows.insert((window.end, window.start));
            }
        }
        windows.into_iter().map(|(end, start)| start..end).collect()
    }

    /// The rows of a window, out of its panes, which stay as they are.
    fn rows_of(&mut self, stage: &Stage, window: &Range<i64>) -> Result<Vec<WindowRows>> {
        let panes = self.panes.range_mut(window.clone());
        let mut wanted: Vec<&mut Pane> = panes.map(|(_, pane)| pane).collect();
        if wanted.iter_mut().any(|pane| pane.spilled().is_some()) {
            let sources = wanted.into_iter().map(|pane| pane.source(stage));
            let sources = sources.collect::<Result<Vec<_>>>()?;
            return long(usize::MAX, || spilled::rows(stage, window, &sources));
        }
        let mut groups = Groups::new(stage)?;
        for pane in wanted {
            let saved = pane.save(stage)?;
            let mut columns = saved.columns().to_vec();
            for key in &stage.keys {
                if let Some(column) = columns.get_mut(key.index) {
                    *column = constant(key.column.of(window), saved.num_rows());
                }
            }
            long(saved.num_rows(), || groups.merge(&columns))?;
        }
        let rows = long(groups.len(), || window_rows(stage, groups, window))?;
        Ok(vec![rows])
    }
}

/// The pane that a group's window column speaks of.
fn pane_of(stage: &Stage, column: WindowColumn, bound: i64) -> Result<i64> {
    if !stage.windows.is_single() {
        return Ok(bound);
    }
    match column {
        WindowColumn::Start => Some(bound),
        WindowColumn::End => bound
            .checked_sub(1)
            .and_then(|last| stage.windows.pane_of(last)),
        WindowColumn::Time => stage.windows.pane_of(bound),
    }
    .ok_or_else(|| PlanError::internal("a group has a window that is none"))
}
