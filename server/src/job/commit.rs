//! A commit point made durable: data files and state, then the manifest, then Delta.
//!
//! The order is the whole protocol (design, "Commit"). A crash before the manifest leaves files that nobody names; a crash after it is
//! finished by recovery, which commits the very files that the manifest lists. Every step may be done again after an error: transient
//! errors are retried here for as long as it takes, and the reading goes on meanwhile.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use serde_json::{Map, Value};
use sluice_connectors::{
    delta::{DataFile, DeltaSink},
    source::{SplitId, SplitPosition},
    store::Root,
};
use sluice_planner::{ContinuousPlan, api::StateSnapshot};

use super::{
    BadRange, JobParts, JobStream, JobTables, StatusCell, app_id, checkpoint_folder,
    decoders::Decoders,
    manifest::{Manifest, Opened, Totals},
    manifest_log::{LogEntry, ManifestLog},
    opened,
    profile::{Laps, Step},
    retry::Backoff,
    said::Said,
    segments::{Segments, is_up_to},
};
use crate::{
    catalog::QualifiedName,
    clock::{Clock, rfc3339},
    error::{Error, Result, SqlState},
    options::history_properties,
    root::storage_error,
    table::TableState,
};

pub(super) use super::retry::{is_transient, pass, retry};

/// Manifests kept.
const RETAINED: u64 = 5;
/// Commits between two rounds of tidying on a remote root, where every look costs a request.
const TIDY_EVERY: u64 = 16;

impl LogEntry for Manifest {
    fn owner(&self) -> &str {
        &self.owner
    }
}

/// What is to be committed: values taken between two epochs, rows with the epoch they are of.
#[derive(Debug)]
pub(super) struct CommitPoint {
    pub(super) epoch: i64,
    pub(super) positions: Vec<SplitPosition>,
    /// Where reading of each split began in this life.
    pub(super) began: Vec<SplitPosition>,
    pub(super) state: StateSnapshot,
    pub(super) totals: Totals,
    pub(super) decoders: Decoders,
    pub(super) rows: Vec<(i64, RecordBatch)>,
    pub(super) late: Vec<(i64, RecordBatch)>,
    pub(super) dead: Vec<(i64, RecordBatch)>,
    pub(super) bad: Vec<BadRange>,
    /// The earliest start of a window that is still to come, microseconds.
    pub(super) earliest_start_us: Option<i64>,
}

/// What a commit did.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) epoch: i64,
    /// Delta version of the table, if it got a commit.
    pub(super) version: Option<i64>,
    /// The earliest start of a window whose rows are not in it, microseconds.
    pub(super) earliest_start_us: Option<i64>,
    /// How long its steps took.
    pub(super) took: Vec<(Step, Duration)>,
}

/// Writes commit points, one at a time.
#[derive(Debug)]
pub(super) struct Committer {
    pub(super) root: Root,
    pub(super) folder: String,
    pub(super) log: ManifestLog<Manifest>,
    pub(super) next_number: u64,
    pub(super) owner: String,
    pub(super) app_id: String,
    pub(super) plan: ContinuousPlan,
    pub(super) tables: JobTables,
    pub(super) sinks: BTreeMap<String, DeltaSink>,
    /// Properties of companions that are made.
    pub(super) properties: BTreeMap<String, String>,
    /// State as the last manifest has it.
    pub(super) segments: Segments,
    /// Positions as the last manifest has them.
    pub(super) positions: Vec<SplitPosition>,
    /// Where its open panes began.
    pub(super) opened: Vec<Opened>,
    pub(super) streams: Arc<[JobStream]>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) status: StatusCell,
}

