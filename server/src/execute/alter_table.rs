//! `ALTER TABLE`, of tables that no query feeds: a column is added or gets another name, options are set. What Delta's files cannot follow is
//! refused. The table's own name is `super::rename`'s.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use serde_json::json;
use sluice_connectors::{
    delta::{DeltaSink, TableSpec},
    failpoint,
};
use sluice_sql::{
    CreateTable, Options, Statement, WithData,
    ast::{self, AlterTable, AlterTableOperation, ColumnOption, Expr, SqlOption, Value},
};

use super::{
    drop::{all_dependents, depend_on},
    plan_error,
};
use crate::{
    catalog::{Object, TableObject, fold},
    error::{Error, Result, SqlState},
    options::{check_table_options, history_properties, maintenance_option, plain_history},
    root::storage_error,
    session::Session,
    write::{
        Action, Target, commit_error, declared_columns, declared_field, ident, rename_columns,
    },
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
    if let [
        AlterTableOperation::RenameColumn {
            old_column_name,
            new_column_name,
        },
    ] = alter.operations.as_slice()
    {
        let (old, new) = (fold(old_column_name), fold(new_column_name));
        rename_column(session, &target, &old, &new).await?;
        return Ok("ALTER TABLE".into());
    }
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
        AlterTableOperation::RenameColumn { .. } => Err(unsupported("RENAME COLUMN beside other changes")
            .with_hint("Write a statement for each column.")),
        AlterTableOperation::DropColumn { .. } => Err(unsupported("DROP COLUMN")
            .with_detail("The files of the table name their columns; without one they could be read only with Delta's column mapping, which is not written here.")
            .with_hint("Make a view without it, or CREATE TABLE … AS SELECT … the others.")),
        AlterTableOperation::RenameTable { .. } => Err(unsupported("that form of RENAME")
            .with_hint("Write ALTER TABLE name RENAME TO name.")),
        AlterTableOperation::AlterColumn { .. } => Err(unsupported("ALTER COLUMN")
            .with_hint("CREATE TABLE … AS SELECT … with a CAST makes a table of another type.")),
        AlterTableOperation::AddConstraint { .. } => Err(unsupported("ADD CONSTRAINT")
            .with_hint("Leave it out: nothing would check it.")),
        _ => Err(unsupported("that form of ALTER TABLE")
            .with_hint("Write ALTER TABLE name ADD COLUMN name TYPE, RENAME COLUMN name TO name, RENAME TO name, or SET (history = '…', maintenance = '…').")),
    }
}

/// A column gets another name: the files have it in them, so all of them are written anew.
async fn rename_column(session: &Session, target: &Target, old: &str, new: &str) -> Result<()> {
    let engine = session.engine();
    let dependents = all_dependents(engine, &target.name);
    if !dependents.is_empty() {
        let what = format!("column \"{old}\" of table \"{}\"", target.name);
        return Err(depend_on(&what, "rename", &dependents).with_hint(
            "They may have its name in their text. Drop them and make them again over the new name.",
        ));
    }
    let _turn = target.table.queue().lock().await;
    let parameters = json!({ "oldColumnPath": old, "newColumnPath": new });
    let spec = rename_columns(target, &parameters, |spec| {
        renamed(&target.object, spec, old, new)
    });
    let spec = spec.await?;
    let mut object = target.object.clone();
    for column in &mut object.statement.partitioned_by {
        if fold(&column.name) == old {
            column.name = ast::Ident::with_quote('"', new);
        }
    }
    if let Some(comment) = object.meta.column_comments.remove(old) {
        object.meta.column_comments.insert(new.to_owned(), comment);
    }
    object.statement = declared(&object, &spec.schema)?;
    put(session, object).await
}

/// The definition with another name for a column.
fn renamed(object: &TableObject, spec: &TableSpec, old: &str, new: &str) -> Result<TableSpec> {
    if spec.schema.index_of(old).is_err() {
        return Err(Error::user(
            SqlState::UndefinedColumn,
            format!("column \"{old}\" does not exist"),
        ));
    }
    // Delta does not tell columns apart by the case of their letters.
    let taken = |field: &Arc<Field>| {
        field.name() != old && field.name().to_lowercase() == new.to_lowercase()
    };
    if old == new || spec.schema.fields().iter().any(taken) {
        return Err(already_exists(object, new));
    }
    let fields = spec.schema.fields().iter().map(|field| {
        let name = if field.name() == old {
            new
        } else {
            field.name()
        };
        field.as_ref().clone().with_name(name)
    });
    let partitions = spec.partition_columns.iter();
    let partitions = partitions.map(|column| match column == old {
        true => new.to_owned(),
        false => column.clone(),
    });
    Ok(TableSpec {
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        partition_columns: partitions.collect(),
        ..spec.clone()
    })
}

fn already_exists(object: &TableObject, column: &str) -> Error {
    Error::user(
        SqlState::DuplicateColumn,
        format!(
            "column \"{column}\" of relation \"{}\" already exists",
            object.name.name
        ),
    )
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
        let there = already_exists(object, &name);
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
    let field = Field::new(&name, data_type, true);
    let field = declared_field(field, &column.data_type)?;
    fields.push(Arc::new(field));
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
            renamed: Vec::new(),
            query: None,
            data: WithData::default(),
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
