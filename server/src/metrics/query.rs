//! Metrics of a continuous query.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::FloatGauge;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabel {
    query: String,
}

/// The series of one query; clones count into the same.
#[derive(Clone, Debug)]
pub struct QueryMetrics {
    /// Rows read from its sources.
    pub rows_in: Counter,
    /// Final rows given out.
    pub rows_out: Counter,
    /// Rows that came after their window had closed.
    pub late_rows: Counter,
    /// Messages that could not be decoded.
    pub dead_letter_rows: Counter,
    /// Epochs run.
    pub epochs: Counter,
    /// Commits to its table.
    pub commits: Counter,
    /// Rows in its sources that were not read yet.
    pub lag_rows: Gauge,
    /// Its watermark, in seconds since 1970.
    pub watermark_seconds: FloatGauge,
    /// When a final row was given out last, in seconds since 1970; 0 before the first.
    pub last_final_row_seconds: FloatGauge,
    /// When its table was committed last, in seconds since 1970; 0 before the first.
    pub last_commit_seconds: FloatGauge,
    /// How long epochs took.
    pub epoch_seconds: Histogram,
    /// How long commits took.
    pub commit_seconds: Histogram,
    /// Memory of what it keeps between epochs.
    pub state_bytes: Gauge,
    /// Final rows that are not committed yet.
    pub tail_rows: Gauge,
}

impl QueryMetrics {
    /// Final rows were given out just now.
    pub fn final_rows_now(&self, rows: u64) {
        self.rows_out.inc_by(rows);
        self.last_final_row_seconds.set(now());
    }

    /// The table was committed just now, which took `seconds`.
    pub fn committed_now(&self, seconds: f64) {
        self.commits.inc();
        self.commit_seconds.observe(seconds);
        self.last_commit_seconds.set(now());
    }
}

/// One family a metric.
#[derive(Debug)]
pub(super) struct QueryFamilies {
    rows_in: Family<QueryLabel, Counter>,
    rows_out: Family<QueryLabel, Counter>,
    late_rows: Family<QueryLabel, Counter>,
    dead_letter_rows: Family<QueryLabel, Counter>,
    epochs: Family<QueryLabel, Counter>,
    commits: Family<QueryLabel, Counter>,
    lag_rows: Family<QueryLabel, Gauge>,
    watermark: Family<QueryLabel, FloatGauge>,
    last_final_row: Family<QueryLabel, FloatGauge>,
    last_commit: Family<QueryLabel, FloatGauge>,
    final_row_age: Family<QueryLabel, FloatGauge>,
    commit_age: Family<QueryLabel, FloatGauge>,
    epoch: Family<QueryLabel, Histogram>,
    commit: Family<QueryLabel, Histogram>,
    state: Family<QueryLabel, Gauge>,
    tail_rows: Family<QueryLabel, Gauge>,
}

