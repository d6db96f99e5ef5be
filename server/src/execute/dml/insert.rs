//! `INSERT INTO t [(…)] VALUES … | query`.
//!
//! The cells of a VALUES list take the types of the columns before anything is made of them, so a literal in quotes is read as what the
//! column holds and a parameter has the column's type; the engine does that for an INSERT. Any other query is planned as it stands and
//! brought to the columns afterwards.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::{datasource::empty::EmptyTable, logical_expr::LogicalPlan};
use sluice_sql::ast::{self, Expr, Insert, ObjectNamePart, SetExpr, TableObject, Value};

use super::{
    Dml,
    columns::{check_width, checked_values, into_columns, spread},
    context, engine_error,
    statement::{column_place, is_default, no_returning, once, quoted, unsupported},
    table_schema,
};
use crate::{
    dialect,
    error::{Error, Result, SqlState},
    session::{Session, typed_plan},
    write::{Action, Target, value_error},
};

pub(super) async fn prepare(
    session: &Session,
    insert: &Insert,
    hints: &[Option<DataType>],
) -> Result<(Dml, Vec<Option<DataType>>)> {
    check_clauses(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(unsupported("INSERT into a function"));
    };
    let target = Target::of(session, name, Action::Insert)?;
    let schema = table_schema(&target)?;
    let mut places = Vec::new();
    for column in &insert.columns {
        let ident = match column.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => ident,
            _ => {
                return Err(Error::user(
                    SqlState::SyntaxError,
                    format!("\"{column}\" is not the name of a column"),
                ));
            }
        };
        let place = column_place(&target, &schema, ident)?;
        once(&places, place, schema.field(place).name())?;
        places.push(place);
    }
    let plan = match insert.source.as_deref() {
        None => nulls(session, &schema).await?,
        Some(query) => match values_of(query) {
            Some(width) => values(session, &schema, places, query.clone(), width).await?,
            None => select(session, &schema, places, query.clone()).await?,
        },
    };
    let (plan, types) = typed_plan(plan, hints)?;
    Ok((Dml::Insert(target.name, Arc::new(plan)), types))
}

fn check_clauses(insert: &Insert) -> Result<()> {
    no_returning(insert.returning.is_some() || insert.output.is_some())?;
    if insert.on.is_some() {
        return Err(unsupported("ON CONFLICT")
            .with_hint("Tables have no keys that could conflict; MERGE INTO updates or inserts."));
    }
    if insert.overwrite || insert.partitioned.is_some() || !insert.after_columns.is_empty() {
        return Err(unsupported("INSERT OVERWRITE or INTO a PARTITION").with_hint(
            "Write DELETE FROM … WHERE … and INSERT INTO …; rows find their partition by themselves.",
        ));
    }
    let odd = insert.or.is_some()
        || insert.ignore
        || insert.replace_into
        || !insert.assignments.is_empty()
        || insert.settings.is_some()
        || insert.format_clause.is_some()
        || insert.multi_table_insert_type.is_some();
    match odd {
        true => Err(unsupported("that form of INSERT").with_hint(
            "Write INSERT INTO t [(a, …)] VALUES (…), … or INSERT INTO t [(a, …)] SELECT …",
        )),
        false => Ok(()),
    }
}

/// How many values each row of a VALUES list has; `None` for any other query.
fn values_of(query: &ast::Query) -> Option<usize> {
    match query.body.as_ref() {
        SetExpr::Values(values) => values.rows.first().map(|row| row.content.len()),
        _ => None,
    }
}

/// The first columns of the table stand for a list that was not given.
fn first_columns(places: Vec<usize>, schema: &Schema, width: usize) -> Vec<usize> {
    match places.is_empty() {
        true => (0..schema.fields().len().min(width)).collect(),
        false => places,
    }
}

/// A row of nothing: `INSERT INTO t DEFAULT VALUES`.
async fn nulls(session: &Session, schema: &arrow::datatypes::SchemaRef) -> Result<LogicalPlan> {
    let query = query_of("SELECT NULL")?;
    select(session, schema, vec![0], *query).await
}

fn query_of(sql: &str) -> Result<Box<ast::Query>> {
    match sluice_sql::parse(sql).map(|mut all| all.pop().map(|parsed| parsed.statement)) {
        Ok(Some(sluice_sql::Statement::Sql(statement))) => match *statement {
            ast::Statement::Query(query) => Ok(query),
            _ => Err(Error::internal("not a query")),
        },
        _ => Err(Error::internal("not a statement")),
    }
}

