//! Whose turn it is.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;

use super::*;
use crate::{activity::Activities, clock::SystemClock, session::Door};

#[tokio::test]
async fn no_role_has_all_turns() {
    let activities = Activities::new(Arc::new(SystemClock));
    let (places, metrics) = (Places::new(4), AdHocMetrics::default());
    let processors = Arc::new(Processors::new());
    let turns = |role: &str| {
        let session = activities.enter(role, Door::Postgres);
        Turns::of(&session, &places, &processors, &metrics)
    };
    let next = |turns: &mut Turns| turns.next().now_or_never().flatten();
    // Whatever sessions it has.
    let mut anns: Vec<_> = (0..3).map(|_| next(&mut turns("ann")).unwrap()).collect();
    let mut ann = turns("ann");
    assert!(next(&mut ann).is_none());
    let mut bob = turns("bob");
    let bobs = next(&mut bob).unwrap();
    assert!(next(&mut bob).is_none(), "there are four");
    assert_eq!(metrics.running.get(), 4);
    anns.pop();
    let second = next(&mut bob).unwrap();
    assert!(next(&mut ann).is_none());
    drop((bobs, second));
    assert!(next(&mut ann).is_some());
    assert_eq!(metrics.waiting.get(), 0);
}

#[test]
fn a_role_without_queries_is_forgotten() {
    let places = Places::new(4);
    let ann = places.of("ann");
    assert!(Arc::ptr_eq(&ann, &places.of("ann")));
    drop(ann);
    let _bob = places.of("bob");
    assert_eq!(places.by_role.lock().len(), 1);
}

#[tokio::test]
async fn what_is_planned_goes_on_when_nobody_waits_any_more() {
    let ad_hoc = AdHoc::new(AdHocMetrics::default()).unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (end, ended) = oneshot::channel();
    // Keeps its thread, as planning does.
    let work = async move {
        wait.recv().unwrap();
        end.send(7).unwrap();
    };
    let waited = timeout(Duration::from_millis(50), ad_hoc.apart(work)).await;
    assert!(waited.is_err());
    go.send(()).unwrap();
    let ended = timeout(Duration::from_secs(10), ended).await;
    assert_eq!(ended.unwrap().unwrap(), 7);
    assert_eq!(ad_hoc.apart(async { 8 }).await.unwrap(), 8);
}

/// Waits until so many statements are long ones.
async fn until_long(metrics: &AdHocMetrics, statements: i64) {
    let reached = async {
        while metrics.long.get() != statements {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), reached).await.unwrap();
}

#[tokio::test]
async fn a_statement_is_a_long_one_after_a_while_of_work() {
    let metrics = AdHocMetrics::default();
    let ad_hoc = AdHoc::new(metrics.clone()).unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let begun = Instant::now();
    // Keeps its thread, as planning does.
    let work = ad_hoc.apart(async move { wait.recv().unwrap() });
    let told = async {
        until_long(&metrics, 1).await;
        assert!(begun.elapsed() >= LONG);
        go.send(()).unwrap();
        until_long(&metrics, 0).await;
    };
    tokio::join!(work, told).0.unwrap();
}

#[tokio::test]
async fn turns_that_were_given_back_count_as_work() {
    let activities = Activities::new(Arc::new(SystemClock));
    let (places, metrics) = (Places::new(4), AdHocMetrics::default());
    let processors = Arc::new(Processors::new());
    let session = activities.enter("ann", Door::Postgres);
    let mut turns = Turns::of(&session, &places, &processors, &metrics);
    let turn = turns.next().await.unwrap();
    thread::sleep(Duration::from_millis(5));
    turns.give_back(turn);
    assert!(turns.ran >= Duration::from_millis(5));
    turns.ran = LONG;
    let turn = turns.next().await.unwrap();
    until_long(&metrics, 1).await;
    drop(turn);
    until_long(&metrics, 0).await;
}

/// The nice value and the slice are what the kernel says of the thread; kernels before 6.12 tell no slice.
#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_gives_way_has_a_long_slice_and_a_low_priority() {
    let told = std::thread::spawn(|| {
        give_way();
        let mut told = std::mem::MaybeUninit::<libc::sched_attr>::zeroed();
        let size = size_of::<libc::sched_attr>();
        // SAFETY: the kernel fills in at most `size` bytes; all of them zero are valid too.
        unsafe {
            libc::syscall(libc::SYS_sched_getattr, 0, told.as_mut_ptr(), size, 0);
            told.assume_init()
        }
    });
    let told = told.join().unwrap();
    assert_eq!(told.sched_nice, NICE);
    assert!(
        [0, SLICE_NS].contains(&told.sched_runtime),
        "{}",
        told.sched_runtime
    );
}
