//! Who is kept that says nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn who_says_nothing_makes_room_and_who_is_known_stays() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let strangers = Strangers::new(2);
    let mut connections = incoming(listener, Guard::open(), strangers, shutdown.clone());
    let (mut clients, mut served) = (Vec::new(), Vec::new());
    for at in 0..4 {
        clients.push(TcpStream::connect(address).await.unwrap());
        served.push(connections.next().await.unwrap().unwrap());
        if at == 0 {
            served[0].peer.known();
        }
    }
    // The fourth is one more than there is room for, beside the first, which is known.
    let mut byte = [0];
    let displaced = served[1].read(&mut byte).await.unwrap_err();
    assert_eq!(displaced.kind(), io::ErrorKind::TimedOut);
    for at in [0, 2, 3] {
        clients[at].write_all(b"x").await.unwrap();
        assert_eq!(served[at].read(&mut byte).await.unwrap(), 1, "{at}");
    }
    shutdown.cancel();
}
