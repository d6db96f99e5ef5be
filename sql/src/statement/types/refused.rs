//! Types that exist somewhere and cannot be a column here: each is refused where it stands, with the type to declare instead.
//!
//! A column's values end in a Delta table, which has no time of day, no interval and no unsigned integer. What may be
//! computed with inside a query is the engine's business: casts do not come through here.

use sqlparser::ast::{DataType, ExactNumberInfo};
use sqlparser::tokenizer::Span;

use crate::error::ParseError;

/// The types there are, for a hint.
pub(super) const OFFERED: &str = "types are BOOLEAN, SMALLINT, INT, BIGINT, REAL, DOUBLE, NUMERIC(p, s), TEXT, BYTEA, DATE, TIMESTAMP, \
     TIMESTAMPTZ, UUID, JSON, arrays such as INT[], STRUCT<name TYPE, …> and MAP<TYPE, TYPE>";

/// Widest NUMERIC there is.
const MAX_PRECISION: u64 = 38;

const NO_TIME: &str =
    "Delta Lake has no time of day: declare it TEXT and cast it in the query, column::TIME";
const NO_INTERVAL: &str = "Delta Lake has no intervals: declare a number, and write column * INTERVAL '1 second' in the query";
const NO_UNSIGNED: &str = "Delta Lake has no unsigned integers: declare it BIGINT, or NUMERIC(20, 0) for values of 64 bits";

/// Refuses a type by the word it starts with, which the parser may not know as one.
pub(super) fn by_name(name: &str, at: Span) -> Result<(), ParseError> {
    let instead = match name {
        "MONEY" => "declare it NUMERIC(19, 2)",
        "SERIAL" | "SMALLSERIAL" | "BIGSERIAL" => {
            "declare it BIGINT: a stream's rows bring their values"
        }
        "VARIANT" | "OBJECT" | "HSTORE" => "declare it JSON, or MAP<TEXT, TEXT>",
        "MULTISET" => "declare it an array, or MAP<TYPE, INT>",
        "INET" | "CIDR" | "MACADDR" | "XML" | "ENUM" | "SET" | "NAME" => "declare it TEXT",
        "BIT" | "VARBIT" => "declare it TEXT, or BYTEA",
        "GEOMETRY" | "GEOGRAPHY" | "POINT" => "declare it TEXT, or BYTEA for WKB",
        "NUMBER" => "declare it NUMERIC(p, s)",
        "TIMETZ" => NO_TIME,
        _ => return Ok(()),
    };
    Err(refuse(&name.to_lowercase(), at).hint(instead))
}

/// Refuses a type that the parser knows and no column can have.
pub(super) fn check(data_type: &DataType, at: Span) -> Result<(), ParseError> {
    let instead = match data_type {
        DataType::Numeric(info) | DataType::Decimal(info) => return numeric(data_type, info, at),
        DataType::Interval { .. } => NO_INTERVAL,
        DataType::Time(..) => NO_TIME,
        DataType::TinyIntUnsigned(_)
        | DataType::SmallIntUnsigned(_)
        | DataType::MediumIntUnsigned(_)
        | DataType::IntUnsigned(_)
        | DataType::IntegerUnsigned(_)
        | DataType::BigIntUnsigned(_)
        | DataType::Int2Unsigned(_)
        | DataType::Int4Unsigned(_)
        | DataType::Int8Unsigned(_)
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::UTinyInt
        | DataType::USmallInt
        | DataType::UBigInt
        | DataType::Unsigned
        | DataType::UnsignedInteger => NO_UNSIGNED,
        DataType::Int128
        | DataType::Int256
        | DataType::UInt128
        | DataType::UInt256
        | DataType::HugeInt
        | DataType::UHugeInt
        | DataType::BigNumeric(_)
        | DataType::BigDecimal(_) => "declare it NUMERIC(38, 0), the widest there is",
        DataType::Boolean
        | DataType::Bool
        | DataType::TinyInt(_)
        | DataType::SmallInt(_)
        | DataType::Int2(_)
        | DataType::Int(_)
        | DataType::Integer(_)
        | DataType::Int4(_)
        | DataType::BigInt(_)
        | DataType::Int8(_)
        | DataType::Real
        | DataType::Double(_)
        | DataType::Text
        | DataType::Varchar(_)
        | DataType::Char(_)
        | DataType::Uuid
        | DataType::JSON
        | DataType::JSONB
        | DataType::Bytea
        | DataType::Binary(_)
        | DataType::Varbinary(_)
        | DataType::Blob(_)
        | DataType::Date
        | DataType::Date32
        | DataType::Timestamp(..)
        | DataType::Array(_)
        | DataType::Struct(..)
        | DataType::Map(..) => return Ok(()),
        _ => OFFERED,
    };
    Err(refuse(&data_type.to_string().to_lowercase(), at).hint(instead))
}

/// Refuses what cannot be the key of a MAP.
pub(super) fn map_key(data_type: &DataType, at: Span) -> Result<(), ParseError> {
    match data_type {
        DataType::Boolean
        | DataType::Bool
        | DataType::Real
        | DataType::Double(_)
        | DataType::Bytea
        | DataType::Binary(_)
        | DataType::Varbinary(_)
        | DataType::Blob(_)
        | DataType::JSON
        | DataType::JSONB
        | DataType::Array(_)
        | DataType::Struct(..)
        | DataType::Map(..) => {
            let name = super::Shown(data_type).to_string();
            Err(
                ParseError::unsupported(format!("a MAP cannot have keys of type {name}"), at)
                    .offending(name)
                    .hint("keys are TEXT, UUID, an integer, NUMERIC, DATE or a timestamp"),
            )
        }
        _ => Ok(()),
    }
}

fn refuse(name: &str, at: Span) -> ParseError {
    ParseError::unsupported(format!("a column cannot have type {name}"), at).offending(name)
}

fn numeric(data_type: &DataType, info: &ExactNumberInfo, at: Span) -> Result<(), ParseError> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(()),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if (1..=MAX_PRECISION).contains(&precision)
        && u64::try_from(scale).is_ok_and(|scale| scale <= precision)
    {
        return Ok(());
    }
    Err(
        ParseError::invalid(format!("type {data_type} is out of range"), at)
            .offending(data_type.to_string())
            .hint(format!(
                "precision is between 1 and {MAX_PRECISION}, scale between 0 and the precision"
            )),
    )
}
