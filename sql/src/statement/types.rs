//! Column types: PostgreSQL's, Spark's and Flink's names, brought to one spelling each that the engine plans.
//!
//! Two names mean different things in two places and are decided here: FLOAT is eight bytes in our SQL (as in
//! PostgreSQL) and four in a Spark schema; TIMESTAMP is without a zone in our SQL and an instant in a Spark schema.

use std::fmt;

use sqlparser::ast::{
    ArrayElemTypeDef, DataType, ExactNumberInfo, StructBracketKind, StructField, TimezoneInfo,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Span, Token};

use crate::error::ParseError;
use crate::hints;
use crate::reader::Reader;

/// Whose meaning an ambiguous name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    Postgres,
    Spark,
}

/// How deep STRUCT, ARRAY and MAP may be nested.
const MAX_TYPE_NESTING: usize = 64;

/// Names for the hint of a misspelt type.
const KNOWN: &[&str] = &[
    "ARRAY",
    "BIGINT",
    "BINARY",
    "BOOLEAN",
    "BYTEA",
    "CHAR",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "INT",
    "INTEGER",
    "INTERVAL",
    "LONG",
    "MAP",
    "NUMERIC",
    "REAL",
    "SHORT",
    "SMALLINT",
    "STRING",
    "STRUCT",
    "TEXT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TINYINT",
    "UUID",
    "VARCHAR",
];

/// A type as it is printed: nested ones with angle brackets, which is how they are read.
pub(super) struct Shown<'a>(pub(super) &'a DataType);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DataType::Map(key, value) => write!(f, "MAP<{}, {}>", Shown(key), Shown(value)),
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, None)) => {
                write!(f, "{}[]", Shown(element))
            }
            DataType::Struct(fields, StructBracketKind::AngleBrackets) => {
                f.write_str("STRUCT<")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    match &field.field_name {
                        Some(name) => write!(f, "{comma}{name} {}", Shown(&field.field_type))?,
                        None => write!(f, "{comma}{}", Shown(&field.field_type))?,
                    }
                }
                f.write_str(">")
            }
            other => other.fmt(f),
        }
    }
}

/// Whether no type follows a column's name.
pub(crate) fn missing(reader: &Reader<'_>) -> bool {
    const NEXT: [&str; 10] = [
        "NOT",
        "NULL",
        "COMMENT",
        "PRIMARY",
        "UNIQUE",
        "DEFAULT",
        "CHECK",
        "REFERENCES",
        "AS",
        "LATENESS",
    ];
    match &reader.peek(0).token {
        Token::Word(_) => NEXT.iter().any(|word| reader.word_is(0, word)),
        _ => true,
    }
}

/// Reads a type.
pub(crate) fn parse(reader: &mut Reader<'_>, flavour: Flavour) -> Result<DataType, ParseError> {
    let mut types = Types {
        flavour,
        open: 0,
        spare_closes: 0,
    };
    types.data_type(reader)
}

/// The state of reading one type: `>>` closes two.
struct Types {
    flavour: Flavour,
    open: usize,
    spare_closes: usize,
}

impl Types {
    fn data_type(&mut self, reader: &mut Reader<'_>) -> Result<DataType, ParseError> {
        let at = reader.span();
        let name = reader.word(0).unwrap_or_default().to_ascii_uppercase();
        let bracket = reader.peek(1).token == Token::Lt;
        let mut data_type = match name.as_str() {
            "STRUCT" if bracket => self.structure(reader)?,
            "ARRAY" if bracket => {
                self.open(reader)?;
                let element = self.data_type(reader)?;
                self.close(reader)?;
                DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None))
            }
            "MAP" if bracket => {
                self.open(reader)?;
                let key = self.data_type(reader)?;
                reader.expect_token(&Token::Comma, "write MAP<key type, value type>")?;
                let value = self.data_type(reader)?;
                self.close(reader)?;
                DataType::Map(Box::new(key), Box::new(value))
            }
            "STRUCT" | "ARRAY" | "MAP" => {
                reader.skip(1);
                return Err(reader
                    .unexpected("write STRUCT<name: TYPE, …>, ARRAY<TYPE> or MAP<TYPE, TYPE>"));
            }
            _ => {
                let parsed = reader.sql(Parser::parse_data_type)?;
                known(canonical(parsed, self.flavour), at)?
            }
        };
        while self.spare_closes == 0 && reader.take_token(&Token::LBracket) {
            reader.expect_token(&Token::RBracket, "write an array type as TYPE[]")?;
            data_type = DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(data_type), None));
        }
        Ok(data_type)
    }

    fn structure(&mut self, reader: &mut Reader<'_>) -> Result<DataType, ParseError> {
        const SHAPE: &str = "write STRUCT<name: TYPE, …>";
        self.open(reader)?;
        let mut fields = Vec::new();
        loop {
            let name = reader.ident(SHAPE)?;
            reader.take_token(&Token::Colon);
            let field_type = self.data_type(reader)?;
            if self.spare_closes == 0 {
                reader.take(&["NOT", "NULL"]);
                if reader.take(&["COMMENT"]) {
                    reader.string("write COMMENT 'text'")?;
                }
            }
            fields.push(StructField {
                field_name: Some(name),
                field_type,
                options: None,
            });
            if self.spare_closes > 0 || !reader.take_token(&Token::Comma) {
                break;
            }
        }
        self.close(reader)?;
        Ok(DataType::Struct(fields, StructBracketKind::AngleBrackets))
    }

    fn open(&mut self, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        if self.open == MAX_TYPE_NESTING {
            return Err(ParseError::too_complex(reader.span().start));
        }
        self.open += 1;
        reader.skip(2);
        Ok(())
    }

    fn close(&mut self, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        self.open = self.open.saturating_sub(1);
        if self.spare_closes > 0 {
            self.spare_closes -= 1;
            return Ok(());
        }
        // The tokenizer takes `>>` and `>>>` for operators.
        let closes = match &reader.peek(0).token {
            Token::Gt => 1,
            Token::ShiftRight => 2,
            Token::CustomBinaryOperator(text) if text.bytes().all(|byte| byte == b'>') => {
                text.len()
            }
            _ => return Err(reader.unexpected("close the type with >")),
        };
        if closes > self.open + 1 {
            return Err(reader.unexpected("there is one > too many"));
        }
        reader.skip(1);
        self.spare_closes = closes - 1;
        Ok(())
    }
}

