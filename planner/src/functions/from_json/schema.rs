//! `'a STRING, b DOUBLE, ts TIMESTAMP'` to Arrow fields: Spark's DDL form of a schema.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::{Result, plan_datafusion_err, plan_err};
use sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType, ExactNumberInfo, TimezoneInfo};
use sqlparser::dialect::DatabricksDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Spark's precision and scale of a DECIMAL that names none.
const DEFAULT_DECIMAL: (u8, i8) = (10, 0);
/// How deep types may be nested: the parser recurses on them without a limit of its own.
const MAX_DEPTH: usize = 64;
/// Digits that fit 128 bits.
const MAX_DECIMAL: u64 = 38;

/// Reads the schema argument of `from_json`.
pub(super) fn parse_schema(text: &str) -> Result<Fields> {
    if depth(text) > MAX_DEPTH {
        return plan_err!("the schema of from_json is nested deeper than {MAX_DEPTH} levels");
    }
    let columns = parse_columns(text).map_err(|e| {
        let reason = match e {
            ParserError::ParserError(m) | ParserError::TokenizerError(m) => m,
            ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
        };
        plan_datafusion_err!(
            "the schema of from_json does not parse: {reason} (write it as 'a STRING, b DOUBLE, ts TIMESTAMP')"
        )
    })?;
    fields(
        columns
            .iter()
            .map(|(name, sql_type)| (Some(name.as_str()), sql_type)),
    )
}

/// How deep brackets are nested, or more: quotes are not looked at.
fn depth(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' | b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn parse_columns(text: &str) -> Result<Vec<(String, SqlType)>, ParserError> {
    let mut parser = Parser::new(&DatabricksDialect {}).try_with_sql(text)?;
    // Spark itself prints schemas both bare and wrapped in struct<…>.
    if parser.peek_keyword(Keyword::STRUCT) && parser.peek_nth_token(1).token == Token::Lt {
        let whole = parser.parse_data_type()?;
        parser.expect_token(&Token::EOF)?;
        return match whole {
            SqlType::Struct(fields, _) => fields
                .into_iter()
                .map(|field| match field.field_name {
                    Some(name) => Ok((name.value, field.field_type)),
                    None => Err(ParserError::ParserError("a field has no name".to_owned())),
                })
                .collect(),
            other => Err(ParserError::ParserError(format!("{other} is no struct"))),
        };
    }
    let columns = parser.parse_comma_separated(|parser| {
        let name = parser.parse_identifier()?;
        let _ = parser.consume_token(&Token::Colon);
        let sql_type = parser.parse_data_type()?;
        // JSON cannot promise it: a missing field is NULL, as in Spark.
        let _ = parser.parse_keywords(&[Keyword::NOT, Keyword::NULL]);
        if parser.parse_keyword(Keyword::COMMENT) {
            parser.parse_literal_string()?;
        }
        Ok((name.value, sql_type))
    })?;
    parser.expect_token(&Token::EOF)?;
    Ok(columns)
}

fn fields<'a>(columns: impl Iterator<Item = (Option<&'a str>, &'a SqlType)>) -> Result<Fields> {
    let mut seen = HashSet::new();
    columns
        .map(|(name, sql_type)| {
            let Some(name) = name else {
                return plan_err!("a STRUCT in the schema of from_json has a field without a name");
            };
            if !seen.insert(name) {
                return plan_err!("column \"{name}\" stands twice in the schema of from_json");
            }
            Ok(Field::new(name, arrow_type(name, sql_type)?, true))
        })
        .collect()
}

fn arrow_type(column: &str, sql_type: &SqlType) -> Result<DataType> {
    Ok(match sql_type {
        SqlType::String(_) | SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) => {
            DataType::Utf8
        }
        SqlType::Double(_) | SqlType::DoublePrecision => DataType::Float64,
        SqlType::Float(_) | SqlType::Real => DataType::Float32,
        SqlType::TinyInt(_) => DataType::Int8,
        SqlType::SmallInt(_) => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) => DataType::Int32,
        SqlType::BigInt(_) => DataType::Int64,
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::Timestamp(_, TimezoneInfo::WithoutTimeZone) | SqlType::TimestampNtz(_) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        SqlType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        SqlType::Date => DataType::Date32,
        SqlType::Decimal(info) | SqlType::Numeric(info) | SqlType::Dec(info) => {
            decimal(column, info)?
        }
        SqlType::Array(ArrayElemTypeDef::AngleBracket(item)) => DataType::List(Arc::new(
            Field::new("item", arrow_type(column, item)?, true),
        )),
        SqlType::Struct(inner, _) => DataType::Struct(fields(inner.iter().map(|field| {
            let name = field.field_name.as_ref().map(|name| name.value.as_str());
            (name, &field.field_type)
        }))?),
        SqlType::Custom(name, arguments) if arguments.is_empty() => {
            spark_name(column, &name.to_string())?
        }
        other => return unknown(column, &other.to_string()),
    })
}

/// Names that only Spark knows as types.
fn spark_name(column: &str, name: &str) -> Result<DataType> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "LONG" => DataType::Int64,
        "SHORT" => DataType::Int16,
        "BYTE" => DataType::Int8,
        "TIMESTAMP_NTZ" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "TIMESTAMP_LTZ" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => return unknown(column, name),
    })
}

fn decimal(column: &str, info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match *info {
        ExactNumberInfo::None => {
            return Ok(DataType::Decimal128(DEFAULT_DECIMAL.0, DEFAULT_DECIMAL.1));
        }
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    if !(1..=MAX_DECIMAL).contains(&precision) || scale < 0 || scale as u64 > precision {
        return plan_err!(
            "DECIMAL({precision},{scale}) of column \"{column}\" in the schema of from_json is out of range: precision is 1 to {MAX_DECIMAL}, scale 0 to precision"
        );
    }
    Ok(DataType::Decimal128(precision as u8, scale as i8))
}

fn unknown<T>(column: &str, name: &str) -> Result<T> {
    plan_err!(
        "type {name} of column \"{column}\" is not supported by from_json; there are STRING, BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p,s), DATE, TIMESTAMP, TIMESTAMP_NTZ, ARRAY<…> and STRUCT<…>"
    )
}
