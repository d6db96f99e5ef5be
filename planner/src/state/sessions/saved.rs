//! What a checkpoint keeps of open sessions: batches of partial states, by the time at which sessions begin.
//!
//! A checkpoint writes the batches that are new. Sessions that begin near one another change together, as long as they are young, and then
//! rest until their gap is over; so what is kept of them is filed by stretches of time, and a stretch that rests is not written again.

use std::{collections::BTreeMap, iter::repeat_n, sync::Arc};

use arrow::array::RecordBatch;

use super::{Sessions, columns::set_times, session::StateRef};
use crate::{PaneState, error::Result, streaming::Stage};

/// More stretches than this are not kept apart: sessions that go on and on begin at any time.
const MOST: i64 = 64;

/// What was saved and is still true.
pub(super) struct Saved {
    /// Length of a stretch.
    stretch_us: i64,
    batches: BTreeMap<i64, Arc<RecordBatch>>,
}

impl Saved {
    pub(super) fn new(gap_us: i64) -> Self {
        Self {
            stretch_us: gap_us.max(1),
            batches: BTreeMap::new(),
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
    pub(crate) fn snapshot(&mut self, number: usize, stage: &Stage) -> Result<Vec<PaneState>> {
        let starts: Vec<i64> = self.due.iter().map(|(_, start, _)| *start).collect();
        while let (Some(first), Some(last)) = (starts.iter().min(), starts.iter().max())
            && last.saturating_sub(self.saved.stretch(*first)) / self.saved.stretch_us >= MOST
        {
            self.saved.stretch_us = self.saved.stretch_us.saturating_mul(2);
            self.saved.batches.clear();
        }
        let mut stretches: BTreeMap<i64, Stretch> = BTreeMap::new();
        for (_, start, key) in &self.due {
            let at = self.saved.stretch(*start);
            let stretch = stretches.entry(at).or_default();
            let Some(session) = self.open.get(key).and_then(|of_key| of_key.get(start)) else {
                continue;
            };
            stretch.end = stretch.end.max(session.last.saturating_add(self.gap_us));
            if !self.saved.batches.contains_key(&at) {
                let states = session.states.all();
                stretch.starts.push((*start, states.len()));
                stretch.states.extend(states);
            }
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
                let starts = stretch.starts.iter();
                let starts = starts.flat_map(|(start, states)| repeat_n(*start, *states));
                set_times(&mut columns, key.index, starts);
            }
        }
        Ok(RecordBatch::try_new(
            Arc::clone(&stage.state_schema),
            columns,
        )?)
    }
}
