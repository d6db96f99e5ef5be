//! The rows of a SCROLL cursor: kept as far as they were read, and counted against the memory of ad-hoc queries.

use datafusion::execution::{
    SendableRecordBatchStream,
    memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::steps::{Given, reach, scroll};
use crate::{
    doors::pg::{
        cancel::Running,
        columns::Column,
        command::Direction,
        encode::{Encoder, Page, Style},
        failure::Trouble,
        wire::Wire,
    },
    execute::engine_error,
};

/// A cursor's rows.
pub(in crate::doors::pg) struct Kept {
    encoder: Encoder,
    /// What is still to come.
    stream: Option<SendableRecordBatchStream>,
    batches: Vec<RecordBatch>,
    /// Of each batch, how many rows there are up to its end.
    ends: Vec<u64>,
    /// The batch that was sent from last, and how it is sent.
    page: Option<(usize, Page)>,
    held: MemoryReservation,
    at: u64,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({} rows, at {})", self.rows(), self.at)
    }
}

impl Kept {
    pub(super) fn new(
        name: &str,
        stream: SendableRecordBatchStream,
        style: Style,
        pool: &Arc<dyn MemoryPool>,
    ) -> Self {
        Self {
            encoder: Encoder::new(&stream.schema(), &[], style),
            stream: Some(stream),
            batches: Vec::new(),
            ends: Vec::new(),
            page: None,
            held: MemoryConsumer::new(format!("rows of cursor {name}")).register(pool),
            at: 0,
        }
    }

    pub(in crate::doors::pg) fn columns(&self) -> &[Column] {
        self.encoder.columns()
    }

    fn rows(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Goes somewhere and sends the rows, or only counts them; how many.
    pub(in crate::doors::pg) async fn go<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut Wire<S>,
        running: &Running,
        direction: Direction,
        formats: &[i16],
        silent: bool,
    ) -> Result<u64, Trouble> {
        self.read(wire, running, reach(direction, self.at)).await?;
        let given = scroll(direction, self.at, self.rows());
        if !silent {
            self.encoder.set_formats(formats);
            self.send(wire, running, given).await?;
        }
        self.at = given.at;
        Ok(given.count)
    }

    /// Reads until there are so many rows, or no more to come.
    async fn read<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut Wire<S>,
        running: &Running,
        rows: u64,
    ) -> Result<(), Trouble> {
        while self.rows() < rows
            && let Some(stream) = &mut self.stream
        {
            let Some(batch) = running.wait(wire, stream.next()).await? else {
                self.stream = None;
                return Ok(());
            };
            let batch = batch?;
            self.held
                .try_grow(batch.get_array_memory_size())
                .map_err(engine_error)?;
            self.ends.push(self.rows() + batch.num_rows() as u64);
            self.batches.push(batch);
        }
        Ok(())
    }

    async fn send<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut Wire<S>,
        running: &Running,
        given: Given,
    ) -> Result<(), Trouble> {
        for i in 0..given.count {
            let row = match given.back {
                true => given.first.saturating_sub(i),
                false => given.first.saturating_add(i),
            };
            let batch = self.ends.partition_point(|end| *end < row);
            let before = match batch.checked_sub(1) {
                Some(before) => self.ends.get(before).copied().unwrap_or(0),
                None => 0,
            };
            let (Some(rows), Some(place)) = (
                self.batches.get(batch),
                row.checked_sub(before + 1)
                    .and_then(|place| usize::try_from(place).ok()),
            ) else {
                break;
            };
            if self.page.as_ref().is_none_or(|(at, _)| *at != batch) {
                self.page = Some((batch, self.encoder.page(rows)?));
            }
            if let Some((_, page)) = &mut self.page {
                page.go_to(place);
                self.encoder.row(page, wire.out())?;
            }
            if wire.is_full() {
                running.race(wire.flush()).await??;
            }
        }
        Ok(())
    }
}
