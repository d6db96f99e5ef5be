//! SQL types and the Arrow types they mean.
//!
//! One table for column definitions and for casts in queries, so that `x::TIMESTAMPTZ` and a column declared TIMESTAMPTZ are the same
//! type. The engine's own table differs (nanoseconds, string views), and Delta Lake stores neither.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::{error::Result as EngineResult, logical_expr::planner::TypePlanner};
use sluice_connectors::format::{JSON_TEXT, TYPE_MARK, UUID_TEXT};
use sluice_sql::ast::{
    ArrayElemTypeDef, DataType as SqlType, ExactNumberInfo, ObjectNamePart, TimezoneInfo,
};

use crate::error::{PlanError, Result};

#[cfg(test)]
mod tests;

/// Widest NUMERIC there is.
const MAX_PRECISION: u64 = 38;

/// Scale and precision of a NUMERIC that states none, as wide as it gets with room for money's fractions.
const DEFAULT_NUMERIC: DataType = DataType::Decimal128(38, 9);

/// The Arrow type that a SQL type means.
pub fn arrow_type(sql: &SqlType) -> Result<DataType> {
    build(sql, Marks::Left)
}

/// A type as PostgreSQL spells it.
#[must_use]
pub fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".into(),
        DataType::Int32 | DataType::UInt16 => "integer".into(),
        DataType::Int64 | DataType::UInt32 => "bigint".into(),
        DataType::UInt64 => "numeric(20,0)".into(),
        DataType::Float16 | DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("numeric({precision},{scale})")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "bytea".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond,
            zone,
        ) => {
            if zone.is_some() {
                "timestamp with time zone".into()
            } else {
                "timestamp without time zone".into()
            }
        }
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone".into(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".into(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("{}[]", sql_type(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), sql_type(field.data_type())))
                .collect();
            format!("struct({})", fields.join(", "))
        }
        DataType::Map(..) => "map".into(),
        other => other.to_string().to_lowercase(),
    }
}

/// A declared column for whoever decodes it: JSON and UUID are text that takes other forms than text, and say so in their metadata.
pub fn declared_field(name: impl Into<String>, sql: &SqlType, nullable: bool) -> Result<Field> {
    field(name, sql, nullable, Marks::Kept)
}

/// Whether JSON and UUID are told from other text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    Kept,
    Left,
}

fn field(name: impl Into<String>, sql: &SqlType, nullable: bool, marks: Marks) -> Result<Field> {
    let field = Field::new(name, build(sql, marks)?, nullable);
    let mark = match sql {
        SqlType::JSON | SqlType::JSONB => JSON_TEXT,
        SqlType::Uuid => UUID_TEXT,
        _ => return Ok(field),
    };
    Ok(match marks {
        Marks::Kept => field.with_metadata([(TYPE_MARK.to_owned(), mark.to_owned())].into()),
        Marks::Left => field,
    })
}