/// Refuses names that are no type, with the nearest that is one.
fn known(data_type: DataType, at: Span) -> Result<DataType, ParseError> {
    let DataType::Custom(name, _) = &data_type else {
        return Ok(data_type);
    };
    let name = name.to_string();
    let error = ParseError::invalid(
        format!("type \"{}\" does not exist", name.to_lowercase()),
        at,
    );
    let error = match hints::nearest(&name, KNOWN) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("types are TEXT, BOOLEAN, INT, BIGINT, DOUBLE, DECIMAL(p, s), DATE, TIMESTAMPTZ, BYTEA, …"),
    };
    Err(error.offending(name))
}

/// One spelling for each type. Types the engine knows as they are stay as they are.
pub(crate) fn canonical(data_type: DataType, flavour: Flavour) -> DataType {
    match data_type {
        DataType::String(_) => DataType::Text,
        DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Nvarchar(length) => DataType::Varchar(length),
        DataType::Character(length) => DataType::Char(length),
        DataType::Dec(info) => DataType::Decimal(info),
        DataType::Decimal(ExactNumberInfo::None) if flavour == Flavour::Spark => {
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(10, 0))
        }
        DataType::Float(info) => float(&info, flavour),
        DataType::Float32 => DataType::Real,
        DataType::Float64 | DataType::DoublePrecision | DataType::Float8 => {
            DataType::Double(ExactNumberInfo::None)
        }
        DataType::Float4 => DataType::Real,
        DataType::Int64 => DataType::BigInt(None),
        DataType::Int32 => DataType::Int(None),
        DataType::Int16 => DataType::SmallInt(None),
        DataType::Datetime(precision) => DataType::Timestamp(precision, TimezoneInfo::None),
        DataType::TimestampNtz(precision) => DataType::Timestamp(precision, TimezoneInfo::None),
        DataType::Timestamp(precision, TimezoneInfo::None) if flavour == Flavour::Spark => {
            DataType::Timestamp(precision, TimezoneInfo::Tz)
        }
        DataType::Timestamp(precision, TimezoneInfo::WithTimeZone) => {
            DataType::Timestamp(precision, TimezoneInfo::Tz)
        }
        DataType::Timestamp(precision, TimezoneInfo::WithoutTimeZone) => {
            DataType::Timestamp(precision, TimezoneInfo::None)
        }
        DataType::Binary(None)
        | DataType::Varbinary(None)
        | DataType::Blob(None)
        | DataType::Bytes(None) => DataType::Bytea,
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Parenthesis(element),
        ) => DataType::Array(ArrayElemTypeDef::SquareBracket(
            Box::new(canonical(*element, flavour)),
            None,
        )),
        DataType::Custom(name, modifiers) => {
            let word = name.to_string().to_ascii_uppercase();
            let precision = modifiers.first().and_then(|modifier| modifier.parse().ok());
            match word.as_str() {
                "STRING" => DataType::Text,
                "LONG" => DataType::BigInt(None),
                "SHORT" => DataType::SmallInt(None),
                "BYTE" => DataType::TinyInt(None),
                "TIMESTAMP_NTZ" => DataType::Timestamp(precision, TimezoneInfo::None),
                "TIMESTAMP_LTZ" => DataType::Timestamp(precision, TimezoneInfo::Tz),
                _ => DataType::Custom(name, modifiers),
            }
        }
        other => other,
    }
}

/// FLOAT(p) is in binary digits: up to 24 of them fit four bytes.
fn float(info: &ExactNumberInfo, flavour: Flavour) -> DataType {
    let four_bytes = match info {
        ExactNumberInfo::None => flavour == Flavour::Spark,
        ExactNumberInfo::Precision(digits) | ExactNumberInfo::PrecisionAndScale(digits, _) => {
            *digits <= 24
        }
    };
    if four_bytes {
        DataType::Real
    } else {
        DataType::Double(ExactNumberInfo::None)
    }
}

#[cfg(test)]
mod tests;
