//! Batches of partial states, each kept as long as one of its states is of an open session: in memory, or on disk.
//!
//! Where the bytes of a state are changes nothing of which states a session has, and in which order: so nobody can tell from the rows of a
//! query whether its sessions went to disk. A batch on disk also knows which of its rows a checkpoint may name: those that are where they
//! were when they were written, in the order of their session.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt32Array},
    compute::{interleave, take},
};

use super::{columns::times, session::StateRef};
use crate::{
    StateFile,
    error::{PlanError, Result},
};

/// A batch of which fewer rows than one in so many are of open sessions is written anew with the next that goes to disk.
const SPARSE: usize = 2;

/// Where the states of a batch are.
#[derive(Clone)]
enum Place {
    Memory(RecordBatch),
    Disk(OnDisk),
}

/// A batch on disk.
#[derive(Clone)]
pub(super) struct OnDisk {
    pub(super) file: Arc<StateFile>,
    /// Which batch of the file.
    pub(super) index: usize,
    /// Number of its first row.
    pub(super) number: u64,
    /// Times of the first rows of its states, where they are asked for.
    pub(super) firsts: Option<TimestampMicrosecondArray>,
    /// Which rows a checkpoint names.
    pub(super) named: Vec<bool>,
}

impl OnDisk {
    fn bytes(&self) -> usize {
        let firsts = self.firsts.as_ref();
        size_of::<Self>() + self.named.capacity() + firsts.map_or(0, Array::get_array_memory_size)
    }
}

/// A batch, and how many of its rows are of open sessions.
#[derive(Clone)]
struct Batch {
    place: Place,
    rows: usize,
    needed: usize,
    bytes: usize,
}

/// Batches of partial states.
#[derive(Clone, Default)]
pub(super) struct Batches {
    kept: BTreeMap<u64, Batch>,
    next: u64,
    /// Number of the next row that goes to disk.
    pub(super) next_row: u64,
    /// Of all of them.
    needed: usize,
    bytes: usize,
    /// Bytes of states in memory.
    in_memory: usize,
    /// Which rows on disk a checkpoint names, as the last one has it, if that is still true.
    pub(super) named: Option<Arc<StateFile>>,
}

impl Batches {
    /// Keeps a batch, all of whose states are needed; gives its number.
    pub(super) fn add(&mut self, states: RecordBatch) -> u64 {
        let (rows, bytes) = (states.num_rows(), states.get_array_memory_size());
        self.in_memory += bytes;
        self.keep(Place::Memory(states), rows, rows, bytes)
    }

    /// Keeps a batch on disk, whose named states are those that are needed.
    pub(super) fn add_on_disk(&mut self, on_disk: OnDisk) -> u64 {
        let (rows, bytes) = (on_disk.named.len(), on_disk.bytes());
        let needed = on_disk.named.iter().filter(|named| **named).count();
        self.next_row = self.next_row.max(on_disk.number + rows as u64);
        self.named = None;
        self.keep(Place::Disk(on_disk), rows, needed, bytes)
    }

    fn keep(&mut self, place: Place, rows: usize, needed: usize, bytes: usize) -> u64 {
        let number = self.next;
        self.next += 1;
        self.needed += needed;
        self.bytes += bytes;
        let batch = Batch {
            place,
            rows,
            needed,
            bytes,
        };
        self.kept.insert(number, batch);
        number
    }

    /// The number that the next batch will have.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// How many states are needed.
    pub(super) fn len(&self) -> usize {
        self.needed
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of states that are in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.in_memory
    }

