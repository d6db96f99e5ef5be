//! Where a column comes from: the window, event time, or a column of the stream.

use datafusion::{
    common::Column,
    logical_expr::{Expr, Extension, LogicalPlan},
};

use crate::logical::{TumbleNode, WatermarkNode};

/// Where a column comes from, when it comes from there unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `window_start` of the window node.
    WindowStart,
    /// `window_end` of the window node.
    WindowEnd,
    /// The event-time column, at its watermark.
    EventTime,
    /// Another column of the stream.
    Stream(String),
}

/// Follows a column of `plan`'s output down to where it comes from; `None` when it is computed on the way.
pub(crate) fn origin(plan: &LogicalPlan, column: &Column) -> Option<Origin> {
    let index = plan.schema().maybe_index_of_column(column)?;
    match plan {
        LogicalPlan::Projection(projection) => {
            let expr = projection.expr.get(index)?;
            origin(&projection.input, plain_column(expr)?)
        }
        LogicalPlan::Filter(filter) => origin(&filter.input, column),
        LogicalPlan::SubqueryAlias(alias) => origin(&alias.input, &column_at(&alias.input, index)),
        LogicalPlan::TableScan(_) => Some(Origin::Stream(column.name.clone())),
        LogicalPlan::Extension(Extension { node }) => {
            if let Some(tumble) = node.as_any().downcast_ref::<TumbleNode>() {
                let width = tumble.input.schema().fields().len();
                return match index.checked_sub(width) {
                    Some(0) => Some(Origin::WindowStart),
                    Some(_) => Some(Origin::WindowEnd),
                    None => origin(&tumble.input, &column_at(&tumble.input, index)),
                };
            }
            let watermark = node.as_any().downcast_ref::<WatermarkNode>()?;
            match plain_column(&watermark.time) {
                Some(time) if plan.schema().maybe_index_of_column(time) == Some(index) => {
                    Some(Origin::EventTime)
                }
                _ => origin(&watermark.input, &column_at(&watermark.input, index)),
            }
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
