//! Dates, times and intervals by a template.

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::template::{Field, Part, parts};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

/// What the fields of a template are filled from.
pub(super) struct Shown {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// Seconds east of UTC.
    offset: i64,
    /// Whether it is a moment anywhere: what a clock shows has no zone.
    has_zone: bool,
    /// Of an interval there is none.
    date: Option<NaiveDate>,
}

impl Shown {
    pub(super) fn moment(moment: NaiveDateTime, offset: Option<i32>) -> Self {
        Self {
            year: moment.year().into(),
            month: moment.month().into(),
            day: moment.day().into(),
            hour: moment.hour().into(),
            minute: moment.minute().into(),
            second: moment.second().into(),
            micros: i64::from(moment.nanosecond()) / 1000,
            offset: offset.unwrap_or(0).into(),
            has_zone: offset.is_some(),
            date: Some(moment.date()),
        }
    }

    pub(super) fn interval(interval: &IntervalMonthDayNano) -> Self {
        let micros = interval.nanoseconds / 1000;
        let seconds = micros / 1_000_000;
        Self {
            year: i64::from(interval.months / 12),
            month: i64::from(interval.months % 12),
            day: i64::from(interval.days),
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: micros % 1_000_000,
            offset: 0,
            has_zone: false,
            date: None,
        }
    }

    /// The template filled in.
    pub(super) fn written(&self, template: &str) -> String {
        let parts = parts(template);
        parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Field(field) => self.field(field),
            })
            .collect()
    }

    fn field(&self, field: &Field) -> String {
        let padded = |value: i64, width: usize| {
            let digits = match (field.bare, value < 0) {
                (true, _) => value.to_string(),
                (false, true) => format!("-{:0width$}", -value),
                (false, false) => format!("{value:0width$}"),
            };
            with_ordinal(digits, value, field.ordinal.as_deref())
        };
        let digits = |value: i64, width: usize| format!("{value:0width$}");
        let clock = (self.hour + 11).rem_euclid(12) + 1;
        let week = self.date.map(|date| date.iso_week());
        let iso_year = week.map_or(self.year, |week| week.year().into());
        let of_week = self
            .date
            .map_or(0, |date| date.weekday().num_days_from_sunday());
        let of_year = self.date.map_or(self.day, |date| date.ordinal().into());
        match field.name {
            "HH24" => padded(self.hour, 2),
            "HH12" | "HH" => padded(clock, 2),
            "MI" => padded(self.minute, 2),
            "SS" => padded(self.second, 2),
            "SSSSS" | "SSSS" => padded(self.hour * 3600 + self.minute * 60 + self.second, 1),
            "MS" | "FF3" => digits(self.micros / 1000, 3),
            "US" | "FF6" => digits(self.micros, 6),
            "FF1" => digits(self.micros / 100_000, 1),
            "FF2" => digits(self.micros / 10_000, 2),
            "FF4" => digits(self.micros / 100, 4),
            "FF5" => digits(self.micros / 10, 5),
            "AM" | "PM" => cased(half(self.hour, "AM", "PM"), &field.written),
            "A.M." | "P.M." => cased(half(self.hour, "A.M.", "P.M."), &field.written),
            "Y,YYY" => format!("{},{:03}", self.year / 1000, self.year % 1000),
            "YYYY" => padded(self.year, 4),
            "YYY" => padded(self.year % 1000, 3),
            "YY" => padded(self.year % 100, 2),
            "Y" => padded(self.year % 10, 1),
            "IYYY" => padded(iso_year, 4),
            "IYY" => padded(iso_year % 1000, 3),
            "IY" => padded(iso_year % 100, 2),
            "I" => padded(iso_year % 10, 1),
            "BC" | "AD" => cased(if self.year > 0 { "AD" } else { "BC" }, &field.written),
            "B.C." | "A.D." => cased(if self.year > 0 { "A.D." } else { "B.C." }, &field.written),
            "MONTH" => name(&MONTHS, self.month - 1, field, 9),
            "MON" => short(&MONTHS, self.month - 1, field),
            "MM" => padded(self.month, 2),
            "RM" => match usize::try_from(self.month - 1)
                .ok()
                .and_then(|at| ROMAN.get(at))
            {
                Some(roman) if field.bare => cased(roman, &field.written),
                Some(roman) => cased(&format!("{roman:<4}"), &field.written),
                None => String::new(),
            },
            "DAY" => name(&DAYS, of_week.into(), field, 9),
            "DY" => short(&DAYS, of_week.into(), field),
            "DDD" => padded(of_year, 3),
            "IDDD" => padded(
                week.map_or(0, |week| {
                    i64::from(week.week0()) * 7 + (i64::from(of_week) + 6).rem_euclid(7) + 1
                }),
                3,
            ),
            "DD" => padded(self.day, 2),
            "D" => padded(i64::from(of_week) + 1, 1),
            "ID" => padded((i64::from(of_week) + 6).rem_euclid(7) + 1, 1),
            "W" => padded((self.day - 1) / 7 + 1, 1),
            "WW" => padded((of_year - 1) / 7 + 1, 2),
            "IW" => padded(week.map_or(0, |week| week.week().into()), 2),
            "CC" => padded((self.year - 1).div_euclid(100) + 1, 2),
            // Days since the beginning of the year 4713 before Christ.
            "J" => padded(
                self.date
                    .map_or(0, |date| i64::from(date.num_days_from_ce()) + 1_721_425),
                1,
            ),
            "Q" => padded((self.month - 1) / 3 + 1, 1),
            "TZH" => format!("{}{:02}", sign(self.offset), self.offset.abs() / 3600),
            "TZM" => digits(self.offset.abs() / 60 % 60, 2),
            "TZ" if !self.has_zone => String::new(),
            "OF" | "TZ" => match self.offset.abs() / 60 % 60 {
                0 if field.name == "TZ" && self.offset == 0 => cased("UTC", &field.written),
                0 => format!("{}{:02}", sign(self.offset), self.offset.abs() / 3600),
                minutes => format!(
                    "{}{:02}:{minutes:02}",
                    sign(self.offset),
                    self.offset.abs() / 3600
                ),
            },
            _ => String::new(),
        }
    }
}