impl Committer {
    /// One that has not looked at anything yet.
    pub(super) fn new(parts: &JobParts, status: &StatusCell) -> Self {
        let folder = checkpoint_folder(&parts.id);
        Self {
            root: parts.root.clone(),
            log: ManifestLog::new(parts.root.clone(), format!("{folder}/manifests")),
            folder,
            next_number: 1,
            owner: parts.owner.clone(),
            app_id: app_id(&parts.id),
            plan: parts.plan.clone(),
            tables: parts.tables.clone(),
            sinks: BTreeMap::new(),
            properties: history_properties(parts.options.history),
            segments: Segments::default(),
            positions: Vec::new(),
            opened: Vec::new(),
            streams: Arc::clone(&parts.streams),
            clock: Arc::clone(&parts.clock),
            status: status.clone(),
        }
    }

    /// Makes a commit point durable and visible.
    pub(super) async fn commit(&mut self, mut point: CommitPoint) -> Result<Committed> {
        let mut laps = Laps::begin();
        pass("commit.begin")?;
        self.check_topics(&point.positions).await?;
        let now_us = self.clock.now_us();
        for (stream, number) in self.streams.iter().zip(0..) {
            let of_stream = |bad: &mut BadRange| bad.split.stream == number;
            let bad: Vec<BadRange> = point.bad.extract_if(.., of_stream).collect();
            retry(&self.status, async || {
                stream.dead_letters.record(&bad, now_us).await
            })
            .await?;
        }

        laps.lap(Step::Letters);
        // From the first file written to the last commit: what lies in the folders meanwhile is in no version and will be.
        let tables = self.tables.clone();
        let _turns = (
            tables.table.queue().lock().await,
            tables.late.queue().lock().await,
            tables.dead.queue().lock().await,
        );
        let mut files = BTreeMap::new();
        for (table, batches) in [
            (Arc::clone(&self.tables.table), &point.rows),
            (Arc::clone(&self.tables.late), &point.late),
            (Arc::clone(&self.tables.dead), &point.dead),
        ] {
            if !batches.is_empty() {
                let written = self.write_files(&table, batches, point.epoch).await?;
                files.insert(table.path().to_owned(), written);
            }
        }
        laps.lap(Step::Data);
        pass("commit.data")?;
        let opened = self.follow_opened(&point);
        let panes = self.write_state(&point.state, point.epoch).await?;
        laps.lap(Step::State);
        pass("commit.state")?;
        let manifest = Manifest {
            format: Manifest::format_of(&panes, &point.decoders, None),
            number: self.next_number,
            owner: self.owner.clone(),
            epoch: point.epoch,
            app_id: self.app_id.clone(),
            fingerprint: self.plan.fingerprint.clone(),
            positions: point.positions,
            split_watermarks_us: point.state.split_watermarks_us.into_iter().collect(),
            watermark_us: point.state.watermark_us,
            totals: point.totals,
            decoders: point.decoders,
            panes,
            files,
            written_at: rfc3339(now_us),
            opened,
            rebuild: None,
        };
        self.put_manifest(&manifest).await?;
        laps.lap(Step::Manifest);
        pass("commit.manifest")?;
        let version = self.commit_files(&manifest).await?;
        laps.lap(Step::Delta);
        pass("commit.delta")?;
        self.tidy(&manifest).await;
        laps.lap(Step::Tidy);
        pass("commit.tidied")?;
        Ok(Committed {
            epoch: manifest.epoch,
            version,
            earliest_start_us: point.earliest_start_us,
            took: laps.steps,
        })
    }

    /// Writes the manifest under the next number.
    pub(super) async fn put_manifest(&mut self, manifest: &Manifest) -> Result<()> {
        retry(&self.status, async || {
            pass("manifest.put")?;
            self.log.put(manifest.number, manifest).await?;
            pass("manifest.reply")
        })
        .await?;
        self.next_number = manifest.number + 1;
        self.positions.clone_from(&manifest.positions);
        self.opened.clone_from(&manifest.opened);
        Ok(())
    }

    /// Where the panes began that are open at this commit point.
    fn follow_opened(&self, point: &CommitPoint) -> Vec<Opened> {
        if !self.plan.reopens() {
            return Vec::new();
        }
        let in_memory = point.state.panes.iter();
        let in_memory = in_memory.map(|pane| (pane.stage, pane.start_us));
        let on_disk = point.state.spilled.iter();
        let on_disk = on_disk.map(|pane| (pane.stage, pane.start_us));
        let open = in_memory.chain(on_disk);
        let open = open
            .filter(|(stage, _)| *stage == 0)
            .map(|(_, start)| start);
        let stood = opened::stood(&self.positions, &point.began);
        opened::follow(&self.opened, &stood, &open.collect())
    }

