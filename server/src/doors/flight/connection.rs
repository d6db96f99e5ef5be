//! A connection and what is known of its other end.
//!
//! Calls without a token belong to the connection they come by: their sessions hang on [`Peer`], which every call of the connection carries
//! and which goes when the connection does. Nothing has to be cleaned up, and no later connection can inherit them.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, stream};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tonic::transport::server::Connected;

use super::client::Client;

/// Pause after a failed accept: out of file handles is no reason to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The other end of a connection.
#[derive(Clone)]
pub(super) struct Peer {
    /// Whether it is on this machine.
    pub(super) loopback: bool,
    /// Sessions of calls without a token, by user.
    pub(super) clients: Arc<Mutex<HashMap<String, Arc<Client>>>>,
}

/// A TCP stream that hands [`Peer`] to its calls.
pub(super) struct Connection {
    stream: TcpStream,
    peer: Peer,
}

/// The connections of a listener, for ever.
pub(super) fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<Connection>> {
    stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => {
                    // Small answers must not wait for a full segment; a socket that cannot do it still works.
                    let _ = stream.set_nodelay(true);
                    let peer = Peer {
                        loopback: address.ip().to_canonical().is_loopback(),
                        clients: Arc::default(),
                    };
                    return Some((Ok(Connection { stream, peer }), listener));
                }
                Err(error) => {
                    tracing::warn!(%error, "Flight SQL connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
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
