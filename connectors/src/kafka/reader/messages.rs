//! What came in, message by message, into its lanes.

use super::{End, Reader};
use crate::kafka::{
    direct::{Fetched, Incoming, Records, Unreadable},
    failure,
    lane::{Lane, Message, Pushed},
    queue::MessageRef,
};

impl Reader {
    /// Messages of librdkafka's, and errors in place of messages.
    pub(super) fn take_messages<'m>(
        &mut self,
        messages: impl Iterator<Item = MessageRef<'m>>,
    ) -> Result<(), End> {
        let mut last: Option<MessageRef<'_>> = None;
        for message in messages {
            if let Some(error) = message.error() {
                self.partition_says(message.partition(), message.offset(), &error)?;
                continue;
            }
            if let Some(before) = &last
                && before.partition() != message.partition()
            {
                self.note_epoch(before);
            }
            if self.take(message.partition(), &message)? == Pushed::Full {
                self.note_epoch(&message);
                self.flush(message.partition())?;
            }
            last = Some(message);
        }
        if let Some(last) = &last {
            self.note_epoch(last);
            self.recovered()?;
        }
        Ok(())
    }

    /// What came from a broker's thread, and whether nothing follows soon.
    pub(super) fn take_answers(&mut self, incoming: Incoming) -> Result<bool, End> {
        match incoming {
            Incoming::Wake => Ok(false),
            Incoming::Trouble(error) => self.trouble(error).map(|()| false),
            Incoming::Over => self.recovered().map(|()| false),
            Incoming::Fetched { parts, all } => {
                for Fetched { partition, outcome } in parts {
                    match outcome {
                        Ok(records) => self.take_records(partition, &records)?,
                        Err(error) => self.partition_says(partition, -1, &error)?,
                    }
                }
                Ok(all)
            }
        }
    }

    /// A partition's part of an answer: its batches one after another, and its end once it is reached.
    fn take_records(&mut self, partition: i32, records: &Records) -> Result<(), End> {
        let mut memory = std::mem::take(&mut self.memory);
        for batch in records.batches() {
            let (batch, hidden) = batch.map_err(|error| self.unreadable(partition, error))?;
            let Some(lane) = self.lane(partition) else {
                return Ok(());
            };
            if !lane.wants(batch.last_offset) {
                continue;
            }
            lane.note_epoch((batch.leader_epoch >= 0).then_some(batch.leader_epoch));
            if !hidden {
                let body = memory.body(&batch);
                let body = body.map_err(|error| self.unreadable(partition, error))?;
                for record in batch.records(body) {
                    let record = record.map_err(|error| self.unreadable(partition, error))?;
                    if self.take(partition, &record)? == Pushed::Full {
                        self.flush(partition)?;
                    }
                }
            }
            if let Some(lane) = self.lane(partition) {
                lane.advance(batch.last_offset + 1);
            }
            self.finish_if_reached(partition)?;
        }
        self.memory = memory;
        self.recovered()?;
        let reached = |lane: &mut Lane| lane.position() >= records.end_offset;
        if self.lane(partition).is_some_and(reached) {
            self.at_end(partition, records.end_offset)?;
        }
        Ok(())
    }

    fn unreadable(&self, partition: i32, error: Unreadable) -> End {
        End::Failed(match error {
            Unreadable::Corrupt(reason) => failure::corrupt(&self.options, partition, &reason),
            Unreadable::OldFormat(format) => failure::old_format(&self.options, partition, format),
        })
    }

    fn note_epoch(&mut self, message: &MessageRef<'_>) {
        if let Some(lane) = self.lane(message.partition())
            && message.offset() < lane.position()
        {
            lane.note_epoch(message.leader_epoch());
        }
    }

    #[inline]
    fn take(&mut self, partition: i32, message: &impl Message) -> Result<Pushed, End> {
        let limit = self.limit;
        let Some(lane) = self.lane(partition) else {
            return Ok(Pushed::Ignored);
        };
        let pushed = lane.push(message, limit);
        if pushed == Pushed::Ignored {
            self.finish_if_reached(partition)?;
        }
        Ok(pushed)
    }
}
