//! Windows under other names: GROUP BY of event time rounded down, by `date_trunc` or `date_bin`, is a tumbling window.
//!
//! Such a group is bounded by its window whether it says so or not. The rounded time becomes `window_start`, so that lateness, closing and
//! partition columns are those of any window.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, ScalarValue, tree_node::Transformed},
    error::Result as EngineResult,
    logical_expr::{
        Aggregate, Expr, ExprSchemable, Extension, LogicalPlan, expr::ScalarFunction, ident,
    },
};

use super::{
    lineage::{Origin, origin, plain_column},
    refuse::stream_of,
    watermark::event_time_name,
};
use crate::{
    StreamDefinition,
    error::Result,
    logical::{WINDOW_COLUMNS, WINDOW_START, WindowNode, interval_us, window_type},
    windows::{Unit, Windows},
};

const SECOND_US: i64 = 1_000_000;

/// The plan with every aggregation of a stream by rounded event time made one over a window.
pub(crate) fn recognise(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut changed = false;
    let recognised = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Aggregate(aggregate) = &plan else {
            return Ok(match changed {
                true => Transformed::yes(plan.recompute_schema()?),
                false => Transformed::no(plan),
            });
        };
        Ok(match windowed(aggregate)? {
            Some(windowed) => {
                changed = true;
                Transformed::yes(LogicalPlan::Aggregate(windowed))
            }
            None => Transformed::no(plan),
        })
    })?;
    Ok(recognised.data)
}

fn windowed(aggregate: &Aggregate) -> EngineResult<Option<Aggregate>> {
    if streams_below(&aggregate.input).is_empty() {
        return Ok(None);
    }
    for (index, group) in aggregate.group_expr.iter().enumerate() {
        // A column may have been rounded in a subquery.
        if let Some(column) = plain_column(group) {
            if let Some(input) = rounded_below(&aggregate.input, column)? {
                let (groups, aggregates) = (&aggregate.group_expr, &aggregate.aggr_expr);
                return Aggregate::try_new(Arc::new(input), groups.clone(), aggregates.clone())
                    .map(Some);
            }
            continue;
        }
        let Some((start, window)) = window_of(&aggregate.input, group)? else {
            continue;
        };
        let mut groups = aggregate.group_expr.clone();
        if let Some(group) = groups.get_mut(index) {
            *group = start;
        }
        return Aggregate::try_new(Arc::new(window), groups, aggregate.aggr_expr.clone()).map(Some);
    }
    Ok(None)
}

/// The plan with a window where it rounds event time to what it calls `column`; `None` where it does not.
fn rounded_below(plan: &LogicalPlan, column: &Column) -> EngineResult<Option<LogicalPlan>> {
    let Some(index) = plan.schema().maybe_index_of_column(column) else {
        return Ok(None);
    };
    let (input, below) = match plan {
        LogicalPlan::Projection(projection) => {
            let Some(expr) = projection.expr.get(index) else {
                return Ok(None);
            };
            match plain_column(expr) {
                Some(below) => (&projection.input, below.clone()),
                None => {
                    let Some((start, window)) = window_of(&projection.input, expr)? else {
                        return Ok(None);
                    };
                    let mut exprs = projection.expr.clone();
                    if let Some(expr) = exprs.get_mut(index) {
                        *expr = start;
                    }
                    return plan.with_new_exprs(exprs, vec![window]).map(Some);
                }
            }
        }
        LogicalPlan::Filter(filter) => (&filter.input, column.clone()),
        LogicalPlan::SubqueryAlias(alias) => {
            let field = alias.input.schema().qualified_field(index);
            (&alias.input, Column::from(field))
        }
        _ => return Ok(None),
    };
    match rounded_below(input, &below)? {
        None => Ok(None),
        Some(input) => plan
            .with_new_exprs(plan.expressions(), vec![input])
            .map(Some),
    }
}

/// What stands for an expression that rounds event time down, and the window over `input` that it is the start of.
fn window_of(input: &LogicalPlan, expr: &Expr) -> EngineResult<Option<(Expr, LogicalPlan)>> {
    let Some((time, windows)) = rounded(expr) else {
        return Ok(None);
    };
    let is_free = input
        .schema()
        .fields()
        .iter()
        .all(|field| WINDOW_COLUMNS.iter().all(|(name, _)| name != field.name()));
    // `date_bin` with an origin gives nanoseconds of the same zone.
    let is_instant = match expr.get_type(input.schema())? {
        DataType::Timestamp(_, Some(zone)) => zone.as_ref() == "UTC",
        _ => false,
    };
    if !is_event_time(input, time) || !is_free || !is_instant {
        return Ok(None);
    }
    // What stands above refers to it by its name.
    let start = ident(WINDOW_START).alias(expr.schema_name().to_string());
    let window = WindowNode::try_new(input.clone(), Expr::Column(time.clone()), windows)?;
    let window = LogicalPlan::Extension(Extension {
        node: Arc::new(window),
    });
    Ok(Some((start, window)))
}

