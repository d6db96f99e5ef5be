//! Values as nearly all are written, read at one go: strings without escapes, numbers of few digits.
//!
//! What looks otherwise in any way, a mistake included, is `None` and nothing has been stepped over: the rules are in `value.rs`, and
//! here is nothing that they do not say.

use super::{
    cursor::Cursor,
    number::EXACT,
    scan::{DigitRun, special, specials},
};

/// Bytes that a short string is copied as.
pub(super) const SHORT: usize = 16;

/// A number without an exponent, of at most 15 digits.
#[derive(Clone, Copy, Debug)]
struct Plain {
    negative: bool,
    /// Its digits without the point.
    mantissa: u64,
    /// How many of them stand after the point.
    fraction: u32,
}

impl<'a> Cursor<'a> {
    /// A string of at most 15 bytes: these, with what stands behind them, and how many they are. All are copied faster than as few as
    /// it has.
    #[inline]
    pub(super) fn short_string(&mut self) -> Option<(&'a [u8; SHORT], usize)> {
        let (quote, rest) = self.rest().split_first()?;
        let here = rest.first_chunk()?;
        let length = specials(here).trailing_zeros() as usize;
        if *quote != b'"' || here.get(length) != Some(&b'"') {
            return None;
        }
        self.advance(length + 2);
        Some((here, length))
    }

    /// Steps over a string that has no escapes.
    #[inline]
    pub(super) fn skip_string(&mut self) -> Option<()> {
        match self.short_string() {
            Some(_) => Some(()),
            None => self.skip_long_string(),
        }
    }

    fn skip_long_string(&mut self) -> Option<()> {
        let rest = self.rest();
        if rest.first() != Some(&b'"') {
            return None;
        }
        let end = special(rest, 1);
        if rest.get(end) != Some(&b'"') {
            return None;
        }
        self.advance(end + 1);
        Some(())
    }

    /// A number as a double.
    #[inline]
    pub(super) fn plain_float(&mut self) -> Option<f64> {
        let number = self.plain_number()?;
        // Both are exact, so one division rounds correctly (Clinger's fast path).
        let mut value = number.mantissa as f64;
        if number.fraction > 0 {
            value /= EXACT.get(number.fraction as usize)?;
        }
        Some(if number.negative { -value } else { value })
    }

    #[inline]
    fn plain_number(&mut self) -> Option<Plain> {
        let rest = self.rest();
        let negative = *rest.first()? == b'-';
        let rest = rest.get(usize::from(negative)..)?;
        let whole = DigitRun::of(u64::from_le_bytes(*rest.first_chunk()?));
        if !few(whole.length) || (whole.length > 1 && rest.first() == Some(&b'0')) {
            return None;
        }
        let mut number = Plain {
            negative,
            mantissa: whole.value(),
            fraction: 0,
        };
        let mut length = whole.length as usize;
        if rest.get(length) == Some(&b'.') {
            let part = rest.get(length + 1..)?.first_chunk()?;
            let part = DigitRun::of(u64::from_le_bytes(*part));
            if !few(part.length) {
                return None;
            }
            number.mantissa = number.mantissa * part.scale() + part.value();
            number.fraction = part.length;
            length += 1 + part.length as usize;
        }
        if matches!(rest.get(length), Some(b'e' | b'E')) {
            return None;
        }
        self.advance(length + usize::from(negative));
        Some(number)
    }

    /// A whole number.
    #[inline]
    pub(super) fn plain_integer<T: TryFrom<i64>>(&mut self) -> Option<T> {
        let rest = self.rest();
        let negative = *rest.first()? == b'-';
        let rest = rest.get(usize::from(negative)..)?;
        let mut run = DigitRun::of(u64::from_le_bytes(*rest.first_chunk()?));
        let mut length = run.length as usize;
        let mut value = run.value();
        if length == 8 {
            run = DigitRun::of(u64::from_le_bytes(*rest.get(8..)?.first_chunk()?));
            length += run.length as usize;
            value = value * run.scale() + run.value();
        }
        let leading = length > 1 && rest.first() == Some(&b'0');
        let more = matches!(rest.get(length), Some(b'.' | b'e' | b'E'));
        if length == 0 || length == 16 || leading || more {
            return None;
        }
        let value = i64::try_from(value).ok()?;
        let value = T::try_from(if negative { -value } else { value }).ok()?;
        self.advance(length + usize::from(negative));
        Some(value)
    }
}

/// Whether there are digits, and surely no more than these.
#[inline]
fn few(digits: u32) -> bool {
    (1..8).contains(&digits)
}
