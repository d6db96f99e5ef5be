//! `from_json(text, 'a STRING, b DOUBLE, ts TIMESTAMP')`: Spark's way from a raw message to columns.
//!
//! As in Spark's PERMISSIVE mode nothing in a message ends the query: what is not one JSON object (malformed, truncated, empty, null, an
//! array, invalid UTF-8) gives a NULL struct; a field that is missing or does not fit its type is NULL.
//! The schema is a literal, because the type of the answer follows from it.

mod decode;
mod schema;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl,
    Signature, Volatility,
};

use schema::parse_schema;

const NAME: &str = "from_json";

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FromJson {
    signature: Signature,
}

impl Default for FromJson {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for FromJson {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [text, schema] = arg_types else {
            return plan_err!(
                "{NAME} takes a text and its schema, not {} arguments: {NAME}(value, 'a STRING, b DOUBLE')",
                arg_types.len()
            );
        };
        if !schema.is_string() {
            return not_literal();
        }
        match text {
            text if text.is_string() || text.is_binary() => Ok(vec![text.clone(), schema.clone()]),
            DataType::Null => Ok(vec![DataType::Utf8, schema.clone()]),
            other => plan_err!("{NAME} reads text, not {other}; cast it to STRING first"),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {NAME} follows from its schema argument")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let schema = args.scalar_arguments.get(1).copied().flatten();
        match schema.and_then(ScalarValue::try_as_str) {
            Some(Some(schema)) => {
                let data_type = DataType::Struct(parse_schema(schema)?);
                Ok(Arc::new(Field::new(NAME, data_type, true)))
            }
            _ => not_literal(),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Struct(fields) = args.return_type() else {
            return internal_err!("{NAME} must return a struct");
        };
        let text = match args.args.first() {
            Some(text) => text.to_array(1)?,
            None => return internal_err!("{NAME} has no arguments"),
        };
        let scalar = matches!(args.args.first(), Some(ColumnarValue::Scalar(_)));
        let rows: ArrayRef = Arc::new(decode::decode(fields, &payloads(&text)?)?);
        if scalar {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &rows, 0,
            )?))
        } else {
            Ok(ColumnarValue::Array(rows))
        }
    }

    /// `from_json(CAST(value AS STRING), …)` over the raw bytes of a message reads the bytes: the cast would end the query at the first
    /// message that is not UTF-8, where Spark goes on.
    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let inner = args.first().and_then(|text| bytes_below_casts(text, info));
        if let (Some(text), Some(inner)) = (args.first_mut(), inner) {
            *text = inner;
            let udf = datafusion::logical_expr::ScalarUDF::from(Self::default());
            return Ok(ExprSimplifyResult::Simplified(udf.call(args)));
        }
        Ok(ExprSimplifyResult::Original(args))
    }
}

fn not_literal<T>() -> Result<T> {
    plan_err!(
        "the schema of {NAME} must be a string literal, such as {NAME}(value, 'a STRING, b DOUBLE')"
    )
}

fn bytes_below_casts(text: &Expr, info: &SimplifyContext) -> Option<Expr> {
    let mut below = text;
    while let Expr::Cast(Cast { expr, field }) = below
        && field.data_type().is_string()
    {
        below = expr;
    }
    let data_type = below.get_type(info.schema().as_ref()).ok()?;
    (!std::ptr::eq(below, text) && data_type.is_binary()).then(|| below.clone())
}

/// The messages, whichever of Arrow's text and bytes types they come in.
fn payloads(text: &ArrayRef) -> Result<Vec<Option<&[u8]>>> {
    fn bytes<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> Vec<Option<&'a [u8]>> {
        rows.map(|row| row.map(str::as_bytes)).collect()
    }
    Ok(match text.data_type() {
        DataType::Utf8 => bytes(text.as_string::<i32>().iter()),
        DataType::LargeUtf8 => bytes(text.as_string::<i64>().iter()),
        DataType::Utf8View => bytes(text.as_string_view().iter()),
        DataType::Binary => text.as_binary::<i32>().iter().collect(),
        DataType::LargeBinary => text.as_binary::<i64>().iter().collect(),
        DataType::BinaryView => text.as_binary_view().iter().collect(),
        other => return exec_err!("{NAME} reads text, not {other}"),
    })
}
