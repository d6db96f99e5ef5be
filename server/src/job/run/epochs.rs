//! A running query: events in, epochs through, rows out, commits beside.

mod commits;
mod epoch;
mod letters;
mod replay;
mod report;
mod reread;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use sluice_connectors::{
    error::ConnectorError,
    source::{SourceEvent, SplitBatch, SplitId},
};
use sluice_planner::ContinuousQuery;
use tokio::{sync::mpsc, task::JoinHandle};

use self::commits::finished;
use super::{
    super::{
        BadRange, Command, JobParts, LiveRows, StatusCell,
        commit::{Committed, Committer, lost_rows_hint},
        decoders::Decoders,
        journal::{self, EpochRecord, Journal, JournalHead, SplitSets},
        manifest::Totals,
        profile::Profile,
        readers::Readers,
        recovery::{self, Discard, Hidden},
        shown::{self, ShownRows},
        splits::Splits,
    },
    End,
};
use crate::{
    error::{Error, Result, SqlState},
    execute::plan_error,
    root::storage_error,
};

/// How often a job looks at its timers; and how often where nothing has happened for a while.
const TICK: Duration = Duration::from_millis(250);
const QUIET_TICK: Duration = Duration::from_secs(2);
const QUIET_AFTER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(5);
/// How often end offsets are asked for, for lag; how soon again when idleness hangs on it; and how seldom when every split is idle.
const ASK_ENDS: Duration = Duration::from_secs(5);
const ASK_ENDS_AGAIN: Duration = Duration::from_secs(1);
const ASK_ENDS_SELDOM: Duration = Duration::from_secs(30);
/// Rows that are worth an epoch at once. Fewer wait for company, because an epoch costs the same for one row as for a hundred; but not
/// when they would close a window, nor when somebody asks for the open ones.
const ENOUGH_ROWS: usize = 8 << 10;
const LINGER: Duration = Duration::from_millis(250);
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// What waits for the next commit.
#[derive(Debug, Default)]
struct Uncommitted {
    rows: Vec<(i64, RecordBatch)>,
    late: Vec<(i64, RecordBatch)>,
    dead: Vec<(i64, RecordBatch)>,
    bad: Vec<BadRange>,
    bad_bytes: usize,
}

/// A query that is reading.
pub(super) struct Running<'a> {
    parts: &'a JobParts,
    status: &'a StatusCell,
    query: ContinuousQuery,
    readers: Readers,
    splits: Splits,
    pending: BTreeMap<SplitId, VecDeque<SplitBatch>>,
    pending_rows: usize,
    /// Whether what is pending may close a window.
    urgent: bool,
    journal: Journal,
    shown: ShownRows,
    to_replay: Vec<EpochRecord>,
    /// Epochs up to here are in the tables already: they are run for the state alone.
    hidden_until: i64,
    /// Rows that are read for the open windows alone.
    reread: Option<Discard>,
    /// Epochs of the newest checkpoints, oldest first: the journal is kept for them, should the newest turn out to be torn.
    checkpointed: VecDeque<i64>,
    sets: SplitSets,
    epoch: i64,
    committed_epoch: i64,
    totals: Totals,
    decoders: Decoders,
    uncommitted: Uncommitted,
    committer: Option<Committer>,
    committing: Option<JoinHandle<(Committer, Result<Committed>)>>,
    last_commit: Instant,
    last_epoch: Instant,
    last_tick: Instant,
    last_ask: Instant,
    first_commit_due: bool,
    profile: Profile,
}

