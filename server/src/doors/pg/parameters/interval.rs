//! Intervals as text: PostgreSQL's own output, its verbose and ISO 8601 forms, and what drivers write (`1 day, 0:00:05`).

use arrow::datatypes::IntervalMonthDayNano;

const SECOND: f64 = 1e9;

/// The interval a text means.
pub(super) fn parse(text: &str) -> Option<IntervalMonthDayNano> {
    read(text, "second", false)?.finish()
}

/// The fields that an interval's type is restricted to: `DAY TO HOUR` has a first and a last one, `YEAR` has one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) first: Option<&'a str>,
    pub(crate) last: Option<&'a str>,
    /// Digits of a second that are kept.
    pub(crate) precision: Option<u64>,
}

/// The interval a text means as a value of a restricted type: a number without a unit is of the last field, and what is smaller than that
/// is cut off.
pub(crate) fn restricted(text: &str, fields: Fields<'_>) -> Option<IntervalMonthDayNano> {
    let lower = |name: Option<&str>| name.map(str::to_ascii_lowercase);
    let (first, last) = (lower(fields.first), lower(fields.last));
    let smallest = last.as_deref().or(first.as_deref());
    let minutes_first = first.as_deref() == Some("minute") && last.as_deref() == Some("second");
    let mut value = read(text, smallest.unwrap_or("second"), minutes_first)?.finish()?;
    let to = |value: i64, unit: i64| value / unit * unit;
    match smallest {
        Some("year") => value = IntervalMonthDayNano::new(value.months / 12 * 12, 0, 0),
        Some("month") => value = IntervalMonthDayNano::new(value.months, 0, 0),
        Some("day") => value.nanoseconds = 0,
        Some("hour") => value.nanoseconds = to(value.nanoseconds, 3_600_000_000_000),
        Some("minute") => value.nanoseconds = to(value.nanoseconds, 60_000_000_000),
        Some("second") | None => {}
        Some(_) => return None,
    }
    if let Some(precision) = fields.precision {
        let digits = 9 - u32::try_from(precision.min(6)).ok()?;
        let unit = 10_i64.pow(digits);
        let half = unit / 2 * value.nanoseconds.signum();
        value.nanoseconds = to(value.nanoseconds.checked_add(half)?, unit);
    }
    Some(value)
}

/// An interval in the words that the engine reads.
pub(crate) fn plain(value: IntervalMonthDayNano) -> String {
    let micros = value.nanoseconds / 1000;
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!(
        "{} months {} days {sign}{}.{:06} seconds",
        value.months,
        value.days,
        micros / 1_000_000,
        micros % 1_000_000
    )
}

/// `1d2h` is four words; a time of the day and `1-2`, a year and two months, are one.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for whole in text.split_whitespace() {
        let mut rest = whole;
        while !whole.contains(':') && !rest.is_empty() {
            let letters = rest.starts_with(|c: char| c.is_ascii_alphabetic());
            let end = rest
                .find(|c: char| c.is_ascii_alphabetic() != letters)
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            words.push(word);
            rest = after;
        }
        if whole.contains(':') {
            words.push(whole);
        }
    }
    words
}

/// Adds a text up. A number without a unit is of `unit`, but of days before a time; `minutes_first`: `4:05` is minutes and seconds.
fn read(text: &str, unit: &str, minutes_first: bool) -> Option<Sum> {
    let text = text.trim().trim_start_matches('@').trim();
    let mut sum = Sum::default();
    if let Some(iso) = text.strip_prefix('P') {
        sum.iso(iso)?;
        return Some(sum);
    }
    let text = text.replace(',', " ");
    let all = words(&text);
    let mut words = all.iter().copied().peekable();
    words.peek()?;
    let is_name = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("ago") {
            sum = sum.negated();
        } else if word.contains(':') {
            sum.clock(word, minutes_first)?;
        } else if let Some((years, months)) = years_and_months(word) {
            sum.months += years * 12.0 + months;
        } else {
            let number: f64 = word.parse().ok()?;
            let named = words.next_if(|next| is_name(next) && !next.eq_ignore_ascii_case("ago"));
            let is_before_time = words
                .peek()
                .is_some_and(|next| next.contains(':') || (unit == "hour" && !is_name(next)));
            sum.add(
                number,
                match named {
                    Some(name) => name,
                    None if is_before_time => "day",
                    None => unit,
                },
            )?;
        }
    }
    Some(sum)
}

