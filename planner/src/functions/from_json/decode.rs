//! Messages to rows of a struct, one for one.
//!
//! arrow's JSON decoder works on many messages at once and does not recover from bad ones, nor say which one was bad. So every message is
//! first checked on its own, and only those that are one whole JSON object are decoded together; should the decoder still refuse, each is
//! decoded alone. Which message gives NULL depends on that message and no other.

use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::array::{RecordBatch, StructArray};
use arrow::buffer::NullBuffer;
use arrow::compute::take_record_batch;
use arrow::datatypes::{Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use datafusion::common::Result;
use serde::de::IgnoredAny;

/// Decodes one row per message.
pub(super) fn decode(fields: &Fields, messages: &[Option<&[u8]>]) -> Result<StructArray> {
    let schema: SchemaRef = Arc::new(Schema::new(fields.clone()));
    let objects: Vec<(usize, &[u8])> = messages
        .iter()
        .enumerate()
        .filter_map(|(row, message)| Some((row, message.filter(|m| is_object(m))?)))
        .collect();
    let (rows, batch) = decode_objects(&schema, &objects)?;
    let mut at = vec![None; messages.len()];
    for (from, row) in rows.into_iter().enumerate() {
        at[row] = Some(from as u64);
    }
    let valid = NullBuffer::from_iter(at.iter().map(Option::is_some));
    let spread = if valid.null_count() == 0 {
        batch
    } else {
        take_record_batch(&batch, &UInt64Array::from(at))?
    };
    Ok(StructArray::try_new_with_length(
        fields.clone(),
        spread.columns().to_vec(),
        Some(valid),
        messages.len(),
    )?)
}

/// Whether a message is one JSON object and nothing else.
fn is_object(message: &[u8]) -> bool {
    message.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<IgnoredAny>(message).is_ok()
}

/// The rows that decoded, and what they decoded to.
fn decode_objects(
    schema: &SchemaRef,
    objects: &[(usize, &[u8])],
) -> Result<(Vec<usize>, RecordBatch)> {
    if let Ok(batch) = decode_together(schema, objects.iter().map(|&(_, message)| message))
        && batch.num_rows() == objects.len()
    {
        return Ok((objects.iter().map(|&(row, _)| row).collect(), batch));
    }
    let mut rows = vec![];
    let mut batches = vec![];
    for &(row, message) in objects {
        if let Ok(batch) = decode_together(schema, std::iter::once(message))
            && batch.num_rows() == 1
        {
            rows.push(row);
            batches.push(batch);
        }
    }
    let batch = arrow::compute::concat_batches(schema, &batches)?;
    Ok((rows, batch))
}

fn decode_together<'a>(
    schema: &SchemaRef,
    messages: impl ExactSizeIterator<Item = &'a [u8]>,
) -> Result<RecordBatch, ArrowError> {
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(messages.len().max(1))
        .with_coerce_primitive(true)
        .with_ignore_type_conflicts(true)
        .build_decoder()?;
    for message in messages {
        let mut rest = message;
        while !rest.is_empty() {
            match decoder.decode(rest)? {
                0 => break,
                read => rest = &rest[read..],
            }
        }
    }
    Ok(decoder
        .flush()?
        .unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))))
}
