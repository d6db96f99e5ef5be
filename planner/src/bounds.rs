//! The least and the greatest of many numbers, in one pass.
//!
//! The engine's kernels take a pass for each. Builds are for any x86-64, whose vectors do not compare 64-bit numbers, so several lanes of
//! plain comparisons are what is fast.

use arrow::{
    array::{Array, ArrowPrimitiveType, PrimitiveArray},
    compute::{max, min},
    datatypes::ArrowNativeTypeOp,
};

const LANES: usize = 4;

/// Of some numbers; `None` where there are none.
pub(crate) fn bounds<T: Copy + Ord>(values: &[T]) -> Option<(T, T)> {
    let first = *values.first()?;
    let (mut least, mut greatest) = ([first; LANES], [first; LANES]);
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for ((value, least), greatest) in chunk.iter().zip(&mut least).zip(&mut greatest) {
            *least = (*least).min(*value);
            *greatest = (*greatest).max(*value);
        }
    }
    let least = least.iter().chain(rest).copied().fold(first, Ord::min);
    let greatest = greatest.iter().chain(rest).copied().fold(first, Ord::max);
    Some((least, greatest))
}

/// Of a column, NULL apart.
pub(crate) fn bounds_of<T>(values: &PrimitiveArray<T>) -> Option<(T::Native, T::Native)>
where
    T: ArrowPrimitiveType,
    T::Native: ArrowNativeTypeOp + Ord,
{
    match values.null_count() {
        0 => bounds(values.values()),
        _ => min(values).zip(max(values)),
    }
}

#[cfg(test)]
mod tests {
    //! Beside the engine's kernels.

    use arrow::{
        array::Int64Array,
        compute::{max, min},
    };

    use super::bounds_of;

    #[test]
    fn they_are_the_kernels_of_any_length() {
        let mut seed = 7_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 3).cast_signed() - (1 << 60)
        };
        for length in 0..70 {
            let full: Int64Array = (0..length).map(|_| Some(next())).collect();
            let gaps: Int64Array = (0..length).map(|i| (i % 3 > 0).then(&mut next)).collect();
            for values in [full, gaps] {
                assert_eq!(bounds_of(&values), min(&values).zip(max(&values)));
            }
        }
        let extremes = Int64Array::from(vec![0, i64::MAX, i64::MIN, 3, 4]);
        assert_eq!(bounds_of(&extremes), Some((i64::MIN, i64::MAX)));
    }
}
