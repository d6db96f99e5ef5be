//! `SUBSCRIBE`: the rows of a table as they become final, for as long as the subscriber listens.
//!
//! A subscription asks the table what came after the epoch it has come to ([`crate::table::TableState::since`]) and runs its query over the
//! rows of each epoch by itself, so an epoch's rows come together and the last of them carries the token to go on from. Nothing waits for a
//! subscriber and nothing is kept for one: how far it has come is all there is of it, and that is what the token says.
//!
//! Rows that were just closed go through the query where the connection is served, as long as they are few and the query is light; what
//! there was when it began, commits and all else is for the threads of ad-hoc queries, a stretch at a time: a subscription that waits has
//! no turn there.

mod allowance;
mod catch_up;
mod dress;
mod plan;
mod source;
mod token;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use datafusion::{
    common::Result, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::TryStreamExt;
use tokio::time::timeout;

pub(crate) use self::allowance::Allowance;
pub use self::plan::SubscriptionPlan;
pub(crate) use self::plan::query_of;
use self::{catch_up::CatchUp, dress::Dress, source::Followed, token::Token};
use crate::{
    engine::Admission,
    table::{CutTable, Mark, Since, external},
};

/// Without rows, how far it has come is told this often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before the table is looked up anew: it may have been dropped, or made anew for a query that was started again.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Rows of an epoch up to which the query is run where the connection is served.
const FEW_ROWS: usize = 8192;

/// Whether a subscription has given the rows there are, and waits for others.
#[derive(Clone, Debug, Default)]
pub struct Idle(Arc<AtomicBool>);

impl Idle {
    /// As its stream was polled last.
    pub fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, idle: bool) {
        self.0.store(idle, Ordering::Release);
    }
}

/// A subscription that runs.
struct Subscription {
    plan: Arc<SubscriptionPlan>,
    table: Arc<Followed>,
    dress: Dress,
    at: Mark,
    /// Rows that come from the threads of ad-hoc queries, and where it is when it has shown them.
    stretch: Option<(SendableRecordBatchStream, Mark)>,
    /// Epochs that are still to be shown.
    epochs: VecDeque<(i64, Vec<RecordBatch>)>,
    /// Where it is when it has shown these.
    until: Mark,
    /// Rows on their way.
    ready: VecDeque<RecordBatch>,
    told: Instant,
    /// How often the catalog had changed when its right was last asked for.
    seen: u64,
    allowance: Allowance,
    idle: Idle,
}

impl SubscriptionPlan {
    /// Begins: an endless stream of [`SubscriptionPlan::schema`], and whether it waits.
    pub async fn start(self: &Arc<Self>) -> Result<(SendableRecordBatchStream, Idle)> {
        // Noted first: what changes meanwhile is looked at again.
        let seen = self.engine.catalog_changes();
        let table = Arc::new(Followed::new(self));
        let dress = Dress::new(self.schema(), self.progress, table.app_id());
        let (at, stretch) = self.beginning(&table, &dress).await?;
        let subscription = Subscription {
            plan: Arc::clone(self),
            table,
            dress,
            at,
            stretch,
            epochs: VecDeque::new(),
            until: at,
            ready: VecDeque::new(),
            told: Instant::now(),
            seen,
            allowance: Allowance::of_one(),
            idle: Idle::default(),
        };
        let idle = subscription.idle.clone();
        let rows = futures::stream::try_unfold(subscription, |mut subscription| async move {
            let batch = subscription.next().await?;
            Ok(Some((batch, subscription)))
        });
        let rows = RecordBatchStreamAdapter::new(self.schema(), rows);
        Ok((Box::pin(rows), idle))
    }

    /// From where on, and the rows that come first.
    async fn beginning(
        self: &Arc<Self>,
        table: &Followed,
        dress: &Dress,
    ) -> Result<(Mark, Option<(SendableRecordBatchStream, Mark)>)> {
        if let Some(text) = &self.as_of {
            let mark = Token::parse(text, table.app_id()).map_err(external)?;
            return Ok((mark, None));
        }
        let (state, cut, mark) = table.cut().await?;
        if !self.snapshot {
            return Ok((mark, None));
        }
        let provider = CutTable::new(Arc::clone(&state.schema), cut);
        let (plan, dress) = (Arc::clone(self), dress.clone());
        let rows = self.in_turn(async move {
            let rows = plan.run(Arc::new(provider)).await?;
            Ok(dress.all(rows, mark))
        });
        Ok((mark, Some((rows.await?, mark))))
    }

