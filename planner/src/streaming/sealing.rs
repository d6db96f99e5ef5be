//! When a partition gets no more rows, and how its rows are best ordered.
//!
//! A partition may get rows as long as a window that is still to come can start in it, and windows outlive their partition: one of a day starts
//! in hour 0 and closes a day later. What is known is the earliest start of a window that is still to come ([`earliest_start`]); a
//! partition whose time is before the one of that start is sealed. To be wrong here costs a second rewrite and nothing else.

use std::collections::BTreeMap;

use datafusion::{common::Column, logical_expr::LogicalPlan};

use super::{
    grouping::group_exprs,
    lineage::plain_column,
    partition::{Derived, Part},
    program::Stage,
};
use crate::{StateSnapshot, operators::WindowColumn, windows::Windows};

/// Which partitions of a table can be told to be before others, and the order of rows in its files.
#[derive(Clone, Debug, Default)]
pub struct Sealing {
    /// Partition columns that follow from time and whose order is that of time, the coarsest first.
    chain: Vec<Derived>,
    /// The table's columns that its rows are grouped by, in the table's order.
    pub keys: Vec<String>,
}

impl Sealing {
    pub(super) fn new(derived: &[Derived], keys: Vec<String>) -> Self {
        let of = |part: Part| derived.iter().find(|column| column.part() == part);
        let chain = match of(Part::Date) {
            Some(date) => {
                let finer = [Part::Hour, Part::Minute].into_iter().map_while(of);
                std::iter::once(date).chain(finer).cloned().collect()
            }
            None => {
                let parts = [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute];
                parts.into_iter().map_while(of).cloned().collect()
            }
        };
        Self { chain, keys }
    }

    /// Whether a partition gets no more rows, given the earliest start of a window that is still to come.
    pub fn is_sealed(&self, partition: &BTreeMap<String, Option<String>>, start_us: i64) -> bool {
        if start_us == i64::MAX {
            return true;
        }
        for column in &self.chain {
            let value = partition.get(&column.name).and_then(Option::as_deref);
            let value = value.and_then(|value| column.number_of(value));
            let (Some(value), Some(open)) = (value, column.number_at(start_us)) else {
                return false;
            };
            if value != open {
                return value < open;
            }
        }
        false
    }
}

/// The earliest start of a window that is still to come (in a query without windows: the earliest time of a row), in microseconds; `None`
/// while that is not known.
pub(super) fn earliest_start(stages: &[Stage], state: &StateSnapshot) -> Option<i64> {
    let mut watermark = state.watermark_us?;
    let mut start = watermark;
    for (number, stage) in stages.iter().enumerate() {
        if watermark == i64::MAX {
            return Some(i64::MAX);
        }
        let of_stage = |of: usize| of == number;
        let panes = state.panes.iter().filter(|pane| of_stage(pane.stage));
        let spilled = state.spilled.iter().filter(|pane| of_stage(pane.stage));
        let open = panes
            .map(|pane| pane.start_us)
            .chain(spilled.map(|pane| pane.start_us))
            .min();
        start = match stage.windows {
            // A session that is open began with its first pane; one that is still to come has no row before this.
            Windows::Session { gap_us, .. } => watermark.saturating_sub(gap_us),
            _ => stage.windows.watermark_of(WindowColumn::Start, watermark),
        };
        if stage.windows.is_session() {
            start = open.map_or(start, |open| start.min(open));
        }
        watermark = match stages.get(number + 1).and_then(Stage::time) {
            Some(WindowColumn::Start) | None => start,
            Some(column) => stage.windows.watermark_of(column, watermark),
        };
    }
    Some(start)
}

/// The columns of a plan that its rows are grouped by.
pub(super) fn grouped_columns(plan: &LogicalPlan) -> Vec<String> {
    let fields = plan.schema().fields();
    let names = fields.iter().enumerate();
    names
        .filter(|(index, _)| is_grouped(plan, *index))
        .map(|(_, field)| field.name().clone())
        .collect()
}

fn is_grouped(plan: &LogicalPlan, index: usize) -> bool {
    let below = |input: &LogicalPlan, column: &Column| {
        let index = input.schema().maybe_index_of_column(column);
        index.is_some_and(|index| is_grouped(input, index))
    };
    match plan {
        LogicalPlan::Projection(projection) => projection
            .expr
            .get(index)
            .and_then(plain_column)
            .is_some_and(|column| below(&projection.input, column)),
        LogicalPlan::Filter(filter) => is_grouped(&filter.input, index),
        LogicalPlan::SubqueryAlias(alias) => is_grouped(&alias.input, index),
        LogicalPlan::Window(window) => {
            index < window.input.schema().fields().len() && is_grouped(&window.input, index)
        }
        LogicalPlan::Aggregate(aggregate) => index < group_exprs(aggregate).len(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
