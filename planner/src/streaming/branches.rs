//! UNION ALL, taken apart: what stands above it goes into each of its branches, and every branch is a chain down to one stream.
//!
//! Rows of all branches are then aggregated into the same panes, so nothing above has to know where a row came from.

use std::sync::Arc;

use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Projection};

use crate::error::Result;

/// The chains of a plan over UNION ALL, all with the plan's schema; the plan itself where it has none.
pub(crate) fn branches(plan: &LogicalPlan) -> Result<Vec<LogicalPlan>> {
    if let LogicalPlan::Union(union) = plan {
        let mut chains = Vec::new();
        for input in &union.inputs {
            for chain in branches(input)? {
                chains.push(named_as(plan, chain)?);
            }
        }
        return Ok(chains);
    }
    let inputs = plan.inputs();
    let [input] = inputs.as_slice() else {
        return Ok(vec![plan.clone()]);
    };
    let below = branches(input)?;
    if below.len() == 1 {
        return Ok(vec![plan.clone()]);
    }
    below
        .into_iter()
        .map(|below| Ok(plan.with_new_exprs(plan.expressions(), vec![below])?))
        .collect()
}

/// A branch with the names, qualifiers and types of its union.
fn named_as(union: &LogicalPlan, branch: LogicalPlan) -> Result<LogicalPlan> {
    let mut exprs = Vec::new();
    for ((qualifier, field), column) in union.schema().iter().zip(branch.schema().columns()) {
        let expr = Expr::Column(column.clone());
        let expr = expr.cast_to(field.data_type(), branch.schema())?;
        let is_named = column.relation.as_ref() == qualifier && column.name == *field.name();
        exprs.push(match is_named {
            true => expr,
            false => expr.alias_qualified(qualifier.cloned(), field.name()),
        });
    }
    let projection = Projection::try_new(exprs, Arc::new(branch))?;
    Ok(LogicalPlan::Projection(projection))
}
