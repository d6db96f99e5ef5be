//! Cuts an optimised query at its aggregations: a stage for each, from the rows of the stream upwards.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    common::{
        Column,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    execution::SessionState,
    logical_expr::{Aggregate, Expr, Extension, LogicalPlan},
    physical_plan::ExecutionPlan,
};

use super::{
    branches::branches,
    carry::{carry_between, carry_rows},
    grouping::{group_exprs, grouping_sets, no_window},
    lineage::{Origin, origin, plain_column},
    physical::{Aggregation, Lowered, lower_between, lower_rows},
    program::{Between, Stage, WindowKey},
    sessions::SessionKeys,
    watermark::{event_time_name, watermarked_column},
    within::{check_aggregate, check_over, no_window_between, over_results},
};
use crate::{
    StreamDefinition,
    error::{PlanError, Result},
    logical::WindowNode,
    operators::WindowColumn,
    windows::Windows,
};

/// An aggregation of a plan, and the window its rows are in.
struct Cut {
    aggregate: Aggregate,
    window: WindowNode,
}

/// The stages of an optimised plan, that over the streams' rows first, with the plan of each stream's rows.
pub(crate) async fn stages(
    session: &SessionState,
    logical: &LogicalPlan,
    stream: &StreamDefinition,
) -> Result<(Vec<Chain>, Vec<Stage>)> {
    let mut chains = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    for cut in cuts(logical)?.into_iter().rev() {
        let keys = window_keys(&cut, stream)?;
        let sessions = SessionKeys::of(&cut.aggregate, &cut.window, &keys)?;
        let keys = sessions.shifted(keys);
        check_bounds(&cut)?;
        let aggregation = Aggregation {
            aggregate: &cut.aggregate,
            windows: &cut.window.windows,
            keys: &keys,
            sessions: &sessions,
        };
        let stage = match stages.last_mut() {
            None => {
                check_event_time(&cut, stream)?;
                let mut first = None;
                for branch in branches(&cut.aggregate.input)? {
                    let rows = carry_rows(&branch)?;
                    let lowered = lower_rows(session, &rows, aggregation).await?;
                    chains.push(Chain {
                        logical: branch,
                        plan: Arc::clone(&lowered.partial),
                    });
                    first.get_or_insert(lowered);
                }
                let lowered =
                    first.ok_or_else(|| PlanError::internal("a query is over no stream"))?;
                stage(&cut, keys, sessions, None, &lowered)
            }
            Some(below) => {
                let time = window_time(&cut, Some(below))?;
                let rows = carry_between(&cut.aggregate.input)?;
                let lowered = lower_between(session, &rows, aggregation).await?;
                let between = Between {
                    time,
                    feed_schema: leaf_schema(&lowered.partial),
                    plan: Arc::clone(&lowered.partial),
                };
                below.result_schema = Arc::clone(&between.feed_schema);
                stage(&cut, keys, sessions, Some(between), &lowered)
            }
        };
        stages.push(stage);
    }
    Ok((chains, stages))
}

/// The way of one stream's rows, planned.
pub(crate) struct Chain {
    pub(crate) logical: LogicalPlan,
    pub(crate) plan: Arc<dyn ExecutionPlan>,
}

fn stage(
    cut: &Cut,
    keys: Vec<WindowKey>,
    sessions: SessionKeys,
    between: Option<Between>,
    lowered: &Lowered,
) -> Stage {
    let state_schema = lowered.partial.schema();
    let group_fields: Vec<_> = state_schema
        .fields()
        .iter()
        .take(lowered.group_columns)
        .cloned()
        .collect();
    Stage {
        windows: cut.window.windows.clone(),
        keys,
        sessions,
        between,
        aggregates: lowered.aggregates.clone(),
        state_schema,
        group_schema: Arc::new(Schema::new(group_fields)),
        // Whoever reads the results says what they are called: the stage above, or the plan above the last.
        result_schema: Arc::new(Schema::empty()),
    }
}

