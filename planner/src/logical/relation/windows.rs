//! Window table functions: `TUMBLE(relation, time column, lengths …)` and its like, to window nodes.

use std::sync::Arc;

use arrow::row::{RowConverter, SortField};
use datafusion::{
    common::{
        Column, DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    error::{DataFusionError, Result},
    logical_expr::{
        Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder,
        planner::RelationPlannerContext,
    },
};
use sluice_sql::ast::{self, FunctionArg};

use super::{fixed_interval, interval_parts, plan_argument, positional, time_column};
use crate::{
    error::{PlanError, PlanErrorKind},
    logical::{WINDOW_COLUMNS, WindowNode},
    streaming::duration,
    windows::{MOST_PANES, Unit, Windows, zone},
};

/// A window table function: its name, its lengths in the order they are written, and what they make of them and of
/// one more that may be left out: an offset, or the maximum length of sessions.
pub(super) struct Function {
    name: &'static str,
    usage: &'static str,
    lengths: &'static [&'static str],
    windows: fn(&[i64], Option<i64>) -> Result<Windows, PlanError>,
}

pub(super) const TUMBLE: Function = Function {
    name: "TUMBLE",
    usage: "write TUMBLE(relation, time column, INTERVAL 'size' [, INTERVAL 'offset'] [, TIME ZONE 'name'])",
    lengths: &["size"],
    windows: tumble,
};
pub(super) const HOP: Function = Function {
    name: "HOP",
    usage: "write HOP(relation, time column, INTERVAL 'slide', INTERVAL 'size' [, INTERVAL 'offset'])",
    lengths: &["slide", "size"],
    windows: hop,
};
pub(super) const CUMULATE: Function = Function {
    name: "CUMULATE",
    usage: "write CUMULATE(relation, time column, INTERVAL 'step', INTERVAL 'size' [, INTERVAL 'offset'])",
    lengths: &["step", "size"],
    windows: cumulate,
};

pub(super) const SESSION: Function = Function {
    name: "SESSION",
    usage: "write SESSION(relation [PARTITION BY columns], time column, INTERVAL 'gap' [, INTERVAL 'max_length'])",
    lengths: &["gap"],
    windows: session,
};

/// The node of a call.
pub(super) fn plan(
    function: &Function,
    args: &[FunctionArg],
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let name = function.name;
    let mut args = positional(name, function.usage, args)?;
    let zone = match args.last().and_then(sluice_sql::time_zone) {
        Some(name) => Some(known_zone(name)?),
        None => None,
    };
    if zone.is_some() {
        args.pop();
    }
    let partition = take_partition(&mut args);
    let least = 2 + function.lengths.len();
    let [relation, time, lengths @ ..] = args.as_slice() else {
        return Err(wrong_count(function, args.len()));
    };
    if args.len() < least || args.len() > least + 1 {
        return Err(wrong_count(function, args.len()));
    }
    let input = plan_argument(name, function.usage, relation.clone(), context)?;
    let time = time_column(name, time.clone(), &input, context)?;
    let (input, time) = without_window_columns(input, time)?;
    let partition = session_columns(&partition, &input, context)?;
    let offset = lengths.get(function.lengths.len()).cloned();
    if let (true, Some(size)) = (function.name == TUMBLE.name, lengths.first()) {
        let calendar = calendar(size, offset.is_some(), zone.as_deref(), context)?;
        if let Some(windows) = calendar {
            return node(input, time, windows, partition);
        }
    }
    let mut written = Vec::with_capacity(function.lengths.len());
    for (what, length) in function.lengths.iter().zip(lengths) {
        written.push(positive(name, what, length.clone(), context)?);
    }
    let offset_us = match offset {
        Some(length) if function.name == SESSION.name => {
            Some(positive(name, "maximum length", length, context)?)
        }
        Some(offset) => Some(fixed_interval(
            &format!("the offset of {name}"),
            offset,
            context,
        )?),
        None => None,
    };
    let windows = (function.windows)(&written, offset_us).map_err(PlanError::into_engine)?;
    let panes = windows.panes();
    if panes > MOST_PANES {
        return Err(PlanError::invalid(format!(
            "a window of {windows} would be made of {panes} panes, more than {MOST_PANES}"
        ))
        .detail(format!(
            "what its windows share is {} long",
            duration(windows.pane_us())
        ))
        .hint("choose lengths with a larger common divisor, such as INTERVAL '5 seconds' and INTERVAL '1 minute'")
        .into_engine());
    }
    node(input, time, windows, partition)
}

