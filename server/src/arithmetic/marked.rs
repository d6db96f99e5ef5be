//! Literals beside values of a type that a text carries: a `uuid` is the same in any spelling, of a `char(n)` blanks at the end do not count.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{DFSchema, Result},
    logical_expr::{
        Between, BinaryExpr, Case, Expr, ExprSchemable, Operator,
        expr::{InList, ScalarFunction},
    },
    scalar::ScalarValue,
};

use crate::{doors::pg::TYPE, table::external, write::compared_with};

/// The comparison with its literal as the other side's type has it; `None` where it is so.
pub(super) fn compared(expr: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    match expr {
        Expr::BinaryExpr(binary) if compares(binary.op) => {
            let BinaryExpr { left, op, right } = binary;
            if let Some((left, right)) = rows(left, right, schema)? {
                let rows = BinaryExpr::new(Box::new(left), *op, Box::new(right));
                return Ok(Some(Expr::BinaryExpr(rows)));
            }
            if let Some(other) = literal(left, right, schema)? {
                let other = BinaryExpr::new(left.clone(), *op, Box::new(other));
                return Ok(Some(Expr::BinaryExpr(other)));
            }
            let other = literal(right, left, schema)?;
            Ok(other.map(|other| {
                Expr::BinaryExpr(BinaryExpr::new(Box::new(other), *op, right.clone()))
            }))
        }
        Expr::InList(list) if row(&list.expr).is_some() => in_rows(list, schema),
        Expr::InList(list) => {
            let mut changed = false;
            let mut all = Vec::with_capacity(list.list.len());
            // A list of thousands beside what has no mark is not gone through.
            if marked(&list.expr, schema).is_none() {
                return Ok(None);
            }
            for element in &list.list {
                let other = literal(&list.expr, element, schema)?;
                changed |= other.is_some();
                all.push(other.unwrap_or_else(|| element.clone()));
            }
            Ok(changed.then(|| Expr::InList(InList::new(list.expr.clone(), all, list.negated))))
        }
        Expr::Between(between) => {
            let ends = [&*between.expr, &*between.low, &*between.high];
            let Some(ends) = beside(&ends, schema, Beside::Compared)? else {
                return Ok(None);
            };
            let mut ends = ends.into_iter().map(Box::new);
            let (Some(value), Some(low), Some(high)) = (ends.next(), ends.next(), ends.next())
            else {
                return Ok(None);
            };
            let between = Between::new(value, between.negated, low, high);
            Ok(Some(Expr::Between(between)))
        }
        Expr::Case(case) => of_case(case, schema),
        Expr::ScalarFunction(call) => {
            let how = match call.name() {
                "coalesce" | "greatest" | "least" => Beside::Given,
                "nullif" => Beside::Compared,
                _ => return Ok(None),
            };
            let arguments: Vec<&Expr> = call.args.iter().collect();
            let arguments = beside(&arguments, schema, how)?;
            Ok(arguments.map(|arguments| called(call, arguments)))
        }
        _ => Ok(None),
    }
}

fn called(call: &ScalarFunction, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&call.func), arguments))
}

/// What is done with values that stand beside each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// They are compared.
    Compared,
    /// One of them is given. Of a `char(n)` the blanks at its end are given as well.
    Given,
}

/// The values with literals as the type has it that one of them carries; `None` where they are so.
fn beside(values: &[&Expr], schema: &DFSchema, how: Beside) -> Result<Option<Vec<Expr>>> {
    // Most are of no such type, and a column is found out about only beside a literal.
    if !values.iter().any(|value| is_text(value)) {
        return Ok(None);
    }
    let carries = |value: &&&Expr| {
        marked(value, schema).is_some_and(|field| {
            let mark = field.metadata().get(TYPE).map(String::as_str);
            how == Beside::Compared || matches!(mark, Some("uuid" | "jsonb"))
        })
    };
    let Some(value) = values.iter().find(carries) else {
        return Ok(None);
    };
    let mut changed = false;
    let mut all = Vec::with_capacity(values.len());
    for other in values {
        let kept = literal(value, other, schema)?;
        changed |= kept.is_some();
        all.push(kept.unwrap_or_else(|| (*other).clone()));
    }
    Ok(changed.then_some(all))
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _))
}

