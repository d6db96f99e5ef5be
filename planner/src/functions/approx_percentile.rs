//! `approx_percentile(x, p[, accuracy])`: the percentile whose answer does not depend on the order of anything.
//!
//! The answer is the discrete nearest rank, as PostgreSQL's `percentile_disc` and Spark's `approx_percentile` define it: the smallest value
//! whose cumulative count reaches `p · n`. Up to 1,024 values in a group it is exact; above that it is the middle of the value's log-linear
//! bucket, never outside the values seen: at most 0.4 % off (of the value; below 2.3e-308 the floats themselves are coarser than that), or
//! less where an accuracy asks for it. Numbers of any type are taken as double precision and the answer is one, or an array of them where
//! `p` is an array. NULLs are ignored, a group without values gives NULL, NaN counts as larger than every number, -0 is 0.
//!
//! The engine's t-digests (`approx_median`, `approx_percentile_cont`) answer differently when merged in another order, or after being saved
//! and loaded, which stream = batch cannot have: they are no functions of ours, and their names are spellings of this one.
//! The same multiset of values must give the bit-identical answer, however it was cut into batches, partitions, epochs and merges.

mod asked;
mod encoding;
mod grain;
mod groups;
mod single;
mod sketch;
#[cfg(test)]
mod tests;
mod weighted;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Expr, GroupsAccumulator, Signature, Volatility,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::expressions::Literal;

pub(super) use asked::{Asked, answer_type};
pub(super) use grain::Grain;
pub(super) use groups::PercentileGroups;
use single::PercentileAccumulator;
use sketch::Buckets;
pub(super) use weighted::WeightedPercentile;

use super::sketches::SketchFunction;
use crate::error::PlanError;

const NAME: &str = "approx_percentile";

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ApproxPercentile {
    signature: Signature,
    aliases: Vec<String>,
}

impl Default for ApproxPercentile {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: vec!["percentile_approx".to_owned()],
        }
    }
}

