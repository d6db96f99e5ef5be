//! The physical plans of a continuous query: rows of an epoch to partial states, and closed panes to rows.
//!
//! The engine's own planner builds them from the carried logical plans, with no physical optimisation: a plan that is run thousands of
//! times a minute must not repartition, probe, or filter by what an earlier run found.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{DFSchema, tree_node::TreeNode},
    error::Result as EngineResult,
    execution::{
        SessionState, SessionStateBuilder, context::ExecutionProps,
        memory_pool::UnboundedMemoryPool, runtime_env::RuntimeEnvBuilder,
    },
    functions_aggregate::expr_fn::{max, min},
    logical_expr::{
        Aggregate, Expr, ExprSchemable, LogicalPlan, Operator, UserDefinedLogicalNode,
        expr::BinaryExpr, physical_planning_context::PhysicalPlanningContext,
    },
    optimizer::{
        Analyzer, Optimizer, OptimizerRule, common_subexpr_eliminate::CommonSubexprEliminate,
        eliminate_duplicated_expr::EliminateDuplicatedExpr,
        optimize_projections::OptimizeProjections, push_down_filter::PushDownFilter,
        simplify_expressions::SimplifyExpressions,
    },
    physical_expr::{
        aggregate::{AggregateFunctionExpr, LoweredAggregateBuilder},
        create_physical_expr,
    },
    physical_optimizer::{PhysicalOptimizerRule, ensure_requirements::EnsureRequirements},
    physical_plan::{
        ExecutionPlan,
        aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy},
    },
    physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner},
};

use super::{
    carry::Carried,
    grouping::{group_exprs, physical_groups},
    program::WindowKey,
    sessions::SessionKeys,
};
use crate::{
    error::{PlanError, PlanErrorKind, Result},
    logical::{LeafNode, WatermarkNode, interval_us},
    operators::{
        EventTimeExec, FeedExec, Filtered, GroupColumn, LateExec, Partial, PartialAggregateExec,
        PassedExec, ROW_COLUMN, RowOrigin, WINDOW_COLUMN, WatermarkRule, WindowColumn,
    },
    windows::Windows,
};

/// What becomes of a filter of a continuous query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filters {
    /// It goes as far down as it can.
    Pushed,
    /// It stays: below sessions made of rows that it drops it would change them.
    Kept,
}

/// The session a continuous query is planned in: `state`'s tables and functions, rules of our own choice.
///
/// The rules are few on purpose. Left out, with reasons: those that nest aggregates (`SingleDistinctToGroupBy`), drop group keys
/// (`EliminateGroupByConstant`), or turn what can never be true into an empty relation (a stream that is not read has no watermark).
pub(crate) fn streaming_session(state: &SessionState, filters: Filters) -> Result<SessionState> {
    let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
    ];
    if filters == Filters::Pushed {
        rules.push(Arc::new(PushDownFilter::new()));
    }
    rules.push(Arc::new(CommonSubexprEliminate::new()));
    rules.push(Arc::new(OptimizeProjections::new()));
    let mut config = state.config().clone().with_target_partitions(1);
    let options = config.options_mut();
    // Where nearly every row is a group of its own, the pane's table is filled without another one before it. Seen early, because an epoch
    // is short; what is seen are the epoch's rows, so the same epoch gives the same states.
    options
        .execution
        .skip_partial_aggregation_probe_rows_threshold = 8192;
    options
        .execution
        .skip_partial_aggregation_probe_ratio_threshold = 0.8;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // An aggregation that emits early when memory is short would make the state depend on what else is running.
    let unlimited = RuntimeEnvBuilder::from_runtime_env(state.runtime_env())
        .with_memory_pool(Arc::new(UnboundedMemoryPool::default()))
        .build_arc()?;
    let session = SessionStateBuilder::new_from_existing(state.clone())
        .with_config(config)
        // Names that the optimiser makes up are counted from one, whatever ran before: the plan's fingerprint depends on them.
        .with_execution_props(ExecutionProps::new())
        .with_analyzer_rules(Analyzer::new().rules)
        .with_optimizer_rules(rules)
        .with_physical_optimizer_rules(Vec::new())
        .with_runtime_env(unlimited)
        .build();
    Ok(session)
}

