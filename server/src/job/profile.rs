//! What the steps of a running query's epochs and commits have taken since it started: what EXPLAIN ANALYZE QUERY tells.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use sluice_planner::api::PlanFigures;

/// A step of an epoch or of a commit, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// All of an epoch.
    Epoch,
    /// What it is to run over, into the journal.
    Journal,
    /// Rows to partial states, or to rows where nothing is aggregated.
    States,
    /// Partial states into panes.
    Panes,
    /// Windows that closed, to rows.
    Windows,
    /// State that memory must not hold, to disk.
    Spill,
    /// Rows made readable.
    Shown,
    /// All of a commit, beside the epochs.
    Commit,
    /// Messages that did not decode, to the stream's dead letters.
    Letters,
    /// Data files.
    Data,
    /// The state's segments.
    State,
    /// The manifest.
    Manifest,
    /// The Delta log.
    Delta,
    /// What is not needed any more.
    Tidy,
}

impl Step {
    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Journal => "journal",
            Self::States => "rows to partial states",
            Self::Panes => "partial states into panes",
            Self::Windows => "windows that closed",
            Self::Spill => "state to disk",
            Self::Shown => "rows made readable",
            Self::Commit => "commit",
            Self::Letters => "dead letters",
            Self::Data => "data files",
            Self::State => "state segments",
            Self::Manifest => "manifest",
            Self::Delta => "Delta log",
            Self::Tidy => "tidying",
        }
    }

    /// Whether it is a part of the one above it.
    pub fn is_part(self) -> bool {
        !matches!(self, Self::Epoch | Self::Commit)
    }
}

/// How long a step took, every time it was done.
#[derive(Clone, Debug)]
pub struct Timing {
    /// In all.
    pub total: Duration,
    /// Microseconds each time, two digits of them.
    times: Histogram<u32>,
}

impl Timing {
    /// How often it was done.
    pub fn count(&self) -> u64 {
        self.times.len()
    }

    /// The time that so large a part of them did not exceed.
    pub fn quantile(&self, part: f64) -> Duration {
        Duration::from_micros(self.times.value_at_quantile(part))
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.times.max())
    }
}

/// What a query has taken since it started.
#[derive(Clone, Debug)]
pub struct Profile {
    begun: Instant,
    /// Rows that epochs read.
    pub rows: u64,
    /// The steps that were done at least once.
    pub steps: BTreeMap<Step, Timing>,
    /// The operators of its plans; filled in where it is asked for.
    pub plans: Vec<PlanFigures>,
}

impl Profile {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            rows: 0,
            steps: BTreeMap::new(),
            plans: Vec::new(),
        }
    }

    /// How long it has run.
    pub fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn took(&mut self, step: Step, time: Duration) {
        if let Some(timing) = self.steps.get_mut(&step) {
            timing.total += time;
            // A histogram that grows by itself takes every time there is.
            let _ = timing.times.record(time.as_micros() as u64);
        } else if let Ok(times) = Histogram::new(2) {
            let total = Duration::ZERO;
            self.steps.insert(step, Timing { total, times });
            self.took(step, time);
        }
    }

    pub(super) fn all(&mut self, steps: &[(Step, Duration)]) {
        for (step, time) in steps {
            self.took(*step, *time);
        }
    }
}

/// Times of steps that are done one after the other.
#[derive(Debug)]
pub(super) struct Laps {
    last: Instant,
    pub(super) steps: Vec<(Step, Duration)>,
}

impl Laps {
    pub(super) fn begin() -> Self {
        Self {
            last: Instant::now(),
            steps: Vec::new(),
        }
    }

    /// A step is done.
    pub(super) fn lap(&mut self, step: Step) {
        let before = std::mem::replace(&mut self.last, Instant::now());
        self.steps.push((step, self.last.duration_since(before)));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn times_are_summed_up_and_ranked() {
        let mut profile = Profile::new();
        for ms in 1..=100 {
            profile.took(Step::Epoch, Duration::from_millis(ms));
        }
        profile.all(&[(Step::Journal, Duration::from_secs(7200))]);
        let epoch = profile.steps.get(&Step::Epoch).unwrap();
        assert_eq!(epoch.count(), 100);
        assert_eq!(epoch.total, Duration::from_millis(5050));
        let near = |got: Duration, ms: f64| (got.as_secs_f64() * 1e3 / ms - 1.0).abs() < 0.01;
        assert!(near(epoch.quantile(0.5), 50.0) && near(epoch.quantile(0.99), 99.0));
        assert!(near(epoch.max(), 100.0));
        assert!(near(
            profile.steps.get(&Step::Journal).unwrap().max(),
            7.2e6
        ));
    }
}
