//! Sessions over a bounded relation, in stock expressions: a row begins a session when it is more than a gap after the row of its key before
//! it. Shares nothing with how a stream does it, so that the one can check the other.

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, ScalarValue, TableReference},
    error::Result,
    functions_aggregate::{min_max::max_udaf, min_max::min_udaf, sum::sum_udaf},
    functions_window::expr_fn::lag,
    logical_expr::{
        Aggregate, Expr, ExprFunctionExt, Extension, LogicalPlan, LogicalPlanBuilder, WindowFrame,
        WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, cast, expr::WindowFunction,
        ident, lit, when,
    },
};

use super::{
    WINDOW_COLUMNS, WindowNode,
    lower::{input_columns, project},
    window::window_type,
};
use crate::{
    error::PlanError,
    operators::WindowColumn,
    streaming::{Origin, group_exprs, grouping_sets, origin, plain_column},
    windows::Windows,
};

const TIME: &str = "__sluice_time";
const BEFORE: &str = "__sluice_before";
const BEGINS: &str = "__sluice_begins";
const NUMBER: &str = "__sluice_number";
const FIRST: &str = "__sluice_first";
const LAST: &str = "__sluice_last";

/// Sessions of a gap, and the length at which they are cut.
#[derive(Clone, Copy)]
struct Lengths {
    gap_us: i64,
    max_us: Option<i64>,
}

/// The aggregation over sessions that are told from its own keys; `None` when it is over none.
pub(super) fn lower_sessions(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Some(lengths) = lengths(&aggregate.input) else {
        return Ok(None);
    };
    let input = aggregate.input.as_ref();
    let of = |column: &Column| match origin(input, column) {
        Some(Origin::Window(0, column)) => Some(column),
        _ => None,
    };
    // Until here the columns of a session are the row's time.
    let columns = input.schema().columns();
    let Some(time) = columns.iter().find(|column| of(column).is_some()) else {
        return Ok(None);
    };
    if !grouping_sets(aggregate)
        .map_err(PlanError::into_engine)?
        .is_empty()
    {
        return Err(PlanError::unsupported(
            "SESSION under GROUPING SETS, ROLLUP or CUBE needs PARTITION BY",
        )
        .detail("every set would have sessions of its own")
        .hint("write SESSION(relation PARTITION BY columns, …)")
        .into_engine());
    }
    let time = Expr::Column(time.clone());
    let keys: Vec<Expr> = group_exprs(aggregate)
        .into_iter()
        .filter(|expr| plain_column(expr).is_none_or(|column| of(column).is_none()))
        .cloned()
        .collect();
    let told = with_sessions(input.clone(), &time, keys, lengths.gap_us)?;
    let mut exprs = Vec::with_capacity(columns.len());
    for ((qualifier, field), column) in input.schema().iter().zip(&columns) {
        exprs.push(match of(column) {
            None => Expr::Column(column.clone()),
            Some(bound) => bound_of(bound, &time, lengths)?
                .alias_qualified(qualifier.cloned() as Option<TableReference>, field.name()),
        });
    }
    let input = LogicalPlanBuilder::from(told).project(exprs)?.build()?;
    let aggregate = Aggregate::try_new(
        input.into(),
        aggregate.group_expr.clone(),
        aggregate.aggr_expr.clone(),
    )?;
    Ok(Some(LogicalPlan::Aggregate(aggregate)))
}

/// The rows of a window node with the sessions of its own columns.
pub(super) fn lower_partitioned(
    window: &WindowNode,
    gap_us: i64,
    max_us: Option<i64>,
) -> Result<LogicalPlan> {
    let lengths = Lengths { gap_us, max_us };
    let mut exprs = input_columns(window);
    exprs.push(cast(window.time.clone(), window_type()).alias(TIME));
    let (input, time) = (project(window, exprs)?, ident(TIME));
    let told = with_sessions(input, &time, window.partition.clone(), gap_us)?;
    let mut exprs = input_columns(window);
    for (name, column) in WINDOW_COLUMNS {
        exprs.push(bound_of(column, &time, lengths)?.alias(name));
    }
    LogicalPlanBuilder::from(told).project(exprs)?.build()
}