/// The schema of a plan's one leaf.
pub(crate) fn leaf_schema(plan: &Arc<dyn ExecutionPlan>) -> SchemaRef {
    let mut leaf = plan;
    while let Some(below) = leaf.children().first() {
        leaf = below;
    }
    leaf.schema()
}

/// The aggregations with their windows, from the top down.
fn cuts(logical: &LogicalPlan) -> Result<Vec<Cut>> {
    let mut cuts = Vec::new();
    let mut open: Option<Aggregate> = None;
    let mut refusal = None;
    logical.apply(|node| {
        match node {
            LogicalPlan::Aggregate(found) if over_results(&found.input) => {
                refusal = check_aggregate(found).err();
            }
            LogicalPlan::Window(found) => refusal = check_over(found).err(),
            LogicalPlan::Aggregate(found) => open = Some(found.clone()),
            LogicalPlan::Extension(Extension { node }) => {
                if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
                    match open.take() {
                        Some(aggregate) => cuts.push(Cut {
                            aggregate,
                            window: window.clone(),
                        }),
                        None => refusal = Some(window_over_window()),
                    }
                }
            }
            _ => {}
        }
        Ok(match refusal {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    })?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    if open.is_some() {
        return Err(no_window_between());
    }
    match cuts.is_empty() {
        true => Err(PlanError::internal(format!(
            "the aggregation of a continuous query was optimised away: {}",
            logical.display_indent()
        ))),
        false => Ok(cuts),
    }
}

fn window_over_window() -> PlanError {
    PlanError::unsupported("a window over a window is not supported without an aggregation between the two")
        .hint("group by the inner window first: FROM TUMBLE((SELECT window_time, … FROM TUMBLE(…) GROUP BY window_start, window_end, window_time, …), window_time, INTERVAL '1 hour')")
}

/// The column that a window's time is, under a cast.
fn time_column(window: &WindowNode) -> Option<&Column> {
    match &window.time {
        Expr::Cast(cast) => plain_column(&cast.expr),
        other => plain_column(other),
    }
}

/// The lowest window's time must be the column that the watermark speaks of.
fn check_event_time(cut: &Cut, stream: &StreamDefinition) -> Result<()> {
    let time = time_column(&cut.window);
    let found = time.and_then(|column| origin(&cut.window.input, column));
    if found == Some(Origin::EventTime) {
        return Ok(());
    }
    let written = time.map_or_else(|| cut.window.time.to_string(), |column| column.name.clone());
    let watermarked = watermarked_column(&cut.aggregate.input)
        .or_else(|| {
            stream
                .watermark
                .as_ref()
                .map(|watermark| event_time_name(&watermark.column))
        })
        .unwrap_or_default();
    let error = PlanError::invalid(format!("column \"{written}\" has no watermark"))
        .hint(format!("write TUMBLE(…, \"{watermarked}\", …)"));
    Err(match found {
        Some(Origin::Stream(_)) => error.detail(format!(
            "the watermark of stream \"{}\" is of \"{watermarked}\"",
            stream.name
        )),
        _ => error.detail(format!(
            "it is computed in the query, and the watermark is of \"{watermarked}\"; a query can declare one itself: WATERMARK((SELECT …), {written}, INTERVAL '10 seconds')"
        )),
    })
}

/// Which column of the windows below an upper window's time is.
fn window_time(cut: &Cut, below: Option<&Stage>) -> Result<WindowColumn> {
    let time = time_column(&cut.window);
    let may_begin_ever =
        below.is_some_and(|stage| matches!(stage.windows, Windows::Session { max_us: None, .. }));
    if let Some(Origin::Window(0, column)) =
        time.and_then(|column| origin(&cut.window.input, column))
    {
        if may_begin_ever && column == WindowColumn::Start {
            return Err(PlanError::unsupported(
                "the start of a session cannot be the time of another window",
            )
            .detail("an open session may have begun at any time, so the window would never close")
            .hint("use window_time, the end of the session less a microsecond, or give SESSION a maximum length"));
        }
        return Ok(column);
    }
    let written = time.map_or_else(|| cut.window.time.to_string(), |column| column.name.clone());
    Err(
        PlanError::invalid(format!("column \"{written}\" has no watermark"))
            .detail("time goes on in a windowed result by its window: window_time, window_start or window_end")
            .hint("select window_time in the subquery, group by it too, and write TUMBLE((SELECT window_time, …), window_time, …)"),
    )
}

/// Which group columns are the window's.
fn window_keys(cut: &Cut, stream: &StreamDefinition) -> Result<Vec<WindowKey>> {
    let input = &cut.aggregate.input;
    let exprs = group_exprs(&cut.aggregate);
    let sets = grouping_sets(&cut.aggregate)?;
    let keys: Vec<WindowKey> = exprs
        .iter()
        .enumerate()
        .filter_map(|(index, expr)| match origin(input, plain_column(expr)?)? {
            Origin::Window(0, column) => Some(WindowKey { index, column }),
            _ => None,
        })
        .collect();
    let is_everywhere = |key: &WindowKey| {
        sets.iter()
            .all(|set| exprs.get(key.index).is_some_and(|expr| set.contains(expr)))
    };
    if !keys.iter().all(is_everywhere) {
        return Err(no_window());
    }
    let name = window_function(&cut.window.windows);
    if keys.is_empty() {
        return Err(PlanError::unsupported(
            "GROUP BY over a stream without window_start or window_end needs unbounded state",
        )
        .detail(format!(
            "stream \"{}\" is read through {name}, but the groups are not per window",
            stream.name
        ))
        .hint("add window_start, window_end to GROUP BY"));
    }
    let only_start = keys.iter().all(|key| key.column == WindowColumn::Start);
    if only_start && matches!(cut.window.windows, Windows::Cumulate { .. }) {
        return Err(PlanError::invalid(
            "GROUP BY over CUMULATE without window_end would add up windows that hold each other",
        )
        .hint("add window_end to GROUP BY"));
    }
    Ok(keys)
}

fn window_function(windows: &Windows) -> &'static str {
    match windows {
        Windows::Tumble { .. } | Windows::Calendar { .. } => "TUMBLE",
        Windows::Hop { .. } => "HOP",
        Windows::Cumulate { .. } => "CUMULATE",
        Windows::Session { .. } => "SESSION",
    }
}

