//! Record batches as they lie in a broker's answer (format 2, the only one since Kafka 0.11), read in place.
//!
//! What comes in is outside data: every length is checked against what is there, and a batch's CRC-32C before its records are believed.
//! Offsets need not follow one another: compaction and transactions leave gaps, so a batch says itself where it ends.

use crate::kafka::lane::Message;

/// Bytes before a batch's records.
const HEADER: usize = 61;
/// Bytes before those that a batch's length counts.
const PREFIX: usize = 12;
/// Where the format's number stands, in this format and in the older ones.
const MAGIC: usize = 16;
/// Where the bytes begin that the checksum is of.
const CHECKED: usize = 21;

/// Why bytes are not record batches that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Unreadable {
    /// Messages in a format from before Kafka 0.11, which only librdkafka reads here.
    OldFormat(u8),
    /// Bytes that no broker should send.
    Corrupt(String),
}

/// The whole batches in a partition's part of an answer; one that is cut off at the end is left for the next answer.
#[derive(Clone, Debug)]
pub(super) struct Batches<'a> {
    rest: &'a [u8],
}

/// A batch: what its header says, and its records, which may be compressed.
#[derive(Clone, Copy, Debug)]
pub(in crate::kafka) struct Batch<'a> {
    pub(super) base_offset: i64,
    /// Offset of the last record that was written, even if it is no longer there.
    pub(in crate::kafka) last_offset: i64,
    pub(in crate::kafka) leader_epoch: i32,
    pub(super) producer_id: i64,
    attributes: u16,
    base_timestamp: i64,
    max_timestamp: i64,
    count: u32,
    crc: u32,
    checked: &'a [u8],
    /// The records, compressed as [`Self::codec`] says.
    pub(super) body: &'a [u8],
}

impl<'a> Batches<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn read(&mut self) -> Result<Option<Batch<'a>>, Unreadable> {
        let Some(header) = self.rest.get(..HEADER) else {
            return Ok(None);
        };
        let magic = byte(header, MAGIC);
        if magic != 2 {
            return Err(match magic {
                0 | 1 => Unreadable::OldFormat(magic),
                _ => Unreadable::Corrupt(format!("a record batch of the unknown format {magic}")),
            });
        }
        let base_offset = i64_at(header, 0);
        let length = usize::try_from(i32_at(header, 8)).unwrap_or(0);
        if length < HEADER - PREFIX {
            return Err(Unreadable::Corrupt(format!(
                "the record batch at offset {base_offset} has the impossible length {}",
                i32_at(header, 8)
            )));
        }
        let Some((whole, rest)) = self.rest.split_at_checked(PREFIX + length) else {
            return Ok(None);
        };
        self.rest = rest;
        let delta = i32_at(header, 23);
        let last_offset = base_offset.checked_add(i64::from(delta));
        let (Some(last_offset), Ok(count), true) = (
            last_offset,
            u32::try_from(i32_at(header, 57)),
            delta >= 0 && base_offset >= 0,
        ) else {
            return Err(Unreadable::Corrupt(format!(
                "the record batch at offset {base_offset} has an impossible header"
            )));
        };
        Ok(Some(Batch {
            base_offset,
            last_offset,
            leader_epoch: i32_at(header, 12),
            producer_id: i64_at(header, 43),
            attributes: u16::from_be_bytes(array(header, 21)),
            base_timestamp: i64_at(header, 27),
            max_timestamp: i64_at(header, 35),
            count,
            crc: u32::from_be_bytes(array(header, 17)),
            checked: whole.get(CHECKED..).unwrap_or_default(),
            body: whole.get(HEADER..).unwrap_or_default(),
        }))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl Batch<'_> {
    /// How the records are compressed, by Kafka's number.
    pub(super) fn codec(&self) -> u16 {
        self.attributes & 0x7
    }

    /// Whether this marks the end of a transaction, and holds no messages.
    pub(super) fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// Whether the bytes are those that were written.
    pub(super) fn check(&self) -> Result<(), Unreadable> {
        let is = crc32c::crc32c(self.checked);
        if is == self.crc {
            return Ok(());
        }
        Err(Unreadable::Corrupt(format!(
            "the checksum of the record batch at offset {} is {is:08x}, and it says {:08x}",
            self.base_offset, self.crc
        )))
    }

