//! Writes that are gathered into few.
//!
//! HTTP/2 sends a message in frames of 16 KiB (their size is the client's choice, and nobody chooses another) and flushes after each; a system
//! call and a segment for each of them would be most of what a long result costs here. So a flush is put off until the task of the connection
//! comes around again, for which it is woken at once: that is when everything that can be sent now has been written. Every turn of a
//! connection begins with reading, and a read sends what was gathered first.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are gathered at most.
const FULL: usize = 256 << 10;
/// Bytes of room that a silent connection keeps.
const KEPT: usize = 16 << 10;

/// A stream whose writes are gathered.
#[derive(Debug)]
pub(super) struct Gathered<S> {
    stream: S,
    bytes: Vec<u8>,
    /// How many of them were sent.
    sent: usize,
    /// The task was woken for a flush that was put off.
    woken: bool,
}

impl<S> Gathered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
            sent: 0,
            woken: false,
        }
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Sends what was gathered.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        self.sent = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Takes what there is room for.
    fn gather(&mut self, bytes: &[u8]) -> usize {
        let room = FULL.saturating_sub(self.bytes.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(taken);
        taken.len()
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.bytes.len() >= FULL {
            return self.poll_send(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.woken = false;
        // Where the socket has no room the task is woken once it has, and comes by here again.
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        Poll::Ready(Ok(self.gather(bytes)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        let mut taken = 0;
        for slice in slices {
            let now = self.gather(slice);
            taken += now;
            if now < slice.len() {
                break;
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.bytes.is_empty() && !self.woken {
            self.woken = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
