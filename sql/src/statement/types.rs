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

mod refused;

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
    "ROW",
    "JSON",
    "JSONB",
    "BOOL",
    "TIMESTAMP_LTZ",
    "TIMESTAMP_NTZ",
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

/// What a nested type's parts stand between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Angle,
    Round,
}

impl Bracket {
    fn opening(token: &Token) -> Option<Self> {
        match token {
            Token::Lt => Some(Self::Angle),
            Token::LParen => Some(Self::Round),
            _ => None,
        }
    }
}

impl Types {
    fn data_type(&mut self, reader: &mut Reader<'_>) -> Result<DataType, ParseError> {
        let at = reader.span();
        let name = reader.word(0).unwrap_or_default().to_ascii_uppercase();
        let bracket = Bracket::opening(&reader.peek(1).token);
        let mut data_type = match (name.as_str(), bracket) {
            // ROW is Flink's and the standard's STRUCT.
            ("STRUCT" | "ROW", Some(bracket)) => self.structure(reader, bracket)?,
            // The tokens `ARRAY(` were taken for a call before it was known that a type stands here.
            ("ARRAY" | "MAKE_ARRAY", Some(bracket)) => {
                self.open(reader)?;
                let element = self.data_type(reader)?;
                self.close(reader, bracket)?;
                array_of(element)
            }
            ("MAP", Some(bracket)) => {
                self.open(reader)?;
                let key_at = reader.span();
                let key = self.data_type(reader)?;
                refused::map_key(&key, key_at)?;
                reader.expect_token(&Token::Comma, "write MAP<key type, value type>")?;
                let value = self.data_type(reader)?;
                self.close(reader, bracket)?;
                DataType::Map(Box::new(key), Box::new(value))
            }
            ("STRUCT" | "ROW" | "ARRAY" | "MAP", None) => {
                reader.skip(1);
                return Err(
                    reader.unexpected("write STRUCT<name TYPE, …>, ARRAY<TYPE> or MAP<TYPE, TYPE>")
                );
            }
            _ => match local_time_zone(reader) {
                Some(instant) => instant,
                None => {
                    refused::by_name(&name, at)?;
                    let parsed = reader.sql(Parser::parse_data_type)?;
                    known(canonical(parsed, self.flavour), at)?
                }
            },
        };
        // After `>>` what follows belongs to the type around this one.
        while self.spare_closes == 0 && array_follows(reader)? {
            data_type = array_of(data_type);
        }
        Ok(data_type)
    }

    fn structure(
        &mut self,
        reader: &mut Reader<'_>,
        bracket: Bracket,
    ) -> Result<DataType, ParseError> {
        const SHAPE: &str = "write STRUCT<name TYPE, …>";
        self.open(reader)?;
        let mut fields = Vec::new();
        loop {
            let name = reader.ident(SHAPE)?;
            reader.take_token(&Token::Colon);
            if missing(reader) {
                return Err(reader.unexpected(SHAPE));
            }
            let field_type = self.data_type(reader)?;
            if self.spare_closes == 0 {
                reader.take(&["NOT", "NULL"]);
                let comment = reader.take(&["COMMENT"]);
                // Flink has the comment alone.
                if comment || matches!(reader.peek(0).token, Token::SingleQuotedString(_)) {
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
        self.close(reader, bracket)?;
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

    fn close(&mut self, reader: &mut Reader<'_>, bracket: Bracket) -> Result<(), ParseError> {
        self.open = self.open.saturating_sub(1);
        if bracket == Bracket::Round {
            if self.spare_closes > 0 {
                return Err(reader.unexpected("there is one > too many"));
            }
            return reader.expect_token(&Token::RParen, "close the type with )");
        }
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

/// Goes past `[]`, or the standard's ARRAY.
fn array_follows(reader: &mut Reader<'_>) -> Result<bool, ParseError> {
    if reader.take_token(&Token::LBracket) {
        reader.expect_token(&Token::RBracket, "write an array type as TYPE[]")?;
        return Ok(true);
    }
    Ok(reader.take(&["ARRAY"]))
}

fn array_of(element: DataType) -> DataType {
    DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None))
}

/// Flink's `TIMESTAMP(3) WITH LOCAL TIME ZONE`, an instant; goes past it.
fn local_time_zone(reader: &mut Reader<'_>) -> Option<DataType> {
    if !reader.word_is(0, "TIMESTAMP") {
        return None;
    }
    let mut ahead = 1;
    let mut precision = None;
    if reader.peek(1).token == Token::LParen {
        let Token::Number(digits, _) = &reader.peek(2).token else {
            return None;
        };
        precision = Some(digits.parse().ok()?);
        ahead = 4;
    }
    let words = ["WITH", "LOCAL", "TIME", "ZONE"];
    let found = words
        .iter()
        .enumerate()
        .all(|(i, word)| reader.word_is(ahead + i, word));
    found.then(|| {
        reader.skip(ahead + words.len());
        DataType::Timestamp(precision, TimezoneInfo::Tz)
    })
}

/// Refuses names that are no type, with the nearest that is one, and types that no column can have.
fn known(data_type: DataType, at: Span) -> Result<DataType, ParseError> {
    if let DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = &data_type {
        known(element.as_ref().clone(), at)?;
        return Ok(data_type);
    }
    let DataType::Custom(name, _) = &data_type else {
        refused::check(&data_type, at)?;
        return Ok(data_type);
    };
    let name = name.to_string();
    let error = ParseError::invalid(
        format!("type \"{}\" does not exist", name.to_lowercase()),
        at,
    );
    let error = match hints::nearest(&name, KNOWN) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(refused::OFFERED),
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
                "STRING" | "BPCHAR" => DataType::Text,
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