impl QueryFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            rows_in: Family::default(),
            rows_out: Family::default(),
            late_rows: Family::default(),
            dead_letter_rows: Family::default(),
            epochs: Family::default(),
            commits: Family::default(),
            lag_rows: Family::default(),
            watermark: Family::default(),
            last_final_row: Family::default(),
            last_commit: Family::default(),
            final_row_age: Family::default(),
            commit_age: Family::default(),
            // 1 ms to 16 s, and 4 ms to 65 s.
            epoch: Family::new_with_constructor(|| buckets(0.001)),
            commit: Family::new_with_constructor(|| buckets(0.004)),
            state: Family::default(),
            tail_rows: Family::default(),
        };
        families.register_counters(registry);
        families.register_gauges(registry);
        families
    }

    fn register_counters(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("query");
        for (name, help, family) in [
            ("rows_in", "Rows read from the sources", &self.rows_in),
            ("rows_out", "Final rows given out", &self.rows_out),
            (
                "late_rows",
                "Rows that came after their window had closed",
                &self.late_rows,
            ),
            (
                "dead_letter_rows",
                "Messages that could not be decoded",
                &self.dead_letter_rows,
            ),
            ("epochs", "Epochs run", &self.epochs),
            ("commits", "Commits to the table", &self.commits),
        ] {
            registry.register(name, help, family.clone());
        }
        registry.register_with_unit(
            "epoch",
            "How long epochs took",
            Unit::Seconds,
            self.epoch.clone(),
        );
        registry.register_with_unit(
            "commit",
            "How long commits took",
            Unit::Seconds,
            self.commit.clone(),
        );
    }

    fn register_gauges(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("query");
        registry.register(
            "lag_rows",
            "Rows in the sources that were not read yet",
            self.lag_rows.clone(),
        );
        registry.register(
            "tail_rows",
            "Final rows that are not committed yet",
            self.tail_rows.clone(),
        );
        registry.register_with_unit(
            "state",
            "Memory of what is kept between epochs",
            Unit::Bytes,
            self.state.clone(),
        );
        for (name, help, family) in [
            ("watermark", "Watermark, since 1970", &self.watermark),
            (
                "last_final_row_timestamp",
                "When a final row was given out last, since 1970; 0 before the first",
                &self.last_final_row,
            ),
            (
                "last_commit_timestamp",
                "When the table was committed last, since 1970; 0 before the first",
                &self.last_commit,
            ),
            (
                "freshness",
                "Time since the last final row; absent before the first",
                &self.final_row_age,
            ),
            (
                "commit_age",
                "Time since the last commit; absent before the first",
                &self.commit_age,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
    }

    pub(super) fn query(&self, name: &str) -> QueryMetrics {
        let label = label(name);
        QueryMetrics {
            rows_in: self.rows_in.get_or_create_owned(&label),
            rows_out: self.rows_out.get_or_create_owned(&label),
            late_rows: self.late_rows.get_or_create_owned(&label),
            dead_letter_rows: self.dead_letter_rows.get_or_create_owned(&label),
            epochs: self.epochs.get_or_create_owned(&label),
            commits: self.commits.get_or_create_owned(&label),
            lag_rows: self.lag_rows.get_or_create_owned(&label),
            watermark_seconds: self.watermark.get_or_create_owned(&label),
            last_final_row_seconds: self.last_final_row.get_or_create_owned(&label),
            last_commit_seconds: self.last_commit.get_or_create_owned(&label),
            epoch_seconds: self.epoch.get_or_create_owned(&label),
            commit_seconds: self.commit.get_or_create_owned(&label),
            state_bytes: self.state.get_or_create_owned(&label),
            tail_rows: self.tail_rows.get_or_create_owned(&label),
        }
    }

    /// Brings the ages up to now; there is none before the first event.
    pub(super) fn set_ages(&self, name: &str, query: &QueryMetrics) {
        let (now, label) = (now(), label(name));
        for (at, family) in [
            (&query.last_final_row_seconds, &self.final_row_age),
            (&query.last_commit_seconds, &self.commit_age),
        ] {
            let at = at.get();
            if at > 0.0 {
                family.get_or_create(&label).set((now - at).max(0.0));
            }
        }
    }

    pub(super) fn remove(&self, name: &str) {
        let label = label(name);
        for family in [
            &self.rows_in,
            &self.rows_out,
            &self.late_rows,
            &self.dead_letter_rows,
            &self.epochs,
            &self.commits,
        ] {
            family.remove(&label);
        }
        for family in [&self.lag_rows, &self.state, &self.tail_rows] {
            family.remove(&label);
        }
        for family in [
            &self.watermark,
            &self.last_final_row,
            &self.last_commit,
            &self.final_row_age,
            &self.commit_age,
        ] {
            family.remove(&label);
        }
        self.epoch.remove(&label);
        self.commit.remove(&label);
    }
}

fn label(name: &str) -> QueryLabel {
    QueryLabel {
        query: name.to_owned(),
    }
}

/// Fifteen buckets from `least`, each twice the one before.
fn buckets(least: f64) -> Histogram {
    Histogram::new(exponential_buckets(least, 2.0, 15))
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
