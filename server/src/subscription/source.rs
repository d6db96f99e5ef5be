//! The table that a subscription follows, for as long as there is one of its name and query.

use std::{sync::Arc, time::Duration};

use datafusion::common::{DataFusionError, Result};
use sluice_connectors::{delta::Added, error::ConnectorError};
use tokio::time::{Instant, timeout};

use super::{plan::SubscriptionPlan, token::Token};
use crate::{
    catalog::{COMPANION_SUFFIXES, QualifiedName},
    engine::Engine,
    error::{self, Error, SqlState},
    root::storage_error,
    table::{Cut, Freshness, Mark, TableState, external},
};

/// How long the first rows wait for a table that is being restored.
const RESTORE_WAIT: Duration = Duration::from_secs(10);

/// A table by its name and the query that feeds it.
pub(super) struct Followed {
    engine: Arc<Engine>,
    name: QualifiedName,
    app_id: String,
    freshness: Freshness,
}

impl Followed {
    pub(super) fn new(plan: &SubscriptionPlan) -> Self {
        Self {
            engine: Arc::clone(&plan.engine),
            name: plan.table.name.clone(),
            app_id: plan.table.app_id().unwrap_or_default().to_owned(),
            freshness: plan.freshness,
        }
    }

    pub(super) fn app_id(&self) -> &str {
        &self.app_id
    }

    /// The table as it is now: a query that is started again has another.
    pub(super) fn current(&self) -> error::Result<Arc<TableState>> {
        let found = self
            .find()
            .filter(|state| state.app_id() == Some(self.app_id()));
        found.ok_or_else(|| {
            Error::outside(
                SqlState::UndefinedTable,
                format!("table \"{}\" was dropped", self.name),
            )
        })
    }

    fn find(&self) -> Option<Arc<TableState>> {
        if let Some(running) = self.engine.table(&self.name) {
            return Some(running.tables.table);
        }
        let mut companions = COMPANION_SUFFIXES.iter();
        companions.find_map(|suffix| {
            let base = self.name.name.strip_suffix(suffix)?;
            let running = self
                .engine
                .table(&QualifiedName::new(&self.name.schema, base))?;
            let tables = running.tables;
            [tables.late, tables.dead]
                .into_iter()
                .find(|state| state.name == self.name)
        })
    }

    /// All rows there are, and how far these go.
    pub(super) async fn cut(&self) -> Result<(Arc<TableState>, Cut, Mark)> {
        let deadline = Instant::now() + RESTORE_WAIT;
        loop {
            let state = self.current().map_err(external)?;
            let mut changes = state.changes();
            changes.mark_unchanged();
            if self.freshness == Freshness::Committed {
                state.settle().await.map_err(external)?;
                let (cut, mark) = state.cut_at(self.freshness);
                return Ok((state, cut, mark));
            }
            let (cut, mark) = state.cut_at(self.freshness);
            if !cut.restoring {
                return Ok((state, cut, mark));
            }
            if timeout_at(deadline, &mut changes).await {
                return Err(external(
                    Error::outside(
                        SqlState::CannotConnectNow,
                        format!("table \"{}\" is being restored", self.name),
                    )
                    .with_hint(
                        "SELECT state, last_error FROM system.queries says what it waits for.",
                    ),
                ));
            }
        }
    }

    /// Commits after a mark, up to a version.
    pub(super) async fn commits(
        &self,
        state: &TableState,
        at: Mark,
        version: i64,
    ) -> Result<Vec<Added>> {
        let commits = state.added_since(at.epoch, version).await;
        let commits = commits.map_err(store_error)?;
        commits.ok_or_else(|| external(self.too_old(at)))
    }

    /// Whether rows that are not committed are wanted, too.
    pub(super) fn takes_tail(&self) -> bool {
        self.freshness == Freshness::Latest
    }

    pub(super) fn too_old(&self, at: Mark) -> Error {
        Error::outside(
            SqlState::ObjectNotInPrerequisiteState,
            format!(
                "rows since token \"{}\" cannot be told from those before any more",
                Token::of(at, &self.app_id)
            ),
        )
        .with_detail(format!(
            "The log of table \"{}\" goes back as far as its history option says.",
            self.name
        ))
        .with_hint("Subscribe without AS OF: all rows come, and then the new ones.")
    }

    /// The machine that had shown these rows is gone, and they were not committed.
    pub(super) fn lost(&self, at: Mark, committed: Mark) -> Error {
        let committed = Token::of(committed, &self.app_id);
        Error::outside(
            SqlState::ObjectNotInPrerequisiteState,
            format!(
                "rows up to token \"{}\" were shown, but lost before they were committed",
                Token::of(at, &self.app_id)
            ),
        )
        .with_detail("They are computed anew, and may come otherwise. SET freshness = 'committed' before SUBSCRIBE gives rows that are never lost.")
        .with_hint(format!("SUBSCRIBE … AS OF '{committed}' goes on from what is committed; rows that came after it come again."))
    }
}

/// Waits for a change; whether it took too long.
async fn timeout_at(deadline: Instant, changes: &mut tokio::sync::watch::Receiver<u64>) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    timeout(left.min(super::LOOK_EVERY), changes.changed())
        .await
        .is_err()
        && left.is_zero()
}

pub(super) fn store_error(error: ConnectorError) -> DataFusionError {
    external(storage_error(error))
}
