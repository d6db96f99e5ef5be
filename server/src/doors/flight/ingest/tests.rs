//! Batches of a client in a table's columns.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int32Type, Schema, SchemaRef},
};

use super::{create_text, fitted};
use crate::catalog::QualifiedName;

fn table() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("c", DataType::Float64, true),
    ]))
}

fn name() -> QualifiedName {
    QualifiedName::new("gold", "t")
}

#[test]
fn columns_find_theirs_by_name() {
    let texts = StringArray::from(vec![Some("x"), None]);
    let numbers = Int64Array::from(vec![1, 2]);
    let batch =
        RecordBatch::try_from_iter([("b", Arc::new(texts) as _), ("a", Arc::new(numbers) as _)])
            .unwrap();
    let rows = fitted(&batch, &table(), &name()).unwrap();
    assert_eq!(rows.column(0).as_primitive::<Int32Type>().values(), &[1, 2]);
    assert!(rows.column(1).is_null(1));
    assert_eq!(rows.column(2).null_count(), 2);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let large = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1 << 40])) as _)]);
    let error = fitted(&large.unwrap(), &table(), &name()).unwrap_err();
    assert_eq!(error.state.code(), "22003", "{error}");
    let text = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec!["1"])) as _)]);
    let error = fitted(&text.unwrap(), &table(), &name()).unwrap_err();
    assert_eq!(
        error.message,
        "column \"a\" is of type integer but expression is of type text"
    );
    let unknown = RecordBatch::try_from_iter([("d", Arc::new(Int64Array::from(vec![1])) as _)]);
    let error = fitted(&unknown.unwrap(), &table(), &name()).unwrap_err();
    assert_eq!(
        error.message,
        "column \"d\" of relation \"t\" does not exist"
    );
}

#[test]
fn a_table_is_made_of_the_columns() {
    let schema = Schema::new(vec![
        Field::new("Über", DataType::UInt32, false),
        Field::new(
            "list",
            DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            true,
        ),
    ]);
    assert_eq!(
        create_text(&name(), &schema).unwrap(),
        "CREATE TABLE \"gold\".\"t\" (\"Über\" BIGINT, \"list\" TEXT[])"
    );
    let odd = Schema::new(vec![Field::new(
        "t",
        DataType::Duration(arrow::datatypes::TimeUnit::Second),
        true,
    )]);
    assert!(
        create_text(&name(), &odd)
            .unwrap_err()
            .message
            .contains("column \"t\"")
    );
}
