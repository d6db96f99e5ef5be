//! Values as nearly all are written, read at one go: strings without escapes, numbers of few digits.
//!
//! What looks otherwise in any way, a mistake included, is `None`: the rules are in `value.rs`, and here is nothing that they do not say.
//! All take the message from the value on and give what stands behind it, so that where a message is read stays in a register.

use super::{
    number::EXACT,
    scan::{DigitRun, special, specials},
};

/// Bytes that a short string is copied as.
pub(super) const SHORT: usize = 16;

/// A number without an exponent.
#[derive(Clone, Copy, Debug)]
struct Plain {
    negative: bool,
    /// Its digits without the point, 14 at most.
    mantissa: u64,
    /// How many of them stand after the point.
    fraction: u32,
}

/// A string of at most 15 bytes: these, with what stands behind them, and how many they are. All are copied faster than as few as it has.
#[inline]
pub(super) fn short_string(text: &[u8]) -> Option<(&[u8; SHORT], usize, &[u8])> {
    let (quote, text) = text.split_first()?;
    let string = text.first_chunk()?;
    let length = specials(string).trailing_zeros() as usize;
    if *quote != b'"' || string.get(length) != Some(&b'"') {
        return None;
    }
    Some((string, length, text.get(length + 1..)?))
}

/// A string of any length.
#[inline(never)]
pub(super) fn long_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = behind_long_string(text)?;
    let quoted = text.get(1..text.len() - rest.len() - 1)?;
    Some((quoted, rest))
}

/// What stands behind a string.
#[inline]
pub(super) fn behind_string(text: &[u8]) -> Option<&[u8]> {
    match short_string(text) {
        Some((_, _, rest)) => Some(rest),
        None => behind_long_string(text),
    }
}

fn behind_long_string(text: &[u8]) -> Option<&[u8]> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let (end, rest) = text.get(special(text, 1)..)?.split_first()?;
    (*end == b'"').then_some(rest)
}

/// A number as a double.
#[inline]
pub(super) fn float(text: &[u8]) -> Option<(f64, &[u8])> {
    let (number, rest) = number(text)?;
    // Both are exact, so one division rounds correctly (Clinger's fast path).
    let mut value = i64::try_from(number.mantissa).ok()? as f64;
    if number.fraction > 0 {
        value /= EXACT.get(number.fraction as usize)?;
    }
    Some((if number.negative { -value } else { value }, rest))
}

#[inline]
fn number(text: &[u8]) -> Option<(Plain, &[u8])> {
    let negative = *text.first()? == b'-';
    let text = text.get(usize::from(negative)..)?;
    let whole = DigitRun::of(u64::from_le_bytes(*text.first_chunk()?));
    if !few(whole.length) || (whole.length > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    let mut number = Plain {
        negative,
        mantissa: whole.value(),
        fraction: 0,
    };
    let mut rest = text.get(whole.length as usize..)?;
    if let Some((b'.', digits)) = rest.split_first() {
        let part = DigitRun::of(u64::from_le_bytes(*digits.first_chunk()?));
        if !few(part.length) {
            return None;
        }
        number.mantissa = number.mantissa * part.scale() + part.value();
        number.fraction = part.length;
        rest = digits.get(part.length as usize..)?;
    }
    match rest.first() {
        Some(b'e' | b'E') => None,
        _ => Some((number, rest)),
    }
}

/// A whole number of at most 15 digits.
#[inline]
pub(super) fn integer<T: TryFrom<i64>>(text: &[u8]) -> Option<(T, &[u8])> {
    let negative = *text.first()? == b'-';
    let text = text.get(usize::from(negative)..)?;
    let mut run = DigitRun::of(u64::from_le_bytes(*text.first_chunk()?));
    let mut length = run.length as usize;
    let mut value = run.value();
    if length == 8 {
        run = DigitRun::of(u64::from_le_bytes(*text.get(8..)?.first_chunk()?));
        length += run.length as usize;
        value = value * run.scale() + run.value();
    }
    if length == 0 || length == 16 || (length > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    let rest = text.get(length..)?;
    if let Some(b'.' | b'e' | b'E') = rest.first() {
        return None;
    }
    let value = i64::try_from(value).ok()?;
    let value = T::try_from(if negative { -value } else { value });
    Some((value.ok()?, rest))
}

/// Whether there are digits, and surely no more than these.
#[inline]
fn few(digits: u32) -> bool {
    (1..8).contains(&digits)
}
