//! Casts that give another value than the engine's. Texts of numbers and times: as PostgreSQL writes them. Fractions that become whole numbers: a `double precision` to the nearest, a half to the even one; a `numeric` half away from zero.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    compute::{CastOptions, cast, cast_with_options},
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::Result,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
    scalar::ScalarValue,
};

use super::{lists, out_of_range};
use crate::{doors::pg::texts, error::Error, table::external};

/// The function for a cast between these types, in a session of this time zone; `None` where the engine's own does.
pub(super) fn of(from: &DataType, to: &DataType, zone: Option<&str>) -> Option<ScalarUDF> {
    if is_text(to) && is_written_otherwise(from) {
        return Some(ScalarUDF::from(Written {
            to: to.clone(),
            zone: zone.map(str::to_owned),
            signature: Signature::any(1, Volatility::Stable),
        }));
    }
    if is_text(from) && to.is_list() {
        return Some(lists::of(to));
    }
    let whole = matches!(
        to,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
    );
    // Of whole numbers the engine's is an error already, and it sees through its own.
    let fits = whole && (from.is_floating() || from.is_decimal());
    fits.then(|| {
        ScalarUDF::from(Rounded {
            to: to.clone(),
            signature: Signature::any(1, Volatility::Immutable),
        })
    })
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// Whether the engine's text of a value is not PostgreSQL's.
fn is_written_otherwise(data_type: &DataType) -> bool {
    data_type.is_floating()
        || matches!(
            data_type,
            DataType::Timestamp(..)
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Interval(_)
                | DataType::Duration(_)
        )
}

/// A value as a text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Written {
    to: DataType,
    zone: Option<String>,
    signature: Signature,
}

impl ScalarUDFImpl for Written {
    fn name(&self) -> &str {
        "written"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Field::new(self.name(), self.to.clone(), nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        of_one(&args, |array| self.written(array))
    }
}

/// A function of one argument, of a column of it or of one value.
pub(super) fn of_one(
    args: &ScalarFunctionArgs,
    of_array: impl Fn(&ArrayRef) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let [given] = args.args.as_slice() else {
        return Err(external(Error::internal("a cast has one argument")));
    };
    Ok(match given {
        ColumnarValue::Array(array) => ColumnarValue::Array(of_array(array)?),
        ColumnarValue::Scalar(scalar) => {
            let array = of_array(&scalar.to_array()?)?;
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        }
    })
}

impl Written {
    fn written(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let field = Field::new("", array.data_type().clone(), true);
        let texts: ArrayRef = Arc::new(texts(array, &field, self.zone.as_deref())?);
        Ok(cast(&texts, &self.to)?)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounded {
    to: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Rounded {
    fn name(&self) -> &str {
        match self.to {
            DataType::Int8 | DataType::Int16 => "rounded_smallint",
            DataType::Int32 => "rounded_integer",
            _ => "rounded_bigint",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Field::new(self.name(), self.to.clone(), nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        of_one(&args, |array| self.rounded(array))
    }
}

impl Rounded {
    fn rounded(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let whole = match array.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => self.floats(array)?,
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
                self.strict(array, &DataType::Decimal128(38, 0))?
            }
            DataType::Decimal256(..) => self.strict(array, &DataType::Decimal256(76, 0))?,
            _ => ArrayRef::clone(array),
        };
        self.strict(&whole, &self.to)
    }

    fn floats(&self, array: &ArrayRef) -> Result<ArrayRef> {
        // The first number that is no bigint any more.
        const END: f64 = 9_223_372_036_854_775_808.0;
        let array = cast(array, &DataType::Float64)?;
        let numbers: Int64Array = array
            .as_primitive::<Float64Type>()
            .iter()
            .map(|value| {
                let Some(value) = value.map(f64::round_ties_even) else {
                    return Ok(None);
                };
                match (-END..END).contains(&value) {
                    true => Ok(Some(value as i64)),
                    false => Err(out_of_range(&self.to)),
                }
            })
            .collect::<Result<_>>()?;
        Ok(Arc::new(numbers))
    }

    fn strict(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let options = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        cast_with_options(array, to, &options).map_err(|_| out_of_range(&self.to))
    }
}
