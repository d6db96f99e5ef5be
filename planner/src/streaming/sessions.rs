//! Whose rows a session is made of: those that agree in the GROUP BY keys, or in the columns of PARTITION BY.
//!
//! `SESSION(s PARTITION BY k, …)` is a relation: every row of `s` with the session of its `k`, whatever is grouped by above. So several
//! groups may share a session, and sessions of several `k` may come together in a group. What stands between the window and the
//! aggregation must not drop rows, for these would be missed in their session.

use std::ops::Range;

use datafusion::{
    common::{
        Column,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Aggregate, Expr, Extension, Filter, LogicalPlan},
};

use super::{
    carry::Carried,
    grouping::{group_exprs, grouping_sets},
    lineage::{below_window, plain_column},
    physical::Filters,
    program::WindowKey,
};
use crate::{
    error::{PlanError, Result},
    logical::{WindowNode, partition_column},
    operators::WindowColumn,
    windows::Windows,
};

/// Which group columns of a stage say whose rows a session is made of; none where there are no sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionKeys {
    /// Places among the group columns.
    pub(crate) columns: Vec<usize>,
    /// Group columns that are of PARTITION BY alone: part of the state, not of the results. They come first, so that the bits of a grouping
    /// set's number are those of the query's columns.
    pub(crate) hidden: Range<usize>,
    /// Which columns of PARTITION BY these are.
    left_out: Vec<usize>,
}

impl SessionKeys {
    pub(crate) fn of(
        aggregate: &Aggregate,
        window: &WindowNode,
        keys: &[WindowKey],
    ) -> Result<Self> {
        if !matches!(window.windows, Windows::Session { .. }) {
            return Ok(Self::default());
        }
        let exprs = group_exprs(aggregate);
        let sets = grouping_sets(aggregate)?;
        if window.partition.is_empty() {
            // Every grouping set has sessions of its own; the engine adds a column that says which set it is.
            let count = exprs.len() + usize::from(!sets.is_empty());
            return Ok(Self {
                columns: (0..count)
                    .filter(|index| keys.iter().all(|key| key.index != *index))
                    .collect(),
                ..Self::default()
            });
        }
        let mut found = Vec::with_capacity(window.partition.len());
        for place in places(window) {
            let is_same = |group: &&Expr| {
                let column = plain_column(group);
                let below = column.and_then(|column| below_window(&aggregate.input, column));
                below.is_some() && below == place
            };
            // In a set that leaves it out, a group column is NULL.
            found.push(exprs.iter().position(is_same).filter(|_| sets.is_empty()));
        }
        let numbers = found.iter().enumerate();
        let left_out: Vec<usize> = numbers
            .filter_map(|(number, found)| found.is_none().then_some(number))
            .collect();
        let hidden = 0..left_out.len();
        let mut next = hidden.clone();
        let columns = found
            .into_iter()
            .filter_map(|found| found.map_or_else(|| next.next(), |index| Some(index + hidden.end)))
            .collect();
        let by_end = keys.iter().any(|key| key.column != WindowColumn::Start);
        if !left_out.is_empty() && !by_end {
            return Err(PlanError::invalid(
                "GROUP BY over SESSION without window_end would add up sessions that end apart",
            )
            .detail("PARTITION BY makes sessions by a column that is not grouped by, and several of them may begin together")
            .hint("add window_end to GROUP BY"));
        }
        // The number of a grouping set is of a type that depends on how many columns there are.
        let id_type = Aggregate::grouping_id_type;
        let all = exprs.len() + hidden.len();
        if (0..sets.len()).any(|set| id_type(exprs.len(), set) != id_type(all, set)) {
            return Err(PlanError::unsupported(
                "so many columns in GROUPING SETS are not supported over SESSION with PARTITION BY",
            )
            .hint("leave a column out, or partition by fewer columns"));
        }
        Ok(Self {
            columns,
            hidden,
            left_out,
        })
    }

    /// The window's keys among all group columns, given their places among those of the query.
    pub(crate) fn shifted(&self, mut keys: Vec<WindowKey>) -> Vec<WindowKey> {
        for key in &mut keys {
            key.index += self.hidden.len();
        }
        keys
    }

    /// The hidden group columns, as they are called among the rows.
    pub(super) fn hidden(&self, rows: &Carried) -> Result<Vec<Column>> {
        let names = self.left_out.iter().copied().map(partition_column);
        names.map(|name| rows.column(&name).cloned()).collect()
    }
}

/// Refuses what drops rows between partitioned sessions and their aggregation; says what may be done with filters.
pub(crate) fn check_partitioned(plan: &LogicalPlan) -> Result<Filters> {
    let mut filters = Filters::Pushed;
    let mut refusal = None;
    plan.apply(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node
            && let Some(window) = partitioned(&aggregate.input)
        {
            filters = Filters::Kept;
            refusal = check_between(&aggregate.input, window).err();
        }
        Ok(match refusal {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    })?;
    refusal.map_or(Ok(filters), Err)
}

fn window_of(node: &LogicalPlan) -> Option<&WindowNode> {
    match node {
        LogicalPlan::Extension(Extension { node }) => node.as_any().downcast_ref(),
        _ => None,
    }
}

/// The partitioned sessions that a plan's rows are in.
fn partitioned(plan: &LogicalPlan) -> Option<&WindowNode> {
    if let Some(window) = window_of(plan) {
        return Some(window).filter(|window| !window.partition.is_empty());
    }
    match (plan, plan.inputs().as_slice()) {
        (LogicalPlan::Aggregate(_), _) => None,
        (_, [input]) => partitioned(input),
        _ => None,
    }
}

fn check_between(plan: &LogicalPlan, window: &WindowNode) -> Result<()> {
    match plan {
        _ if window_of(plan).is_some() => return Ok(()),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {}
        LogicalPlan::Filter(filter) if of_keys(filter, window) => {}
        LogicalPlan::Filter(_) => {
            return Err(PlanError::unsupported(
                "WHERE over SESSION with PARTITION BY is not supported in a continuous query",
            )
            .detail("the rows that it drops would still be part of their sessions, and so would have to be remembered")
            .hint("drop them before: SESSION((SELECT * FROM … WHERE …) PARTITION BY …); a WHERE over the columns of PARTITION BY alone is fine"));
        }
        other => {
            return Err(PlanError::unsupported(format!(
                "this is not supported between SESSION with PARTITION BY and GROUP BY: {}",
                other.display()
            ))
            .hint("do it before, in the relation: SESSION((SELECT …) PARTITION BY …)"));
        }
    }
    plan.inputs()
        .into_iter()
        .try_for_each(|input| check_between(input, window))
}

/// Where the columns of PARTITION BY stand in the window's relation.
fn places(window: &WindowNode) -> impl Iterator<Item = Option<usize>> + '_ {
    let schema = window.input.schema();
    let columns = window.partition.iter();
    columns.map(|column| schema.maybe_index_of_column(plain_column(column)?))
}

/// Whether a filter keeps or drops whole sessions.
fn of_keys(filter: &Filter, window: &WindowNode) -> bool {
    filter.predicate.column_refs().into_iter().all(|column| {
        let below = below_window(&filter.input, column);
        below.is_some() && places(window).any(|place| place == below)
    })
}
