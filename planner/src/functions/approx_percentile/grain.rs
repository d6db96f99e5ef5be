//! How fine a sketch's buckets are, and how a value becomes one of them.
//!
//! A value becomes an **order key**, an unsigned number that sorts as the value does; its bucket is the key's top bits: sign, exponent and
//! the first bits of the mantissa (the HDR histogram / DDSketch family, with the bucket read off the float instead of computed by a
//! logarithm). One more bit of the mantissa halves the error and doubles the buckets. Key and bucket are pure functions of the value.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};

use crate::error::PlanError;

/// Bits of a double's mantissa.
const MANTISSA_BITS: u32 = 52;
const SIGN: u64 = 1 << 63;
const CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/// A number that sorts as `value` does: -infinity first, +infinity, then NaN last as in PostgreSQL. Both zeros are one value, all NaNs too.
#[inline]
pub(super) fn key_of(value: f64) -> u64 {
    let bits = if value.is_nan() {
        CANONICAL_NAN
    } else {
        // -0.0 + 0.0 is 0.0; every other value stays as it is.
        (value + 0.0).to_bits()
    };
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The value of a key.
#[inline]
pub(super) fn value_of(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

/// How many bits of the mantissa tell buckets apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::functions) struct Grain(u8);

impl Grain {
    /// Of a percentile whose accuracy is not said: at most 2⁻⁸ of the value off.
    pub(in crate::functions) const DEFAULT: Self = Self(7);
    /// The finest there is: at most 2⁻¹⁷ off.
    const FINEST: Self = Self(16);
    /// What can be asked for, as one part in so many.
    const FINEST_ACCURACY: f64 = 100_000.0;

    /// The grain of so many bits, if there is one.
    pub(in crate::functions) fn of_bits(bits: u8) -> Option<Self> {
        (Self::DEFAULT.0..=Self::FINEST.0)
            .contains(&bits)
            .then_some(Self(bits))
    }

    /// How many bits.
    pub(in crate::functions) fn bits(self) -> u8 {
        self.0
    }

    /// The grain of an accuracy argument: a whole number n for one part in n of the value, as in Spark, or the part itself. Never coarser
    /// than the default.
    pub(in crate::functions) fn of_argument(value: &ScalarValue) -> Result<Self> {
        let wrong = |said: String| {
            PlanError::invalid(format!("the accuracy of a percentile cannot be {said}"))
                .hint("write a whole number from 1 to 100000 for one part in so many (approx_percentile(value, 0.95, 1000): at most 0.1 % off), or the part itself (0.001)")
                .into_engine()
        };
        if value.is_null() {
            return Err(wrong("null".to_owned()));
        }
        if !value.data_type().is_numeric() {
            return Err(wrong(format!("of type {}", value.data_type())));
        }
        let ScalarValue::Float64(Some(given)) = value.cast_to(&DataType::Float64)? else {
            return Err(wrong(value.to_string()));
        };
        let parts = match given {
            whole if whole >= 1.0 && whole.fract() == 0.0 => whole,
            part if part > 0.0 && part < 1.0 => 1.0 / part,
            _ => return Err(wrong(value.to_string())),
        };
        if parts > Self::FINEST_ACCURACY * (1.0 + 1e-9) {
            return Err(PlanError::invalid(format!(
                "accuracy {value} of a percentile is finer than one part in 100000 of the value"
            ))
            .hint("ask for 100000 at most (0.001 %); percentile_cont(0.95) WITHIN GROUP (ORDER BY value) is exact, and keeps every value")
            .into_engine());
        }
        Ok(Self::of_parts(parts))
    }

    /// The coarsest grain that is at most one part in `parts` off.
    fn of_parts(parts: f64) -> Self {
        (Self::DEFAULT.0..Self::FINEST.0)
            .map(Self)
            .find(|grain| grain.parts() as f64 >= parts)
            .unwrap_or(Self::FINEST)
    }

    /// An answer is at most one part in so many of the value off.
    pub(in crate::functions) fn parts(self) -> u64 {
        1 << (self.0 + 1)
    }

    /// Bits of a key below its bucket.
    #[inline(always)]
    pub(super) fn shift(self) -> u32 {
        MANTISSA_BITS - u32::from(self.0)
    }

    /// One more than the largest bucket.
    #[inline(always)]
    pub(super) fn end(self) -> u32 {
        1 << (64 - self.shift())
    }

    /// The bucket of 0.
    #[inline(always)]
    pub(super) fn zero(self) -> u32 {
        self.end() / 2
    }

    /// The bucket of a key.
    #[inline(always)]
    pub(super) fn bucket_of(self, key: u64) -> u32 {
        (key >> self.shift()) as u32
    }

    /// The key that stands for a bucket: the one of its middle; of 0 for the bucket of 0, of infinity and NaN for theirs.
    pub(super) fn middle_of(self, bucket: u32) -> u64 {
        const MAGNITUDE: u64 = !SIGN;
        let shift = self.shift();
        let low = u64::from(bucket) << shift;
        let positive = low & SIGN != 0;
        // The bucket's end nearer to zero, as a magnitude: the same for a value and its negative.
        let inner = if positive {
            low & MAGNITUDE
        } else {
            !low & MAGNITUDE & !((1 << shift) - 1)
        };
        let special = inner == 0 || inner >= f64::INFINITY.to_bits();
        let magnitude = if special {
            inner
        } else {
            inner | 1 << (shift - 1)
        };
        let value = f64::from_bits(magnitude);
        key_of(if positive { value } else { -value })
    }
}

impl std::fmt::Display for Grain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "one part in {}", self.parts())
    }
}
