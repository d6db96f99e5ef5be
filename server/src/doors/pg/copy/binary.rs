//! COPY's binary format: a signature, then tuples of values with their lengths, then a mark.

use bytes::{Buf, BytesMut};

use super::fields::{Found, LONGEST, Record, too_long};
use crate::doors::pg::failure::Failure;

/// What binary data begin with.
pub(super) const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Tuples of data that come in pieces.
#[derive(Debug)]
pub(super) struct Tuples {
    columns: usize,
    inbox: BytesMut,
    began: bool,
    /// Bytes that the tuple under way needs at least: until they are there, the values that have come are not copied again.
    wanted: usize,
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::error("22P04", message)
}

impl Tuples {
    pub(super) fn new(columns: usize) -> Self {
        Self {
            columns,
            inbox: BytesMut::new(),
            began: false,
            wanted: 0,
        }
    }

    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        if self.inbox.len() > LONGEST {
            return Err(too_long());
        }
        self.inbox.extend_from_slice(data);
        Ok(())
    }

    pub(super) fn next(&mut self, end: bool, record: &mut Record) -> Result<Found, Failure> {
        if !self.began && !self.begin(end)? {
            return Ok(Found::Nothing);
        }
        match self.tuple(record)? {
            Found::Nothing if end && !self.inbox.is_empty() => {
                Err(wrong("unexpected EOF in COPY data"))
            }
            found => Ok(found),
        }
    }

    /// Reads what stands before the tuples; false when it has not come yet.
    fn begin(&mut self, end: bool) -> Result<bool, Failure> {
        let head = SIGNATURE.len() + 8;
        let known = self.inbox.len().min(SIGNATURE.len());
        if self.inbox.get(..known) != SIGNATURE.get(..known) {
            return Err(wrong("COPY file signature not recognized"));
        }
        let Some(mut numbers) = self.inbox.get(SIGNATURE.len()..head) else {
            return match end {
                true => Err(wrong("COPY file signature not recognized")),
                false => Ok(false),
            };
        };
        let (flags, extension) = (numbers.get_u32(), numbers.get_u32() as usize);
        if flags & 0xffff_0000 != 0 {
            return Err(wrong("unrecognized critical flags in COPY file header"));
        }
        if extension > LONGEST {
            return Err(wrong("invalid COPY file header (wrong length)"));
        }
        if self.inbox.len() < head + extension {
            return match end {
                true => Err(wrong("invalid COPY file header (wrong length)")),
                false => Ok(false),
            };
        }
        self.inbox.advance(head + extension);
        self.began = true;
        Ok(true)
    }

    fn tuple(&mut self, record: &mut Record) -> Result<Found, Failure> {
        if self.inbox.len() < self.wanted {
            return Ok(Found::Nothing);
        }
        let mut rest = self.inbox.as_ref();
        let Ok(count) = rest.try_get_i16() else {
            return Ok(Found::Nothing);
        };
        if count == -1 {
            return Ok(Found::End);
        }
        if usize::try_from(count) != Ok(self.columns) {
            return Err(wrong(format!(
                "row field count is {count}, expected {}",
                self.columns
            )));
        }
        for _ in 0..count {
            let Ok(length) = rest.try_get_i32() else {
                return Ok(Found::Nothing);
            };
            if length == -1 {
                record.null_field();
                continue;
            }
            let length = usize::try_from(length).map_err(|_| wrong("invalid field size"))?;
            let Some(value) = rest.get(..length) else {
                self.wanted = self.inbox.len() - rest.len() + length;
                return match length > LONGEST {
                    true => Err(too_long()),
                    false => Ok(Found::Nothing),
                };
            };
            record.buffer().extend_from_slice(value);
            record.end_field();
            rest.advance(length);
        }
        let used = self.inbox.len() - rest.len();
        self.inbox.advance(used);
        self.wanted = 0;
        Ok(Found::Row)
    }
}
