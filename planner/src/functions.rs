//! Functions that DataFusion lacks and that our users expect by name: one function per file.
//!
//! Whatever stands here is used by continuous queries: a function must be a pure function of its arguments (or, an aggregate, of the
//! multiset of its values), must give the same bytes on every run, and must answer a bad row with NULL, never with the end of the query.

mod approx_percentile;
mod bounded;
mod counted;
mod from_json;
mod json;
mod length;
mod moments;
pub(crate) mod sketches;
mod sum;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::approx_distinct::approx_distinct_udaf;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub use approx_percentile::ApproxPercentile;
use approx_percentile::WeightedPercentile;
pub use bounded::makes_much;
pub use counted::CountedValues;
pub(crate) use counted::sparing;
pub use from_json::FromJson;
pub use json::{Json, JsonError, MAX_JSON_DEPTH, PG_TYPE, is_too_deep};
pub use length::Length;
pub use sum::Sum;

/// The engine's functions whose answer depends on the order of rows, and whose state changes by being saved and loaded: no session has them.
pub(crate) const OF_ORDER: [&str; 2] = ["approx_median", "approx_percentile_cont"];

/// Adds all of them to a session's functions.
pub fn register_all(registry: &mut dyn FunctionRegistry) -> Result<()> {
    registry.register_udaf(Arc::new(AggregateUDF::from(ApproxPercentile::default())))?;
    registry.register_udaf(Arc::new(AggregateUDF::from(WeightedPercentile::default())))?;
    registry.register_expr_planner(Arc::new(approx_percentile::PercentilePlanner))?;
    registry.register_udaf(Arc::new(
        (*approx_distinct_udaf())
            .clone()
            .with_aliases(["approx_count_distinct"]),
    ))?;
    for function in sketches::aggregates() {
        registry.register_udaf(Arc::new(function))?;
    }
    for function in sketches::scalars() {
        registry.register_udf(Arc::new(function))?;
    }
    registry.register_udaf(Arc::new(AggregateUDF::from(Sum::default())))?;
    for function in moments::functions() {
        registry.register_udaf(Arc::new(function))?;
    }
    registry.register_expr_planner(Arc::new(json::JsonOperators))?;
    for function in json::functions() {
        registry.register_udf(Arc::new(function))?;
    }
    registry.register_udf(Arc::new(ScalarUDF::from(FromJson::default())))?;
    registry.register_udf(Arc::new(ScalarUDF::from(Length::default())))?;
    bounded::bound_all(registry)
}
