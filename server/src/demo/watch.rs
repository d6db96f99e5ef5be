//! One look at the running job, and what several looks tell together.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use sluice_server::error::Result;
use sluice_server::session::Session;

use super::{QUERY, TABLE};
use crate::cli::cells::Cells;
use crate::cli::embedded::{Rows, query};

/// How many rates are remembered for the chart.
const REMEMBERED: usize = 240;
/// How many of the newest window rows are shown.
const NEWEST: usize = 12;
/// How far below the watermark the newest windows are looked for, so that old partitions are left alone.
const NEWEST_WITHIN_US: i64 = 10 * 60_000_000;

/// What the system tables said at one moment, and the newest windows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// `running`, `finished`, …
    pub(crate) state: String,
    /// Newest epoch.
    pub(crate) epoch: i64,
    /// Watermark, microseconds.
    pub(crate) watermark_us: Option<i64>,
    /// Messages not yet read.
    pub(crate) lag_rows: i64,
    /// Messages read.
    pub(crate) rows_in: i64,
    /// Final rows.
    pub(crate) rows_out: i64,
    /// Late rows.
    pub(crate) late_rows: i64,
    /// Dead letters.
    pub(crate) dead_letter_rows: i64,
    /// Windows that are open.
    pub(crate) open_windows: i64,
    /// Newest version of the Delta table.
    pub(crate) last_commit_version: Option<i64>,
    /// When it was committed, microseconds.
    pub(crate) last_commit_us: Option<i64>,
    /// When the newest final row could be read, microseconds.
    pub(crate) last_row_us: Option<i64>,
    /// What keeps the watermark back.
    pub(crate) held_by: Option<String>,
    /// The newest error.
    pub(crate) last_error: Option<String>,
    /// Newest windows.
    pub(crate) newest: Vec<Window>,
}

/// A row of the gold table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    /// Start of the window, microseconds.
    pub(crate) start_us: i64,
    /// Group.
    pub(crate) event_type: String,
    /// Group.
    pub(crate) user_segment: String,
    /// Events.
    pub(crate) event_count: i64,
    /// Mean.
    pub(crate) avg_value: f64,
    /// 95th percentile.
    pub(crate) p95_value: f64,
}

/// Looks once.
pub(crate) async fn look(session: &Session) -> Result<Look> {
    let status = query(
        session,
        &format!("SELECT * FROM system.queries WHERE name = '{QUERY}'"),
    )
    .await?;
    let mut look = from_status(&status);
    if look.rows_out > 0 {
        look.newest = from_gold(&query(session, &newest_sql(look.watermark_us)).await?);
    }
    Ok(look)
}

fn newest_sql(watermark_us: Option<i64>) -> String {
    let recent = watermark_us
        .and_then(|us| chrono::DateTime::from_timestamp_micros(us.saturating_sub(NEWEST_WITHIN_US)))
        .map(|from| {
            format!(
                "WHERE window_start > TIMESTAMPTZ '{}' ",
                from.format("%Y-%m-%d %H:%M:%SZ")
            )
        })
        .unwrap_or_default();
    format!(
        "SELECT window_start, event_type, user_segment, event_count, avg_value, p95_value FROM {TABLE} {recent}\
         ORDER BY window_start DESC, event_count DESC, event_type, user_segment LIMIT {NEWEST}"
    )
}

fn from_status(rows: &Rows) -> Look {
    let Some(batch) = filled(rows).next() else {
        return Look::default();
    };
    let cells = Cells::new(batch);
    let count = |column| cells.int(column, 0).unwrap_or(0);
    Look {
        state: cells.text("state", 0).unwrap_or_default(),
        epoch: count("epoch"),
        watermark_us: cells.int("watermark", 0),
        lag_rows: count("lag_rows"),
        rows_in: count("rows_in"),
        rows_out: count("rows_out"),
        late_rows: count("late_rows"),
        dead_letter_rows: count("dead_letter_rows"),
        open_windows: count("open_windows"),
        last_commit_version: cells.int("last_commit_version", 0),
        last_commit_us: cells.int("last_commit_at", 0),
        last_row_us: cells.int("last_row_at", 0),
        held_by: cells.text("held_by", 0),
        last_error: cells.text("last_error", 0),
        newest: vec![],
    }
}

fn from_gold(rows: &Rows) -> Vec<Window> {
    let mut windows = vec![];
    for batch in filled(rows) {
        let cells = Cells::new(batch);
        for row in 0..batch.num_rows() {
            windows.push(Window {
                start_us: cells.int("window_start", row).unwrap_or(0),
                event_type: cells.text("event_type", row).unwrap_or_default(),
                user_segment: cells.text("user_segment", row).unwrap_or_default(),
                event_count: cells.int("event_count", row).unwrap_or(0),
                avg_value: cells.float("avg_value", row).unwrap_or(f64::NAN),
                p95_value: cells.float("p95_value", row).unwrap_or(f64::NAN),
            });
        }
    }
    windows
}

fn filled(rows: &Rows) -> impl Iterator<Item = &RecordBatch> {
    rows.batches.iter().filter(|batch| batch.num_rows() > 0)
}

/// Several looks, and the clock between them.
#[derive(Clone, Debug)]
pub(crate) struct History {
    began: Instant,
    /// The newest look.
    pub(crate) newest: Look,
    before: Option<(Instant, i64)>,
    /// Rows per second from look to look, the newest last.
    pub(crate) rates: VecDeque<u64>,
}

impl History {
    /// Nothing seen yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            newest: Look::default(),
            before: None,
            rates: VecDeque::new(),
        }
    }

    /// Adds a look.
    pub(crate) fn add(&mut self, now: Instant, look: Look) {
        if let Some((then, rows)) = self.before {
            let seconds = now.duration_since(then).as_secs_f64().max(0.001);
            let rate = (look.rows_in - rows).max(0) as f64 / seconds;
            self.rates.push_back(rate.round() as u64);
            if self.rates.len() > REMEMBERED {
                self.rates.pop_front();
            }
        }
        self.before = Some((now, look.rows_in));
        self.newest = look;
    }

    /// How long the demo has been running.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.duration_since(self.began)
    }

    /// Rows per second now, over the last few looks.
    pub(crate) fn rate(&self) -> u64 {
        let last = self.rates.iter().rev().take(4);
        let count = last.len() as u64;
        last.sum::<u64>().checked_div(count).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
