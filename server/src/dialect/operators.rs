//! Operators of PostgreSQL's that depend on the types beside them: an interval multiplied, a date and an interval, lists that overlap.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::{
    common::{DFSchema, DataFusionError, Result},
    functions_nested::array_has::array_has_any_udf,
    logical_expr::{
        Cast, Expr, ExprSchemable, Operator, binary_expr,
        expr::{Placeholder, ScalarFunction},
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    prelude::lit,
    scalar::ScalarValue,
};
use sluice_sql::ast::BinaryOperator;

use super::catalog::{interval_times, jsonb_concat, jsonb_key, jsonb_without};
use crate::{
    arithmetic::reader_of_lists,
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
        if expr.op == B::StringConcat {
            if left.is_list() && is_written_list(&expr.right) {
                let right = list_of(expr.right, &left);
                return Ok(PlannerResult::Original(RawBinaryExpr { right, ..expr }));
            }
            if right.is_list() && is_written_list(&expr.left) {
                let left = list_of(expr.left, &right);
                return Ok(PlannerResult::Original(RawBinaryExpr { left, ..expr }));
            }
        }
        if matches!(expr.op, B::StringConcat | B::Minus) {
            let sides = (is_jsonb(&expr.left, schema), is_jsonb(&expr.right, schema));
            let function = match (&expr.op, sides) {
                (B::StringConcat, (true, true)) => Some(jsonb_concat()),
                (B::StringConcat, (true, false)) if is_open(&expr.right) => Some(jsonb_concat()),
                (B::StringConcat, (false, true)) if is_open(&expr.left) => Some(jsonb_concat()),
                (B::Minus, (true, false)) => Some(jsonb_without()),
                _ => None,
            };
            if let Some(function) = function {
                let sides = match expr.op {
                    B::StringConcat => vec![as_jsonb(expr.left), as_jsonb(expr.right)],
                    _ => vec![expr.left, expr.right],
                };
                let call = ScalarFunction::new_udf(function, sides);
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

/// What a `jsonb` is compared and ordered by, in the place of its text.
pub(crate) fn key_of_jsonb(value: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(jsonb_key(), vec![value]))
}

/// Whether it is of the type `jsonb`, which a text carries.
pub(crate) fn is_jsonb(expr: &Expr, schema: &DFSchema) -> bool {
    if is_marked(expr, "jsonb", schema) {
        return true;
    }
    // What one of several is bears no mark; all of them are of one type.
    match expr {
        Expr::Alias(alias) => is_jsonb(&alias.expr, schema),
        Expr::Case(case) => {
            let thens = case.when_then_expr.iter().map(|(_, then)| then);
            let mut branches = thens.chain(&case.else_expr);
            branches.any(|branch| is_jsonb(branch, schema))
        }
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            ("coalesce" | "nullif" | "greatest" | "least", arguments) => {
                arguments.iter().any(|argument| is_jsonb(argument, schema))
            }
            ("array_element", [Expr::ScalarFunction(list), ..]) if list.name() == "make_array" => {
                list.args.iter().any(|element| is_jsonb(element, schema))
            }
            ("array_element", [list, ..]) => is_marked(list, "jsonb[]", schema),
            _ => false,
        },
        _ => false,
    }
}

fn is_marked(expr: &Expr, name: &str, schema: &DFSchema) -> bool {
    expr.to_field(schema).is_ok_and(|(_, field)| {
        let mark = field.metadata().get(TYPE);
        mark.is_some_and(|mark| mark == name)
    })
}

/// Whether it may be of any type yet.
fn is_open(expr: &Expr) -> bool {
    is_unknown(expr) || matches!(expr, Expr::Placeholder(_))
}

/// A parameter beside a `jsonb` is one, and is told as such.
fn as_jsonb(side: Expr) -> Expr {
    match side {
        Expr::Placeholder(Placeholder { id, .. }) => {
            let mark = HashMap::from([(TYPE.to_owned(), "jsonb".to_owned())]);
            let field = Field::new(&id, DataType::Utf8, true).with_metadata(mark);
            let field = Some(Arc::new(field));
            Expr::Placeholder(Placeholder { id, field })
        }
        other => other,
    }
}

/// Whether it is a text in quotes, which may be anything yet.
fn is_unknown(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _))
}

/// Whether it is the text of a list, such as `'{a,b}'`.
fn is_written_list(expr: &Expr) -> bool {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = expr else {
        return false;
    };
    let text = text.trim();
    text.starts_with('{') && text.ends_with('}')
}

/// The list of this type that a text stands for.
fn list_of(text: Expr, to: &DataType) -> Expr {
    let reader = Arc::new(reader_of_lists(to));
    Expr::ScalarFunction(ScalarFunction::new_udf(reader, vec![text]))
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
