//! Columns of the answers about keys, of which there are none: nothing here declares one, yet JDBC tools ask for every table.

use std::sync::Arc;

use arrow::datatypes::{
    DataType::{self, Int32, UInt8, Utf8},
    Field, Schema, SchemaRef,
};

/// Columns of GetPrimaryKeys (`FlightSql.proto`).
pub(super) fn primary() -> SchemaRef {
    columns(&[
        ("catalog_name", Utf8, true),
        ("db_schema_name", Utf8, true),
        ("table_name", Utf8, false),
        ("column_name", Utf8, false),
        ("key_name", Utf8, true),
        ("key_sequence", Int32, false),
    ])
}

/// Columns of GetExportedKeys, GetImportedKeys and GetCrossReference (`FlightSql.proto`).
pub(super) fn foreign() -> SchemaRef {
    columns(&[
        ("pk_catalog_name", Utf8, true),
        ("pk_db_schema_name", Utf8, true),
        ("pk_table_name", Utf8, false),
        ("pk_column_name", Utf8, false),
        ("fk_catalog_name", Utf8, true),
        ("fk_db_schema_name", Utf8, true),
        ("fk_table_name", Utf8, false),
        ("fk_column_name", Utf8, false),
        ("key_sequence", Int32, false),
        ("fk_key_name", Utf8, true),
        ("pk_key_name", Utf8, true),
        ("update_rule", UInt8, false),
        ("delete_rule", UInt8, false),
    ])
}

fn columns(columns: &[(&str, DataType, bool)]) -> SchemaRef {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, ty, nullable)| Field::new(*name, ty.clone(), *nullable))
        .collect();
    Arc::new(Schema::new(fields))
}
