//! Intervals as text: PostgreSQL's own output, its verbose and ISO 8601 forms, and what drivers write (`1 day, 0:00:05`).

use arrow::datatypes::IntervalMonthDayNano;

const SECOND: f64 = 1e9;

/// The interval a text means.
pub(super) fn parse(text: &str) -> Option<IntervalMonthDayNano> {
    let text = text.trim().trim_start_matches('@').trim();
    let mut sum = Sum::default();
    if let Some(iso) = text.strip_prefix('P') {
        sum.iso(iso)?;
        return sum.finish();
    }
    let text = text.replace(',', " ");
    let mut words = text.split_whitespace().peekable();
    let mut any = false;
    while let Some(word) = words.next() {
        any = true;
        if word.eq_ignore_ascii_case("ago") {
            sum = sum.negated();
        } else if word.contains(':') {
            sum.clock(word)?;
        } else {
            let digits = word
                .find(|c: char| c.is_ascii_alphabetic())
                .unwrap_or(word.len());
            let (number, unit) = word.split_at(digits);
            let number: f64 = number.parse().ok()?;
            let unit = match unit {
                "" => words.next_if(|next| next.starts_with(|c: char| c.is_ascii_alphabetic())),
                unit => Some(unit),
            };
            sum.add(number, unit.unwrap_or("second"))?;
        }
    }
    if any { sum.finish() } else { None }
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
            "century" | "cent" | "c" => self.months += number * 1200.0,
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

    /// `[-]h:m[:s]`; the sign is of the whole.
    fn clock(&mut self, word: &str) -> Option<()> {
        let (sign, word) = match word.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, word.strip_prefix('+').unwrap_or(word)),
        };
        let mut parts = word.split(':');
        let hours: u64 = parts.next()?.parse().ok()?;
        let minutes: u64 = parts.next()?.parse().ok()?;
        let seconds: f64 = parts.next().map_or(Some(0.0), |s| s.parse().ok())?;
        if parts.next().is_some() {
            return None;
        }
        self.nanos += sign * ((hours * 3600 + minutes * 60) as f64 + seconds) * SECOND;
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
