//! Record batches of a client's, looked over before Arrow's reader has them.
//!
//! Hard here: that reader believes what it reads. It allocates what a compressed buffer says of its length, which may end the process; it takes any
//! number for a count of rows, which later steps allocate by; and it panics where a buffer lies outside of its message or a type is none. So
//! places, lengths and counts are looked at first, and what it panics on all the same is an error of the call.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    ipc::{CompressionType, RecordBatch as Header, root_as_message},
};
use arrow_flight::{FlightData, decode::FlightRecordBatchStream, error::FlightError};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use tonic::Status;

use super::MAX_MESSAGE_BYTES;
use crate::error::{Error, SqlState};

#[cfg(test)]
mod tests;

/// Bytes of a message's buffers once they are decompressed, and of all dictionaries that are held.
const MAX_BYTES: usize = 4 * MAX_MESSAGE_BYTES;
/// Rows of a message, and elements of the lists in it: one a byte. Nulls need no bytes at all.
const MAX_ROWS: i64 = MAX_MESSAGE_BYTES as i64;
/// What an LZ4 frame begins with.
const LZ4_FRAME: u32 = 0x184d_2204;
/// What a byte of LZ4 stands for at most.
const LZ4_MOST: usize = 255;

/// The batches behind the first message of a DoPut.
pub(super) struct Batches {
    read: FlightRecordBatchStream,
    broken: bool,
}

impl Batches {
    /// The first message carries the command, and may carry the schema.
    pub(super) fn new(
        first: FlightData,
        rest: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    ) -> Self {
        let head = (!first.data_header.is_empty()).then_some(Ok(first));
        let mut dictionaries = Dictionaries::default();
        let messages = stream::iter(head).chain(rest);
        let messages = messages.map(move |message| -> Result<FlightData, FlightError> {
            let message = message?;
            look_over(&message, &mut dictionaries)?;
            Ok(message)
        });
        Self {
            read: FlightRecordBatchStream::new_from_flight_data(messages),
            broken: false,
        }
    }

    /// Their columns, once the schema has come.
    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        self.read.schema()
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, FlightError> {
        if self.broken {
            return Ok(None);
        }
        let next = AssertUnwindSafe(self.read.try_next()).catch_unwind().await;
        next.unwrap_or_else(|_| {
            self.broken = true;
            Err(malformed("a message is not one of Arrow's"))
        })
    }
}

/// Bytes of the dictionaries that the reader holds, by their number.
#[derive(Default)]
struct Dictionaries(HashMap<i64, usize>);

/// Refuses a message that would have the reader panic or allocate without bound; what is wrong with it otherwise the reader says.
fn look_over(message: &FlightData, dictionaries: &mut Dictionaries) -> Result<(), FlightError> {
    let Ok(read) = root_as_message(&message.data_header) else {
        return Ok(());
    };
    if let Some(batch) = read.header_as_record_batch() {
        decoded_bytes(&batch, &message.data_body)?;
    }
    if let Some(dictionary) = read.header_as_dictionary_batch()
        && let Some(batch) = dictionary.data()
    {
        let bytes = decoded_bytes(&batch, &message.data_body)?;
        let Dictionaries(held) = dictionaries;
        let before = held.entry(dictionary.id()).or_default();
        *before = match dictionary.isDelta() {
            true => before.saturating_add(bytes),
            false => bytes,
        };
        if held.values().sum::<usize>() > MAX_BYTES {
            return Err(too_large());
        }
    }
    Ok(())
}

/// Bytes of a batch's buffers as the reader will have them.
fn decoded_bytes(batch: &Header<'_>, body: &[u8]) -> Result<usize, FlightError> {
    check_count(batch.length())?;
    for node in batch.nodes().into_iter().flatten() {
        check_count(node.length())?;
        check_count(node.null_count())?;
    }
    for count in batch.variadicBufferCounts().into_iter().flatten() {
        check_count(count)?;
    }
    let mut all: usize = 0;
    for buffer in batch.buffers().into_iter().flatten() {
        let part = part(body, buffer.offset(), buffer.length())
            .ok_or_else(|| malformed("a buffer lies outside of its message"))?;
        let bytes = match batch.compression() {
            Some(compression) => decompressed_bytes(compression.codec(), part)?,
            None => part.len(),
        };
        all = all.saturating_add(bytes);
        if all > MAX_BYTES {
            return Err(too_large());
        }
    }
    Ok(all)
}

fn check_count(count: i64) -> Result<(), FlightError> {
    if count < 0 {
        return Err(malformed("a count is negative"));
    }
    if count > MAX_ROWS {
        let message = format!("a message has more than {MAX_ROWS} rows or elements of lists");
        return Err(too_much(message));
    }
    Ok(())
}

fn part(body: &[u8], offset: i64, length: i64) -> Option<&[u8]> {
    let offset = usize::try_from(offset).ok()?;
    let length = usize::try_from(length).ok()?;
    body.get(offset..offset.checked_add(length)?)
}

/// What a compressed buffer says of its length, which stands before it; refuses one that could become larger than is borne.
fn decompressed_bytes(codec: CompressionType, part: &[u8]) -> Result<usize, FlightError> {
    let Some((length, data)) = part.split_first_chunk::<8>() else {
        return Ok(part.len());
    };
    let length = match i64::from_le_bytes(*length) {
        // It is not compressed.
        -1 => return Ok(data.len()),
        0 => return Ok(0),
        length => usize::try_from(length).map_err(|_| malformed("a length is negative"))?,
    };
    // Its reader goes on to the end, whatever was said.
    if codec == CompressionType::LZ4_FRAME {
        let most = lz4_most(data).ok_or_else(|| malformed("a buffer is no LZ4 frame"))?;
        if most > MAX_BYTES {
            return Err(too_large());
        }
    }
    Ok(length)
}

/// Bytes that an LZ4 frame has at most once it is decompressed: its blocks are of up to the size that its head names.
fn lz4_most(data: &[u8]) -> Option<usize> {
    let (magic, rest) = data.split_first_chunk::<4>()?;
    let (flags, size) = (*rest.first()?, *rest.get(1)?);
    if u32::from_le_bytes(*magic) != LZ4_FRAME {
        return None;
    }
    let bit = |at: u8| usize::from((flags >> at) & 1);
    let block = 1_usize << (8 + 2 * ((size >> 4) & 7));
    // The length of what is compressed, and the number of a dictionary, where the flags say so.
    let head = 3 + 8 * bit(3) + 4 * bit(0);
    let mut rest = rest.get(head..)?;
    let mut most: usize = 0;
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size);
        if size == 0 {
            break;
        }
        let bytes = (size & 0x7fff_ffff) as usize;
        most = most.saturating_add(block.min(bytes.saturating_mul(LZ4_MOST)));
        let checksum = 4 * bit(4);
        rest = after.get(bytes + checksum..).unwrap_or_default();
    }
    Some(most)
}

fn malformed(what: &str) -> FlightError {
    FlightError::DecodeError(what.to_owned())
}

fn too_large() -> FlightError {
    let mib = MAX_BYTES >> 20;
    too_much(format!(
        "the buffers of a message, or its dictionaries, have more than {mib} MiB when decompressed"
    ))
}

fn too_much(message: String) -> FlightError {
    let error = Error::user(SqlState::ProgramLimitExceeded, message);
    let error = error.with_hint("Send the rows in smaller batches.");
    FlightError::from(Status::from(error))
}
