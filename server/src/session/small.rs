//! Small statements run where their connection is served: they are over before another thread would have begun.
//!
//! The threads of ad-hoc queries give way to those of the streams, so that whatever somebody asks, streams go on. A reader that follows a
//! table by asking for its newest rows would give way too, and see them late whenever the machine has much to do. So plain statements over
//! few rows are planned and run on the streams' own threads, whose time they hardly take: filters, groups and order over tables whose rows
//! are decoded already, or are read in a moment.

#[cfg(test)]
mod tests;

use std::{panic::AssertUnwindSafe, sync::Arc};

use datafusion::{
    catalog::streaming::StreamingTable,
    common::{
        Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    datasource::{provider_as_source, source_as_provider},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, LogicalPlan, TableScan},
    physical_plan::{ExecutionPlan, execute_stream, stream::RecordBatchStreamAdapter},
};
use futures::{FutureExt, StreamExt};
use sluice_planner::functions::makes_much;

use super::{Session, generic_plan::task_context};
use crate::{
    engine::panicked,
    table::{Bind, CachedTable, SluiceTable, fits},
};

/// Rows of all tables up to which a statement is small.
const ROWS: usize = 200_000;

/// The same where its steps keep something of the rows: groups and order take more than a look at each.
const ROWS_TO_KEEP: usize = 50_000;

/// Nodes of a plan, and expressions in them, up to which it is planned in a moment.
const NODES: usize = 32;
const EXPRESSIONS: usize = 512;

/// Steps that are known, and whether they keep something of a run.
const STEPS: [(&str, bool); 15] = [
    ("CachedScanExec", false),
    ("CoalesceBatchesExec", false),
    ("CooperativeExec", false),
    ("EmptyExec", false),
    ("FilterExec", false),
    ("GlobalLimitExec", false),
    ("LocalLimitExec", false),
    ("PlaceholderRowExec", false),
    ("ProjectionExec", false),
    ("AggregateExec", true),
    ("CoalescePartitionsExec", true),
    ("RepartitionExec", true),
    ("SortExec", true),
    ("SortPreservingMergeExec", true),
    ("UnionExec", true),
];

impl Session {
    /// Runs a statement here if it is small; `None` where it is for the threads of ad-hoc queries.
    pub(super) async fn run_small(
        &self,
        plan: &LogicalPlan,
    ) -> Result<Option<SendableRecordBatchStream>> {
        let run = AssertUnwindSafe(self.run_if_small(plan)).catch_unwind();
        run.await
            .unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
    }

