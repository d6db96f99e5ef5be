//! The window columns of a row, as functions of its time: what window nodes lower to.
//!
//! The engine's `date_bin` goes through nanoseconds and fails beyond the year 2262, and a row that fails ends a query for good; these
//! answer NULL where the arithmetic has no answer.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, ListArray, StructArray, TimestampMicrosecondArray,
        TimestampMicrosecondBuilder,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Fields, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use crate::{
    error::PlanError,
    logical::{WINDOW_END, WINDOW_START, window_type},
    windows::Windows,
};

#[cfg(test)]
mod tests;

/// One window column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WindowColumn {
    /// `window_start`.
    Start,
    /// `window_end`, exclusive.
    End,
    /// `window_time`: the last microsecond of the window.
    Time,
}

impl WindowColumn {
    /// The column's value for a window.
    pub(crate) fn of(self, window: &std::ops::Range<i64>) -> i64 {
        match self {
            Self::Start => window.start,
            Self::End => window.end,
            Self::Time => window.end.saturating_sub(1),
        }
    }
}

/// The function `timestamp → start of its pane`.
pub(crate) fn pane_start(windows: &Windows) -> ScalarUDF {
    ScalarUDF::from(OfTime {
        name: "pane_start",
        windows: windows.clone(),
        column: None,
        signature: Signature::any(1, Volatility::Immutable),
    })
}

/// The function `timestamp → a column of its window`, of windows of which a row is in one.
pub(crate) fn window_column(windows: &Windows, column: WindowColumn) -> ScalarUDF {
    ScalarUDF::from(OfTime {
        name: match column {
            WindowColumn::Start => "window_start_of",
            WindowColumn::End => "window_end_of",
            WindowColumn::Time => "window_time_of",
        },
        windows: windows.clone(),
        column: Some(column),
        signature: Signature::any(1, Volatility::Immutable),
    })
}

/// The function `timestamp → list of (window_start, window_end)`, the windows it is in.
pub(crate) fn windows_of(windows: &Windows) -> ScalarUDF {
    ScalarUDF::from(WindowsOf {
        windows: windows.clone(),
        signature: Signature::any(1, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfTime {
    name: &'static str,
    windows: Windows,
    /// Of the window; or the start of the pane.
    column: Option<WindowColumn>,
    signature: Signature,
}

impl ScalarUDFImpl for OfTime {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(window_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = times(&args)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        Ok(ColumnarValue::Array(Arc::new(of_times(
            times,
            &self.windows,
            self.column,
        ))))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WindowsOf {
    windows: Windows,
    signature: Signature,
}

impl ScalarUDFImpl for WindowsOf {
    fn name(&self) -> &str {
        "windows_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(window_field()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = times(&args)?;
        let (mut starts, mut ends) = (
            TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            TimestampMicrosecondBuilder::new().with_timezone("UTC"),
        );
        let mut lengths = Vec::with_capacity(times.len());
        for time in times.as_primitive::<TimestampMicrosecondType>() {
            let pane = time.and_then(|time| self.windows.pane_of(time));
            let before = starts.values_slice().len();
            for window in pane
                .into_iter()
                .flat_map(|pane| self.windows.windows_of(pane))
            {
                starts.append_value(window.start);
                ends.append_value(window.end);
            }
            lengths.push(starts.values_slice().len() - before);
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(starts.finish()), Arc::new(ends.finish())];
        let windows = StructArray::try_new(window_fields(), columns, None)?;
        Ok(ColumnarValue::Array(Arc::new(ListArray::try_new(
            window_field(),
            OffsetBuffer::from_lengths(lengths),
            Arc::new(windows),
            None,
        )?)))
    }
}

fn window_fields() -> Fields {
    [WINDOW_START, WINDOW_END]
        .into_iter()
        .map(|name| Field::new(name, window_type(), true))
        .collect()
}

fn window_field() -> FieldRef {
    Arc::new(Field::new_list_field(
        DataType::Struct(window_fields()),
        true,
    ))
}

fn times(args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    let misused = || {
        PlanError::internal("a window column is a function of a timestamp in microseconds")
            .into_engine()
    };
    let [time] = args.args.as_slice() else {
        return Err(misused());
    };
    let times = time.to_array(args.number_rows)?;
    match times.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => Ok(times),
        _ => Err(misused()),
    }
}

fn of_times(
    times: &TimestampMicrosecondArray,
    windows: &Windows,
    column: Option<WindowColumn>,
) -> TimestampMicrosecondArray {
    let value_of = |time| {
        let start = windows.pane_of(time)?;
        let value = match column {
            None => start,
            Some(column) => column.of(&windows.windows_of(start).next()?),
        };
        Some((start..windows.pane_end(start), value))
    };
    // Neighbouring rows are mostly of one pane: a comparison instead of divisions.
    let (mut pane, mut value) = (0..0, 0);
    if times.null_count() == 0 {
        let mut answered = true;
        let values = times.values().iter().map(|time| {
            if !pane.contains(time) {
                match value_of(*time) {
                    Some(of_time) => (pane, value) = of_time,
                    None => answered = false,
                }
            }
            value
        });
        let values: Vec<i64> = values.collect();
        if answered {
            return TimestampMicrosecondArray::from(values).with_timezone("UTC");
        }
    }
    let values = times.iter().map(|time| {
        let time = time?;
        if !pane.contains(&time) {
            (pane, value) = value_of(time)?;
        }
        Some(value)
    });
    TimestampMicrosecondArray::from_iter(values).with_timezone("UTC")
}
