//! The demo in lines, for pipes and scripts.

use std::time::Instant;

use chrono::{DateTime, Utc};
use sluice_server::error::{Error, Result};
use sluice_server::session::Session;

use super::watch::History;
use super::{Look, TABLE};
use crate::cli::embedded::query;
use crate::cli::print::table;

/// How many rows of the gold table are printed at the end.
const FINAL_ROWS: usize = 20;

/// One line about the job now.
pub(crate) fn status_line(history: &History, now: Instant, clock: DateTime<Utc>) -> String {
    let look = &history.newest;
    let mut line = format!(
        "{:>4} s  {:<9} {:>11} events ({}/s)  watermark {}  lag {}  final rows {}  late {}  dead letters {}  {}",
        history.elapsed(now).as_secs(),
        look.state,
        grouped(look.rows_in),
        grouped(history.rate() as i64),
        moment(look.watermark_us),
        grouped(look.lag_rows),
        grouped(look.rows_out),
        grouped(look.late_rows),
        grouped(look.dead_letter_rows),
        freshness(look, clock),
    );
    for why in [&look.held_by, &look.last_error].into_iter().flatten() {
        line.push_str("  ");
        line.push_str(why);
    }
    line
}

/// How old what can be read is: in the server, and as plain Delta.
pub(super) fn freshness(look: &Look, clock: DateTime<Utc>) -> String {
    let age = |then: Option<i64>| match then {
        Some(us) => format!(
            "{:.1} s ago",
            (clock.timestamp_micros().saturating_sub(us)).max(0) as f64 / 1e6
        ),
        None => "not yet".to_owned(),
    };
    let version = look
        .last_commit_version
        .map(|version| format!(" v{version}"))
        .unwrap_or_default();
    format!(
        "newest result {}, Delta{version} {}",
        age(look.last_row_us),
        age(look.last_commit_us)
    )
}

/// A time of day with its date, or a dash.
pub(super) fn moment(us: Option<i64>) -> String {
    us.and_then(DateTime::from_timestamp_micros).map_or_else(
        || "-".to_owned(),
        |time| time.format("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// The newest rows of the gold table, and how many there are.
pub(crate) async fn final_table(session: &Session) -> Result<String> {
    let rows = query(
        session,
        &format!(
            "SELECT window_start, window_end, event_type, user_segment, event_count, avg_value, p95_value, date, hour FROM {TABLE} \
             ORDER BY window_start DESC, event_type, user_segment LIMIT {FINAL_ROWS}"
        ),
    )
    .await?;
    let shown: usize = rows.batches.iter().map(|batch| batch.num_rows()).sum();
    let text = table(&rows.schema, &rows.batches)
        .map_err(|e| Error::internal(format!("cannot print rows: {e}")))?;
    Ok(format!("{text}the newest {shown} rows of {TABLE}\n"))
}

#[cfg(test)]
mod tests;