    /// Whether this is the marker of an aborted transaction; markers are never compressed.
    pub(super) fn aborts(&self) -> bool {
        let mut records = self.records(self.body);
        let key = self.is_control().then(|| records.next()).flatten();
        // the key is a version and then the kind of marker, two bytes each
        matches!(
            key,
            Some(Ok(Record {
                key: Some([_, _, 0, 0, ..]),
                ..
            }))
        )
    }

    /// The records, from a body that is no longer compressed.
    pub(in crate::kafka) fn records<'r>(&self, body: &'r [u8]) -> Records<'r> {
        Records {
            cursor: Cursor { rest: body },
            left: self.count,
            base_offset: self.base_offset,
            last_offset: self.last_offset,
            base_timestamp: self.base_timestamp,
            appended: (self.attributes & 0x8 != 0).then_some(self.max_timestamp),
        }
    }
}

/// The records of one batch.
#[derive(Debug)]
pub(in crate::kafka) struct Records<'a> {
    cursor: Cursor<'a>,
    left: u32,
    base_offset: i64,
    last_offset: i64,
    base_timestamp: i64,
    /// When the broker appended the batch, where the topic keeps that time and not the producer's.
    appended: Option<i64>,
}

/// One message in the answer's memory.
#[derive(Clone, Copy, Debug)]
pub(in crate::kafka) struct Record<'a> {
    offset: i64,
    timestamp_ms: i64,
    key: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
    headers: &'a [u8],
    header_count: u32,
}

impl<'a> Records<'a> {
    #[inline]
    fn read(&mut self) -> Option<Record<'a>> {
        let length = usize::try_from(self.cursor.varint()?).ok()?;
        let mut record = Cursor {
            rest: self.cursor.take(length)?,
        };
        record.take(1)?;
        let timestamp = self.base_timestamp.checked_add(record.varint()?)?;
        let offset = self.base_offset.checked_add(record.varint()?)?;
        let key = record.bytes()?;
        let payload = record.bytes()?;
        let header_count = u32::try_from(record.varint()?).ok()?;
        let within = (self.base_offset..=self.last_offset).contains(&offset);
        within.then_some(Record {
            offset,
            timestamp_ms: self.appended.unwrap_or(timestamp),
            key,
            payload,
            headers: record.rest,
            header_count,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Unreadable>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = self.read().ok_or_else(|| {
            self.left = 0;
            Unreadable::Corrupt(format!(
                "a record of the batch at offset {} is cut off",
                self.base_offset
            ))
        });
        Some(record)
    }
}

impl Message for Record<'_> {
    #[inline]
    fn offset(&self) -> i64 {
        self.offset
    }

    #[inline]
    fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    #[inline]
    fn key(&self) -> Option<&[u8]> {
        self.key
    }

    #[inline]
    fn payload(&self) -> Option<&[u8]> {
        self.payload
    }

    fn headers(&self, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
        let mut cursor = Cursor { rest: self.headers };
        for _ in 0..self.header_count {
            let Some(name) = cursor.bytes() else { return };
            let Some(value) = cursor.bytes() else { return };
            each(name.unwrap_or_default(), value);
        }
    }
}

#[derive(Debug)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Bytes after their length; `Some(None)` where the length says that there are none at all.
    #[inline]
    fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    /// A number in zigzag and groups of seven bits, at most ten of them.
    #[inline]
    fn varint(&mut self) -> Option<i64> {
        let (&first, rest) = self.rest.split_first()?;
        if first < 0x80 {
            self.rest = rest;
            return Some(zigzag(u64::from(first)));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.rest = self.rest.get(index + 1..)?;
                return Some(zigzag(value));
            }
        }
        None
    }
}

#[inline]
fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// The `N` bytes at a place within the header, which has been found to be whole.
fn array<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().unwrap_or([0; N])
}

fn byte(header: &[u8], at: usize) -> u8 {
    u8::from_be_bytes(array(header, at))
}

fn i32_at(header: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array(header, at))
}

fn i64_at(header: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(array(header, at))
}
