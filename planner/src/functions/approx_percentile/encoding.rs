//! A group's state as bytes: what partial aggregation hands to final aggregation, what a checkpoint keeps, and the body of a stored sketch.
//!
//! | first byte | rest |
//! |---|---|
//! | 1 | up to 1,024 order keys of 8 bytes, little endian, in any order: the values themselves |
//! | 2 | smallest key, largest key (8 bytes each), then per bucket with values: distance to the bucket before it and count, as LEB128 |
//! | 5 | smallest key, largest key (8 bytes each), then a byte for every bucket from the first of them to the last: its count |
//! | 3, 4, 6 | the same three, of another accuracy than the default: the second byte is how many bits of the mantissa tell buckets apart |
//!
//! Counts are laid out as 5 where none is above 255 and that takes no more room than two bytes a bucket with values would: values that
//! are near each other, which can then be written and added many at a time. The same counts are always the same bytes.
//!
//! No values is a null. Another layout gets another first byte. Bytes that we did not write are refused, whatever they are, and make room
//! for no more than they hold.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, exec_datafusion_err};

use super::grain::Grain;
use super::sketch::{Buckets, EXACT_LIMIT, Sketch};

const EXACT: u8 = 1;
const BUCKETS: u8 = 2;
const EXACT_OF_GRAIN: u8 = 3;
const BUCKETS_OF_GRAIN: u8 = 4;
const ROW: u8 = 5;
const ROW_OF_GRAIN: u8 = 6;
const KEY_BYTES: usize = size_of::<u64>();

/// A state, looked at.
#[derive(Debug)]
pub(super) struct State<'a> {
    /// How fine its buckets are, or would be.
    pub(super) grain: Grain,
    /// What it holds.
    pub(super) held: Held<'a>,
}

/// What a state holds.
#[derive(Debug)]
pub(super) enum Held<'a> {
    /// Values.
    Exact(Keys<'a>),
    /// Counts.
    Buckets(Counts<'a>),
}

/// Keys of an exact state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys<'a>(&'a [[u8; KEY_BYTES]]);

impl Keys<'_> {
    /// The keys, in the state's order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.0.iter().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

/// Counts of buckets, not read yet.
#[derive(Debug)]
pub(super) struct Counts<'a> {
    grain: Grain,
    min: u64,
    max: u64,
    body: Body<'a>,
}

/// Counts as they stand in a state.
#[derive(Clone, Copy, Debug)]
enum Body<'a> {
    /// Distance and count of each bucket that has values.
    List(&'a [u8]),
    /// The count of each bucket from the smallest value's to the largest's.
    Row(&'a [u8]),
}

impl Counts<'_> {
    /// Adds them to a sketch of the same grain. After an error the sketch is void.
    pub(super) fn add_to(&self, buckets: &mut Buckets) -> Result<()> {
        buckets.settle(self.min, self.max);
        let total = match self.body {
            Body::Row(counts) => {
                let (first, total) = self.check_row(counts)?;
                if !buckets.add_row(first, counts, total) {
                    for (bucket, count) in row(first, counts) {
                        buckets.add_to_bucket(bucket, count);
                    }
                }
                total
            }
            Body::List(_) => self.read(|bucket, count| buckets.add_to_bucket(bucket, count))?,
        };
        buckets
            .widen(total, self.min, self.max)
            .ok_or_else(too_many)
    }

    /// Shows every bucket with its count, in rising order; gives the sum of the counts. What was shown before an error means nothing.
    pub(super) fn read(&self, mut show: impl FnMut(u32, u64)) -> Result<u64> {
        let mut bytes = match self.body {
            Body::List(bytes) => bytes,
            Body::Row(counts) => {
                let (first, total) = self.check_row(counts)?;
                row(first, counts).for_each(|(bucket, count)| show(bucket, count));
                return Ok(total);
            }
        };
        let mut first = None;
        let mut bucket = 0_u32;
        let mut total = 0_u64;
        while !bytes.is_empty() {
            let distance = take_varint(&mut bytes)?;
            let count = take_varint(&mut bytes)?;
            bucket = u64::from(bucket)
                .checked_add(distance)
                .and_then(|next| u32::try_from(next).ok())
                .filter(|&next| next < self.grain.end() && (first.is_none() || bucket < next))
                .ok_or_else(|| corrupt("its buckets are out of order"))?;
            if count == 0 {
                return Err(corrupt("a bucket has no values"));
            }
            first.get_or_insert(bucket);
            total = total.checked_add(count).ok_or_else(too_many)?;
            show(bucket, count);
        }
        self.check(first.map(|first| (first, bucket)), total)?;
        Ok(total)
    }

    /// Looks at a row of counts: the bucket of the first, and their sum.
    fn check_row(&self, counts: &[u8]) -> Result<(u32, u64)> {
        let first = self.grain.bucket_of(self.min);
        let whole = counts.first() > Some(&0) && counts.last() > Some(&0);
        let last =
            u32::try_from(counts.len()).map(|count| first.saturating_add(count).wrapping_sub(1));
        let ends = last.ok().filter(|_| whole).map(|last| (first, last));
        let total = counts.iter().map(|count| u64::from(*count)).sum();
        self.check(ends, total)?;
        Ok((first, total))
    }

    /// Looks at the smallest and largest bucket, and the sum of the counts.
    fn check(&self, ends: Option<(u32, u32)>, total: u64) -> Result<()> {
        let told = (
            self.grain.bucket_of(self.min),
            self.grain.bucket_of(self.max),
        );
        if ends != Some(told) || self.min > self.max {
            return Err(corrupt("its range does not fit its buckets"));
        }
        if total <= EXACT_LIMIT as u64 {
            return Err(corrupt("it has too few values for buckets"));
        }
        Ok(())
    }
}

