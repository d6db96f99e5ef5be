//! Record batches as another library writes them, and bytes that nobody should send.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::Write as _;

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    indexmap::IndexMap,
    protocol::StrBytes,
    records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};
use proptest::prelude::*;

use super::{
    Records,
    batches::{Batches, Unreadable},
    records::Decompressed,
    uuid_of,
};
use crate::kafka::lane::Message as _;

/// A message as its fields: offset, timestamp, key, payload, headers.
type Told = (
    i64,
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(String, Option<Vec<u8>>)>,
);

const PLAIN: i64 = -1;

fn record(offset: i64, payload: &str) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 3,
        producer_id: PLAIN,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).unwrap(),
        timestamp: 1000 + offset,
        key: None,
        value: Some(Bytes::copy_from_slice(payload.as_bytes())),
        headers: IndexMap::new(),
    }
}

/// One record of a transaction, or with `commit` its marker.
fn of_producer(producer: i64, offset: i64, marker: Option<bool>) -> Record {
    let mut record = record(offset, &format!("{producer}:{offset}"));
    record.transactional = true;
    record.producer_id = producer;
    record.producer_epoch = 0;
    if let Some(commit) = marker {
        record.control = true;
        record.key = Some(Bytes::copy_from_slice(&[0, 0, 0, u8::from(commit)]));
        record.value = Some(Bytes::from_static(&[0, 0, 0, 0, 0, 0]));
    }
    record
}

fn encoded(records: &[Record]) -> BytesMut {
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    RecordBatchEncoder::encode(&mut bytes, records, &options).unwrap();
    bytes
}

/// The one batch in `bytes` with its body compressed, its length and checksum set right.
fn compressed(bytes: &[u8], codec: u8, body: &[u8]) -> BytesMut {
    let mut batch = BytesMut::from(&bytes[..61]);
    batch.extend_from_slice(body);
    batch[22] |= codec;
    seal(&mut batch);
    batch
}

fn seal(batch: &mut BytesMut) {
    let length = u32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn answer(batches: BytesMut, aborted: &[(i64, i64)]) -> Records {
    Records {
        batches: batches.freeze(),
        aborted: aborted.to_vec(),
        end_offset: 0,
    }
}

/// Everything visible in an answer, as a reader takes it.
fn read(records: &Records) -> Result<Vec<Told>, Unreadable> {
    let mut memory = Decompressed::default();
    let mut told = Vec::new();
    for batch in records.batches() {
        let (batch, hidden) = batch?;
        if hidden {
            continue;
        }
        let body = memory.body(&batch)?;
        for record in batch.records(body) {
            let record = record?;
            let mut headers = Vec::new();
            record.headers(|name, value| {
                let name = String::from_utf8(name.to_vec()).unwrap();
                headers.push((name, value.map(<[u8]>::to_vec)));
            });
            told.push((
                record.offset(),
                record.timestamp_ms(),
                record.key().map(<[u8]>::to_vec),
                record.payload().map(<[u8]>::to_vec),
                headers,
            ));
        }
    }
    Ok(told)
}

fn offsets(records: &Records) -> Vec<i64> {
    read(records).unwrap().iter().map(|told| told.0).collect()
}

prop_compose! {
    fn any_record()(
        timestamp in 0_i64..1 << 50,
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        headers in proptest::collection::btree_map("[a-z]{0,5}", proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80)), 0..4),
    ) -> Record {
        let headers = headers
            .into_iter()
            .map(|(name, value)| (StrBytes::from_string(name), value.map(Bytes::from)));
        Record {
            timestamp,
            key: key.map(Bytes::from),
            value: value.map(Bytes::from),
            headers: headers.collect(),
            ..record(0, "")
        }
    }
}

proptest! {
    /// What the library wrote is read, whatever gaps compaction left.
    #[test]
    fn records_are_read_as_written(
        records in proptest::collection::vec((any_record(), 1_i64..2000), 1..60),
        first in 0_i64..1 << 31,
    ) {
        let mut offset = first;
        let records: Vec<Record> = records
            .into_iter()
            .map(|(record, gap)| {
                offset += gap;
                Record { offset, sequence: (offset - first) as i32, ..record }
            })
            .collect();
        let expected: Vec<Told> = records
            .iter()
            .map(|record| {
                let headers = record.headers.iter().map(|(name, value)| {
                    (name.to_string(), value.as_ref().map(|value| value.to_vec()))
                });
                (
                    record.offset,
                    record.timestamp,
                    record.key.as_ref().map(|key| key.to_vec()),
                    record.value.as_ref().map(|value| value.to_vec()),
                    headers.collect(),
                )
            })
            .collect();
        let bytes = encoded(&records);
        prop_assert_eq!(read(&answer(bytes.clone(), &[])).unwrap(), expected);
        let last = Batches::new(&bytes).map(Result::unwrap).last().unwrap();
        prop_assert_eq!((last.last_offset, last.leader_epoch), (offset, 3));
    }

    /// Any damage is either noticed or hits what nobody reads; nothing panics.
    #[test]
    fn damage_is_noticed(
        place in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
    ) {
        let bytes = encoded(&[record(7, "one"), record(8, "two")]);
        let intact = read(&answer(bytes.clone(), &[])).unwrap();
        let place = place.index(bytes.len());
        let mut damaged = bytes;
        damaged[place] ^= flip;
        match read(&answer(damaged, &[])) {
            Err(_) => {}
            // the checksum begins after base offset, length and leader epoch
            Ok(told) => prop_assert!(
                place < 21 && (told.len() != 2 || told[0].0 != 7 || told == intact),
                "byte {place}: {told:?}"
            ),
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400), codec in 0_u8..8) {
        let mut sealed = BytesMut::from(&encoded(&[record(7, "")])[..61]);
        sealed.extend_from_slice(&bytes);
        sealed[22] |= codec;
        seal(&mut sealed);
        let _ = read(&answer(sealed, &[]));
        let _ = read(&answer(BytesMut::from(&bytes[..]), &[]));
    }
}