    /// Bytes on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        let files = self.files(|_| true);
        files.iter().map(|file| file.bytes()).sum()
    }

    /// Batches on disk, in order.
    pub(super) fn on_disk(&self) -> impl Iterator<Item = &OnDisk> {
        self.kept.values().filter_map(|batch| match &batch.place {
            Place::Disk(on_disk) => Some(on_disk),
            Place::Memory(_) => None,
        })
    }

    /// The files of some batches on disk, in order. Those of one file follow one another.
    pub(super) fn files(&self, wanted: impl Fn(&OnDisk) -> bool) -> Vec<&Arc<StateFile>> {
        let wanted = self.on_disk().filter(|on_disk| wanted(on_disk));
        let mut files: Vec<_> = wanted.map(|on_disk| &on_disk.file).collect();
        files.dedup_by(|one, other| Arc::ptr_eq(one, other));
        files
    }

    /// Time of the first row of a partial state.
    pub(super) fn first(&self, (number, row): StateRef) -> Result<i64> {
        let batch = self.kept.get(&number).ok_or_else(lost)?;
        let firsts = match &batch.place {
            Place::Memory(states) => times(states)?.0,
            Place::Disk(on_disk) => on_disk.firsts.as_ref().ok_or_else(lost)?,
        };
        firsts.values().get(row).copied().ok_or_else(lost)
    }

    /// Whether a checkpoint names a state where it is on disk.
    pub(super) fn is_named(&self, (number, row): StateRef) -> bool {
        match self.kept.get(&number).map(|batch| &batch.place) {
            Some(Place::Disk(on_disk)) => on_disk.named.get(row).copied().unwrap_or_default(),
            _ => false,
        }
    }

    /// Whether it is well where it is: named, and not in a batch that few need.
    pub(super) fn is_settled(&self, state: StateRef) -> bool {
        let batch = self.kept.get(&state.0);
        self.is_named(state) && batch.is_some_and(|batch| batch.needed * SPARSE >= batch.rows)
    }

    /// States are not any more what they were written as, or not in that order: checkpoints have them by themselves.
    pub(super) fn unname(&mut self, states: &[StateRef]) {
        for (number, row) in states {
            if let Some(batch) = self.kept.get_mut(number) {
                Self::unname_row(&mut self.named, batch, *row);
            }
        }
    }

    fn unname_row(last: &mut Option<Arc<StateFile>>, batch: &mut Batch, row: usize) {
        if let Place::Disk(on_disk) = &mut batch.place
            && let Some(named) = on_disk.named.get_mut(row)
            && *named
        {
            *named = false;
            *last = None;
        }
    }

    /// Some columns of these partial states. Of a batch on disk no more than these is in memory when the next is read.
    pub(super) fn gather(
        &self,
        states: &[StateRef],
        columns: Range<usize>,
    ) -> Result<Vec<ArrayRef>> {
        let mut wanted: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (number, row) in states {
            let row = u32::try_from(*row).map_err(|_| lost())?;
            wanted.entry(*number).or_default().push(row);
        }
        let mut sources: Vec<Vec<ArrayRef>> = Vec::with_capacity(wanted.len());
        // By the number of a batch: its place among the sources, and which of its rows comes next, where they were picked.
        let mut places: BTreeMap<u64, (usize, Option<usize>)> = BTreeMap::new();
        for (number, rows) in wanted {
            let batch = self.kept.get(&number).ok_or_else(lost)?;
            let picked = match &batch.place {
                Place::Memory(states) => {
                    let all = states.columns().get(columns.clone()).ok_or_else(lost)?;
                    sources.push(all.to_vec());
                    None
                }
                Place::Disk(on_disk) => {
                    let states = on_disk
                        .file
                        .batch(on_disk.index, columns.clone().collect())?;
                    let rows = UInt32Array::from(rows);
                    let picked = states
                        .columns()
                        .iter()
                        .map(|column| take(column, &rows, None));
                    sources.push(picked.collect::<Result<_, _>>()?);
                    Some(0)
                }
            };
            places.insert(number, (sources.len() - 1, picked));
        }
        let mut indices = Vec::with_capacity(states.len());
        for (number, row) in states {
            let (source, picked) = places.get_mut(number).ok_or_else(lost)?;
            let row = match picked {
                None => *row,
                Some(next) => {
                    *next += 1;
                    *next - 1
                }
            };
            indices.push((*source, row));
        }
        (0..columns.len())
            .map(|column| {
                let sources: Vec<&dyn Array> = sources
                    .iter()
                    .filter_map(|source| source.get(column))
                    .map(AsRef::as_ref)
                    .collect();
                Ok(interleave(&sources, &indices)?)
            })
            .collect()
    }

    /// Lets go of partial states; a batch that nobody needs goes.
    pub(super) fn release(&mut self, states: &[StateRef]) {
        for (number, row) in states {
            let Some(batch) = self.kept.get_mut(number) else {
                continue;
            };
            Self::unname_row(&mut self.named, batch, *row);
            batch.needed = batch.needed.saturating_sub(1);
            self.needed = self.needed.saturating_sub(1);
            if batch.needed == 0 {
                self.bytes = self.bytes.saturating_sub(batch.bytes);
                if let Place::Memory(_) = batch.place {
                    self.in_memory = self.in_memory.saturating_sub(batch.bytes);
                }
                self.kept.remove(number);
            }
        }
    }
}

pub(super) fn lost() -> PlanError {
    PlanError::internal("a session lost its state")
}
