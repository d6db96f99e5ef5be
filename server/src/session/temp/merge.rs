//! `MERGE INTO` a table of the session: one query that gives every row the table has then, and what was done to it.

use arrow::datatypes::Schema;
use sluice_sql::{
    ast::{
        self, Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertExpr, MergeInsertKind,
        ObjectNamePart,
    },
    does_nothing,
};

use super::{
    TEMP_SCHEMA, unsupported,
    written::{MATCH, assigned, called_by, quoted},
};
use crate::{
    catalog::fold,
    error::{Error, Result, SqlState},
    execute::sql_type,
};

/// What was done to a row: nothing.
pub(super) const KEPT: i64 = 0;
/// It was changed, or is new.
pub(super) const WRITTEN: i64 = 1;
/// It goes.
pub(super) const DELETED: i64 = 2;
/// Two rows of the source would write to it.
pub(super) const TWICE: i64 = 3;

/// The query. Its rows have a column more than the table: what was done to them.
pub(super) fn merged(merge: &Merge, schema: &Schema, table: &str) -> Result<String> {
    let own = called_by(&merge.table, table);
    let (source, on) = (&merge.source, &merge.on);
    let numbered = format!(
        "(SELECT *, row_number() OVER () AS \"?row?\" FROM {TEMP_SCHEMA}.{}) AS {own}",
        quoted(table)
    );
    let mut done = String::new();
    let mut values: Vec<String> = vec![String::new(); schema.fields().len()];
    let mut news = Vec::new();
    let mut earlier = String::new();
    for clause in &merge.clauses {
        let condition = clause.predicate.as_ref();
        let condition = condition.map_or_else(|| "true".to_owned(), |found| format!("({found})"));
        let there = match clause.clause_kind {
            MergeClauseKind::Matched => "NOT NULL",
            MergeClauseKind::NotMatchedBySource => "NULL",
            MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => {
                if !does_nothing(&clause.action) {
                    let row = new_row(clause, schema, table)?;
                    news.push(format!(
                        " UNION ALL SELECT {row}, {WRITTEN} FROM {source} LEFT ANTI JOIN {numbered} ON {on} WHERE {condition}{earlier}"
                    ));
                }
                earlier.push_str(&format!(" AND {condition} IS NOT TRUE"));
                continue;
            }
        };
        let when = format!(" WHEN {MATCH} IS {there} AND {condition} THEN ");
        let (what, set) = match &clause.action {
            action if does_nothing(action) => (KEPT, Default::default()),
            MergeAction::Update(update) => {
                if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                    return Err(unsupported(
                        "WHERE in an action of MERGE",
                        "Write WHEN MATCHED AND … THEN …",
                    ));
                }
                (WRITTEN, assigned(&update.assignments, schema, table)?)
            }
            MergeAction::Delete { .. } => (DELETED, Default::default()),
            MergeAction::Insert(_) => {
                return Err(Error::user(
                    SqlState::SyntaxError,
                    "WHEN MATCHED cannot INSERT",
                ));
            }
        };
        done.push_str(&format!("{when}{what}"));
        for (value, field) in values.iter_mut().zip(schema.fields()) {
            let name = quoted(field.name());
            let new = match set.get(field.name()) {
                Some(value) => format!("CAST(({value}) AS {})", sql_type(field.data_type())),
                None => format!("{own}.{name}"),
            };
            value.push_str(&format!("{when}{new}"));
        }
    }
    let names = schema.fields().iter().map(|field| quoted(field.name()));
    let names: Vec<String> = names.collect();
    let columns = names
        .iter()
        .zip(&values)
        .map(|(name, cases)| match cases.as_str() {
            "" => format!("{own}.{name} AS {name}"),
            cases => format!("CASE{cases} ELSE {own}.{name} END AS {name}"),
        });
    let columns: Vec<String> = columns.collect();
    let done = match done.as_str() {
        "" => format!("{KEPT}"),
        cases => format!("CASE{cases} ELSE {KEPT} END"),
    };
    let names = names.join(", ");
    Ok(format!(
        "SELECT {names}, CASE WHEN \"?times?\" > 1 THEN {TWICE} ELSE \"?done?\" END AS \"?done?\" FROM (\
         SELECT {names}, \"?done?\", row_number() OVER (PARTITION BY \"?row?\" ORDER BY \"?done?\" DESC) AS \"?nth?\", \
         sum(CASE WHEN \"?done?\" > 0 THEN 1 ELSE 0 END) OVER (PARTITION BY \"?row?\") AS \"?times?\" FROM (\
         SELECT {}, {own}.\"?row?\" AS \"?row?\", {done} AS \"?done?\" FROM {numbered} \
         LEFT JOIN ({source} CROSS JOIN (SELECT true AS \"?is?\") AS \"?match?\") ON ({on})) AS \"?all?\") AS \"?some?\" \
         WHERE \"?nth?\" = 1{}",
        columns.join(", "),
        news.concat(),
    ))
}

/// The SELECT list of a row that a WHEN NOT MATCHED adds.
fn new_row(clause: &MergeClause, schema: &Schema, table: &str) -> Result<String> {
    let MergeAction::Insert(insert) = &clause.action else {
        return Err(Error::user(
            SqlState::SyntaxError,
            "WHEN NOT MATCHED must INSERT",
        ));
    };
    if insert.insert_predicate.is_some() {
        return Err(unsupported(
            "WHERE in an action of MERGE",
            "Write WHEN NOT MATCHED AND … THEN …",
        ));
    }
    let MergeInsertKind::Values(values) = &insert.kind else {
        return Err(unsupported(
            "INSERT ROW",
            "Write INSERT (a, …) VALUES (a, …).",
        ));
    };
    let [row] = values.rows.as_slice() else {
        return Err(Error::user(
            SqlState::SyntaxError,
            "INSERT in MERGE takes one row",
        ));
    };
    let row: &[ast::Expr] = &row.content;
    let places = places(insert, schema, table, row.len())?;
    let columns = schema.fields().iter().enumerate().map(|(place, field)| {
        let at = places.iter().position(|known| *known == place);
        let value = match at.and_then(|at| row.get(at)) {
            Some(ast::Expr::Identifier(word)) if is_default(word) => "NULL".to_owned(),
            Some(value) => format!("({value})"),
            None => "NULL".to_owned(),
        };
        format!("CAST({value} AS {})", sql_type(field.data_type()))
    });
    Ok(columns.collect::<Vec<_>>().join(", "))
}

fn is_default(word: &ast::Ident) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default")
}

/// The columns that an INSERT names; the first ones, where it names none.
fn places(
    insert: &MergeInsertExpr,
    schema: &Schema,
    table: &str,
    values: usize,
) -> Result<Vec<usize>> {
    let mut places = Vec::new();
    for column in &insert.columns {
        let ident = column.0.last().and_then(ObjectNamePart::as_ident);
        let name = ident.map(fold).unwrap_or_default();
        let place = schema.index_of(&name).map_err(|_| {
            Error::user(
                SqlState::UndefinedColumn,
                format!("column \"{name}\" of relation \"{table}\" does not exist"),
            )
        })?;
        if places.contains(&place) {
            return Err(Error::user(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        places.push(place);
    }
    if insert.columns.is_empty() {
        places = (0..schema.fields().len().min(values)).collect();
    }
    let told = match values.cmp(&places.len()) {
        std::cmp::Ordering::Equal => return Ok(places),
        std::cmp::Ordering::Greater => "INSERT has more expressions than target columns",
        std::cmp::Ordering::Less => "INSERT has more target columns than expressions",
    };
    Err(Error::user(SqlState::SyntaxError, told))
}