#[test]
fn a_batch_that_is_cut_off_waits_for_the_next_answer() {
    let mut bytes = encoded(&[record(0, "a"), record(1, "b")]);
    bytes.extend_from_slice(&encoded(&[record(2, "c")])[..65]);
    assert_eq!(offsets(&answer(bytes.clone(), &[])), [0, 1]);
    bytes.truncate(30);
    assert_eq!(offsets(&answer(bytes, &[])), [0_i64; 0]);
}

#[test]
fn every_compression() {
    let records: Vec<Record> = (0..50).map(|n| record(n, &"same ".repeat(40))).collect();
    let plain = encoded(&records);
    let body = &plain[61..];
    let expected = read(&answer(plain.clone(), &[])).unwrap();

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).unwrap();
    let block = snap::raw::Encoder::new().compress_vec(body).unwrap();
    // Java's stream: a header, then blocks after their lengths
    let mut stream = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for part in body.chunks(1000) {
        let block = snap::raw::Encoder::new().compress_vec(part).unwrap();
        stream.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
        stream.extend_from_slice(&block);
    }
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(body).unwrap();
    for (codec, body) in [
        (1, gzip.finish().unwrap()),
        (2, block),
        (2, stream),
        (3, lz4.finish().unwrap()),
        (4, zstd::encode_all(body, 0).unwrap()),
    ] {
        let batch = compressed(&plain, codec, &body);
        assert_eq!(
            read(&answer(batch, &[])).unwrap(),
            expected,
            "codec {codec}"
        );
        let cut = compressed(&plain, codec, &body[..body.len() / 2]);
        let error = read(&answer(cut, &[])).unwrap_err();
        let Unreadable::Corrupt(reason) = &error else {
            panic!("{error:?}");
        };
        assert!(reason.contains("offset 0"), "{reason}");
    }
    let error = read(&answer(compressed(&plain, 5, body), &[])).unwrap_err();
    assert!(
        format!("{error:?}").contains("unknown compression 5"),
        "{error:?}"
    );
}

#[test]
fn a_claim_of_gigabytes_is_refused() {
    let plain = encoded(&[record(0, "a")]);
    // a snappy block that says it holds 2 GiB
    let batch = compressed(&plain, 2, &[0x80, 0x80, 0x80, 0x80, 0x08, 0]);
    let error = read(&answer(batch, &[])).unwrap_err();
    assert!(format!("{error:?}").contains("more than"), "{error:?}");
}

#[test]
fn damage_that_looks_like_a_marker_does_not_hide_a_batch() {
    let mut bytes = encoded(&[record(0, "a")]);
    bytes[22] |= 0x20;
    let error = read(&answer(bytes, &[])).unwrap_err();
    assert!(matches!(error, Unreadable::Corrupt(_)), "{error:?}");
}

#[test]
fn formats_of_old_and_unknown_ones_are_told_apart() {
    let mut bytes = encoded(&[record(0, "a")]);
    bytes[16] = 1;
    let error = read(&answer(bytes.clone(), &[])).unwrap_err();
    assert_eq!(error, Unreadable::OldFormat(1));
    bytes[16] = 9;
    let error = read(&answer(bytes, &[])).unwrap_err();
    assert!(matches!(error, Unreadable::Corrupt(_)), "{error:?}");
}

#[test]
fn a_topic_that_keeps_append_times_has_those() {
    let mut bytes = encoded(&[record(0, "a"), record(1, "b")]);
    bytes[22] |= 0x8;
    bytes[35..43].copy_from_slice(&77_i64.to_be_bytes());
    seal(&mut bytes);
    let times: Vec<i64> = read(&answer(bytes, &[]))
        .unwrap()
        .iter()
        .map(|told| told.1)
        .collect();
    assert_eq!(times, [77, 77]);
}

#[test]
fn aborted_transactions_are_hidden_up_to_their_markers() {
    // two producers, interleaved: 1 aborts and begins again, 2 commits
    let log = [
        of_producer(1, 0, None),
        of_producer(2, 1, None),
        of_producer(1, 2, None),
        record(3, "plain"),
        of_producer(1, 4, Some(false)),
        of_producer(2, 5, None),
        of_producer(1, 6, None),
        of_producer(2, 7, Some(true)),
        of_producer(1, 8, Some(true)),
    ];
    let mut bytes = BytesMut::new();
    for record in &log {
        bytes.extend_from_slice(&encoded(std::slice::from_ref(record)));
    }
    assert_eq!(offsets(&answer(bytes.clone(), &[(0, 1)])), [1, 3, 5, 6]);
    assert_eq!(offsets(&answer(bytes.clone(), &[])), [0, 1, 2, 3, 5, 6]);
    // both of producer 1, told out of order
    let both = &[(6, 1), (0, 1)];
    let mut aborted_twice = bytes.clone();
    aborted_twice.truncate(bytes.len() - encoded(&log[8..]).len());
    aborted_twice.extend_from_slice(&encoded(&[of_producer(1, 8, Some(false))]));
    assert_eq!(offsets(&answer(aborted_twice, both)), [1, 3, 5]);
}

#[test]
fn topic_ids_in_either_alphabet() {
    let id = uuid_of("_-8AAAAAAAAAAAAAAAAAAQ").unwrap();
    assert_eq!(uuid_of("/+8AAAAAAAAAAAAAAAAAAQ"), Some(id));
    assert_eq!(id.as_bytes()[..3], [0xff, 0xef, 0]);
    assert_eq!(uuid_of("no id"), None);
}
