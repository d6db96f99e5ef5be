//! How sessions go to disk: their states in the order in which they close, so that a close reads a few batches that follow one another.
//!
//! All states in memory go at once. Of each group of a session the states on disk stay where they are up to the first that a checkpoint
//! cannot name, or that is in a batch that few need; it and those behind it are written anew. So states of a group that a checkpoint names
//! stand on disk in their order, and come before those that it has by themselves.

use std::{iter::repeat_n, sync::Arc};

use super::{
    Sessions,
    batches::{Batches, OnDisk},
    columns::{set_times, time_column},
    session::StateRef,
};
use crate::{
    error::{PlanError, Result},
    state::{
        long::long,
        spilled::{Scratch, StateWriter, schema},
    },
    streaming::Stage,
};
use arrow::{
    array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt64Array},
    datatypes::SchemaRef,
};

/// States of a batch on disk: what is read for one of them.
const CHUNK_ROWS: usize = if cfg!(test) { 3 } else { 1 << 12 };

/// A batch that was written, without its file.
struct Chunk {
    number: u64,
    rows: usize,
    firsts: Option<TimestampMicrosecondArray>,
}

/// States on their way to disk.
struct Spill<'a> {
    stage: &'a Stage,
    schema: &'a SchemaRef,
    writer: StateWriter<'a>,
    marks_start: bool,
    keeps_firsts: bool,
    /// Those of the next batch.
    states: Vec<StateRef>,
    /// Where sessions begin, and of how many of these states.
    starts: Vec<(i64, usize)>,
    written: Vec<Chunk>,
}

impl Spill<'_> {
    fn write(&mut self, batches: &mut Batches) -> Result<()> {
        let rows = self.states.len();
        if rows == 0 {
            return Ok(());
        }
        let mut columns =
            batches.gather(&self.states, 0..self.stage.state_schema.fields().len())?;
        if self.marks_start {
            for key in &self.stage.keys {
                set_times(&mut columns, key.index, begins(&self.starts));
            }
        }
        let number = batches.next_row;
        batches.next_row += rows as u64;
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(number..batches.next_row));
        columns.push(numbers);
        let states = RecordBatch::try_new(Arc::clone(self.schema), columns)?;
        self.writer.write(0, &states)?;
        let firsts = match self.keeps_firsts {
            // Before the time of the last row, and the number.
            true => Some(time_column(&states, states.num_columns().wrapping_sub(3))?.clone()),
            false => None,
        };
        self.written.push(Chunk {
            number,
            rows,
            firsts,
        });
        batches.release(&self.states);
        self.states.clear();
        self.starts.clear();
        Ok(())
    }
}

/// Where the session of each state begins.
pub(super) fn begins(starts: &[(i64, usize)]) -> impl Iterator<Item = i64> {
    starts
        .iter()
        .flat_map(|(start, states)| repeat_n(*start, *states))
}

impl Sessions {
    /// Puts what is in memory on disk, where it is enough to be worth a file. Gives the bytes that it freed.
    pub(crate) fn shed(&mut self, stage: &Stage, scratch: &Scratch) -> Result<usize> {
        let before = self.bytes();
        if self.batches.in_memory() + self.saved.bytes() <= scratch.pending_bytes {
            return Ok(0);
        }
        let states = self.batches.len();
        long(states, || self.spill(stage, scratch))?;
        Ok(before.saturating_sub(self.bytes()))
    }

    fn spill(&mut self, stage: &Stage, scratch: &Scratch) -> Result<()> {
        self.saved.forget();
        let schema = schema(stage);
        let mut spill = Spill {
            stage,
            schema: &schema,
            writer: StateWriter::new(&scratch.disk, &schema),
            marks_start: self.marks_start(),
            keeps_firsts: self.max_us.is_some(),
            states: Vec::with_capacity(CHUNK_ROWS),
            starts: Vec::new(),
            written: Vec::new(),
        };
        let first = self.batches.next();
        let batches = &mut self.batches;
        self.open.each_in_order(|start, session| {
            for list in session.states.lists_mut() {
                let stay = list.iter().take_while(|state| batches.is_settled(**state));
                let stay = stay.count();
                for state in list.iter_mut().skip(stay) {
                    let place = (first + spill.written.len() as u64, spill.states.len());
                    spill.states.push(std::mem::replace(state, place));
                    spill.starts.push((start, 1));
                    if spill.states.len() == CHUNK_ROWS {
                        spill.write(batches)?;
                    }
                }
            }
            Ok::<(), PlanError>(())
        })?;
        spill.write(batches)?;
        let files = spill.writer.finish()?;
        let places = files
            .iter()
            .flat_map(|file| (0..file.batches()).map(move |index| (file, index)));
        for (chunk, (file, index)) in spill.written.into_iter().zip(places) {
            batches.add_on_disk(OnDisk {
                file: Arc::clone(file),
                index,
                number: chunk.number,
                firsts: chunk.firsts,
                named: vec![true; chunk.rows],
            });
        }
        Ok(())
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.batches.disk_bytes()
    }
}
