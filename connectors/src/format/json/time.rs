//! Dates and times as text, in the forms that JSON writers use: RFC 3339 and `YYYY-MM-DD HH:MM:SS[.f]`, UTC where no zone is written.
//!
//! Years reach from 1 to 9999: what Delta, Spark and Postgres clients can all show. A number of the wrong unit (microseconds taken for
//! milliseconds) lands far beyond that and is a bad row, not an event of the year 55000.

/// Microseconds of 0001-01-01 00:00:00 UTC.
const FIRST_US: i64 = -62_135_596_800_000_000;
/// Microseconds of the last microsecond of 9999.
const LAST_US: i64 = 253_402_300_799_999_999;

const DAY_US: i64 = 86_400_000_000;

/// Microseconds since the epoch, if a calendar of years 1 to 9999 has them.
pub(super) fn in_calendar(micros: i128) -> Option<i64> {
    let micros = i64::try_from(micros).ok()?;
    (FIRST_US..=LAST_US).contains(&micros).then_some(micros)
}

/// Days since the epoch of `YYYY-MM-DD`.
pub(super) fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 {
        return None;
    }
    date(bytes)
}

/// Microseconds since the epoch of a timestamp; digits beyond microseconds are dropped.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let days = i64::from(date(bytes.get(..10)?)?);
    let mut micros = days * DAY_US;
    if bytes.len() > 10 {
        if !matches!(bytes.get(10)?, b'T' | b't' | b' ') {
            return None;
        }
        let mut rest = bytes.get(11..)?;
        micros += time(&mut rest)?;
        micros -= zone(rest)?;
    }
    in_calendar(i128::from(micros))
}

/// Reads timestamps one after the other: the next is mostly of the same minute as the last, whose date needs no second look.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The last minute as it was written, `YYYY-MM-DD HH:MM` with nothing in the place of the space, and its microseconds since the epoch.
    minute: Option<(u128, i64)>,
}

impl Clock {
    /// The same as [`parse_timestamp`].
    #[inline]
    pub(super) fn parse(&mut self, text: &str) -> Option<i64> {
        let Some((minute, rest)) = text.as_bytes().split_first_chunk::<17>() else {
            return parse_timestamp(text);
        };
        if let Some(start) = self.start_of(minute)
            && let Some(micros) = seconds_in_utc(rest)
        {
            return in_calendar(i128::from(start + micros));
        }
        self.parse_new(text, minute)
    }

    fn parse_new(&mut self, text: &str, minute: &[u8; 17]) -> Option<i64> {
        let parsed = parse_timestamp(text)?;
        if let Some(whole) = text.get(..16)
            && minute.ends_with(b":")
            && let Some(start) = parse_timestamp(whole)
        {
            self.minute = Some((digits_of(minute), start));
        }
        Some(parsed)
    }

    /// Where the minute begins, if it is the last one.
    #[inline]
    fn start_of(&self, minute: &[u8; 17]) -> Option<i64> {
        let (known, start) = self.minute?;
        let form = matches!(minute[10], b'T' | b' ' | b't') && minute[16] == b':';
        (form && digits_of(minute) == known).then_some(start)
    }

    /// `"YYYY-MM-DDTHH:MM:SS.fffZ"` of the last minute, if it stands here, and what stands behind it.
    #[inline]
    pub(super) fn plain<'a>(&self, text: &'a [u8]) -> Option<(i64, &'a [u8])> {
        let (quote, rest) = text.split_first()?;
        let (minute, rest) = rest.split_first_chunk::<17>()?;
        let start = self.start_of(minute).filter(|_| *quote == b'"')?;
        let (seconds, rest) = rest.split_first_chunk()?;
        let micros = in_calendar(i128::from(start + millis_in_utc(seconds)? * 1000))?;
        Some((micros, rest))
    }
}

