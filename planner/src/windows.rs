//! Which windows a time is in: plain arithmetic on microseconds, the same for a stream and for a table.
//!
//! A *pane* is the longest stretch of time whose rows are all in the same windows. State is kept per pane; windows are made of panes when
//! they close (docs/decisions/006).

use std::{fmt, ops::Range};

use arrow::array::timezone::Tz;

use crate::{operators::WindowColumn, streaming::duration};

mod calendar;
mod sequence;
#[cfg(test)]
mod tests;

pub use calendar::Unit;

/// The time zone of a name: `Europe/Madrid`, `UTC`, `+02:00`.
pub(crate) fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// More panes than this in one window are refused.
pub(crate) const MOST_PANES: i64 = 1_000;

/// A kind of window with its lengths, in microseconds. Windows start at `offset` from the Unix epoch, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Windows {
    /// `[start, start + size)`, one after the other.
    Tumble {
        /// Above zero.
        size_us: i64,
        /// From the Unix epoch; at least zero and below the size.
        offset_us: i64,
    },
    /// `[start, start + size)`, a new one every slide.
    Hop {
        /// Above zero, at most the size.
        slide_us: i64,
        /// Above zero.
        size_us: i64,
        /// From the Unix epoch; at least zero and below the slide.
        offset_us: i64,
    },
    /// Days, weeks, months or years of a time zone, one after the other.
    Calendar {
        /// What they are made of.
        unit: Unit,
        /// The zone whose they are, a name that [`zone`] knows.
        zone: String,
    },
    /// From a row to a gap after the last that is at most a gap from the one before, for each of some keys.
    Session {
        /// Above zero.
        gap_us: i64,
        /// Where given, a session is cut at its first row and so much later, again and again; at least the gap.
        max_us: Option<i64>,
    },
    /// `[start, start + n × step)` up to the size, then anew.
    Cumulate {
        /// Above zero; divides the size.
        step_us: i64,
        /// Above zero.
        size_us: i64,
        /// From the Unix epoch; at least zero and below the size.
        offset_us: i64,
    },
}

