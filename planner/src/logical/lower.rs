//! Window and watermark nodes in stock expressions: what a batch run executes, and what a stream executes above its watermark.

use datafusion::{
    common::{Column, ScalarValue, tree_node::Transformed},
    config::ConfigOptions,
    error::Result,
    functions::core::expr_fn::get_field,
    logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, cast, ident},
    optimizer::AnalyzerRule,
};

use super::{
    WINDOW_COLUMNS, WINDOW_END, WINDOW_START, WINDOW_TIME, WatermarkNode, WindowNode,
    sessions::{check_sessions, lower_partitioned, lower_sessions},
    window::window_type,
};
use crate::{
    operators::{WINDOW_COLUMN, pane_start, window_column, windows_of},
    windows::Windows,
};

/// Name of the list of a row's windows, before it is unnested.
const WINDOWS: &str = "__sluice_windows";

/// Turns window nodes into projections and takes watermark nodes out; for queries over what is bounded.
#[derive(Debug)]
pub struct LowerWindows;

impl AnalyzerRule for LowerWindows {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        check_sessions(&plan, false, &|window| window.partition.is_empty())?;
        let told = plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Aggregate(aggregate) = &plan else {
                return Ok(Transformed::no(plan));
            };
            Ok(match lower_sessions(aggregate)? {
                Some(lowered) => Transformed::yes(lowered),
                None => Transformed::no(plan),
            })
        })?;
        let lowered = told.data.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Extension(Extension { node }) = &plan else {
                return Ok(Transformed::no(plan));
            };
            if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
                return lower_window(window).map(Transformed::yes);
            }
            match node.as_any().downcast_ref::<WatermarkNode>() {
                Some(watermark) => Ok(Transformed::yes(watermark.input.clone())),
                None => Ok(Transformed::no(plan)),
            }
        })?;
        Ok(lowered.data)
    }

    fn name(&self) -> &str {
        "lower_windows"
    }
}

/// Turns window nodes into projections, and leaves watermarks where they are: for a continuous query that keeps its rows as they come.
pub(crate) fn lower_windows(plan: LogicalPlan) -> Result<LogicalPlan> {
    check_sessions(&plan, false, &|_| true)?;
    let lowered = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Extension(Extension { node }) = &plan else {
            return Ok(Transformed::no(plan));
        };
        match node.as_any().downcast_ref::<WindowNode>() {
            Some(window) => lower_window(window).map(Transformed::yes),
            None => Ok(Transformed::no(plan)),
        }
    })?;
    Ok(lowered.data)
}

/// What a window node means for a bounded relation: a row for each window a row is in.
fn lower_window(window: &WindowNode) -> Result<LogicalPlan> {
    let mut exprs = input_columns(window);
    if let Windows::Session { gap_us, max_us } = window.windows {
        if !window.partition.is_empty() {
            return lower_partitioned(window, gap_us, max_us);
        }
        // The aggregation above has told which session it is: `lower_sessions`.
        exprs.extend(WINDOW_COLUMNS.map(|(name, _)| {
            let time = window.time.clone();
            cast(time, window_type()).alias(name)
        }));
        return project(window, exprs);
    }
    if window.windows.is_single() {
        for (name, column) in WINDOW_COLUMNS {
            let function = window_column(&window.windows, column);
            exprs.push(function.call(vec![window.time.clone()]).alias(name));
        }
        return project(window, exprs);
    }
    let windows = windows_of(&window.windows).call(vec![window.time.clone()]);
    exprs.push(windows.alias(WINDOWS));
    let unnested = LogicalPlanBuilder::from(project(window, exprs)?)
        .unnest_column(WINDOWS)?
        .build()?;
    let mut exprs = input_columns(window);
    let (start, end) = (
        get_field(ident(WINDOWS), WINDOW_START),
        get_field(ident(WINDOWS), WINDOW_END),
    );
    exprs.push(start.alias(WINDOW_START));
    exprs.push(end.clone().alias(WINDOW_END));
    exprs.push((end - microsecond()).alias(WINDOW_TIME));
    LogicalPlanBuilder::from(unnested).project(exprs)?.build()
}

/// What a window node means below the aggregation of a continuous query: a row once, in its pane. The second result is the column with
/// the pane's start (of sessions: the time of the row). Where a pane has several windows, their columns stand for the pane until a window
/// closes. What sessions are partitioned by is in columns of [`partition_column`]s.
pub(crate) fn lower_to_panes(window: &WindowNode) -> Result<(LogicalPlan, Column)> {
    let mut exprs = input_columns(window);
    let pane = pane_start(&window.windows);
    for (name, column) in WINDOW_COLUMNS {
        let function = match window.windows.is_single() {
            true => window_column(&window.windows, column),
            false => pane.clone(),
        };
        exprs.push(function.call(vec![window.time.clone()]).alias(name));
    }
    // A session is made of times; anything else starts with its pane.
    let mut start = WINDOW_START;
    if let Windows::Session { .. } = window.windows {
        start = WINDOW_COLUMN;
        exprs.push(window.time.clone().alias(start));
    }
    for (number, column) in window.partition.iter().enumerate() {
        exprs.push(column.clone().alias(partition_column(number)));
    }
    Ok((project(window, exprs)?, Column::new_unqualified(start)))
}

/// Name of the hidden column with what sessions are partitioned by.
pub(crate) fn partition_column(number: usize) -> String {
    format!("__sluice_partition_{number}")
}

pub(super) fn input_columns(window: &WindowNode) -> Vec<Expr> {
    window
        .input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect()
}

pub(super) fn project(window: &WindowNode, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(window.input.clone())
        .project(exprs)?
        .build()
}

fn microsecond() -> Expr {
    Expr::Literal(ScalarValue::new_interval_mdn(0, 0, 1_000), None)
}
