//! Sessions over a bounded relation, in stock expressions: a row begins a session when it is more than a gap after the row of its key before
//! it. Shares nothing with how a stream does it, so that the one can check the other.

use datafusion::{
    common::{Column, ScalarValue, TableReference},
    error::Result,
    functions_aggregate::{min_max::max_udaf, min_max::min_udaf, sum::sum_udaf},
    functions_window::expr_fn::lag,
    logical_expr::{
        Aggregate, Expr, ExprFunctionExt, Extension, LogicalPlan, LogicalPlanBuilder, WindowFrame,
        WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, expr::WindowFunction, ident,
        lit, when,
    },
};

use super::WindowNode;
use crate::{
    error::PlanError,
    operators::WindowColumn,
    streaming::{Origin, group_exprs, origin, plain_column},
    windows::Windows,
};

const BEFORE: &str = "__sluice_before";
const BEGINS: &str = "__sluice_begins";
const NUMBER: &str = "__sluice_number";
const FIRST: &str = "__sluice_first";
const LAST: &str = "__sluice_last";

/// The aggregation over sessions that are told from its own keys; `None` when it is over none.
pub(super) fn lower_sessions(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Some(gap_us) = gap(&aggregate.input) else {
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
    let time = Expr::Column(time.clone());
    let keys: Vec<Expr> = group_exprs(aggregate)
        .into_iter()
        .filter(|expr| plain_column(expr).is_none_or(|column| of(column).is_none()))
        .cloned()
        .collect();
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
    let mut with_begin: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
    with_begin.push(begins.alias(BEGINS));
    let mut of_session = keys.clone();
    of_session.push(ident(NUMBER));
    let before = up_to_here(lag(time.clone(), Some(1), None), keys.clone())?;
    let number = up_to_here(aggregated(sum_udaf(), ident(BEGINS)), keys)?;
    let first = of_all(aggregated(min_udaf(), time.clone()), of_session.clone())?;
    let last = of_all(aggregated(max_udaf(), time.clone()), of_session)?;
    let exprs = input
        .schema()
        .iter()
        .zip(&columns)
        .map(|((qualifier, field), column)| {
            let value = match of(column) {
                None => return Expr::Column(column.clone()),
                Some(WindowColumn::Start) => ident(FIRST),
                Some(WindowColumn::End) => ident(LAST) + microseconds(gap_us),
                Some(WindowColumn::Time) => ident(LAST) + microseconds(gap_us - 1),
            };
            value.alias_qualified(qualifier.cloned() as Option<TableReference>, field.name())
        });
    let input = LogicalPlanBuilder::from(input.clone())
        .filter(time.clone().is_not_null())?
        .window(vec![before.alias(BEFORE)])?
        .project(with_begin)?
        .window(vec![number.alias(NUMBER)])?
        .window(vec![first.alias(FIRST), last.alias(LAST)])?
        .project(exprs)?
        .build()?;
    let aggregate = Aggregate::try_new(
        input.into(),
        aggregate.group_expr.clone(),
        aggregate.aggr_expr.clone(),
    )?;
    Ok(Some(LogicalPlan::Aggregate(aggregate)))
}

/// Refuses sessions that no GROUP BY says whose they are. `grouped` says whether there is one above.
pub(super) fn check_sessions(plan: &LogicalPlan, grouped: bool) -> Result<()> {
    let grouped = match plan {
        LogicalPlan::Aggregate(_) => true,
        LogicalPlan::Extension(Extension { node }) => {
            let window = node.as_any().downcast_ref::<WindowNode>();
            let is_session =
                window.is_some_and(|window| matches!(window.windows, Windows::Session { .. }));
            if is_session && !grouped {
                return Err(PlanError::unsupported(
                    "SESSION without GROUP BY is not supported",
                )
                .detail("sessions are told for each of the GROUP BY keys")
                .hint("write SELECT window_start, window_end, key, … FROM SESSION(…) GROUP BY window_start, window_end, key")
                .into_engine());
            }
            grouped && window.is_none()
        }
        _ => grouped,
    };
    plan.inputs()
        .into_iter()
        .try_for_each(|input| check_sessions(input, grouped))
}

/// The gap of the sessions that a plan's rows are in.
fn gap(plan: &LogicalPlan) -> Option<i64> {
    match plan {
        LogicalPlan::Extension(Extension { node }) => {
            if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
                return match window.windows {
                    Windows::Session { gap_us } => Some(gap_us),
                    _ => None,
                };
            }
        }
        LogicalPlan::Aggregate(_) => return None,
        _ => {}
    }
    match plan.inputs().as_slice() {
        [input] => gap(input),
        _ => None,
    }
}

fn microseconds(us: i64) -> Expr {
    let interval = ScalarValue::new_interval_mdn(0, 0, us.saturating_mul(1_000));
    Expr::Literal(interval, None)
}
