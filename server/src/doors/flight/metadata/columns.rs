//! What a listing tells of a table's columns beside their Arrow types: the metadata that `FlightSql.proto` names.
//!
//! JDBC's and ADBC's columns are made of it; without it they guess by the Arrow type, and comments cannot be had at all.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{
    catalog::{Object, QualifiedName, TEMP_SCHEMA},
    dialect,
    session::Session,
};

/// Where columns are.
pub(super) struct Place<'a> {
    pub(super) catalog: &'a str,
    pub(super) schema: &'a str,
    pub(super) table: &'a str,
}

impl Place<'_> {
    /// The columns with what is known of them.
    pub(super) fn described(&self, session: &Session, columns: &Schema) -> SchemaRef {
        let catalog = session.engine().catalog();
        let object = catalog.get(&QualifiedName::new(self.schema, self.table));
        let written = match object.map(Arc::as_ref) {
            Some(Object::Table(table)) => !table.continuous,
            Some(_) => false,
            None => self.schema == TEMP_SCHEMA,
        };
        let fields = columns.fields().iter().map(|field| {
            let comments = object.map(|object| &object.meta().column_comments);
            let comment = comments.and_then(|comments| comments.get(field.name()));
            let mut metadata = field.metadata().clone();
            metadata.extend(self.told(field, written, comment.map(String::as_str)));
            field.as_ref().clone().with_metadata(metadata)
        });
        let fields: Vec<Field> = fields.collect();
        let metadata = columns.metadata().clone();
        Arc::new(Schema::new_with_metadata(fields, metadata))
    }

    fn told(&self, field: &Field, written: bool, comment: Option<&str>) -> HashMap<String, String> {
        let yes = |is: bool| if is { "1" } else { "0" }.to_owned();
        let (precision, scale) = digits(field.data_type());
        let all = [
            ("CATALOG_NAME", Some(self.catalog.to_owned())),
            ("DB_SCHEMA_NAME", Some(self.schema.to_owned())),
            ("TABLE_NAME", Some(self.table.to_owned())),
            ("TYPE_NAME", Some(dialect::type_name(field))),
            ("PRECISION", precision.map(|digits| digits.to_string())),
            ("SCALE", scale.map(|digits| digits.to_string())),
            ("REMARKS", comment.map(str::to_owned)),
            ("IS_AUTO_INCREMENT", Some(yes(false))),
            (
                "IS_CASE_SENSITIVE",
                Some(yes(*field.data_type() == DataType::Utf8)),
            ),
            ("IS_READ_ONLY", Some(yes(!written))),
            ("IS_SEARCHABLE", Some(yes(true))),
        ];
        let known = all.into_iter().filter_map(|(key, value)| {
            let key = format!("ARROW:FLIGHT:SQL:{key}");
            Some((key, value?))
        });
        known.collect()
    }
}

/// How many decimal digits a type has, and how many of them after the point, as PostgreSQL's drivers tell them.
fn digits(data_type: &DataType) -> (Option<u8>, Option<i8>) {
    match data_type {
        DataType::Boolean => (Some(1), None),
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => (Some(5), Some(0)),
        DataType::UInt16 | DataType::Int32 => (Some(10), Some(0)),
        DataType::UInt32 | DataType::Int64 => (Some(19), Some(0)),
        DataType::UInt64 => (Some(20), Some(0)),
        DataType::Float16 | DataType::Float32 => (Some(8), None),
        DataType::Float64 => (Some(17), None),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            (Some(*precision), Some(*scale))
        }
        DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
            let fraction = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            (None, Some(fraction))
        }
        _ => (None, None),
    }
}
