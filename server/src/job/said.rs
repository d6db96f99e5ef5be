//! What a commit says of its query in the Delta log's `commitInfo`: all that REBUILD needs when the checkpoints are gone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluice_connectors::{
    delta::DataFile,
    source::{SplitId, SplitPosition},
};

use super::manifest::{Manifest, Opened, Totals};

/// What a commit says; commits of older builds say less.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Said {
    /// Delta application id of the query.
    pub(super) query: String,
    /// Last epoch that the commit covers.
    pub(super) epoch: i64,
    /// Number of its manifest.
    #[serde(default)]
    pub(super) manifest: u64,
    /// Where reading stood.
    pub(super) positions: Vec<SplitPosition>,
    /// The query's watermark, microseconds.
    #[serde(default)]
    pub(super) watermark_us: Option<i64>,
    /// Largest watermark per split, microseconds.
    #[serde(default)]
    pub(super) split_watermarks_us: Vec<(SplitId, i64)>,
    /// From where on the rows of the windows open then can be read; none where rows alone do not make them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reread_from: Option<Vec<SplitPosition>>,
    /// What the clock said, microseconds.
    #[serde(default)]
    pub(super) now_us: i64,
    /// Rows since the query began.
    #[serde(default)]
    pub(super) totals: Totals,
    /// Rows that came of dead letters since the query began.
    #[serde(default)]
    pub(super) replayed_rows: u64,
    /// Files of the same commit point in the table's companions, which are committed after the table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) companions: BTreeMap<String, Vec<DataFile>>,
}

impl Said {
    /// As the log has it.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }

    /// What is left of its manifest, in the shape of an older one of the same query.
    pub(super) fn manifest(&self, older: &Manifest) -> Manifest {
        let before = self.reread_from.clone();
        Manifest {
            epoch: self.epoch,
            number: self.manifest,
            positions: self.positions.clone(),
            split_watermarks_us: self.split_watermarks_us.clone(),
            watermark_us: self.watermark_us,
            totals: self.totals,
            panes: Vec::new(),
            files: self.companions.clone(),
            opened: Vec::from_iter(before.map(|before| Opened {
                before,
                panes: Default::default(),
            })),
            rebuild: None,
            ..older.clone()
        }
    }

    /// Out of the log; none where it says too little.
    pub(super) fn of(said: Map<String, Value>) -> Option<Self> {
        serde_json::from_value(said.into()).ok()
    }
}