fn sign(offset: i64) -> char {
    if offset < 0 { '-' } else { '+' }
}

fn half(hour: i64, before: &'static str, after: &'static str) -> &'static str {
    if hour.rem_euclid(24) < 12 {
        before
    } else {
        after
    }
}

/// In the case the field was written in: `MONTH`, `Month`, `month`.
fn cased(text: &str, written: &str) -> String {
    let mut letters = written.chars().filter(|c| c.is_alphabetic());
    let first = letters.next().is_none_or(char::is_uppercase);
    let second = letters.next().map_or(first, char::is_uppercase);
    match (first, second) {
        (true, true) => text.to_uppercase(),
        (true, false) => text.to_owned(),
        (false, _) => text.to_lowercase(),
    }
}

fn name(names: &[&str], at: i64, field: &Field, width: usize) -> String {
    let name = usize::try_from(at)
        .ok()
        .and_then(|at| names.get(at))
        .copied();
    let name = cased(name.unwrap_or_default(), &field.written);
    match field.bare {
        true => name,
        false => format!("{name:<width$}"),
    }
}

fn short(names: &[&str], at: i64, field: &Field) -> String {
    let name = usize::try_from(at)
        .ok()
        .and_then(|at| names.get(at))
        .copied();
    let name = name.and_then(|name| name.get(..3)).unwrap_or_default();
    cased(name, &field.written)
}

fn with_ordinal(digits: String, value: i64, ordinal: Option<&str>) -> String {
    let Some(written) = ordinal else {
        return digits;
    };
    let suffix = match (value.abs() % 10, value.abs() % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    match written {
        "TH" => format!("{digits}{}", suffix.to_uppercase()),
        _ => format!("{digits}{suffix}"),
    }
}

/// Why a text does not fit a template.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// It has no value for this field.
    Text(String),
    /// There is no such moment.
    Range,
}

/// Values of the fields that were read.
struct Read {
    year: i64,
    month: i64,
    day: i64,
    of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    afternoon: Option<bool>,
    offset: i64,
    offset_minutes: i64,
    before_christ: bool,
}

/// The moment a text means by a template; UTC where the text has an offset.
pub(super) fn parse(text: &str, template: &str) -> Result<NaiveDateTime, Wrong> {
    let mut read = Read {
        year: 1,
        month: 1,
        day: 1,
        of_year: None,
        hour: 0,
        minute: 0,
        second: 0,
        micros: 0,
        afternoon: None,
        offset: 0,
        offset_minutes: 0,
        before_christ: false,
    };
    let mut rest = text.trim_start();
    let parts = parts(template);
    for (at, part) in parts.iter().enumerate() {
        match part {
            // Any separator stands for any other, and need not be there.
            Part::Text(separator) => {
                for _ in separator.chars() {
                    let next = rest.chars().next();
                    match next {
                        Some(next) if !next.is_ascii_digit() && !next.is_alphabetic() => {
                            rest = rest.get(next.len_utf8()..).unwrap_or_default();
                        }
                        Some(next) if separator.contains(next) => {
                            rest = rest.get(next.len_utf8()..).unwrap_or_default();
                        }
                        _ => {}
                    }
                }
                rest = rest.trim_start();
            }
            Part::Field(field) => {
                let digits_follow =
                    matches!(parts.get(at + 1), Some(Part::Field(next)) if is_number(next.name));
                rest = read
                    .field(field, rest.trim_start(), digits_follow)
                    .ok_or_else(|| Wrong::Text(field.written.clone()))?;
            }
        }
    }
    read.moment()
}

fn is_number(name: &str) -> bool {
    !matches!(
        name,
        "MONTH"
            | "MON"
            | "DAY"
            | "DY"
            | "AM"
            | "PM"
            | "A.M."
            | "P.M."
            | "BC"
            | "AD"
            | "TZ"
            | "OF"
            | "RM"
    )
}