async fn select(
    session: &Session,
    schema: &arrow::datatypes::SchemaRef,
    places: Vec<usize>,
    query: ast::Query,
) -> Result<LogicalPlan> {
    let statement = session.as_planned(ast::Statement::Query(Box::new(query)));
    let plan = session.plan(&statement).await?;
    let width = plan.schema().fields().len();
    let places = first_columns(places, schema, width);
    check_width(width, places.len())?;
    let plan = into_columns(plan, 0, &fields(schema, &places))?;
    spread(plan, &places, schema)
}

fn fields(schema: &Schema, places: &[usize]) -> Vec<FieldRef> {
    let all = schema.fields();
    places
        .iter()
        .filter_map(|place| all.get(*place).cloned())
        .collect()
}

async fn values(
    session: &Session,
    schema: &arrow::datatypes::SchemaRef,
    places: Vec<usize>,
    mut query: ast::Query,
    width: usize,
) -> Result<LogicalPlan> {
    let places = first_columns(places, schema, width);
    check_width(width, places.len())?;
    let fields = fields(schema, &places);
    if let SetExpr::Values(values) = query.body.as_mut() {
        for row in &mut values.rows {
            if row.content.len() != width {
                return Err(Error::user(
                    SqlState::SyntaxError,
                    "VALUES lists must all be the same length",
                ));
            }
            for (cell, field) in row.content.iter_mut().zip(&fields) {
                prepare_cell(cell, field)?;
            }
        }
    }
    let query = ast::Statement::Query(Box::new(query));
    let ast::Statement::Query(query) = dialect::rewrite_cells(query) else {
        return Err(Error::internal("a query became something else"));
    };
    // Names are exact by now.
    let columns = fields
        .iter()
        .map(|field| quoted(field.name()))
        .collect::<Vec<_>>()
        .join(", ");
    let shell = format!(
        "INSERT INTO {} ({columns}) VALUES (NULL)",
        context::relation()
    );
    let shell = match sluice_sql::parse(&shell).map(|mut all| all.pop()) {
        Ok(Some(parsed)) => parsed.statement,
        _ => return Err(Error::internal(format!("cannot be read: {shell}"))),
    };
    let statement = match shell {
        sluice_sql::Statement::Sql(statement) => match *statement {
            ast::Statement::Insert(insert) => ast::Statement::Insert(Insert {
                source: Some(query),
                ..insert
            }),
            _ => return Err(Error::internal("not an INSERT")),
        },
        _ => return Err(Error::internal("not an INSERT")),
    };
    // Who may add rows need not be allowed to read those that are there.
    let context = context::with_rows(session, Arc::new(EmptyTable::new(Arc::clone(schema))))?;
    let plan = sluice_planner::bound_plan(&context.state(), &statement)
        .await
        .map_err(|error| value_error(session.nearest(engine_error(error))))?;
    let LogicalPlan::Dml(dml) = plan else {
        return Err(Error::internal("an INSERT was planned as something else"));
    };
    checked_values(Arc::unwrap_or_clone(dml.input), &fields)
}

/// DEFAULT is NULL; the text of a list is its elements; a number for a NUMERIC column is read digit by digit, not as a floating-point
/// number on the way.
fn prepare_cell(cell: &mut Expr, field: &FieldRef) -> Result<()> {
    if is_default(cell) {
        *cell = Expr::value(Value::Null);
        return Ok(());
    }
    if field.data_type().is_list() {
        return written_list(cell);
    }
    if !field.data_type().is_decimal() {
        return Ok(());
    }
    let text = match &*cell {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.to_string(),
            _ => return Ok(()),
        },
        Expr::UnaryOp {
            op: ast::UnaryOperator::Minus,
            expr,
        } => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => format!("-{digits}"),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    *cell = Expr::value(Value::SingleQuotedString(text));
    Ok(())
}

/// `'{1,2}'` as a list of texts, which become what the column holds.
pub(super) fn written_list(cell: &mut Expr) -> Result<()> {
    let Expr::Value(value) = &*cell else {
        return Ok(());
    };
    let Value::SingleQuotedString(written) = &value.value else {
        return Ok(());
    };
    let (list, _) = dialect::list_of(written, None)?;
    *cell = list;
    Ok(())
}