impl<'a> Running<'a> {
    /// Restores state and positions and starts reading.
    pub(super) async fn restore(parts: &'a JobParts, status: &'a StatusCell) -> Result<Self> {
        let tables = &parts.tables;
        for table in [&tables.table, &tables.late, &tables.dead] {
            table.clear_tail(true);
        }
        follow_lineage(parts)?;
        let mut head = JournalHead {
            fingerprint: parts.plan.fingerprint.clone(),
            build: parts.build.clone(),
            definitions: definitions(parts).map(str::to_owned).collect(),
            after_epoch: 0,
        };
        let shown_until = shown::open_early(parts, &head).await;
        let mut committer = Committer::new(parts, status);
        let mut restored = committer.recover(&parts.events).await?;
        head.after_epoch = restored.epoch;
        let journal_folder = parts.journal.clone();
        let mut to_replay = match journal::read(&journal_folder, &head, restored.epoch)
            .map_err(journal_error)?
        {
            Some(records) => records,
            None => {
                parts.events.warn(
                        &parts.name,
                        "epochs since the last checkpoint were run by another build, or under another definition of a stream: they are computed anew, and rows that were not committed may differ in their last bits",
                    );
                journal::clear(&journal_folder).map_err(journal_error)?;
                Vec::new()
            }
        };
        let last = to_replay.last().map_or(restored.epoch, |last| last.epoch);
        if shown_until > Some(last) {
            // An older checkpoint was taken than the rows were opened by, and the journal does not lead there.
            shown::clear(&journal_folder).map_err(journal_error)?;
            for table in [&tables.table, &tables.late, &tables.dead] {
                table.clear_tail(true);
            }
        }
        let mut hidden_until = restored.epoch;
        let mut reread = None;
        if let Some(discard) = restored.discard.take() {
            let last = to_replay.last().map(|record| record.epoch);
            let (checkpointed, reopens) = (!restored.fresh, parts.plan.reopens());
            let epoch = discard.epoch;
            match recovery::hidden(epoch, last, discard.rebuilding, checkpointed, reopens) {
                Hidden::Replay => hidden_until = epoch,
                Hidden::Reread => {
                    journal::clear(&journal_folder).map_err(journal_error)?;
                    to_replay.clear();
                    for table in [&tables.table, &tables.late, &tables.dead] {
                        table.clear_tail(true);
                    }
                    restored.close_silently(discard.watermark_us);
                    reread = Some(discard);
                }
                Hidden::Lost => {
                    let why = "The checkpoints that could be read are older, and neither the journal nor the rows alone give what came since.";
                    return Err(recovery::lost(&parts.name, epoch, why));
                }
            }
        }
        // The journal may be another one now.
        follow_lineage(parts)?;
        let state_memory = parts.options.state_memory;
        let query = parts.plan.start_within(restored.state, state_memory);
        let query = query.map_err(plan_error)?;
        let now = Instant::now();
        let timeouts = parts.streams.iter().map(|stream| stream.idle_timeout);
        let mut splits = Splits::new(timeouts.collect());
        for position in &restored.positions {
            splits.found(position.clone(), position.next_offset, now);
        }
        let mut decoders = restored.decoders;
        decoders.begin(definitions(parts), &recovery::offsets(&restored.positions));
        let from = match &reread {
            Some(discard) => reread::goes_on(&restored.positions, &discard.until),
            None => restored.positions.clone(),
        };
        let readers = Readers::start(parts, &from)?;
        Ok(Self {
            parts,
            status,
            query,
            readers,
            splits,
            pending: BTreeMap::new(),
            pending_rows: 0,
            urgent: false,
            journal: Journal::new(&journal_folder, head.clone()).map_err(journal_error)?,
            shown: ShownRows::new(&journal_folder, head, shown_until.min(Some(last))),
            to_replay,
            hidden_until,
            reread,
            checkpointed: VecDeque::from([restored.epoch]),
            sets: SplitSets::default(),
            epoch: restored.epoch,
            committed_epoch: restored.epoch,
            totals: restored.totals,
            decoders,
            uncommitted: Uncommitted::default(),
            committer: Some(committer),
            committing: None,
            last_commit: now,
            last_epoch: now,
            last_tick: now,
            last_ask: now,
            first_commit_due: restored.fresh,
            profile: Profile::new(),
        })
    }

