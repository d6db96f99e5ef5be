//! Sketches as values: a group's mergeable state as BYTEA, and answers from any number of them.
//!
//! | | values to a sketch | sketches to one | sketches to the answer | a sketch to the answer |
//! |---|---|---|---|---|
//! | percentiles | `approx_percentile_sketch(x[, accuracy])` | `sketch_merge(sketch)` | `approx_percentile_merge(sketch, p)` | `approx_percentile_estimate(sketch, p)` |
//! | distinct values | `approx_distinct_sketch(x)` | `sketch_merge(sketch)` | `approx_distinct_merge(sketch)` | `approx_distinct_estimate(sketch)` |
//!
//! A percentile of percentiles is wrong; a percentile of merged sketches is what it would have been over all the rows. So a table of
//! minutes that keeps sketches can be read by the hour or the day. What a sketch looks like is in `sketches/sealed.rs`.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, new_null_array},
    compute::nullif,
    datatypes::{DataType, Field, FieldRef, Schema},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, internal_err, not_impl_err, plan_err},
    functions_aggregate::approx_distinct::approx_distinct_udaf,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ScalarUDF,
        Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
    physical_expr::{PhysicalExpr, expressions::Literal},
};

use super::approx_percentile::{
    Asked, PercentileGroups, answer_type, asked_of, asked_type, grain_of, is_number,
};
use estimate::Estimate;
use sealed::{Kind, NO_DOMAIN, domain_of, open, other_domain, other_kind, seal};

mod estimate;
mod sealed;
#[cfg(test)]
mod tests;

/// The aggregates.
pub(super) fn aggregates() -> impl Iterator<Item = AggregateUDF> {
    [
        Role::PercentileSketch,
        Role::PercentileMerge,
        Role::DistinctSketch,
        Role::DistinctMerge,
        Role::Merge,
    ]
    .into_iter()
    .map(|role| AggregateUDF::from(SketchFunction::new(role)))
}

/// The functions of one sketch.
pub(super) fn scalars() -> impl Iterator<Item = ScalarUDF> {
    [Kind::Percentile, Kind::Distinct]
        .into_iter()
        .map(|kind| ScalarUDF::from(Estimate::new(kind)))
}

/// The function that makes a sketch of numbers.
pub(crate) fn percentile_sketch() -> AggregateUDF {
    AggregateUDF::from(SketchFunction::new(Role::PercentileSketch))
}

/// The function that makes a sketch of distinct values.
pub(crate) fn distinct_sketch() -> AggregateUDF {
    AggregateUDF::from(SketchFunction::new(Role::DistinctSketch))
}

/// The function that merges sketches of one kind into one.
pub(crate) fn sketch_merge() -> AggregateUDF {
    AggregateUDF::from(SketchFunction::new(Role::Merge))
}

/// The function that tells percentiles from a sketch.
pub(crate) fn percentile_estimate() -> ScalarUDF {
    ScalarUDF::from(Estimate::new(Kind::Percentile))
}

/// The function that tells the number of distinct values from a sketch.
pub(crate) fn distinct_estimate() -> ScalarUDF {
    ScalarUDF::from(Estimate::new(Kind::Distinct))
}

/// What one of the aggregates does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    PercentileSketch,
    PercentileMerge,
    DistinctSketch,
    DistinctMerge,
    Merge,
}

/// One of the aggregates.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SketchFunction {
    role: Role,
    signature: Signature,
    aliases: Vec<String>,
}

impl SketchFunction {
    fn new(role: Role) -> Self {
        // As Snowflake calls them.
        let aliases: &[&str] = match role {
            Role::PercentileSketch => &["approx_percentile_accumulate"],
            Role::DistinctSketch => &["hll_accumulate"],
            Role::Merge => &["approx_percentile_combine", "hll_combine"],
            Role::PercentileMerge | Role::DistinctMerge => &[],
        };
        Self {
            role,
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        }
    }

    /// Which argument is a percentile.
    pub(super) fn percentile_at(&self) -> Option<usize> {
        (self.role == Role::PercentileMerge).then_some(1)
    }

    /// Which argument is an accuracy.
    pub(super) fn accuracy_at(&self) -> Option<usize> {
        (self.role == Role::PercentileSketch).then_some(1)
    }