/// Whether a column of a plan is what the watermarks of its streams are of; each stream of a union may call it otherwise.
pub(crate) fn is_event_time(input: &LogicalPlan, column: &Column) -> bool {
    let Some(index) = input.schema().maybe_index_of_column(column) else {
        return false;
    };
    let at = |plan: &LogicalPlan| {
        let below = Column::from(plan.schema().qualified_field(index));
        is_event_time(plan, &below)
    };
    match input {
        LogicalPlan::Projection(projection) => {
            let below = projection.expr.get(index).and_then(plain_column);
            below.is_some_and(|below| is_event_time(&projection.input, below))
        }
        LogicalPlan::Filter(filter) => is_event_time(&filter.input, column),
        LogicalPlan::SubqueryAlias(alias) => at(&alias.input),
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| at(input)),
        _ => is_watermarked(input, column),
    }
}

fn is_watermarked(input: &LogicalPlan, column: &Column) -> bool {
    match origin(input, column) {
        Some(Origin::EventTime) => true,
        Some(Origin::Stream(name)) => streams_below(input).iter().all(|stream| {
            let watermark = stream.watermark.as_ref();
            watermark.is_some_and(|watermark| event_time_name(&watermark.column) == name)
        }),
        _ => false,
    }
}

/// The streams that a plan's rows come from, when no window or aggregation is on the way.
fn streams_below(plan: &LogicalPlan) -> Vec<Arc<StreamDefinition>> {
    match plan {
        LogicalPlan::TableScan(_) => stream_of(plan).into_iter().collect(),
        LogicalPlan::Aggregate(_) => Vec::new(),
        LogicalPlan::Extension(Extension { node }) if node.as_any().is::<WindowNode>() => {
            Vec::new()
        }
        _ => plan.inputs().into_iter().flat_map(streams_below).collect(),
    }
}

/// The column that an expression rounds down, and to what.
fn rounded(expr: &Expr) -> Option<(&Column, Windows)> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = unaliased(expr) else {
        return None;
    };
    match (func.name(), args.as_slice()) {
        ("date_trunc", [unit, time]) => Some((plain_column(time)?, truncated(text(unit)?)?)),
        ("date_bin", [size, time]) => Some((plain_column(time)?, binned(size, None)?)),
        ("date_bin", [size, time, start]) => {
            Some((plain_column(time)?, binned(size, Some(start))?))
        }
        _ => None,
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => {
            Some(text)
        }
        _ => None,
    }
}

/// The value of a constant, under its casts.
fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        Expr::Cast(cast) => literal(&cast.expr),
        _ => None,
    }
}

fn truncated(unit: &str) -> Option<Windows> {
    let calendar = |unit| Windows::Calendar {
        unit,
        zone: "UTC".to_owned(),
    };
    let size_us = match unit.to_lowercase().as_str() {
        "second" => SECOND_US,
        "minute" => 60 * SECOND_US,
        "hour" => 3_600 * SECOND_US,
        "day" => 86_400 * SECOND_US,
        "week" => return Some(calendar(Unit::Days(7))),
        "month" => return Some(calendar(Unit::Months(1))),
        "quarter" => return Some(calendar(Unit::Months(3))),
        "year" => return Some(calendar(Unit::Months(12))),
        _ => return None,
    };
    Some(Windows::Tumble {
        size_us,
        offset_us: 0,
    })
}

fn binned(size: &Expr, start: Option<&Expr>) -> Option<Windows> {
    let size_us = interval_us(size).filter(|size| *size > 0)?;
    let start_us = match start {
        None => 0,
        Some(start) => match literal(start)?.cast_to(&window_type()).ok()? {
            ScalarValue::TimestampMicrosecond(Some(start), _) => start,
            _ => return None,
        },
    };
    Some(Windows::Tumble {
        size_us,
        offset_us: start_us.rem_euclid(size_us),
    })
}
