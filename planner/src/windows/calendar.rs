//! Windows of the calendar: days, weeks, months and years of a time zone, some of which have 23 or 25 hours.

use std::ops::Range;

use arrow::array::timezone::Tz;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone};

/// What a calendar window is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Days, counted from 1970-01-01; sevens of them from a Monday.
    Days(u32),
    /// Months, counted from January 1970.
    Months(u32),
}

/// Days from 1970-01-01, a Thursday, back to its Monday.
const MONDAY: i64 = -3;
/// A wall clock is set forward by less than this (Samoa left out a whole day).
const LONGEST_GAP: i64 = 48 * 60;

/// The window that a time is in; `None` beyond the years that a calendar has.
pub(super) fn window_of(time_us: i64, unit: Unit, zone: Tz) -> Option<Range<i64>> {
    let date = DateTime::from_timestamp_micros(time_us)?
        .with_timezone(&zone)
        .date_naive();
    let (first, next) = dates(date, unit)?;
    let window = midnight(first, zone)?..midnight(next, zone)?;
    // Where clocks are set back at midnight a day may begin twice: the second time is still the day before's.
    match window.contains(&time_us) {
        true => Some(window),
        false if time_us < window.start => {
            let (first, next) = dates(first.pred_opt()?, unit)?;
            Some(midnight(first, zone)?..midnight(next, zone)?)
        }
        false => {
            let (first, next) = dates(next, unit)?;
            Some(midnight(first, zone)?..midnight(next, zone)?)
        }
    }
}

/// First day of a date's window, and of the next.
fn dates(date: NaiveDate, unit: Unit) -> Option<(NaiveDate, NaiveDate)> {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    match unit {
        Unit::Days(count) => {
            let anchor = if count % 7 == 0 { MONDAY } else { 0 };
            let since = date.signed_duration_since(epoch).num_days() - anchor;
            let back = since.rem_euclid(i64::from(count));
            let first = date.checked_sub_days(Days::new(u64::try_from(back).ok()?))?;
            Some((first, first.checked_add_days(Days::new(count.into()))?))
        }
        Unit::Months(count) => {
            let since = (i64::from(date.year()) - 1970) * 12 + i64::from(date.month0());
            let back = since.rem_euclid(i64::from(count));
            let first = date
                .with_day(1)?
                .checked_sub_months(Months::new(u32::try_from(back).ok()?))?;
            Some((first, first.checked_add_months(Months::new(count))?))
        }
    }
}

/// The first instant of a day, in microseconds.
fn midnight(date: NaiveDate, zone: Tz) -> Option<i64> {
    let midnight = date.and_time(NaiveTime::MIN);
    if let Some(found) = zone.from_local_datetime(&midnight).earliest() {
        return Some(found.timestamp_micros());
    }
    // Clocks were set forward over midnight: the day begins at the first minute there is.
    let minute = (1..=LONGEST_GAP).find_map(|minutes| {
        let local = midnight.checked_add_signed(TimeDelta::minutes(minutes))?;
        zone.from_local_datetime(&local).earliest()
    })?;
    Some(minute.timestamp_micros())
}