fn build(sql: &SqlType, marks: Marks) -> Result<DataType> {
    Ok(match sql {
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::TinyInt(_) => DataType::Int8,
        SqlType::SmallInt(_) | SqlType::Int2(_) | SqlType::Int16 => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) | SqlType::Int4(_) | SqlType::Int32 => {
            DataType::Int32
        }
        SqlType::BigInt(_) | SqlType::Int8(_) | SqlType::Int64 => DataType::Int64,
        SqlType::Real | SqlType::Float4 | SqlType::Float32 => DataType::Float32,
        SqlType::Float(precision) => match precision {
            // The standard: up to 24 binary digits is single precision.
            ExactNumberInfo::Precision(bits) if *bits <= 24 => DataType::Float32,
            _ => DataType::Float64,
        },
        SqlType::Double(_) | SqlType::DoublePrecision | SqlType::Float8 | SqlType::Float64 => {
            DataType::Float64
        }
        SqlType::Numeric(info) | SqlType::Decimal(info) | SqlType::Dec(info) => numeric(sql, info)?,
        SqlType::Text
        | SqlType::String(_)
        | SqlType::Varchar(_)
        | SqlType::CharVarying(_)
        | SqlType::CharacterVarying(_)
        | SqlType::Nvarchar(_)
        | SqlType::Char(_)
        | SqlType::Character(_)
        | SqlType::Uuid
        | SqlType::JSON
        | SqlType::JSONB => DataType::Utf8,
        SqlType::Bytea | SqlType::Binary(_) | SqlType::Varbinary(_) | SqlType::Blob(_) => {
            DataType::Binary
        }
        SqlType::Date | SqlType::Date32 => DataType::Date32,
        SqlType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => timestamptz(),
        SqlType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
        | SqlType::TimestampNtz(..)
        | SqlType::Datetime(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        SqlType::Array(
            ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::Parenthesis(element),
        ) => DataType::List(Arc::new(field(
            Field::LIST_FIELD_DEFAULT_NAME,
            element,
            true,
            marks,
        )?)),
        SqlType::Struct(fields, _) => {
            let fields: Result<Vec<FieldRef>> = fields
                .iter()
                .enumerate()
                .map(|(index, member)| {
                    let name = match &member.field_name {
                        Some(name) => identifier(name),
                        None => format!("f{}", index + 1),
                    };
                    field(name, &member.field_type, true, marks).map(Arc::new)
                })
                .collect();
            DataType::Struct(Fields::from(fields?))
        }
        SqlType::Map(key, value) => DataType::Map(
            Arc::new(Field::new(
                "entries",
                DataType::Struct(Fields::from(vec![
                    field("key", key, false, marks)?,
                    field("value", value, true, marks)?,
                ])),
                false,
            )),
            false,
        ),
        SqlType::Custom(name, arguments) => custom(sql, &name.0, arguments)?,
        other => return Err(unknown(other)),
    })
}

fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// An identifier as PostgreSQL has it: in lower case where it is not quoted.
pub(super) fn identifier(ident: &sluice_sql::ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn numeric(sql: &SqlType, info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(DEFAULT_NUMERIC),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    let valid = (1..=MAX_PRECISION).contains(&precision)
        && u64::try_from(scale).is_ok_and(|scale| scale <= precision);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) if valid => Ok(DataType::Decimal128(precision, scale)),
        _ => Err(
            PlanError::invalid(format!("type {sql} is out of range")).hint(format!(
                "precision is between 1 and {MAX_PRECISION}, scale between 0 and the precision"
            )),
        ),
    }
}

/// Names the parser does not know as types of its own.
fn custom(sql: &SqlType, name: &[ObjectNamePart], arguments: &[String]) -> Result<DataType> {
    let [ObjectNamePart::Identifier(name)] = name else {
        return Err(unknown(sql));
    };
    match (name.value.to_lowercase().as_str(), arguments) {
        ("timestamptz", _) => Ok(timestamptz()),
        ("timestamp_ntz", _) => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("string" | "text" | "json" | "jsonb" | "uuid" | "name", []) => Ok(DataType::Utf8),
        ("long", []) => Ok(DataType::Int64),
        ("short", []) => Ok(DataType::Int16),
        ("byte", []) => Ok(DataType::Int8),
        _ => Err(unknown(sql)),
    }
}

fn unknown(sql: &SqlType) -> PlanError {
    PlanError::unsupported(format!("type {} is not supported", sql.to_string().to_lowercase()))
        .hint(
            "types are BOOLEAN, SMALLINT, INT, BIGINT, REAL, DOUBLE, NUMERIC(p, s), TEXT, BYTEA, DATE, TIMESTAMP, TIMESTAMPTZ, \
             arrays such as INT[], STRUCT<name TYPE, …> and MAP(KEY, VALUE)",
        )
}

/// The same table for casts and literals in queries.
#[derive(Debug, Default)]
pub struct SqlTypes;

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> EngineResult<Option<FieldRef>> {
        // What we do not know may still be a type of the engine (TIME, INTERVAL, …) inside an expression.
        Ok(arrow_type(sql_type)
            .ok()
            .map(|data_type| Arc::new(Field::new("", data_type, true))))
    }
}
