//! Where a column comes from: the window, event time, or a column of the stream.

use datafusion::{
    common::Column,
    logical_expr::{Expr, Extension, LogicalPlan},
};

use super::grouping::group_exprs;
use crate::{
    logical::{WatermarkNode, WindowNode},
    operators::WindowColumn,
};

/// Where a column comes from, when it comes from there unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A column of a window node; the nearest one is number 0, the one below it number 1.
    Window(usize, WindowColumn),
    /// The event-time column, at its watermark.
    EventTime,
    /// Another column of the stream.
    Stream(String),
}

/// Follows a column of `plan`'s output down to where it comes from; `None` when it is computed on the way.
pub(crate) fn origin(plan: &LogicalPlan, column: &Column) -> Option<Origin> {
    origin_below(plan, column, 0)
}

fn origin_below(plan: &LogicalPlan, column: &Column, windows: usize) -> Option<Origin> {
    let index = plan.schema().maybe_index_of_column(column)?;
    match plan {
        LogicalPlan::Projection(projection) => {
            let expr = projection.expr.get(index)?;
            origin_below(&projection.input, plain_column(expr)?, windows)
        }
        LogicalPlan::Filter(filter) => origin_below(&filter.input, column, windows),
        LogicalPlan::SubqueryAlias(alias) => {
            origin_below(&alias.input, &column_at(&alias.input, index), windows)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let group = plain_column(group_exprs(aggregate).get(index)?)?;
            origin_below(&aggregate.input, group, windows)
        }
        LogicalPlan::Union(union) => {
            let mut origins = union
                .inputs
                .iter()
                .map(|input| origin_below(input, &column_at(input, index), windows));
            let first = origins.next()??;
            origins
                .all(|other| other.as_ref() == Some(&first))
                .then_some(first)
        }
        LogicalPlan::Window(window) => {
            let width = window.input.schema().fields().len();
            let below = (index < width).then(|| column_at(&window.input, index))?;
            origin_below(&window.input, &below, windows)
        }
        LogicalPlan::Unnest(unnest) => {
            let below = *unnest.dependency_indices.get(index)?;
            let unnested = unnest
                .list_type_columns
                .iter()
                .any(|(list, _)| *list == below)
                || unnest.struct_type_columns.contains(&below);
            match unnested {
                true => None,
                false => origin_below(&unnest.input, &column_at(&unnest.input, below), windows),
            }
        }
        LogicalPlan::TableScan(_) => Some(Origin::Stream(column.name.clone())),
        LogicalPlan::Extension(Extension { node }) => {
            if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
                return match window.column_at(index) {
                    Some(column) => Some(Origin::Window(windows, column)),
                    None => {
                        let column = column_at(&window.input, index);
                        origin_below(&window.input, &column, windows + 1)
                    }
                };
            }
            let watermark = node.as_any().downcast_ref::<WatermarkNode>()?;
            match plain_column(&watermark.time) {
                Some(time) if plan.schema().maybe_index_of_column(time) == Some(index) => {
                    Some(Origin::EventTime)
                }
                _ => origin_below(
                    &watermark.input,
                    &column_at(&watermark.input, index),
                    windows,
                ),
            }
        }
        _ => None,
    }
}

/// Where a column of `plan`'s output stands in the relation of the nearest window, when it comes from there unchanged.
pub(crate) fn below_window(plan: &LogicalPlan, column: &Column) -> Option<usize> {
    let index = plan.schema().maybe_index_of_column(column)?;
    match plan {
        LogicalPlan::Projection(projection) => {
            let expr = projection.expr.get(index)?;
            below_window(&projection.input, plain_column(expr)?)
        }
        LogicalPlan::Filter(filter) => below_window(&filter.input, column),
        LogicalPlan::SubqueryAlias(alias) => {
            below_window(&alias.input, &column_at(&alias.input, index))
        }
        LogicalPlan::Extension(Extension { node }) => {
            let window = node.as_any().downcast_ref::<WindowNode>()?;
            let width = window.input.schema().fields().len();
            (index < width).then_some(index)
        }
        _ => None,
    }
}

fn column_at(plan: &LogicalPlan, index: usize) -> Column {
    Column::from(plan.schema().qualified_field(index))
}

/// The column that an expression is, under its aliases.
pub(crate) fn plain_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain_column(&alias.expr),
        _ => None,
    }
}
