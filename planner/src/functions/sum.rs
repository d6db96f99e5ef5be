//! `sum(x)` as PostgreSQL has it: of SMALLINT and INTEGER a BIGINT, of BIGINT a NUMERIC.
//!
//! The engine's own adds 64-bit integers with wrap-around: a sum that does not fit is silently wrong, and a continuous query would go on
//! with it. Here the argument keeps its type and is widened on its way into the engine's accumulators, so that planning an analysed plan
//! once more changes nothing.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray},
    compute::cast,
    datatypes::{DataType, FieldRef},
};
use datafusion::{
    common::{Result, ScalarValue, plan_err},
    functions_aggregate::sum::sum_udaf,
    logical_expr::{
        Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
        Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::AggregateOrderSensitivity,
    },
};

use crate::binding::sql_type;

#[cfg(test)]
mod tests;

/// NUMERIC(30,0): ten thousand million of the largest BIGINT.
const WIDE: DataType = DataType::Decimal128(30, 0);

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Sum {
    signature: Signature,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [given] = arg_types else {
            return plan_err!("sum takes one argument, not {}", arg_types.len());
        };
        Ok(vec![match given {
            DataType::Null | DataType::Int8 | DataType::Int16 | DataType::UInt8 => DataType::Int32,
            DataType::UInt16 => DataType::Int32,
            DataType::UInt32 => DataType::Int64,
            DataType::Float16 | DataType::Float32 => DataType::Float64,
            DataType::Dictionary(_, values) => return self.coerce_types(&[*values.clone()]),
            DataType::Int32 | DataType::Int64 | DataType::UInt64 | DataType::Float64 => {
                given.clone()
            }
            DataType::Duration(_) | DataType::Interval(_) => given.clone(),
            other if other.is_decimal() => other.clone(),
            other => {
                return plan_err!("function sum({}) does not exist", sql_type(other));
            }
        }])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [DataType::Int32] => Ok(DataType::Int64),
            [DataType::Int64 | DataType::UInt64] => Ok(WIDE),
            _ => sum_udaf().return_type(arg_types),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let to = args.return_field.data_type().clone();
        let inner = sum_udaf().accumulator(args)?;
        Ok(Box::new(Widened { inner, to }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        sum_udaf().state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        sum_udaf().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let to = args.return_field.data_type().clone();
        let inner = sum_udaf().create_groups_accumulator(args)?;
        Ok(Box::new(Widened { inner, to }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let to = args.return_field.data_type().clone();
        let inner = sum_udaf().create_sliding_accumulator(args)?;
        Ok(Box::new(Widened { inner, to }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        sum_udaf().inner().set_monotonicity(data_type)
    }
}

/// An accumulator of the engine that is given its values in the type of its result.
#[derive(Debug)]
struct Widened<A> {
    inner: A,
    to: DataType,
}

impl<A> Widened<A> {
    fn widen(&self, values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        values
            .iter()
            .map(|values| match self.fits(values.data_type()) {
                true => Ok(Arc::clone(values)),
                false => Ok(cast(values, &self.to)?),
            })
            .collect()
    }

    /// Decimals of one scale are added as they are, whatever their precision.
    fn fits(&self, given: &DataType) -> bool {
        match (given, &self.to) {
            (DataType::Decimal128(_, given), DataType::Decimal128(_, to)) => given == to,
            (given, to) => given == to || given.is_decimal(),
        }
    }
}

impl Accumulator for Widened<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = self.widen(values)?;
        self.inner.update_batch(&values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = self.widen(values)?;
        self.inner.retract_batch(&values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

impl GroupsAccumulator for Widened<Box<dyn GroupsAccumulator>> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = self.widen(values)?;
        self.inner
            .update_batch(&values, group_indices, opt_filter, total_num_groups)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner
            .merge_batch(values, group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = self.widen(values)?;
        self.inner.convert_to_state(&values, opt_filter)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.inner.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}
