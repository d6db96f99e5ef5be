//! A sketch as bytes that outlive this process and this version: `docs/sql/percentiles.md` describes them for other engines.
//!
//! | bytes | |
//! |---|---|
//! | 0, 1 | `SK` |
//! | 2 | the format's version, 1 |
//! | 3 | 1: percentiles, 2: distinct values |
//! | 4 … | percentiles: the state as in `approx_percentile/encoding.rs`; distinct values: what the values were, then the state |
//! | last 4 | CRC-32 (that of zip and Ethernet) of all bytes before, little endian |
//!
//! The state of distinct values is a HyperLogLog of 2^14 registers: either 16,384 registers of one byte, or up to 256 hashes of 8 bytes,
//! little endian, that are not registers yet. The engine makes the hashes; a test holds on to what they are, because sketches of
//! different hashes must never be merged. If the engine changes them, the hash becomes ours or the version goes up.

use arrow::{
    array::{Array, BinaryArray, BinaryBuilder},
    datatypes::{DataType, TimeUnit},
};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};

use super::super::approx_percentile::check_state;

const MAGIC: [u8; 2] = *b"SK";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// What a sketch has beside its state, at most.
pub(super) const FRAME_BYTES: usize = MAGIC.len() + 3 + CHECKSUM_BYTES;

const REGISTERS: usize = 1 << 14;
/// A register says how long the longest run of zeros was, in the 50 bits that do not choose the register, and one.
const LARGEST_REGISTER: u8 = 51;
const MOST_HASHES: usize = 256;
const HASH_BYTES: usize = size_of::<u64>();

/// What a sketch is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Percentile = 1,
    Distinct = 2,
}

impl Kind {
    fn function(self) -> &'static str {
        match self {
            Self::Percentile => "approx_percentile",
            Self::Distinct => "approx_distinct",
        }
    }
}

/// A sketch, checked.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    pub(super) kind: Kind,
    /// What distinct values were, see [`domain_of`].
    pub(super) domain: u8,
    pub(super) state: &'a [u8],
}

/// Values that are none of those that have a number.
pub(super) const NO_DOMAIN: u8 = 0;
const DOMAINS: [&str; 10] = [
    "values of another type",
    "TEXT",
    "BYTEA",
    "INT",
    "BIGINT",
    "unsigned INT",
    "unsigned BIGINT",
    "DATE",
    "TIMESTAMP",
    "NUMERIC",
];

/// What values of a type are, in a sketch: equal values of different types have different hashes, and must not be merged.
pub(super) fn domain_of(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => 1,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => 2,
        DataType::Int32 => 3,
        DataType::Int64 => 4,
        DataType::UInt32 => 5,
        DataType::UInt64 => 6,
        DataType::Date32 => 7,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 8,
        DataType::Decimal128(_, _) => 9,
        _ => NO_DOMAIN,
    }
}

/// Writes a sketch in place of what `out` holds.
pub(super) fn seal(kind: Kind, domain: u8, state: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind as u8]);
    if kind == Kind::Distinct {
        out.push(domain);
    }
    out.extend_from_slice(state);
    let checksum = crc32fast::hash(out);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// The states of a column of sketches, each looked at, and by `check` too.
pub(super) fn open_all(
    sketches: &BinaryArray,
    mut check: impl FnMut(&Opened<'_>) -> Result<()>,
) -> Result<BinaryArray> {
    // The column may be a slice of a long one.
    let ends = sketches
        .value_offsets()
        .first()
        .zip(sketches.value_offsets().last());
    let bytes = ends.and_then(|(first, last)| usize::try_from(last - first).ok());
    let mut states = BinaryBuilder::with_capacity(sketches.len(), bytes.unwrap_or_default());
    for sketch in sketches {
        let Some(sketch) = sketch else {
            states.append_null();
            continue;
        };
        let opened = open(sketch)?;
        check(&opened)?;
        states.append_value(opened.state);
    }
    Ok(states.finish())
}

/// Looks at all of a sketch.
pub(super) fn open(sketch: &[u8]) -> Result<Opened<'_>> {
    let Some((version, rest)) = sketch.strip_prefix(&MAGIC).and_then(<[u8]>::split_first) else {
        return exec_err!(
            "not a sketch: it does not begin as one (sketches are made by approx_percentile_sketch, approx_distinct_sketch and sketches = true)"
        );
    };
    if *version != VERSION {
        return exec_err!(
            "the sketch is of format {version}, and this version reads format {VERSION} alone"
        );
    }
    let damaged = || exec_datafusion_err!("the sketch is damaged: its checksum does not fit");
    let (checked, checksum) = sketch
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or_else(damaged)?;
    if crc32fast::hash(checked) != u32::from_le_bytes(*checksum) {
        return Err(damaged());
    }
    let body = rest.get(..rest.len().saturating_sub(CHECKSUM_BYTES));
    match body.and_then(<[u8]>::split_first) {
        Some((1, state)) => {
            check_state(state)?;
            Ok(Opened {
                kind: Kind::Percentile,
                domain: NO_DOMAIN,
                state,
            })
        }
        Some((2, [domain, state @ ..])) => {
            check_distinct(*domain, state)?;
            Ok(Opened {
                kind: Kind::Distinct,
                domain: *domain,
                state,
            })
        }
        Some((kind, _)) if *kind != 2 => {
            exec_err!("the sketch is of kind {kind}, which is not known")
        }
        _ => exec_err!("corrupt sketch: it is cut off"),
    }
}

fn check_distinct(domain: u8, state: &[u8]) -> Result<()> {
    if usize::from(domain) >= DOMAINS.len() {
        return exec_err!(
            "corrupt sketch of approx_distinct: values of kind {domain} are not known"
        );
    }
    let fits = match state.len() {
        REGISTERS => state.iter().all(|register| *register <= LARGEST_REGISTER),
        hashes => hashes.is_multiple_of(HASH_BYTES) && hashes <= MOST_HASHES * HASH_BYTES,
    };
    match fits {
        true => Ok(()),
        false => exec_err!(
            "corrupt sketch of approx_distinct: it is cut off or has a register that no value gives"
        ),
    }
}

/// What is said of a sketch of the other kind.
pub(super) fn other_kind(wanted: Kind, found: Kind) -> DataFusionError {
    exec_datafusion_err!(
        "a sketch of {} is not one of {}",
        found.function(),
        wanted.function()
    )
}

/// What is said of a sketch of other values.
pub(super) fn other_domain(own: u8, other: u8) -> DataFusionError {
    let name = |domain: u8| DOMAINS.get(usize::from(domain)).copied().unwrap_or("?");
    exec_datafusion_err!(
        "sketches of {} and of {} cannot be merged: equal values would count twice",
        name(own),
        name(other)
    )
}
