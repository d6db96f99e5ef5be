//! Functions that have no answer for some numbers: logarithms, roots, powers. The engine answers with infinity or "not a number"; what
//! of finite numbers is too large for its type is seen from the answer.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::{DFSchema, Result, tree_node::Transformed},
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature, Volatility, expr::ScalarFunction,
    },
};

use crate::{
    error::{Error, SqlState},
    table::external,
};

/// The function that looks at an argument.
const NAME: &str = "in_domain";

/// A call whose argument is looked at, where it is of such a function.
pub(super) fn guarded(
    call: &ScalarFunction,
    schema: &DFSchema,
    expr: Expr,
) -> Result<Transformed<Expr>> {
    let domain = match call.name() {
        "ln" | "log" | "log10" | "log2" => Domain::Logarithm,
        "sqrt" => Domain::Root,
        "power" | "exp" => return Ok(ranged(call, schema, expr)),
        _ => return Ok(Transformed::no(expr)),
    };
    // The base of a logarithm stands before its number.
    let Some((number, before)) = call.args.split_last() else {
        return Ok(Transformed::no(expr));
    };
    let is_ours = |expr: &Expr| matches!(expr, Expr::ScalarFunction(call) if call.name() == NAME);
    let is_float = number
        .get_type(schema)
        .is_ok_and(|data_type| data_type.is_floating());
    if is_ours(number) || !is_float {
        return Ok(Transformed::no(expr));
    }
    let guard = ScalarUDF::from(Guard {
        domain,
        signature: Signature::any(1, Volatility::Immutable),
    });
    let number = Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::new(guard),
        vec![number.clone()],
    ));
    let mut args = before.to_vec();
    args.push(number);
    let call = ScalarFunction::new_udf(Arc::clone(&call.func), args);
    Ok(Transformed::yes(Expr::ScalarFunction(call)))
}

/// A call whose answer is looked at.
fn ranged(call: &ScalarFunction, schema: &DFSchema, expr: Expr) -> Transformed<Expr> {
    let is_double = |arg: &Expr| matches!(arg.get_type(schema), Ok(DataType::Float64));
    if call.func.inner().is::<Ranged>() || !call.args.iter().all(is_double) {
        return Transformed::no(expr);
    }
    let function = ScalarUDF::from(Ranged {
        of: Arc::clone(&call.func),
        signature: Signature::any(call.args.len(), Volatility::Immutable),
    });
    let call = ScalarFunction::new_udf(Arc::new(function), call.args.clone());
    Transformed::yes(Expr::ScalarFunction(call))
}

/// A function of doubles, an error where its answer is beyond them and its arguments are not.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Ranged {
    of: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for Ranged {
    fn name(&self) -> &str {
        self.of.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (given, rows) = (args.args.clone(), args.number_rows);
        let answers = self.of.invoke_with_args(args)?;
        let all = cast(&answers.to_array(rows)?, &DataType::Float64)?;
        let infinite = |value: Option<f64>| value.is_some_and(f64::is_infinite);
        let all = all.as_primitive::<Float64Type>();
        if !all.iter().any(infinite) {
            return Ok(answers);
        }
        let given = given.iter().map(|given| {
            let given = given.to_array(all.len())?;
            Ok(cast(&given, &DataType::Float64)?)
        });
        let given = given.collect::<Result<Vec<_>>>()?;
        for (row, value) in all.iter().enumerate() {
            let is_finite = |array: &ArrayRef| {
                let array = array.as_primitive::<Float64Type>();
                array.is_valid(row) && array.value(row).is_finite()
            };
            if infinite(value) && given.iter().all(is_finite) {
                return Err(external(Error::user(
                    SqlState::NumericValueOutOfRange,
                    "value out of range: overflow",
                )));
            }
        }
        Ok(answers)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Domain {
    Logarithm,
    Root,
}

impl Domain {
    fn check(self, number: f64) -> Result<()> {
        let (state, message) = match self {
            Self::Logarithm if number == 0.0 => (
                SqlState::InvalidArgumentForLogarithm,
                "cannot take logarithm of zero",
            ),
            Self::Logarithm if number < 0.0 => (
                SqlState::InvalidArgumentForLogarithm,
                "cannot take logarithm of a negative number",
            ),
            Self::Root if number < 0.0 => (
                SqlState::InvalidArgumentForPower,
                "cannot take square root of a negative number",
            ),
            _ => return Ok(()),
        };
        Err(external(Error::user(state, message)))
    }
}

/// Gives its argument back, where there is an answer for it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Guard {
    domain: Domain,
    signature: Signature,
}

impl ScalarUDFImpl for Guard {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(match args.arg_fields.first() {
            Some(field) => Field::new(NAME, field.data_type().clone(), field.is_nullable()),
            None => Field::new(NAME, DataType::Null, true),
        }
        .into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(given) = args.args.first() else {
            return Err(external(Error::internal("a guard has one argument")));
        };
        let numbers = cast(&given.to_array(1)?, &DataType::Float64)?;
        for number in numbers.as_primitive::<Float64Type>().iter().flatten() {
            self.domain.check(number)?;
        }
        Ok(given.clone())
    }
}