    /// The main loop.
    pub(super) async fn run(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result<End> {
        loop {
            let room = self.parts.tables.table.tail_size().1 < 2 * self.parts.options.tail_bytes;
            let wake = self
                .lingers_until()
                .map_or(self.next_tick(), |until| until.min(self.next_tick()));
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    None => return Ok(End::Abandoned),
                    Some(Command::Live(answer)) => {
                        self.next_epoch().await?;
                        let live = self.live().await;
                        let _ = answer.send(live);
                    }
                    Some(Command::Profile(answer)) => {
                        let mut profile = Box::new(self.profile.clone());
                        profile.plans = self.query.figures();
                        let _ = answer.send(Ok(profile));
                    }
                    Some(Command::Resume(done)) => {
                        let _ = done.send(());
                    }
                    Some(Command::Replay { stream, letters, done }) => {
                        let taken = self.take_letters(&stream, &letters).await;
                        let failed = taken.as_ref().err().cloned();
                        let _ = done.send(taken);
                        if let Some(error) = failed {
                            return Err(error);
                        }
                    }
                    Some(Command::Pause(done)) => {
                        self.commit_and_wait().await?;
                        return Ok(End::Paused(done));
                    }
                    Some(Command::Stop { commit, done }) => {
                        if commit {
                            let committed = tokio::time::timeout(STOP_WITHIN, self.commit_and_wait()).await;
                            if !matches!(committed, Ok(Ok(()))) {
                                self.parts.events.warn(&self.parts.name, "stopped before everything was committed; the next start takes it up");
                            }
                        }
                        return Ok(End::Stopped(done));
                    }
                },
                done = finished(&mut self.committing), if self.committing.is_some() => self.on_committed(done)?,
                () = tokio::time::sleep_until(wake.into()) => {}
                event = self.readers.next(), if room => {
                    self.on_event(event.ok_or_else(reader_ended)?)?;
                    while self.pending_rows < self.parts.options.epoch_rows {
                        match self.readers.try_next() {
                            Some(event) => self.on_event(event)?,
                            None => break,
                        }
                    }
                    self.weigh();
                }
            }
            // Not among the events: a reader that always has some must not keep the timers waiting.
            if self.next_tick() <= Instant::now() {
                self.on_tick();
            }
            if self
                .lingers_until()
                .is_none_or(|until| until <= Instant::now())
            {
                self.next_epoch().await?;
            }
            if self.commit_is_due() {
                self.start_commit()?;
            }
            if self.splits.all_finished()
                && self.committing.is_none()
                && self.pending_rows == 0
                && self.committed_epoch == self.epoch
            {
                self.publish_status();
                return Ok(End::Finished);
            }
        }
    }

    /// Until when the pending rows may wait for more; `None` when they may not, or there are none.
    fn lingers_until(&self) -> Option<Instant> {
        let may = !self.pending.is_empty() && !self.urgent && self.pending_rows < ENOUGH_ROWS;
        may.then(|| self.last_epoch + LINGER)
    }

    /// When the timers are looked at next.
    fn next_tick(&self) -> Instant {
        let busy = self.committed_epoch != self.epoch
            || self.committing.is_some()
            || self.last_epoch.elapsed() < QUIET_AFTER;
        if busy {
            return self.last_tick + TICK;
        }
        let quiet = self.last_tick + QUIET_TICK;
        let idle = self.splits.idle_at().filter(|idle| *idle > self.last_tick);
        idle.map_or(quiet, |idle| idle.min(quiet))
    }

    /// Looks at what is pending: does anybody wait for what it would give?
    fn weigh(&mut self) {
        if self.urgent || self.pending_rows >= ENOUGH_ROWS {
            return;
        }
        let rows = self
            .pending
            .iter()
            .flat_map(|(split, batches)| batches.iter().map(move |batch| (split, &batch.rows)));
        self.urgent = self
            .query
            .may_close(rows, &self.sets.known, &self.sets.excluded);
    }

    fn on_event(&mut self, event: SourceEvent) -> Result<()> {
        match event {
            SourceEvent::SplitFound {
                position,
                end_offset,
            } => {
                self.decoders.found(&position.split, position.next_offset);
                self.splits.found(position, end_offset, Instant::now());
            }
            SourceEvent::Batch(batch) => {
                self.pending_rows += batch.rows.num_rows() + batch.bad.len();
                self.pending
                    .entry(batch.split.clone())
                    .or_default()
                    .push_back(batch);
            }
            SourceEvent::EndOffset { split, end_offset } => self.splits.end_is(&split, end_offset),
            SourceEvent::Finished { split } => self.splits.finished(&split),
            SourceEvent::Trouble(error) => {
                let error = storage_error(error);
                self.parts
                    .events
                    .warn(&self.parts.name, error.message.clone());
                self.status
                    .update(|status| status.last_error = Some(error.to_string()));
            }
            SourceEvent::Recovered => {
                self.parts
                    .events
                    .info(&self.parts.name, "the source answers again");
                self.status.update(|status| status.last_error = None);
            }
            SourceEvent::Failed(error) => return Err(self.source_failed(error)),
        }
        Ok(())
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.last_tick) > PAUSE {
            self.splits.paused(now);
        }
        self.last_tick = now;
        let every = if self.splits.wants_ends(now) {
            ASK_ENDS_AGAIN
        } else if self.splits.all_idle() {
            ASK_ENDS_SELDOM
        } else {
            ASK_ENDS
        };
        if now.duration_since(self.last_ask) >= every {
            self.last_ask = now;
            self.splits.asking(now);
            self.readers.ask_ends();
        }
        self.publish_status();
    }

    /// A reader's failure; rows that are gone come with the ways to go on.
    fn source_failed(&self, error: ConnectorError) -> Error {
        let lost = matches!(error, ConnectorError::DataLost { .. });
        let error = storage_error(error);
        match lost {
            true => error.with_hint(lost_rows_hint(&self.parts.name)),
            false => error,
        }
    }

    async fn live(&mut self) -> Result<LiveRows> {
        Ok(LiveRows {
            open: self.query.live().await.map_err(plan_error)?,
            cut: self.parts.tables.table.cut(),
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A commit that is under way may not go on beside a new attempt.
        if let Some(task) = self.committing.take() {
            task.abort();
        }
    }
}

/// The definitions of a query's streams, in the plan's order.
fn definitions(parts: &JobParts) -> impl Iterator<Item = &str> {
    parts
        .streams
        .iter()
        .map(|stream| stream.definition.as_str())
}

/// Tells the tables which run of decisions their uncommitted epochs are of.
fn follow_lineage(parts: &JobParts) -> Result<()> {
    let lineage = journal::lineage(&parts.journal).map_err(journal_error)?;
    let tables = &parts.tables;
    for table in [&tables.table, &tables.late, &tables.dead] {
        table.set_lineage(lineage);
    }
    Ok(())
}

pub(in crate::job) fn journal_error(error: std::io::Error) -> Error {
    let state = if error.kind() == std::io::ErrorKind::StorageFull {
        SqlState::DiskFull
    } else {
        SqlState::IoError
    };
    Error::outside(state, format!("the epoch journal cannot be used: {error}"))
}

fn reader_ended() -> Error {
    Error::outside(
        SqlState::ConnectionFailure,
        "the reader ended without saying why",
    )
}
