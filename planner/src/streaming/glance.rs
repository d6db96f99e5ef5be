//! A glance at rows before their epoch: would they close a window?
//!
//! Whoever collects rows for an epoch may let them wait for more, but not when somebody waits for the window they close. The glance is
//! allowed to say yes too often (a row without usable time moves nothing in the end), never no where a window would have closed.

use std::{any::Any, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::{max, min},
    datatypes::TimestampMicrosecondType,
};
use datafusion::{physical_expr::expressions::Column, physical_plan::ExecutionPlan};

use crate::operators::{EventTimeExec, FeedExec, WatermarkRule};

/// Where a row's event time stands, and how far behind it the watermark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    column: usize,
    delay_us: i64,
}

impl Glance {
    /// For plans whose event time is a column as it was read and whose watermark is a constant behind it: by far the commonest.
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        let mut node = plan;
        loop {
            if let Some(event_time) = node.downcast_ref::<EventTimeExec>() {
                let (time, rule, input) = event_time.parts();
                let column = (time.as_ref() as &dyn Any).downcast_ref::<Column>()?;
                let WatermarkRule::Delay(delay_us) = rule else {
                    return None;
                };
                return input.is::<FeedExec>().then_some(Self {
                    column: column.index(),
                    delay_us: *delay_us,
                });
            }
            node = node.children().into_iter().next()?;
        }
    }

    /// The earliest event time among the rows, and the largest watermark; `None` where no row has a time.
    pub(crate) fn at(&self, rows: &RecordBatch) -> Option<(i64, i64)> {
        let times = rows.columns().get(self.column)?;
        let times = times.as_primitive_opt::<TimestampMicrosecondType>()?;
        Some((min(times)?, max(times)?.saturating_sub(self.delay_us)))
    }
}
