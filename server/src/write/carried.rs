//! Columns whose type Delta and Arrow lack, and a text carries: `UUID`, `JSON`, `JSONB`, `VARCHAR(n)`, `CHAR(n)`.
//!
//! The declared type stands in the field's metadata, in the table's log too, where other engines pass it over. Whatever is written passes by
//! [`as_declared`]: INSERT, UPDATE, MERGE, COPY and bulk ingest alike. What it must never do is let a value in that a client could not read as the
//! type it was told.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, SchemaRef},
};
use sluice_connectors::format::json::usual_uuid;
use sluice_planner::functions::PG_TYPE;
use sluice_sql::ast::{self, ArrayElemTypeDef, CharacterLength};

use crate::{
    dialect::{check_json, jsonb},
    error::{Error, Result, SqlState},
    execute::engine_error,
};

/// The longest `VARCHAR(n)` and `CHAR(n)` of PostgreSQL's.
const LONGEST: u64 = 10_485_760;

/// The field of a column that is declared as `sql`, marked where its Arrow type does not say that.
///
/// # Errors
/// A length that no text can have.
pub(crate) fn declared_field(field: Field, sql: &ast::DataType) -> Result<Field> {
    Ok(match mark(sql)? {
        Some(mark) => field.with_metadata([(PG_TYPE.to_owned(), mark)].into()),
        None => field,
    })
}

fn mark(sql: &ast::DataType) -> Result<Option<String>> {
    use ast::DataType as D;
    Ok(Some(match sql {
        D::Uuid => "uuid".into(),
        D::JSON => "json".into(),
        D::JSONB => "jsonb".into(),
        D::Varchar(length) | D::CharacterVarying(length) | D::CharVarying(length) => match length {
            Some(length) => format!("character varying({})", letters("varchar", length)?),
            None => "character varying".into(),
        },
        D::Char(length) | D::Character(length) => {
            let length = length.as_ref().map(|length| letters("char", length));
            format!("character({})", length.transpose()?.unwrap_or(1))
        }
        D::Array(
            ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Parenthesis(element),
        ) if matches!(element.as_ref(), D::Uuid | D::JSON | D::JSONB) => {
            return Ok(mark(element)?.map(|element| format!("{element}[]")));
        }
        _ => return Ok(None),
    }))
}

fn letters(name: &str, length: &CharacterLength) -> Result<u64> {
    let wrong = |message: String| Err(Error::user(SqlState::InvalidParameterValue, message));
    match length {
        CharacterLength::IntegerLength { length: 0, .. } => {
            wrong(format!("length for type {name} must be at least 1"))
        }
        CharacterLength::IntegerLength { length, .. } if *length <= LONGEST => Ok(*length),
        _ => wrong(format!("length for type {name} cannot exceed {LONGEST}")),
    }
}

/// What a column was declared as, in PostgreSQL's words; `None` where its Arrow type says it.
pub(crate) fn declared_as(field: &Field) -> Option<&str> {
    let mark = field.metadata().get(PG_TYPE)?;
    // A cast to another type leaves the mark of what was cast.
    let carries = match (mark.ends_with("[]"), field.data_type()) {
        (true, DataType::List(item)) => *item.data_type() == DataType::Utf8,
        (is_list, other) => !is_list && *other == DataType::Utf8,
    };
    Kind::of(mark).filter(|_| carries).map(|_| mark.as_str())
}

/// A type that a text carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Uuid,
    Json,
    Jsonb,
    /// Of so many letters at most, or of any.
    Varchar(Option<usize>),
    Char(usize),
}

