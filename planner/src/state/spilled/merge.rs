//! The rows of a window whose panes are on disk, some of them or all.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array},
    compute::{interleave_record_batch, take_record_batch},
};

use super::{BATCH_ROWS, PARTS, Spilled, divide};
use crate::{
    error::Result,
    state::{
        groups::Groups,
        stage::{WindowRows, constant},
    },
    streaming::Stage,
};

/// Bits of a row's number within its pane; those above say which pane it is.
const NUMBER_BITS: u32 = 48;

/// A pane of a window.
pub(crate) enum Source<'a> {
    /// On disk, nothing pending.
    Disk(&'a Spilled),
    /// In memory: its state, and which of its rows are in which part.
    Memory(Arc<RecordBatch>, Vec<Vec<u32>>),
}

impl<'a> Source<'a> {
    pub(crate) fn disk(stage: &Stage, spilled: &'a mut Spilled) -> Result<Self> {
        spilled.write(stage)?;
        Ok(Self::Disk(spilled))
    }

    pub(crate) fn memory(stage: &Stage, state: Arc<RecordBatch>) -> Result<Self> {
        let parts = divide(stage, state.columns(), state.num_rows())?;
        Ok(Self::Memory(state, parts))
    }

    /// States and their numbers, of the groups in one part.
    fn part(&self, stage: &Stage, part: usize) -> Result<(RecordBatch, UInt64Array)> {
        match self {
            Self::Disk(spilled) => spilled.part_state(stage, part),
            Self::Memory(state, parts) => {
                let rows = parts.get(part).cloned().unwrap_or_default();
                let numbers = rows.iter().map(|row| u64::from(*row));
                let numbers = UInt64Array::from_iter_values(numbers);
                Ok((take_record_batch(state, &UInt32Array::from(rows))?, numbers))
            }
        }
    }
}

/// The rows of a window out of its panes, as if they had all been in memory: merged in the order of the panes, and in the order in which
/// the groups were first seen.
pub(crate) fn rows(
    stage: &Stage,
    window: &Range<i64>,
    panes: &[Source<'_>],
) -> Result<Vec<WindowRows>> {
    let mut parts: Vec<RecordBatch> = Vec::new();
    let mut order: Vec<(u64, usize, usize)> = Vec::new();
    for part in 0..PARTS {
        let (groups, firsts) = match panes {
            // One pane is one window, and its states are merged once.
            [Source::Disk(spilled)] if stage.windows.is_single() => spilled.part(stage, part)?,
            _ => merged(stage, window, panes, part)?,
        };
        if groups.len() == 0 {
            continue;
        }
        let place = parts.len();
        let numbered = firsts.into_iter().enumerate();
        order.extend(numbered.map(|(row, first)| (first, place, row)));
        let starts = constant(window.start, groups.len());
        parts.push(WindowRows::new(stage, groups, starts)?.rows);
    }
    order.sort_unstable();
    let parts: Vec<&RecordBatch> = parts.iter().collect();
    let mut rows = Vec::with_capacity(order.len().div_ceil(BATCH_ROWS));
    for chunk in order.chunks(BATCH_ROWS) {
        let places: Vec<(usize, usize)> =
            chunk.iter().map(|(_, part, row)| (*part, *row)).collect();
        rows.push(WindowRows {
            starts: constant(window.start, places.len()),
            rows: interleave_record_batch(&parts, &places)?,
        });
    }
    Ok(rows)
}

/// The groups of one part, out of every pane.
fn merged(
    stage: &Stage,
    window: &Range<i64>,
    panes: &[Source<'_>],
    part: usize,
) -> Result<(Groups, Vec<u64>)> {
    let mut groups = Groups::new(stage)?;
    let mut firsts = Vec::new();
    for (place, pane) in (0u64..).zip(panes) {
        let (state, numbers) = pane.part(stage, part)?;
        let mut columns: Vec<ArrayRef> = state.columns().to_vec();
        for key in &stage.keys {
            if let Some(column) = columns.get_mut(key.index) {
                *column = constant(key.column.of(window), state.num_rows());
            }
        }
        let numbers: Vec<u64> = numbers
            .values()
            .iter()
            .map(|number| (place << NUMBER_BITS) | number)
            .collect();
        groups.merge_numbered(&columns, &numbers, &mut firsts)?;
    }
    Ok((groups, firsts))
}
