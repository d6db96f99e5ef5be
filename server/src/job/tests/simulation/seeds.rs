//! Many seeds, some at a time: how far they are, and how a failure is had again.
//!
//! A seed that fails is told at once, with the command that runs it alone, and the others go on. One that never comes to its end (a thread
//! that nobody answers) must not hold up the run for ever, so nobody here waits for a thread, only for what it says.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use super::Tally;
use crate::metrics::resident_bytes;

/// Time between two lines that say how far it is.
const EVERY: Duration = Duration::from_secs(5);

/// A seed that takes this long never comes to its end.
const STUCK: Duration = Duration::from_secs(300);

/// Failures after which nothing more is to be learned from others.
const ENOUGH: usize = 10;

/// Seeds at a time for each processor: a life also waits, between two tries and for its own threads.
const PER_PROCESSOR: usize = 2;

/// What a worker says.
enum Told {
    Begun(u64),
    Done(u64, Result<Tally, String>),
}

/// Runs `count` seeds from `first`, and says what they came to together.
///
/// # Panics
/// Where a seed failed, naming all that did.
pub(super) fn run(first: u64, count: u64, simulate: fn(u64) -> Tally) -> Tally {
    let next = Arc::new(AtomicU64::new(0));
    let (tell, told) = mpsc::channel();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..processors * PER_PROCESSOR {
        let (next, tell) = (Arc::clone(&next), tell.clone());
        thread::spawn(move || work(first, count, &next, &tell, simulate));
    }
    drop(tell);
    let mut run = Progress::new(count);
    let mut line = Instant::now() + EVERY;
    loop {
        match told.recv_timeout(line.saturating_duration_since(Instant::now())) {
            Ok(Told::Begun(seed)) => {
                run.running.insert(seed, Instant::now());
            }
            Ok(Told::Done(seed, outcome)) => run.take(seed, outcome),
            Err(RecvTimeoutError::Timeout) => {
                line = Instant::now() + EVERY;
                eprintln!("{run}");
                if run.stuck() {
                    break;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if run.failed.len() >= ENOUGH {
            break;
        }
    }
    // Whoever is still at work is with its last seed.
    next.store(count, Ordering::Relaxed);
    eprintln!("{run}; from {first}: {:?}", run.sum);
    assert!(run.failed.is_empty(), "seeds failed: {:?}", run.failed);
    assert_eq!(run.done, count, "seeds that were run");
    run.sum
}

/// Runs seeds as long as there are any.
fn work(first: u64, count: u64, next: &AtomicU64, tell: &Sender<Told>, simulate: fn(u64) -> Tally) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return;
        }
        let seed = first + number;
        // Nobody listens any more where enough has failed.
        if tell.send(Told::Begun(seed)).is_err() {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| simulate(seed)));
        let outcome = outcome.map_err(|panic| message(panic.as_ref()));
        if tell.send(Told::Done(seed, outcome)).is_err() {
            return;
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

/// How far a run is.
struct Progress {
    count: u64,
    began: Instant,
    done: u64,
    running: BTreeMap<u64, Instant>,
    failed: Vec<u64>,
    sum: Tally,
}

impl Progress {
    fn new(count: u64) -> Self {
        Self {
            count,
            began: Instant::now(),
            done: 0,
            running: BTreeMap::new(),
            failed: Vec::new(),
            sum: Tally::default(),
        }
    }

    fn take(&mut self, seed: u64, outcome: Result<Tally, String>) {
        self.running.remove(&seed);
        self.done += 1;
        match outcome {
            Ok(tally) => self.sum.add(&tally),
            Err(why) => self.fail(seed, &why),
        }
    }

    fn fail(&mut self, seed: u64, why: &str) {
        self.failed.push(seed);
        eprintln!("seed {seed} failed: {why}");
        eprintln!("alone: make simulate SEEDS=1 SLUICE_TEST_SEED={seed}");
    }

    /// Whether a seed does not come to its end; it has failed.
    fn stuck(&mut self) -> bool {
        let stuck = self.running.iter();
        let stuck = stuck.filter(|(_, began)| began.elapsed() > STUCK);
        let stuck: Vec<u64> = stuck.map(|(seed, _)| *seed).collect();
        for seed in &stuck {
            self.fail(*seed, "it does not come to its end");
        }
        !stuck.is_empty()
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let took = self.began.elapsed().as_secs_f64();
        let minute = self.done as f64 * 60.0 / took.max(0.001);
        write!(
            f,
            "{} of {} seeds in {took:.0} s, {} failed, {minute:.0} a minute",
            self.done,
            self.count,
            self.failed.len()
        )?;
        match resident_bytes() {
            Some(bytes) => write!(f, ", {} MiB resident", bytes >> 20),
            None => Ok(()),
        }
    }
}