impl AggregateUDFImpl for ApproxPercentile {
    fn name(&self) -> &str {
        NAME
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [value, asked] if is_number(value) => Ok(vec![DataType::Float64, asked_type(asked)?]),
            [value, asked, accuracy] if is_number(value) && is_number(accuracy) => Ok(vec![
                DataType::Float64,
                asked_type(asked)?,
                DataType::Float64,
            ]),
            _ => plan_err!(
                "{NAME} takes a number, a percentile between 0 and 1, and perhaps an accuracy"
            ),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.get(1).map_or(DataType::Float64, answer_type))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sketch");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let (asked, grain) = (asked_of(NAME, &args, 1)?, grain_of(&args, 2)?);
        Ok(Box::new(PercentileAccumulator::new(asked, grain)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let (asked, grain) = (asked_of(NAME, &args, 1)?, grain_of(&args, 2)?);
        Ok(Box::new(PercentileGroups::new(asked, Some(grain))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// Whether values of a type are numbers, or nothing but NULL.
pub(super) fn is_number(given: &DataType) -> bool {
    match given {
        DataType::Dictionary(_, values) => is_number(values),
        other => other.is_numeric() || other.is_null(),
    }
}

/// The type that a percentile or an array of them is taken as.
pub(super) fn asked_type(given: &DataType) -> Result<DataType> {
    match given {
        number if is_number(number) => Ok(DataType::Float64),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _)
            if is_number(element.data_type()) =>
        {
            Ok(answer_type(&DataType::List(Arc::clone(element))))
        }
        other => plan_err!(
            "a percentile must be a number between 0 and 1 or an array of them, not {other}"
        ),
    }
}

/// The percentile of a planned call. [`PercentilePlanner`] has told the user what is wrong with it before; this is for plans that
/// were not made from SQL.
pub(super) fn asked_of(function: &str, args: &AccumulatorArgs, at: usize) -> Result<Asked> {
    if args.is_distinct {
        return distinct_refused(function);
    }
    match literal(args, at) {
        Some(value) => Asked::of_argument(function, value),
        None => Err(not_constant(function)),
    }
}

/// The accuracy of a planned call, where it stands in one.
pub(super) fn grain_of(args: &AccumulatorArgs, at: usize) -> Result<Grain> {
    match (args.exprs.get(at), literal(args, at)) {
        (None, _) => Ok(Grain::DEFAULT),
        (_, Some(value)) => Grain::of_argument(value),
        (Some(_), None) => Err(accuracy_not_constant()),
    }
}

fn literal<'a>(args: &'a AccumulatorArgs, at: usize) -> Option<&'a ScalarValue> {
    let literal = args.exprs.get(at)?.downcast_ref::<Literal>()?;
    Some(literal.value())
}

fn not_constant(function: &str) -> DataFusionError {
    PlanError::invalid(format!("the percentile of {function} must be a constant"))
        .hint(format!("write {function}(value, 0.95)"))
        .into_engine()
}

fn accuracy_not_constant() -> DataFusionError {
    PlanError::invalid("the accuracy of a percentile must be a constant")
        .hint("write approx_percentile(value, 0.95, 1000) for at most one part in 1000 off")
        .into_engine()
}

fn distinct_refused<T>(function: &str) -> Result<T> {
    let refused = PlanError::unsupported(format!("{function}(DISTINCT …) is not supported"));
    Err(refused
        .hint("take the distinct values in a subquery: SELECT DISTINCT window_start, window_end, value FROM …")
        .into_engine())
}

/// The exact percentile.
const EXACT: &str = "percentile_cont";

/// Looks at calls while SQL is being planned, so that a wrong percentile is an error of the statement and not of its first row.
#[derive(Debug)]
pub(super) struct PercentilePlanner;

impl ExprPlanner for PercentilePlanner {
    fn plan_aggregate(
        &self,
        mut call: RawAggregateExpr,
    ) -> Result<PlannerResult<RawAggregateExpr>> {
        if call.func.name() == EXACT {
            // The engine's own, which looks at it when the first row comes.
            if let Some(percentile) = call.args.get_mut(1) {
                let check =
                    |value: &ScalarValue| Asked::of_argument(EXACT, value).map(|_| value.clone());
                fold(percentile, check, || not_constant(EXACT))?;
            }
            return Ok(PlannerResult::Original(call));
        }
        let inner = call.func.inner();
        let sketches = inner.downcast_ref::<SketchFunction>();
        let (percentile_at, accuracy_at) = match sketches {
            Some(function) => (function.percentile_at(), function.accuracy_at()),
            None if inner.is::<ApproxPercentile>() => (Some(1), Some(2)),
            None if inner.is::<WeightedPercentile>() => (Some(weighted::PERCENTILE_AT), None),
            None => return Ok(PlannerResult::Original(call)),
        };
        let function = call.func.name().to_owned();
        if call.distinct && (percentile_at.is_some() || accuracy_at.is_some()) {
            return distinct_refused(&function);
        }
        if let Some(percentile) = percentile_at.and_then(|at| call.args.get_mut(at)) {
            fold(
                percentile,
                |value| Ok(Asked::of_argument(&function, value)?.literal()),
                || not_constant(&function),
            )?;
        }
        if let Some(accuracy) = accuracy_at.and_then(|at| call.args.get_mut(at)) {
            let check = |value: &ScalarValue| {
                Grain::of_argument(value).and_then(|_| value.cast_to(&DataType::Float64))
            };
            fold(accuracy, check, accuracy_not_constant)?;
        }
        Ok(PlannerResult::Original(call))
    }
}

/// Folds `1 - 0.05`, `CAST('0.95' AS DOUBLE)` and the like; a parameter that has no value yet stays.
pub(super) fn fold(
    expr: &mut Expr,
    check: impl Fn(&ScalarValue) -> Result<ScalarValue>,
    not_constant: impl Fn() -> DataFusionError,
) -> Result<()> {
    if !matches!(expr, Expr::Literal(..) | Expr::Placeholder(_)) {
        let simplifier = ExprSimplifier::new(SimplifyContext::default());
        *expr = simplifier
            .coerce(expr.clone(), &DFSchema::empty())
            .and_then(|expr| simplifier.simplify(expr))
            .map_err(|_| not_constant())?;
    }
    match expr {
        Expr::Literal(value, _) => *value = check(value)?,
        Expr::Placeholder(_) => {}
        _ => return Err(not_constant()),
    }
    Ok(())
}

/// Looks at all of a state that comes from outside.
pub(super) fn check_state(state: &[u8]) -> Result<()> {
    match encoding::decode(state)?.held {
        encoding::Held::Exact(_) => Ok(()),
        encoding::Held::Buckets(counts) => counts.read(|_, _| ()).map(|_| ()),
    }
}

/// The answers of states, each by itself; nulls are without values.
pub(super) fn estimates(asked: &Asked, states: &BinaryArray) -> Result<ArrayRef> {
    let mut answers = asked.answers(states.len());
    for state in states {
        let Some(state) = state else {
            answers.of_nothing();
            continue;
        };
        let state = encoding::decode(state)?;
        match state.held {
            encoding::Held::Exact(keys) => {
                answers.of_keys(&mut keys.iter().collect::<Vec<u64>>());
            }
            encoding::Held::Buckets(counts) => {
                let mut buckets = Buckets::new(state.grain);
                counts.add_to(&mut buckets)?;
                answers.of_buckets(&buckets);
            }
        }
    }
    Ok(answers.finish())
}
