//! Arrow types as a CREATE TABLE declares them: what a table of such columns is made with.

use arrow::datatypes::{DataType, Schema};

use super::declared_as;
use crate::error::{Error, Result, SqlState};

/// `"a" BIGINT, "b" TEXT[], …` for a table that holds these columns.
///
/// # Errors
/// Names the first column of a type that no table can hold.
pub(crate) fn declared_columns(schema: &Schema) -> Result<String> {
    let columns = schema.fields().iter().map(|field| {
        let marked = declared_as(field).map(str::to_owned);
        let data_type = marked.or_else(|| declared_type(field.data_type()));
        let data_type = data_type.ok_or_else(|| {
            Error::user(
                SqlState::FeatureNotSupported,
                format!(
                    "column \"{}\" has type {}, which a table cannot hold",
                    field.name(),
                    field.data_type()
                ),
            )
            .with_hint("Cast it to another type.")
        })?;
        let not_null = if field.is_nullable() { "" } else { " NOT NULL" };
        Ok(format!("{} {data_type}{not_null}", ident(field.name())))
    });
    Ok(columns.collect::<Result<Vec<_>>>()?.join(", "))
}

/// A name in double quotes.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The SQL type that holds an Arrow type.
pub(crate) fn declared_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::UInt8 | DataType::Int16 => "SMALLINT".into(),
        DataType::UInt16 | DataType::Int32 => "INT".into(),
        DataType::UInt32 | DataType::Int64 => "BIGINT".into(),
        DataType::UInt64 => "NUMERIC(20, 0)".into(),
        DataType::Float16 | DataType::Float32 => "REAL".into(),
        DataType::Float64 => "DOUBLE PRECISION".into(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("NUMERIC({precision}, {scale})"),
        // A column of nothing but nulls may become anything; text takes everything.
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "TEXT".into(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "BYTEA".into(),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP".into(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMPTZ".into(),
        DataType::Dictionary(_, value) => declared_type(value)?,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => format!("{}[]", declared_type(item.data_type())?),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let data_type = declared_type(field.data_type())?;
                Some(format!("{} {data_type}", ident(field.name())))
            });
            format!("STRUCT<{}>", fields.collect::<Option<Vec<_>>>()?.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => {
                let types = pair.iter().map(|field| declared_type(field.data_type()));
                format!("MAP({})", types.collect::<Option<Vec<_>>>()?.join(", "))
            }
            _ => return None,
        },
        _ => return None,
    })
}
