//! A connection and what is known of its other end.
//!
//! Calls without a token belong to the connection they come by: their sessions hang on [`Peer`], which every call of the connection carries
//! and which goes when the connection does. Nothing has to be cleaned up, and no later connection can inherit them.
//!
//! A connection is a stranger's until one of its calls has shown who makes it, however far it has come by then: encryption, HTTP/2's own
//! beginning and calls that were refused all count.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{client::Client, gathered::Gathered};
use crate::doors::{
    guard::Guard,
    strangers::{Patience, Stranger, Strangers},
    tls::{Inside, Transport},
};

#[cfg(test)]
mod tests;

/// Pause after a failed accept: out of file handles is no reason to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take from its connection to the first call that is let in.
const FIRST_CALL: Duration = Duration::from_secs(30);

/// The other end of a connection.
#[derive(Clone)]
pub(super) struct Peer {
    /// Where it is.
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// The name in its certificate.
    pub(super) certificate: Option<String>,
    /// Sessions of calls without a token, by user and what the user has shown.
    pub(super) clients: Arc<Mutex<HashMap<String, Arc<Client>>>>,
    stranger: Arc<Stranger>,
}

impl Peer {
    /// Whether it is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.address.to_canonical().is_loopback()
    }

    /// A call has shown who makes it.
    pub(super) fn known(&self) {
        self.stranger.known();
    }
}

/// A connection, encrypted or not, that hands [`Peer`] to its calls.
pub(super) struct Connection {
    stream: Gathered<Transport>,
    peer: Peer,
    /// How long it is borne with; `None` once it is known.
    patience: Option<Patience>,
}

/// The connections of a listener, for ever. Each begins in a task of its own: a client that encrypts slowly keeps nobody waiting.
pub(super) fn incoming(
    listener: TcpListener,
    guard: Arc<Guard>,
    strangers: Arc<Strangers>,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let (guard, sender) = (Arc::clone(&guard), sender.clone());
                    let stranger = strangers.enter();
                    tokio::spawn(async move {
                        match begin(stream, address, &guard, stranger).await {
                            Ok(connection) => drop(sender.send(Ok(connection)).await),
                            Err(error) => tracing::debug!(%error, "a client did not begin"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "Flight SQL connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// The first byte of a TLS connection; HTTP/2 begins with another.
const HANDSHAKE: u8 = 0x16;

async fn begin(
    stream: TcpStream,
    from: SocketAddr,
    guard: &Guard,
    stranger: Stranger,
) -> io::Result<Connection> {
    let mut patience = stranger.patience(FIRST_CALL);
    let stream = tokio::select! {
        () = &mut patience => return Err(io::ErrorKind::TimedOut.into()),
        stream = transport(stream, from, guard) => stream?,
    };
    let peer = Peer {
        address: from.ip(),
        port: from.port(),
        certificate: stream.client_name(),
        clients: Arc::default(),
        stranger: Arc::new(stranger),
    };
    Ok(Connection {
        stream: Gathered::new(stream),
        peer,
        patience: Some(patience),
    })
}

/// Encrypts where the client does.
async fn transport(stream: TcpStream, from: SocketAddr, guard: &Guard) -> io::Result<Transport> {
    // Small answers must not wait for a full segment; a socket that cannot do it still works.
    let _ = stream.set_nodelay(true);
    Ok(match guard.tls() {
        None => Transport::Plain(stream),
        Some(tls) => {
            let mut first = [0];
            stream.peek(&mut first).await?;
            if first == [HANDSHAKE] {
                tls.accept(stream, Inside::Flight).await?
            } else if guard.wants_encryption(from.ip()) {
                return Err(io::Error::other("the connection is not encrypted"));
            } else {
                Transport::Plain(stream)
            }
        }
    })
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.peer.stranger.is_known() {
            self.patience = None;
        }
        if let Some(patience) = &mut self.patience
            && Pin::new(patience).poll(cx).is_ready()
        {
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
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
