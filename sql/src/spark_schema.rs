//! Spark's schema strings, as `from_json` takes them: `a STRING, b DOUBLE, c STRUCT<x: INT>, d ARRAY<STRING>`.

use crate::dialect::SluiceDialect;
use crate::error::{ParseError, ParseErrorKind};
use crate::limits;
use crate::reader::Reader;
use crate::statement::{ColumnDef, spark_columns};
use crate::text::{self, Walker};

use sqlparser::ast::DataType;
use sqlparser::tokenizer::{Location, Token};

/// Reads a Spark DDL schema. Types mean what they mean in Spark (TIMESTAMP is an instant, FLOAT has four bytes) and
/// come back in spellings the engine plans. Positions in an error count in this text.
///
/// # Errors
/// Anything that is not such a schema, the JSON form of schemas included.
pub fn parse_spark_schema(text: &str) -> Result<Vec<ColumnDef>, ParseError> {
    read(text).map_err(|mut error| {
        error.offset = Walker::new(text)
            .to(Location {
                line: error.line,
                column: error.column,
            })
            .1;
        error
    })
}

fn read(text: &str) -> Result<Vec<ColumnDef>, ParseError> {
    let start = Location { line: 1, column: 1 };
    if text.trim_start().starts_with('{') {
        return Err(ParseError::new(
            ParseErrorKind::Unsupported,
            "JSON schemas are not supported",
            start,
        )
        .hint("write the schema as 'a STRING, b DOUBLE, c STRUCT<x: INT>'"));
    }
    let tokens = text::tokenize(text)?;
    limits::check(&tokens)?;
    let end = tokens.last().map_or(start, |last| last.span.end);
    let dialect = SluiceDialect::new(tokens.len());
    let mut reader = Reader::new(&dialect, tokens, None);
    // `STRUCT<a: INT, …>` as a whole is the same schema.
    let whole = reader.at(&["STRUCT"]) && reader.peek(1).token == Token::Lt;
    let columns = if whole {
        structure(&mut reader)
    } else {
        spark_columns(&mut reader)
    };
    columns.map_err(|error| error.resolve(end))
}

fn structure(reader: &mut Reader<'_>) -> Result<Vec<ColumnDef>, ParseError> {
    use crate::statement::types::{self, Flavour};
    let data_type = types::parse(reader, Flavour::Spark)?;
    reader.finish("the schema ends after >")?;
    let DataType::Struct(fields, _) = data_type else {
        return Ok(Vec::new());
    };
    let column = |field: sqlparser::ast::StructField| {
        let name = field.field_name?;
        Some(ColumnDef {
            name,
            data_type: field.field_type,
            not_null: false,
        })
    };
    Ok(fields.into_iter().filter_map(column).collect())
}

#[cfg(test)]
mod tests;
