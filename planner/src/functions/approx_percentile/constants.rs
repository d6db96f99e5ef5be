//! `approx_percentile` with its percentile and accuracy inside the function instead of among its arguments.
//!
//! The engine makes an array of every argument for every batch, of constants too: ten thousand times 0.95 is most of what a percentile
//! costs more than its values. A continuous query, which makes its aggregates once and runs them for ever, has them in here.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{Result, ScalarValue, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Expr, GroupsAccumulator, Signature,
        Volatility,
        expr::AggregateFunction,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::AggregateOrderSensitivity,
    },
};

use super::{
    ApproxPercentile, Asked, Grain, NAME, PercentileAccumulator, PercentileGroups, answer_type,
    sketch_field,
};

/// The function of one argument.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfConstants {
    signature: Signature,
    percentile: ScalarValue,
    accuracy: Option<ScalarValue>,
}

/// The same call under the same name, its constants taken in; `None` where it is another function's, or they are no constants.
pub(crate) fn with_constants(expr: &Expr) -> Option<Expr> {
    let Expr::AggregateFunction(call) = expr.clone().unalias() else {
        return None;
    };
    let constant = |expr: &Expr| match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    };
    let params = call.params;
    let (percentile, accuracy) = match params.args.as_slice() {
        [_, percentile] => (constant(percentile)?, None),
        [_, percentile, accuracy] => (constant(percentile)?, Some(constant(accuracy)?)),
        _ => return None,
    };
    if params.distinct || !call.func.inner().is::<ApproxPercentile>() {
        return None;
    }
    let function = AggregateUDF::from(OfConstants {
        signature: Signature::user_defined(Volatility::Immutable),
        percentile,
        accuracy,
    });
    let call = AggregateFunction::new_udf(
        Arc::new(function),
        params.args.into_iter().take(1).collect(),
        false,
        params.filter,
        params.order_by,
        params.null_treatment,
    );
    Some(Expr::AggregateFunction(call).alias(expr.schema_name().to_string()))
}

impl OfConstants {
    fn asked(&self) -> Result<Asked> {
        Asked::of_argument(NAME, &self.percentile)
    }

    fn grain(&self) -> Result<Grain> {
        let accuracy = self.accuracy.as_ref();
        accuracy.map_or(Ok(Grain::DEFAULT), Grain::of_argument)
    }
}

impl AggregateUDFImpl for OfConstants {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [DataType::Float64] => Ok(given.to_vec()),
            _ => plan_err!("{NAME} of constants takes one argument in double precision"),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(answer_type(&self.percentile.data_type()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![sketch_field(args.name)])
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(PercentileAccumulator::new(
            self.asked()?,
            self.grain()?,
        )))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let groups = PercentileGroups::new(self.asked()?, Some(self.grain()?));
        Ok(Box::new(groups))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
