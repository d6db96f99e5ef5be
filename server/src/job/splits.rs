//! What the job knows of each split, and which splits hold the watermark back (design: "Time").
//!
//! Idleness needs two facts: silence longer than the stream's `idle_timeout`, **and** an end offset that was asked for after that
//! silence and that we have reached. A remembered end offset says nothing after a pause of the process, so a pause restarts the silence.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use sluice_connectors::source::{SplitId, SplitPosition};

/// One split's reading.
#[derive(Clone, Debug)]
pub struct SplitState {
    /// Where reading goes on.
    pub position: SplitPosition,
    /// Offset at which it began in this life.
    pub began: i64,
    /// End offset as last told.
    pub end_offset: i64,
    /// When rows last came, or reading began.
    pub last_rows: Instant,
    /// Wall clock of the last rows, microseconds; `None` before the first.
    pub last_rows_us: Option<i64>,
    /// When the end offset was last asked for, if its answer has come since.
    pub end_asked: Option<Instant>,
    /// Bounded and at its end.
    pub finished: bool,
    /// Counted as idle in the newest epoch.
    pub idle: bool,
}

/// All splits of a query.
#[derive(Clone, Debug)]
pub struct Splits {
    states: BTreeMap<SplitId, SplitState>,
    /// Silence after which a split may be idle, by stream.
    idle_timeouts: Vec<Duration>,
    asked: Option<Instant>,
}

impl Splits {
    /// No splits yet.
    pub fn new(idle_timeouts: Vec<Duration>) -> Self {
        Self {
            states: BTreeMap::new(),
            idle_timeouts,
            asked: None,
        }
    }

    /// A split was found (or is known from a checkpoint).
    pub fn found(&mut self, position: SplitPosition, end_offset: i64, now: Instant) {
        let split = position.split.clone();
        self.states
            .entry(split)
            .and_modify(|state| {
                state.end_offset = end_offset;
                // The checkpoint may be older than topic ids; the broker's word completes it.
                if state.position.topic_id.is_none() {
                    state.position.topic_id.clone_from(&position.topic_id);
                }
            })
            .or_insert(SplitState {
                began: position.next_offset,
                position,
                end_offset,
                last_rows: now,
                last_rows_us: None,
                end_asked: None,
                finished: false,
                idle: false,
            });
    }

    /// Rows up to `next_offset` went into an epoch.
    pub fn advanced(
        &mut self,
        split: &SplitId,
        next_offset: i64,
        leader_epoch: Option<i32>,
        now: Instant,
        now_us: i64,
    ) {
        if let Some(state) = self.states.get_mut(split) {
            state.position.next_offset = next_offset;
            state.position.leader_epoch = leader_epoch.or(state.position.leader_epoch);
            state.end_offset = state.end_offset.max(next_offset);
            state.last_rows = now;
            state.last_rows_us = Some(now_us);
        }
    }

    /// End offsets are being asked for.
    pub fn asking(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// An end offset came.
    pub fn end_is(&mut self, split: &SplitId, end_offset: i64) {
        if let Some(state) = self.states.get_mut(split) {
            state.end_offset = end_offset;
            state.end_asked = self.asked;
        }
    }

    /// A bounded split is at its end.
    pub fn finished(&mut self, split: &SplitId) {
        if let Some(state) = self.states.get_mut(split) {
            state.finished = true;
        }
    }

    /// The process was paused: silence so far proves nothing.
    pub fn paused(&mut self, now: Instant) {
        for state in self.states.values_mut() {
            state.last_rows = now;
            state.end_asked = None;
        }
    }

    /// Whether some split has been silent long enough that its end should be asked for.
    pub fn wants_ends(&self, now: Instant) -> bool {
        self.states.iter().any(|(split, state)| {
            !state.finished
                && !state.idle
                && now.duration_since(state.last_rows) >= timeout(&self.idle_timeouts, split)
        })
    }

    /// When the next split will have been silent long enough to be idle; earlier than now where one has been.
    pub fn idle_at(&self) -> Option<Instant> {
        let counted = self.states.iter();
        let counted = counted.filter(|(_, state)| !state.finished && !state.idle);
        counted
            .map(|(split, state)| state.last_rows + timeout(&self.idle_timeouts, split))
            .min()
    }

    /// Whether every split is idle or at its end.
    pub fn all_idle(&self) -> bool {
        self.states
            .values()
            .all(|state| state.idle || state.finished)
    }

    /// Splits that do not hold the watermark back now; `has_watermark` tells whether a split ever had a usable row.
    pub fn excluded(&mut self, has_watermark: impl Fn(&SplitId) -> bool) -> BTreeSet<SplitId> {
        let mut excluded = BTreeSet::new();
        for (split, state) in &mut self.states {
            let at_end = state.position.next_offset >= state.end_offset;
            let silent_since = state.last_rows + timeout(&self.idle_timeouts, split);
            state.idle = at_end && state.end_asked.is_some_and(|asked| asked >= silent_since);
            let never_had_a_row = at_end && !has_watermark(split);
            if state.idle || never_had_a_row {
                excluded.insert(split.clone());
            }
        }
        excluded
    }

    /// Bounded splits at their end.
    pub fn finished_set(&self) -> BTreeSet<SplitId> {
        self.states
            .iter()
            .filter(|(_, state)| state.finished)
            .map(|(split, _)| split.clone())
            .collect()
    }

    /// All splits known.
    pub fn known(&self) -> BTreeSet<SplitId> {
        self.states.keys().cloned().collect()
    }

    /// Positions for a checkpoint.
    pub fn positions(&self) -> Vec<SplitPosition> {
        self.states
            .values()
            .map(|state| state.position.clone())
            .collect()
    }

    /// Where reading of every split began.
    pub fn began(&self) -> Vec<SplitPosition> {
        let began = self.states.values().map(|state| SplitPosition {
            next_offset: state.began,
            ..state.position.clone()
        });
        began.collect()
    }

    /// Every split's state.
    pub fn iter(&self) -> impl Iterator<Item = (&SplitId, &SplitState)> {
        self.states.iter()
    }

    /// Messages not yet read, over all splits.
    pub fn lag_rows(&self) -> u64 {
        self.states
            .values()
            .map(|state| {
                u64::try_from(state.end_offset.saturating_sub(state.position.next_offset))
                    .unwrap_or(0)
            })
            .sum()
    }

    /// Whether every split is bounded and at its end (false before each stream has told its splits).
    pub fn all_finished(&self) -> bool {
        self.all_streams_are_there() && self.states.values().all(|state| state.finished)
    }

    /// Each stream has one split at least, and tells all that it has at first before anything of them.
    fn all_streams_are_there(&self) -> bool {
        let there: BTreeSet<u16> = self.states.keys().map(|split| split.stream).collect();
        there.len() >= self.idle_timeouts.len().max(1)
    }
}

fn timeout(of_streams: &[Duration], split: &SplitId) -> Duration {
    let timeout = of_streams.get(usize::from(split.stream));
    timeout.or(of_streams.first()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