fn node(
    input: LogicalPlan,
    time: Expr,
    windows: Windows,
    partition: Vec<Expr>,
) -> Result<LogicalPlan> {
    let window = WindowNode::try_new(input, time, windows)?;
    Ok(LogicalPlan::Extension(Extension {
        node: Arc::new(window.partitioned(partition)),
    }))
}

/// Takes the columns of PARTITION BY off the end of the arguments.
fn take_partition(args: &mut Vec<ast::Expr>) -> Vec<ast::Expr> {
    let last = args.pop_if(|last| sluice_sql::partition_by(last).is_some());
    let columns = last.as_ref().and_then(sluice_sql::partition_by);
    columns.into_iter().flatten().cloned().collect()
}

/// The columns that sessions are made by, each once.
fn session_columns(
    written: &[ast::Expr],
    input: &LogicalPlan,
    context: &mut dyn RelationPlannerContext,
) -> Result<Vec<Expr>> {
    let mut columns = Vec::with_capacity(written.len());
    for written in written {
        let column = context.sql_to_expr(written.clone(), input.schema())?;
        let Expr::Column(_) = &column else {
            return Err(
                PlanError::invalid(format!("SESSION is partitioned by columns, not by {column}"))
                    .hint("compute it in a subquery: SESSION((SELECT *, expression AS name FROM …) PARTITION BY name, …)")
                    .into_engine(),
            );
        };
        let data_type = column.get_type(input.schema())?;
        if !RowConverter::supports_fields(&[SortField::new(data_type.clone())]) {
            return Err(PlanError::new(
                PlanErrorKind::DatatypeMismatch,
                format!("SESSION cannot be partitioned by {column}, which is of type {data_type}"),
            )
            .hint("partition by a part of it, taken out in a subquery")
            .into_engine());
        }
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    Ok(columns)
}

fn known_zone(name: &str) -> Result<String> {
    match zone(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(
            PlanError::invalid(format!("time zone \"{name}\" is not known"))
                .hint("write a name of the time zone database, such as 'Europe/Madrid', or an offset, such as '+02:00'")
                .into_engine(),
        ),
    }
}

/// The calendar windows that a size of TUMBLE means: months and years, weeks, and days of a time zone. `None` for lengths that are always
/// the same.
fn calendar(
    size: &ast::Expr,
    has_offset: bool,
    zone: Option<&str>,
    context: &mut dyn RelationPlannerContext,
) -> Result<Option<Windows>> {
    let planned = context.sql_to_expr(size.clone(), &DFSchema::empty())?;
    let Some((months, days, nanos)) = interval_parts(&planned) else {
        return Ok(None);
    };
    let count = |count: i32| u32::try_from(count).ok().filter(|count| *count > 0);
    let unit = match (count(months), count(days)) {
        (Some(months), None) if days == 0 && nanos == 0 => Unit::Months(months),
        (None, Some(days)) if months == 0 && nanos == 0 => Unit::Days(days),
        _ if months != 0 => {
            return Err(PlanError::invalid(format!(
                "the size of TUMBLE, {size}, mixes months with days or hours"
            ))
            .hint("write whole months, such as INTERVAL '1 month', or whole days")
            .into_engine());
        }
        _ if zone.is_some() => {
            return Err(PlanError::invalid(format!(
                "TIME ZONE goes with windows of days, weeks, months or years, not with {size}"
            ))
            .detail("windows of hours and less are the same everywhere")
            .hint("leave TIME ZONE out")
            .into_engine());
        }
        _ => return Ok(None),
    };
    let is_fixed = matches!(unit, Unit::Days(days) if days % 7 != 0) && zone.is_none();
    if is_fixed || (has_offset && zone.is_none() && matches!(unit, Unit::Days(_))) {
        return Ok(None);
    }
    if has_offset {
        return Err(
            PlanError::invalid("TUMBLE over the calendar takes no offset: its windows start with a day, a Monday or a month of their time zone")
                .hint("leave the offset out")
                .into_engine(),
        );
    }
    Ok(Some(Windows::Calendar {
        unit,
        zone: zone.unwrap_or("UTC").to_owned(),
    }))
}

/// A relation that is a windowed result has window columns of its own. The new window's take their place; the one that is the time stays, as
/// `inner_window_time` and the like.
fn without_window_columns(input: LogicalPlan, time: Expr) -> Result<(LogicalPlan, Expr)> {
    let is_windows = |name: &str| WINDOW_COLUMNS.iter().any(|(column, _)| *column == name);
    let columns = input.schema().columns();
    if !columns.iter().any(|column| is_windows(&column.name)) {
        return Ok((input, time));
    }
    let mut renamed = time.clone();
    let mut exprs = Vec::new();
    for column in columns {
        let is_time = time.column_refs().contains(&column);
        match (is_windows(&column.name), is_time) {
            (false, _) => exprs.push(Expr::Column(column)),
            (true, false) => {}
            (true, true) => {
                let name = format!("inner_{}", column.name);
                let inner = Expr::Column(Column::new_unqualified(name.clone()));
                renamed = renamed
                    .transform(|expr| {
                        Ok(match &expr {
                            Expr::Column(found) if *found == column => {
                                Transformed::yes(inner.clone())
                            }
                            _ => Transformed::no(expr),
                        })
                    })?
                    .data;
                exprs.push(Expr::Column(column).alias(name));
            }
        }
    }
    let input = LogicalPlanBuilder::from(input).project(exprs)?.build()?;
    Ok((input, renamed))
}

fn wrong_count(function: &Function, count: usize) -> DataFusionError {
    let least = 2 + function.lengths.len();
    PlanError::invalid(format!(
        "{} takes {least} or {} arguments, not {count}",
        function.name,
        least + 1
    ))
    .hint(function.usage)
    .into_engine()
}

fn positive(
    name: &str,
    what: &str,
    expr: ast::Expr,
    context: &mut dyn RelationPlannerContext,
) -> Result<i64> {
    let us = fixed_interval(&format!("the {what} of {name}"), expr, context)?;
    match us > 0 {
        true => Ok(us),
        false => Err(
            PlanError::invalid(format!("the {what} of {name} must be above zero"))
                .hint("write an interval such as INTERVAL '1 hour'")
                .into_engine(),
        ),
    }
}

fn tumble(lengths: &[i64], offset_us: Option<i64>) -> Result<Windows, PlanError> {
    let [size_us] = *lengths else {
        return Err(PlanError::internal("TUMBLE has one length"));
    };
    Ok(Windows::Tumble {
        size_us,
        offset_us: offset_us.unwrap_or(0).rem_euclid(size_us),
    })
}

fn session(lengths: &[i64], max_us: Option<i64>) -> Result<Windows, PlanError> {
    let [gap_us] = *lengths else {
        return Err(PlanError::internal("SESSION has one gap"));
    };
    if let Some(max_us) = max_us
        && max_us < gap_us
    {
        return Err(PlanError::invalid(format!(
            "the maximum length of SESSION, {}, is shorter than its gap, {}",
            duration(max_us),
            duration(gap_us)
        ))
        .detail("a session of one row is as long as the gap")
        .hint("the gap comes first: SESSION(relation, time column, INTERVAL 'gap', INTERVAL 'max_length')"));
    }
    Ok(Windows::Session { gap_us, max_us })
}

fn hop(lengths: &[i64], offset_us: Option<i64>) -> Result<Windows, PlanError> {
    let [slide_us, size_us] = *lengths else {
        return Err(PlanError::internal("HOP has two lengths"));
    };
    if slide_us > size_us {
        return Err(PlanError::invalid(format!(
            "the slide of HOP, {}, is larger than its size, {}",
            duration(slide_us),
            duration(size_us)
        ))
        .detail("rows between two windows would be in none")
        .hint(
            "the slide comes first: HOP(relation, time column, INTERVAL 'slide', INTERVAL 'size')",
        ));
    }
    Ok(Windows::Hop {
        slide_us,
        size_us,
        offset_us: offset_us.unwrap_or(0).rem_euclid(slide_us),
    })
}

fn cumulate(lengths: &[i64], offset_us: Option<i64>) -> Result<Windows, PlanError> {
    let [step_us, size_us] = *lengths else {
        return Err(PlanError::internal("CUMULATE has two lengths"));
    };
    if step_us > size_us || size_us % step_us != 0 {
        return Err(PlanError::invalid(format!(
            "the size of CUMULATE, {}, is not a multiple of its step, {}",
            duration(size_us),
            duration(step_us)
        ))
        .hint("the step comes first: CUMULATE(relation, time column, INTERVAL 'step', INTERVAL 'size')"));
    }
    Ok(Windows::Cumulate {
        step_us,
        size_us,
        offset_us: offset_us.unwrap_or(0).rem_euclid(size_us),
    })
}
