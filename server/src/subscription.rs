//! `SUBSCRIBE`: the rows of a table as they become final, for as long as the subscriber listens.
//!
//! A subscription asks the table what came after the epoch it has come to ([`crate::table::TableState::since`]) and runs its query over the rows of
//! each epoch by itself, so an epoch's rows come together and the last of them carries the token to go on from. Nothing waits for a
//! subscriber and nothing is kept for one: how far it has come is all there is of it, and that is what the token says.

mod plan;
mod source;
mod token;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    common::Result, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;
use sluice_connectors::delta::Added;
use tokio::time::timeout;

pub use self::plan::SubscriptionPlan;
pub(crate) use self::plan::query_of;
use self::{source::Followed, token::Token};
use crate::table::{CutTable, Mark, Since, external};

/// Column with the token.
const TOKEN: &str = "_token";
/// Column that tells a row of the table from one that only says how far it has come.
const PROGRESS: &str = "_progress";

/// Without rows, how far it has come is told this often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before the table is looked up anew: it may have been dropped, or made anew for a query that was started again.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The columns of a subscription to rows of this schema.
fn schema_of(rows: &Schema, progress: bool) -> SchemaRef {
    let mut fields = vec![Arc::new(Field::new(TOKEN, DataType::Utf8, true))];
    if progress {
        fields.push(Arc::new(Field::new(PROGRESS, DataType::Boolean, false)));
    }
    let columns = rows.fields().iter();
    // A row that tells of progress has none of them.
    fields.extend(columns.map(|field| match progress {
        true => Arc::new(field.as_ref().clone().with_nullable(true)),
        false => Arc::clone(field),
    }));
    Arc::new(Schema::new(fields))
}

/// A subscription that runs.
struct Subscription {
    plan: Arc<SubscriptionPlan>,
    table: Followed,
    schema: SchemaRef,
    at: Mark,
    /// What there was when it began, on its way.
    snapshot: Option<SendableRecordBatchStream>,
    /// Commits that are still to be read.
    commits: VecDeque<Added>,
    /// Epochs that are still to be shown.
    epochs: VecDeque<(i64, Vec<RecordBatch>)>,
    /// Where it is when it has shown these.
    until: Mark,
    /// Rows on their way; the last of an epoch is not among them before its token is known.
    ready: VecDeque<RecordBatch>,
    told: Instant,
    /// How often the catalog had changed when its right was last asked for.
    seen: u64,
}

impl SubscriptionPlan {
    /// Begins: an endless stream of [`SubscriptionPlan::schema`].
    pub async fn start(self: &Arc<Self>) -> Result<SendableRecordBatchStream> {
        // Noted first: what changes meanwhile is looked at again.
        let seen = self.engine.catalog_changes();
        let table = Followed::new(self);
        let (at, snapshot) = self.beginning(&table).await?;
        let subscription = Subscription {
            plan: Arc::clone(self),
            schema: self.schema(),
            table,
            at,
            snapshot,
            commits: VecDeque::new(),
            epochs: VecDeque::new(),
            until: at,
            ready: VecDeque::new(),
            told: Instant::now(),
            seen,
        };
        let rows = futures::stream::try_unfold(subscription, |mut subscription| async move {
            let batch = subscription.next().await?;
            Ok(Some((batch, subscription)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    /// From where on, and the rows that come first.
    async fn beginning(
        &self,
        table: &Followed,
    ) -> Result<(Mark, Option<SendableRecordBatchStream>)> {
        if let Some(text) = &self.as_of {
            let mark = Token::parse(text, table.app_id()).map_err(external)?;
            return Ok((mark, None));
        }
        let (state, cut, mark) = table.cut().await?;
        if !self.snapshot {
            return Ok((mark, None));
        }
        let provider = CutTable::new(Arc::clone(&state.schema), cut);
        let rows = self.run(Arc::new(provider)).await?;
        Ok((mark, Some(rows)))
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
            if let Some(rows) = self.snapshot.take() {
                self.show(rows, self.at, true).await?;
                continue;
            }
            if let Some((epoch, rows)) = self.epochs.pop_front() {
                let mark = Mark {
                    epoch,
                    ..self.until
                };
                self.at = mark;
                let rows = self.plan.run_over(rows).await?;
                self.show(rows, mark, false).await?;
                continue;
            }
            if let Some(commit) = self.commits.pop_front() {
                let schema = &self.plan.table_schema();
                let rows = commit.rows(schema, self.at.epoch).await;
                let rows = rows.map_err(source::store_error)?;
                let rows = rows.ok_or_else(|| external(self.table.too_old(self.at)))?;
                for (epoch, batch) in rows {
                    match self.epochs.back_mut() {
                        Some((last, batches)) if *last == epoch => batches.push(batch),
                        _ => self.epochs.push_back((epoch, vec![batch])),
                    }
                }
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
                self.commits = self.table.commits(&state, self.at, version).await?.into();
                self.until = until;
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
        // Changed or not, the table is looked up anew.
        let _ = timeout(LOOK_EVERY, changes.changed()).await;
        self.tell_progress();
        Ok(())
    }

    /// Shows rows, the last of which carries the token; those of a large snapshot as they come.
    async fn show(
        &mut self,
        mut rows: SendableRecordBatchStream,
        mark: Mark,
        large: bool,
    ) -> Result<()> {
        let mut last: Option<RecordBatch> = None;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            if let Some(before) = last.replace(batch) {
                let before = self.dressed(&before, None)?;
                self.ready.push_back(before);
                if large {
                    // The rest is asked for when this is gone.
                    let held = last.take().into_iter().map(Ok);
                    let schema = rows.schema();
                    let rest = futures::stream::iter(held).chain(rows);
                    let rest = RecordBatchStreamAdapter::new(schema, rest);
                    self.snapshot = Some(Box::pin(rest));
                    return Ok(());
                }
            }
        }
        match last {
            Some(last) => {
                let last = self.dressed(&last, Some(mark))?;
                self.ready.push_back(last);
                self.told = Instant::now();
            }
            None => self.tell_progress(),
        }
        Ok(())
    }

    /// Rows with the columns that stand before them.
    fn dressed(&self, rows: &RecordBatch, mark: Option<Mark>) -> Result<RecordBatch> {
        let count = rows.num_rows();
        let mut tokens: Vec<Option<String>> = vec![None; count];
        if let (Some(mark), Some(last)) = (mark, tokens.last_mut()) {
            *last = Some(self.token(mark));
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(tokens))];
        if self.plan.progress {
            columns.push(Arc::new(BooleanArray::from(vec![false; count])));
        }
        columns.extend(rows.columns().iter().cloned());
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// Says how far it has come, where it was asked to and has not just done so.
    fn tell_progress(&mut self) {
        if !self.plan.progress || self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let token = self.token(self.at);
        let columns = self.schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                TOKEN => Arc::new(StringArray::from(vec![token.as_str()])),
                PROGRESS => Arc::new(BooleanArray::from(vec![true])),
                _ => new_null_array(field.data_type(), 1),
            }
        });
        // The columns are those of the schema, one row each.
        let told = RecordBatch::try_new(Arc::clone(&self.schema), columns.collect());
        self.ready.extend(told);
    }

    fn token(&self, mark: Mark) -> String {
        Token::of(mark, self.table.app_id())
    }
}
