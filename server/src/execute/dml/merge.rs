//! `MERGE INTO t USING s ON … WHEN [NOT] MATCHED [AND …] THEN UPDATE SET … | DELETE | INSERT …`, as in PostgreSQL and the standard.
//!
//! Rows of the table that are matched (or, `BY SOURCE`, are not) are one query each, in which the first WHEN that holds decides; every WHEN
//! NOT MATCHED is a query for new rows, without those of the WHENs before it.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use sluice_sql::{
    Canonical,
    ast::{
        Expr, Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertExpr, MergeInsertKind,
        ObjectNamePart,
    },
    does_nothing,
};

use super::{
    Rewritten,
    statement::{Named, column_place, is_default, no_returning, once, unsupported},
    table_schema,
    update::assignments,
};
use crate::{
    error::{Error, Result, SqlState},
    session::Session,
    write::Action,
};

pub(super) fn rewrite(session: &Session, merge: &Merge) -> Result<Rewritten> {
    no_returning(merge.output.is_some())?;
    let named = Named::of_factor(session, &merge.table, Action::Merge)?;
    let schema = table_schema(&named.target)?;
    let on = Canonical(merge.on.as_ref()).to_string();
    let source = &merge.source;
    let of_kind = |by_source: bool| -> Vec<&MergeClause> {
        let kind = |clause: &&MergeClause| match clause.clause_kind {
            MergeClauseKind::Matched => !by_source,
            MergeClauseKind::NotMatchedBySource => by_source,
            _ => false,
        };
        merge.clauses.iter().filter(kind).collect()
    };
    let (matched, by_source) = (of_kind(false), of_kind(true));
    let mut sets = Vec::new();
    for clause in matched.iter().chain(&by_source) {
        if let MergeAction::Update(update) = &clause.action
            && !does_nothing(&clause.action)
        {
            for place in assignments(&named, &schema, &update.assignments)?.0 {
                if !sets.contains(&place) {
                    sets.push(place);
                }
            }
        }
    }
    let mut hits = Vec::new();
    if !matched.is_empty() {
        let from = format!("{} INNER JOIN {source} ON {on}", named.relation());
        hits.push(changes(&named, &schema, &matched, &sets, &from)?);
    }
    if !by_source.is_empty() {
        let from = format!("{} LEFT ANTI JOIN {source} ON {on}", named.relation());
        hits.push(changes(&named, &schema, &by_source, &sets, &from)?);
    }
    let mut inserts = Vec::new();
    let mut earlier = String::new();
    for clause in &merge.clauses {
        let new = matches!(
            clause.clause_kind,
            MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget
        );
        if !new {
            continue;
        }
        let MergeAction::Insert(insert) = &clause.action else {
            return Err(Error::user(
                SqlState::SyntaxError,
                "WHEN NOT MATCHED must INSERT",
            ));
        };
        let condition = condition_of(clause);
        if !does_nothing(&clause.action) {
            let (columns, values) = new_row(&named, &schema, insert)?;
            inserts.push((
                format!(
                    "SELECT {values} FROM {source} LEFT ANTI JOIN {} ON {on} WHERE ({condition}){earlier}",
                    named.relation(),
                ),
                columns,
            ));
        }
        earlier.push_str(&format!(" AND ({condition}) IS NOT TRUE"));
    }
    Ok(Rewritten {
        name: named.target.name,
        action: Action::Merge,
        predicate: Some(on),
        hits,
        sets,
        inserts,
        parameters: Vec::new(),
        carried: BTreeMap::new(),
        everything: false,
    })
}

fn condition_of(clause: &MergeClause) -> String {
    let condition = clause.predicate.as_ref();
    condition.map_or("TRUE".to_owned(), |condition| {
        Canonical(condition).to_string()
    })
}