/// The buckets with values of a row of counts.
fn row(first: u32, counts: &[u8]) -> impl Iterator<Item = (u32, u64)> + '_ {
    let buckets = (first..).zip(counts).filter(|(_, count)| **count > 0);
    buckets.map(|(bucket, count)| (bucket, u64::from(*count)))
}

/// Appends values.
pub(super) fn encode_exact(grain: Grain, keys: &[u64], out: &mut Vec<u8>) {
    out.reserve(2 + size_of_val(keys));
    push_layout(grain, [EXACT, EXACT_OF_GRAIN], out);
    for key in keys {
        out.extend_from_slice(&key.to_le_bytes());
    }
}

/// Appends counts.
pub(super) fn encode_buckets(buckets: &Buckets, out: &mut Vec<u8>) {
    let in_a_row = buckets.fit_a_row();
    let layout = match in_a_row {
        true => [ROW, ROW_OF_GRAIN],
        false => [BUCKETS, BUCKETS_OF_GRAIN],
    };
    push_layout(buckets.grain(), layout, out);
    out.extend_from_slice(&buckets.min().to_le_bytes());
    out.extend_from_slice(&buckets.max().to_le_bytes());
    if in_a_row {
        return buckets.push_row(out);
    }
    let mut before = 0;
    let _all = buckets.visit(|bucket, count| {
        let distance = u64::from(bucket - before);
        before = bucket;
        if distance | count < 0x80 {
            out.extend_from_slice(&[distance as u8, count as u8]);
        } else {
            push_varint(distance, out);
            push_varint(count, out);
        }
        ControlFlow::<()>::Continue(())
    });
}

fn push_layout(grain: Grain, [plain, with_grain]: [u8; 2], out: &mut Vec<u8>) {
    if grain == Grain::DEFAULT {
        out.push(plain);
    } else {
        out.extend_from_slice(&[with_grain, grain.bits()]);
    }
}

/// A group's state; `None` when it has no values.
pub(super) fn encode(sketch: &Sketch) -> Option<Vec<u8>> {
    let mut out = vec![];
    match (sketch.buckets(), sketch.keys()) {
        (Some(buckets), _) => encode_buckets(buckets, &mut out),
        (None, []) => return None,
        (None, keys) => encode_exact(sketch.grain(), keys, &mut out),
    }
    Some(out)
}

/// Looks at a state. Counts of buckets are looked at when they are read.
pub(super) fn decode(bytes: &[u8]) -> Result<State<'_>> {
    let (&layout, rest) = bytes.split_first().ok_or_else(|| corrupt("it is empty"))?;
    let (grain, rest) = match (layout, rest) {
        (EXACT | BUCKETS | ROW, rest) => (Grain::DEFAULT, rest),
        (EXACT_OF_GRAIN | BUCKETS_OF_GRAIN | ROW_OF_GRAIN, [bits, rest @ ..]) => {
            let grain = Grain::of_bits(*bits).filter(|grain| *grain != Grain::DEFAULT);
            let grain = grain.ok_or_else(|| corrupt("its accuracy is not known"))?;
            (grain, rest)
        }
        (EXACT_OF_GRAIN | BUCKETS_OF_GRAIN | ROW_OF_GRAIN, []) => {
            return Err(corrupt("it is cut off"));
        }
        (layout, _) => return Err(corrupt(&format!("layout {layout} is not known"))),
    };
    let held = match layout {
        EXACT | EXACT_OF_GRAIN => {
            let (keys, cut_off) = rest.as_chunks::<KEY_BYTES>();
            if !cut_off.is_empty() || keys.is_empty() || keys.len() > EXACT_LIMIT {
                return Err(corrupt("its values are cut off or too many"));
            }
            Held::Exact(Keys(keys))
        }
        _ => {
            let (min, rest) = take_key(rest)?;
            let (max, bytes) = take_key(rest)?;
            let body = match layout {
                ROW | ROW_OF_GRAIN => Body::Row(bytes),
                _ => Body::List(bytes),
            };
            Held::Buckets(Counts {
                grain,
                min,
                max,
                body,
            })
        }
    };
    Ok(State { grain, held })
}

/// What is said of counts that add up to more than 64 bits.
fn too_many() -> DataFusionError {
    corrupt("its counts do not fit 64 bits")
}

/// What is said of a state of another accuracy than those before it.
pub(super) fn other_grain(own: Grain, other: Grain) -> DataFusionError {
    exec_datafusion_err!(
        "sketches of different accuracy cannot be merged: one is at most {own} off, another {other}"
    )
}

fn take_key(bytes: &[u8]) -> Result<(u64, &[u8])> {
    bytes
        .split_first_chunk()
        .map(|(key, rest)| (u64::from_le_bytes(*key), rest))
        .ok_or_else(|| corrupt("it is cut off"))
}

fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline(always)]
fn take_varint(bytes: &mut &[u8]) -> Result<u64> {
    match bytes.split_first() {
        Some((&byte, rest)) if byte < 0x80 => {
            *bytes = rest;
            Ok(u64::from(byte))
        }
        _ => take_long_varint(bytes),
    }
}

fn take_long_varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes
            .split_first()
            .ok_or_else(|| corrupt("it is cut off"))?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(corrupt("a number does not fit 64 bits"))
}

fn corrupt(why: &str) -> DataFusionError {
    exec_datafusion_err!("corrupt state of approx_percentile: {why}")
}
