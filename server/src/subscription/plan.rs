//! What a subscription does with the rows of its table: a query that can be run over any of them by themselves.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    catalog::TableProvider,
    common::{
        Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    datasource::{provider_as_source, source_as_provider},
    execution::{SendableRecordBatchStream, SessionStateBuilder, memory_pool::MemoryPool},
    logical_expr::{Expr, LogicalPlan, TableScan},
    prelude::SessionContext,
};
use sluice_planner::StreamTable;
use sluice_sql::{Statement, Subscribe, SubscribedTo, ast};

use super::dress::schema_of;
use crate::{
    activity::Activity,
    engine::Engine,
    error::{self, Error, SqlState},
    execute::{engine_error, parse_error},
    session::is_planned_soon,
    table::{Cut, CutTable, Freshness, SluiceTable, TableState, external},
};

/// A subscription that was planned.
pub struct SubscriptionPlan {
    pub(super) engine: Arc<Engine>,
    /// The session that waits for its turn.
    pub(super) activity: Arc<Activity>,
    /// The table as it was when this was planned; one of the same name and query takes its place.
    pub(super) table: Arc<TableState>,
    pub(super) freshness: Freshness,
    pub(super) as_of: Option<String>,
    pub(super) snapshot: bool,
    pub(super) progress: bool,
    plan: LogicalPlan,
    /// What was planned: whether it may still be read is asked where its names are looked up.
    query: ast::Statement,
    context: SessionContext,
    /// The same on one thread: rows of an epoch stay in their order.
    in_order: SessionContext,
    schema: SchemaRef,
    light: bool,
}

impl std::fmt::Debug for SubscriptionPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SubscriptionPlan({})", self.table.name)
    }
}

/// The query of a SUBSCRIBE.
pub(crate) fn query_of(subscribe: &Subscribe) -> error::Result<ast::Statement> {
    let name = match &subscribe.to {
        SubscribedTo::Query(query) => return Ok(ast::Statement::Query(query.clone())),
        SubscribedTo::Relation(name) => name,
    };
    let parsed = sluice_sql::parse(&format!("SELECT * FROM {name}")).map_err(parse_error)?;
    match parsed.into_iter().next().map(|parsed| parsed.statement) {
        Some(Statement::Sql(statement)) => Ok(*statement),
        _ => Err(Error::internal("a query of one table is none")),
    }
}

impl SubscriptionPlan {
    /// Of the planned query of a SUBSCRIBE, with the session's context.
    ///
    /// # Errors
    /// For a query that does more than filter and project one table, and a table that no query feeds.
    pub(crate) fn new(
        engine: &Arc<Engine>,
        activity: &Arc<Activity>,
        context: &SessionContext,
        query: ast::Statement,
        plan: LogicalPlan,
        subscribe: &Subscribe,
    ) -> error::Result<Self> {
        let plan = without_order_below(plan).map_err(engine_error)?;
        let provider = source_as_provider(&only_table(&plan)?.source).map_err(engine_error)?;
        let provider = provider.as_ref() as &dyn TableProvider;
        let Some(table) = provider.downcast_ref::<SluiceTable>() else {
            return Err(not_a_table(provider));
        };
        let state = table.state();
        if state.app_id().is_none() {
            return Err(Error::user(
                SqlState::ObjectNotInPrerequisiteState,
                format!(
                    "no query feeds \"{}\", so there is nothing to wait for",
                    state.name
                ),
            )
            .with_hint("Subscribe to a table that was created AS SELECT from a stream."));
        }
        let used = plan.get_parameter_names().map_err(engine_error)?;
        if !used.is_empty() {
            return Err(Error::user(
                SqlState::FeatureNotSupported,
                "SUBSCRIBE takes no parameters",
            )
            .with_hint("Write the values into the query."));
        }
        if subscribe.as_of.is_some() && subscribe.snapshot == Some(true) {
            return Err(Error::user(
                SqlState::InvalidParameterValue,
                "a subscription AS OF a token begins without the rows there are",
            )
            .with_hint("Leave out either AS OF or WITH (snapshot)."));
        }
        let config = context.copied_config().with_target_partitions(1);
        let in_order = SessionStateBuilder::new_from_existing(context.state()).with_config(config);
        Ok(Self {
            engine: Arc::clone(engine),
            activity: Arc::clone(activity),
            table: Arc::clone(state),
            freshness: table.freshness(),
            as_of: subscribe.as_of.clone(),
            snapshot: subscribe.snapshot.unwrap_or(subscribe.as_of.is_none()),
            progress: subscribe.progress,
            light: is_planned_soon(&plan).map_err(engine_error)?,
            schema: schema_of(plan.schema().as_arrow(), subscribe.progress),
            plan,
            query,
            context: context.clone(),
            in_order: SessionContext::new_with_state(in_order.build()),
        })
    }

