//! Partition columns that follow from time: `date`, `hour` and their like, of `window_start` (of event time in a query without windows) in
//! UTC.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array, Int32Array, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, Int32Type},
};
use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::{
    error::{PlanError, PlanErrorKind, Result, nearest},
    windows::zone,
};

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;
const MINUTE_US: i64 = 60_000_000;

/// Names that can be derived, for messages.
const NAMES: [&str; 8] = ["date", "dt", "day", "hour", "hh", "minute", "month", "year"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Date,
    Year,
    Month,
    Day,
    Hour,
    Minute,
}

/// A partition column derived from a time.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    part: Part,
    /// The column it follows from.
    of: String,
    /// The zone whose date and hour it is, where that is not UTC.
    zone: Option<String>,
}

impl Derived {
    /// The column that `PARTITIONED BY (name type)` means when the query does not select it.
    pub(crate) fn new(name: &str, written: Option<&DataType>, of: &str) -> Result<Self> {
        let cannot = || {
            PlanError::new(
                PlanErrorKind::UndefinedColumn,
                format!("partition column \"{name}\" cannot be derived"),
            )
        };
        let Some(written) = written else {
            return Err(cannot()
                .detail("the query does not select it, and it is written without a type")
                .hint("select a column of that name, or write it with a type: PARTITIONED BY (date DATE, hour INT)"));
        };
        let integer = matches!(
            written,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
        );
        let part = match name.to_lowercase().as_str() {
            "date" | "dt" | "day" if *written == DataType::Date32 => Part::Date,
            "day" if integer => Part::Day,
            "hour" | "hh" if integer => Part::Hour,
            "minute" if integer => Part::Minute,
            "month" if integer => Part::Month,
            // 127 ends before any year of ours.
            "year" if integer && *written != DataType::Int8 => Part::Year,
            known @ ("date" | "dt" | "day") => {
                return Err(cannot()
                    .detail(format!("it is written as {written}"))
                    .hint(format!("write {known} DATE")));
            }
            known @ ("hour" | "hh" | "minute" | "month" | "year") => {
                return Err(cannot()
                    .detail(format!("it is written as {written}"))
                    .hint(format!("write {known} INT")));
            }
            other => {
                let error = cannot().detail(
                    format!("the query does not select it, and only date, dt, day, hour, hh, minute, month and year follow from {of}"),
                );
                return Err(match nearest(other, NAMES.into_iter()) {
                    Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                    None => error.hint("select a column of that name in the query"),
                });
            }
        };
        Ok(Self {
            name: name.to_owned(),
            data_type: written.clone(),
            part,
            of: of.to_owned(),
            zone: None,
        })
    }

    /// The same in another time zone.
    pub(crate) fn in_zone(self, zone: Option<&str>) -> Self {
        let zone = zone.filter(|zone| *zone != "UTC").map(str::to_owned);
        Self { zone, ..self }
    }

    /// The column for rows of these windows.
    pub(crate) fn evaluate(&self, windows: &TimestampMicrosecondArray) -> Result<ArrayRef> {
        let zone = self.zone.as_deref().and_then(zone);
        let part = |us: i64| -> Option<i32> {
            let us = match zone {
                None => us,
                Some(zone) => utc(us)?
                    .with_timezone(&zone)
                    .naive_local()
                    .and_utc()
                    .timestamp_micros(),
            };
            let value = match self.part {
                Part::Date => us.div_euclid(DAY_US),
                Part::Hour => us.rem_euclid(DAY_US) / HOUR_US,
                Part::Minute => us.rem_euclid(HOUR_US) / MINUTE_US,
                Part::Year => return Some(utc(us)?.year()),
                Part::Month => i64::from(utc(us)?.month()),
                Part::Day => i64::from(utc(us)?.day()),
            };
            i32::try_from(value).ok()
        };
        let values = windows.iter().map(|us| us.and_then(part));
        if self.part == Part::Date {
            return Ok(Arc::new(values.collect::<Date32Array>()));
        }
        let integers = values.collect::<Int32Array>();
        match &self.data_type {
            DataType::Int32 => Ok(Arc::new(integers)),
            other => Ok(cast(&integers, other)?),
        }
    }

    /// The part of a time that it is.
    pub(super) fn part(&self) -> Part {
        self.part
    }

    /// Its value at a time, as a number whose order is that of time within the coarser parts.
    pub(super) fn number_at(&self, us: i64) -> Option<i64> {
        let times = TimestampMicrosecondArray::from(vec![us]);
        let value = cast(&self.evaluate(&times).ok()?, &DataType::Int32).ok()?;
        let value = value.as_primitive_opt::<Int32Type>()?;
        value.is_valid(0).then(|| i64::from(value.value(0)))
    }

    /// A value as the table's log writes it, as such a number.
    pub(super) fn number_of(&self, text: &str) -> Option<i64> {
        if self.part != Part::Date {
            return text.parse().ok();
        }
        let date = text.parse::<NaiveDate>().ok()?;
        Some(date.signed_duration_since(NaiveDate::default()).num_days())
    }

    /// How it follows from the window, for EXPLAIN and SHOW CREATE.
    pub(crate) fn describe(&self) -> String {
        let of = match &self.zone {
            None => self.of.clone(),
            Some(zone) => format!("{} AT TIME ZONE '{zone}'", self.of),
        };
        let part = match self.part {
            Part::Date => return format!("{} = CAST({of} AS DATE)", self.name),
            Part::Year => "year",
            Part::Month => "month",
            Part::Day => "day",
            Part::Hour => "hour",
            Part::Minute => "minute",
        };
        format!("{} = EXTRACT({part} FROM {of})", self.name)
    }
}

fn utc(us: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(us)
}
