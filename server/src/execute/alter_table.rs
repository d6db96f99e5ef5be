//! `ALTER TABLE`, of tables that no query feeds: a column is added, options are set. What Delta's files cannot follow is refused.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use serde_json::json;
use sluice_connectors::{
    delta::{DeltaSink, TableSpec},
    failpoint,
};
use sluice_sql::{
    CreateTable, Options, Statement,
    ast::{self, AlterTable, AlterTableOperation, ColumnOption, Expr, SqlOption, Value},
};

use super::plan_error;
use crate::{
    catalog::{Object, TableObject, fold},
    error::{Error, Result, SqlState},
    options::{check_table_options, history_properties, maintenance_option, plain_history},
    root::storage_error,
    session::Session,
    write::{Action, Target, commit_error, declared_columns, ident},
};

/// Options that may be set later on.
const SETTABLE: [&str; 2] = ["history", "maintenance"];

pub(super) async fn run(session: &Session, alter: &AlterTable) -> Result<String> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let target = match Target::of(session, &alter.name, Action::Alter) {
        Err(error) if alter.if_exists && error.state == SqlState::UndefinedTable => {
            session.notice(Error::user(
                SqlState::UndefinedTable,
                format!("relation \"{}\" does not exist, skipping", alter.name),
            ));
            return Ok("ALTER TABLE".into());
        }
        found => found?,
    };
    let _turn = target.table.queue().lock().await;
    let mut sink = target.table.sink().await?.ok_or_else(|| {
        Error::outside(
            SqlState::UndefinedTable,
            format!("the Delta folder of table \"{}\" is gone", target.name),
        )
    })?;
    let mut spec = sink.spec().clone();
    let mut object = target.object.clone();
    for operation in &alter.operations {
        one(session, &mut spec, &mut object, operation)?;
    }
    redefine(&target, &mut sink, &spec, "ALTER TABLE").await?;
    put(session, object).await?;
    Ok("ALTER TABLE".into())
}

/// One of the changes.
fn one(
    session: &Session,
    spec: &mut TableSpec,
    object: &mut TableObject,
    operation: &AlterTableOperation,
) -> Result<()> {
    let unsupported = |what: &str| {
        Error::user(
            SqlState::FeatureNotSupported,
            format!("{what} is not supported"),
        )
    };
    match operation {
        AlterTableOperation::AddColumn {
            if_not_exists,
            column_def,
            ..
        } => add_column(session, spec, object, *if_not_exists, column_def),
        AlterTableOperation::SetOptionsParens { options }
        | AlterTableOperation::SetTblProperties {
            table_properties: options,
        } => set(spec, object, options),
        AlterTableOperation::RenameColumn { .. } => Err(unsupported("RENAME COLUMN")
            .with_detail("The files of the table name their columns; under another name they could be read only with Delta's column mapping, which is not written here.")
            .with_hint("Make a view that names it otherwise, or CREATE TABLE … AS SELECT … with the new name.")),
        AlterTableOperation::DropColumn { .. } => Err(unsupported("DROP COLUMN")
            .with_detail("The files of the table name their columns; without one they could be read only with Delta's column mapping, which is not written here.")
            .with_hint("Make a view without it, or CREATE TABLE … AS SELECT … the others.")),
        AlterTableOperation::RenameTable { .. } => Err(unsupported("RENAME TO")
            .with_detail("The table's Delta folder has the table's name, and other engines read it there.")
            .with_hint("CREATE TABLE … AS SELECT * FROM the old one, and DROP that.")),
        AlterTableOperation::AlterColumn { .. } => Err(unsupported("ALTER COLUMN")
            .with_hint("CREATE TABLE … AS SELECT … with a CAST makes a table of another type.")),
        AlterTableOperation::AddConstraint { .. } => Err(unsupported("ADD CONSTRAINT")
            .with_hint("Leave it out: nothing would check it.")),
        _ => Err(unsupported("that form of ALTER TABLE")
            .with_hint("Write ALTER TABLE name ADD COLUMN name TYPE, or SET (history = '…', maintenance = '…').")),
    }
}

