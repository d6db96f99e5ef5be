//! Dates and times as people write them in a literal: `Jan 2, 2026`, `2 January 2026 10:00 pm`, `1/2/2026`, `20260102`, `2026-01-02 10:00`.
//!
//! They are brought to the one form that the engine reads. What is not understood is left to it, and refused there; what PostgreSQL understands
//! and no column here can hold (`infinity`, years before 1, the end of a day as a time) is refused with the reason.

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};

use crate::{
    error::{Error, SqlState},
    table::external,
};

/// The literal for a cast to this type in the engine's form; `None` where it may stay as it is. A moment without a zone is of the session's,
/// where that is not UTC.
pub(super) fn literal(text: &str, to: &DataType, zone: Option<&str>) -> Result<Option<String>> {
    let is_date = match to {
        DataType::Date32 => true,
        DataType::Timestamp(..) => false,
        DataType::Time64(_) => {
            return match clock(text.trim(), None) {
                Some(None) => Err(out_of_range(text)),
                Some(Some(clock)) if clock.next_day => Err(not_kept(text, "24:00:00 as a time")),
                // A leap second is the next.
                Some(Some(clock)) => Ok(text.contains(":60").then_some(clock.text)),
                None => Ok(None),
            };
        }
        _ => return Ok(None),
    };
    let unsigned = text.trim().trim_start_matches(['+', '-']);
    if unsigned.eq_ignore_ascii_case("infinity") {
        return Err(not_kept(text, "infinity as a time"));
    }
    match read(text) {
        Read::Unknown => Ok(None),
        Read::BeforeChrist => Err(not_kept(text, "a date before the year 1")),
        Read::OutOfRange => Err(out_of_range(text)),
        Read::Moment(moment) => {
            let written = if is_date {
                moment.day
            } else {
                let zone = match (to, zone) {
                    (DataType::Timestamp(_, Some(_)), Some(zone)) if moment.zone.is_empty() => {
                        format!(" {zone}")
                    }
                    _ => moment.zone,
                };
                format!("{} {}{zone}", moment.date, moment.time)
            };
            Ok((written != text).then_some(written))
        }
    }
}

/// Of PostgreSQL's values, one that the engine's types lack.
fn not_kept(text: &str, what: &str) -> DataFusionError {
    external(
        Error::user(
            SqlState::FeatureNotSupported,
            format!("{what} is not supported: \"{text}\""),
        )
        .with_hint("Times are of the years 1 to 9999; NULL may stand for what has no end."),
    )
}

fn out_of_range(text: &str) -> DataFusionError {
    external(Error::user(
        SqlState::DatetimeFieldOverflow,
        format!("date/time field value out of range: \"{text}\""),
    ))
}

#[derive(Debug, PartialEq)]
struct Moment {
    /// The day as it is written; the date is the day after, where the time is the end of the day.
    day: String,
    date: String,
    time: String,
    zone: String,
}

#[derive(Debug, PartialEq)]
enum Read {
    Unknown,
    OutOfRange,
    BeforeChrist,
    Moment(Moment),
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// A name of at least three letters, by its beginning.
fn position(names: &[&str], word: &str) -> Option<usize> {
    let word = word.to_lowercase();
    let word = word.trim_end_matches('.');
    let at = names.iter().position(|name| name.starts_with(word));
    at.filter(|_| word.len() >= 3)
}

#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    clock: Option<String>,
    afternoon: Option<bool>,
    before_christ: bool,
    zone: String,
}

fn read(text: &str) -> Read {
    let mut parts = Parts::default();
    let text = text.trim();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        // `2026-01-02T10:00:00Z` is two words.
        let known = match word.split_once('T') {
            Some((date, time))
                if date.ends_with(|c: char| c.is_ascii_digit())
                    && time.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                parts.word(date).and_then(|()| parts.word(time))
            }
            _ => parts.word(word),
        };
        if known.is_none() {
            return Read::Unknown;
        }
    }
    parts.finish()
}

