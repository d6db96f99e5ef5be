//! COPY's text format: a line a row, backslashes before what is special.

use bytes::{Buf, BytesMut};

use super::fields::{Dialect, Found, LONGEST, Record, too_long};
use crate::doors::pg::failure::Failure;

/// Lines of data that come in pieces.
#[derive(Debug)]
pub(super) struct Lines {
    dialect: Dialect,
    inbox: BytesMut,
    /// So far no end of a line was found.
    looked: usize,
}

impl Lines {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            inbox: BytesMut::new(),
            looked: 0,
        }
    }

    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        // All that is left of what came before is the beginning of one record.
        if self.inbox.len() > LONGEST {
            return Err(too_long());
        }
        self.inbox.extend_from_slice(data);
        Ok(())
    }

    pub(super) fn next(&mut self, end: bool, record: &mut Record) -> Result<Found, Failure> {
        let (length, skip) = match self.end_of_line() {
            Some(found) => found,
            None if end && !self.inbox.is_empty() => (self.inbox.len(), 0),
            None => return Ok(Found::Nothing),
        };
        let line = self.inbox.split_to(length);
        self.inbox.advance(skip);
        self.looked = 0;
        if line.as_ref() == b"\\." {
            return Ok(Found::End);
        }
        self.split(&line, record)?;
        Ok(Found::Row)
    }

    /// Length of the first line, and of the end of line behind it. A backslash before a line's end makes it part of a value.
    fn end_of_line(&mut self) -> Option<(usize, usize)> {
        let mut at = self.looked;
        while let Some(byte) = self.inbox.get(at) {
            match byte {
                // What it stands before may not have come yet.
                b'\\' if at + 1 < self.inbox.len() => at += 2,
                b'\\' => break,
                b'\n' => return Some((at, 1)),
                b'\r' => match self.inbox.get(at + 1) {
                    Some(b'\n') => return Some((at, 2)),
                    Some(_) => return Some((at, 1)),
                    None => break,
                },
                _ => at += 1,
            }
        }
        self.looked = at;
        None
    }

    fn split(&self, line: &[u8], record: &mut Record) -> Result<(), Failure> {
        let line = match line {
            // The end of a line that is the data's end, too.
            [rest @ .., b'\r'] => rest,
            line => line,
        };
        let mut rest = line;
        loop {
            let raw_length = self.field(rest, record)?;
            let raw = rest.get(..raw_length).unwrap_or_default();
            match raw == self.dialect.null.as_slice() {
                true => record.null_field(),
                false => record.end_field(),
            }
            if self.dialect.is_beyond(record) {
                return Ok(());
            }
            match rest.get(raw_length..) {
                None | Some([]) => return Ok(()),
                Some([_, after @ ..]) => rest = after,
            }
        }
    }

    /// Reads a value; the length of what it was written with.
    fn field(&self, bytes: &[u8], record: &mut Record) -> Result<usize, Failure> {
        let out = record.buffer();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if *byte == self.dialect.delimiter {
                break;
            }
            if *byte != b'\\' {
                out.push(*byte);
                at += 1;
                continue;
            }
            let Some(escaped) = bytes.get(at + 1) else {
                out.push(b'\\');
                at += 1;
                continue;
            };
            at += 2;
            match escaped {
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'v' => out.push(11),
                b'x' => {
                    let digits = bytes.get(at..).unwrap_or_default();
                    let count = digits
                        .iter()
                        .take(2)
                        .take_while(|b| b.is_ascii_hexdigit())
                        .count();
                    match number(digits.get(..count), 16) {
                        Some(value) => out.push(value),
                        None => out.push(b'x'),
                    }
                    at += count;
                }
                b'0'..=b'7' => {
                    let digits = bytes.get(at - 1..).unwrap_or_default();
                    let octal = |b: &&u8| (b'0'..=b'7').contains(*b);
                    let count = digits.iter().take(3).take_while(octal).count();
                    out.extend(number(digits.get(..count), 8));
                    at += count - 1;
                }
                other => out.push(*other),
            }
        }
        Ok(at)
    }
}

fn number(digits: Option<&[u8]>, radix: u32) -> Option<u8> {
    let digits = std::str::from_utf8(digits?).ok()?;
    let value = u32::from_str_radix(digits, radix).ok()?;
    // Octal digits make up to 0o777; PostgreSQL takes the low byte.
    Some((value & 0xff) as u8)
}
