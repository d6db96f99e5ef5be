//! Types for a plan's parameters, so that a statement's columns can be described before their values are known.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field};
use datafusion::{
    common::tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    error::Result,
    logical_expr::{Expr, LogicalPlan, expr::Placeholder},
};

/// The plan with every `$n` given a type: what the client said (`hints`), else what the plan itself tells, else text, as PostgreSQL has it.
///
/// A client's numeric gives way to a floating-point type that the plan asks for: numbers are sent as numerics by drivers that have no
/// better type for them, and the engine would compare in decimals, which have no NaN.
pub fn with_parameter_types(plan: LogicalPlan, hints: &[Option<DataType>]) -> Result<LogicalPlan> {
    let inferred = inferred(&plan)?;
    let type_of = |id: &str| -> DataType {
        let known = inferred.get(id).cloned().flatten();
        let hint = id
            .strip_prefix('$')
            .and_then(|number| number.parse::<usize>().ok())
            .and_then(|number| hints.get(number.checked_sub(1)?).cloned().flatten());
        match (hint, known) {
            (Some(hint), Some(known)) if hint.is_decimal() && known.is_floating() => known,
            (Some(hint), _) => hint,
            (None, Some(known)) if known != DataType::Null => known,
            (None, _) => DataType::Utf8,
        }
    };
    if inferred.is_empty() {
        return Ok(plan);
    }
    let typed = plan.transform_up_with_subqueries(|node| {
        let node = node.map_expressions(|expr| {
            expr.transform_up(|expr| match expr {
                Expr::Placeholder(Placeholder { id, .. }) => {
                    let field = Field::new(id.clone(), type_of(&id), true);
                    Ok(Transformed::yes(Expr::Placeholder(Placeholder {
                        id,
                        field: Some(field.into()),
                    })))
                }
                other => Ok(Transformed::no(other)),
            })
        })?;
        node.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(typed.data)
}

/// The types the planner gave to placeholders. One that is used twice may be known at one place only.
fn inferred(plan: &LogicalPlan) -> Result<HashMap<String, Option<DataType>>> {
    let mut types: HashMap<String, Option<DataType>> = HashMap::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Placeholder(Placeholder { id, field }) = expr {
                    let known = types.entry(id.clone()).or_default();
                    if let (None, Some(field)) = (&known, field) {
                        *known = Some(field.data_type().clone());
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(types)
}