impl Parts {
    /// Takes a word; `None` where it is not understood.
    fn word(&mut self, word: &str) -> Option<()> {
        if word.contains(':') {
            return self.time(word);
        }
        let lower = word.to_lowercase();
        if lower == "am" || lower == "pm" {
            self.afternoon = Some(lower == "pm");
            return Some(());
        }
        if lower == "ad" || lower == "bc" {
            self.before_christ = lower == "bc";
            return Some(());
        }
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.number(word);
        }
        if let Some(month) = position(&MONTHS, word) {
            return set(&mut self.month, month as i64 + 1);
        }
        if position(&DAYS, word).is_some() {
            return Some(());
        }
        if self.year.is_none() && word.contains(['-', '/', '.']) {
            return self.date(word);
        }
        // A zone, as it stands: whether there is one of this name the engine says.
        if self.clock.is_some() && self.zone.is_empty() {
            self.zone = match word.starts_with(['+', '-']) || word.eq_ignore_ascii_case("z") {
                true => word.to_owned(),
                false => format!(" {word}"),
            };
            return Some(());
        }
        None
    }

    /// `20260102`, a year, or a day of a month.
    fn number(&mut self, digits: &str) -> Option<()> {
        let number: i64 = digits.parse().ok()?;
        match digits.len() {
            8 if self.year.is_none() && self.month.is_none() => {
                set(&mut self.year, number / 10_000)?;
                set(&mut self.month, number / 100 % 100)?;
                set(&mut self.day, number % 100)
            }
            4 => set(&mut self.year, number),
            1 | 2 => set(&mut self.day, number),
            _ => None,
        }
    }

    /// `2026-01-02`, `2026-Jan-02`, `02-Jan-2026`, and month before day where a month is a number: `1/2/2026`.
    fn date(&mut self, word: &str) -> Option<()> {
        let fields: Vec<&str> = word.split(['-', '/', '.']).collect();
        let [one, two, three] = fields.as_slice() else {
            return None;
        };
        let number = |text: &str| -> Option<i64> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        let month = |text: &str| position(&MONTHS, text).map(|at| at as i64 + 1);
        let (year, of_year, day) = if one.len() == 4 {
            (
                number(one)?,
                number(two).or_else(|| month(two))?,
                number(three)?,
            )
        } else if three.len() == 4 {
            match (month(one), month(two)) {
                (Some(of_year), _) => (number(three)?, of_year, number(two)?),
                (_, Some(of_year)) => (number(three)?, of_year, number(one)?),
                _ => (number(three)?, number(one)?, number(two)?),
            }
        } else {
            return None;
        };
        set(&mut self.year, year)?;
        set(&mut self.month, of_year)?;
        set(&mut self.day, day)
    }

    /// `10:00`, `10:00:05.5`, with a zone or `pm` behind it.
    fn time(&mut self, word: &str) -> Option<()> {
        if self.clock.is_some() {
            return None;
        }
        let end = word
            .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
            .unwrap_or(word.len());
        let (clock, rest) = word.split_at(end);
        match rest.to_lowercase().as_str() {
            "am" => self.afternoon = Some(false),
            "pm" => self.afternoon = Some(true),
            _ => self.zone = rest.to_owned(),
        }
        self.clock = Some(clock.to_owned());
        Some(())
    }

    fn finish(self) -> Read {
        let (Some(year), Some(month), Some(day)) = (self.year, self.month, self.day) else {
            return Read::Unknown;
        };
        let Ok(of_year) = u32::try_from(month) else {
            return Read::OutOfRange;
        };
        let valid = i32::try_from(year).ok().zip(u32::try_from(day).ok());
        let valid =
            valid.and_then(|(year, day)| chrono::NaiveDate::from_ymd_opt(year, of_year, day));
        let Some(date) = valid.filter(|_| year > 0) else {
            return Read::OutOfRange;
        };
        if self.before_christ {
            return Read::BeforeChrist;
        }
        let Some(time) = clock(self.clock.as_deref().unwrap_or("00:00:00"), self.afternoon) else {
            return Read::Unknown;
        };
        let Some(time) = time else {
            return Read::OutOfRange;
        };
        let day = date.format("%Y-%m-%d").to_string();
        let date = match time.next_day {
            true => date.succ_opt(),
            false => Some(date),
        };
        let Some(date) = date else {
            return Read::OutOfRange;
        };
        Read::Moment(Moment {
            day,
            date: date.format("%Y-%m-%d").to_string(),
            time: time.text,
            zone: self.zone,
        })
    }
}

/// The time of a day in full.
#[derive(Debug, PartialEq)]
struct Clock {
    text: String,
    /// Of the day after.
    next_day: bool,
}

/// The time of a day: `None` where it is none, `Some(None)` where there is no such time.
fn clock(text: &str, afternoon: Option<bool>) -> Option<Option<Clock>> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (text, String::new()),
    };
    let fields: Vec<u32> = whole
        .split(':')
        .map(|field| field.parse().ok())
        .collect::<Option<_>>()?;
    let (hour, minute, second) = match fields.as_slice() {
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let hour = match afternoon {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return Some(None),
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
    };
    // The last moment of a day is written as 24:00:00 too, and a leap second as 60, which is the next second.
    let last = (hour, minute, second) == (24, 0, 0)
        && fraction.bytes().all(|byte| matches!(byte, b'.' | b'0'));
    if !last && (hour > 23 || minute > 59 || second > 60) {
        return Some(None);
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    let (of_day, next_day) = match seconds.checked_sub(24 * 60 * 60) {
        Some(over) => (over, true),
        None => (seconds, false),
    };
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let text = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
    Some(Some(Clock { text, next_day }))
}

/// A part that is said twice is not understood.
fn set(part: &mut Option<i64>, value: i64) -> Option<()> {
    part.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests;
