//! How long a token is good, by a clock that the test moves on.

use std::time::Duration;

use futures::StreamExt;
use tokio::{net::TcpStream, time::Instant};
use tonic::{Extensions, metadata::MetadataMap, transport::server::Connected};

use super::{
    super::{
        connection::{Peer, incoming},
        registry::{Registry, TOKEN_IDLE, TOKEN_LIFE},
    },
    *,
};
use crate::doors::{guard::Guard, strangers::Strangers};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The other end of a real connection.
async fn peer() -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let mut connections = incoming(listener, Guard::open(), Strangers::new(2), shutdown);
    let _client = TcpStream::connect(address).await.unwrap();
    let connection = connections.next().await.unwrap().unwrap();
    connection.connect_info()
}

/// A handshake of ada's.
async fn token(registry: &Registry, peer: Peer) -> String {
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", "Basic YWRhOng=".parse().unwrap());
    let mut extensions = Extensions::default();
    extensions.insert(peer);
    registry.log_in(&metadata, &extensions).await.unwrap()
}

fn has_ended(registry: &Registry, token: &str, now: Instant) {
    let error = registry.by_token(token, now).err().unwrap();
    assert_eq!(error.message, "the session of this token has ended");
}

#[tokio::test]
async fn a_token_that_is_not_used_or_old_is_not_good_any_more() {
    let registry = Registry::new(Arc::new(Memory), Guard::open(), CancellationToken::new());
    let peer = peer().await;
    let began = Instant::now();
    let idle = token(&registry, peer.clone()).await;
    let used = token(&registry, peer).await;
    let both_there = Instant::now();

    assert!(
        registry
            .by_token(&idle, began + TOKEN_IDLE - MINUTE)
            .is_ok()
    );
    has_ended(&registry, &idle, both_there + TOKEN_IDLE);
    // Refused once, it is so for good.
    has_ended(&registry, &idle, both_there);

    // One that is used ends all the same.
    for hours in [7, 14, 21] {
        let now = began + HOUR * hours;
        registry.by_token(&used, now).unwrap().touch(now);
    }
    let last = began + TOKEN_LIFE - MINUTE;
    registry.by_token(&used, last).unwrap().touch(last);
    has_ended(&registry, &used, both_there + TOKEN_LIFE);
}
