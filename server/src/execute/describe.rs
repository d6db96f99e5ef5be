//! `DESCRIBE`: the columns of a relation; with EXTENDED, what it is and where it lies.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use sluice_planner::sql_type;
use sluice_sql::{Describe, Described};

use crate::{
    catalog::{Object, QualifiedName},
    error::{Error, Result},
    session::Session,
    write::declared_as,
};

/// Columns of the answer.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("column_name", DataType::Utf8, true),
        Field::new("data_type", DataType::Utf8, true),
        Field::new("nullable", DataType::Utf8, true),
    ]))
}

pub(super) async fn run(session: &Session, describe: &Describe) -> Result<RecordBatch> {
    let name = QualifiedName::from_sql(&describe.name)?;
    let columns = session.relation_schema(&name).await?;
    let mut rows: Vec<[String; 3]> = columns
        .fields()
        .iter()
        .map(|field| {
            [
                field.name().clone(),
                declared_as(field).map_or_else(|| sql_type(field.data_type()), str::to_owned),
                if field.is_nullable() { "YES" } else { "NO" }.to_owned(),
            ]
        })
        .collect();
    if describe.what == Described::Extended {
        rows.extend(details(session, &name));
    }
    let column = |index: usize| {
        Arc::new(StringArray::from_iter_values(
            rows.iter()
                .map(|row| row.get(index).map_or("", String::as_str)),
        ))
    };
    RecordBatch::try_new(schema(), vec![column(0), column(1), column(2)])
        .map_err(|error| Error::internal(error.to_string()))
}

fn details(session: &Session, name: &QualifiedName) -> Vec<[String; 3]> {
    let engine = session.engine();
    let catalog = engine.catalog();
    let Some(object) = catalog.get(name) else {
        return Vec::new();
    };
    let mut facts = vec![
        ("# kind", object.kind().to_owned()),
        ("# id", object.meta().id.clone()),
        ("# created_at", object.meta().created_at.clone()),
        ("# reads", {
            let reads: Vec<String> = object.reads().iter().map(ToString::to_string).collect();
            reads.join(", ")
        }),
    ];
    if let Object::Table(table) = object.as_ref() {
        let partitions: Vec<String> = table
            .statement
            .partitioned_by
            .iter()
            .map(|column| column.name.value.clone())
            .collect();
        facts.push(("# format", "delta".to_owned()));
        facts.push((
            "# location",
            format!("{}/{}", engine.root().url, table.path()),
        ));
        facts.push(("# partition_columns", partitions.join(", ")));
        if let Some(running) = engine.table(name) {
            let version = running.tables.table.cut().version;
            facts.push((
                "# version",
                version.map_or_else(String::new, |version| version.to_string()),
            ));
            let (rows, bytes) = running.tables.table.tail_size();
            facts.push(("# uncommitted_rows", rows.to_string()));
            facts.push(("# uncommitted_bytes", bytes.to_string()));
        }
    }
    facts
        .into_iter()
        .map(|(key, value)| [key.to_owned(), value, String::new()])
        .collect()
}