    /// Commits the files of a manifest to their tables; those that have them already are left alone.
    pub(super) async fn commit_files(&mut self, manifest: &Manifest) -> Result<Option<i64>> {
        let mut version = None;
        let info = self.commit_info(manifest);
        for (path, files) in &manifest.files {
            let table = self.tables.by_path(path)?;
            if path != self.tables.table.path() {
                pass("companion.commit")?;
            }
            self.open_sink(&table).await?;
            let Some(sink) = self.sinks.get_mut(path) else {
                continue;
            };
            let txn = Some((manifest.app_id.as_str(), manifest.epoch));
            let mut backoff = Backoff::default();
            let committed = loop {
                match sink.commit(files, txn, &info).await.map_err(storage_error) {
                    Ok(committed) => break committed,
                    Err(error) => backoff.wait_or_give_up(&self.status, error).await?,
                }
            };
            backoff.over(&self.status);
            if path == self.tables.table.path() {
                version = Some(committed.version);
            }
            pass("delta.committed")?;
            retry(&self.status, async || table.refresh_soon().await).await?;
        }
        Ok(version)
    }

    async fn write_files(
        &mut self,
        table: &Arc<TableState>,
        batches: &[(i64, RecordBatch)],
        epoch: i64,
    ) -> Result<Vec<DataFile>> {
        self.open_sink(table).await?;
        let sink = self
            .sinks
            .get(table.path())
            .ok_or_else(|| Error::internal(format!("no sink for {}", table.path())))?;
        let tag = format!("epoch-{epoch}");
        retry(&self.status, async || {
            sink.write_epochs(batches, &tag)
                .await
                .map_err(storage_error)
        })
        .await
    }

    /// Opens a table's sink; a companion's Delta table is made with its first rows.
    pub(super) async fn open_sink(&mut self, table: &Arc<TableState>) -> Result<()> {
        if self.sinks.contains_key(table.path()) {
            return Ok(());
        }
        let (root, properties) = (self.root.clone(), self.properties.clone());
        let sink = retry(&self.status, async || {
            open_or_create(&root, table, &properties).await
        })
        .await?;
        self.sinks.insert(table.path().to_owned(), sink);
        Ok(())
    }

    /// A topic that was deleted and made anew continues silently in the client library: its id tells.
    async fn check_topics(&self, positions: &[SplitPosition]) -> Result<()> {
        for (stream, number) in self.streams.iter().zip(0..) {
            let ids = retry(&self.status, async || {
                stream.source.topic_ids().await.map_err(storage_error)
            })
            .await?;
            for position in of_stream(positions, number) {
                let known = position.topic_id.as_ref();
                let known = known.zip(ids.get(&position.split.topic));
                if known.is_some_and(|(was, is)| was != is) {
                    return Err(topic_made_anew(&self.tables.table.name, &position.split));
                }
            }
        }
        Ok(())
    }

