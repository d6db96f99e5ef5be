//! Other dialects' spellings brought to the canonical form, one kind of spelling per file.
//!
//! Some only show in the tokens ([`tokens`]); the rest are rewritten in the tree, from the inside out, in this order for
//! each query: types, functions, struct fields and signs of its expressions, then its FROM (window table functions), then
//! Spark's `window()`, then `e.*`. A rewrite may assume that what is inside is canonical already, and must be able to
//! run over its own result without changing it.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, Query, Select, SetExpr, Spanned, Statement, TableFactor, VisitMut, VisitorMut,
};

use crate::error::ParseError;
use crate::statement::types::{Flavour, canonical};

mod functions;
mod idents;
pub(crate) mod merge;
pub(crate) mod partition;
mod percentiles;
pub(crate) mod refused;
mod signs;
mod spark_window;
mod struct_star;
mod time_travel;
pub(crate) mod time_zone;
pub(crate) mod tokens;
pub(crate) mod window_tvf;

/// Rewrites a statement of the parser's.
pub(crate) fn statement(statement: &mut Statement) -> Result<(), ParseError> {
    visit(statement)
}

/// Rewrites a query.
pub(crate) fn query(query: &mut Query) -> Result<(), ParseError> {
    visit(query)
}

/// Rewrites an expression that stands alone.
pub(crate) fn expr(expr: &mut Expr) -> Result<(), ParseError> {
    visit(expr)
}

fn visit(tree: &mut impl VisitMut) -> Result<(), ParseError> {
    match tree.visit(&mut Rewriter {
        fields: struct_star::Fields::default(),
    }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Rewriter {
    fields: struct_star::Fields,
}

impl Rewriter {
    fn flow(result: Result<(), ParseError>) -> ControlFlow<Box<ParseError>> {
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

impl VisitorMut for Rewriter {
    type Break = Box<ParseError>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Cast { data_type, .. } = expr {
            let written = std::mem::replace(data_type, sqlparser::ast::DataType::Unspecified);
            *data_type = canonical(written, Flavour::Postgres);
        }
        let result = functions::rewrite(expr);
        signs::apart(expr);
        Self::flow(result)
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        Self::flow(
            no_hints(factor)
                .and_then(|()| time_travel::check(factor))
                .and_then(|()| window_tvf::rewrite(factor)),
        )
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        self.fields.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        let result = spark_window::rewrite(query).and_then(|()| {
            for select in selects_mut(&mut query.body) {
                self.fields.expand(select)?;
            }
            Ok(())
        });
        self.fields.leave();
        Self::flow(result)
    }
}

/// Refuses `FROM t WITH (…)`, which the parser takes for another product's hints: it is options in the wrong place.
fn no_hints(factor: &TableFactor) -> Result<(), ParseError> {
    let TableFactor::Table { with_hints, .. } = factor else {
        return Ok(());
    };
    match with_hints.first() {
        None => Ok(()),
        Some(first) => Err(
            ParseError::invalid("WITH (…) cannot follow a relation", first.span())
                .offending("WITH")
                .hint("the order is CREATE TABLE name [PARTITIONED BY (…)] [WITH (…)] AS SELECT …"),
        ),
    }
}

/// The SELECTs of a query that are its own: the arms of UNION, but not subqueries.
fn selects_mut(body: &mut SetExpr) -> Vec<&mut Select> {
    let mut selects = Vec::new();
    let mut open = vec![body];
    while let Some(body) = open.pop() {
        match body {
            SetExpr::Select(select) => selects.push(select.as_mut()),
            SetExpr::SetOperation { left, right, .. } => {
                open.extend([left.as_mut(), right.as_mut()])
            }
            _ => {}
        }
    }
    selects
}

/// Whether a name is this one, as an unquoted identifier or a quoted one in lower case.
fn is_named(ident: &Ident, name: &str) -> bool {
    match ident.quote_style {
        None => ident.value.eq_ignore_ascii_case(name),
        Some(_) => ident.value == name,
    }
}

/// Whether two identifiers name the same thing.
fn same_name(one: &Ident, other: &Ident) -> bool {
    let folded = |ident: &Ident| match ident.quote_style {
        None => ident.value.to_lowercase(),
        Some(_) => ident.value.clone(),
    };
    folded(one) == folded(other)
}