/// The aggregation of a query, lowered.
#[derive(Debug)]
pub(crate) struct Lowered {
    /// Rows of an epoch → group columns ++ state columns.
    pub(crate) partial: Arc<dyn ExecutionPlan>,
    /// The aggregates, in order.
    pub(crate) aggregates: Vec<Arc<AggregateFunctionExpr>>,
    /// How many group columns there are.
    pub(crate) group_columns: usize,
}

/// An aggregation of a query.
#[derive(Clone, Copy)]
pub(crate) struct Aggregation<'a> {
    pub(crate) aggregate: &'a Aggregate,
    pub(crate) windows: &'a Windows,
    /// The group columns that are the window's.
    pub(crate) keys: &'a [WindowKey],
    pub(crate) sessions: &'a SessionKeys,
}

/// Lowers rows of the stream up to and with the partial aggregation, those that missed their windows taken out below it.
pub(crate) async fn lower_rows(
    session: &SessionState,
    rows: &Carried,
    aggregation: Aggregation<'_>,
) -> Result<Lowered> {
    let rows = &aggregation.read_of(rows)?;
    let input = lower(session, &rows.plan).await?;
    let late = LateExec::new(
        input,
        RowOrigin {
            column: rows.index_of(ROW_COLUMN)?,
            repeats: rows.repeats()?,
        },
        rows.index_of(WINDOW_COLUMN)?,
        aggregation.windows.clone(),
    );
    aggregation.over(session, Arc::new(late), rows)
}

/// Lowers rows of closed windows up to and with the partial aggregation.
pub(crate) async fn lower_between(
    session: &SessionState,
    rows: &Carried,
    aggregation: Aggregation<'_>,
) -> Result<Lowered> {
    let rows = &aggregation.read_of(rows)?;
    let input = lower(session, &rows.plan).await?;
    aggregation.over(session, input, rows)
}

/// Lowers a query without aggregation.
pub(crate) async fn lower_copy(
    session: &SessionState,
    rows: &Carried,
) -> Result<Arc<dyn ExecutionPlan>> {
    let input = lower(session, &rows.plan).await?;
    let origin = RowOrigin {
        column: rows.index_of(ROW_COLUMN)?,
        repeats: rows.repeats()?,
    };
    Ok(Arc::new(PassedExec::new(input, origin)))
}

