//! Operators of PostgreSQL's that depend on the types beside them: an interval multiplied, a date and an interval, lists that overlap.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{DFSchema, DataFusionError, Result},
    functions_nested::array_has::array_has_any_udf,
    logical_expr::{
        Cast, Expr, ExprSchemable, Operator, binary_expr,
        expr::ScalarFunction,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    prelude::lit,
    scalar::ScalarValue,
};
use sluice_sql::ast::BinaryOperator;

use super::catalog::{interval_times, jsonb_concat, jsonb_without};
use crate::{
    doors::pg::TYPE,
    error::{Error, SqlState},
    table::external,
};

/// The planners of a session with ours before them.
pub(super) fn before(planners: &[Arc<dyn ExprPlanner>]) -> Vec<Arc<dyn ExprPlanner>> {
    let known = format!("{Operators:?}");
    let others = planners
        .iter()
        .filter(|planner| format!("{planner:?}") != known);
    let mut all: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators)];
    all.extend(others.cloned());
    all
}

#[derive(Debug)]
struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator as B;
        let types = (expr.left.get_type(schema), expr.right.get_type(schema));
        let (Ok(left), Ok(right)) = types else {
            return Ok(PlannerResult::Original(expr));
        };
        let arithmetic = matches!(
            expr.op,
            B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo
        );
        if arithmetic {
            match (is_unknown(&expr.left), is_unknown(&expr.right)) {
                (true, true) => return Err(not_unique(&expr.op)),
                // A literal in quotes is of the type beside it.
                (true, false) if right.is_numeric() => {
                    let left = Expr::Cast(Cast::new(Box::new(expr.left), right));
                    return Ok(PlannerResult::Original(RawBinaryExpr { left, ..expr }));
                }
                (false, true) if left.is_numeric() => {
                    let right = Expr::Cast(Cast::new(Box::new(expr.right), left));
                    return Ok(PlannerResult::Original(RawBinaryExpr { right, ..expr }));
                }
                _ => {}
            }
        }
        if matches!(expr.op, B::StringConcat | B::Minus) {
            let sides = (is_jsonb(&expr.left, schema), is_jsonb(&expr.right, schema));
            let function = match (&expr.op, sides) {
                (B::StringConcat, (true, true)) => Some(jsonb_concat()),
                (B::StringConcat, (true, false)) if is_unknown(&expr.right) => Some(jsonb_concat()),
                (B::StringConcat, (false, true)) if is_unknown(&expr.left) => Some(jsonb_concat()),
                (B::Minus, (true, false)) => Some(jsonb_without()),
                _ => None,
            };
            if let Some(function) = function {
                let call = ScalarFunction::new_udf(function, vec![expr.left, expr.right]);
                return Ok(PlannerResult::Planned(Expr::ScalarFunction(call)));
            }
        }
        let planned = match (&expr.op, &left, &right) {
            (B::Multiply, DataType::Interval(_), other) if other.is_numeric() => {
                times(expr.left, expr.right)
            }
            (B::Multiply, other, DataType::Interval(_)) if other.is_numeric() => {
                times(expr.right, expr.left)
            }
            (B::Divide, DataType::Interval(_), other) if other.is_numeric() => {
                let divisor = Expr::Cast(Cast::new(Box::new(expr.right), DataType::Float64));
                times(expr.left, binary_expr(lit(1.0), Operator::Divide, divisor))
            }
            (B::Plus | B::Minus, DataType::Date32, DataType::Interval(_)) => {
                let op = match expr.op {
                    B::Plus => Operator::Plus,
                    _ => Operator::Minus,
                };
                binary_expr(moment(expr.left), op, expr.right)
            }
            (B::Plus, DataType::Interval(_), DataType::Date32) => {
                binary_expr(expr.left, Operator::Plus, moment(expr.right))
            }
            (B::PGOverlap, one, other) if one.is_list() && other.is_list() => {
                let sides = vec![expr.left, expr.right];
                Expr::ScalarFunction(ScalarFunction::new_udf(array_has_any_udf(), sides))
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(planned))
    }
}

/// Whether it is of the type `jsonb`, which a text carries.
fn is_jsonb(expr: &Expr, schema: &DFSchema) -> bool {
    expr.to_field(schema).is_ok_and(|(_, field)| {
        let mark = field.metadata().get(TYPE);
        mark.is_some_and(|mark| mark == "jsonb")
    })
}

/// Whether it is a text in quotes, which may be anything yet.
fn is_unknown(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _))
}

fn not_unique(op: &BinaryOperator) -> DataFusionError {
    external(
        Error::user(
            SqlState::AmbiguousFunction,
            format!("operator is not unique: unknown {op} unknown"),
        )
        .with_hint("Say of which type one of them is: CAST('…' AS INT)."),
    )
}

/// A date at midnight.
fn moment(date: Expr) -> Expr {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    Expr::Cast(Cast::new(Box::new(date), timestamp))
}

fn times(interval: Expr, factor: Expr) -> Expr {
    let call = ScalarFunction::new_udf(interval_times(), vec![interval, factor]);
    Expr::ScalarFunction(call)
}
