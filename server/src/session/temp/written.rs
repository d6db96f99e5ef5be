//! What is written to a table of the session, as the queries that give the rows it has then.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use sluice_sql::{
    Statement,
    ast::{self, TableFactor},
};

use super::{temporary, unsupported};
use crate::{
    catalog::{TEMP_SCHEMA, fold},
    error::{Error, Result, SqlState},
    execute::{parse_error, sql_type},
};

/// The temporary table of a FROM, and the text that it is read by; `None` where it is another relation.
pub(super) fn one_of(table: Option<&ast::TableWithJoins>) -> Result<Option<(String, String)>> {
    let Some(ast::TableWithJoins { relation, joins }) = table else {
        return Ok(None);
    };
    let TableFactor::Table { name, .. } = relation else {
        return Ok(None);
    };
    let found = temporary(name)?;
    if found.is_some() && !joins.is_empty() {
        return Err(unsupported(
            "a join that is written to",
            "Name one table alone.",
        ));
    }
    Ok(found.map(|found| (found, relation.to_string())))
}

/// What SET gives each column.
pub(super) fn assigned(
    assignments: &[ast::Assignment],
    schema: &Schema,
    table: &str,
) -> Result<BTreeMap<String, String>> {
    let mut set: BTreeMap<String, String> = BTreeMap::new();
    for assignment in assignments {
        let ast::AssignmentTarget::ColumnName(name) = &assignment.target else {
            return Err(unsupported("SET (a, b) = …", "Set each column by itself."));
        };
        let column = name.0.last().and_then(ast::ObjectNamePart::as_ident);
        let column = column.map(fold).unwrap_or_default();
        if schema.index_of(&column).is_err() {
            return Err(Error::user(
                SqlState::UndefinedColumn,
                format!("column \"{column}\" of relation \"{table}\" does not exist"),
            ));
        }
        if set
            .insert(column.clone(), assignment.value.to_string())
            .is_some()
        {
            return Err(Error::user(
                SqlState::SyntaxError,
                format!("multiple assignments to same column \"{column}\""),
            ));
        }
    }
    Ok(set)
}

/// The query that gives the rows of an UPDATE, and of each whether it was changed.
pub(super) fn updated(
    update: &ast::Update,
    schema: &Schema,
    table: &str,
    relation: &str,
) -> Result<String> {
    let set = assigned(&update.assignments, schema, table)?;
    let others = update.from.as_ref().map(|from| match from {
        ast::UpdateTableFromKind::BeforeSet(others)
        | ast::UpdateTableFromKind::AfterSet(others) => others,
    });
    let own = called(Some(&update.table), table);
    let hit = match (others, &update.selection) {
        (Some(_), _) => format!("{MATCH} IS NOT NULL"),
        (None, Some(condition)) => format!("coalesce(({condition}), false)"),
        (None, None) => "true".to_owned(),
    };
    let columns = schema.fields().iter().map(|field| {
        let name = quoted(field.name());
        let kept = match others {
            Some(_) => format!("{own}.{name}"),
            None => name.clone(),
        };
        match set.get(field.name()) {
            Some(value) => format!(
                "CASE WHEN {hit} THEN CAST(({value}) AS {}) ELSE {kept} END AS {name}",
                sql_type(field.data_type())
            ),
            None => format!("{kept} AS {name}"),
        }
    });
    let columns: Vec<String> = columns.collect();
    let columns = columns.join(", ");
    let Some(others) = others else {
        return Ok(format!(
            "SELECT {columns}, {hit} AS \"?hit?\" FROM {relation}"
        ));
    };
    // Of several rows that match one, any is taken, as in PostgreSQL.
    let matched = matched(others, update.selection.as_ref());
    let names = schema.fields().iter();
    let names: Vec<String> = names.map(|field| quoted(field.name())).collect();
    Ok(format!(
        "SELECT {}, \"?hit?\" FROM (SELECT {columns}, {hit} AS \"?hit?\", row_number() OVER (PARTITION BY {own}.\"?row?\") AS \"?nth?\" \
         FROM (SELECT *, row_number() OVER () AS \"?row?\" FROM {TEMP_SCHEMA}.{}) AS {own} {matched}) AS \"?all?\" WHERE \"?nth?\" = 1",
        names.join(", "),
        quoted(table),
    ))
}

/// What is there only in rows that were matched.
pub(super) const MATCH: &str = "\"?match?\".\"?is?\"";

/// The join that gives each row the rows of others that match it, or none.
pub(super) fn matched(others: &[ast::TableWithJoins], condition: Option<&ast::Expr>) -> String {
    let others: Vec<String> = others.iter().map(ToString::to_string).collect();
    let condition = condition.map_or_else(|| "true".to_owned(), ToString::to_string);
    format!(
        "LEFT JOIN ({} CROSS JOIN (SELECT true AS \"?is?\") AS \"?match?\") ON ({condition})",
        others.join(" CROSS JOIN ")
    )
}

/// What a statement calls the table that it writes to.
pub(super) fn called(table: Option<&ast::TableWithJoins>, name: &str) -> String {
    match table {
        Some(table) => called_by(&table.relation, name),
        None => quoted(name),
    }
}

pub(super) fn called_by(table: &TableFactor, name: &str) -> String {
    match table {
        TableFactor::Table {
            alias: Some(alias), ..
        } => alias.name.to_string(),
        _ => quoted(name),
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A statement of our own words.
pub(super) fn query_of(text: &str) -> Result<ast::Statement> {
    let parsed = sluice_sql::parse(text).map_err(parse_error)?;
    match parsed.into_iter().next().map(|parsed| parsed.statement) {
        Some(Statement::Sql(statement)) => Ok(*statement),
        _ => Err(Error::internal(format!("cannot be read: {text}"))),
    }
}
