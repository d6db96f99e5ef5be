//! `SHOW STREAMS | TABLES | VIEWS | QUERIES | SCHEMAS | CREATE …`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use sluice_sql::{ObjectKind, Show, ShowFilter, ast::ObjectName};

use crate::{
    catalog::{Object, QualifiedName, schema_name},
    engine::Engine,
    error::{Error, Result, SqlState},
};

/// Columns of each kind of SHOW.
pub(super) fn schema(show: &Show) -> SchemaRef {
    let names: &[&str] = match show {
        Show::Streams(_) | Show::Tables(_) | Show::Views(_) => {
            &["schema", "name", "kind", "created_at"]
        }
        Show::Queries(_) => &[
            "name",
            "state",
            "watermark",
            "lag_rows",
            "held_by",
            "last_error",
        ],
        Show::Schemas(_) => &["schema"],
        Show::Create { .. } => &["name", "statement"],
    };
    Arc::new(Schema::new(
        names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn run(engine: &Arc<Engine>, show: &Show) -> Result<RecordBatch> {
    let rows = match show {
        Show::Streams(filter) => objects(engine, filter, "stream")?,
        Show::Tables(filter) => objects(engine, filter, "table")?,
        Show::Views(filter) => objects(engine, filter, "view")?,
        Show::Queries(filter) => queries(engine, filter),
        Show::Schemas(filter) => {
            let catalog = engine.catalog();
            catalog
                .schemas()
                .chain(["system"])
                .filter(|name| matches(filter, name))
                .map(|name| vec![Some(name.to_owned())])
                .collect()
        }
        Show::Create { kind, name } => vec![create(engine, *kind, name)?],
    };
    let schema = schema(show);
    let columns = (0..schema.fields().len())
        .map(|index| {
            let values = rows.iter().map(|row| row.get(index).cloned().flatten());
            Arc::new(values.collect::<StringArray>()) as ArrayRef
        })
        .collect();
    RecordBatch::try_new(schema, columns).map_err(|error| Error::internal(error.to_string()))
}

type Row = Vec<Option<String>>;

fn objects(engine: &Arc<Engine>, filter: &ShowFilter, kind: &str) -> Result<Vec<Row>> {
    let catalog = engine.catalog();
    let in_schema = filter.schema.as_ref().map(schema_name).transpose()?;
    if let Some(schema) = in_schema
        .as_ref()
        .filter(|schema| !catalog.has_schema(schema))
    {
        return Err(Error::user(
            SqlState::InvalidSchemaName,
            format!("schema \"{schema}\" does not exist"),
        ));
    }
    Ok(catalog
        .all()
        .filter(|object| object.kind() == kind)
        .filter(|object| {
            in_schema
                .as_ref()
                .is_none_or(|schema| *schema == object.name().schema)
        })
        .filter(|object| matches(filter, &object.name().name))
        .map(|object| {
            let kind = match object.as_ref() {
                Object::Table(table) if table.continuous => "continuous table",
                other => other.kind(),
            };
            vec![
                Some(object.name().schema.clone()),
                Some(object.name().name.clone()),
                Some(kind.to_owned()),
                Some(object.meta().created_at.clone()),
            ]
        })
        .collect())
}

fn queries(engine: &Arc<Engine>, filter: &ShowFilter) -> Vec<Row> {
    engine
        .query_statuses()
        .into_iter()
        .filter(|status| matches(filter, &status.name))
        .map(|status| {
            vec![
                Some(status.name),
                Some(status.state.as_str().to_owned()),
                status
                    .watermark_us
                    .filter(|us| *us < i64::MAX)
                    .map(crate::clock::rfc3339),
                Some(status.lag_rows.to_string()),
                status.held_by,
                status.last_error,
            ]
        })
        .collect()
}

fn create(engine: &Arc<Engine>, kind: ObjectKind, name: &ObjectName) -> Result<Row> {
    let name = QualifiedName::from_sql(name)?;
    let catalog = engine.catalog();
    let object = catalog.require(&name)?;
    let wanted = match kind {
        ObjectKind::Stream => "stream",
        ObjectKind::View => "view",
        ObjectKind::Table => "table",
        ObjectKind::Schema => "schema",
    };
    if object.kind() != wanted {
        return Err(Error::user(
            SqlState::WrongObjectType,
            format!("\"{name}\" is not a {wanted}"),
        )
        .with_hint(format!(
            "It is a {0}: SHOW CREATE {1} {name};",
            object.kind(),
            object.kind().to_uppercase()
        )));
    }
    Ok(vec![Some(name.to_string()), Some(object.shown_sql())])
}

/// `LIKE` over names, letters of either case alike.
fn matches(filter: &ShowFilter, name: &str) -> bool {
    filter.like.as_ref().is_none_or(|pattern| {
        let values = StringArray::from(vec![name.to_lowercase()]);
        let pattern = arrow::array::Scalar::new(StringArray::from(vec![pattern.to_lowercase()]));
        arrow::compute::like(&values, &pattern).is_ok_and(|found| found.value(0))
    })
}