/// `1-2` is a year and two months, `-1-2` as much less.
fn years_and_months(word: &str) -> Option<(f64, f64)> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, word.strip_prefix('+').unwrap_or(word)),
    };
    let (years, months) = digits.split_once('-')?;
    let number = |text: &str| text.parse::<u32>().ok().map(f64::from);
    Some((sign * number(years)?, sign * number(months)?))
}

#[derive(Clone, Copy, Default)]
struct Sum {
    months: f64,
    days: f64,
    nanos: f64,
}

impl Sum {
    fn add(&mut self, number: f64, unit: &str) -> Option<()> {
        let unit = unit.to_ascii_lowercase();
        let unit = match unit.as_str() {
            "s" | "m" | "h" | "d" | "w" | "y" | "us" | "ms" => unit.as_str(),
            long => long.strip_suffix('s').unwrap_or(long),
        };
        match unit {
            "millennium" | "mil" => self.months += number * 12_000.0,
            "century" | "centurie" | "cent" | "c" => self.months += number * 1200.0,
            "decade" | "dec" => self.months += number * 120.0,
            "year" | "yr" | "y" => self.months += number * 12.0,
            "month" | "mon" => self.months += number,
            "week" | "w" => self.days += number * 7.0,
            "day" | "d" => self.days += number,
            "hour" | "hr" | "h" => self.nanos += number * 3600.0 * SECOND,
            "minute" | "min" | "m" => self.nanos += number * 60.0 * SECOND,
            "second" | "sec" | "s" => self.nanos += number * SECOND,
            "millisecond" | "msec" | "ms" => self.nanos += number * 1e6,
            "microsecond" | "usec" | "us" => self.nanos += number * 1e3,
            _ => return None,
        }
        Some(())
    }

    /// `[-]h:m[:s]`; the sign is of the whole. Two fields of which the second has a fraction are minutes and seconds.
    fn clock(&mut self, word: &str, minutes_first: bool) -> Option<()> {
        let (sign, word) = match word.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, word.strip_prefix('+').unwrap_or(word)),
        };
        let short = word.split(':').count() == 2 && (minutes_first || word.contains('.'));
        let in_full = format!("0:{word}");
        let word = if short { in_full.as_str() } else { word };
        let mut parts = word.split(':');
        let hours: u64 = parts.next()?.parse().ok()?;
        let minutes: u64 = parts.next()?.parse().ok()?;
        let seconds: f64 = parts.next().map_or(Some(0.0), |s| s.parse().ok())?;
        if parts.next().is_some() {
            return None;
        }
        // As many hours as can be written are too many for an integer of seconds.
        let whole = hours as f64 * 3600.0 + minutes as f64 * 60.0;
        self.nanos += sign * (whole + seconds) * SECOND;
        Some(())
    }

    /// What follows the P of `P1Y2M3DT4H5M6S`.
    fn iso(&mut self, text: &str) -> Option<()> {
        let (date, time) = text.split_once('T').unwrap_or((text, ""));
        for (part, minute) in [(date, "month"), (time, "minute")] {
            let mut rest = part;
            while !rest.is_empty() {
                let at = rest.find(|c: char| c.is_ascii_alphabetic())?;
                let number: f64 = rest.get(..at)?.parse().ok()?;
                let unit = rest.get(at..=at)?;
                self.add(number, if unit == "M" { minute } else { unit })?;
                rest = rest.get(at + 1..)?;
            }
        }
        Some(())
    }

    fn negated(self) -> Self {
        Self {
            months: -self.months,
            days: -self.days,
            nanos: -self.nanos,
        }
    }

    /// Fractions go down to the next smaller unit: a month has 30 days.
    fn finish(self) -> Option<IntervalMonthDayNano> {
        let months = self.months.trunc();
        let days = self.days + (self.months - months) * 30.0;
        let whole = days.trunc();
        let nanos = self.nanos + (days - whole) * 86_400.0 * SECOND;
        let fits = |number: f64, most: f64| number.abs() <= most;
        if !fits(months, f64::from(i32::MAX))
            || !fits(whole, f64::from(i32::MAX))
            || !fits(nanos, 9.2e18)
        {
            return None;
        }
        // PostgreSQL keeps microseconds; that also rounds off what the sum in floating point left.
        let nanos = (nanos / 1e3).round() as i64 * 1000;
        Some(IntervalMonthDayNano::new(
            months as i32,
            whole as i32,
            nanos,
        ))
    }
}

#[cfg(test)]
mod tests;