impl Windows {
    /// Whether every row is in exactly one window: then a pane is a window.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Self::Tumble { .. } | Self::Calendar { .. })
    }

    /// Whether they are made of rows that are near each other.
    pub(crate) fn is_session(&self) -> bool {
        matches!(self, Self::Session { .. })
    }

    /// The zone whose calendar the windows follow.
    pub(crate) fn zone(&self) -> Option<&str> {
        match self {
            Self::Calendar { zone, .. } => Some(zone),
            _ => None,
        }
    }

    /// Length of a pane, where all are of one length.
    pub(crate) fn pane_us(&self) -> i64 {
        match *self {
            Self::Calendar { .. } => 0,
            // Rows of one key that are in the same stretch of a gap are in one session.
            Self::Session {
                gap_us,
                max_us: None,
            } => gap_us,
            // Where a session is cut is known when its first row is: until then, rows of one time alone are together.
            Self::Session {
                max_us: Some(_), ..
            } => 1,
            Self::Tumble { size_us, .. } => size_us,
            Self::Hop {
                slide_us, size_us, ..
            } => gcd(size_us, slide_us),
            Self::Cumulate { step_us, .. } => step_us,
        }
    }

    /// Panes of the longest window.
    pub(crate) fn panes(&self) -> i64 {
        match *self {
            Self::Tumble { .. } | Self::Calendar { .. } | Self::Session { .. } => 1,
            Self::Hop { size_us, .. } | Self::Cumulate { size_us, .. } => size_us / self.pane_us(),
        }
    }

    fn offset_us(&self) -> i64 {
        match *self {
            Self::Calendar { .. } | Self::Session { .. } => 0,
            Self::Tumble { offset_us, .. }
            | Self::Hop { offset_us, .. }
            | Self::Cumulate { offset_us, .. } => offset_us,
        }
    }

    /// The start of the pane of a time; `None` where it, or the end of one of its windows, is not in 64 bits.
    pub(crate) fn pane_of(&self, time_us: i64) -> Option<i64> {
        if let Self::Calendar { .. } = self {
            return Some(self.windows_from(time_us)?.next.start);
        }
        let start = floor(time_us, self.pane_us(), self.offset_us())?;
        self.windows_from(start)?;
        Some(start)
    }

    /// Where a pane ends, exclusive.
    pub(crate) fn pane_end(&self, pane: i64) -> i64 {
        match self {
            Self::Calendar { .. } => self.last_end(pane),
            _ => pane.saturating_add(self.pane_us()),
        }
    }

    /// The windows that hold a pane, the one that ends first coming first. `pane` is what [`Self::pane_of`] gave; of sessions it is a time,
    /// and the window is what the row would have to itself.
    pub(crate) fn windows_of(&self, pane: i64) -> impl Iterator<Item = Range<i64>> + use<> {
        // A pane whose windows cannot be told has none; `pane_of` gives no such pane.
        self.windows_from(pane).into_iter().flatten()
    }

    /// The end of the last window that holds a pane.
    pub(crate) fn last_end(&self, pane: i64) -> i64 {
        self.windows_from(pane)
            .map_or(pane, |windows| windows.last_end)
    }

    /// Given that every window that ends at or before `watermark` is through: what is still to come has at least this time, where a
    /// window's time is `column`.
    pub(crate) fn watermark_of(&self, column: WindowColumn, watermark_us: i64) -> i64 {
        if let Self::Session { gap_us, max_us } = *self {
            if watermark_us == i64::MAX {
                return watermark_us;
            }
            if let Some(max_us) = max_us {
                // What is open ends less than a gap before the watermark, and is no longer than the maximum.
                let end = watermark_us.saturating_sub(gap_us).saturating_add(1);
                return match column {
                    WindowColumn::Start => end.saturating_sub(max_us),
                    WindowColumn::End => end,
                    WindowColumn::Time => end.saturating_sub(1),
                };
            }
            // A session that is open ends at the watermark or later, but may have begun at any time: only its end says something.
            return match column {
                WindowColumn::Start => i64::MIN,
                WindowColumn::End => watermark_us,
                WindowColumn::Time => watermark_us.saturating_sub(1),
            };
        }
        let open = self
            .pane_of(watermark_us)
            .and_then(|pane| self.windows_of(pane).next());
        open.map_or(watermark_us, |window| column.of(&window))
    }

    fn windows_from(&self, pane: i64) -> Option<PaneWindows> {
        let (first, step, last_end) = match *self {
            Self::Tumble { size_us, .. } => {
                let end = pane.checked_add(size_us)?;
                (pane..end, Step::Start(size_us), end)
            }
            Self::Hop {
                slide_us,
                size_us,
                offset_us,
            } => {
                let last = floor(pane, slide_us, offset_us)?;
                // The first start at or after `reach`: an earlier window ends before the pane does.
                let reach = pane.checked_add(self.pane_us())?.checked_sub(size_us)?;
                let first = match floor(reach, slide_us, offset_us)? {
                    start if start == reach => start,
                    start => start.checked_add(slide_us)?,
                };
                (
                    first..first.checked_add(size_us)?,
                    Step::Start(slide_us),
                    last.checked_add(size_us)?,
                )
            }
            Self::Session { gap_us, .. } => {
                let end = pane.checked_add(gap_us)?;
                (pane..end, Step::End(1), end)
            }
            Self::Calendar { unit, ref zone } => {
                let window = calendar::window_of(pane, unit, self::zone(zone)?)?;
                let end = window.end;
                // One window only: the next would end after the last.
                (window, Step::End(1), end)
            }
            Self::Cumulate {
                step_us,
                size_us,
                offset_us,
            } => {
                let start = floor(pane, size_us, offset_us)?;
                (
                    start..pane.checked_add(step_us)?,
                    Step::End(step_us),
                    start.checked_add(size_us)?,
                )
            }
        };
        Some(PaneWindows {
            next: first,
            step,
            last_end,
        })
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Calendar { unit, ref zone } => {
                let (count, name) = match unit {
                    Unit::Days(days) if days % 7 == 0 => (days / 7, "week"),
                    Unit::Days(days) => (days, "day"),
                    Unit::Months(months) if months % 12 == 0 => (months / 12, "year"),
                    Unit::Months(months) => (months, "month"),
                };
                let plural = if count == 1 { "" } else { "s" };
                write!(f, "TUMBLE of {count} {name}{plural} in {zone}")?;
            }
            Self::Session { gap_us, max_us } => {
                write!(f, "SESSION with a gap of {}", duration(gap_us))?;
                if let Some(max_us) = max_us {
                    write!(f, ", cut every {}", duration(max_us))?;
                }
            }
            Self::Tumble { size_us, .. } => write!(f, "TUMBLE of {}", duration(size_us))?,
            Self::Hop {
                slide_us, size_us, ..
            } => write!(
                f,
                "HOP of {} every {}",
                duration(size_us),
                duration(slide_us)
            )?,
            Self::Cumulate {
                step_us, size_us, ..
            } => write!(
                f,
                "CUMULATE to {} in steps of {}",
                duration(size_us),
                duration(step_us)
            )?,
        }
        match self.offset_us() {
            _ if matches!(self, Self::Calendar { .. }) => Ok(()),
            0 => Ok(()),
            offset_us => write!(f, ", offset {}", duration(offset_us)),
        }
    }
}

/// The windows of a pane, one after the other: what moves is the start (and the end with it) or the end alone.
struct PaneWindows {
    next: Range<i64>,
    step: Step,
    last_end: i64,
}

#[derive(Clone, Copy)]
enum Step {
    Start(i64),
    End(i64),
}

impl Iterator for PaneWindows {
    type Item = Range<i64>;

    fn next(&mut self) -> Option<Range<i64>> {
        if self.next.end > self.last_end || self.next.is_empty() {
            return None;
        }
        let window = self.next.clone();
        // Beyond 64 bits there is nothing: an empty range ends the iteration.
        self.next = match self.step {
            Step::Start(slide) => window
                .start
                .checked_add(slide)
                .zip(window.end.checked_add(slide)),
            Step::End(step) => Some(window.start).zip(window.end.checked_add(step)),
        }
        .map_or(0..0, |(start, end)| start..end);
        Some(window)
    }
}

/// The last multiple of `size`, counted from `offset`, at or before a time.
fn floor(time_us: i64, size_us: i64, offset_us: i64) -> Option<i64> {
    let since = time_us.checked_sub(offset_us)?;
    time_us.checked_sub(since.rem_euclid(size_us))
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