impl Read {
    /// Takes a field's value from the front of a text; what is left.
    fn field<'t>(&mut self, field: &Field, text: &'t str, digits_follow: bool) -> Option<&'t str> {
        let width = match field.name {
            "YYYY" if !digits_follow => 9,
            "YYYY" | "IYYY" => 4,
            "YYY" | "DDD" | "MS" => 3,
            "US" => 6,
            "SSSS" | "SSSSS" => 5,
            "Y" | "Q" | "D" | "W" | "ID" => 1,
            "J" => 8,
            _ => 2,
        };
        let number = || {
            let signed = text.strip_prefix('-').filter(|_| field.name == "YYYY");
            let digits = signed.unwrap_or(text);
            let end = digits
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(digits.len())
                .min(width);
            let (digits, rest) = digits.split_at(end);
            let number: i64 = digits.parse().ok()?;
            Some((
                if signed.is_some() { -number } else { number },
                digits.len(),
                rest,
            ))
        };
        let simple = |value: &mut i64| {
            let (number, _, rest) = number()?;
            *value = number;
            Some(rest)
        };
        match field.name {
            "YYYY" => simple(&mut self.year),
            "YY" => {
                let (number, length, rest) = number()?;
                self.year = match (length, number) {
                    (2, 0..=69) => 2000 + number,
                    (2, _) => 1900 + number,
                    _ => number,
                };
                Some(rest)
            }
            "MM" => simple(&mut self.month),
            "DD" => simple(&mut self.day),
            "DDD" => {
                let (number, _, rest) = number()?;
                self.of_year = Some(number);
                Some(rest)
            }
            "HH24" | "HH12" | "HH" => simple(&mut self.hour),
            "MI" => simple(&mut self.minute),
            "SS" => simple(&mut self.second),
            "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
                let end = text
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(text.len())
                    .min(6);
                let (digits, rest) = text.split_at(end);
                let scale = 10_i64.pow(u32::try_from(6 - digits.len()).ok()?);
                self.micros = digits.parse::<i64>().ok()? * scale;
                Some(rest)
            }
            "AM" | "PM" | "A.M." | "P.M." => {
                let length = field.name.len();
                let (half, rest) = (text.get(..length)?, text.get(length..)?);
                self.afternoon = Some(half.to_lowercase().starts_with('p'));
                Some(rest)
            }
            "MONTH" | "MON" => {
                let (at, rest) = named(&MONTHS, text, field.name == "MON")?;
                self.month = at + 1;
                Some(rest)
            }
            "DAY" | "DY" => named(&DAYS, text, field.name == "DY").map(|(_, rest)| rest),
            "BC" | "AD" => {
                self.before_christ = text.get(..2)?.eq_ignore_ascii_case("bc");
                text.get(2..)
            }
            "TZH" | "OF" | "TZ" => {
                let (negative, digits) = match text.strip_prefix('-') {
                    Some(digits) => (true, digits),
                    None => (false, text.strip_prefix('+').unwrap_or(text)),
                };
                let end = digits
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(digits.len());
                let (digits, rest) = digits.split_at(end.min(2));
                let hours: i64 = digits.parse().ok()?;
                self.offset = if negative { -hours } else { hours };
                Some(rest)
            }
            "TZM" => simple(&mut self.offset_minutes),
            // Fields that say nothing more of a moment are passed over.
            _ => number().map(|(_, _, rest)| rest),
        }
    }

    fn moment(self) -> Result<NaiveDateTime, Wrong> {
        let year = if self.before_christ {
            1 - self.year
        } else {
            self.year
        };
        let small = |value: i64| u32::try_from(value).map_err(|_| Wrong::Range);
        let year = i32::try_from(year).map_err(|_| Wrong::Range)?;
        let date = match self.of_year {
            Some(day) => NaiveDate::from_yo_opt(year, small(day)?),
            None => NaiveDate::from_ymd_opt(year, small(self.month)?, small(self.day)?),
        };
        let hour = match self.afternoon {
            None => self.hour,
            Some(_) if !(1..=12).contains(&self.hour) => return Err(Wrong::Range),
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
        };
        let time = NaiveTime::from_hms_micro_opt(
            small(hour)?,
            small(self.minute)?,
            small(self.second)?,
            small(self.micros)?,
        );
        let (Some(date), Some(time)) = (date, time) else {
            return Err(Wrong::Range);
        };
        let minutes = self.offset * 60 + self.offset.signum() * self.offset_minutes;
        Ok(date.and_time(time) - chrono::TimeDelta::minutes(minutes))
    }
}

/// A name at the front of a text, in any case.
fn named<'t>(names: &[&str], text: &'t str, short: bool) -> Option<(i64, &'t str)> {
    names.iter().enumerate().find_map(|(at, name)| {
        let name = if short { name.get(..3)? } else { name };
        let begin = text.get(..name.len())?;
        let rest = text.get(name.len()..)?;
        begin
            .eq_ignore_ascii_case(name)
            .then_some((at as i64, rest))
    })
}