/// The query for rows of the table that change.
fn changes(
    named: &Named,
    schema: &Schema,
    clauses: &[&MergeClause],
    sets: &[usize],
    from: &str,
) -> Result<String> {
    let mut stays = String::new();
    let mut values: Vec<String> = vec![String::new(); sets.len()];
    let mut any: Vec<String> = Vec::new();
    let mut chosen = String::new();
    for clause in clauses {
        let condition = condition_of(clause);
        let nothing = does_nothing(&clause.action);
        chosen.push_str(&format!(
            " WHEN {condition} THEN {}",
            if nothing { "FALSE" } else { "TRUE" }
        ));
        let when = |value: &str| format!(" WHEN {condition} THEN {value}");
        let (stay, set) = match &clause.action {
            _ if nothing => ("1", (Vec::new(), Vec::new())),
            MergeAction::Update(update) => {
                if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                    return Err(unsupported("WHERE in an action of MERGE")
                        .with_hint("Write WHEN MATCHED AND … THEN …"));
                }
                ("1", assignments(named, schema, &update.assignments)?)
            }
            MergeAction::Delete { .. } => ("0", (Vec::new(), Vec::new())),
            MergeAction::Insert(_) => {
                return Err(Error::user(
                    SqlState::SyntaxError,
                    "WHEN MATCHED cannot INSERT",
                ));
            }
        };
        stays.push_str(&when(stay));
        for (value, place) in values.iter_mut().zip(sets) {
            let at = set.0.iter().position(|known| known == place);
            let new = at.and_then(|at| set.1.get(at)).cloned();
            let new = new.unwrap_or_else(|| named.column(schema.field(*place).name()));
            value.push_str(&when(&new));
        }
        any.push(format!("({condition})"));
    }
    let values: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(number, cases)| format!(", CASE{cases} END AS set_{number}"))
        .collect();
    // The first WHEN that holds decides, and it may be that nothing is done.
    let hit = match clauses.iter().any(|clause| does_nothing(&clause.action)) {
        true => format!("CASE{chosen} ELSE FALSE END"),
        false => any.join(" OR "),
    };
    Ok(format!(
        "SELECT {}, CAST(CASE{stays} END AS BIGINT) AS stays{} FROM {from} WHERE {hit}",
        named.place(),
        values.concat(),
    ))
}

/// Columns of a new row, and the SELECT list that gives them.
fn new_row(
    named: &Named,
    schema: &Schema,
    insert: &MergeInsertExpr,
) -> Result<(Vec<usize>, String)> {
    if insert.insert_predicate.is_some() {
        return Err(unsupported("WHERE in an action of MERGE")
            .with_hint("Write WHEN NOT MATCHED AND … THEN …"));
    }
    let MergeInsertKind::Values(values) = &insert.kind else {
        return Err(unsupported("INSERT ROW").with_hint("Write INSERT (a, …) VALUES (…)"));
    };
    let [row] = values.rows.as_slice() else {
        return Err(Error::user(
            SqlState::SyntaxError,
            "INSERT in MERGE takes one row",
        ));
    };
    let row: &[Expr] = &row.content;
    let mut places: Vec<usize> = Vec::new();
    for column in &insert.columns {
        let ident = column.0.last().and_then(ObjectNamePart::as_ident);
        let ident = ident.ok_or_else(|| Error::internal("a column without a name"))?;
        let place = column_place(&named.target, schema, ident)?;
        once(&places, place, schema.field(place).name())?;
        places.push(place);
    }
    if insert.columns.is_empty() {
        places = (0..schema.fields().len().min(row.len())).collect();
    }
    super::columns::check_width(row.len(), places.len())?;
    let values: Vec<String> = row
        .iter()
        .zip(&places)
        .map(|(value, place)| {
            let value = match is_default(value) {
                true => "NULL".to_owned(),
                false => Canonical(value).to_string(),
            };
            format!("{value} AS new_{place}")
        })
        .collect();
    Ok((places, values.join(", ")))
}
