//! What the HTTP door asks of the engine.

use super::Engine;
use crate::{doors::http::Health, job::QueryStatus};

impl Health for Engine {
    fn ready(&self) -> bool {
        self.is_ready()
    }

    fn metrics(&self) -> String {
        for status in self.query_statuses() {
            self.publish(&status);
        }
        self.metrics.set_row_cache_bytes(self.row_cache.bytes());
        self.metrics.encode()
    }
}

impl Engine {
    /// Brings the metrics of a query up to its status; they are read far less often than a status changes.
    fn publish(&self, status: &QueryStatus) {
        let metrics = self.metrics.query(&status.name);
        let seconds = |us: Option<i64>| us.map_or(0.0, |us| us as f64 / 1e6);
        // Counters of a restored query begin where it stood, so they are brought up to the total.
        for (counter, total) in [
            (&metrics.rows_in, status.rows_in),
            (&metrics.rows_out, status.rows_out),
            (&metrics.late_rows, status.late_rows),
            (&metrics.dead_letter_rows, status.dead_letter_rows),
            (&metrics.epochs, status.epoch.unsigned_abs()),
        ] {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.lag_rows.set(gauge(status.lag_rows));
        metrics.state_bytes.set(gauge(status.state_bytes as u64));
        metrics.tail_rows.set(gauge(status.tail_rows as u64));
        let watermark = status.watermark_us.filter(|us| *us < i64::MAX);
        metrics.watermark_seconds.set(seconds(watermark));
        metrics
            .last_final_row_seconds
            .set(seconds(status.last_row_us));
        metrics
            .last_commit_seconds
            .set(seconds(status.last_commit_us));
    }
}