    /// Runs what gives rows on the threads of ad-hoc queries, when it is its turn.
    async fn in_turn(
        &self,
        start: impl Future<Output = Result<SendableRecordBatchStream>> + Send + 'static,
    ) -> Result<SendableRecordBatchStream> {
        let admission = Admission::InTurn(&self.activity);
        self.engine.ad_hoc().run_with(admission, start).await
    }
}

impl Subscription {
    /// The next rows, however long it takes.
    async fn next(&mut self) -> Result<RecordBatch> {
        loop {
            let changes = self.plan.engine.catalog_changes();
            if std::mem::replace(&mut self.seen, changes) != changes {
                self.plan.look_again().await?;
            }
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            if let Some((rows, mark)) = &mut self.stretch {
                match rows.try_next().await? {
                    Some(batch) => {
                        self.told = Instant::now();
                        return Ok(batch);
                    }
                    None => {
                        self.at = *mark;
                        self.stretch = None;
                        self.tell_progress();
                        continue;
                    }
                }
            }
            if let Some((epoch, rows)) = self.epochs.pop_front() {
                let mark = Mark {
                    epoch,
                    ..self.until
                };
                self.show(rows, mark).await?;
                continue;
            }
            if self.at.epoch < self.until.epoch {
                self.at = self.until;
                self.tell_progress();
                continue;
            }
            self.look().await?;
        }
    }

    /// Looks what came since, or waits for it.
    async fn look(&mut self) -> Result<()> {
        let state = self.table.current().map_err(external)?;
        let mut changes = state.changes();
        changes.mark_unchanged();
        match state.since(self.at) {
            Since::Restoring => {}
            Since::Lost(committed) => return Err(external(self.table.lost(self.at, committed))),
            Since::Committed(version, until) => {
                let behind = CatchUp {
                    plan: Arc::clone(&self.plan),
                    table: Arc::clone(&self.table),
                    dress: self.dress.clone(),
                    at: self.at,
                    until,
                };
                let rows = behind.rows(state, version);
                let rows = self.plan.in_turn(rows).await?;
                self.until = until;
                self.stretch = Some((rows, until));
                return Ok(());
            }
            Since::Tail(..) if !self.table.takes_tail() => {}
            Since::Tail(epochs, until) => {
                // The lineage is that of what is committed from here on, too.
                self.at.lineage = until.lineage;
                self.until = until;
                if !epochs.is_empty() || until.epoch > self.at.epoch {
                    self.epochs = epochs.into();
                    return Ok(());
                }
            }
        }
        self.idle.set(true);
        // Changed or not, the table is looked up anew.
        let _ = timeout(LOOK_EVERY, changes.changed()).await;
        self.idle.set(false);
        self.tell_progress();
        Ok(())
    }

    /// Shows the rows of an epoch of the tail: here, or as the threads of ad-hoc queries give them.
    async fn show(&mut self, rows: Vec<RecordBatch>, mark: Mark) -> Result<()> {
        let began = Instant::now();
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        if count > FEW_ROWS || !self.may_run_here(began) {
            let (plan, dress) = (Arc::clone(&self.plan), self.dress.clone());
            let rows = self.plan.in_turn(async move {
                let rows = plan.run_over(rows).await?;
                Ok(dress.all(rows, mark))
            });
            self.stretch = Some((rows.await?, mark));
            return Ok(());
        }
        let rows = self.plan.run_over(rows).await?;
        let rows: Vec<RecordBatch> = self.dress.all(rows, mark).try_collect().await?;
        let took = began.elapsed();
        self.allowance.take(began, took);
        self.plan.engine.subscriptions().lock().take(began, took);
        self.at = mark;
        if rows.is_empty() {
            self.tell_progress();
        } else {
            self.told = Instant::now();
            self.ready.extend(rows);
        }
        Ok(())
    }

    /// Whether the query is light, and has not taken more than its share of the streams' threads.
    fn may_run_here(&self, now: Instant) -> bool {
        self.plan.is_light()
            && self.allowance.allows(now)
            && self.plan.engine.subscriptions().lock().allows(now)
    }

    /// Says how far it has come, where it was asked to and has not just done so.
    fn tell_progress(&mut self) {
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            self.ready.extend(self.dress.progress(self.at));
        }
    }
}
