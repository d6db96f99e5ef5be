//! A connection and what is known of its other end.
//!
//! Calls without a token belong to the connection they come by: their sessions hang on [`Peer`], which every call of the connection carries
//! and which goes when the connection does. Nothing has to be cleaned up, and no later connection can inherit them.

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
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{client::Client, gathered::Gathered};
use crate::doors::{
    guard::Guard,
    tls::{Inside, Transport},
};

/// Pause after a failed accept: out of file handles is no reason to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take to begin.
const BEGIN: Duration = Duration::from_secs(10);
/// Connections that have not begun.
const BEGINNING: usize = 200;

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
}

impl Peer {
    /// Whether it is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.address.to_canonical().is_loopback()
    }
}

/// A connection, encrypted or not, that hands [`Peer`] to its calls.
pub(super) struct Connection {
    stream: Gathered<Transport>,
    peer: Peer,
}

/// The connections of a listener, for ever. Each begins in a task of its own: a client that encrypts slowly keeps nobody waiting.
pub(super) fn incoming(
    listener: TcpListener,
    guard: Arc<Guard>,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(BEGINNING));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let (guard, sender) = (Arc::clone(&guard), sender.clone());
                    tokio::spawn(async move {
                        let begun = timeout(BEGIN, begin(stream, address, &guard)).await;
                        drop(place);
                        match begun {
                            Ok(Ok(connection)) => drop(sender.send(Ok(connection)).await),
                            Ok(Err(error)) => tracing::debug!(%error, "a client did not begin"),
                            Err(_) => tracing::debug!("a client did not begin in time"),
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

async fn begin(stream: TcpStream, from: SocketAddr, guard: &Guard) -> io::Result<Connection> {
    // Small answers must not wait for a full segment; a socket that cannot do it still works.
    let _ = stream.set_nodelay(true);
    let stream = match guard.tls() {
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
    };
    let peer = Peer {
        address: from.ip(),
        port: from.port(),
        certificate: stream.client_name(),
        clients: Arc::default(),
    };
    Ok(Connection {
        stream: Gathered::new(stream),
        peer,
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
