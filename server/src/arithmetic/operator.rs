//! `+`, `-`, `*` and `/` that are errors where the answer is none of their type.

use arrow::{
    array::{Array, ArrayRef, AsArray, Datum, PrimitiveArray},
    compute::kernels::numeric,
    datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, Float32Type, Float64Type},
    error::ArrowError,
};
use datafusion::{
    common::Result,
    logical_expr::{
        ColumnarValue, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility,
    },
    physical_expr_common::datum::apply,
};

use super::out_of_range;
use crate::{
    error::{Error, SqlState},
    table::external,
};

/// The function for an operator over values of this type; `None` where the engine's own does.
pub(super) fn of(op: Operator, data_type: &DataType) -> Option<ScalarUDF> {
    let fits = match op {
        Operator::Plus | Operator::Minus | Operator::Multiply => matches!(
            data_type,
            DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::Float32
                | DataType::Float64
        ),
        // Of whole numbers the engine's is an error already.
        Operator::Divide => matches!(data_type, DataType::Float32 | DataType::Float64),
        _ => false,
    };
    fits.then(|| {
        ScalarUDF::from(Checked {
            op,
            signature: Signature::any(2, Volatility::Immutable),
        })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_subtract",
            Operator::Multiply => "checked_multiply",
            _ => "checked_divide",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        Ok(Field::new(self.name(), self.return_type(&types)?, nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.return_type().clone();
        let [left, right] = args.args.as_slice() else {
            return Err(external(Error::internal("an operator has two sides")));
        };
        match data_type {
            DataType::Float64 => self.floats::<Float64Type>(left, right, args.number_rows),
            DataType::Float32 => self.floats::<Float32Type>(left, right, args.number_rows),
            _ => apply(left, right, |left, right| self.kernel(left, right)).map_err(|error| {
                match error.find_root().strip_backtrace() {
                    text if text.contains("verflow") => out_of_range(&data_type),
                    _ => error,
                }
            }),
        }
    }
}

impl Checked {
    fn kernel(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self.op {
            Operator::Plus => numeric::add(left, right),
            Operator::Minus => numeric::sub(left, right),
            Operator::Multiply => numeric::mul(left, right),
            _ => numeric::div(left, right),
        }
    }

    fn floats<T>(
        &self,
        left: &ColumnarValue,
        right: &ColumnarValue,
        rows: usize,
    ) -> Result<ColumnarValue>
    where
        T: ArrowPrimitiveType,
        T::Native: Into<f64>,
    {
        let answers = apply(left, right, |left, right| self.kernel(left, right))?;
        // Whether one of the answers is odd is seen from them alone; only then is it worth asking why.
        let odd = |array: &PrimitiveArray<T>| {
            array.iter().flatten().any(|value| {
                let value: f64 = value.into();
                !value.is_finite() || (value == 0.0 && self.op == Operator::Divide)
            })
        };
        let all = answers.to_array(rows)?;
        if !odd(all.as_primitive::<T>()) {
            return Ok(answers);
        }
        let (left, right) = (left.to_array(all.len())?, right.to_array(all.len())?);
        let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
        for (row, value) in all.as_primitive::<T>().iter().enumerate() {
            let Some(value) = value else { continue };
            if left.is_null(row) || right.is_null(row) {
                continue;
            }
            let value: f64 = value.into();
            let (one, other): (f64, f64) = (left.value(row).into(), right.value(row).into());
            if self.op == Operator::Divide && other == 0.0 && !one.is_nan() {
                return Err(external(Error::user(
                    SqlState::DivisionByZero,
                    "division by zero",
                )));
            }
            if value.is_infinite() && one.is_finite() && other.is_finite() {
                return Err(external(Error::user(
                    SqlState::NumericValueOutOfRange,
                    "value out of range: overflow",
                )));
            }
        }
        Ok(answers)
    }
}