impl Aggregation<'_> {
    /// The same rows without the columns that it does not read.
    fn read_of(&self, rows: &Carried) -> Result<Carried> {
        let groups = group_exprs(self.aggregate);
        let groups = groups.into_iter().enumerate();
        let read = groups.filter(|(index, _)| self.window_column(*index).is_none());
        rows.reading(read.map(|(_, expr)| expr).chain(&self.aggregate.aggr_expr))
    }

    /// Which column of the window a group column is, where that follows from a row's pane.
    fn window_column(&self, index: usize) -> Option<WindowColumn> {
        if self.windows.is_session() || !self.is_plain() {
            return None;
        }
        let key = self.keys.iter().find(|key| key.index == index)?;
        Some(key.column)
    }

    /// Whether our own operator has it: it knows neither grouping sets nor aggregates over rows in order.
    fn is_plain(&self) -> bool {
        let is_ordered = |expr: &Expr| {
            expr.exists(|expr| {
                Ok(matches!(expr, Expr::AggregateFunction(function) if !function.params.order_by.is_empty()))
            })
            .unwrap_or(true)
        };
        let mut groups = self.aggregate.group_expr.iter();
        let mut aggregates = self.aggregate.aggr_expr.iter();
        !groups.any(|expr| matches!(expr, Expr::GroupingSet(_))) && !aggregates.any(is_ordered)
    }

    fn over(
        &self,
        session: &SessionState,
        input: Arc<dyn ExecutionPlan>,
        rows: &Carried,
    ) -> Result<Lowered> {
        let logical = rows.plan.schema();
        let schema = input.schema();
        let props = session.execution_props();
        let context = PhysicalPlanningContext::default();
        let mut exprs = self.aggregate.aggr_expr.clone();
        if let Windows::Session { .. } = self.windows {
            // Where a session begins and ends; state alone, no result.
            let time = Expr::Column(rows.column(WINDOW_COLUMN)?.clone());
            exprs.push(min(time.clone()).alias("__sluice_first"));
            exprs.push(max(time).alias("__sluice_last"));
        }
        let mut aggregates = Vec::with_capacity(exprs.len());
        for expr in &exprs {
            let lowered =
                LoweredAggregateBuilder::new(expr, logical, &schema, props, &context).build()?;
            check_mergeable(&lowered.aggregate)?;
            aggregates.push(Filtered {
                aggregate: lowered.aggregate,
                filter: lowered.filter,
            });
        }
        let hidden = self.sessions.hidden(rows)?;
        if !self.is_plain() {
            let (groups, count) = physical_groups(self.aggregate, &hidden, logical, props)?;
            return engines(session, input, groups, count, aggregates);
        }
        let mut groups = Vec::new();
        for column in hidden {
            let name = column.name.clone();
            let expr = create_physical_expr(&Expr::Column(column), logical, props, &context)?;
            groups.push(GroupColumn::Expr(expr, name));
        }
        let named = self.aggregate.schema.fields().iter();
        for (index, (expr, field)) in group_exprs(self.aggregate)
            .into_iter()
            .zip(named)
            .enumerate()
        {
            groups.push(match self.window_column(index) {
                Some(column) => GroupColumn::Window(column, field.as_ref().clone()),
                None => {
                    let expr = create_physical_expr(expr, logical, props, &context)?;
                    GroupColumn::Expr(expr, field.name().clone())
                }
            });
        }
        let group_columns = groups.len();
        let lowered = aggregates.iter().map(|filtered| &filtered.aggregate);
        let lowered = lowered.cloned().collect();
        let partial = Partial {
            groups,
            aggregates,
            windows: self.windows.clone(),
            pane_column: rows.index_of(WINDOW_COLUMN)?,
        };
        Ok(Lowered {
            partial: Arc::new(PartialAggregateExec::try_new(input, partial)?),
            aggregates: lowered,
            group_columns,
        })
    }
}

/// The engine's partial aggregation.
fn engines(
    session: &SessionState,
    input: Arc<dyn ExecutionPlan>,
    groups: PhysicalGroupBy,
    group_columns: usize,
    aggregates: Vec<Filtered>,
) -> Result<Lowered> {
    let schema = input.schema();
    let (aggregates, filters) = aggregates
        .into_iter()
        .map(|filtered| (filtered.aggregate, filtered.filter))
        .unzip();
    let partial = AggregateExec::try_new(
        AggregateMode::Partial,
        groups,
        aggregates,
        filters,
        input,
        schema,
    )?;
    Ok(Lowered {
        // The engine may rewrite the aggregates to fit the input's order; the state is of those it took.
        aggregates: partial.aggr_expr().to_vec(),
        partial: sorted(session, Arc::new(partial))?,
        group_columns,
    })
}

/// An aggregate whose state cannot be made or written is refused now, not at the first row.
fn check_mergeable(aggregate: &AggregateFunctionExpr) -> Result<()> {
    let checked = aggregate.state_fields().and_then(|_| {
        if aggregate.groups_accumulator_supported() {
            aggregate.create_groups_accumulator().map(|_| ())
        } else {
            aggregate.create_accumulator().map(|_| ())
        }
    });
    checked.map_err(|error| {
        let cause = PlanError::from(error);
        PlanError::unsupported(format!(
            "aggregate {} is not supported in a continuous query",
            aggregate.name()
        ))
        .detail(cause.message)
        .hint(cause.hint.unwrap_or_else(|| "take its values with array_agg, within state_memory, and compute when reading the table".to_owned()))
    })
}