    fn groups(&self, args: &AccumulatorArgs<'_>) -> Result<Sketches> {
        if args.is_distinct {
            return not_impl_err!("{}(DISTINCT …)", self.name());
        }
        // Which percentile does not matter to a sketch.
        let (mut asked, mut grain) = (Asked::One(0.5), None);
        let (mut domain, mut distinct) = (None, None);
        match self.role {
            Role::PercentileSketch => grain = Some(grain_of(args, 1)?),
            Role::PercentileMerge => asked = asked_of(self.name(), args)?,
            Role::DistinctSketch => {
                let given = args.expr_fields.first();
                domain = Some(given.map_or(NO_DOMAIN, |field| domain_of(field.data_type())));
                distinct = Some(approx_distinct_udaf().create_groups_accumulator(args.clone())?);
            }
            Role::DistinctMerge | Role::Merge => {}
        }
        Ok(Sketches {
            kind: self.role.kind(),
            percentile: PercentileGroups::new(asked, grain),
            distinct: distinct.map_or_else(distinct_groups, Ok)?,
            domain,
            groups: 0,
            takes_sketches: !matches!(self.role, Role::PercentileSketch | Role::DistinctSketch),
            gives_answers: matches!(self.role, Role::PercentileMerge | Role::DistinctMerge),
        })
    }
}

impl Role {
    /// The sketches that it makes or takes; `None` are those of either kind.
    fn kind(self) -> Option<Kind> {
        match self {
            Self::PercentileSketch | Self::PercentileMerge => Some(Kind::Percentile),
            Self::DistinctSketch | Self::DistinctMerge => Some(Kind::Distinct),
            Self::Merge => None,
        }
    }
}

/// The engine's accumulator of distinct values, for what is hashed already: what the values were does not matter any more.
fn distinct_groups() -> Result<Box<dyn GroupsAccumulator>> {
    let field = Arc::new(Field::new("x", DataType::Utf8, true));
    let expr: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::Utf8(None)));
    approx_distinct_udaf().create_groups_accumulator(AccumulatorArgs {
        return_field: Arc::new(Field::new("count", DataType::UInt64, true)),
        schema: &Schema::empty(),
        ignore_nulls: false,
        order_bys: &[],
        is_reversed: false,
        name: "approx_distinct",
        is_distinct: false,
        exprs: &[expr],
        expr_fields: &[field],
    })
}