/// Where rows are in several windows, nothing below the aggregation may look at which: a row is aggregated once for all of them.
fn check_bounds(cut: &Cut) -> Result<()> {
    if cut.window.windows.is_single() {
        return Ok(());
    }
    let input = &cut.aggregate.input;
    let mut looked_at: Vec<Column> = Vec::new();
    let mut note = |plan: &LogicalPlan, expr: &Expr| {
        for column in expr.column_refs() {
            if matches!(origin(plan, column), Some(Origin::Window(0, _))) {
                looked_at.push(column.clone());
            }
        }
    };
    for expr in &cut.aggregate.aggr_expr {
        note(input, expr);
    }
    for expr in group_exprs(&cut.aggregate) {
        if plain_column(expr).is_none() {
            note(input, expr);
        }
    }
    input.apply(|node| {
        match node {
            LogicalPlan::Filter(filter) => note(&filter.input, &filter.predicate),
            LogicalPlan::Projection(projection) => {
                for expr in &projection.expr {
                    if plain_column(expr).is_none() {
                        note(&projection.input, expr);
                    }
                }
            }
            LogicalPlan::Extension(Extension { node }) if node.as_any().is::<WindowNode>() => {
                return Ok(TreeNodeRecursion::Stop);
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match looked_at.first() {
        None => Ok(()),
        Some(column) => Err(PlanError::unsupported(format!(
            "\"{}\" of {} can only be grouped by before the aggregation",
            column.name,
            window_function(&cut.window.windows)
        ))
        .detail("a row is aggregated once for all the windows it is in")
        .hint("filter by the window in HAVING instead of WHERE, and compute with it in the SELECT list or around the query")),
    }
}
