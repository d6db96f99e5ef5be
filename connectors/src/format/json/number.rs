//! Numbers to values, exactly or not at all: nothing wraps, truncates or becomes infinite.

use super::cursor::{Cursor, Number};

/// What to do with digits beyond the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// Refuse them unless they are zeros.
    Refuse,
    /// Round half away from zero, as PostgreSQL's NUMERIC does.
    Round,
    /// Drop them towards minus infinity, so that times keep their order.
    Floor,
}

/// Powers of ten that a double holds exactly.
pub(super) const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Reads a text that is one number and nothing else.
pub(super) fn parse(text: &str) -> Option<Number<'_>> {
    let mut cursor = Cursor::new(text);
    let number = cursor.number().ok()?;
    (cursor.at() == text.len()).then_some(number)
}

impl Number<'_> {
    /// The value as a double; `None` when it lies beyond the largest one.
    #[inline]
    pub(super) fn as_f64(&self) -> Option<f64> {
        // A mantissa below 2^53 and a power of ten up to 10^22 are both exact, so one operation rounds correctly (Clinger's fast path).
        let power = i64::from(self.exponent) - i64::from(self.fraction);
        if self.digits <= 15 && power.unsigned_abs() <= 22 {
            let scale = EXACT.get(power.unsigned_abs() as usize)?;
            let mantissa = self.mantissa as f64;
            let value = if power < 0 {
                mantissa / scale
            } else {
                mantissa * scale
            };
            return Some(if self.negative { -value } else { value });
        }
        self.text
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
    }

    /// The value as a single; parsed from the text, because rounding twice would be wrong.
    pub(super) fn as_f32(&self) -> Option<f32> {
        self.text
            .parse::<f32>()
            .ok()
            .filter(|value| value.is_finite())
    }

    /// The value times ten to the power of `scale`.
    #[inline]
    pub(super) fn scaled(&self, scale: i32, excess: Excess) -> Option<i128> {
        if self.digits <= 19 {
            let shift = i64::from(scale) + i64::from(self.exponent) - i64::from(self.fraction);
            let mantissa = i128::from(self.mantissa);
            return shifted(
                if self.negative { -mantissa } else { mantissa },
                shift,
                false,
                excess,
            );
        }
        self.scaled_long(scale, excess)
    }

    /// The same for a number of more than 19 digits, from its text.
    fn scaled_long(&self, scale: i32, excess: Excess) -> Option<i128> {
        let mut mantissa = 0_i128;
        let mut dropped = 0_i64;
        let mut rest = false;
        let written = self.text.split(['e', 'E']).next().unwrap_or_default();
        for digit in written.bytes().filter(u8::is_ascii_digit) {
            let value = i128::from(digit - b'0');
            match mantissa.checked_mul(10).and_then(|m| m.checked_add(value)) {
                Some(next) if dropped == 0 => mantissa = next,
                _ => {
                    dropped += 1;
                    rest |= digit != b'0';
                }
            }
        }
        let shift =
            i64::from(scale) + i64::from(self.exponent) - i64::from(self.fraction) + dropped;
        let mantissa = if self.negative { -mantissa } else { mantissa };
        // Digits dropped from the middle of what is wanted cannot be made up for.
        if dropped > 0 && shift > 0 && rest {
            return None;
        }
        shifted(mantissa, shift, rest, excess)
    }
}

/// `mantissa * 10^shift`; `rest` says that the mantissa had more digits other than zero behind it.
fn shifted(mantissa: i128, shift: i64, rest: bool, excess: Excess) -> Option<i128> {
    if mantissa == 0 && !rest {
        return Some(0);
    }
    if shift >= 0 {
        if rest {
            return (excess != Excess::Refuse && shift == 0).then_some(mantissa);
        }
        let power = 10_i128.checked_pow(u32::try_from(shift).ok()?)?;
        return mantissa.checked_mul(power);
    }
    let (quotient, remainder, power) = match u32::try_from(-shift) {
        Ok(digits) if digits <= 38 => {
            let power = 10_i128.pow(digits);
            (mantissa / power, mantissa % power, power)
        }
        // All digits lie far behind the wanted scale.
        _ => (0, mantissa, i128::MAX),
    };
    let inexact = remainder != 0 || rest;
    match excess {
        Excess::Refuse if inexact => None,
        Excess::Floor if inexact && mantissa < 0 => Some(quotient - 1),
        Excess::Round if remainder.unsigned_abs() >= power.unsigned_abs().div_ceil(2) => {
            Some(quotient + mantissa.signum())
        }
        _ => Some(quotient),
    }
}
