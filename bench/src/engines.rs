//! Ours and the peers, each doing the same job: a topic drained, or followed until it is over.

mod flink;
mod parquet;
mod peer;
mod sluice;
mod spark;

use std::{collections::BTreeSet, fs, path::Path};

use sluice_tests::{
    oracle::{Gold, Percentile},
    parts::kafka::Broker,
};

pub use self::peer::Peer;
use crate::{settings::Settings, topic::Topic};

/// Who does the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Ours.
    Sluice,
    /// Flink SQL, to Parquet.
    Flink,
    /// Spark Structured Streaming, to Delta.
    Spark,
}

/// A drain with its answer.
pub struct Drained {
    /// Seconds until every final row can be read.
    pub wall_s: f64,
    /// Processor time of the engine until every final row is in its table.
    pub cpu_s: f64,
    /// Processor time of the broker meanwhile.
    pub broker_cpu_s: f64,
    /// Most that was resident.
    pub peak_mib: f64,
    /// What is on disk afterwards, the table and the state beside it.
    pub left: Left,
    /// The rows.
    pub gold: Gold,
}

/// What is in a folder and below.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Left {
    /// Bytes of all files.
    pub bytes: u64,
    /// Parquet files of rows.
    pub data_files: u64,
    /// Entries of Delta logs.
    pub commits: u64,
}

impl Engine {
    /// Those that are measured side by side.
    pub fn side_by_side(settings: &Settings) -> Vec<Self> {
        let peers = [Self::Flink, Self::Spark].into_iter();
        let peers = peers.filter(|peer| settings.has_peer(peer.name()));
        [Self::Sluice].into_iter().chain(peers).collect()
    }

    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sluice => "Sluice",
            Self::Flink => "Flink",
            Self::Spark => "Spark",
        }
    }

    /// What it promises of a 95th percentile.
    pub fn percentile(self) -> Percentile {
        match self {
            Self::Sluice => Percentile::Sketch,
            Self::Flink => Percentile::Interpolated,
            Self::Spark => Percentile::Rank { accuracy: 10_000 },
        }
    }

    /// Installs what it needs, so that no measurement waits for a download.
    pub fn install(self) -> Result<(), String> {
        match self {
            Self::Sluice => Ok(()),
            Self::Flink => flink::install().map(|_| ()),
            Self::Spark => spark::install().map(|_| ()),
        }
    }

    /// Drains a topic; whether the answer is right is for the caller to say.
    pub fn drain(self, broker: &Broker, topic: &Topic) -> Result<Drained, String> {
        match self {
            Self::Sluice => sluice::drain(broker, topic),
            Self::Flink | Self::Spark => {
                let peer = Peer::start(self, broker, &topic.name, peer::Mode::Drain, topic.mix)?;
                peer.drained(broker)
            }
        }
    }

    /// Follows a topic until it is dropped; for peers.
    pub fn follow(self, broker: &Broker, topic: &str) -> Result<Peer, String> {
        Peer::start(
            self,
            broker,
            topic,
            peer::Mode::Follow,
            crate::topic::Mix::Clean,
        )
    }
}

impl Left {
    /// Looks at a folder.
    pub fn of(folder: &Path) -> Self {
        let mut left = Self::default();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(of) = entry.metadata() else { continue };
            if of.is_dir() {
                let below = Self::of(&path);
                left.bytes += below.bytes;
                left.data_files += below.data_files;
                left.commits += below.commits;
                continue;
            }
            left.bytes += of.len();
            let in_log = folder.ends_with("_delta_log");
            let kind = path.extension().and_then(|kind| kind.to_str());
            left.commits += u64::from(in_log && kind == Some("json"));
            let hidden = entry.file_name().to_string_lossy().starts_with(['.', '_']);
            // Flink's files have no ending
            let data = kind == Some("parquet") || (kind.is_none() && is_part(&path));
            left.data_files += u64::from(!in_log && !hidden && data);
        }
        left
    }
}

/// Whether a path is that of a finished file of Flink's.
fn is_part(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with("part-") && !name.contains("inprogress"))
}

/// Finished files of Flink's in its output folder.
pub fn parts(folder: &Path) -> BTreeSet<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| is_part(path)).collect()
}

/// The newest window in some Parquet files, milliseconds since the epoch.
pub fn newest_window(files: &[std::path::PathBuf]) -> Result<Option<i64>, String> {
    let gold = parquet::read_gold(files)?;
    Ok(gold.keys().map(|key| key.window_start_ms).max())
}
