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
        if len % 64 > 0
            && let Some(bits) = self.bits.get_mut(len / 64)
        {
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

#[cfg(test)]
mod tests {
    use super::Nulls;

    #[test]
    fn nulls_are_where_they_were_put() {
        let mut nulls = Nulls::default();
        for _ in 0..3 {
            let is_null = |row: usize| row.is_multiple_of(7) || (60..130).contains(&row);
            for row in 0..300 {
                // As many again, taken back.
                for row in row..row + 150 {
                    if is_null(row) {
                        nulls.append_null();
                    } else {
                        nulls.append_non_null();
                    }
                }
                nulls.truncate(row + 1);
                assert_eq!(nulls.len(), row + 1);
            }
            nulls.truncate(1000);
            let found: Vec<bool> = nulls.finish().map_or(Vec::new(), |nulls| {
                nulls.iter().map(|valid| !valid).collect()
            });
            assert_eq!(found, (0..300).map(is_null).collect::<Vec<_>>());
            nulls.append_null();
            nulls.truncate(0);
            nulls.append_non_null();
            assert!(nulls.finish().is_none());
        }
    }
}