    /// After the commit: outside lag tools, old manifests, old segments. None of it is needed for correctness.
    async fn tidy(&self, manifest: &Manifest) {
        if let Err(error) = pass("tidy.begin") {
            return tracing::warn!("{error}");
        }
        for (stream, number) in self.streams.iter().zip(0..) {
            let positions: Vec<SplitPosition> =
                of_stream(&manifest.positions, number).cloned().collect();
            if let Err(error) = stream.source.advertise(&positions).await {
                tracing::debug!("offsets were not advertised: {error}");
            }
        }
        if self.root.is_remote() && !manifest.number.is_multiple_of(TIDY_EVERY) {
            return;
        }
        let tidied: Result<()> = async {
            self.log.prune(manifest.number, RETAINED).await?;
            pass("tidy.pruned")?;
            let named: std::collections::BTreeSet<String> = self
                .log
                .all()
                .await?
                .into_iter()
                .flat_map(|(_, manifest)| manifest.panes)
                .map(|pane| pane.segment)
                .collect();
            let segments = self
                .root
                .list(&format!("{}/state", self.folder))
                .await
                .map_err(storage_error)?;
            // What lies beyond our number may be of somebody who has followed us: one that slept through a takeover touches none of it.
            let old = segments
                .into_iter()
                .map(|file| format!("state/{file}"))
                .filter(|segment| !named.contains(segment) && is_up_to(segment, manifest.number));
            self.root
                .delete_many(old.map(|segment| format!("{}/{segment}", self.folder)))
                .await
                .map_err(storage_error)
        }
        .await;
        if let Err(error) = tidied {
            tracing::warn!("old checkpoints were not removed: {error}");
        }
    }
}

impl JobTables {
    pub(super) fn by_path(&self, path: &str) -> Result<Arc<TableState>> {
        [&self.table, &self.late, &self.dead]
            .into_iter()
            .find(|table| table.path() == path)
            .cloned()
            .ok_or_else(|| {
                Error::internal(format!(
                    "a manifest names {path}, which is none of the query's tables"
                ))
            })
    }
}

/// The positions in the splits of one stream.
pub(super) fn of_stream(
    positions: &[SplitPosition],
    stream: u16,
) -> impl Iterator<Item = &SplitPosition> {
    let of_stream = move |position: &&SplitPosition| position.split.stream == stream;
    positions.iter().filter(of_stream)
}

/// `topic … was deleted and made anew`.
fn topic_made_anew(query: &QualifiedName, split: &SplitId) -> Error {
    Error::outside(
        SqlState::DataCorrupted,
        format!(
            "topic \"{}\" was deleted and made anew under the same name",
            split.topic
        ),
    )
    .with_detail("What was read since the last commit may come from the new topic; it was thrown away, and nothing of the new topic is committed.")
    .with_hint(lost_rows_hint(query))
}

async fn open_or_create(
    root: &Root,
    table: &TableState,
    properties: &BTreeMap<String, String>,
) -> Result<DeltaSink> {
    if let Some(sink) = table.sink().await? {
        return Ok(sink);
    }
    let spec = sluice_connectors::delta::TableSpec {
        schema: Arc::clone(&table.schema),
        partition_columns: vec![],
        properties: properties.clone(),
        description: None,
        name: Some(table.name.to_string()),
    };
    DeltaSink::create(root, table.path(), &spec, &Map::new())
        .await
        .map_err(storage_error)
}

/// How a query goes on that cannot have the rows it wants any more.
pub(super) fn lost_rows_hint(query: &QualifiedName) -> String {
    format!(
        "RESUME QUERY {query} SKIP LOST goes on with what is there; REBUILD QUERY {query} FROM BEGINNING makes the table again from it."
    )
}

impl Committer {
    /// What a commit says of itself in the Delta log: enough to go on from when the checkpoint folder is lost.
    fn commit_info(&self, manifest: &Manifest) -> Map<String, Value> {
        let companions = manifest.files.iter();
        let companions = companions.filter(|(path, _)| *path != self.tables.table.path());
        // Dead letters that were taken in, or left out under another definition, do not come again with the rows around them.
        let reopens = self.plan.reopens() && !manifest.decoders.matter();
        Said {
            query: manifest.app_id.clone(),
            epoch: manifest.epoch,
            manifest: manifest.number,
            positions: manifest.positions.clone(),
            watermark_us: manifest.watermark_us,
            split_watermarks_us: manifest.split_watermarks_us.clone(),
            reread_from: reopens
                .then(|| opened::reread_from(&manifest.opened, &manifest.positions)),
            now_us: self.clock.now_us(),
            totals: manifest.totals,
            replayed_rows: manifest.decoders.rows,
            companions: companions
                .map(|(path, files)| (path.clone(), files.clone()))
                .collect(),
        }
        .to_map()
    }
}
