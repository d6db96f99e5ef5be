//! A plan's parameters as functions without arguments, which give the values of the moment.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        Result, exec_datafusion_err,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
    },
    scalar::ScalarValue,
};
use parking_lot::Mutex;

/// The parameters of one plan.
#[derive(Debug)]
pub(super) struct Parameters {
    types: Vec<DataType>,
    values: Mutex<Vec<ScalarValue>>,
}

impl Parameters {
    /// Of these types; they have no values yet.
    pub(super) fn new(types: Vec<DataType>) -> Self {
        Self {
            types,
            values: Mutex::default(),
        }
    }

    /// Sets all values; false where they are of other types.
    pub(super) fn set(&self, values: &[ScalarValue]) -> bool {
        if values.len() != self.types.len() {
            return false;
        }
        let typed = values.iter().zip(&self.types).map(|(value, data_type)| {
            match value.data_type() == *data_type {
                true => Ok(value.clone()),
                false => value.cast_to(data_type),
            }
        });
        let Ok(typed) = typed.collect::<Result<Vec<_>>>() else {
            return false;
        };
        *self.values.lock() = typed;
        true
    }

    /// The function that stands for `$n`.
    pub(super) fn function(self: &Arc<Self>, id: &str) -> Result<Expr> {
        let unknown = || exec_datafusion_err!("there is no parameter {id}");
        let number: usize = id
            .strip_prefix('$')
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(unknown)?;
        let place = number.checked_sub(1).ok_or_else(unknown)?;
        let data_type = self.types.get(place).ok_or_else(unknown)?;
        let function = ScalarUDF::new_from_impl(Parameter {
            place,
            data_type: data_type.clone(),
            parameters: Arc::clone(self),
            // Nobody may take its value for one that stays.
            signature: Signature::nullary(Volatility::Volatile),
        });
        let call = ScalarFunction::new_udf(Arc::new(function), Vec::new());
        Ok(Expr::ScalarFunction(call))
    }

    /// An expression with the values of the moment in it.
    pub(super) fn bind(&self, expr: Expr) -> Result<Expr> {
        let bound = expr.transform_up(|expr| match &expr {
            Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Parameter>() {
                Some(parameter) => {
                    let value = Expr::Literal(self.value(parameter.place)?, None);
                    Ok(Transformed::yes(value))
                }
                None => Ok(Transformed::no(expr)),
            },
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(bound.data)
    }

    fn value(&self, place: usize) -> Result<ScalarValue> {
        let values = self.values.lock();
        let value = values.get(place).cloned();
        value.ok_or_else(|| exec_datafusion_err!("parameter ${} has no value", place + 1))
    }
}

#[derive(Debug)]
struct Parameter {
    place: usize,
    data_type: DataType,
    parameters: Arc<Parameters>,
    signature: Signature,
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && Arc::ptr_eq(&self.parameters, &other.parameters)
    }
}

impl Eq for Parameter {}

impl Hash for Parameter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place.hash(state);
    }
}

impl ScalarUDFImpl for Parameter {
    fn name(&self) -> &'static str {
        "parameter"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.parameters.value(self.place).map(ColumnarValue::Scalar)
    }
}
