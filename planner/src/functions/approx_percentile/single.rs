//! One group: the accumulator of window functions and of aggregation without GROUP BY.
//!
//! Window frames ask for the answer again and again while values keep coming: asking must change nothing.

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::asked::Asked;
use super::encoding::{self, Held};
use super::grain::{Grain, key_of};
use super::groups::{floats, states};
use super::sketch::Sketch;

/// The accumulator.
#[derive(Debug)]
pub(super) struct PercentileAccumulator {
    asked: Asked,
    sketch: Sketch,
}

impl PercentileAccumulator {
    /// No values yet.
    pub(super) fn new(asked: Asked, grain: Grain) -> Self {
        Self {
            asked,
            sketch: Sketch::new(grain),
        }
    }

    /// What it holds.
    pub(super) fn sketch(&mut self) -> &mut Sketch {
        &mut self.sketch
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
            let state = encoding::decode(state)?;
            if state.grain != self.sketch.grain() {
                return Err(encoding::other_grain(self.sketch.grain(), state.grain));
            }
            match state.held {
                Held::Exact(keys) => keys.iter().for_each(|key| self.sketch.add(key)),
                Held::Buckets(counts) => {
                    counts.add_to(self.sketch.as_buckets())?;
                }
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(encoding::encode(&self.sketch))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut answers = self.asked.answers(1);
        answers.of_sketch(&mut self.sketch);
        ScalarValue::try_from_array(&answers.finish(), 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.sketch.heap_bytes()
    }
}
