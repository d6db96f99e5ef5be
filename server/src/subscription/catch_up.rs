//! The rows of commits for a subscriber that is behind, epoch by epoch.
//!
//! It may be behind by any number of commits of any size, and take its time. So a little is read at a time and the query is run over that:
//! it filters and projects, so that what it says of some rows of an epoch does not depend on the others. What is held is accounted in the
//! pool of ad-hoc queries, on whose threads all this runs.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use datafusion::{
    common::Result,
    execution::{
        SendableRecordBatchStream,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::TryStreamExt;
use sluice_connectors::delta::{Added, EpochRows, NextRows};

use super::{
    TELL_EVERY,
    dress::Dress,
    plan::SubscriptionPlan,
    source::{Followed, store_error},
};
use crate::table::{Mark, TableState, external};

/// Rows of an epoch that the query is run over at a time, and their bytes.
const ROWS: usize = 32_768;
const BYTES: usize = 4 << 20;

/// How long others may hold all memory before that is an error, and how often it is asked for.
const MEMORY_WAIT: Duration = Duration::from_secs(10);
const MEMORY_EVERY: Duration = Duration::from_millis(50);

/// What a subscriber has to catch up with.
pub(super) struct CatchUp {
    pub(super) plan: Arc<SubscriptionPlan>,
    pub(super) table: Arc<Followed>,
    pub(super) dress: Dress,
    /// Where it is.
    pub(super) at: Mark,
    /// Where it will be.
    pub(super) until: Mark,
}

/// Rows of one epoch, all of them or the next few.
struct Piece {
    epoch: i64,
    rows: Vec<RecordBatch>,
    bytes: usize,
    /// The epoch has no others.
    last: bool,
}

/// Commits that are being read.
struct Reading {
    plan: Arc<SubscriptionPlan>,
    table: Arc<Followed>,
    dress: Dress,
    at: Mark,
    commits: VecDeque<Added>,
    open: Option<EpochRows>,
    /// Read, and of the next piece.
    next: Option<(i64, RecordBatch)>,
    /// The last rows of an epoch that is not over: the very last carries the token.
    held: Option<RecordBatch>,
    ready: VecDeque<RecordBatch>,
    told: Instant,
    memory: MemoryReservation,
}

impl CatchUp {
    /// The rows of the commits up to this version of the table, as the subscriber gets them.
    pub(super) async fn rows(
        self,
        state: Arc<TableState>,
        version: i64,
    ) -> Result<SendableRecordBatchStream> {
        let commits = self.table.commits(&state, self.at, version).await?;
        let memory = MemoryConsumer::new(format!("a subscription to {}", state.name));
        let schema = self.dress.schema();
        let reading = Reading {
            memory: memory.register(&self.plan.memory_pool()),
            plan: self.plan,
            table: self.table,
            dress: self.dress,
            at: Mark {
                lineage: self.until.lineage,
                ..self.at
            },
            commits: commits.into(),
            open: None,
            next: None,
            held: None,
            ready: VecDeque::new(),
            told: Instant::now(),
        };
        let rows = futures::stream::try_unfold(reading, |mut reading| async move {
            let batch = reading.next().await?;
            Ok(batch.map(|batch| (batch, reading)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(piece) = self.piece().await? else {
                return Ok(None);
            };
            self.run(piece).await?;
        }
    }

    /// Runs the query over some rows of an epoch.
    async fn run(&mut self, piece: Piece) -> Result<()> {
        let mut rows = self.plan.run_over(piece.rows).await?;
        while let Some(batch) = rows.try_next().await? {
            if batch.num_rows() == 0 {
                continue;
            }
            if let Some(before) = self.held.replace(batch) {
                self.ready.push_back(self.dress.rows(&before, None)?);
            }
        }
        if !piece.last {
            return Ok(());
        }
        self.at.epoch = piece.epoch;
        if let Some(last) = self.held.take() {
            self.ready.push_back(self.dress.rows(&last, Some(self.at))?);
            self.told = Instant::now();
        } else if self.told.elapsed() >= TELL_EVERY {
            self.ready.extend(self.dress.progress(self.at));
            self.told = Instant::now();
        }
        Ok(())
    }

    /// The next rows that the query is run over.
    async fn piece(&mut self) -> Result<Option<Piece>> {
        let mut piece: Option<Piece> = None;
        loop {
            let Some((epoch, batch)) = self.read().await? else {
                break;
            };
            match &mut piece {
                Some(piece) if piece.epoch != epoch || piece.is_full() => {
                    piece.last = piece.epoch != epoch;
                    self.next = Some((epoch, batch));
                    break;
                }
                Some(piece) => piece.add(batch),
                None => {
                    let mut first = Piece {
                        epoch,
                        rows: Vec::new(),
                        bytes: 0,
                        // Unless something follows.
                        last: true,
                    };
                    first.add(batch);
                    piece = Some(first);
                }
            }
        }
        let of_piece = piece.as_ref().map_or(0, |piece| piece.bytes);
        let open = self.open.as_ref().map_or(0, EpochRows::bytes);
        hold(&self.memory, of_piece + open).await?;
        Ok(piece)
    }

    /// Reads on; `None` at the end.
    async fn read(&mut self) -> Result<Option<(i64, RecordBatch)>> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        loop {
            let open = match &mut self.open {
                Some(open) => open,
                None => {
                    let Some(commit) = self.commits.pop_front() else {
                        return Ok(None);
                    };
                    let schema = self.plan.table_schema();
                    let rows = commit.rows(&schema, self.at.epoch).await;
                    self.open.insert(rows.map_err(store_error)?)
                }
            };
            match open.next().await.map_err(store_error)? {
                NextRows::Of(epoch, batch) => return Ok(Some((epoch, batch))),
                NextRows::End => self.open = None,
                NextRows::Gone => return Err(external(self.table.too_old(self.at))),
            }
        }
    }
}

/// Accounts for what is held. Whoever has all memory has it for a while: a subscription that has waited for hours can wait for that.
async fn hold(memory: &MemoryReservation, bytes: usize) -> Result<()> {
    let began = Instant::now();
    loop {
        match memory.try_resize(bytes) {
            Err(_) if began.elapsed() < MEMORY_WAIT => tokio::time::sleep(MEMORY_EVERY).await,
            held => return held,
        }
    }
}

impl Piece {
    fn add(&mut self, batch: RecordBatch) {
        self.bytes += batch.get_array_memory_size();
        self.rows.push(batch);
    }

    fn is_full(&self) -> bool {
        let rows: usize = self.rows.iter().map(RecordBatch::num_rows).sum();
        rows >= ROWS || self.bytes >= BYTES
    }
}
