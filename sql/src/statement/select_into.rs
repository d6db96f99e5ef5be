//! `SELECT … INTO [TEMP] [TABLE] name FROM …`: another spelling of CREATE TABLE … AS.

use sqlparser::ast::{Query, SelectInto, SetExpr, Spanned, Statement};

use super::{CreateTable, Emit, OnCommit, WithData, options::Options, unlogged};
use crate::error::ParseError;

/// The table that a SELECT INTO makes; `None` of any other statement. INTO stands in the first SELECT of several.
pub(super) fn create(statement: &mut Statement) -> Result<Option<CreateTable>, ParseError> {
    let Statement::Query(query) = statement else {
        return Ok(None);
    };
    let Some(into) = taken(query) else {
        return Ok(None);
    };
    if into.unlogged {
        return Err(unlogged(into.name.span()));
    }
    Ok(Some(CreateTable {
        or_replace: false,
        temporary: into.temporary,
        if_not_exists: false,
        name: into.name,
        columns: Vec::new(),
        like: Vec::new(),
        on_commit: OnCommit::default(),
        partitioned_by: Vec::new(),
        options: Options::default(),
        renamed: Vec::new(),
        query: Some(query.clone()),
        data: WithData::default(),
        emit: Emit::default(),
    }))
}

fn taken(query: &mut Query) -> Option<SelectInto> {
    let mut body = query.body.as_mut();
    loop {
        body = match body {
            SetExpr::Select(select) => return select.into.take(),
            SetExpr::SetOperation { left, .. } => left.as_mut(),
            SetExpr::Query(query) => return taken(query),
            _ => return None,
        };
    }
}
