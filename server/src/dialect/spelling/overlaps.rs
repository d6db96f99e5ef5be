//! `(start, end) OVERLAPS (start, end)`: whether two stretches of time have a moment in common. An end may be how long it is, and ends that are
//! the wrong way round are turned.

use sluice_sql::ast::{DataType, Expr};

use super::expression;

/// The condition; `None` where a side is no stretch.
pub(super) fn condition(one: &[Expr], other: &[Expr]) -> Option<Expr> {
    let ((s1, e1), (s2, e2)) = (stretch(one)?, stretch(other)?);
    // As PostgreSQL has it where an end is not known: what can be said without it is said.
    let behind = |end: &str, start: &str| {
        format!(
            "CASE WHEN {start} < {end} THEN true WHEN ({e1}) IS NULL OR ({e2}) IS NULL THEN NULL ELSE false END"
        )
    };
    expression(&format!(
        "(CASE WHEN {s1} > {s2} THEN {} WHEN {s1} < {s2} THEN {} \
         WHEN {s1} = {s2} THEN CASE WHEN ({e1}) IS NULL OR ({e2}) IS NULL THEN NULL ELSE true END END)",
        behind(&e2, &s1),
        behind(&e1, &s2),
    ))
}

/// Start and end, in this order; of one that is not known the other is the start.
fn stretch(pair: &[Expr]) -> Option<(String, String)> {
    let [from, to] = pair else {
        return None;
    };
    let to = match is_interval(to) {
        true => format!("(({from}) + {to})"),
        false => format!("({to})"),
    };
    let from = format!("({from})");
    Some((
        format!(
            "coalesce(CASE WHEN {from} <= {to} THEN {from} WHEN {from} > {to} THEN {to} END, {from}, {to})"
        ),
        format!("(CASE WHEN {from} <= {to} THEN {to} WHEN {from} > {to} THEN {from} END)"),
    ))
}

fn is_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Interval(_) => true,
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Interval { .. }),
        Expr::Nested(inner) => is_interval(inner),
        _ => false,
    }
}