/// Rows that have a time, with the first and the last time of their session.
fn with_sessions(
    input: LogicalPlan,
    time: &Expr,
    keys: Vec<Expr>,
    gap_us: i64,
) -> Result<LogicalPlan> {
    let up_to_here = |function: Expr, keys: Vec<Expr>| {
        let order = vec![time.clone().sort(true, false)];
        function.partition_by(keys).order_by(order).build()
    };
    let of_all = |function: Expr, keys: Vec<Expr>| {
        let all = WindowFrame::new_bounds(
            WindowFrameUnits::Rows,
            WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
            WindowFrameBound::Following(ScalarValue::UInt64(None)),
        );
        function.partition_by(keys).window_frame(all).build()
    };
    let aggregated = |function, argument: Expr| {
        Expr::from(WindowFunction::new(
            WindowFunctionDefinition::AggregateUDF(function),
            vec![argument],
        ))
    };
    let is_after = time.clone().gt(ident(BEFORE) + microseconds(gap_us));
    let begins = when(ident(BEFORE).is_null().or(is_after), lit(1i64)).otherwise(lit(0i64))?;
    let columns = input.schema().columns().into_iter();
    let mut with_begin: Vec<Expr> = columns.map(Expr::Column).collect();
    with_begin.push(begins.alias(BEGINS));
    let mut of_session = keys.clone();
    of_session.push(ident(NUMBER));
    let before = up_to_here(lag(time.clone(), Some(1), None), keys.clone())?;
    let number = up_to_here(aggregated(sum_udaf(), ident(BEGINS)), keys)?;
    let first = of_all(aggregated(min_udaf(), time.clone()), of_session.clone())?;
    let last = of_all(aggregated(max_udaf(), time.clone()), of_session)?;
    LogicalPlanBuilder::from(input)
        .filter(time.clone().is_not_null())?
        .window(vec![before.alias(BEFORE)])?
        .project(with_begin)?
        .window(vec![number.alias(NUMBER)])?
        .window(vec![first.alias(FIRST), last.alias(LAST)])?
        .build()
}

/// A window column of a row, given the first and the last time of its session.
fn bound_of(column: WindowColumn, time: &Expr, lengths: Lengths) -> Result<Expr> {
    let end = ident(LAST) + microseconds(lengths.gap_us);
    let (start, end) = match lengths.max_us {
        None => (ident(FIRST), end),
        Some(max_us) => {
            let number = |time: Expr| cast(time, DataType::Int64);
            let since = number(time.clone()) - number(ident(FIRST));
            let start = number(ident(FIRST)) + since / lit(max_us) * lit(max_us);
            let start = cast(start, window_type());
            let cut = start.clone() + microseconds(max_us);
            (
                start,
                when(cut.clone().lt(end.clone()), cut).otherwise(end)?,
            )
        }
    };
    Ok(match column {
        WindowColumn::Start => start,
        WindowColumn::End => end,
        WindowColumn::Time => end - microseconds(1),
    })
}

/// Refuses sessions without a GROUP BY above that `needs` it: to say whose they are, or because they end.
pub(super) fn check_sessions(
    plan: &LogicalPlan,
    grouped: bool,
    needs: &dyn Fn(&WindowNode) -> bool,
) -> Result<()> {
    let grouped = match plan {
        LogicalPlan::Aggregate(_) => true,
        LogicalPlan::Extension(Extension { node }) => {
            let window = node.as_any().downcast_ref::<WindowNode>();
            let session = window.filter(|window| matches!(window.windows, Windows::Session { .. }));
            if let Some(window) = session.filter(|window| !grouped && needs(window)) {
                return Err(PlanError::unsupported(
                    "SESSION without GROUP BY is not supported",
                )
                .detail(match window.partition.is_empty() {
                    true => "sessions are told for each of the GROUP BY keys",
                    false => "a row's session is told when it has ended, and rows are not kept until then",
                })
                .hint("write SELECT window_start, window_end, key, … FROM SESSION(…) GROUP BY window_start, window_end, key")
                .into_engine());
            }
            grouped && window.is_none()
        }
        _ => grouped,
    };
    plan.inputs()
        .into_iter()
        .try_for_each(|input| check_sessions(input, grouped, needs))
}

/// The lengths of the sessions that a plan's rows are in, told by GROUP BY keys.
fn lengths(plan: &LogicalPlan) -> Option<Lengths> {
    match plan {
        LogicalPlan::Extension(Extension { node }) => {
            if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
                return match window.windows {
                    Windows::Session { gap_us, max_us } if window.partition.is_empty() => {
                        Some(Lengths { gap_us, max_us })
                    }
                    _ => None,
                };
            }
        }
        LogicalPlan::Aggregate(_) => return None,
        _ => {}
    }
    match plan.inputs().as_slice() {
        [input] => lengths(input),
        _ => None,
    }
}

fn microseconds(us: i64) -> Expr {
    let interval = ScalarValue::new_interval_mdn(0, 0, us.saturating_mul(1_000));
    Expr::Literal(interval, None)
}