    async fn run_if_small(&self, plan: &LogicalPlan) -> Result<Option<SendableRecordBatchStream>> {
        if !is_planned_soon(plan)? {
            return Ok(None);
        }
        let as_they_are: Bind = Arc::new(Ok);
        let mut tables = Vec::new();
        let Some(plan) = self.with_cached(plan.clone(), &as_they_are, &mut tables)? else {
            return Ok(None);
        };
        let Some(rows) = rows_at_hand(&tables).filter(|rows| is_small(*rows, false)) else {
            return Ok(None);
        };
        let mut state = self.context().state();
        state.config_mut().options_mut().execution.target_partitions = 1;
        let plan = state.create_physical_plan(&plan).await?;
        match is_stateful(&plan)? {
            Some(stateful) if is_small(rows, stateful) => {
                run_here(plan, task_context(&state)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The plan with scans that take their cut when they run, and the tables they are of; `None` where a relation has no such scan.
    pub(super) fn with_cached(
        &self,
        plan: LogicalPlan,
        bind: &Bind,
        tables: &mut Vec<Arc<CachedTable>>,
    ) -> Result<Option<LogicalPlan>> {
        let mut all = true;
        let plan = plan.transform_up(|node| {
            let LogicalPlan::TableScan(scan) = node else {
                return Ok(Transformed::no(node));
            };
            let Some(table) = self.cached(&scan, bind)? else {
                all = false;
                return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
            };
            tables.push(Arc::clone(&table));
            Ok(Transformed::yes(LogicalPlan::TableScan(TableScan {
                source: provider_as_source(table),
                ..scan
            })))
        })?;
        Ok(all.then_some(plan.data))
    }

    fn cached(&self, scan: &TableScan, bind: &Bind) -> Result<Option<Arc<CachedTable>>> {
        let provider = source_as_provider(&scan.source)?;
        let Some(table) = provider.downcast_ref::<SluiceTable>() else {
            return Ok(None);
        };
        let snapshot = table.state().newest().snapshot();
        if snapshot.is_some_and(|snapshot| !fits(&snapshot)) {
            return Ok(None);
        }
        Ok(Some(Arc::new(CachedTable::new(
            table.clone(),
            self.context(),
            Arc::clone(bind),
        ))))
    }
}

/// Runs a plan where its rows are asked for. One that panics ends with an error, and its connection goes on.
pub(super) fn run_here(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let rows = execute_stream(plan, context)?;
    let schema = rows.schema();
    let rows = AssertUnwindSafe(rows).catch_unwind();
    let rows = rows.map(|batch| batch.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

/// Number of rows of the tables of a plan, where all of them are at hand.
pub(super) fn rows_at_hand(tables: &[Arc<CachedTable>]) -> Option<usize> {
    tables.iter().map(|table| table.at_hand()).sum()
}

/// Whether so many rows are few for a plan whose steps keep something of them, or nothing.
pub(super) fn is_small(rows: usize, stateful: bool) -> bool {
    rows <= if stateful { ROWS_TO_KEEP } else { ROWS }
}

/// Whether a node only looks at each of its rows, groups them or puts them in order.
pub(super) fn is_plain(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::EmptyRelation(_)
    )
}

/// Whether a plan's steps keep something of a run; `None` for one with others than are known.
pub(super) fn is_stateful(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<bool>> {
    let mut stateful = Some(false);
    plan.apply(|step| {
        let known = STEPS.iter().find(|(name, _)| *name == step.name());
        stateful = match (stateful, known) {
            (Some(before), Some((_, keeps))) => Some(before || *keeps),
            _ => None,
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(stateful)
}

/// Whether a plan reads a table that has other columns by now.
pub(super) fn reads_altered(plan: &LogicalPlan) -> Result<bool> {
    let mut altered = false;
    plan.apply_with_subqueries(|node| {
        // What has no provider is none of our tables.
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
        {
            altered |= provider
                .downcast_ref::<SluiceTable>()
                .is_some_and(SluiceTable::is_altered);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(altered)
}

/// Whether a plan only looks at what the server makes up of itself: who wants to see what waits for a turn must not wait for one. Nor must
/// who waits for an advisory lock have a turn, which its holder may need to let it go.
pub(super) fn is_about_the_server(plan: &LogicalPlan) -> Result<bool> {
    let (mut so, mut any) = (is_planned_soon(plan)?, false);
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            any = true;
            so &= source_as_provider(&scan.source)?.is::<StreamingTable>();
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr {
                    any |= call.name().starts_with("pg_advisory_");
                }
                Ok(go_on(so))
            })
        })?;
        Ok(go_on(so))
    })?;
    Ok(so && any)
}

/// Whether a plan is of few plain nodes, without subqueries and without functions that make much of little.
pub(crate) fn is_planned_soon(plan: &LogicalPlan) -> Result<bool> {
    let (mut nodes, mut expressions, mut plain) = (0, 0, true);
    plan.apply(|node| {
        nodes += 1;
        plain &= is_plain(node) && nodes <= NODES;
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                expressions += 1;
                let one = match expr {
                    Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => false,
                    Expr::ScalarFunction(call) => !makes_much(call.name()),
                    _ => true,
                };
                plain &= one && expressions <= EXPRESSIONS;
                Ok(go_on(plain))
            })
        })?;
        Ok(go_on(plain))
    })?;
    Ok(plain)
}

fn go_on(so: bool) -> TreeNodeRecursion {
    match so {
        true => TreeNodeRecursion::Continue,
        false => TreeNodeRecursion::Stop,
    }
}
