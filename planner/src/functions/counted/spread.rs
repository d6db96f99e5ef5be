//! Which calls give one long value for all rows, and which give each row its copy.
//!
//! What stands alone (a column of the result, a value to be aggregated) is copied for each row of a batch by the engine, and nobody would count
//! that: such a call makes the copies itself. A call within one that counts what it is given, or that looks at one value for all rows, makes none.
//! The rule is the last one, for others move expressions. A call that it has not seen makes copies.

use std::sync::Arc;

use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Volatility, expr::ScalarFunction},
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

use super::Counted;

/// Functions that answer with something short, and of one value look at one.
const LOOKING: [&str; 9] = [
    "array_length",
    "ascii",
    "bit_length",
    "cardinality",
    "character_length",
    "ends_with",
    "octet_length",
    "starts_with",
    "strpos",
];

/// The rule.
#[derive(Debug)]
pub(super) struct Spreading;

impl OptimizerRule for Spreading {
    fn name(&self) -> &'static str {
        "counted_values_of_rows"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !has_counted(&plan)? {
            return Ok(Transformed::no(plan));
        }
        plan.map_expressions(|expr| {
            let expr = expr.transform_up(|parent| {
                let spreads = !takes_one(&parent);
                parent.map_children(|child| Ok(spreading(child, spreads)))
            })?;
            expr.transform_data(|expr| Ok(spreading(expr, true)))
        })
    }
}

fn has_counted(plan: &LogicalPlan) -> Result<bool> {
    let mut any = false;
    plan.apply_expressions(|expr| {
        any |= expr.exists(|expr| {
            Ok(match expr {
                Expr::ScalarFunction(call) => is_counted(call),
                _ => false,
            })
        })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(any)
}

fn is_counted(call: &ScalarFunction) -> bool {
    call.func.inner().is::<Counted>()
}

/// Whether an expression counts copies of what it is given, or makes none.
fn takes_one(parent: &Expr) -> bool {
    use Operator as O;
    match parent {
        Expr::ScalarFunction(call) => {
            let looks = LOOKING.contains(&call.name()) && call.args.iter().all(is_one);
            looks || is_counted(call)
        }
        Expr::BinaryExpr(BinaryExpr { op, .. }) => {
            matches!(op, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq)
        }
        _ => false,
    }
}

/// Whether an expression has one value for all rows, and the engine knows.
fn is_one(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Cast(cast) => is_one(&cast.expr),
        Expr::ScalarFunction(call) => {
            call.func.signature().volatility != Volatility::Volatile && call.args.iter().all(is_one)
        }
        _ => false,
    }
}

/// The expression, if it is such a call one that makes copies or makes none.
fn spreading(expr: Expr, spreads: bool) -> Transformed<Expr> {
    match expr {
        Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Counted>() {
            Some(counted) if counted.spreads != spreads => {
                let counted = Counted::made(
                    Arc::clone(&counted.inner),
                    Arc::clone(&counted.pool),
                    spreads,
                );
                let call = ScalarFunction::new_udf(counted, call.args);
                Transformed::yes(Expr::ScalarFunction(call))
            }
            _ => Transformed::no(Expr::ScalarFunction(call)),
        },
        other => Transformed::no(other),
    }
}
