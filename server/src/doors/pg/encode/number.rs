//! Decimals: digits with a scale, as text and as PostgreSQL's base-10000 groups.

use bytes::{BufMut, BytesMut};

/// A decimal, ready to be written.
pub(super) struct Decimal {
    negative: bool,
    /// Digits before the point, without leading zeros; may be empty.
    whole: String,
    /// Digits after the point, exactly as many as the scale says.
    fraction: String,
}

impl Decimal {
    /// `unscaled` is the whole number that, divided by 10^scale, is meant.
    pub(super) fn new(unscaled: &str, scale: i8) -> Self {
        let (negative, digits) = match unscaled.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, unscaled),
        };
        let mut digits = digits.trim_start_matches('0').to_owned();
        let places = usize::try_from(scale).unwrap_or(0);
        if scale < 0 && !digits.is_empty() {
            digits.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        }
        if digits.len() < places {
            digits.insert_str(0, &"0".repeat(places - digits.len()));
        }
        let fraction = digits.split_off(digits.len() - places);
        Self {
            negative,
            whole: digits,
            fraction,
        }
    }

    pub(super) fn text(&self, out: &mut BytesMut) {
        if self.negative {
            out.put_u8(b'-');
        }
        if self.whole.is_empty() {
            out.put_u8(b'0');
        }
        out.put_slice(self.whole.as_bytes());
        if !self.fraction.is_empty() {
            out.put_u8(b'.');
            out.put_slice(self.fraction.as_bytes());
        }
    }

    /// `numeric_send`: count of groups, weight of the first, sign, scale, groups.
    pub(super) fn binary(&self, out: &mut BytesMut) {
        let lead = (4 - self.whole.len() % 4) % 4;
        let trail = (4 - self.fraction.len() % 4) % 4;
        let mut digits = "0".repeat(lead);
        digits.push_str(&self.whole);
        let whole_groups = digits.len() / 4;
        digits.push_str(&self.fraction);
        digits.push_str(&"0".repeat(trail));
        let groups: Vec<i16> = digits
            .as_bytes()
            .chunks(4)
            .map(|four| four.iter().fold(0, |sum, d| sum * 10 + i16::from(d - b'0')))
            .collect();
        let first = groups.iter().position(|g| *g != 0).unwrap_or(groups.len());
        let last = groups
            .iter()
            .rposition(|g| *g != 0)
            .map_or(first, |i| i + 1);
        let used = groups.get(first..last).unwrap_or_default();
        let weight = if used.is_empty() {
            0
        } else {
            whole_groups as i16 - 1 - first as i16
        };
        out.put_i16(used.len() as i16);
        out.put_i16(weight);
        out.put_u16(if self.negative && !used.is_empty() {
            0x4000
        } else {
            0
        });
        out.put_i16(self.fraction.len() as i16);
        for group in used {
            out.put_i16(*group);
        }
    }
}
