//! `UPDATE t SET a = …, (b, c) = (…) [FROM …] [WHERE …]`.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use sluice_sql::{
    Canonical,
    ast::{Assignment, AssignmentTarget, Expr, Update, UpdateTableFromKind},
};

use super::{
    Rewritten,
    insert::written_list,
    statement::{Named, is_default, no_returning, once, unsupported},
    table_schema,
};
use crate::{error::Result, execute::sql_type, session::Session, write::Action};

pub(super) fn rewrite(session: &Session, update: &Update) -> Result<Rewritten> {
    no_returning(update.returning.is_some() || update.output.is_some())?;
    if update.or.is_some() || !update.order_by.is_empty() || update.limit.is_some() {
        return Err(unsupported("UPDATE with ORDER BY or LIMIT"));
    }
    let named = Named::of(session, &update.table, Action::Update)?;
    let schema = table_schema(&named.target)?;
    let (sets, values) = assignments(&named, &schema, &update.assignments)?;
    let from = match &update.from {
        None => String::new(),
        Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => from
            .iter()
            .map(|relation| format!(", {relation}"))
            .collect(),
    };
    let condition = update
        .selection
        .as_ref()
        .map(|condition| Canonical(condition).to_string());
    let values: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(number, value)| format!(", {value} AS set_{number}"))
        .collect();
    let sql = format!(
        "SELECT {}, CAST(1 AS BIGINT) AS stays{} FROM {}{from}{}",
        named.place(),
        values.concat(),
        named.relation(),
        condition
            .as_ref()
            .map(|condition| format!(" WHERE {condition}"))
            .unwrap_or_default(),
    );
    Ok(Rewritten {
        name: named.target.name,
        action: Action::Update,
        everything: condition.is_none() && from.is_empty(),
        predicate: condition,
        hits: vec![sql],
        sets,
        inserts: Vec::new(),
        parameters: Vec::new(),
        carried: BTreeMap::new(),
    })
}

/// The columns that are set, and to what.
pub(super) fn assignments(
    named: &Named,
    schema: &Schema,
    assignments: &[Assignment],
) -> Result<(Vec<usize>, Vec<String>)> {
    let (mut places, mut values) = (Vec::new(), Vec::new());
    let mut set = |column: &sluice_sql::ast::ObjectName, value: &Expr| -> Result<()> {
        let place = named.set_column(schema, column)?;
        once(&places, place, schema.field(place).name())?;
        places.push(place);
        let column = schema.field(place).data_type();
        values.push(match value {
            value if is_default(value) => "NULL".to_owned(),
            Expr::Value(_) if column.is_list() => {
                let mut list = value.clone();
                written_list(&mut list)?;
                format!("CAST({} AS {})", Canonical(&list), sql_type(column))
            }
            value => Canonical(value).to_string(),
        });
        Ok(())
    };
    for assignment in assignments {
        match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(column), value) => set(column, value)?,
            (AssignmentTarget::Tuple(columns), Expr::Tuple(values))
                if columns.len() == values.len() =>
            {
                for (column, value) in columns.iter().zip(values) {
                    set(column, value)?;
                }
            }
            (AssignmentTarget::Tuple(columns), Expr::Nested(value)) if columns.len() == 1 => {
                for column in columns {
                    set(column, value)?;
                }
            }
            (AssignmentTarget::Tuple(_), _) => {
                return Err(unsupported("SET (…) to anything but as many expressions")
                    .with_hint("Write SET a = …, b = …"));
            }
        }
    }
    Ok((places, values))
}
