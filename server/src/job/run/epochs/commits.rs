//! When a running query commits, and what it hands over.

use std::time::Instant;

use tokio::task::{JoinError, JoinHandle};

use super::{
    super::super::{
        commit::{CommitPoint, Committed, Committer, pass},
        profile::Step,
    },
    Running, Uncommitted, journal_error,
};
use crate::{
    error::{Error, Result},
    execute::plan_error,
};

/// Checkpoints back to which the journal is kept: a torn one is passed over for the one before, exactly.
const JOURNALED: usize = 3;

impl Running<'_> {
    pub(super) fn commit_is_due(&self) -> bool {
        if self.committing.is_some() || self.epoch == self.committed_epoch {
            return false;
        }
        let options = &self.parts.options;
        self.first_commit_due
            || self.last_commit.elapsed() >= options.commit_interval
            || self.parts.tables.table.tail_size().1 >= options.tail_bytes
            || self.uncommitted.bad_bytes >= options.tail_bytes / 4
            || self.splits.all_finished()
    }

    pub(super) fn start_commit(&mut self) -> Result<()> {
        let Some(mut committer) = self.committer.take() else {
            return Ok(());
        };
        let Uncommitted {
            rows,
            late,
            dead,
            bad,
            ..
        } = std::mem::take(&mut self.uncommitted);
        let state = self.query.snapshot().map_err(plan_error)?;
        let point = CommitPoint {
            epoch: self.epoch,
            positions: self.splits.positions(),
            began: self.splits.began(),
            earliest_start_us: self.parts.plan.earliest_start_us(&state),
            state,
            totals: self.totals,
            decoders: self.decoders.clone(),
            rows,
            late,
            dead,
            bad,
        };
        self.journal.rotate(self.epoch);
        self.first_commit_due = false;
        self.last_commit = Instant::now();
        self.committing = Some(tokio::spawn(async move {
            let result = committer.commit(point).await;
            (committer, result)
        }));
        Ok(())
    }

    pub(super) fn on_committed(
        &mut self,
        done: std::result::Result<(Committer, Result<Committed>), JoinError>,
    ) -> Result<()> {
        self.committing = None;
        let (committer, result) =
            done.map_err(|error| Error::internal(format!("the commit task ended: {error}")))?;
        self.committer = Some(committer);
        let committed = result?;
        self.committed_epoch = committed.epoch;
        let took = self.last_commit.elapsed();
        self.parts
            .metrics
            .commit_seconds
            .observe(took.as_secs_f64());
        self.profile.took(Step::Commit, took);
        self.profile.all(&committed.took);
        if committed.version.is_some() {
            self.parts.metrics.commits.inc();
        }
        pass("commit.done")?;
        self.checkpointed.push_back(committed.epoch);
        if self.checkpointed.len() > JOURNALED {
            self.checkpointed.pop_front();
        }
        let oldest = self.checkpointed.front().copied();
        self.journal
            .forget_before(oldest.unwrap_or(committed.epoch))
            .map_err(journal_error)?;
        self.shown.forget(committed.epoch).map_err(journal_error)?;
        let now_us = self.parts.clock.now_us();
        self.status.update(|status| {
            status.checkpoint_epoch = committed.epoch;
            status.earliest_start_us = committed.earliest_start_us;
            if let Some(version) = committed.version {
                status.last_commit_version = Some(version);
                status.last_commit_us = Some(now_us);
            }
        });
        Ok(())
    }

    /// Commits everything there is and waits for it.
    pub(super) async fn commit_and_wait(&mut self) -> Result<()> {
        if self.committing.is_some() {
            let done = finished(&mut self.committing).await;
            self.on_committed(done)?;
        }
        if self.epoch > self.committed_epoch {
            self.start_commit()?;
            if self.committing.is_some() {
                let done = finished(&mut self.committing).await;
                self.on_committed(done)?;
            }
        }
        let tables = &self.parts.tables;
        for table in [&tables.table, &tables.late, &tables.dead] {
            table.settle().await?;
        }
        self.publish_status();
        Ok(())
    }
}

/// Waits for the commit task; never resolves when there is none.
pub(super) async fn finished(
    task: &mut Option<JoinHandle<(Committer, Result<Committed>)>>,
) -> std::result::Result<(Committer, Result<Committed>), JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}