/// A minute as it was written, without what stands between date and time.
#[inline]
fn digits_of(minute: &[u8; 17]) -> u128 {
    let [text @ .., _] = *minute;
    u128::from_le_bytes(text) & !(0xff << 80)
}

/// `SS.fffZ"` in milliseconds.
#[inline]
fn millis_in_utc(text: &[u8; 8]) -> Option<i64> {
    const DIGITS: u64 = u64::from_le_bytes([15, 15, 0, 15, 15, 15, 0, 0]);
    const SIXES: u64 = u64::from_le_bytes([6, 6, 0, 6, 6, 6, 0, 0]);
    let digits = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*b"00.000Z\"");
    // Six more than nine is beyond four bits.
    if (digits | (digits.wrapping_add(SIXES))) & !DIGITS != 0 {
        return None;
    }
    let digit = |at: u32| (digits >> (8 * at)) as i64 & 15;
    let second = digit(0) * 10 + digit(1);
    let millis = digit(3) * 100 + digit(4) * 10 + digit(5);
    (second <= 60).then_some(second * 1000 + millis)
}

/// `SS[.f]` and nothing else behind it than `Z`, in microseconds.
#[inline]
fn seconds_in_utc(rest: &[u8]) -> Option<i64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let ([tens, ones], mut rest) = rest.split_first_chunk::<2>()?;
    let second = digit(tens)? * 10 + digit(ones)?;
    if second > 60 {
        return None;
    }
    let mut micros = second * 1_000_000;
    if let [b'.', fraction @ ..] = rest {
        let mut unit = 100_000;
        let mut digits = 0;
        while let Some(value) = fraction.get(digits).and_then(digit) {
            micros += value * unit;
            unit /= 10;
            digits += 1;
        }
        if digits == 0 {
            return None;
        }
        rest = fraction.get(digits..)?;
    }
    matches!(rest, b"" | b"Z").then_some(micros)
}

fn date(bytes: &[u8]) -> Option<i32> {
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let year = number(bytes.get(..4)?)?;
    let month = number(bytes.get(5..7)?)?;
    let day = number(bytes.get(8..10)?)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // Days from a civil date, after Howard Hinnant ("chrono-Compatible Low-Level Date Algorithms"): years begin in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted / 400;
    let year_of_era = shifted % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// `HH:MM[:SS[.f]]` in microseconds; `rest` is left at what follows. Second 60 is a leap second and counts as the next one.
fn time(rest: &mut &[u8]) -> Option<i64> {
    let hour = number(rest.get(..2)?)?;
    if rest.get(2) != Some(&b':') {
        return None;
    }
    let minute = number(rest.get(3..5)?)?;
    let mut second = 0;
    let mut fraction = 0;
    *rest = rest.get(5..)?;
    if rest.first() == Some(&b':') {
        second = number(rest.get(1..3)?)?;
        *rest = rest.get(3..)?;
        if rest.first() == Some(&b'.') {
            *rest = rest.get(1..)?;
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            fraction = number(rest.get(..digits.min(6))?)? * 10_i32.pow(6 - digits.min(6) as u32);
            *rest = rest.get(digits..)?;
        }
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some(seconds * 1_000_000 + i64::from(fraction))
}

/// The zone's distance from UTC in microseconds: nothing, `Z`, `UTC`, `+HH`, `+HHMM`, `+HH:MM`.
fn zone(rest: &[u8]) -> Option<i64> {
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let (sign, digits) = match rest {
        b"" | b"Z" | b"z" | b"UTC" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let hours = number(digits.get(..2)?)?;
    let minutes = match digits.get(2..)? {
        [] => 0,
        [b':', minutes @ ..] | minutes if minutes.len() == 2 => number(minutes)?,
        _ => return None,
    };
    if hours > 18 || minutes > 59 {
        return None;
    }
    Some(sign * i64::from(hours * 60 + minutes) * 60_000_000)
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0_i32, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + i32::from(digit - b'0'))
    })
}
