//! Start and end of the tumbling window a timestamp is in: floor division on microseconds.
//!
//! The engine's `date_bin` goes through nanoseconds and fails beyond the year 2262, and a row that fails ends a query for good; this
//! answers NULL where the arithmetic has no answer.

use std::{
    cell::Cell,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{Array, AsArray, TimestampMicrosecondArray},
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{
    common::ScalarValue,
    error::Result,
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use crate::error::PlanError;

#[cfg(test)]
mod tests;

static FUNCTIONS: LazyLock<(Arc<ScalarUDF>, Arc<ScalarUDF>)> = LazyLock::new(|| {
    (
        Arc::new(ScalarUDF::from(WindowBound::new(Bound::Start))),
        Arc::new(ScalarUDF::from(WindowBound::new(Bound::End))),
    )
});

/// The functions `(timestamp, size in microseconds, offset in microseconds) → start` and `→ end`.
pub fn window_bound() -> (Arc<ScalarUDF>, Arc<ScalarUDF>) {
    FUNCTIONS.clone()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Bound {
    Start,
    End,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WindowBound {
    bound: Bound,
    signature: Signature,
}

impl WindowBound {
    fn new(bound: Bound) -> Self {
        Self {
            bound,
            signature: Signature::any(3, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for WindowBound {
    fn name(&self) -> &str {
        match self.bound {
            Bound::Start => "tumble_start",
            Bound::End => "tumble_end",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(crate::logical::window_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [time, size, offset] = args.args.as_slice() else {
            return Err(misused());
        };
        let (size_us, offset_us) = (constant(size)?, constant(offset)?);
        if size_us <= 0 {
            return Err(misused());
        }
        let times = time.to_array(args.number_rows)?;
        if !matches!(
            times.data_type(),
            DataType::Timestamp(TimeUnit::Microsecond, _)
        ) {
            return Err(misused());
        }
        let times = times.as_primitive::<TimestampMicrosecondType>();
        Ok(ColumnarValue::Array(Arc::new(bounds(
            times, size_us, offset_us, self.bound,
        ))))
    }
}

fn constant(value: &ColumnarValue) -> Result<i64> {
    match value {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(value))) => Ok(*value),
        _ => Err(misused()),
    }
}

fn misused() -> datafusion::error::DataFusionError {
    PlanError::internal("a window bound takes a timestamp in microseconds and two constants")
        .into_engine()
}

fn bounds(
    times: &TimestampMicrosecondArray,
    size_us: i64,
    offset_us: i64,
    bound: Bound,
) -> TimestampMicrosecondArray {
    // Neighbouring rows are mostly of one window: a comparison instead of a division.
    let last = Cell::new((0, 0));
    let result: TimestampMicrosecondArray = times.unary_opt(|time| {
        let (mut start, mut end) = last.get();
        if !(start..end).contains(&time) {
            let window = window_of(time, size_us, offset_us)?;
            (start, end) = (window.start, window.end);
            last.set((start, end));
        }
        Some(match bound {
            Bound::Start => start,
            Bound::End => end,
        })
    });
    result.with_timezone("UTC")
}

/// The window `[start, end)` of a time; `None` where it has no bounds in 64 bits.
pub(crate) fn window_of(
    time_us: i64,
    size_us: i64,
    offset_us: i64,
) -> Option<std::ops::Range<i64>> {
    let since = time_us.checked_sub(offset_us)?;
    let start = time_us.checked_sub(since.rem_euclid(size_us))?;
    Some(start..start.checked_add(size_us)?)
}
