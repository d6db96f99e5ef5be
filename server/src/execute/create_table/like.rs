//! `LIKE name` among the columns: the columns of a relation as they are at that moment, their names, types and NOT NULL.

use std::collections::BTreeSet;

use sluice_sql::{ColumnDef, CreateTable, Statement, ast::ObjectName};

use crate::{
    catalog::{QualifiedName, fold},
    error::{Error, Result, SqlState},
    session::Session,
    write::declared_columns,
};

/// The statement with the columns of what it is to be like; `None` where it is like nothing.
pub(super) async fn spelled_out(
    session: &Session,
    create: &CreateTable,
) -> Result<Option<CreateTable>> {
    if create.like.is_empty() {
        return Ok(None);
    }
    let mut columns: Vec<ColumnDef> = Vec::new();
    let mut like = create.like.iter().peekable();
    for at in 0..=create.columns.len() {
        while let Some((_, name)) = like.next_if(|(before, _)| *before <= at) {
            columns.extend(columns_of(session, name).await?);
        }
        columns.extend(create.columns.get(at).cloned());
    }
    let mut names = BTreeSet::new();
    for column in &columns {
        let name = fold(&column.name);
        if !names.insert(name.clone()) {
            return Err(Error::user(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
    }
    Ok(Some(CreateTable {
        columns,
        like: Vec::new(),
        ..create.clone()
    }))
}

async fn columns_of(session: &Session, name: &ObjectName) -> Result<Vec<ColumnDef>> {
    let name = QualifiedName::from_sql(name)?;
    let schema = session.relation_schema(&name).await?;
    let text = format!("CREATE TABLE t ({})", declared_columns(&schema)?);
    match sluice_sql::parse(&text).map(|mut all| all.pop().map(|parsed| parsed.statement)) {
        Ok(Some(Statement::CreateTable(create))) => Ok(create.columns),
        _ => Err(Error::internal(format!("cannot be read: {text}"))),
    }
}