impl AggregateUDFImpl for SketchFunction {
    fn name(&self) -> &str {
        match self.role {
            Role::PercentileSketch => "approx_percentile_sketch",
            Role::PercentileMerge => "approx_percentile_merge",
            Role::DistinctSketch => "approx_distinct_sketch",
            Role::DistinctMerge => "approx_distinct_merge",
            Role::Merge => "sketch_merge",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        match (self.role, given) {
            (Role::PercentileSketch, [value]) if is_number(value) => Ok(vec![DataType::Float64]),
            (Role::PercentileSketch, [value, accuracy])
                if is_number(value) && is_number(accuracy) =>
            {
                Ok(vec![DataType::Float64, DataType::Float64])
            }
            (Role::PercentileSketch, _) => {
                plan_err!("{name} takes a number, and perhaps an accuracy")
            }
            (Role::PercentileMerge, [sketch, asked]) if is_sketch(sketch) => {
                Ok(vec![DataType::Binary, asked_type(asked)?])
            }
            (Role::PercentileMerge, _) => plan_err!(
                "{name} takes a sketch (BYTEA, made by approx_percentile_sketch) and a percentile between 0 and 1"
            ),
            (Role::DistinctSketch, [value]) => Ok(vec![match value {
                DataType::Null | DataType::Boolean => DataType::Utf8,
                DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => {
                    DataType::Int64
                }
                DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Utf8,
                DataType::Dictionary(_, values) => return self.coerce_types(&[*values.clone()]),
                other => other.clone(),
            }]),
            (Role::DistinctSketch, _) => plan_err!("{name} takes one argument"),
            (Role::DistinctMerge | Role::Merge, [sketch]) if is_sketch(sketch) => {
                Ok(vec![DataType::Binary])
            }
            (Role::DistinctMerge, _) => {
                plan_err!("{name} takes a sketch (BYTEA, made by approx_distinct_sketch)")
            }
            (Role::Merge, _) => plan_err!("{name} takes a sketch (BYTEA)"),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match self.role {
            Role::PercentileSketch | Role::DistinctSketch | Role::Merge => DataType::Binary,
            Role::PercentileMerge => arg_types.get(1).map_or(DataType::Float64, answer_type),
            Role::DistinctMerge => DataType::UInt64,
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sealed");
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
        Ok(Box::new(self.groups(&args)?))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

fn is_sketch(given: &DataType) -> bool {
    given.is_binary() || given.is_null()
}

/// The accumulator of all of them. Its states are sketches.
struct Sketches {
    /// `None` until a sketch says it.
    kind: Option<Kind>,
    percentile: PercentileGroups,
    distinct: Box<dyn GroupsAccumulator>,
    /// What the values of `distinct` were.
    domain: Option<u8>,
    /// How many groups there are.
    groups: usize,
    takes_sketches: bool,
    gives_answers: bool,
}

impl Sketches {
    /// The accumulator that does the work.
    fn inner(&mut self) -> Option<&mut dyn GroupsAccumulator> {
        match self.kind? {
            Kind::Percentile => Some(&mut self.percentile),
            Kind::Distinct => Some(self.distinct.as_mut()),
        }
    }

    /// What the sketches of a column hold, as far as they go together.
    fn opened(&mut self, sketches: &BinaryArray) -> Result<ArrayRef> {
        let mut states = BinaryBuilder::with_capacity(sketches.len(), sketches.values().len());
        for sketch in sketches {
            let Some(sketch) = sketch else {
                states.append_null();
                continue;
            };
            let opened = open(sketch)?;
            let kind = *self.kind.get_or_insert(opened.kind);
            if kind != opened.kind {
                return Err(other_kind(kind, opened.kind));
            }
            if kind == Kind::Distinct && !opened.state.is_empty() {
                let domain = *self.domain.get_or_insert(opened.domain);
                if domain != opened.domain {
                    return Err(other_domain(domain, opened.domain));
                }
            }
            states.append_value(opened.state);
        }
        Ok(Arc::new(states.finish()))
    }

    /// States as sketches.
    fn sealed(&self, states: Vec<ArrayRef>) -> Result<ArrayRef> {
        let states = first(states)?;
        let (Some(kind), Some(states)) = (self.kind, states.as_binary_opt::<i32>()) else {
            return internal_err!("a sketch without state");
        };
        let domain = self.domain.unwrap_or(NO_DOMAIN);
        let bytes = states.values().len() + states.len() * sealed::FRAME_BYTES;
        if i32::try_from(bytes).is_err() {
            return exec_err!("the sketches of these groups are above 2 GiB");
        }
        let mut sketches = BinaryBuilder::with_capacity(states.len(), bytes);
        let mut sketch = Vec::new();
        for state in states {
            match state {
                Some(state) => {
                    seal(kind, domain, state, &mut sketch);
                    sketches.append_value(&sketch);
                }
                None => sketches.append_null(),
            }
        }
        Ok(Arc::new(sketches.finish()))
    }

    /// Notes that groups leave; `Some` is what there is to say of them while nobody knows what they are.
    fn leave(&mut self, emit_to: EmitTo) -> Option<ArrayRef> {
        let leaving = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(groups) => groups.min(self.groups),
        };
        self.groups -= leaving;
        let nothing = || new_null_array(&DataType::Binary, leaving);
        self.kind.is_none().then(nothing)
    }
}

impl GroupsAccumulator for Sketches {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        if self.takes_sketches {
            let sketches = self.convert_to_state(values, opt_filter)?;
            return self.merge_batch(&sketches, group_indices, total_num_groups);
        }
        self.groups = total_num_groups;
        match self.inner() {
            Some(inner) => inner.update_batch(values, group_indices, opt_filter, total_num_groups),
            None => internal_err!("a sketch of values of no kind"),
        }
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = total_num_groups;
        let Some(sketches) = values.first().and_then(|v| v.as_binary_opt::<i32>()) else {
            return exec_err!("a sketch must be BYTEA");
        };
        let states = [self.opened(sketches)?];
        match self.inner() {
            Some(inner) => inner.merge_batch(&states, group_indices, total_num_groups),
            // Nulls alone, so far.
            None => Ok(()),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        if !self.gives_answers {
            return first(self.state(emit_to)?);
        }
        self.leave(emit_to);
        match self.inner() {
            Some(inner) => inner.evaluate(emit_to),
            None => internal_err!("an answer of no kind"),
        }
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        if let Some(nothing) = self.leave(emit_to) {
            return Ok(vec![nothing]);
        }
        match self.inner() {
            Some(inner) => {
                let states = inner.state(emit_to)?;
                Ok(vec![self.sealed(states)?])
            }
            None => internal_err!("a sketch without state"),
        }
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        if !self.takes_sketches {
            let states = match self.kind {
                Some(Kind::Percentile) => self.percentile.convert_to_state(values, opt_filter),
                _ => self.distinct.convert_to_state(values, opt_filter),
            };
            return Ok(vec![self.sealed(states?)?]);
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
        self.percentile.size() + self.distinct.size()
    }
}

/// A single group, which may be asked again and again. (The engine wants accumulators that threads can share; groups cannot be.)
struct OneGroup(Mutex<Pair>);

struct Pair {
    groups: Sketches,
    /// What answers, so that asking takes nothing away.
    spare: Sketches,
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
