//! The checkpoint manifest: what one commit point of a query consists of, in one small file that is either whole or ignored.
//!
//! Manifests are a log of their own: each is written put-if-absent under the next number, before the Delta commit it announces. A file
//! whose checksum does not hold (torn, bit-rotten) is skipped for the one before; a file of a newer format is an error, never skipped,
//! because skipping it would replay what a newer server has committed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sluice_connectors::{delta::DataFile, source::SplitPosition};
use sluice_planner::api::RowCounts;

use super::decoders::Decoders;

/// The newest format this build writes. Older ones are read.
pub const FORMAT: u32 = 3;

/// Of a manifest with state on disk, nothing to rebuild, and one definition of each of its streams.
const FORMAT_SPILLED: u32 = 2;

/// Of a manifest without any of it: what the first builds can read.
const FORMAT_IN_MEMORY: u32 = 1;

/// One commit point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file.
    pub format: u32,
    /// Its number in the query's manifest log.
    pub number: u64,
    /// Which process wrote it; another owner under a number we wanted means that we were fenced.
    pub owner: String,
    /// Last epoch it covers.
    pub epoch: i64,
    /// Delta application id of the query's commits.
    pub app_id: String,
    /// Fingerprint of the plan whose state this is.
    pub fingerprint: String,
    /// Where reading goes on.
    pub positions: Vec<SplitPosition>,
    /// Largest watermark per split, microseconds.
    pub split_watermarks_us: Vec<(sluice_connectors::source::SplitId, i64)>,
    /// The query's watermark, microseconds.
    pub watermark_us: Option<i64>,
    /// Rows since the query began.
    pub totals: Totals,
    /// Which definitions of its streams the messages were decoded by.
    #[serde(default)]
    pub decoders: Decoders,
    /// Open panes, each a record batch in a segment file.
    pub panes: Vec<PaneRef>,
    /// Files to be in the tables after the Delta commits of this epoch, by table.
    pub files: BTreeMap<String, Vec<DataFile>>,
    /// When it was written, for people.
    pub written_at: String,
    /// Where reading stood before the panes that are open had their first rows, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<Opened>,
    /// What has to be done before reading goes on, where REBUILD wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
}

/// Panes that had their first rows between the same two checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Positions at the first of the two.
    pub before: Vec<SplitPosition>,
    /// Where the panes start, microseconds.
    pub panes: BTreeSet<i64>,
}

/// How a query comes back that lost its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rebuild {
    /// The rows before these positions are read for the open windows alone: what else they gave is in the tables.
    Reread {
        /// Where the commit stood.
        until: Vec<SplitPosition>,
        /// What the clock said at that commit, microseconds.
        now_us: i64,
    },
    /// The tables are emptied first.
    Anew,
}

/// Counters that survive a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Where the decoded rows went.
    pub rows: RowCounts,
    /// Rows that did not decode.
    pub undecodable: u64,
    /// Final rows emitted.
    pub rows_out: u64,
}

/// Where one pane's state lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneRef {
    /// The aggregation it belongs to, counted from the rows of the stream.
    #[serde(default)]
    pub stage: usize,
    /// Start of the pane, microseconds.
    pub start_us: i64,
    /// End of its last window, microseconds.
    pub end_us: i64,
    /// Segment file, relative to the query's checkpoint folder.
    pub segment: String,
    /// Which batch of the segment.
    pub index: usize,
    /// CRC-32 of the whole segment file.
    pub crc32: u32,
    /// Whether the segment is a file of a pane on disk: the whole of it, and the pane's next file is the next of its places.
    #[serde(default)]
    pub spilled: bool,
}

impl Manifest {
    /// The panes that are open: their stage and start. One on disk has a place for each of its files.
    pub fn windows(&self) -> BTreeSet<(usize, i64)> {
        let places = self.panes.iter();
        places.map(|place| (place.stage, place.start_us)).collect()
    }

    /// The format that this manifest needs.
    pub(super) fn format_of(
        panes: &[PaneRef],
        decoders: &Decoders,
        rebuild: Option<&Rebuild>,
    ) -> u32 {
        if rebuild.is_some() || decoders.matter() {
            FORMAT
        } else if panes.iter().any(|place| place.spilled) {
            FORMAT_SPILLED
        } else {
            FORMAT_IN_MEMORY
        }
    }
}

/// Why a manifest's bytes cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are not what was written.
    #[error("torn or corrupt: {0}")]
    Corrupt(String),
    /// A newer server wrote it.
    #[error("written in format {found}, this build reads up to {FORMAT}")]
    Newer {
        /// Its format.
        found: u32,
    },
}

/// The file: the JSON on one line, its CRC-32 on the next.
pub fn encode<T: Serialize>(manifest: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(manifest)?;
    let crc32 = crc32fast::hash(&bytes);
    bytes.extend_from_slice(format!("\n{crc32:08x}\n").as_bytes());
    Ok(bytes)
}

/// Reads a file back.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ManifestError> {
    let corrupt = |why: &str| ManifestError::Corrupt(why.to_owned());
    // body + newline + eight hex digits + newline
    let body_len = bytes
        .len()
        .checked_sub(10)
        .ok_or_else(|| corrupt("shorter than its own checksum"))?;
    let (body, tail) = bytes.split_at(body_len);
    let written = std::str::from_utf8(tail)
        .ok()
        .and_then(|tail| tail.strip_prefix('\n')?.strip_suffix('\n'))
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .ok_or_else(|| corrupt("no checksum at its end"))?;
    let found = crc32fast::hash(body);
    if written != found {
        return Err(corrupt(&format!(
            "checksum {written:08x} was written, {found:08x} is read"
        )));
    }
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = serde_json::from_slice(body).map_err(|error| corrupt(&error.to_string()))?;
    if head.format > FORMAT {
        return Err(ManifestError::Newer { found: head.format });
    }
    serde_json::from_slice(body).map_err(|error| corrupt(&error.to_string()))
}

#[cfg(test)]
mod tests;
