//! Rows whose output the tables have, read once more for the windows that were open when it was committed.
//!
//! The watermark is the one of that commit from the first row on. So a row of a window that was closed by then is late, whatever it was
//! the first time, and is not counted again; a row of an open window was never late, because watermarks do not go back. What the clock
//! decided cannot be decided again: rows that went to the dead letters as too far in the future are known by their offsets and left out.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use arrow::{
    array::{Array, AsArray, BooleanArray},
    compute::filter_record_batch,
    datatypes::{DataType, Int32Type, Int64Type},
};
use datafusion::{
    catalog::TableProvider,
    logical_expr::cast,
    prelude::{SessionContext, col},
};
use sluice_connectors::{
    source::{SourceEvent, SplitBatch, SplitId, SplitPosition},
    store::Root,
};
use sluice_planner::api::SplitInput;

use super::{
    super::super::{
        commit::pass,
        journal::SplitSets,
        readers::Readers,
        recovery::{Discard, offsets},
    },
    Running, reader_ended,
};
use crate::{
    error::{Error, Result},
    execute::engine_error,
};

/// Offsets that have a dead letter, by topic and partition.
type DeadOffsets = BTreeMap<(String, i32), BTreeSet<i64>>;

/// Where reading goes on afterwards: at the end of what is read again, and where nothing is, where it began.
pub(super) fn goes_on(from: &[SplitPosition], until: &[SplitPosition]) -> Vec<SplitPosition> {
    let unread = from
        .iter()
        .filter(|position| !until.iter().any(|end| end.split == position.split));
    let ahead = until.iter().map(|end| {
        let start = from.iter().find(|position| position.split == end.split);
        match start {
            Some(start) if start.next_offset > end.next_offset => start.clone(),
            _ => end.clone(),
        }
    });
    ahead.chain(unread.cloned()).collect()
}

impl Running<'_> {
    /// Reads up to where the commit stood, in as many epochs as memory wants, and throws the output away.
    pub(super) async fn reread(&mut self, discard: &Discard) -> Result<()> {
        let positions = self.splits.positions();
        let ends = offsets(&discard.until);
        let started = offsets(&positions);
        let mut open: BTreeMap<SplitId, i64> = ends.clone();
        open.retain(|split, end| started.get(split).is_none_or(|start| start < end));
        let totals = self.totals;
        let epoch = discard.epoch.max(self.epoch + 1);
        let now_us = discard.now_us.max(self.parts.clock.now_us());
        let committed = self.parts.tables.dead.cut().committed;
        let dead = dead_offsets(&self.parts.root, committed).await?;
        let mut batches: BTreeMap<SplitId, VecDeque<SplitBatch>> = BTreeMap::new();
        let mut rows = 0;
        let mut read = 0_u64;
        if !open.is_empty() {
            let mut readers = Readers::start_until(self.parts, &positions, &open)?;
            while !open.is_empty() {
                match readers.next().await.ok_or_else(reader_ended)? {
                    SourceEvent::Batch(batch) => {
                        readers.release(&batch);
                        rows += batch.rows.num_rows() + batch.bad.len();
                        let batch = without(batch, &dead)?;
                        let of_split = batches.entry(batch.split.clone()).or_default();
                        of_split.push_back(batch);
                    }
                    SourceEvent::Finished { split } => {
                        open.remove(&split);
                    }
                    SourceEvent::EndOffset { .. } | SourceEvent::SplitFound { .. } => {}
                    other => self.on_event(other)?,
                }
                if rows >= self.parts.options.epoch_rows {
                    read += rows as u64;
                    rows = 0;
                    self.reread_epoch(epoch, now_us, std::mem::take(&mut batches), &ends)
                        .await?;
                }
            }
        }
        read += rows as u64;
        self.reread_epoch(epoch, now_us, batches, &ends).await?;
        for end in &discard.until {
            let behind = self.splits.iter().find(|(split, _)| **split == end.split);
            if behind.is_none_or(|(_, state)| state.position.next_offset < end.next_offset) {
                let now = std::time::Instant::now();
                self.splits.found(end.clone(), end.next_offset, now);
                self.splits
                    .advanced(&end.split, end.next_offset, end.leader_epoch, now, now_us);
            }
        }
        // What they say counts these rows already.
        self.totals = totals;
        self.parts.events.info(
            &self.parts.name,
            format!(
                "{read} messages read again for the windows that were open at epoch {}",
                discard.epoch
            ),
        );
        Ok(())
    }

    async fn reread_epoch(
        &mut self,
        epoch: i64,
        now_us: i64,
        batches: BTreeMap<SplitId, VecDeque<SplitBatch>>,
        ends: &BTreeMap<SplitId, i64>,
    ) -> Result<()> {
        pass("reread.epoch")?;
        let inputs = batches.into_iter().map(|(split, batches)| SplitInput {
            split,
            batches: batches.into(),
        });
        let mut known = self.splits.known();
        known.extend(ends.keys().cloned());
        let sets = SplitSets {
            known,
            ..SplitSets::default()
        };
        self.run_epoch(epoch, now_us, inputs.collect(), sets)
            .await?;
        self.throw_away();
        Ok(())
    }
}

/// Where the query's dead letters come from.
async fn dead_offsets(root: &Root, table: Option<Arc<dyn TableProvider>>) -> Result<DeadOffsets> {
    let mut dead = DeadOffsets::new();
    let Some(table) = table else {
        return Ok(dead);
    };
    let context = SessionContext::new();
    context.register_object_store(&root.url, Arc::clone(&root.base));
    let batches = context
        .read_table(table)
        .and_then(|rows| {
            rows.select(vec![
                cast(col("_topic"), DataType::Utf8),
                cast(col("_partition"), DataType::Int32),
                cast(col("_offset"), DataType::Int64),
            ])
        })
        .map_err(engine_error)?
        .collect()
        .await
        .map_err(engine_error)?;
    for batch in &batches {
        let columns = (
            batch.column(0).as_string_opt::<i32>(),
            batch.column(1).as_primitive_opt::<Int32Type>(),
            batch.column(2).as_primitive_opt::<Int64Type>(),
        );
        let (Some(topics), Some(partitions), Some(offsets)) = columns else {
            return Err(Error::internal("dead letters without a place"));
        };
        // Results that could not be told have no place in the stream.
        for row in (0..batch.num_rows()).filter(|row| topics.is_valid(*row)) {
            let split = (topics.value(row).to_owned(), partitions.value(row));
            dead.entry(split).or_default().insert(offsets.value(row));
        }
    }
    Ok(dead)
}

/// A batch without the rows that have a dead letter.
fn without(mut batch: SplitBatch, dead: &DeadOffsets) -> Result<SplitBatch> {
    let key = (batch.split.topic.clone(), batch.split.partition);
    let Some(dead) = dead.get(&key) else {
        return Ok(batch);
    };
    let keep: Vec<bool> = batch
        .offsets
        .iter()
        .map(|offset| !dead.contains(offset))
        .collect();
    if keep.iter().all(|keep| *keep) {
        return Ok(batch);
    }
    let kept = |of_rows: &[i64]| {
        let rows = of_rows.iter().zip(&keep);
        rows.filter(|(_, keep)| **keep)
            .map(|(of_row, _)| *of_row)
            .collect()
    };
    batch.offsets = kept(&batch.offsets);
    batch.timestamps_ms = kept(&batch.timestamps_ms);
    batch.rows = filter_record_batch(&batch.rows, &BooleanArray::from(keep))
        .map_err(|error| Error::internal(format!("leaving dead letters out: {error}")))?;
    Ok(batch)
}
