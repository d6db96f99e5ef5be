//! `jsonb` is compared and ordered by what it says: `1.0` is `1`, and an object is more than an array.
//!
//! A text carries it. Where two of them are compared, or rows are in the order of one, a key takes the place of the text. GROUP BY, DISTINCT,
//! UNION, USING and `IN (SELECT …)` go by the text.

use datafusion::{
    common::DFSchema,
    logical_expr::{
        Between, BinaryExpr, Expr, Operator,
        expr::{InList, WindowFunction},
    },
    scalar::ScalarValue,
};

use super::marked::compares;
use crate::dialect::{is_jsonb, key_of_jsonb};

/// The comparison by keys; `None` where none of what is compared is a `jsonb`, or something else is among it.
pub(super) fn compared(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            let [left, right] = keys([left.as_ref(), right.as_ref()], schema)?;
            Some(binary(left, *op, right))
        }
        Expr::Between(between) => {
            let ends = [&*between.expr, &*between.low, &*between.high];
            let [value, low, high] = keys(ends, schema)?;
            Some(Expr::Between(Between::new(
                Box::new(value),
                between.negated,
                Box::new(low),
                Box::new(high),
            )))
        }
        Expr::InList(list) if is_one(&list.expr, schema) => {
            let mut elements = list.list.iter();
            if !elements.all(|element| is_open(element) || is_one(element, schema)) {
                return None;
            }
            let elements = list.list.iter().cloned().map(key_of_jsonb).collect();
            let value = Box::new(key_of_jsonb(list.expr.as_ref().clone()));
            Some(Expr::InList(InList::new(value, elements, list.negated)))
        }
        Expr::WindowFunction(function) => in_window(function, schema),
        _ => None,
    }
}

/// What rows are in the order of: the key of a `jsonb`, anything else as it is. Whether it is another.
pub(super) fn ordered(expr: Expr, schema: &DFSchema) -> (Expr, bool) {
    match is_one(&expr, schema) {
        true => (key_of_jsonb(expr), true),
        false => (expr, false),
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// The keys of what is compared.
fn keys<const N: usize>(sides: [&Expr; N], schema: &DFSchema) -> Option<[Expr; N]> {
    let mut found = false;
    for side in sides {
        match is_one(side, schema) {
            true => found = true,
            false if is_open(side) => {}
            false => return None,
        }
    }
    found.then(|| sides.map(|side| key_of_jsonb(side.clone())))
}

/// `OVER (PARTITION BY doc ORDER BY doc)`.
fn in_window(function: &WindowFunction, schema: &DFSchema) -> Option<Expr> {
    let mut other = function.clone();
    let mut changed = false;
    let partitions = other.params.partition_by.iter_mut();
    let orders = other.params.order_by.iter_mut().map(|sort| &mut sort.expr);
    for expr in partitions.chain(orders) {
        if is_one(expr, schema) {
            *expr = key_of_jsonb(expr.clone());
            changed = true;
        }
    }
    changed.then(|| Expr::WindowFunction(Box::new(other)))
}

/// Whether it is a `jsonb`. What stands in the query around is left: the engine takes such a subquery apart where it compares columns.
fn is_one(expr: &Expr, schema: &DFSchema) -> bool {
    let may_be = matches!(
        expr,
        Expr::Alias(_)
            | Expr::Case(_)
            | Expr::Column(_)
            | Expr::ScalarFunction(_)
            | Expr::ScalarSubquery(_)
    );
    may_be && !expr.contains_outer() && is_jsonb(expr, schema)
}

/// Whether it is of the type of what is beside it.
fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null() || matches!(value, ScalarValue::Utf8(_)),
        Expr::Placeholder(_) => true,
        Expr::Cast(cast) => matches!(&*cast.expr, Expr::Literal(value, _) if value.is_null()),
        _ => false,
    }
}
