//! Threads keep off a processor while there is a reason to, those that come meanwhile too.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{sync::mpsc, thread};

use super::*;

/// A thread that has entered; it leaves when the sender is dropped.
fn enter(processors: &Arc<Processors>) -> (Thread, mpsc::Sender<()>) {
    let (told, tells) = mpsc::channel();
    let (stay, stays) = mpsc::channel::<()>();
    let processors = Arc::clone(processors);
    thread::spawn(move || {
        processors.enter();
        told.send(Thread::this()).unwrap();
        let _ = stays.recv();
        processors.leave();
    });
    (tells.recv().unwrap(), stay)
}

/// Waits until a processor that nobody wants any more is no longer spared.
async fn until_let_go(processors: &Processors) {
    while processors.state.lock().sparing {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_processor_is_spared_while_somebody_wants_it_beside_a_stream() {
    let processors = Arc::new(Processors::new());
    let all = Thread::this().count();
    // On a machine of one nothing changes.
    let rest = (all - 1).max(1);
    let (thread, _stays) = enter(&processors);
    let first = processors.spare(Handle::current());
    assert_eq!(thread.count(), all, "no stream");
    processors.beside_streams(true);
    assert_eq!(thread.count(), rest);
    let (later, _later_stays) = enter(&processors);
    assert_eq!(later.count(), rest);
    let second = processors.spare(Handle::current());
    drop(first);
    assert_eq!(thread.count(), rest);
    let begun = Instant::now();
    drop(second);
    assert_eq!(thread.count(), rest, "the next may come soon");
    until_let_go(&processors).await;
    assert!(begun.elapsed() >= LINGERS);
    assert_eq!((thread.count(), later.count()), (all, all));
    let _third = processors.spare(Handle::current());
    assert_eq!(thread.count(), rest);
    processors.beside_streams(false);
    assert_eq!(thread.count(), all);
    assert_eq!(Thread::this().count(), all, "others are left alone");
}

#[tokio::test]
async fn a_thread_that_was_started_by_one_on_fewer_processors_has_all_of_them() {
    let processors = Arc::new(Processors::new());
    let all = Thread::this().count();
    processors.beside_streams(true);
    let spared = processors.spare(Handle::current());
    let (go, wait) = mpsc::channel::<()>();
    let of_first = Arc::clone(&processors);
    let first = thread::spawn(move || {
        of_first.enter();
        let of_second = Arc::clone(&of_first);
        let second = thread::spawn(move || {
            wait.recv().unwrap();
            of_second.enter();
            let count = Thread::this().count();
            of_second.leave();
            count
        });
        of_first.leave();
        second
    });
    let second = first.join().unwrap();
    drop(spared);
    until_let_go(&processors).await;
    go.send(()).unwrap();
    assert_eq!(second.join().unwrap(), all);
}
