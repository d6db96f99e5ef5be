//! What one run of a plan reads and finds: the batches of one or several splits, and what happened to their rows on the way.

use std::{
    any::Any,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array};
use datafusion::{error::Result, execution::TaskContext};
use sluice_connectors::source::SplitBatch;

use crate::error::PlanError;

/// Name of the hidden column that says which row of the run a row comes from. Unwritable in a query that names columns sanely, and
/// checked against the stream's own columns.
pub(crate) const ROW_COLUMN: &str = "__sluice_row";
/// Name of the hidden column with the start of the row's pane; above the aggregation, with the start of the window.
pub(crate) const WINDOW_COLUMN: &str = "__sluice_window";

/// A row of a run: which batch, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowRef(u64);

impl RowRef {
    pub(crate) fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// Row number `row` of batch number `batch`.
    pub(crate) fn at(batch: usize, row: usize) -> Self {
        Self((batch as u64) << 32 | row as u64)
    }

    pub(crate) fn batch(self) -> usize {
        (self.0 >> 32) as usize
    }

    pub(crate) fn row(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    /// References to the rows of batch number `batch`.
    pub(crate) fn column(batch: usize, rows: usize) -> ArrayRef {
        let base = (batch as u64) << 32;
        Arc::new(UInt64Array::from_iter_values(
            (0..rows as u64).map(|row| base | row),
        ))
    }
}

/// A batch of a run.
#[derive(Debug)]
pub(crate) struct RunBatch {
    /// Its split: index into the run's splits.
    pub(crate) split: usize,
    /// Rows with their origin.
    pub(crate) batch: SplitBatch,
}

/// Why a row can be in no window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeadReason {
    /// No time at all.
    Null,
    /// Further in the future than `max_future_skew`.
    Future,
    /// Outside of the years that tables can store: the time in microseconds.
    OutOfRange(i64),
    /// An expression of the query cannot take it: what it said.
    Failed(String),
}

impl DeadReason {
    /// As it stands in the dead-letter table.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Null => "event time is null".to_owned(),
            Self::Future => "event time is in the future by more than max_future_skew".to_owned(),
            Self::OutOfRange(us) => {
                format!(
                    "event time is outside of the years 1 to 9999: {us} microseconds since 1970"
                )
            }
            Self::Failed(error) => error.clone(),
        }
    }
}

/// A row that missed windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LateRow {
    pub(crate) row: RowRef,
    /// How many windows it missed.
    pub(crate) missed: i32,
    /// How many windows it is in.
    pub(crate) total: i32,
}

/// What happened to the rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Largest watermark per split of the run.
    pub(crate) watermarks_us: Vec<Option<i64>>,
    /// Rows without usable time, and rows that an expression cannot take.
    pub(crate) dead: Vec<(RowRef, DeadReason)>,
    /// Rows that missed at least one of their windows.
    pub(crate) late: Vec<LateRow>,
    /// How many of those missed all of them.
    pub(crate) missed_all: u64,
    /// Rows that went on to the aggregation.
    pub(crate) aggregated: u64,
}

impl Found {
    /// Takes over how far another run of the same splits has come.
    pub(crate) fn advance(&mut self, other: &Self) {
        for (known, other) in self.watermarks_us.iter_mut().zip(&other.watermarks_us) {
            *known = (*known).max(*other);
        }
    }
}

/// One run: input, rules and findings.
#[derive(Debug)]
pub(crate) struct EpochRun {
    /// Split of each batch.
    pub(crate) batches: Arc<Vec<RunBatch>>,
    /// A later event time than this is a dead letter.
    pub(crate) latest_us: i64,
    /// The watermark when the epoch began: windows that end at or before it are closed.
    pub(crate) closed_to_us: Option<i64>,
    found: Mutex<Found>,
}

impl EpochRun {
    pub(crate) fn new(
        batches: Vec<RunBatch>,
        splits: usize,
        latest_us: i64,
        closed_to_us: Option<i64>,
    ) -> Self {
        Self {
            batches: Arc::new(batches),
            latest_us,
            closed_to_us,
            found: Mutex::new(Found {
                watermarks_us: vec![None; splits],
                ..Found::default()
            }),
        }
    }

    /// The same run with nothing found yet.
    pub(crate) fn again(&self) -> Self {
        let splits = self.found().watermarks_us.len();
        Self {
            batches: Arc::clone(&self.batches),
            latest_us: self.latest_us,
            closed_to_us: self.closed_to_us,
            found: Mutex::new(Found {
                watermarks_us: vec![None; splits],
                ..Found::default()
            }),
        }
    }

    /// The run that a task executes.
    pub(crate) fn of(context: &TaskContext) -> Result<Arc<Self>> {
        context
            .session_config()
            .get_extension::<Self>()
            .ok_or_else(|| {
                PlanError::internal("a streaming plan was run outside of an epoch").into_engine()
            })
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> MutexGuard<'_, Found> {
        // A poisoned lock means that another thread of the epoch panicked: the epoch fails anyway, by that panic.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `work` makes of columns of one of the batches, made once for all queries that read it. `None` where no other query does, or
    /// where these are not the batch's own columns any more.
    pub(crate) fn once<T: Any + Send + Sync>(
        &self,
        columns: &[ArrayRef],
        work: impl Fn() -> T,
    ) -> Option<Arc<T>> {
        let are_of = |rows: &RecordBatch| {
            let mut columns = columns.iter();
            columns.all(|column| rows.columns().iter().any(|own| Arc::ptr_eq(own, column)))
        };
        let mut batches = self.batches.iter().map(|batch| &batch.batch);
        let batch = batches.find(|batch| batch.worked_out.is_some() && are_of(&batch.rows))?;
        let worked_out = batch.worked_out.as_ref()?;
        Some(worked_out.once(columns, work))
    }

    /// The split of a row.
    pub(crate) fn split_of(&self, row: RowRef) -> Option<usize> {
        self.batches.get(row.batch()).map(|batch| batch.split)
    }
}

/// Where a plan's rows say which row of the run they come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowOrigin {
    /// The column with the references.
    pub(crate) column: usize,
    /// Whether one row may have become several, one after the other.
    pub(crate) repeats: bool,
}

impl RowOrigin {
    /// How many rows of the run a batch comes from, those not counted that `seen` has counted.
    pub(crate) fn count(self, batch: &RecordBatch, seen: &mut Repeats) -> Result<u64> {
        match self.repeats {
            true => Ok(seen.distinct(row_refs(batch, self.column)?)),
            false => Ok(batch.num_rows() as u64),
        }
    }
}

/// Counts rows of a run where one may have become several, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    last: Option<u64>,
}

impl Repeats {
    /// Whether a row is another one than the row before.
    pub(crate) fn is_new(&mut self, row: u64) -> bool {
        self.last.replace(row) != Some(row)
    }

    /// How many rows of the run these are that were not seen before.
    fn distinct(&mut self, rows: &UInt64Array) -> u64 {
        let rows = rows.values().iter();
        rows.map(|row| u64::from(self.is_new(*row))).sum()
    }
}

/// The row references of a batch in mid-plan.
pub(crate) fn row_refs(batch: &RecordBatch, column: usize) -> Result<&UInt64Array> {
    batch
        .columns()
        .get(column)
        .and_then(|array| array.as_any().downcast_ref::<UInt64Array>())
        .ok_or_else(|| {
            PlanError::internal("a row lost its origin on its way through a plan").into_engine()
        })
}
