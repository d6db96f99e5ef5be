//! Messages whose lengths and places are not what they should be.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Int64Array, ListArray, NullArray, RunArray, StringArray,
        StringViewArray,
    },
    datatypes::Int32Type,
    ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
};
use arrow_flight::{SchemaAsIpc, encode::FlightDataEncoderBuilder};
use tonic::Code;

use super::*;

/// Rows that are no other number of a message.
const ROWS: usize = 12_345;

const CODECS: [Option<CompressionType>; 3] = [
    None,
    Some(CompressionType::ZSTD),
    Some(CompressionType::LZ4_FRAME),
];

fn batch_of(column: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap()
}

fn options(compression: Option<CompressionType>) -> IpcWriteOptions {
    let options = IpcWriteOptions::default();
    options.try_with_compression(compression).unwrap()
}

/// The schema and a batch of one column.
async fn sent(column: ArrayRef, compression: Option<CompressionType>) -> Vec<FlightData> {
    let batch = batch_of(column);
    FlightDataEncoderBuilder::new()
        .with_options(options(compression))
        .with_max_flight_data_size(usize::MAX)
        .build(stream::iter([Ok(batch)]))
        .try_collect()
        .await
        .unwrap()
}

/// The same with a batch in any case: clients send some without rows too.
fn sent_as_it_is(column: ArrayRef, compression: Option<CompressionType>) -> Vec<FlightData> {
    let (batch, options) = (batch_of(column), options(compression));
    let schema = batch.schema();
    let announced = SchemaAsIpc::new(&schema, &options).into();
    let mut dictionaries = DictionaryTracker::new(false);
    let (_, message) = IpcDataGenerator::default()
        .encode(
            &batch,
            &mut dictionaries,
            &options,
            &mut IpcWriteContext::default(),
        )
        .unwrap();
    vec![announced, message.into()]
}

fn numbers() -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(
        (0..ROWS).map(|row| row as i64 % 7),
    ))
}

async fn read(messages: Vec<FlightData>) -> Result<usize, FlightError> {
    let mut messages = messages.into_iter();
    let first = messages.next().unwrap();
    let mut batches = Batches::new(first, stream::iter(messages.map(Ok)));
    let mut rows = 0;
    while let Some(batch) = batches.next().await? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

/// Puts another number wherever one stands; there must be one.
fn replaced(bytes: &[u8], number: i64, other: i64) -> bytes::Bytes {
    let (number, other) = (number.to_le_bytes(), other.to_le_bytes());
    let mut bytes = bytes.to_vec();
    let mut found = false;
    for at in 0..bytes.len().saturating_sub(7) {
        if bytes[at..at + 8] == number {
            bytes[at..at + 8].copy_from_slice(&other);
            found = true;
        }
    }
    assert!(found);
    bytes.into()
}

fn malformed(result: Result<usize, FlightError>, words: &str) {
    match result.unwrap_err() {
        FlightError::DecodeError(text) => assert!(text.contains(words), "{text}"),
        other => panic!("{other}"),
    }
}

fn too_much(result: Result<usize, FlightError>) {
    match result.unwrap_err() {
        FlightError::Tonic(status) => assert_eq!(status.code(), Code::ResourceExhausted),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_is_whole_is_read() {
    for compression in CODECS {
        let messages = sent(numbers(), compression).await;
        assert_eq!(read(messages).await.unwrap(), ROWS);
    }
}

#[tokio::test]
async fn arrays_of_other_layouts_are_read_whole_in_part_and_without_rows() {
    let texts = [Some("longer than a view has room for"), None, Some("")];
    let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
    let runs: RunArray<Int32Type> = texts.into_iter().collect();
    let columns: [ArrayRef; 6] = [
        Arc::new(StringArray::from_iter(texts)),
        Arc::new(StringViewArray::from_iter(texts)),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        Arc::new(NullArray::new(3)),
        Arc::new(runs),
    ];
    for (number, column) in columns.iter().enumerate() {
        // Of no runs Arrow's writer makes one that ends at 0, which its reader refuses.
        let least = usize::from(number == columns.len() - 1);
        for rows in least..=3 {
            for compression in CODECS {
                let part = column.slice(3 - rows, rows);
                let read = read(sent_as_it_is(part, compression)).await;
                assert_eq!(
                    read.unwrap(),
                    rows,
                    "{} {compression:?}",
                    column.data_type()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_buffer_beyond_the_body_is_refused() {
    let mut messages = sent(numbers(), None).await;
    let body = &mut messages.last_mut().unwrap().data_body;
    *body = body.slice(..body.len() / 2);
    malformed(read(messages).await, "outside");
}

#[tokio::test]
async fn a_length_that_is_only_said_is_not_allocated() {
    for codec in [CompressionType::ZSTD, CompressionType::LZ4_FRAME] {
        let mut messages = sent(numbers(), Some(codec)).await;
        let batch = messages.last_mut().unwrap();
        batch.data_body = replaced(&batch.data_body, 8 * ROWS as i64, 1 << 50);
        too_much(read(messages).await);
    }
}

#[tokio::test]
async fn rows_without_bytes_are_bounded() {
    let nulls: ArrayRef = Arc::new(NullArray::new(ROWS));
    for (rows, negative) in [(MAX_ROWS + 1, false), (-1, true)] {
        let mut messages = sent(Arc::clone(&nulls), None).await;
        let batch = messages.last_mut().unwrap();
        batch.data_header = replaced(&batch.data_header, ROWS as i64, rows);
        let result = read(messages).await;
        match negative {
            true => malformed(result, "negative"),
            false => too_much(result),
        }
    }
}

#[tokio::test]
async fn what_the_reader_panics_on_is_an_error_and_the_end() {
    // The schema says a number has 64 bits, which becomes 63: a type that there is not.
    let mut messages = sent(numbers(), None).await;
    let head = messages[0].data_header.to_vec();
    let widths = (0..head.len() - 3).filter(|at| head[*at..at + 4] == 64_i32.to_le_bytes());
    let mut refused = 0;
    for at in widths.collect::<Vec<_>>() {
        let mut changed = head.clone();
        changed[at] = 63;
        messages[0].data_header = changed.into();
        refused += usize::from(read(messages.clone()).await.is_err());
    }
    assert!(refused > 0);
}

#[test]
fn an_lz4_frame_has_at_most_what_its_blocks_may_have() {
    let mut frame = LZ4_FRAME.to_le_bytes().to_vec();
    // Blocks of up to 4 MiB without checksums.
    frame.extend([0x60, 0x70, 0]);
    for _ in 0..100 {
        frame.extend(20_000_u32.to_le_bytes());
        frame.extend([0; 20_000]);
    }
    frame.extend([0; 4]);
    assert_eq!(lz4_most(&frame), Some(100 * (4 << 20)));
    let mut buffer = 8_i64.to_le_bytes().to_vec();
    buffer.extend(frame);
    let bytes = decompressed_bytes(CompressionType::LZ4_FRAME, &buffer);
    too_much(bytes);
    assert_eq!(lz4_most(b"\x02\x21\x4c\x18\0\0\0"), None);
}
