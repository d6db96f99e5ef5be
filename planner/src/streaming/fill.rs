//! Filling: what the rows of windows without rows hold, and which queries can have them.
//!
//! A filled row is one of the last aggregation's results, like any other: HAVING, OVER, expressions and partition columns come after it. So
//! what it holds is what the aggregates give over no rows, and its key is one that had rows a few windows before.

use std::fmt;

use arrow::{
    datatypes::Field,
    row::{RowConverter, SortField},
};
use datafusion::{
    common::{
        Column, ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Aggregate, Expr, Extension, LogicalPlan},
    physical_expr::aggregate::AggregateFunctionExpr,
};
use sluice_sql::{Fill, FillWith};

use super::{
    grouping::group_exprs,
    lineage::{Origin, origin, plain_column},
    program::Stage,
    within::over_results,
};
use crate::{
    error::{PlanError, Result},
    logical::{WatermarkNode, WindowNode},
    operators::WindowColumn,
    windows::Windows,
};

/// How the windows of the last stage are filled.
#[derive(Debug)]
pub(crate) struct Filling {
    fill: Fill,
    /// Group columns that are keys, and not the window's.
    pub(crate) keys: Vec<usize>,
    /// The group column that says which window a row is of.
    pub(crate) window: (usize, WindowColumn),
    /// The results of a window without rows; none where they are those of the window before.
    pub(crate) results: Option<Vec<ScalarValue>>,
}

impl Filling {
    /// The filling of a query whose last aggregation, over windows, is `stage` of the plan `logical`.
    pub(crate) fn new(fill: Fill, logical: &LogicalPlan, stage: &Stage) -> Result<Self> {
        if let Windows::Session { .. } = stage.windows {
            return Err(PlanError::unsupported(
                "sessions cannot be filled: EMIT ON WINDOW CLOSE FILL",
            )
            .detail("a session is made by its rows, so there is none without")
            .hint("leave FILL out, or use TUMBLE, HOP or CUMULATE"));
        }
        if stage.aggregates.is_empty() {
            return Err(PlanError::invalid(
                "EMIT ON WINDOW CLOSE FILL needs an aggregate in the query",
            )
            .detail("without one, a row of a window without rows looks like any other")
            .hint("add count(*) to the SELECT list: it is 0 where a row was filled in"));
        }
        let aggregate = last_aggregation(logical)?
            .ok_or_else(|| PlanError::internal("a filled query lost its aggregation"))?;
        let groups = stage.group_schema.fields().len();
        let keys: Vec<usize> = (0..groups)
            .filter(|index| stage.keys.iter().all(|key| key.index != *index))
            .collect();
        let exprs = group_exprs(&aggregate);
        for index in &keys {
            // One more than expressions: which of the grouping sets it is.
            if let Some(expr) = exprs.get(*index)
                && follows_time(&aggregate.input, expr)?
            {
                let name = stage.group_schema.field(*index).name();
                return Err(PlanError::invalid(format!(
                    "group key \"{name}\" follows from time, and windows cannot be filled by it"
                ))
                .detail("a window without rows would be filled with the keys of earlier windows")
                .hint(
                    "leave it out of GROUP BY, and compute it from window_start in the SELECT list",
                ));
            }
        }
        let window = stage
            .keys
            .iter()
            .find(|key| key.column != WindowColumn::Start)
            .or_else(|| stage.keys.first())
            .map(|key| (key.index, key.column))
            .ok_or_else(|| PlanError::internal("a stage has no window among its groups"))?;
        let fields = stage.result_schema.fields();
        let (group_fields, result_fields) = fields
            .split_at_checked(groups)
            .ok_or_else(|| PlanError::internal("a result has too few columns"))?;
        for index in &keys {
            if let Some(field) = group_fields.get(*index) {
                check_storable(field)?;
            }
        }
        let results = match fill.with {
            FillWith::Previous => {
                for field in result_fields {
                    check_storable(field)?;
                }
                None
            }
            with => Some(
                result_fields
                    .iter()
                    .zip(&stage.aggregates)
                    .map(|(field, aggregate)| over_nothing(with, field, aggregate))
                    .collect::<Result<_>>()?,
            ),
        };
        Ok(Self {
            fill,
            keys,
            window,
            results,
        })
    }

    /// In how many windows after the last that had rows of it a key is filled.
    pub(crate) fn windows(&self) -> i64 {
        i64::from(self.fill.windows)
    }
}

/// As EXPLAIN says it, and as it counts in the fingerprint.
impl fmt::Display for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fill.fmt(f)
    }
}

/// Refuses filling in a query that has no windows to fill.
pub(crate) fn no_windows(reads_stream: bool) -> PlanError {
    let why = match reads_stream {
        true => "the query has no aggregation over windows",
        false => "the query reads no stream, and so has no windows that close",
    };
    PlanError::invalid("EMIT ON WINDOW CLOSE FILL needs windows").detail(why).hint(
        "write SELECT window_start, …, count(*) AS n FROM TUMBLE(stream, …) GROUP BY window_start, … EMIT ON WINDOW CLOSE FILL NULL",
    )
}

