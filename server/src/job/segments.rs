//! The segments of a checkpoint: the state of open panes, written once each and named by manifests for as long as it is true.
//!
//! A segment's name has the writer in it: a server that slept while another took over wakes in the middle of a put, and must not hit the
//! other one's segment of the same epoch. It has the epoch in front, by which a server that tidies knows what cannot be another's.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::RecordBatch,
    ipc::{reader::FileReader, writer::FileWriter},
};
use bytes::Bytes;
use sluice_planner::{
    StateFile,
    api::{PaneState, SpilledState, StateSnapshot},
};

use super::{
    commit::{Committer, pass, retry},
    manifest::{Manifest, PaneRef},
};
use crate::{
    error::{Error, Fault, Result, SqlState},
    execute::plan_error,
    root::storage_error,
};

/// State as the newest manifest has it: what is the same value still is not written again.
#[derive(Debug, Default)]
pub(super) struct Segments {
    panes: Vec<(Arc<RecordBatch>, PaneRef)>,
    spilled: Vec<(Arc<StateFile>, PaneRef)>,
}

impl Committer {
    /// Writes what changed of the state; the rest keeps the place it has.
    pub(super) async fn write_state(
        &mut self,
        state: &StateSnapshot,
        epoch: i64,
    ) -> Result<Vec<PaneRef>> {
        let mut places = self.write_panes(&state.panes, epoch).await?;
        places.extend(self.write_spilled(&state.spilled, epoch).await?);
        Ok(places)
    }

    /// Writes the panes that changed, a segment for each stage.
    async fn write_panes(&mut self, panes: &[PaneState], epoch: i64) -> Result<Vec<PaneRef>> {
        let mut changed: BTreeMap<usize, Vec<&PaneState>> = BTreeMap::new();
        let mut refs: Vec<(Arc<RecordBatch>, PaneRef)> = Vec::new();
        for pane in panes {
            let known = self.segments.panes.iter().find(|(batch, place)| {
                Arc::ptr_eq(batch, &pane.state)
                    && (place.stage, place.start_us) == (pane.stage, pane.start_us)
            });
            let place = match known {
                Some((_, place)) => place.clone(),
                None => {
                    let changed = changed.entry(pane.stage).or_default();
                    changed.push(pane);
                    PaneRef {
                        stage: pane.stage,
                        start_us: pane.start_us,
                        end_us: pane.end_us,
                        segment: segment(self.next_number, pane.stage, epoch),
                        index: changed.len() - 1,
                        crc32: 0,
                        spilled: false,
                    }
                }
            };
            refs.push((Arc::clone(&pane.state), place));
        }
        for (stage, panes) in changed {
            let segment = segment(self.next_number, stage, epoch);
            let bytes = bytes::Bytes::from(encode_panes(&panes)?);
            let crc32 = crc32fast::hash(&bytes);
            for (_, place) in &mut refs {
                if place.segment == segment {
                    place.crc32 = crc32;
                }
            }
            self.put_segment(&segment, bytes).await?;
        }
        let places = refs.iter().map(|(_, place)| place.clone()).collect();
        self.segments.panes = refs;
        Ok(places)
    }

    /// Writes the files of panes on disk that are new, each as a segment of its own.
    async fn write_spilled(&mut self, files: &[SpilledState], epoch: i64) -> Result<Vec<PaneRef>> {
        let mut refs: Vec<(Arc<StateFile>, PaneRef)> = Vec::with_capacity(files.len());
        for (number, spilled) in files.iter().enumerate() {
            let known = self.segments.spilled.iter();
            let known = known.clone().find(|(file, place)| {
                Arc::ptr_eq(file, &spilled.file)
                    && (place.stage, place.start_us) == (spilled.stage, spilled.start_us)
            });
            let place = match known {
                Some((_, place)) => place.clone(),
                None => {
                    let file = Arc::clone(&spilled.file);
                    let read = tokio::task::spawn_blocking(move || file.content()).await;
                    let bytes = read
                        .map_err(|error| Error::internal(format!("reading state: {error}")))?
                        .map_err(plan_error)?;
                    let place = PaneRef {
                        stage: spilled.stage,
                        start_us: spilled.start_us,
                        end_us: spilled.end_us,
                        segment: format!(
                            "state/m{:020}-{epoch}-{}-{number}.arrow",
                            self.next_number, spilled.stage
                        ),
                        index: 0,
                        crc32: crc32fast::hash(&bytes),
                        spilled: true,
                    };
                    self.put_segment(&place.segment, bytes.into()).await?;
                    place
                }
            };
            refs.push((Arc::clone(&spilled.file), place));
        }
        let places = refs.iter().map(|(_, place)| place.clone()).collect();
        self.segments.spilled = refs;
        Ok(places)
    }

