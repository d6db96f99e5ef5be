//! Sketches as values: a group's mergeable state as BYTEA, and answers from any number of them.
//!
//! | | values to a sketch | sketches to one | sketches to the answer | a sketch to the answer |
//! |---|---|---|---|---|
//! | percentiles | `approx_percentile_sketch(x[, accuracy])` | `sketch_merge(sketch)` | `approx_percentile_merge(sketch, p)` | `approx_percentile_estimate(sketch, p)` |
//! | distinct values | `approx_distinct_sketch(x)` | `sketch_merge(sketch)` | `approx_distinct_merge(sketch)` | `approx_distinct_estimate(sketch)` |
//!
//! A percentile of percentiles is wrong; a percentile of merged sketches is what it would have been over all the rows. So a table of
//! minutes that keeps sketches can be read by the hour or the day. What a sketch looks like is in `sketches/sealed.rs`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::{
    common::{Result, ScalarValue, not_impl_err, plan_err},
    functions_aggregate::approx_distinct::approx_distinct_udaf,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ScalarUDF, Signature,
        Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
    physical_expr::{PhysicalExpr, expressions::Literal},
};

use super::approx_percentile::{
    Asked, PercentileGroups, answer_type, asked_of, asked_type, grain_of, is_number,
};
use accumulator::{OneGroup, Sketches};
use estimate::Estimate;
use sealed::{Kind, NO_DOMAIN, domain_of};

mod accumulator;
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
            Role::PercentileMerge => asked = asked_of(self.name(), args, 1)?,
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
            seen: Vec::new(),
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
        let (groups, spare) = (self.groups(&args)?, self.groups(&args)?);
        Ok(Box::new(OneGroup::new(groups, spare)))
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
