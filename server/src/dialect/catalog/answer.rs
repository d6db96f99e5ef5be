//! The answer of last resort to a tool's question about the catalog: no rows, of the columns it asked for.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    CastKind, DataType, Expr, Ident, ObjectName, Query, SelectItem, SetExpr, Statement, Value,
    Visit, Visitor,
};

use super::labels;

/// A query of the same columns and no rows, if `statement` asks about the catalog and nothing else. For when it cannot be planned.
pub fn empty_answer(statement: &Statement) -> Option<Statement> {
    let Statement::Query(query) = statement else {
        return None;
    };
    if !only_catalog(statement) {
        return None;
    }
    let items = first_select(&query.body)?;
    let columns: Vec<SelectItem> = items
        .iter()
        .enumerate()
        .map(|(i, item)| column(i, item))
        .collect::<Option<_>>()?;
    let mut parsed = sluice_sql::parse("SELECT 1 WHERE false").ok()?;
    let sluice_sql::Statement::Sql(empty) = parsed.pop()?.statement else {
        return None;
    };
    let mut empty = *empty;
    if let Statement::Query(query) = &mut empty
        && let SetExpr::Select(select) = query.body.as_mut()
    {
        select.projection = columns;
    }
    Some(empty)
}

fn first_select(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::SetOperation { left, .. } => first_select(left),
        SetExpr::Query(query) => first_select(&query.body),
        _ => None,
    }
}

/// A NULL under the name the item has in PostgreSQL. The columns behind `*` are not known here.
fn column(i: usize, item: &SelectItem) -> Option<SelectItem> {
    let (expr, name) = match item {
        SelectItem::UnnamedExpr(expr) => (expr, labels::label(expr)),
        SelectItem::ExprWithAlias { expr, alias } => (expr, alias.value.clone()),
        _ => return None,
    };
    let data_type = match expr {
        Expr::Cast { data_type, .. } if is_plain(data_type) => data_type.clone(),
        _ => DataType::Text,
    };
    let null = Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(Expr::Value(Value::Null.into())),
        data_type,
        array: false,
        format: None,
    };
    Some(SelectItem::ExprWithAlias {
        expr: null,
        alias: Ident::with_quote('"', labels::unique(&name, i)),
    })
}

fn is_plain(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text
            | DataType::Boolean
            | DataType::Int(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::SmallInt(_)
    )
}

/// Whether every relation it names is the catalog's, and it names at least one.
pub(super) fn only_catalog(statement: &Statement) -> bool {
    let mut relations = Relations::default();
    let _ = statement.visit(&mut relations);
    relations.catalog > 0 && !relations.others
}

#[derive(Default)]
struct Relations {
    catalog: usize,
    others: bool,
    /// Names that WITH gives.
    given: Vec<String>,
}

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            let names = with
                .cte_tables
                .iter()
                .map(|cte| cte.alias.name.value.clone());
            self.given.extend(names);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let names: Vec<String> = relation
            .0
            .iter()
            .filter_map(|part| part.as_ident())
            .map(|ident| ident.value.to_lowercase())
            .collect();
        match names.as_slice() {
            [.., schema, _] if schema == "pg_catalog" || schema == "information_schema" => {
                self.catalog += 1;
            }
            [name] if name.starts_with("pg_") => self.catalog += 1,
            [name] if self.given.contains(name) || is_function(name) => {}
            _ => self.others = true,
        }
        ControlFlow::Continue(())
    }
}

fn is_function(name: &str) -> bool {
    [
        "unnest",
        "generate_series",
        "generate_subscripts",
        "string_to_array",
    ]
    .contains(&name)
}