impl Kind {
    fn of(mark: &str) -> Option<Self> {
        let element = mark.strip_suffix("[]").unwrap_or(mark);
        let (name, length) = match element.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')')?.parse().ok()?)),
            None => (element, None),
        };
        Some(match (name, length) {
            ("uuid", None) => Self::Uuid,
            ("json", None) => Self::Json,
            ("jsonb", None) => Self::Jsonb,
            ("character varying", length) => Self::Varchar(length),
            ("character", Some(length)) => Self::Char(length),
            _ => return None,
        })
    }

    /// The value as it is kept.
    fn kept(self, text: &str) -> Result<Cow<'_, str>> {
        Ok(match self {
            Self::Uuid => match usual_uuid(text) {
                Some(usual) if usual == text => Cow::Borrowed(text),
                Some(usual) => Cow::Owned(usual),
                None => {
                    return Err(Error::user(
                        SqlState::InvalidTextRepresentation,
                        format!("invalid input syntax for type uuid: \"{text}\""),
                    ));
                }
            },
            Self::Json => {
                check_json(text).map_err(engine_error)?;
                Cow::Borrowed(text)
            }
            Self::Jsonb => match jsonb(text).map_err(engine_error)? {
                same if same == text => Cow::Borrowed(text),
                other => Cow::Owned(other),
            },
            Self::Varchar(None) => Cow::Borrowed(text),
            Self::Varchar(Some(length)) => {
                Cow::Borrowed(fitting(text, length, "character varying")?)
            }
            // Blanks at the end are none of its value.
            Self::Char(length) => {
                Cow::Borrowed(fitting(text, length, "character")?.trim_end_matches(' '))
            }
        })
    }
}

/// The text without blanks that are one too many; what else is too long is refused.
fn fitting<'a>(text: &'a str, length: usize, name: &str) -> Result<&'a str> {
    let Some((end, _)) = text.char_indices().nth(length) else {
        return Ok(text);
    };
    match text.split_at_checked(end) {
        Some((fits, rest)) if rest.bytes().all(|byte| byte == b' ') => Ok(fits),
        _ => Err(Error::user(
            SqlState::StringDataRightTruncation,
            format!("value too long for type {name}({length})"),
        )),
    }
}

/// A text that such a column is compared with, as the column would keep it.
///
/// # Errors
/// A text that is no value of the column's type.
pub(crate) fn compared_with(field: &Field, text: &str) -> Result<String> {
    let kind = field.metadata().get(PG_TYPE);
    Ok(match kind.and_then(|mark| Kind::of(mark)) {
        Some(kind @ (Kind::Uuid | Kind::Jsonb)) => kind.kept(text)?.into_owned(),
        Some(Kind::Char(_)) => text.trim_end_matches(' ').to_owned(),
        _ => text.to_owned(),
    })
}

/// The values of a column as they are kept; the first that is none of the column's type is refused.
pub(crate) fn as_declared(field: &Field, values: &ArrayRef) -> Result<ArrayRef> {
    let Some(kind) = field
        .metadata()
        .get(PG_TYPE)
        .and_then(|mark| Kind::of(mark))
    else {
        return Ok(Arc::clone(values));
    };
    kept(kind, values)
}

/// Rows of a query as a table of these columns keeps them: what a query gives need not be what its columns say.
pub(crate) fn rows_as_declared(schema: &SchemaRef, rows: RecordBatch) -> Result<RecordBatch> {
    if !schema
        .fields()
        .iter()
        .any(|field| declared_as(field).is_some())
    {
        return Ok(rows);
    }
    let columns = schema.fields().iter().zip(rows.columns());
    let columns = columns.map(|(field, column)| as_declared(field, column));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?)
        .map_err(|error| Error::internal(error.to_string()))
}

fn kept(kind: Kind, values: &ArrayRef) -> Result<ArrayRef> {
    if let (DataType::List(item), Some(lists)) = (values.data_type(), values.as_list_opt::<i32>()) {
        let inside = kept(kind, lists.values())?;
        let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
        let lists = ListArray::try_new(Arc::clone(item), offsets, inside, nulls)
            .map_err(|error| Error::internal(error.to_string()))?;
        return Ok(Arc::new(lists));
    }
    let Some(texts) = values.as_string_opt::<i32>() else {
        return Ok(Arc::clone(values));
    };
    let all = texts
        .iter()
        .map(|text| text.map(|text| kind.kept(text)).transpose());
    let all = all.collect::<Result<Vec<Option<Cow<'_, str>>>>>()?;
    // What is borrowed may still be shorter.
    let unchanged = all.iter().zip(texts).all(|pair| match pair {
        (Some(Cow::Borrowed(kept)), Some(text)) => kept.len() == text.len(),
        (None, None) => true,
        _ => false,
    });
    Ok(match unchanged {
        true => Arc::clone(values),
        false => Arc::new(all.iter().map(Option::as_deref).collect::<StringArray>()),
    })
}

#[cfg(test)]
mod tests;
