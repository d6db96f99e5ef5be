//! `approx_percentile(x, p)`: the percentile whose answer does not depend on the order of anything.
//!
//! The answer is the discrete nearest rank, as PostgreSQL's `percentile_disc` and Spark's `approx_percentile` define it: the smallest value
//! whose cumulative count reaches `p · n`. Up to 1,024 values in a group it is exact; above that it is the middle of the value's log-linear
//! bucket, never outside the values seen: at most 0.4 % off (of the value; below 2.3e-308 the floats themselves are coarser than that).
//! Numbers of any type are taken as double precision and the answer is one. NULLs are ignored, a group without values gives NULL, NaN
//! counts as larger than every number, -0 is 0.
//!
//! Stock t-digests answer differently when merged in another order, which stream = batch cannot have, and have no group accumulator.
//! The same multiset of values must give the bit-identical answer, however it was cut into batches, partitions, epochs and merges.

mod encoding;
mod groups;
mod single;
mod sketch;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::types::{NativeType, logical_float64};
use datafusion::common::{DFSchema, Result, ScalarValue, not_impl_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Coercion, Expr, GroupsAccumulator, Signature,
    TypeSignatureClass, Volatility,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::expressions::Literal;

use groups::PercentileGroups;
use single::PercentileAccumulator;

use super::sketches::SketchFunction;

const NAME: &str = "approx_percentile";

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ApproxPercentile {
    signature: Signature,
    aliases: Vec<String>,
}

impl Default for ApproxPercentile {
    fn default() -> Self {
        let double = || {
            Coercion::new_implicit(
                TypeSignatureClass::Native(logical_float64()),
                vec![TypeSignatureClass::Numeric],
                NativeType::Float64,
            )
        };
        Self {
            signature: Signature::coercible(vec![double(), double()], Volatility::Immutable),
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

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sketch");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(PercentileAccumulator::new(percentile_of(&args)?)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(PercentileGroups::new(percentile_of(&args)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// An accumulator over groups, for the functions beside this one.
pub(super) fn groups(percentile: f64) -> Box<dyn GroupsAccumulator> {
    Box::new(PercentileGroups::new(percentile))
}

/// The second argument of a planned call. [`PercentilePlanner`] has told the user what is wrong with it before; this is for plans that
/// were not made from SQL.
pub(super) fn percentile_of(args: &AccumulatorArgs) -> Result<f64> {
    if args.is_distinct {
        return distinct_refused();
    }
    match args.exprs.get(1).and_then(|e| e.downcast_ref::<Literal>()) {
        Some(literal) => check_percentile(literal.value()),
        None => not_constant(),
    }
}

fn check_percentile(value: &ScalarValue) -> Result<f64> {
    match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(Some(p))) if (0.0..=1.0).contains(&p) => Ok(p),
        Ok(ScalarValue::Float64(Some(p))) => plan_err!(
            "percentile {p} of {NAME} is not between 0 and 1 (the 95th percentile is 0.95)"
        ),
        Ok(_) if value.is_null() => plan_err!("the percentile of {NAME} must not be null"),
        _ => plan_err!(
            "the percentile of {NAME} must be one number between 0 and 1, not {}",
            value.data_type()
        ),
    }
}

fn not_constant<T>() -> Result<T> {
    plan_err!("the percentile of {NAME} must be a constant, such as {NAME}(value, 0.95)")
}

fn distinct_refused<T>() -> Result<T> {
    not_impl_err!("{NAME}(DISTINCT …): take the distinct values in a subquery first")
}

/// Looks at calls while SQL is being planned, so that a wrong percentile is an error of the statement and not of its first row.
#[derive(Debug)]
pub(super) struct PercentilePlanner;

impl ExprPlanner for PercentilePlanner {
    fn plan_aggregate(
        &self,
        mut call: RawAggregateExpr,
    ) -> Result<PlannerResult<RawAggregateExpr>> {
        let inner = call.func.inner();
        let merges = inner
            .downcast_ref::<SketchFunction>()
            .is_some_and(SketchFunction::takes_percentile);
        if !inner.is::<ApproxPercentile>() && !merges {
            return Ok(PlannerResult::Original(call));
        }
        if call.distinct {
            return distinct_refused();
        }
        if let [_, percentile] = call.args.as_mut_slice() {
            *percentile = constant(percentile.clone())?;
        }
        Ok(PlannerResult::Original(call))
    }
}

/// Folds `1 - 0.05`, `CAST('0.95' AS DOUBLE)` and the like; a parameter that has no value yet stays.
fn constant(expr: Expr) -> Result<Expr> {
    let folded = if matches!(expr, Expr::Literal(..) | Expr::Placeholder(_)) {
        expr
    } else {
        let simplifier = ExprSimplifier::new(SimplifyContext::default());
        simplifier
            .coerce(expr, &DFSchema::empty())
            .and_then(|expr| simplifier.simplify(expr))
            .or_else(|_| not_constant())?
    };
    match folded {
        Expr::Literal(value, _) => {
            let percentile = check_percentile(&value)?;
            Ok(Expr::Literal(ScalarValue::Float64(Some(percentile)), None))
        }
        Expr::Placeholder(_) => Ok(folded),
        _ => not_constant(),
    }
}
