//! COPY's csv format: as PostgreSQL reads it, quotes within a value included.

use bytes::{Buf, BytesMut};

use super::fields::{Dialect, Found, LONGEST, Record, too_long};
use crate::doors::pg::failure::Failure;

/// Records of data that come in pieces; a record may have several lines.
#[derive(Debug)]
pub(super) struct Records {
    dialect: Dialect,
    inbox: BytesMut,
    /// So far no end of a record was found, and whether quotes are open there.
    looked: usize,
    quoted: bool,
}

impl Records {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            inbox: BytesMut::new(),
            looked: 0,
            quoted: false,
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
        let (length, skip) = match self.end_of_record() {
            Some(found) => found,
            None if end && self.quoted => {
                return Err(Failure::error("22P04", "unterminated CSV quoted field"));
            }
            None if end && !self.inbox.is_empty() => (self.inbox.len(), 0),
            None => return Ok(Found::Nothing),
        };
        let line = self.inbox.split_to(length);
        self.inbox.advance(skip);
        self.looked = 0;
        self.quoted = false;
        if line.as_ref() == b"\\." {
            return Ok(Found::End);
        }
        self.split(&line, record)?;
        Ok(Found::Row)
    }

    /// Length of the first record, and of the end of line behind it.
    fn end_of_record(&mut self) -> Option<(usize, usize)> {
        let Dialect { quote, escape, .. } = self.dialect;
        let mut at = self.looked;
        while let Some(byte) = self.inbox.get(at) {
            if self.quoted && *byte == escape && escape != quote {
                // What it stands before may not have come yet.
                if at + 1 == self.inbox.len() {
                    break;
                }
                at += 2;
                continue;
            }
            match byte {
                byte if *byte == quote => self.quoted = !self.quoted,
                b'\n' if !self.quoted => return Some((at, 1)),
                b'\r' if !self.quoted => match self.inbox.get(at + 1) {
                    Some(b'\n') => return Some((at, 2)),
                    Some(_) => return Some((at, 1)),
                    None => break,
                },
                _ => {}
            }
            at += 1;
        }
        self.looked = at.min(self.inbox.len());
        None
    }

    fn split(&self, line: &[u8], record: &mut Record) -> Result<(), Failure> {
        let Dialect {
            delimiter,
            quote,
            escape,
            ..
        } = self.dialect;
        let line = match line {
            [rest @ .., b'\r'] => rest,
            line => line,
        };
        let mut at = 0;
        loop {
            let (mut quotes, mut open) = (false, false);
            while let Some(byte) = line.get(at).copied() {
                let next = line.get(at + 1).copied();
                if open
                    && byte == escape
                    && next.is_some_and(|next| next == quote || next == escape)
                {
                    record.buffer().extend(next);
                    at += 2;
                    continue;
                }
                if byte == quote {
                    quotes = true;
                    open = !open;
                } else if byte == delimiter && !open {
                    break;
                } else {
                    record.buffer().push(byte);
                }
                at += 1;
            }
            let column = record.len();
            let flag = |flags: &[bool]| flags.get(column).copied().unwrap_or(false);
            let is_null = record.current() == self.dialect.null.as_slice()
                && match quotes {
                    true => flag(&self.dialect.force_null),
                    false => !flag(&self.dialect.force_not_null),
                };
            match is_null {
                true => record.null_field(),
                false => record.end_field(),
            }
            if at >= line.len() || self.dialect.is_beyond(record) {
                return Ok(());
            }
            at += 1;
        }
    }
}
