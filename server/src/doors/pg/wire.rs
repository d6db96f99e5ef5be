//! Bytes in, bytes out.
//!
//! Hard here: a statement runs for minutes while its client may vanish, send more, or stop reading. So input is taken into a bounded buffer
//! while a statement runs ([`Wire::gone`]), and output is written out every 64 KiB and waits for the client: nothing in this file may
//! buffer a whole result.

use std::{io, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use pgwire::messages::Message;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{
    failure::{Failure, Trouble},
    frontend::Frontend,
};

/// When output is pushed out, at the latest.
pub(super) const FLUSH_AT: usize = 64 * 1024;
/// How much is read ahead while a statement runs.
const READ_AHEAD: usize = 64 * 1024;
/// Bytes of a message that must come in a second.
const SLOWEST: usize = 16 * 1024;
/// Buffers larger than this are given back after use.
const KEEP: usize = 256 * 1024;

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    inbox: BytesMut,
    out: BytesMut,
    limit: usize,
    /// An oversized message being thrown away: its tag, what is left of it, its size.
    skipping: Option<(u8, usize, usize)>,
    /// How long a message may take, beside the time that its length takes.
    patience: Duration,
    /// Since when a part of a message is here and the rest is not.
    begun: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A wire that takes messages of up to `limit` bytes, none of which takes longer than `patience` (and [`SLOWEST`]).
    pub(super) fn new(stream: S, limit: usize, patience: Duration) -> Self {
        Self {
            stream,
            inbox: BytesMut::new(),
            out: BytesMut::new(),
            limit,
            skipping: None,
            patience,
            begun: None,
        }
    }

    /// More bytes into the inbox; 0 at the end. Safe to drop while it waits.
    async fn fill(&mut self) -> io::Result<usize> {
        self.inbox.reserve(4096);
        self.stream.read_buf(&mut self.inbox).await
    }

    /// A packet of the start of a connection: length, then body (which begins with a code).
    pub(super) async fn start_packet(&mut self, limit: usize) -> Result<Option<Bytes>, Trouble> {
        loop {
            if let Some(head) = self.inbox.first_chunk::<4>() {
                let length = u32::from_be_bytes(*head) as usize;
                if !(8..=limit).contains(&length) {
                    return Err(Failure::fatal("08P01", "invalid length of startup packet").into());
                }
                if self.inbox.len() >= length {
                    let mut packet = self.inbox.split_to(length).freeze();
                    packet.advance(4);
                    return Ok(Some(packet));
                }
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The connection underneath, to be encrypted. What came unencrypted after the request for it would be taken for encrypted text.
    pub(super) fn into_stream(self) -> Result<S, Failure> {
        if self.inbox.is_empty() {
            return Ok(self.stream);
        }
        Err(
            Failure::fatal("08P01", "received unencrypted data after SSL request").with_detail(
                "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
            ),
        )
    }

    /// The connection underneath.
    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// A message of the login: the body of the one kind there may be.
    pub(super) async fn password_message(&mut self, limit: usize) -> Result<Bytes, Trouble> {
        loop {
            if let Some([tag, length @ ..]) = self.inbox.first_chunk::<5>() {
                let (tag, length) = (*tag, u32::from_be_bytes(*length) as usize);
                if tag != b'p' {
                    let message = format!("expected SASL response, got message type {tag}");
                    return Err(Failure::fatal("08P01", message).into());
                }
                if !(4..=limit).contains(&length) {
                    return Err(Failure::fatal("08P01", "invalid message length").into());
                }
                if self.inbox.len() > length {
                    self.inbox.advance(5);
                    return Ok(self.inbox.split_to(length - 4).freeze());
                }
            }
            if self.fill().await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// The next message; `None` when the client has gone. Safe to drop while it waits.
    pub(super) async fn next(&mut self) -> Result<Option<Frontend>, Trouble> {
        if self.inbox.is_empty() && self.inbox.capacity() > KEEP {
            self.inbox = BytesMut::new();
        }
        loop {
            if let Some(message) = self.take_message()? {
                self.begun = None;
                return Ok(Some(message));
            }
            let read = match self.due() {
                None => self.fill().await?,
                Some(due) => match timeout_at(due, self.fill()).await {
                    Ok(read) => read?,
                    Err(_) => return Err(too_slow().into()),
                },
            };
            if read == 0 {
                return Ok(None);
            }
        }
    }

    /// When the message that has begun must be here; `None` where none has.
    fn due(&mut self) -> Option<Instant> {
        if self.inbox.is_empty() && self.skipping.is_none() {
            self.begun = None;
            return None;
        }
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let size = match (self.skipping, self.inbox.first_chunk::<5>()) {
            (Some((_, _, size)), _) => size,
            (None, Some([_, length @ ..])) => u32::from_be_bytes(*length) as usize,
            (None, None) => 0,
        };
        // One that is thrown away has no more time than one that is not.
        let seconds = u64::try_from(size.min(self.limit) / SLOWEST).unwrap_or(u64::MAX);
        begun.checked_add(self.patience.saturating_add(Duration::from_secs(seconds)))
    }

    fn take_message(&mut self) -> Result<Option<Frontend>, Trouble> {
        if let Some((tag, left, size)) = self.skipping {
            let here = left.min(self.inbox.len());
            self.inbox.advance(here);
            self.skipping = Some((tag, left - here, size));
            if left > here {
                return Ok(None);
            }
            self.skipping = None;
            return Ok(Some(Frontend::refused(tag, self.too_long(size))));
        }
        let Some([tag, length @ ..]) = self.inbox.first_chunk::<5>() else {
            return Ok(None);
        };
        let (tag, length) = (*tag, i32::from_be_bytes(*length));
        let Some(size) = usize::try_from(length).ok().and_then(|n| n.checked_sub(4)) else {
            return Err(Failure::fatal("08P01", "invalid message length").into());
        };
        if size > self.limit {
            self.inbox.advance(5);
            self.skipping = Some((tag, size, size));
            return self.take_message();
        }
        if self.inbox.len() < 5 + size {
            return Ok(None);
        }
        self.inbox.advance(5);
        let body = self.inbox.split_to(size).freeze();
        match Frontend::decode(tag, body) {
            Some(message) => Ok(Some(message)),
            None => {
                Err(Failure::fatal("08P01", format!("invalid frontend message type {tag}")).into())
            }
        }
    }

    fn too_long(&self, size: usize) -> Failure {
        Failure::error("54000", format!("message of {size} bytes is too long"))
            .with_detail(format!("A message may have up to {} bytes.", self.limit))
    }

    /// Resolves when the client has gone; takes in a little of what it sends meanwhile. Safe to drop.
    pub(super) async fn gone(&mut self) -> io::Error {
        loop {
            if self.inbox.len() >= READ_AHEAD {
                std::future::pending::<()>().await;
            }
            match self.fill().await {
                Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(_) => {}
                Err(e) => return e,
            }
        }
    }

    /// Queues a message.
    pub(super) fn put(&mut self, message: &impl Message) {
        let start = self.out.len();
        if let Err(e) = message.encode(&mut self.out) {
            // Only a message beyond the protocol's limits: a completion tag of 30 kB, say.
            tracing::error!(error = %e, "a message could not be encoded");
            self.out.truncate(start);
        }
    }

    /// Queues one byte that is no message (the answer to SSLRequest).
    pub(super) fn put_byte(&mut self, byte: u8) {
        self.out.put_u8(byte);
    }

    /// Where rows are written to directly.
    pub(super) fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Whether it is time to push out.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= FLUSH_AT
    }

    /// Sends what is queued, waiting for the client as long as it takes.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.stream.write_all_buf(&mut self.out).await?;
        if self.out.capacity() > KEEP {
            self.out = BytesMut::new();
        }
        self.stream.flush().await
    }

    /// Says goodbye.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await
    }
}

/// A client that sends a message so slowly that it seems to want no answer.
fn too_slow() -> Failure {
    Failure::fatal("08P01", "a message did not come to its end in time")
        .with_hint("Send messages whole; a COPY may send its rows in many.")
}