/// `CASE id WHEN '…'` compares, and of `THEN id ELSE '…'` one is given.
fn of_case(case: &Case, schema: &DFSchema) -> Result<Option<Expr>> {
    let mut other = case.clone();
    let mut changed = false;
    if let Some(value) = &case.expr {
        let whens = case.when_then_expr.iter().map(|(when, _)| when.as_ref());
        let all: Vec<&Expr> = std::iter::once(value.as_ref()).chain(whens).collect();
        if let Some(all) = beside(&all, schema, Beside::Compared)? {
            let mut all = all.into_iter().map(Box::new);
            other.expr = all.next();
            for ((when, _), kept) in other.when_then_expr.iter_mut().zip(all) {
                *when = kept;
            }
            changed = true;
        }
    }
    let thens = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
    let given: Vec<&Expr> = thens.chain(case.else_expr.as_deref()).collect();
    if let Some(given) = beside(&given, schema, Beside::Given)? {
        let mut given = given.into_iter().map(Box::new);
        for ((_, then), kept) in other.when_then_expr.iter_mut().zip(given.by_ref()) {
            *then = kept;
        }
        if other.else_expr.is_some() {
            other.else_expr = given.next();
        }
        changed = true;
    }
    Ok(changed.then_some(Expr::Case(other)))
}

/// `(id, n)`, to the engine a structure.
fn row(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::ScalarFunction(call) if call.name() == "struct" => Some(call),
        _ => None,
    }
}

/// Two rows that are compared, one value of them beside the other; `None` where they are so, or are none.
fn rows(one: &Expr, other: &Expr, schema: &DFSchema) -> Result<Option<(Expr, Expr)>> {
    let (Some(one), Some(other)) = (row(one), row(other)) else {
        return Ok(None);
    };
    if one.args.len() != other.args.len() {
        return Ok(None);
    }
    let mut changed = false;
    let (mut left, mut right) = (one.args.clone(), other.args.clone());
    for (left, right) in left.iter_mut().zip(&mut right) {
        if let Some(kept) = literal(left, right, schema)? {
            *right = kept;
            changed = true;
        } else if let Some(kept) = literal(right, left, schema)? {
            *left = kept;
            changed = true;
        }
    }
    Ok(changed.then(|| (called(one, left), called(other, right))))
}

/// `(id, n) IN (('…', 1), ('…', 2))`.
fn in_rows(list: &InList, schema: &DFSchema) -> Result<Option<Expr>> {
    let mut changed = false;
    let mut all = Vec::with_capacity(list.list.len());
    for element in &list.list {
        // Of the row before the list, values alone could change that are literals.
        let kept = rows(&list.expr, element, schema)?.map(|(_, kept)| kept);
        changed |= kept.is_some();
        all.push(kept.unwrap_or_else(|| element.clone()));
    }
    Ok(changed.then(|| Expr::InList(InList::new(list.expr.clone(), all, list.negated))))
}

/// Whether an operator compares its sides.
pub(super) fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// The field of an expression that says which type its text carries.
fn marked(expr: &Expr, schema: &DFSchema) -> Option<FieldRef> {
    // Casts and functions have no such mark, and what they are of is asked often.
    if !matches!(expr, Expr::Column(_) | Expr::ScalarFunction(_)) {
        return None;
    }
    let (_, field) = expr.to_field(schema).ok()?;
    let text = field.data_type() == &DataType::Utf8;
    (text && field.metadata().contains_key(TYPE)).then_some(field)
}

/// The literal `other` as the type of `value` has it; `None` where it is so, or is no literal.
fn literal(value: &Expr, other: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) = other else {
        return Ok(None);
    };
    let Some(field) = marked(value, schema) else {
        return Ok(None);
    };
    let kept = compared_with(&field, text).map_err(external)?;
    Ok((kept != *text).then(|| Expr::Literal(ScalarValue::Utf8(Some(kept)), metadata.clone())))
}
