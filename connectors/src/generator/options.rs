//! The generator's options.
//!
//! An option that only sets the pace (`rows_per_second`) must not change what a row holds, with one exception that is asked for by
//! name: `time_speed` makes the distance of event times follow from the pace, so that event time runs that much faster than the clock.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::error::{ConnectorError, Result};

/// Every option it knows.
pub const OPTIONS: &[&str] = &[
    "event_interval",
    "late_by",
    "late_fraction",
    "malformed_fraction",
    "null_time_fraction",
    "out_of_order",
    "rows",
    "rows_per_second",
    "seed",
    "shape",
    "splits",
    "start_time",
    "time_speed",
];

/// The first event time of a stream that is to be the same whenever it is read: 2026-01-01T00:00:00Z.
const FIXED_START_US: i64 = 1_767_225_600_000_000;

const NS_PER_SECOND: f64 = 1e9;

/// What a row holds and how fast it comes.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) shape: &'static str,
    pub(super) seed: u64,
    pub(super) splits: i32,
    /// Rows in all; `None` for no end.
    pub(super) rows: Option<i64>,
    /// Rows of all splits in a second; `None` for as many as there can be.
    pub(super) rows_per_second: Option<f64>,
    pub(super) start_us: i64,
    /// Event time from one row to the next.
    pub(super) interval_ns: i64,
    pub(super) out_of_order_us: i64,
    pub(super) late_by_us: i64,
    pub(super) late_fraction: f64,
    pub(super) malformed_fraction: f64,
    pub(super) null_time_fraction: f64,
}

fn refused(message: String, hint: &str) -> ConnectorError {
    ConnectorError::Option {
        message,
        hint: Some(hint.into()),
    }
}

impl Settings {
    pub(super) fn parse(options: &BTreeMap<String, String>) -> Result<Self> {
        for name in options.keys() {
            if name != "connector" && !OPTIONS.contains(&name.as_str()) {
                let nearest = nearest(name, OPTIONS.iter().copied());
                return Err(refused(
                    format!("the generator has no option \"{name}\""),
                    &format!(
                        "Did you mean \"{nearest}\"? It has: {}.",
                        OPTIONS.join(", ")
                    ),
                ));
            }
        }
        let get = |name: &str| options.get(name).map(|text| text.trim());
        if let Some(shape) = get("shape")
            && shape != "metrics"
        {
            return Err(refused(
                format!("the generator has no shape '{shape}'"),
                "Write shape = 'metrics', or leave it out.",
            ));
        }
        let rows_per_second = match get("rows_per_second") {
            None => None,
            Some(text) if text.eq_ignore_ascii_case("max") => None,
            Some(text) => Some(positive("rows_per_second", text)?),
        };
        let rows = get("rows")
            .map(|text| whole("rows", text, 0, i64::MAX))
            .transpose()?;
        let splits = get("splits").map_or(Ok(4), |text| whole("splits", text, 1, 1024))?;
        let interval_ns = interval(get("event_interval"), get("time_speed"), rows_per_second)?;
        let start_us = match get("start_time") {
            Some(text) => DateTime::parse_from_rfc3339(text)
                .map_err(|error| {
                    refused(
                        format!("option start_time = '{text}' is not a time: {error}"),
                        "Write it like '2026-01-01T00:00:00Z'.",
                    )
                })?
                .timestamp_micros(),
            None if Self::has_fixed_start(options) => FIXED_START_US,
            None => Utc::now().timestamp_micros(),
        };
        let settings = Self {
            shape: "metrics",
            seed: get("seed").map_or(Ok(1), |text| {
                text.parse().map_err(|_| {
                    refused(
                        format!("option seed = '{text}' is not a number from 0 up"),
                        "Write it like seed = '42'.",
                    )
                })
            })?,
            // At most 1024.
            splits: splits as i32,
            rows,
            rows_per_second,
            start_us,
            interval_ns,
            out_of_order_us: duration_us(
                "out_of_order",
                get("out_of_order").unwrap_or("2 seconds"),
            )?,
            late_by_us: duration_us("late_by", get("late_by").unwrap_or("1 hour"))?,
            late_fraction: fraction("late_fraction", get("late_fraction"))?,
            malformed_fraction: fraction("malformed_fraction", get("malformed_fraction"))?,
            null_time_fraction: fraction("null_time_fraction", get("null_time_fraction"))?,
        };
        if let Some(rows) = rows {
            settings.check_span(rows)?;
        }
        Ok(settings)
    }

    /// Whether rows are the same whenever the stream is read without its start being written down.
    pub(super) fn has_fixed_start(options: &BTreeMap<String, String>) -> bool {
        ["start_time", "rows", "seed"]
            .iter()
            .any(|name| options.contains_key(*name))
    }