/// The physical plan of a carried logical one.
pub(crate) async fn lower(
    session: &SessionState,
    plan: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    // Window columns that carrying added and nobody reads would be computed for every row.
    let pruning = Optimizer::with_rules(vec![Arc::new(OptimizeProjections::new())]);
    let plan = pruning.optimize(plan.clone(), session, |_, _| {})?;
    let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(StreamingNodes)]);
    let plan = planner.create_physical_plan(&plan, session).await?;
    sorted(session, plan)
}

/// The plan with its rows sorted where an operator asks for it: OVER, and ORDER BY inside an aggregate.
fn sorted(session: &SessionState, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(EnsureRequirements::new().optimize(plan, session.config_options())?)
}

struct StreamingNodes;

#[async_trait]
impl ExtensionPlanner for StreamingNodes {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> EngineResult<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(leaf) = node.as_any().downcast_ref::<LeafNode>() {
            let schema = Arc::clone(leaf.schema.inner());
            return Ok(Some(Arc::new(FeedExec::new(leaf.label.clone(), schema))));
        }
        let (Some(watermark), [input]) = (
            node.as_any().downcast_ref::<WatermarkNode>(),
            physical_inputs,
        ) else {
            return Ok(None);
        };
        let schema = watermark.input.schema();
        let row_column = schema
            .index_of_column_by_name_anywhere(ROW_COLUMN)
            .ok_or_else(|| {
                PlanError::internal("rows lost their origin below the watermark").into_engine()
            })?;
        let time = micros(&watermark.time, schema)?;
        let time = planner.create_physical_expr(&time, schema, session, context)?;
        let rule = match delay_us(&watermark.time, &watermark.watermark) {
            Some(delay_us) => WatermarkRule::Delay(delay_us),
            None => {
                let expr = micros(&watermark.watermark, schema)?;
                WatermarkRule::Expr(planner.create_physical_expr(&expr, schema, session, context)?)
            }
        };
        Ok(Some(Arc::new(EventTimeExec::new(
            Arc::clone(input),
            time,
            rule,
            row_column,
        ))))
    }
}

/// A hidden column may be qualified by an alias on its way; its bare name is unique.
trait IndexAnywhere {
    fn index_of_column_by_name_anywhere(&self, name: &str) -> Option<usize>;
}

impl IndexAnywhere for DFSchema {
    fn index_of_column_by_name_anywhere(&self, name: &str) -> Option<usize> {
        self.fields().iter().position(|field| field.name() == name)
    }
}

/// The delay of a watermark that is event time less a constant.
fn delay_us(time: &Expr, watermark: &Expr) -> Option<i64> {
    if time == watermark {
        return Some(0);
    }
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = watermark else {
        return None;
    };
    if left.as_ref() != time {
        return None;
    }
    match op {
        Operator::Minus => interval_us(right),
        Operator::Plus => interval_us(right)?.checked_neg(),
        _ => None,
    }
}

/// A time expression in microseconds.
fn micros(expr: &Expr, schema: &DFSchema) -> EngineResult<Expr> {
    match expr.get_type(schema)? {
        DataType::Timestamp(TimeUnit::Microsecond, _) => Ok(expr.clone()),
        DataType::Timestamp(_, zone) => expr
            .clone()
            .cast_to(&DataType::Timestamp(TimeUnit::Microsecond, zone), schema),
        other => Err(PlanError::new(
            PlanErrorKind::DatatypeMismatch,
            format!("a watermark is a timestamp, not {other}: {expr}"),
        )
        .into_engine()),
    }
}
