//! Functions that have no answer for some numbers: logarithms, roots, powers. The engine answers with infinity or "not a number".

use std::sync::Arc;

use arrow::{
    array::AsArray,
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
