//! From a partition's part of an answer to messages, in the reader's thread.

use super::{
    Records,
    aborted::Aborted,
    batches::{Batch, Batches, Unreadable},
    codec,
};

/// Memory for records that were compressed, used for one batch after another.
#[derive(Debug, Default)]
pub(in crate::kafka) struct Decompressed(Vec<u8>);

impl Records {
    /// The batches in their order, found to be as they were written, each with whether nobody should see its records.
    pub(in crate::kafka) fn batches(
        &self,
    ) -> impl Iterator<Item = Result<(Batch<'_>, bool), Unreadable>> {
        let mut aborted = Aborted::new(self.aborted.clone());
        Batches::new(&self.batches).map(move |batch| {
            let batch = batch?;
            // before it is asked what it is: damage must not hide a batch
            batch.check()?;
            let hidden = aborted.hides(&batch);
            Ok((batch, hidden))
        })
    }
}

impl Decompressed {
    /// The bytes of a batch's records.
    pub(in crate::kafka) fn body<'a>(
        &'a mut self,
        batch: &Batch<'a>,
    ) -> Result<&'a [u8], Unreadable> {
        if batch.codec() == 0 {
            return Ok(batch.body);
        }
        codec::decompress(batch.codec(), batch.body, &mut self.0).map_err(|reason| {
            Unreadable::Corrupt(format!(
                "the record batch at offset {}: {reason}",
                batch.base_offset
            ))
        })?;
        Ok(&self.0)
    }
}