/// The uppermost aggregation over rows in windows.
fn last_aggregation(logical: &LogicalPlan) -> Result<Option<Aggregate>> {
    let mut found = None;
    logical.apply(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node
            && !over_results(&aggregate.input)
        {
            found = Some(aggregate.clone());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Whether an expression over `plan` is computed from event time or from a column of a window.
fn follows_time(plan: &LogicalPlan, expr: &Expr) -> Result<bool> {
    for column in expr.column_refs() {
        if column_follows_time(plan, column)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn column_follows_time(plan: &LogicalPlan, column: &Column) -> Result<bool> {
    match origin(plan, column) {
        Some(Origin::Window(..) | Origin::EventTime) => return Ok(true),
        Some(Origin::Stream(_)) => return Ok(false),
        None => {}
    }
    let lost = || PlanError::internal(format!("column {column} was lost in the plan"));
    let index = plan
        .schema()
        .maybe_index_of_column(column)
        .ok_or_else(lost)?;
    let below = |input: &LogicalPlan, index: usize| match index < input.schema().fields().len() {
        true => {
            let column = Column::from(input.schema().qualified_field(index));
            column_follows_time(input, &column)
        }
        // A column that the node adds: what it is computed from is not looked at.
        false => Ok(true),
    };
    match plan {
        LogicalPlan::Projection(projection) => match projection.expr.get(index) {
            Some(expr) => follows_time(&projection.input, expr),
            None => Err(lost()),
        },
        LogicalPlan::Filter(filter) => below(&filter.input, index),
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input, index),
        LogicalPlan::Window(window) => {
            let width = window.input.schema().fields().len();
            match index
                .checked_sub(width)
                .and_then(|own| window.window_expr.get(own))
            {
                Some(Expr::WindowFunction(function)) => {
                    // What it is partitioned by is the window, which says nothing of its value.
                    for arg in &function.params.args {
                        if follows_time(&window.input, arg)? {
                            return Ok(true);
                        }
                    }
                    Ok(false)
                }
                Some(expr) => follows_time(&window.input, &expr.clone().unalias()),
                None => below(&window.input, index),
            }
        }
        LogicalPlan::Aggregate(aggregate) => {
            let exprs = group_exprs(aggregate);
            // Between groups and results there may be a column that says which grouping set it is.
            let first = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
            let own = index.checked_sub(first);
            match own.and_then(|own| aggregate.aggr_expr.get(own)) {
                Some(expr) => follows_time(&aggregate.input, expr),
                None => match exprs.get(index) {
                    Some(expr) => follows_time(&aggregate.input, expr),
                    None => Ok(false),
                },
            }
        }
        LogicalPlan::Union(union) => {
            for input in &union.inputs {
                if below(input, index)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        LogicalPlan::Unnest(unnest) => match unnest.dependency_indices.get(index) {
            Some(index) => below(&unnest.input, *index),
            None => Err(lost()),
        },
        LogicalPlan::Extension(Extension { node }) => {
            if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
                return below(&window.input, index);
            }
            let Some(watermark) = node.as_any().downcast_ref::<WatermarkNode>() else {
                return Err(lost());
            };
            match watermark.time.column_refs().contains(column)
                && plain_column(&watermark.time).is_none()
            {
                true => Ok(true),
                false => below(&watermark.input, index),
            }
        }
        _ => Ok(false),
    }
}

/// Keys, and results that are carried forward, are kept as bytes.
fn check_storable(field: &Field) -> Result<()> {
    let sort = SortField::new(field.data_type().clone());
    match RowConverter::supports_fields(&[sort]) {
        true => Ok(()),
        false => Err(PlanError::unsupported(format!(
            "column \"{}\" is of type {}, which cannot be carried into windows without rows",
            field.name(),
            field.data_type()
        ))
        .hint("leave it out, or convert it with CAST")),
    }
}

/// What an aggregate gives for a window without rows.
fn over_nothing(
    with: FillWith,
    field: &Field,
    aggregate: &AggregateFunctionExpr,
) -> Result<ScalarValue> {
    let data_type = field.data_type();
    let value = aggregate.create_accumulator()?.evaluate()?;
    let value = match value.data_type() == *data_type {
        true => value,
        false => value.cast_to(data_type)?,
    };
    if !value.is_null() {
        return Ok(value);
    }
    if with == FillWith::Zero && data_type.is_numeric() {
        return Ok(ScalarValue::new_zero(data_type)?);
    }
    match field.is_nullable() {
        true => Ok(value),
        false => Err(PlanError::unsupported(format!(
            "aggregate {} has no value over no rows, and windows cannot be filled with it",
            aggregate.name()
        ))
        .hint("leave it out of the query, or leave FILL out")),
    }
}
