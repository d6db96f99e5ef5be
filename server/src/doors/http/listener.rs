//! A listener whose connections are few and do not linger.
//!
//! The HTTP server in use sets no time limit of its own, so a client that sends a header byte by byte, or none, would keep its connection for
//! ever. Here a connection that gets no answer for a while ends, and only so many exist at one time: nobody shows who he is at this door, so
//! whoever came first makes room for the next one.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use crate::doors::strangers::{Patience, Stranger, Strangers};

/// Connections at one time.
const MAX_CONNECTIONS: usize = 256;
/// The first request must have come whole, and its answer begun, this long after the connection.
const FIRST: Duration = Duration::from_secs(20);
/// A whole request must have come this long after the last one was answered; scrapers that keep a connection come every minute or more often.
const QUIET: Duration = Duration::from_secs(75);

/// The listener.
pub(super) struct Bounded {
    listener: TcpListener,
    strangers: Arc<Strangers>,
    first: Duration,
    quiet: Duration,
}

/// One of its connections.
pub(super) struct Connection {
    stream: TcpStream,
    /// When it ends unless an answer is written before: reading alone does not count, or a byte a minute would do.
    patience: Patience,
    quiet: Duration,
    _stranger: Stranger,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            strangers: Strangers::new(MAX_CONNECTIONS),
            first: FIRST,
            quiet: QUIET,
        }
    }

    #[cfg(test)]
    pub(super) fn with_first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    #[cfg(test)]
    pub(super) fn with_room(mut self, room: usize) -> Self {
        self.strangers = Strangers::new(room);
        self
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let stranger = self.strangers.enter();
        let connection = Connection {
            stream,
            patience: stranger.patience(self.first),
            quiet: self.quiet,
            _stranger: stranger,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if Pin::new(&mut self.patience).poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        let quiet = self.quiet;
        self.patience.anew(quiet);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