fn add_column(
    session: &Session,
    spec: &mut TableSpec,
    object: &mut TableObject,
    if_not_exists: bool,
    column: &ast::ColumnDef,
) -> Result<()> {
    let name = fold(&column.name);
    if spec.schema.index_of(&name).is_ok() {
        let there = Error::user(
            SqlState::DuplicateColumn,
            format!(
                "column \"{name}\" of relation \"{}\" already exists",
                object.name.name
            ),
        );
        if !if_not_exists {
            return Err(there);
        }
        session.notice(Error {
            message: format!("{}, skipping", there.message),
            ..there
        });
        return Ok(());
    }
    for option in &column.options {
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => {
                return Err(Error::user(
                    SqlState::FeatureNotSupported,
                    format!("column \"{name}\" cannot be added as NOT NULL"),
                )
                .with_detail("Rows that are there already have no value in it.")
                .with_hint("Leave NOT NULL out."));
            }
            other => {
                return Err(Error::user(
                    SqlState::FeatureNotSupported,
                    format!("{other} is not supported"),
                )
                .with_hint("A column is: name TYPE."));
            }
        }
    }
    let data_type = sluice_planner::arrow_type(&column.data_type).map_err(plan_error)?;
    let mut fields: Vec<Arc<Field>> = spec.schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(&name, data_type, true)));
    spec.schema = Arc::new(Schema::new(fields));
    object.statement = declared(object, &spec.schema)?;
    Ok(())
}

/// The statement that makes the table as it is now: with its columns, whatever query it was once made with.
fn declared(object: &TableObject, schema: &Schema) -> Result<CreateTable> {
    let text = format!(
        "CREATE TABLE {} ({})",
        ident("t"),
        declared_columns(schema)?
    );
    match sluice_sql::parse(&text).map(|mut all| all.pop().map(|parsed| parsed.statement)) {
        Ok(Some(Statement::CreateTable(create))) => Ok(CreateTable {
            columns: create.columns,
            query: None,
            ..object.statement.clone()
        }),
        _ => Err(Error::internal(format!("cannot be read: {text}"))),
    }
}

fn set(spec: &mut TableSpec, object: &mut TableObject, options: &[SqlOption]) -> Result<()> {
    let mut all = object.statement.options.0.clone();
    for option in options {
        let SqlOption::KeyValue { key, value } = option else {
            return Err(Error::user(
                SqlState::SyntaxError,
                format!("\"{option}\" is not an option with a value"),
            ));
        };
        let key = fold(key);
        let value = match value {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => text.clone(),
                other => other.to_string(),
            },
            other => other.to_string(),
        };
        check_table_options(&Options(vec![(key.clone(), value.clone())], Vec::new()))?;
        if !SETTABLE.contains(&key.as_str()) {
            return Err(Error::user(
                SqlState::InvalidParameterValue,
                format!("option \"{key}\" is for a table that a query feeds"),
            )
            .with_hint(format!("Options of this table: {}.", SETTABLE.join(", "))));
        }
        all.retain(|(known, _)| *known != key);
        all.push((key, value));
    }
    let secrets = std::mem::take(&mut object.statement.options.1);
    object.statement.options = Options(all, secrets);
    maintenance_option(&object.statement.options)?;
    let history = plain_history(&object.statement.options)?;
    spec.properties.extend(history_properties(history));
    Ok(())
}

/// The Delta table's definition; nothing where it is the same already.
pub(super) async fn redefine(
    target: &Target,
    sink: &mut DeltaSink,
    spec: &TableSpec,
    operation: &str,
) -> Result<()> {
    if sink.spec() == spec {
        return Ok(());
    }
    let parameters = json!({ "table": target.name.to_string() });
    let defined = sink.redefine(spec, operation, parameters).await;
    defined
        .map(drop)
        .map_err(|error| commit_error(&target.name, error))
}

/// The table's object in the catalog; what runs of it takes up the definition.
pub(super) async fn put(session: &Session, object: TableObject) -> Result<()> {
    let engine = session.engine();
    failpoint::hit("ddl.alter").map_err(storage_error)?;
    engine.files().put(&Object::Table(object.clone())).await?;
    engine.start_table(&object).await?;
    engine.change_catalog(|catalog| catalog.put(Arc::new(Object::Table(object))));
    Ok(())
}
