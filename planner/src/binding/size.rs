//! How large a plan is with everything that it names written out.
//!
//! A name of WITH or of a view stands for its query, which the engine writes out wherever the name stands. What a statement names is counted
//! before it is planned (`names.rs`). A column that adds up the column before twice, thirty times, is as large once a condition on it is moved
//! to where the rows come from; that is found here, before the engine moves anything. What two places name may be one node in memory, which
//! is looked at once.

use std::{collections::HashMap, ptr, rc::Rc};

use datafusion::{
    common::{
        Column,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{
        Expr, LogicalPlan, Subquery,
        expr::{Exists, InSubquery, SetComparison},
    },
};

use crate::error::{PlanError, PlanErrorKind};

/// The most operators of a plan.
pub(super) const MAX_OPERATORS: u64 = 10_000;

/// The most operators and columns of a condition, in terms of the columns of tables.
const MAX_CONDITION: u64 = 10_000;

/// Refuses a plan that takes the engine minutes, or all of the memory.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    match operators(plan)? > MAX_OPERATORS {
        true => Err(too_large()),
        false => Ok(()),
    }
}

/// How many operators a plan has.
pub(super) fn operators(plan: &LogicalPlan) -> Result<u64> {
    Ok(Sizes::default().of(plan)?.operators)
}

pub(super) fn too_large() -> datafusion::error::DataFusionError {
    too_complex(format!(
        "with its views and its WITH queries written out it has more than {MAX_OPERATORS} operators"
    ))
}

fn too_complex(detail: String) -> datafusion::error::DataFusionError {
    PlanError::new(PlanErrorKind::TooComplex, "statement is too complex")
        .detail(detail)
        .hint("write what it reads several times to a table, with CREATE TABLE … AS or CREATE TEMP TABLE … AS, and read that")
        .into_engine()
}

/// What a plan comes to.
#[derive(Debug)]
struct Size {
    operators: u64,
    /// Of each of its columns: operators and columns, in terms of the columns of tables.
    columns: Vec<u64>,
}

/// Sizes of nodes, by where they are.
#[derive(Default)]
struct Sizes(HashMap<*const LogicalPlan, Rc<Size>>);

impl Sizes {
    fn of(&mut self, plan: &LogicalPlan) -> Result<Rc<Size>> {
        let place = ptr::from_ref(plan);
        if let Some(known) = self.0.get(&place) {
            return Ok(Rc::clone(known));
        }
        let size = Rc::new(self.compute(plan)?);
        self.0.insert(place, Rc::clone(&size));
        Ok(size)
    }

    fn compute(&mut self, plan: &LogicalPlan) -> Result<Size> {
        let mut operators: u64 = 1;
        let mut inputs = Vec::new();
        for input in plan.inputs() {
            let size = self.of(input)?;
            operators = operators.saturating_add(size.operators);
            inputs.push((input, size));
        }
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some(subquery) = subquery_of(expr) {
                    let size = self.of(&subquery.subquery)?;
                    operators = operators.saturating_add(size.operators);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        let weigh = |expr: &Expr| weight(expr, &inputs);
        let columns = match plan {
            LogicalPlan::Projection(projection) => projection.expr.iter().map(weigh).collect(),
            LogicalPlan::Aggregate(aggregate) => {
                let keys = match aggregate.group_expr.as_slice() {
                    [Expr::GroupingSet(_)] => Vec::new(),
                    keys => keys.iter().map(weigh).collect(),
                };
                filled(keys, plan)
            }
            LogicalPlan::Union(_) => {
                let count = plan.schema().fields().len();
                let largest = |at: usize| {
                    let sizes = inputs.iter().filter_map(|(_, size)| size.columns.get(at));
                    sizes.max().copied().unwrap_or(1)
                };
                (0..count).map(largest).collect()
            }
            LogicalPlan::Filter(filter) => {
                condition(weigh(&filter.predicate))?;
                all(&inputs, plan)
            }
            LogicalPlan::Join(join) => {
                for (left, right) in &join.on {
                    condition(weigh(left).max(weigh(right)))?;
                }
                condition(join.filter.as_ref().map_or(0, weigh))?;
                all(&inputs, plan)
            }
            _ => all(&inputs, plan),
        };
        Ok(Size { operators, columns })
    }
}

type Inputs<'a> = [(&'a LogicalPlan, Rc<Size>)];

/// Columns of the inputs one after the other, and of what the operator adds.
fn all(inputs: &Inputs<'_>, plan: &LogicalPlan) -> Vec<u64> {
    let columns = inputs.iter().flat_map(|(_, size)| size.columns.iter());
    filled(columns.copied().collect(), plan)
}

/// As many as the operator has columns.
fn filled(mut columns: Vec<u64>, plan: &LogicalPlan) -> Vec<u64> {
    columns.resize(plan.schema().fields().len(), 1);
    columns
}

/// An expression's operators and columns. Constants are none: a list of ten thousand is no work.
fn weight(expr: &Expr, inputs: &Inputs<'_>) -> u64 {
    let column = |column: &Column| {
        let found = inputs.iter().find_map(|(input, size)| {
            let at = input.schema().maybe_index_of_column(column)?;
            size.columns.get(at)
        });
        found.copied().unwrap_or(1)
    };
    let mut sum: u64 = 0;
    let walked = expr.apply(|expr| {
        sum = sum.saturating_add(match expr {
            Expr::Column(name) => column(name),
            Expr::Literal(..) => 0,
            _ => 1,
        });
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_or(u64::MAX, |_| sum)
}

fn condition(weight: u64) -> Result<()> {
    match weight > MAX_CONDITION {
        true => Err(too_complex(format!(
            "a condition on computed columns, with what they are computed from written out, has more than {MAX_CONDITION} operators"
        ))),
        false => Ok(()),
    }
}

fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(subquery),
        _ => None,
    }
}
