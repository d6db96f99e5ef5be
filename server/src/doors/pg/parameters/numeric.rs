//! Numerics: PostgreSQL's have up to 147,455 digits, the engine's 38. What does not fit is refused, never rounded.

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;

#[cfg(test)]
mod tests;

/// The engine's most digits.
const DIGITS: u8 = 38;

/// From text such as `-12.50` or `1e-3`.
pub(super) fn from_text(text: &str) -> Option<ScalarValue> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.as_bytes().first()? {
        b'-' => (true, mantissa.get(1..)?),
        b'+' => (false, mantissa.get(1..)?),
        _ => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut unscaled: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        unscaled = push_digit(unscaled, char::from(digit).to_digit(10)?)?;
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    finish(negative, unscaled, scale)
}

/// From `numeric_send`'s form; `None` for NaN and infinities too, which the engine's decimals lack.
pub(super) fn from_binary(bytes: &[u8]) -> Option<ScalarValue> {
    let mut words = bytes
        .chunks(2)
        .map(|two| Some(i16::from_be_bytes(two.try_into().ok()?)));
    let mut word = || words.next().flatten();
    let (count, weight, sign, scale) = (word()?, word()?, word()? as u16, word()?);
    if !matches!(sign, 0 | 0x4000) || count < 0 || bytes.len() != 8 + 2 * count as usize {
        return None;
    }
    let mut unscaled: i128 = 0;
    for _ in 0..count {
        let group = u32::try_from(word()?).ok().filter(|g| *g < 10_000)?;
        for divisor in [1000, 100, 10, 1] {
            unscaled = push_digit(unscaled, group / divisor % 10)?;
        }
    }
    // The steps below are as many as a stranger says, and lead a zero nowhere else.
    if unscaled == 0 {
        return finish(false, 0, i32::from(scale));
    }
    // Digits after the point that the groups carry, and how many were meant.
    let carried = (i32::from(count) - 1 - i32::from(weight)) * 4;
    let meant = i32::from(scale);
    let (mut unscaled, mut carried) = (unscaled, carried);
    while carried > meant && unscaled % 10 == 0 {
        unscaled /= 10;
        carried -= 1;
    }
    // `1000.00` travels as one group; its zeros behind the point are meant.
    while carried < meant
        && let Some(more) = unscaled.checked_mul(10)
    {
        unscaled = more;
        carried += 1;
    }
    finish(sign == 0x4000, unscaled, carried)
}

fn push_digit(number: i128, digit: u32) -> Option<i128> {
    number.checked_mul(10)?.checked_add(i128::from(digit))
}

fn finish(negative: bool, mut unscaled: i128, mut scale: i32) -> Option<ScalarValue> {
    if unscaled == 0 {
        scale = scale.clamp(0, i32::from(DIGITS));
    }
    while scale < 0 {
        unscaled = unscaled.checked_mul(10)?;
        scale += 1;
    }
    let digits = unscaled.checked_ilog10().map_or(1, |n| n as i32 + 1);
    let precision = u8::try_from(digits.max(scale).max(1)).ok()?;
    if precision > DIGITS {
        return None;
    }
    let value = if negative { -unscaled } else { unscaled };
    Some(ScalarValue::Decimal128(
        Some(value),
        precision,
        i8::try_from(scale).ok()?,
    ))
}

/// Brings decimals to the largest scale among them and says the type they then have.
pub(super) fn same_scale(values: &mut [ScalarValue]) -> Option<DataType> {
    let scales = values.iter().filter_map(|value| match value {
        ScalarValue::Decimal128(Some(_), _, scale) => Some(*scale),
        _ => None,
    });
    let largest = scales.max().unwrap_or(0);
    for value in values {
        if let ScalarValue::Decimal128(unscaled, precision, scale) = value {
            if let Some(unscaled) = unscaled {
                let steps = u32::try_from(largest - *scale).ok()?;
                *unscaled = unscaled.checked_mul(10_i128.checked_pow(steps)?)?;
            }
            (*precision, *scale) = (DIGITS, largest);
        }
    }
    Some(DataType::Decimal128(DIGITS, largest))
}
