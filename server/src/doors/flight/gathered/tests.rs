//! What is written comes out whole and in order, in fewer writes; a slow or closed other end is noticed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    future::poll_fn,
    io::IoSlice,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

/// Counts how often a task is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn frames() -> Vec<Vec<u8>> {
    (0..40_u8).map(|n| vec![n; 16 << 10]).collect()
}

#[test]
fn a_flush_wakes_the_task_once_and_the_next_read_sends() {
    let woken = Arc::new(Woken::default());
    let waker = Arc::clone(&woken).into();
    let mut cx = Context::from_waker(&waker);
    let (near, mut far) = duplex(1 << 20);
    let mut gathered = Gathered::new(near);
    for frame in frames().iter().take(3) {
        let written = Pin::new(&mut gathered).poll_write(&mut cx, frame);
        assert!(matches!(written, Poll::Ready(Ok(n)) if n == frame.len()));
        assert!(Pin::new(&mut gathered).poll_flush(&mut cx).is_ready());
    }
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    let mut space = vec![0; 64 << 10];
    let mut buffer = ReadBuf::new(&mut space);
    assert!(
        Pin::new(&mut far)
            .poll_read(&mut cx, &mut buffer)
            .is_pending()
    );
    let mut none = [0; 8];
    let read = Pin::new(&mut gathered).poll_read(&mut cx, &mut ReadBuf::new(&mut none));
    assert!(read.is_pending());
    assert!(
        Pin::new(&mut far)
            .poll_read(&mut cx, &mut buffer)
            .is_ready()
    );
    assert_eq!(buffer.filled(), frames()[..3].concat());
    assert!(gathered.bytes.is_empty() && gathered.bytes.capacity() <= KEPT);
}

#[tokio::test]
async fn more_than_there_is_room_for_arrives_whole() {
    // The other end has room for less than a frame.
    let (near, mut far) = duplex(5_000);
    let mut gathered = Gathered::new(near);
    let writer = async {
        for frame in frames() {
            let (head, rest) = frame.split_at(9);
            let mut slices = [IoSlice::new(head), IoSlice::new(rest)];
            let mut left = slices.as_mut_slice();
            while !left.is_empty() {
                let written = poll_fn(|cx| Pin::new(&mut gathered).poll_write_vectored(cx, left));
                let written = written.await.unwrap();
                IoSlice::advance_slices(&mut left, written);
            }
            gathered.flush().await.unwrap();
        }
        gathered.shutdown().await.unwrap();
        drop(gathered);
    };
    let reader = async {
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        all
    };
    let ((), all) = tokio::join!(writer, reader);
    assert_eq!(all, frames().concat());
}

#[tokio::test]
async fn a_closed_other_end_is_an_error() {
    let (near, far) = duplex(64);
    let mut gathered = Gathered::new(near);
    drop(far);
    gathered.write_all(b"hello").await.unwrap();
    assert!(gathered.read(&mut [0; 8]).await.is_err());
}