    /// Columns of its rows: `_token`, `_progress` where it was asked for, and those of the query.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Whether the query is planned in a moment, and makes no more of its rows than there is in them.
    pub(super) fn is_light(&self) -> bool {
        self.light
    }

    /// The memory of ad-hoc queries.
    pub(super) fn memory_pool(&self) -> Arc<dyn MemoryPool> {
        Arc::clone(&self.context.runtime_env().memory_pool)
    }

    /// Refuses a subscriber who may not read the table any more.
    pub(super) async fn look_again(&self) -> Result<()> {
        let state = self.context.state();
        let planned = sluice_planner::bound_plan(&state, &self.query).await;
        match planned.map_err(engine_error) {
            Err(error)
                if matches!(
                    error.state,
                    SqlState::InsufficientPrivilege | SqlState::InvalidAuthorization
                ) =>
            {
                Err(external(error))
            }
            // What else may be wrong is told by the table itself.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The columns of the table.
    pub(super) fn table_schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    /// The query over other rows of the table.
    pub(super) async fn run(
        &self,
        rows: Arc<dyn TableProvider>,
    ) -> Result<SendableRecordBatchStream> {
        let plan = over(&self.plan, rows)?;
        let frame = self.context.execute_logical_plan(plan).await?;
        frame.execute_stream().await
    }

    /// The query over rows of an epoch, which keep their order.
    pub(super) async fn run_over(
        &self,
        rows: Vec<RecordBatch>,
    ) -> Result<SendableRecordBatchStream> {
        let cut = Cut {
            committed: None,
            version: None,
            snapshot: None,
            tail: Arc::new(rows),
            restoring: false,
        };
        let plan = over(
            &self.plan,
            Arc::new(CutTable::new(self.table_schema(), cut)),
        )?;
        let frame = self.in_order.execute_logical_plan(plan).await?;
        frame.execute_stream().await
    }
}

/// The plan with other rows in place of its table's.
fn over(plan: &LogicalPlan, rows: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
    let changed = plan.clone().transform_up(|node| {
        Ok(match node {
            LogicalPlan::TableScan(scan) => Transformed::yes(LogicalPlan::TableScan(TableScan {
                source: provider_as_source(Arc::clone(&rows)),
                ..scan
            })),
            other => Transformed::no(other),
        })
    })?;
    Ok(changed.data)
}

/// Rows come as they are made: an order of a view or a subquery says nothing of them.
fn without_order_below(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut below = false;
    let plan = plan.transform_down(|node| {
        Ok(match node {
            LogicalPlan::Sort(sort) if below && sort.fetch.is_none() => {
                Transformed::yes(Arc::unwrap_or_clone(sort.input))
            }
            LogicalPlan::SubqueryAlias(_) => {
                below = true;
                Transformed::no(node)
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(plan.data)
}

/// The one table of a plan that filters and projects.
fn only_table(plan: &LogicalPlan) -> error::Result<&TableScan> {
    let mut plan = plan;
    loop {
        let asks_more = plan.expressions().iter().any(has_subquery);
        plan = match plan {
            LogicalPlan::TableScan(scan) => return Ok(scan),
            LogicalPlan::Projection(node) if !asks_more => &node.input,
            LogicalPlan::Filter(node) if !asks_more => &node.input,
            LogicalPlan::SubqueryAlias(node) => &node.input,
            _ => {
                return Err(Error::user(
                    SqlState::FeatureNotSupported,
                    "SUBSCRIBE takes a query that filters and projects one table",
                )
                .with_hint(
                    "Make a table of it and subscribe to that: CREATE TABLE t AS SELECT …",
                ));
            }
        };
    }
}

fn has_subquery(expr: &Expr) -> bool {
    let mut found = false;
    // Nothing in here fails.
    let _all = expr.apply(|expr| {
        found |= matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
        );
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn not_a_table(provider: &dyn TableProvider) -> Error {
    match provider.downcast_ref::<StreamTable>() {
        Some(stream) => Error::user(
            SqlState::WrongObjectType,
            format!(
                "\"{}\" is a stream; SUBSCRIBE follows tables",
                stream.definition().name
            ),
        )
        .with_hint(
            "Keep its rows in a table and subscribe to that: CREATE TABLE t AS SELECT * FROM …",
        ),
        None => Error::user(
            SqlState::WrongObjectType,
            "SUBSCRIBE follows a table that a query feeds, its late rows or its dead letters",
        ),
    }
}
