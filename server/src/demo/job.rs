//! The statements of the demo: the script of the README over a generator or a topic.

use chrono::{DateTime, SecondsFormat, Utc};

/// The gold table, as SQL names it.
pub(crate) const TABLE: &str = "gold.real_time_metrics";
/// The name of its query in the system tables.
pub(crate) const QUERY: &str = "gold.real_time_metrics";

/// How much faster than the clock event time runs: a one-minute window a second.
const TIME_SPEED: u64 = 60;

/// Where the events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Generated here.
    Generator {
        /// Events per second.
        rate: u64,
        /// How many in all; `None` for no end.
        rows: Option<u64>,
        /// Event time of the first one.
        start: DateTime<Utc>,
    },
    /// A topic.
    Kafka {
        /// Brokers to ask first.
        bootstrap: String,
        /// The topic.
        topic: String,
    },
}

/// The demo's statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    feed: Feed,
}

impl Job {
    /// The job over this feed.
    pub(crate) fn new(feed: Feed) -> Self {
        Self { feed }
    }

    /// How many events there will be, if that is known.
    pub(crate) fn generated(&self) -> Option<u64> {
        match &self.feed {
            Feed::Generator { rows, .. } => *rows,
            Feed::Kafka { .. } => None,
        }
    }

    /// The statements, in order. They may be given again on a root that has them.
    pub(crate) fn statements(&self) -> [String; 3] {
        [
            format!(
                r#"CREATE STREAM IF NOT EXISTS events (
  "timestamp" TIMESTAMPTZ, event_type TEXT, user_segment TEXT, value DOUBLE,
  WATERMARK FOR "timestamp" AS "timestamp" - INTERVAL '10 seconds'
) WITH ({})"#,
                self.options()
            ),
            r#"CREATE VIEW IF NOT EXISTS streaming_metrics AS
SELECT window_start, window_end, event_type, user_segment,
       count(*) AS event_count, avg(value) AS avg_value, approx_percentile(value, 0.95) AS p95_value
FROM TUMBLE(events, "timestamp", INTERVAL '1 minute')
GROUP BY window_start, window_end, event_type, user_segment"#
                .to_owned(),
            format!(
                "CREATE TABLE IF NOT EXISTS {TABLE} PARTITIONED BY (date DATE, hour INT)
WITH (commit_interval = '2 seconds') AS SELECT * FROM streaming_metrics"
            ),
        ]
    }

    fn options(&self) -> String {
        let options: Vec<(&str, String)> = match &self.feed {
            Feed::Generator { rate, rows, start } => {
                let start = start.to_rfc3339_opts(SecondsFormat::Secs, true);
                let mut options = vec![
                    ("connector", "generator".to_owned()),
                    ("shape", "metrics".to_owned()),
                    ("rows_per_second", rate.to_string()),
                    ("time_speed", TIME_SPEED.to_string()),
                    ("start_time", start),
                    ("late_fraction", "0.005".to_owned()),
                    ("malformed_fraction", "0.002".to_owned()),
                    // Event time runs ahead of the clock on purpose.
                    ("max_future_skew", "off".to_owned()),
                ];
                options.extend(rows.map(|rows| ("rows", rows.to_string())));
                options
            }
            Feed::Kafka { bootstrap, topic } => vec![
                ("connector", "kafka".to_owned()),
                ("bootstrap_servers", bootstrap.clone()),
                ("topic", topic.clone()),
                ("format", "json".to_owned()),
            ],
        };
        let written = options
            .iter()
            .map(|(key, value)| format!("{key} = '{}'", value.replace('\'', "''")));
        written.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;
