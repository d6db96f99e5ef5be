//! Sketches as values: `approx_percentile_sketch(x)` and `approx_distinct_sketch(x)` give the mergeable state of a group as BYTEA, and
//! `approx_percentile_merge(sketch, p)` and `approx_distinct_merge(sketch)` answer from any number of them.
//!
//! A percentile of percentiles is wrong; a percentile of merged sketches is what it would have been over all the rows. So a table of
//! minutes that keeps sketches can be read by the hour or the day.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, new_null_array},
    compute::nullif,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err, not_impl_err, plan_err},
    functions_aggregate::approx_distinct::approx_distinct_udaf,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature,
        Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};

use super::approx_percentile;

#[cfg(test)]
mod tests;

/// All of them.
pub(super) fn functions() -> impl Iterator<Item = AggregateUDF> {
    [
        Kind::PercentileSketch,
        Kind::PercentileMerge,
        Kind::DistinctSketch,
        Kind::DistinctMerge,
    ]
    .into_iter()
    .map(|kind| {
        AggregateUDF::from(SketchFunction {
            kind,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    PercentileSketch,
    PercentileMerge,
    DistinctSketch,
    DistinctMerge,
}

/// One of the four.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SketchFunction {
    kind: Kind,
    signature: Signature,
}

impl SketchFunction {
    /// Whether the second argument is a percentile.
    pub(super) fn takes_percentile(&self) -> bool {
        self.kind == Kind::PercentileMerge
    }

    fn groups(&self, args: &AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        if args.is_distinct {
            return not_impl_err!("{}(DISTINCT …)", self.name());
        }
        let inner = match self.kind {
            // Which percentile does not matter to the state.
            Kind::PercentileSketch => approx_percentile::groups(0.5),
            Kind::PercentileMerge => {
                approx_percentile::groups(approx_percentile::percentile_of(args)?)
            }
            Kind::DistinctSketch => {
                approx_distinct_udaf().create_groups_accumulator(args.clone())?
            }
            Kind::DistinctMerge => {
                // What the values were does not matter any more.
                let fields = [Arc::new(Field::new("x", DataType::Utf8, true))];
                approx_distinct_udaf().create_groups_accumulator(AccumulatorArgs {
                    expr_fields: &fields,
                    ..args.clone()
                })?
            }
        };
        let merges = matches!(self.kind, Kind::PercentileMerge | Kind::DistinctMerge);
        Ok(Box::new(States { inner, merges }))
    }
}

impl AggregateUDFImpl for SketchFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::PercentileSketch => "approx_percentile_sketch",
            Kind::PercentileMerge => "approx_percentile_merge",
            Kind::DistinctSketch => "approx_distinct_sketch",
            Kind::DistinctMerge => "approx_distinct_merge",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        match (self.kind, given) {
            (Kind::PercentileSketch, [value]) if value.is_numeric() || value.is_null() => {
                Ok(vec![DataType::Float64])
            }
            (Kind::PercentileSketch, _) => plan_err!("{name} takes one argument, a number"),
            (Kind::PercentileMerge, [sketch, percentile])
                if is_sketch(sketch) && percentile.is_numeric() =>
            {
                Ok(vec![DataType::Binary, DataType::Float64])
            }
            (Kind::PercentileMerge, _) => plan_err!(
                "{name} takes a sketch (BYTEA, made by approx_percentile_sketch) and a percentile between 0 and 1"
            ),
            (Kind::DistinctSketch, [value]) => Ok(vec![match value {
                DataType::Null | DataType::Boolean => DataType::Utf8,
                DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => {
                    DataType::Int64
                }
                DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Utf8,
                DataType::Dictionary(_, values) => return self.coerce_types(&[*values.clone()]),
                other => other.clone(),
            }]),
            (Kind::DistinctSketch, _) => plan_err!("{name} takes one argument"),
            (Kind::DistinctMerge, [sketch]) if is_sketch(sketch) => Ok(vec![DataType::Binary]),
            (Kind::DistinctMerge, _) => {
                plan_err!("{name} takes a sketch (BYTEA, made by approx_distinct_sketch)")
            }
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::PercentileSketch | Kind::DistinctSketch => DataType::Binary,
            Kind::PercentileMerge => DataType::Float64,
            Kind::DistinctMerge => DataType::UInt64,
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sketch");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup(Mutex::new(Pair {
            groups: self.groups(&args)?,
            spare: self.groups(&args)?,
        }))))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.groups(&args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

fn is_sketch(given: &DataType) -> bool {
    given.is_binary() || given.is_null()
}

/// An aggregate whose states are values: a sketch gives its state, a merge takes states.
struct States {
    inner: Box<dyn GroupsAccumulator>,
    merges: bool,
}

impl GroupsAccumulator for States {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        if !self.merges {
            return self
                .inner
                .update_batch(values, group_indices, opt_filter, total_num_groups);
        }
        let sketches = self.convert_to_state(values, opt_filter)?;
        self.merge_batch(&sketches, group_indices, total_num_groups)
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

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        match self.merges {
            true => self.inner.evaluate(emit_to),
            false => first(self.inner.state(emit_to)?),
        }
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        if !self.merges {
            return self.inner.convert_to_state(values, opt_filter);
        }
        let Some(sketches) = values.first() else {
            return internal_err!("a merge of sketches without sketches");
        };
        Ok(vec![match opt_filter {
            None => Arc::clone(sketches),
            Some(filter) => {
                let dropped: BooleanArray = filter
                    .iter()
                    .map(|passes| Some(passes != Some(true)))
                    .collect();
                nullif(sketches, &dropped)?
            }
        }])
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// A single group, which may be asked again and again. (The engine wants accumulators that threads can share; groups cannot be.)
struct OneGroup(Mutex<Pair>);

struct Pair {
    groups: Box<dyn GroupsAccumulator>,
    /// What answers, so that asking takes nothing away.
    spare: Box<dyn GroupsAccumulator>,
}

impl std::fmt::Debug for OneGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneGroup").finish_non_exhaustive()
    }
}

impl OneGroup {
    fn pair(&mut self) -> &mut Pair {
        // Nobody panics while holding it alone.
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pair {
    fn saved(&mut self) -> Result<Vec<ArrayRef>> {
        // One group, even before the first value.
        let none = new_null_array(&DataType::Binary, 1);
        self.groups.merge_batch(&[none], &[0], 1)?;
        let state = self.groups.state(EmitTo::All)?;
        self.groups.merge_batch(&state, &[0], 1)?;
        Ok(state)
    }
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |values| values.len());
        let groups = &mut self.pair().groups;
        groups.update_batch(values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |states| states.len());
        let groups = &mut self.pair().groups;
        groups.merge_batch(states, &vec![0; rows], 1)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = first(self.pair().saved()?)?;
        Ok(vec![ScalarValue::try_from_array(&state, 0)?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let pair = self.pair();
        let state = pair.saved()?;
        pair.spare.merge_batch(&state, &[0], 1)?;
        let answer = pair.spare.evaluate(EmitTo::All)?;
        ScalarValue::try_from_array(&answer, 0)
    }

    fn size(&self) -> usize {
        let pair = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        size_of::<Self>() + pair.groups.size() + pair.spare.size()
    }
}

fn first(states: Vec<ArrayRef>) -> Result<ArrayRef> {
    match states.into_iter().next() {
        Some(state) => Ok(state),
        None => internal_err!("a sketch without state"),
    }
}
