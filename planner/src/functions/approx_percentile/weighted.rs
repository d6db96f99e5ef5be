//! `approx_percentile_cont_with_weight(x, weight, p)`: the percentile of values that each count so many times.
//!
//! A weight is a whole number, so that a row is what so many rows without weights would be, to the bit: sums of fractions depend on their
//! order. A row whose value or weight is NULL does not count, nor does one of weight 0; a weight below 0 is an error of its row.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray},
    datatypes::{DataType, Field, FieldRef, Int64Type},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        Accumulator, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};

use super::{
    asked::answer_type,
    asked_of, asked_type,
    grain::{Grain, key_of},
    groups::floats,
    is_number,
    single::PercentileAccumulator,
};

const NAME: &str = "approx_percentile_cont_with_weight";

/// Which argument is the percentile.
pub(super) const PERCENTILE_AT: usize = 2;

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::functions) struct WeightedPercentile {
    signature: Signature,
}

impl Default for WeightedPercentile {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for WeightedPercentile {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [value, weight, asked]
                if is_number(value) && (weight.is_integer() || weight.is_null()) =>
            {
                Ok(vec![DataType::Float64, DataType::Int64, asked_type(asked)?])
            }
            [value, weight, _] if is_number(value) && is_number(weight) => plan_err!(
                "the weight of {NAME} must be a whole number, such as a BIGINT, not {weight}: a row counts so many times"
            ),
            _ => plan_err!(
                "{NAME} takes a number, a whole number as its weight, and a percentile between 0 and 1"
            ),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let asked = arg_types.get(PERCENTILE_AT);
        Ok(asked.map_or(DataType::Float64, answer_type))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sketch");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let asked = asked_of(NAME, &args, PERCENTILE_AT)?;
        Ok(Box::new(WeightedAccumulator(PercentileAccumulator::new(
            asked,
            Grain::DEFAULT,
        ))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// One group: that of values without weights, fed otherwise.
#[derive(Debug)]
struct WeightedAccumulator(PercentileAccumulator);

impl Accumulator for WeightedAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let weights = values
            .get(1)
            .and_then(|weights| weights.as_primitive_opt::<Int64Type>());
        let Some(weights) = weights else {
            return exec_err!("{NAME} needs weights of type bigint");
        };
        for (value, weight) in floats(values)?.iter().zip(weights) {
            let (Some(value), Some(weight)) = (value, weight) else {
                continue;
            };
            let Ok(times) = u64::try_from(weight) else {
                return exec_err!("the weight {weight} of {NAME} is below 0");
            };
            if self.0.sketch().add_times(key_of(value), times).is_none() {
                return exec_err!("the weights of {NAME} are more than 2^64 in all");
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(values)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.evaluate()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
