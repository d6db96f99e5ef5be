//! What the statements share: names of the table and its columns, and refusals of clauses that are not ours.

use arrow::datatypes::Schema;
use sluice_sql::ast::{
    self, Ident, ObjectName, ObjectNamePart, SetExpr, TableFactor, TableWithJoins,
};

use super::context;
use crate::{
    catalog::{QualifiedName, fold},
    error::{Error, Result, SqlState},
    session::Session,
    write::{Action, Target},
};

/// `X is not supported`.
pub(super) fn unsupported(what: &str) -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        format!("{what} is not supported"),
    )
}

/// Refuses RETURNING and what stands for it elsewhere.
pub(super) fn no_returning(there: bool) -> Result<()> {
    match there {
        true => Err(unsupported("RETURNING").with_hint(
            "The completion tag says how many rows were written; read them with SELECT.",
        )),
        false => Ok(()),
    }
}

/// The statement in a query's body: `WITH … INSERT …`.
pub(super) fn inner(query: &ast::Query) -> Option<&ast::Statement> {
    match query.body.as_ref() {
        SetExpr::Insert(inner)
        | SetExpr::Update(inner)
        | SetExpr::Delete(inner)
        | SetExpr::Merge(inner) => Some(inner),
        _ => None,
    }
}

/// A statement that writes without the WITH before it, and that WITH; any other as it is.
pub(crate) fn behind_with(statement: &ast::Statement) -> (&ast::Statement, Option<&ast::With>) {
    match statement {
        ast::Statement::Query(query) => match inner(query) {
            Some(inner) => (inner, query.with.as_ref()),
            None => (statement, None),
        },
        _ => (statement, None),
    }
}

/// Puts WITH before a query, or before the one that an INSERT takes its rows of.
pub(crate) fn give(statement: &mut ast::Statement, with: &ast::With) {
    let query = match statement {
        ast::Statement::Query(query) => Some(query.as_mut()),
        ast::Statement::Insert(insert) => insert.source.as_deref_mut(),
        _ => None,
    };
    if let Some(query) = query {
        give_query(query, with);
    }
}

/// Puts WITH before a query, its tables before the query's own.
pub(super) fn give_query(query: &mut ast::Query, with: &ast::With) {
    match &mut query.with {
        Some(own) => {
            let tables = with.cte_tables.iter().cloned();
            own.cte_tables.splice(0..0, tables);
            own.recursive |= with.recursive;
        }
        own => *own = Some(with.clone()),
    }
}

/// The tables of a TRUNCATE; all of them may be truncated.
pub(super) fn truncate(session: &Session, truncate: &ast::Truncate) -> Result<Vec<QualifiedName>> {
    if truncate.partitions.is_some() {
        return Err(unsupported("TRUNCATE of partitions").with_hint("Write DELETE FROM … WHERE …"));
    }
    if truncate.if_exists || truncate.on_cluster.is_some() {
        return Err(unsupported("that form of TRUNCATE").with_hint("Write TRUNCATE TABLE name"));
    }
    let names = truncate.table_names.iter();
    names
        .map(|table| Target::of(session, &table.name, Action::Truncate).map(|target| target.name))
        .collect()
}

/// The table that a statement names, and what its rows are called in it.
pub(super) struct Named {
    pub(super) target: Target,
    /// The name that stands before its columns, quoted where it needs to be.
    pub(super) alias: String,
    folded: String,
}

impl Named {
    /// From a table without joins.
    pub(super) fn of(session: &Session, table: &TableWithJoins, action: Action) -> Result<Self> {
        if !table.joins.is_empty() {
            return Err(unsupported(&format!("{action} of a join"))
                .with_hint("Write the other relations after FROM (UPDATE) or USING (DELETE)."));
        }
        Self::of_factor(session, &table.relation, action)
    }

    /// From a relation that must be a table's name.
    pub(super) fn of_factor(
        session: &Session,
        table: &TableFactor,
        action: Action,
    ) -> Result<Self> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            version: None,
            ..
        } = table
        else {
            return Err(Error::user(
                SqlState::SyntaxError,
                format!("{action} needs the name of a table"),
            ));
        };
        let ident = match (alias, name.0.last()) {
            (Some(alias), _) => alias.name.clone(),
            (None, Some(ObjectNamePart::Identifier(ident))) => ident.clone(),
            _ => return Err(Error::internal("a relation without a name")),
        };
        let folded = fold(&ident);
        Ok(Self {
            target: Target::of(session, name, action)?,
            alias: quoted(&folded),
            folded,
        })
    }

    /// The rows in a FROM clause.
    pub(super) fn relation(&self) -> String {
        format!("{} AS {}", context::relation(), self.alias)
    }

    /// A column of theirs in an expression.
    pub(super) fn column(&self, name: &str) -> String {
        format!("{}.{}", self.alias, quoted(name))
    }

    /// The places of a row in a SELECT list, and whether it stays.
    pub(super) fn place(&self) -> String {
        format!(
            "{}, {}",
            self.column(sluice_connectors::delta::FILE_COLUMN),
            self.column(sluice_connectors::delta::ROW_COLUMN)
        )
    }

    /// The place in the table of a column that is set: `a`, or `t.a`.
    pub(super) fn set_column(&self, schema: &Schema, name: &ObjectName) -> Result<usize> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        match parts.as_slice() {
            [column] => column_place(&self.target, schema, column),
            [table, column] if fold(table) == self.folded => {
                column_place(&self.target, schema, column)
            }
            _ => Err(undefined(&self.target, &name.to_string())),
        }
    }
}

/// The place of a column in the table.
pub(super) fn column_place(target: &Target, schema: &Schema, column: &Ident) -> Result<usize> {
    let name = fold(column);
    schema.index_of(&name).map_err(|_| undefined(target, &name))
}

fn undefined(target: &Target, column: &str) -> Error {
    Error::user(
        SqlState::UndefinedColumn,
        format!(
            "column \"{column}\" of relation \"{}\" does not exist",
            target.name.name
        ),
    )
}

/// Refuses a column that was named before.
pub(super) fn once(places: &[usize], place: usize, name: &str) -> Result<()> {
    match places.contains(&place) {
        false => Ok(()),
        true => Err(Error::user(
            SqlState::DuplicateColumn,
            format!("column \"{name}\" specified more than once"),
        )),
    }
}

/// An identifier in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether an expression is the word DEFAULT, which is NULL here: columns have no other.
pub(super) fn is_default(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(ident)
        if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
