//! Literals beside values of a type that a text carries: a `uuid` is the same in any spelling, of a `char(n)` blanks at the end do not count.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{DFSchema, Result},
    logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, expr::InList},
    scalar::ScalarValue,
};

use crate::{doors::pg::TYPE, table::external, write::compared_with};

/// The comparison with its literal as the other side's type has it; `None` where it is so.
pub(super) fn compared(expr: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    match expr {
        Expr::BinaryExpr(binary) if compares(binary.op) => {
            let BinaryExpr { left, op, right } = binary;
            if let Some(other) = literal(left, right, schema)? {
                let other = BinaryExpr::new(left.clone(), *op, Box::new(other));
                return Ok(Some(Expr::BinaryExpr(other)));
            }
            let other = literal(right, left, schema)?;
            Ok(other.map(|other| {
                Expr::BinaryExpr(BinaryExpr::new(Box::new(other), *op, right.clone()))
            }))
        }
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
        _ => Ok(None),
    }
}

fn compares(op: Operator) -> bool {
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
