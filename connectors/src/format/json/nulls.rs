//! Which values of a column are null: a value that is not costs one addition, for nearly all are not.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

/// The nulls of a column under construction.
#[derive(Debug, Default)]
pub(super) struct Nulls {
    len: usize,
    /// A bit for each null; words behind the last null are not there yet.
    bits: Vec<u64>,
}

impl Nulls {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn append_non_null(&mut self) {
        self.len += 1;
    }

    pub(super) fn append_null(&mut self) {
        let word = self.len / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= 1 << (self.len % 64);
        }
        self.len += 1;
    }

    /// Takes back everything from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.len = len;
        self.bits.truncate(len.div_ceil(64));
        if let Some(bits) = self.bits.get_mut(len / 64) {
            *bits &= (1 << (len % 64)) - 1;
        }
    }

    /// What arrays want, if there is a null at all; empty afterwards.
    pub(super) fn finish(&mut self) -> Option<NullBuffer> {
        let len = std::mem::take(&mut self.len);
        let mut bits = std::mem::take(&mut self.bits);
        if bits.iter().all(|bits| *bits == 0) {
            return None;
        }
        bits.resize(len.div_ceil(64), 0);
        for bits in &mut bits {
            *bits = !bits.to_le();
        }
        let valid = BooleanBuffer::new(Buffer::from_vec(bits), 0, len);
        Some(NullBuffer::new(valid))
    }
}
