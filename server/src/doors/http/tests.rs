//! The pages as a client sees them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

#[derive(Default)]
struct Process {
    ready: AtomicBool,
}

impl Health for Process {
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

struct Served {
    address: SocketAddr,
    process: Arc<Process>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

async fn served() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let process = Arc::new(Process::default());
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, process.clone(), shutdown.clone()));
    Served {
        address,
        process,
        shutdown,
        task,
    }
}

/// The whole answer to one request.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn alive_is_not_ready() {
    let served = served().await;
    assert!(
        ask(served.address, "GET /healthz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let before = ask(served.address, "GET /readyz").await;
    assert!(before.starts_with("HTTP/1.1 503"), "{before}");
    assert!(
        before.ends_with("not ready: queries are being restored\n"),
        "{before}"
    );
    served.process.ready.store(true, Ordering::Relaxed);
    let after = ask(served.address, "GET /readyz").await;
    assert!(
        after.starts_with("HTTP/1.1 200") && after.ends_with("ready\n"),
        "{after}"
    );
}

#[tokio::test]
async fn metrics_are_openmetrics() {
    let served = served().await;
    let answer = ask(served.address, "GET /metrics").await;
    assert!(
        answer.contains(&format!("content-type: {OPENMETRICS}\r\n")),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn what_is_not_there_says_what_is() {
    let served = served().await;
    let answer = ask(served.address, "GET /metric").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(
        answer.contains("no page at /metric\nHINT:  There are /"),
        "{answer}"
    );
    let answer = ask(served.address, "POST /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(answer.contains("nosniff"), "{answer}");
}

#[tokio::test]
async fn shutdown_ends_it_even_with_a_silent_client() {
    let served = served().await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    silent.write_all(b"GET / HT").await.unwrap();
    ask(served.address, "GET /").await;
    served.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), served.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bounded = listener::Bounded::new(listener).with_first(Duration::from_millis(300));
    let health: Arc<dyn Health> = Arc::new(Process::default());
    let task = tokio::spawn(axum::serve(bounded, router(health)).into_future());
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    // A byte now and then does not help.
    let mut left = vec![];
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if slow.write_all(b"x").await.is_err() {
                break;
            }
            let wait = tokio::time::timeout(Duration::from_millis(50), slow.read_to_end(&mut left));
            if wait.await.is_ok() {
                break;
            }
        }
    });
    assert!(ended.await.is_ok(), "the connection was kept");
    task.abort();
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bounded = listener::Bounded::new(listener).with_room(4);
    let health: Arc<dyn Health> = Arc::new(Process::default());
    let task = tokio::spawn(axum::serve(bounded, router(health)).into_future());
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let asked = tokio::time::timeout(Duration::from_secs(5), ask(address, "GET /healthz")).await;
    assert!(asked.unwrap().starts_with("HTTP/1.1 200"));
    let mut byte = [0];
    let ended = silent[0].read(&mut byte);
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    assert!(matches!(ended.unwrap(), Ok(0) | Err(_)), "it was kept");
    task.abort();
}
