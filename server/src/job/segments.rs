//! The segments of a checkpoint: the state of open panes, written once each and named by manifests for as long as it is true.
//!
//! A segment's name has the writer in it: a server that slept while another took over wakes in the middle of a put, and must not hit the
//! other one's segment of the same epoch. It has the epoch in front, by which a server that tidies knows what cannot be another's.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::RecordBatch,
    buffer::Buffer,
    error::ArrowError,
    ipc::{
        Block,
        convert::fb_to_schema,
        reader::{FileDecoder, read_footer_length},
        root_as_footer,
        writer::FileWriter,
    },
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sluice_connectors::store::Root;
use sluice_planner::{
    ContinuousPlan, StateFile,
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

/// Segments read at the same time: each is in memory as a whole.
const READ_AT_ONCE: usize = 4;

/// Bytes at the end of a file that say how long its footer is.
const TRAILER: usize = 10;

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
        let segments = self.read_segments(manifest).await?;
        for place in &manifest.panes {
            let segment = segments
                .get(place.segment.as_str())
                .ok_or_else(|| Error::internal("a segment was not read"))?;
            match segment {
                Segment::Spilled(file) => {
                    self.segments
                        .spilled
                        .push((Arc::clone(file), place.clone()));
                    state.spilled.push(SpilledState {
                        stage: place.stage,
                        start_us: place.start_us,
                        end_us: place.end_us,
                        file: Arc::clone(file),
                    });
                }
                Segment::Panes(batches) => {
                    let batch = batches.get(place.index).ok_or_else(|| {
                        corrupt_segment(place, "it has fewer batches than its manifest says")
                    })?;
                    self.segments.panes.push((Arc::clone(batch), place.clone()));
                    state.panes.push(PaneState {
                        stage: place.stage,
                        start_us: place.start_us,
                        end_us: place.end_us,
                        state: Arc::clone(batch),
                    });
                }
            }
        }
        Ok(state)
    }

    /// Every segment that a manifest names, some at a time, off the async threads: doors answer meanwhile.
    async fn read_segments(&self, manifest: &Manifest) -> Result<BTreeMap<String, Segment>> {
        let mut places: BTreeMap<String, PaneRef> = BTreeMap::new();
        for place in &manifest.panes {
            if !places.contains_key(&place.segment) {
                places.insert(place.segment.clone(), place.clone());
            }
        }
        let reads: Vec<_> = places
            .into_values()
            .map(|place| {
                let path = format!("{}/{}", self.folder, place.segment);
                read_segment(self.root.clone(), path, self.plan.clone(), place)
            })
            .collect();
        futures::stream::iter(reads)
            .buffer_unordered(READ_AT_ONCE)
            .try_collect()
            .await
    }
}

async fn read_segment(
    root: Root,
    path: String,
    plan: ContinuousPlan,
    place: PaneRef,
) -> Result<(String, Segment)> {
    let bytes = root
        .read(&path)
        .await
        .map_err(storage_error)?
        .ok_or_else(|| corrupt_segment(&place, "the file is gone"))?;
    let segment = place.segment.clone();
    let read = tokio::task::spawn_blocking(move || decode(&plan, &place, bytes));
    let read = read
        .await
        .map_err(|error| Error::internal(format!("reading state: {error}")))??;
    Ok((segment, read))
}

/// A segment that was read.
enum Segment {
    Panes(Vec<Arc<RecordBatch>>),
    Spilled(Arc<StateFile>),
}

fn decode(plan: &ContinuousPlan, place: &PaneRef, bytes: Bytes) -> Result<Segment> {
    if crc32fast::hash(&bytes) != place.crc32 {
        return Err(corrupt_segment(place, "its checksum does not hold"));
    }
    if place.spilled {
        return Ok(Segment::Spilled(
            plan.state_file(&bytes).map_err(plan_error)?,
        ));
    }
    let batches = decode_panes(bytes);
    let batches = batches.map_err(|error| corrupt_segment(place, &error.to_string()))?;
    Ok(Segment::Panes(batches))
}

/// The batches of a segment. One alone lies where the file was read to; of several each gets memory of its own, so that what one pane
/// holds on to is not what all of them took.
fn decode_panes(bytes: Bytes) -> std::result::Result<Vec<Arc<RecordBatch>>, ArrowError> {
    let torn = || ArrowError::IpcError("the file does not end as it should".into());
    let trailer = bytes.len().checked_sub(TRAILER).ok_or_else(torn)?;
    let end = bytes.get(trailer..).and_then(|end| end.try_into().ok());
    let length = read_footer_length(end.ok_or_else(torn)?)?;
    let start = trailer.checked_sub(length).ok_or_else(torn)?;
    // Read where it may lie, in memory of its own.
    let footer = bytes.slice(start..trailer).to_vec();
    let footer = root_as_footer(&footer)
        .map_err(|error| ArrowError::IpcError(format!("the footer cannot be read: {error}")))?;
    let schema = footer.schema().ok_or_else(torn)?;
    let mut decoder = FileDecoder::new(Arc::new(fb_to_schema(schema)), footer.version());
    let whole = Buffer::from(bytes.clone());
    let block_of = |block: &Block| {
        let start = usize::try_from(block.offset()).ok()?;
        let metadata = usize::try_from(block.metaDataLength()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let length = metadata.checked_add(body)?;
        let inside = start.checked_add(length)? <= whole.len();
        inside.then(|| whole.slice_with_length(start, length))
    };
    for block in footer.dictionaries().iter().flatten() {
        let data = block_of(block).ok_or_else(torn)?;
        decoder.read_dictionary(block, &data)?;
    }
    let blocks = footer.recordBatches().ok_or_else(torn)?;
    let alone = blocks.len() == 1;
    let mut batches = Vec::with_capacity(blocks.len());
    for block in blocks {
        let mut data = block_of(block).ok_or_else(torn)?;
        if !alone {
            data = Buffer::from(data.as_slice());
        }
        let batch = decoder.read_record_batch(block, &data)?;
        batches.push(Arc::new(batch.ok_or_else(torn)?));
    }
    Ok(batches)
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
