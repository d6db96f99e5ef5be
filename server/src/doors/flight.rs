//! The Arrow Flight SQL door (gRPC): ADBC, the Flight SQL JDBC driver, pyarrow.
//!
//! What a client holds is always a capability that nobody can guess: a bearer token names a session, a prepared statement's handle and a
//! ticket live inside one session only. A ticket runs its statement once, when it is redeemed; a statement without rows (DDL, SET, DML) runs
//! already when its flight is asked for, because drivers report an error there and may never redeem the ticket.
//!
//! Hard about it: drivers differ in which of these calls they skip, so every way to a result (statement, prepared statement, update) must
//! lead to the same execution, exactly once. It must never hold a whole result (rows are encoded as the client takes them), answer a call
//! from another session's handle, or keep a stream running for a client that went away.
//!
//! Notices cannot be told over Flight SQL and are dropped.

mod actions;
mod apart;
mod auth;
mod batches;
mod client;
mod connection;
mod gathered;
mod ingest;
mod metadata;
mod parameters;
mod places;
mod registry;
mod service;
mod session_options;
mod statement;
mod status;
mod wire;

use std::{io, sync::Arc, time::Duration};

use arrow_flight::flight_service_server::FlightServiceServer;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::{
    guard::Guard,
    strangers::{STRANGERS, Strangers},
};
use crate::session::Sessions;
use registry::Registry;
use service::FlightDoor;

/// The largest message taken from a client; bound parameters and ingested batches come in such messages.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Calls one connection may have under way.
const MAX_STREAMS: u32 = 256;
/// How long a leaving server waits for calls that do not end by themselves, such as a client that stopped reading.
const GRACE: Duration = Duration::from_secs(3);
/// A silent connection is asked for a sign of life this often, and dropped when none comes in [`KEEPALIVE_TIMEOUT`].
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Takes apart what a client sends, for `fuzz/`; whether it can be read. Of kind 0 it is the command of a descriptor or a ticket, of kind 1 an
/// action, of any other the messages of a DoPut: parameters (2) or rows of a table.
pub fn decode(kind: u8, body: &[u8]) -> bool {
    let body = Bytes::copy_from_slice(body);
    match kind {
        0 => apart::command(&body),
        1 => apart::action(body),
        2 => futures::executor::block_on(apart::bound(body)).is_some(),
        _ => futures::executor::block_on(apart::ingested(body)).is_some(),
    }
}

/// Answers Flight SQL calls on `listener` until `shutdown`; then running results end with 57P01.
pub async fn serve(
    listener: TcpListener,
    sessions: Arc<dyn Sessions>,
    guard: Arc<Guard>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let registry = Arc::new(Registry::new(
        sessions,
        Arc::clone(&guard),
        shutdown.clone(),
    ));
    let service = FlightServiceServer::new(FlightDoor::new(Arc::clone(&registry)))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let server = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_adaptive_window(Some(true))
        .add_service(service)
        .serve_with_incoming_shutdown(
            connection::incoming(listener, guard, Strangers::new(STRANGERS), shutdown.clone()),
            shutdown.clone().cancelled_owned(),
        );
    tokio::select! {
        result = server => result.map_err(io::Error::other),
        () = registry.sweep_forever() => Ok(()),
        () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

#[cfg(test)]
mod tests;
