//! What the engine would overlook without a word, and PostgreSQL does not: refused before a statement is planned.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    Expr, Query, SelectItem, SetExpr, Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor,
};

use super::spelling;
use crate::error::{Error, Result, SqlState};

/// An error where part of a statement would be passed over.
pub fn check(statement: &Statement) -> Result<()> {
    if let ControlFlow::Break(error) = statement.visit(&mut Overlooked) {
        return Err(*error);
    }
    match spelling::refused_join(statement) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// An error where a query has a parameter, which a definition has no values for.
pub(crate) fn check_no_parameter(query: &Query) -> Result<()> {
    match query.visit(&mut Parameters) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(name) => Err(Error::user(
            SqlState::UndefinedParameter,
            format!("there is no parameter {name}"),
        )),
    }
}

struct Parameters;

impl Visitor for Parameters {
    type Break = String;

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<String> {
        match &value.value {
            Value::Placeholder(name) => ControlFlow::Break(name.clone()),
            _ => ControlFlow::Continue(()),
        }
    }
}

struct Overlooked;

impl Visitor for Overlooked {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Box<Error>> {
        let mut given = query.with.iter().flat_map(|with| &with.cte_tables);
        if given.any(|table| writes(&table.query.body)) {
            return ControlFlow::Break(Box::new(
                Error::user(
                    SqlState::FeatureNotSupported,
                    "a statement that writes within WITH is not supported",
                )
                .with_hint("Run the statements one after the other; WITH takes queries."),
            ));
        }
        let ties = query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties);
        if ties && query.order_by.is_none() {
            return ControlFlow::Break(Box::new(Error::user(
                SqlState::SyntaxError,
                "WITH TIES cannot be specified without ORDER BY clause",
            )));
        }
        named(&query.body)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Box<Error>> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) if digits.parse::<f64>().is_ok_and(f64::is_infinite) => {
                    ControlFlow::Break(Box::new(Error::user(
                        SqlState::NumericValueOutOfRange,
                        format!("\"{digits}\" is out of range for type double precision"),
                    )))
                }
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Box<Error>> {
        match factor {
            TableFactor::Table {
                sample: Some(_), ..
            }
            | TableFactor::Derived {
                sample: Some(_), ..
            } => ControlFlow::Break(Box::new(
                Error::user(
                    SqlState::FeatureNotSupported,
                    "TABLESAMPLE is not supported",
                )
                .with_hint("Write WHERE random() < 0.1 for about a tenth of the rows."),
            )),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Whether a statement that writes rows stands in the place of a query.
fn writes(body: &SetExpr) -> bool {
    matches!(
        body,
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
    )
}

/// A text behind a value is no name for it: two literals side by side are a mistake.
fn named(body: &SetExpr) -> ControlFlow<Box<Error>> {
    match body {
        SetExpr::Select(select) => {
            for item in &select.projection {
                if let SelectItem::ExprWithAlias { alias, .. } = item
                    && alias.quote_style == Some('\'')
                {
                    return ControlFlow::Break(Box::new(
                        Error::user(
                            SqlState::SyntaxError,
                            format!("syntax error at or near \"'{}'\"", alias.value),
                        )
                        .with_hint("Names are quoted with \"; texts are joined with ||."),
                    ));
                }
            }
            ControlFlow::Continue(())
        }
        SetExpr::SetOperation { left, right, .. } => {
            named(left)?;
            named(right)
        }
        _ => ControlFlow::Continue(()),
    }
}

#[cfg(test)]
mod tests;
