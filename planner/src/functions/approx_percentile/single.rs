//! One group: the accumulator of window functions and of aggregation without GROUP BY.
//!
//! Window frames ask for the answer again and again while values keep coming: asking must change nothing.

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::encoding::{self, State};
use super::groups::{floats, states};
use super::sketch::{Sketch, key_of};

/// The accumulator.
#[derive(Debug)]
pub(super) struct PercentileAccumulator {
    percentile: f64,
    sketch: Sketch,
}

impl PercentileAccumulator {
    /// No values yet.
    pub(super) fn new(percentile: f64) -> Self {
        Self {
            percentile,
            sketch: Sketch::default(),
        }
    }
}

impl Accumulator for PercentileAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in floats(values)?.iter().flatten() {
            self.sketch.add(key_of(value));
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for state in states(values)?.iter().flatten() {
            match encoding::decode(state)? {
                State::Exact(keys) => keys.iter().for_each(|key| self.sketch.add(key)),
                State::Buckets(histogram) => self
                    .sketch
                    .merge(&histogram)
                    .ok_or_else(encoding::too_many)?,
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(encoding::encode(&self.sketch))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(
            self.sketch.percentile(self.percentile),
        ))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.sketch.heap_bytes()
    }
}
