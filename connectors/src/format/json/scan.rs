//! Many bytes at a step: where a string ends, which digits begin here, whether two texts are the same.

/// The digits that eight bytes begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct DigitRun {
    /// The digits' values, the last one in the highest byte, zeros below.
    values: u64,
    /// How many there are.
    pub(super) length: u32,
}

impl DigitRun {
    #[inline]
    pub(super) fn of(word: u64) -> Self {
        const ZEROS: u64 = 0x3030_3030_3030_3030;
        const ABOVE_NINE: u64 = 0x7676_7676_7676_7676;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let values = word ^ ZEROS;
        // The high bit of every byte that is not 0 to 9; a carry out of one goes to later bytes alone.
        let others = (values.wrapping_add(ABOVE_NINE) | values) & HIGH;
        let length = others.trailing_zeros() / 8;
        let values = match length {
            0 => 0,
            length => values << (64 - 8 * length),
        };
        Self { values, length }
    }

    /// Ten to the power of how many there are.
    #[inline]
    pub(super) fn scale(self) -> u64 {
        const POWERS: [u64; 9] = [
            1,
            10,
            100,
            1_000,
            10_000,
            100_000,
            1_000_000,
            10_000_000,
            100_000_000,
        ];
        POWERS.get(self.length as usize).copied().unwrap_or(1)
    }

    /// The number they are: neighbours are joined to pairs, those to fours, those to eight.
    #[inline]
    pub(super) fn value(self) -> u64 {
        let pairs = self.values.wrapping_mul(10).wrapping_add(self.values >> 8);
        let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(100 + (1_000_000 << 32));
        let high = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(1 + (10_000 << 32));
        low.wrapping_add(high) >> 32
    }

    /// How many there are from the first on that is not zero.
    #[inline]
    pub(super) fn significant(self) -> u32 {
        8 - self.values.trailing_zeros() / 8
    }
}

/// Whether all bytes are ASCII.
#[inline]
pub(super) fn ascii(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<16>();
    let both = chunks
        .iter()
        .fold(0, |all, chunk| all | u128::from_le_bytes(*chunk));
    let last = match bytes.last_chunk::<16>() {
        Some(last) => u128::from_le_bytes(*last),
        None => rest.iter().fold(0, |all, byte| all | u128::from(*byte)),
    };
    (both | last) & u128::from_le_bytes([0x80; 16]) == 0
}

/// The first position from `at` with a quote, a backslash or a control character; the length if there is none.
#[inline]
pub(super) fn special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = specials(chunk);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    // The last bytes of the message, with some before them that have been looked at.
    if let Some((before, chunk)) = bytes.split_last_chunk() {
        let found = specials(chunk).checked_shr((at - before.len()) as u32);
        return match found.unwrap_or_default() {
            0 => bytes.len(),
            found => at + found.trailing_zeros() as usize,
        };
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let found = rest.iter().position(|byte| is_special(*byte));
    found.map_or(bytes.len(), |found| at + found)
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A bit for each byte, the lowest for the first: whether it is a quote, a backslash or a control character.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn specials(chunk: &[u8; 16]) -> u16 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
    };
    let words = u128::from_le_bytes(*chunk);
    // SAFETY: SSE2 is all that these need, and every x86-64 has it.
    unsafe {
        let bytes = _mm_set_epi64x((words >> 64) as i64, words as i64);
        let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls)) as u16
    }
}

/// The same where there are no such instructions.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn specials(chunk: &[u8; 16]) -> u16 {
    let bytes = chunk.iter().enumerate();
    bytes.fold(0, |bits, (n, byte)| {
        bits | u16::from(is_special(*byte)) << n
    })
}

/// Whether two texts of one length are the same: eight bytes at a time, because a call of `memcmp` costs more than a key is long.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(last_a), Some(last_b)) => {
            let (words_a, words_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
            words_a.iter().zip(words_b).all(|(a, b)| a == b) && last_a == last_b
        }
        _ => a == b,
    }
}
