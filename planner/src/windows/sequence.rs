//! Windows one after the other: each kind but sessions has exactly one window for each of its steps, in the order of their ends.

use std::ops::Range;

use super::{Windows, floor};
use crate::operators::WindowColumn;

impl Windows {
    /// The window that ends next after this one; `None` of sessions, and beyond 64 bits.
    pub(crate) fn after(&self, window: &Range<i64>) -> Option<Range<i64>> {
        match *self {
            Self::Tumble { size_us, .. } => Some(window.end..window.end.checked_add(size_us)?),
            Self::Hop { slide_us, .. } => {
                Some(window.start.checked_add(slide_us)?..window.end.checked_add(slide_us)?)
            }
            Self::Calendar { .. } => self.windows_of(self.pane_of(window.end)?).next(),
            Self::Cumulate {
                step_us, size_us, ..
            } => {
                let is_whole = window.end >= window.start.checked_add(size_us)?;
                let start = if is_whole { window.end } else { window.start };
                Some(start..window.end.checked_add(step_us)?)
            }
            Self::Session { .. } => None,
        }
    }

    /// The window whose `column` is this; `None` where that does not say which it is.
    pub(crate) fn window_at(&self, column: WindowColumn, value_us: i64) -> Option<Range<i64>> {
        let end = match column {
            WindowColumn::Start => None,
            WindowColumn::End => Some(value_us),
            WindowColumn::Time => Some(value_us.checked_add(1)?),
        };
        match (self, end) {
            (Self::Tumble { size_us, .. } | Self::Hop { size_us, .. }, Some(end)) => {
                Some(end.checked_sub(*size_us)?..end)
            }
            (Self::Tumble { size_us, .. } | Self::Hop { size_us, .. }, None) => {
                Some(value_us..value_us.checked_add(*size_us)?)
            }
            (Self::Calendar { .. }, Some(end)) => {
                let pane = self.pane_of(end.checked_sub(1)?)?;
                self.windows_of(pane).next()
            }
            (Self::Calendar { .. }, None) => self.windows_of(value_us).next(),
            (
                Self::Cumulate {
                    size_us, offset_us, ..
                },
                Some(end),
            ) => Some(floor(end.checked_sub(1)?, *size_us, *offset_us)?..end),
            (Self::Cumulate { .. }, None) | (Self::Session { .. }, _) => None,
        }
    }
}
