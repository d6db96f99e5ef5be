//! Which percentiles were asked for: one number, or several of the same values as an array.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, Float64Builder, ListBuilder},
    datatypes::{DataType, Field},
};
use datafusion::common::{DataFusionError, Result, ScalarValue};

use super::sketch::{Buckets, Sketch, exact_percentile};
use crate::error::PlanError;

/// What stands in the second argument.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::functions) enum Asked {
    /// `0.95`.
    One(f64),
    /// `ARRAY[0.5, 0.95]`.
    Many(Vec<f64>),
}

/// Answers of groups, one after the other.
pub(super) struct Answers<'a> {
    asked: &'a Asked,
    one: Float64Builder,
    many: ListBuilder<Float64Builder>,
}

impl Asked {
    /// What a constant asks for.
    pub(in crate::functions) fn of_argument(function: &str, value: &ScalarValue) -> Result<Self> {
        if let ScalarValue::List(list) = value {
            if list.is_empty() || list.is_null(0) {
                return Err(null(function));
            }
            let elements = list.value(0);
            let many: Vec<f64> = (0..elements.len())
                .map(|at| one(function, &ScalarValue::try_from_array(&elements, at)?))
                .collect::<Result<_>>()?;
            if many.is_empty() {
                return Err(wrong(format!(
                    "the array of percentiles of {function} is empty"
                )));
            }
            return Ok(Self::Many(many));
        }
        one(function, value).map(Self::One)
    }

    /// As a literal of one type, whatever type it was written in.
    pub(super) fn literal(&self) -> ScalarValue {
        match self {
            Self::One(percentile) => ScalarValue::Float64(Some(*percentile)),
            Self::Many(percentiles) => {
                let values: Vec<ScalarValue> = percentiles
                    .iter()
                    .map(|percentile| ScalarValue::Float64(Some(*percentile)))
                    .collect();
                ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Float64))
            }
        }
    }

    /// Room for the answers of so many groups.
    pub(super) fn answers(&self, groups: usize) -> Answers<'_> {
        let of = |rows| Float64Builder::with_capacity(rows);
        let (one, many) = match self {
            Self::One(_) => (groups, 0),
            Self::Many(percentiles) => (0, groups * percentiles.len()),
        };
        Answers {
            asked: self,
            one: of(one),
            many: ListBuilder::new(of(many)),
        }
    }
}

/// The type of an answer, by the type of what was asked.
pub(in crate::functions) fn answer_type(asked: &DataType) -> DataType {
    match asked {
        DataType::List(_) => {
            DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)))
        }
        _ => DataType::Float64,
    }
}

fn one(function: &str, value: &ScalarValue) -> Result<f64> {
    match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(Some(p))) if (0.0..=1.0).contains(&p) => Ok(p),
        Ok(ScalarValue::Float64(Some(p))) => Err(wrong(format!(
            "percentile {p} of {function} is not between 0 and 1"
        ))),
        Ok(_) if value.is_null() => Err(null(function)),
        _ => Err(wrong(format!(
            "the percentile of {function} must be a number between 0 and 1 or an array of them, not {}",
            value.data_type()
        ))),
    }
}

fn null(function: &str) -> DataFusionError {
    wrong(format!("the percentile of {function} must not be null"))
}

fn wrong(message: String) -> DataFusionError {
    PlanError::invalid(message)
        .hint("the 95th percentile is 0.95; several at once are ARRAY[0.5, 0.95]")
        .into_engine()
}

impl Answers<'_> {
    fn push(&mut self, mut answer: impl FnMut(f64) -> Option<f64>) {
        match self.asked {
            Asked::One(percentile) => self.one.append_option(answer(*percentile)),
            // Of no values there is no array, rather than one of nulls.
            Asked::Many(percentiles) => {
                let all: Option<Vec<f64>> = percentiles.iter().map(|at| answer(*at)).collect();
                let valid = all.is_some();
                self.many.values().append_slice(&all.unwrap_or_default());
                self.many.append(valid);
            }
        }
    }

    /// No answer.
    pub(super) fn of_nothing(&mut self) {
        self.push(|_| None);
    }

    /// The answer over values.
    pub(super) fn of_keys(&mut self, keys: &mut [u64]) {
        self.push(|percentile| exact_percentile(keys, percentile));
    }

    /// The answer over counts.
    pub(super) fn of_buckets(&mut self, buckets: &Buckets) {
        self.push(|percentile| buckets.percentile(percentile));
    }

    /// The answer of a group that is asked while it grows.
    pub(super) fn of_sketch(&mut self, sketch: &mut Sketch) {
        self.push(|percentile| sketch.percentile(percentile));
    }

    /// The column.
    pub(super) fn finish(mut self) -> ArrayRef {
        match self.asked {
            Asked::One(_) => Arc::new(self.one.finish()),
            Asked::Many(_) => Arc::new(self.many.finish()),
        }
    }
}
