//! Arrays of several dimensions: `a[1:2]`, `a[:2]`, `a[1:1][2:]`, and `unnest`, which gives the elements of all dimensions.
//!
//! The engine's arrays are lists of lists. Its own slices want both bounds and have one dimension, and its `unnest` gives the lists.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    AccessExpr, Array, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Statement,
    Subscript, TableFactor, VisitMut, VisitorMut,
};

use super::{expression, name_of};

/// Puts functions of ours in their place.
pub(in crate::dialect) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Arrays);
}

struct Arrays;

impl VisitorMut for Arrays {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let Some(slice) = slice(root, access_chain) {
                    *expr = slice;
                }
            }
            Expr::Function(function) if name_of(&function.name).as_deref() == Some("unnest") => {
                of_all_dimensions(function);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter_mut().for_each(elements),
            TableFactor::Function { name, args, .. }
                if name_of(name).as_deref() == Some("unnest") =>
            {
                if let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = args.as_mut_slice() {
                    elements(array);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn of_all_dimensions(function: &mut Function) {
    if let FunctionArguments::List(list) = &mut function.args
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = list.args.as_mut_slice()
    {
        elements(array);
    }
}

/// The array with all of its elements in one dimension.
fn elements(array: &mut Expr) {
    if let Expr::Array(Array { elem, .. }) = &*array
        && elem.iter().all(|element| matches!(element, Expr::Value(_)))
    {
        return;
    }
    if let Some(all) = expression(&format!("sluice_elements({array})")) {
        *array = all;
    }
}

/// What the subscripts at the end take out of an array, where one of them has a colon: the others count from one then.
fn slice(root: &Expr, chain: &[AccessExpr]) -> Option<Expr> {
    let is_subscript = |access: &AccessExpr| matches!(access, AccessExpr::Subscript(_));
    let is_slice =
        |access: &AccessExpr| matches!(access, AccessExpr::Subscript(Subscript::Slice { .. }));
    let start = chain
        .iter()
        .rposition(|access| !is_subscript(access))
        .map_or(0, |last| last + 1);
    let (before, subscripts) = chain.split_at_checked(start)?;
    if !subscripts.iter().any(is_slice) {
        return None;
    }
    let array = match before {
        [] => root.clone(),
        before => Expr::CompoundFieldAccess {
            root: Box::new(root.clone()),
            access_chain: before.to_vec(),
        },
    };
    let mut arguments = vec![array.to_string()];
    for subscript in subscripts {
        let (lower, upper) = match subscript {
            AccessExpr::Subscript(Subscript::Index { index }) => (None, Some(index)),
            AccessExpr::Subscript(Subscript::Slice {
                lower_bound,
                upper_bound,
                stride: None,
            }) => (lower_bound.as_ref(), upper_bound.as_ref()),
            _ => return None,
        };
        for (bound, whole) in [(lower, 1), (upper, i32::MAX)] {
            let bound = bound.map_or_else(|| whole.to_string(), ToString::to_string);
            arguments.push(format!("CAST({bound} AS INT)"));
        }
    }
    expression(&format!("sluice_slice({})", arguments.join(", ")))
}