    async fn put_segment(&self, segment: &str, bytes: Bytes) -> Result<()> {
        let path = format!("{}/{segment}", self.folder);
        retry(&self.status, async || {
            pass("segment.put")?;
            self.root
                .put(&path, bytes.clone())
                .await
                .map_err(storage_error)
        })
        .await
    }

    /// The state that a manifest names.
    pub(super) async fn read_state(&mut self, manifest: &Manifest) -> Result<StateSnapshot> {
        let mut state = StateSnapshot {
            split_watermarks_us: manifest.split_watermarks_us.iter().cloned().collect(),
            watermark_us: manifest.watermark_us,
            ..StateSnapshot::default()
        };
        let mut segments: BTreeMap<&str, Vec<RecordBatch>> = BTreeMap::new();
        for place in &manifest.panes {
            if place.spilled {
                let bytes = self.read_segment(place).await?;
                let file = self.plan.state_file(&bytes).map_err(plan_error)?;
                self.segments
                    .spilled
                    .push((Arc::clone(&file), place.clone()));
                state.spilled.push(SpilledState {
                    stage: place.stage,
                    start_us: place.start_us,
                    end_us: place.end_us,
                    file,
                });
                continue;
            }
            if !segments.contains_key(place.segment.as_str()) {
                let bytes = self.read_segment(place).await?;
                let batches = FileReader::try_new(std::io::Cursor::new(bytes), None)
                    .and_then(Iterator::collect)
                    .map_err(|error| corrupt_segment(place, &error.to_string()))?;
                segments.insert(&place.segment, batches);
            }
            let batch = segments
                .get(place.segment.as_str())
                .and_then(|batches| batches.get(place.index))
                .cloned()
                .ok_or_else(|| {
                    corrupt_segment(place, "it has fewer batches than its manifest says")
                })?;
            let batch = Arc::new(batch);
            self.segments
                .panes
                .push((Arc::clone(&batch), place.clone()));
            state.panes.push(PaneState {
                stage: place.stage,
                start_us: place.start_us,
                end_us: place.end_us,
                state: batch,
            });
        }
        Ok(state)
    }

    async fn read_segment(&self, place: &PaneRef) -> Result<Bytes> {
        let path = format!("{}/{}", self.folder, place.segment);
        let bytes = self
            .root
            .read(&path)
            .await
            .map_err(storage_error)?
            .ok_or_else(|| corrupt_segment(place, "the file is gone"))?;
        match crc32fast::hash(&bytes) == place.crc32 {
            true => Ok(bytes),
            false => Err(corrupt_segment(place, "its checksum does not hold")),
        }
    }
}

/// Where the panes of a stage go that changed up to an epoch, relative to the query's checkpoint folder.
///
/// The manifest's number is in it: a process that was followed without knowing it writes under a number that is taken, so it never
/// overwrites what its follower has written for the same epoch.
fn segment(number: u64, stage: usize, epoch: i64) -> String {
    format!("state/m{number:020}-{epoch}-{stage}.arrow")
}

/// Whether a segment is of a manifest up to `number`; those of older builds are.
pub(super) fn is_up_to(segment: &str, number: u64) -> bool {
    let of = segment
        .strip_prefix("state/m")
        .and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
    of.is_none_or(|of| of <= number)
}

fn encode_panes(panes: &[&PaneState]) -> Result<Vec<u8>> {
    let failed =
        |error: arrow::error::ArrowError| Error::internal(format!("state segment: {error}"));
    let schema = panes
        .first()
        .map(|pane| pane.state.schema())
        .ok_or_else(|| Error::internal("a state segment without panes"))?;
    let mut writer = FileWriter::try_new(Vec::new(), &schema).map_err(failed)?;
    for pane in panes {
        writer.write(&pane.state).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    writer.into_inner().map_err(failed)
}

fn corrupt_segment(place: &PaneRef, why: &str) -> Error {
    Error::outside(
        SqlState::DataException,
        format!("state segment {} cannot be read: {why}", place.segment),
    )
}

/// Whether an error means that a segment is not what its manifest says, so that the manifest before may do.
pub(super) fn is_corrupt(error: &Error) -> bool {
    (error.fault, error.state) == (Fault::Outside, SqlState::DataException)
}