    /// A bounded stream must end before time does.
    fn check_span(&self, rows: i64) -> Result<()> {
        let end =
            i128::from(rows) * i128::from(self.interval_ns) / 1_000 + i128::from(self.start_us);
        // The year 9999.
        if end > 253_402_300_799_000_000 {
            return Err(refused(
                format!("{rows} rows at this distance of event times end after the year 9999"),
                "Write a smaller event_interval.",
            ));
        }
        Ok(())
    }

    /// The offset after the last row of a split.
    pub(super) fn end_of(&self, partition: i32) -> Option<i64> {
        self.rows.map(|rows| self.offsets_below(rows, partition))
    }

    /// How many of the first `rows` rows are in a split.
    pub(super) fn offsets_below(&self, rows: i64, partition: i32) -> i64 {
        let splits = i64::from(self.splits);
        let rest = rows - i64::from(partition);
        if rest <= 0 {
            0
        } else {
            (rest - 1) / splits + 1
        }
    }

    /// The number of a row in the whole stream.
    pub(super) fn row_number(&self, partition: i32, offset: i64) -> i64 {
        offset
            .saturating_mul(i64::from(self.splits))
            .saturating_add(i64::from(partition))
    }

    /// The event time at which a row comes into being, before anything makes it late.
    pub(super) fn time_us(&self, row: i64) -> i64 {
        let since = i128::from(row) * i128::from(self.interval_ns) / 1_000;
        i64::try_from(i128::from(self.start_us) + since).unwrap_or(i64::MAX)
    }
}

/// The known name that is nearest to a misspelt one.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    known
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)))
        .unwrap_or_default()
}

fn interval(
    event_interval: Option<&str>,
    time_speed: Option<&str>,
    rows_per_second: Option<f64>,
) -> Result<i64> {
    let ns = match (event_interval, time_speed, rows_per_second) {
        (Some(_), Some(_), _) => {
            return Err(refused(
                "options event_interval and time_speed exclude each other".into(),
                "Both say how far event times are apart; keep one.",
            ));
        }
        (Some(text), None, _) => return duration_ns("event_interval", text),
        (None, Some(text), Some(pace)) => positive("time_speed", text)? * NS_PER_SECOND / pace,
        (None, Some(_), None) => {
            return Err(refused(
                "option time_speed needs rows_per_second".into(),
                "Without a pace there is no clock to be faster than; write event_interval instead.",
            ));
        }
        (None, None, Some(pace)) => NS_PER_SECOND / pace,
        (None, None, None) => 1e6,
    };
    // Checked to be finite and positive; beyond a few centuries the number ends at its greatest.
    Ok((ns.round() as i64).max(1))
}

fn positive(name: &str, text: &str) -> Result<f64> {
    text.trim_end_matches('x')
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite() && *value > 0.0)
        .ok_or_else(|| {
            refused(
                format!("option {name} = '{text}' is not a number above 0"),
                &format!("Write it like {name} = '100'."),
            )
        })
}

fn whole(name: &str, text: &str, least: i64, most: i64) -> Result<i64> {
    text.replace('_', "")
        .parse::<i64>()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| {
            refused(
                format!("option {name} = '{text}' is not a whole number from {least} to {most}"),
                &format!("Write it like {name} = '{}'.", least.max(100)),
            )
        })
}

fn fraction(name: &str, text: Option<&str>) -> Result<f64> {
    let Some(text) = text else { return Ok(0.0) };
    text.parse::<f64>()
        .ok()
        .filter(|value| (0.0..=1.0).contains(value))
        .ok_or_else(|| {
            refused(
                format!("option {name} = '{text}' is not a number from 0 to 1"),
                &format!("Write it like {name} = '0.01'."),
            )
        })
}

fn duration_us(name: &str, text: &str) -> Result<i64> {
    Ok(duration_ns(name, text)? / 1_000)
}

/// A number and a unit, with or without a space.
fn duration_ns(name: &str, text: &str) -> Result<i64> {
    let wrong = || {
        refused(
            format!("option {name} = '{text}' is not a length of time"),
            &format!("Write it like {name} = '2 seconds' or '500 ms'."),
        )
    };
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "ns" | "nanosecond" | "nanoseconds" => 1.0,
        "us" | "µs" | "microsecond" | "microseconds" => 1e3,
        "ms" | "millisecond" | "milliseconds" => 1e6,
        "s" | "sec" | "second" | "seconds" => 1e9,
        "m" | "min" | "minute" | "minutes" => 60e9,
        "h" | "hour" | "hours" => 3_600e9,
        "d" | "day" | "days" => 86_400e9,
        _ => return Err(wrong()),
    };
    let ns = number * unit;
    if ns.is_finite() && ns < 9e18 {
        Ok(ns.round() as i64)
    } else {
        Err(wrong())
    }
}
