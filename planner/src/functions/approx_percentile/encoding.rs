//! A group's state as bytes: what partial aggregation hands to final aggregation and what a checkpoint keeps.
//!
//! | first byte | rest |
//! |---|---|
//! | 1 | up to 1,024 order keys of 8 bytes, little endian, in any order: the values themselves |
//! | 2 | smallest key, largest key (8 bytes each), then per bucket with values: distance to the bucket before it and count, as LEB128 |
//!
//! No values is a null. Another layout gets another first byte. Bytes that we did not write are refused, whatever they are.

use datafusion::common::{DataFusionError, Result, exec_datafusion_err};

use super::sketch::{BUCKET_END, Buckets, EXACT_LIMIT, Histogram, Sketch, bucket_of};

const EXACT: u8 = 1;
const BUCKETS: u8 = 2;
const KEY_BYTES: usize = size_of::<u64>();

/// A decoded state.
#[derive(Debug)]
pub(super) enum State<'a> {
    /// Values.
    Exact(Keys<'a>),
    /// Counts.
    Buckets(Histogram),
}

/// Keys of an exact state.
#[derive(Debug)]
pub(super) struct Keys<'a>(&'a [u8]);

impl Keys<'_> {
    /// The keys, in the state's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let (keys, _) = self.0.as_chunks::<KEY_BYTES>();
        keys.iter().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

/// Appends values.
pub(super) fn encode_exact(keys: &[u64], out: &mut Vec<u8>) {
    out.reserve(1 + keys.len() * KEY_BYTES);
    out.push(EXACT);
    for key in keys {
        out.extend_from_slice(&key.to_le_bytes());
    }
}

/// Appends counts.
pub(super) fn encode_buckets(buckets: &Buckets, out: &mut Vec<u8>) {
    out.push(BUCKETS);
    out.extend_from_slice(&buckets.min().to_le_bytes());
    out.extend_from_slice(&buckets.max().to_le_bytes());
    let mut before = 0;
    for (bucket, count) in buckets.counts() {
        push_varint(u64::from(bucket - before), out);
        push_varint(count, out);
        before = bucket;
    }
}

/// A group's state; `None` when it has no values.
pub(super) fn encode(sketch: &Sketch) -> Option<Vec<u8>> {
    let mut out = vec![];
    match (sketch.buckets(), sketch.keys()) {
        (Some(buckets), _) => encode_buckets(buckets, &mut out),
        (None, []) => return None,
        (None, keys) => encode_exact(keys, &mut out),
    }
    Some(out)
}

/// Reads a state.
pub(super) fn decode(bytes: &[u8]) -> Result<State<'_>> {
    match bytes.split_first() {
        Some((&EXACT, keys)) => {
            let whole = keys.len().is_multiple_of(KEY_BYTES);
            if !whole || keys.is_empty() || keys.len() > EXACT_LIMIT * KEY_BYTES {
                return Err(corrupt("its values are cut off or too many"));
            }
            Ok(State::Exact(Keys(keys)))
        }
        Some((&BUCKETS, rest)) => decode_buckets(rest).map(State::Buckets),
        Some((version, _)) => Err(corrupt(&format!("layout {version} is not known"))),
        None => Err(corrupt("it is empty")),
    }
}

/// What is said of counts that add up to more than 64 bits.
pub(super) fn too_many() -> DataFusionError {
    corrupt("its counts do not fit 64 bits")
}

fn decode_buckets(bytes: &[u8]) -> Result<Histogram> {
    let (min, bytes) = take_key(bytes)?;
    let (max, mut bytes) = take_key(bytes)?;
    let mut counts: Vec<(u32, u64)> = Vec::with_capacity(bytes.len() / 3);
    let mut total = 0_u64;
    while !bytes.is_empty() {
        let distance = take_varint(&mut bytes)?;
        let count = take_varint(&mut bytes)?;
        let before = counts.last().map(|&(bucket, _)| bucket);
        let bucket = u64::from(before.unwrap_or(0))
            .checked_add(distance)
            .and_then(|bucket| u32::try_from(bucket).ok())
            .filter(|&bucket| bucket < BUCKET_END && before.is_none_or(|before| before < bucket))
            .ok_or_else(|| corrupt("its buckets are out of order"))?;
        if count == 0 {
            return Err(corrupt("a bucket has no values"));
        }
        total = total.checked_add(count).ok_or_else(too_many)?;
        counts.push((bucket, count));
    }
    let first = counts.first().map(|&(bucket, _)| bucket);
    let last = counts.last().map(|&(bucket, _)| bucket);
    if first != Some(bucket_of(min)) || last != Some(bucket_of(max)) || min > max {
        return Err(corrupt("its range does not fit its buckets"));
    }
    if total <= EXACT_LIMIT as u64 {
        return Err(corrupt("it has too few values for buckets"));
    }
    Ok(Histogram {
        count: total,
        min,
        max,
        counts,
    })
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

fn take_varint(bytes: &mut &[u8]) -> Result<u64> {
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
