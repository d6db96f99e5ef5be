//! Where ad-hoc queries run, all but the small ones: on threads of their own, which give way to those of the streams.
//!
//! A query that somebody types may want all of every processor, for as long as it likes. On the streams' threads it would keep epochs
//! waiting between any two of its batches; on threads of a lower priority it gets what streams leave, and they are not late by more than a
//! switch of threads. When very many run at a time the others wait for a turn: one that has given a batch and not got rid of it (a slow
//! client, a cursor) gives its turn away meanwhile. No role has all turns, or its long queries would keep everybody else's waiting. Who waits
//! is told by its session's activity and counted, and whoever asks for that does not wait. Long statements are planned here too: that cannot
//! be stopped on the way, only left alone. While one has been at work for long beside a stream, one processor is left to others.

mod processors;
#[cfg(test)]
mod tests;

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::{DataFusionError, Result},
    execution::SendableRecordBatchStream,
    logical_expr::LogicalPlan,
    physical_plan::stream::RecordBatchStreamAdapter,
    prelude::SessionContext,
};
use futures::StreamExt;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    task::JoinHandle,
};

use self::processors::Processors;
use crate::{
    activity::Activity,
    error::{Error, SqlState},
    metrics::AdHocMetrics,
    table::external,
};

/// Nice value of the threads: to the kernel, a tenth of what a stream's thread is worth.
const NICE: libc::c_int = 10;

/// How long the kernel may leave a processor to one of them, in nanoseconds. More than what others have by default (0.7 to 2.8 ms), and those
/// that wake up with less go before whoever runs with more: a stream's thread does not wait for the rest of a query's time.
#[cfg(target_os = "linux")]
const SLICE_NS: u64 = 3_000_000;

/// Threads for each processor: a short query need not wait until a long one has got rid of a batch, for the kernel divides the processor.
const THREADS: usize = 4;

/// Queries that run at a time, for each processor.
const RUNNING: usize = 16;

/// Plannings at a time, for each processor: fewer than threads, whoever still waits for them.
const PLANNING: usize = 2;

/// How long a statement is at work until it is a long one: from then on it leaves one processor to others.
const LONG: Duration = Duration::from_millis(250);

/// Batches on their way to whoever asked.
const AHEAD: usize = 2;

/// As the program's own threads: planning recurses.
const STACK_BYTES: usize = 16 << 20;

/// The threads.
#[derive(Debug)]
pub(crate) struct AdHoc {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    places: Places,
    planning: Arc<Semaphore>,
    processors: Arc<Processors>,
    metrics: AdHocMetrics,
}

/// How many queries run at a time, and how many of one role.
#[derive(Debug)]
struct Places {
    all: Arc<Semaphore>,
    of_a_role: usize,
    /// Of roles that have queries here.
    by_role: Mutex<BTreeMap<String, Weak<Semaphore>>>,
}

impl Places {
    /// So many, and three quarters of them for one role.
    fn new(all: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all)),
            of_a_role: (all * 3 / 4).max(1),
            by_role: Mutex::default(),
        }
    }

    fn of(&self, role: &str) -> Arc<Semaphore> {
        let mut by_role = self.by_role.lock();
        if let Some(own) = by_role.get(role).and_then(Weak::upgrade) {
            return own;
        }
        by_role.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.of_a_role));
        by_role.insert(role.to_owned(), Arc::downgrade(&own));
        own
    }
}

/// When a query begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Admission<'a> {
    /// In its turn, for which this session waits.
    InTurn(&'a Arc<Activity>),
    /// Now: it takes no time to speak of.
    AtOnce,
}

impl AdHoc {
    /// Starts them.
    pub(super) fn new(metrics: AdHocMetrics) -> std::result::Result<Self, Error> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let processors = Arc::new(Processors::new());
        let (entered, left) = (Arc::clone(&processors), Arc::clone(&processors));
        let runtime = Builder::new_multi_thread()
            .worker_threads(count * THREADS)
            .thread_name("ad-hoc")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(move || {
                give_way();
                entered.enter();
            })
            .on_thread_stop(move || left.leave())
            .enable_all()
            .build()
            .map_err(|error| {
                Error::outside(
                    SqlState::OutOfMemory,
                    format!("the threads of ad-hoc queries cannot be started: {error}"),
                )
            })?;
        Ok(Self {
            runtime: Some(runtime),
            places: Places::new(count * RUNNING),
            planning: Arc::new(Semaphore::new(count * PLANNING)),
            processors,
            metrics,
        })
    }

    /// Whether there are streams that long statements leave a processor to.
    pub(super) fn beside_streams(&self, streams: bool) {
        self.processors.beside_streams(streams);
    }

    /// Runs a plan; its rows. They end with the stream that this gives.
    pub(crate) async fn run(
        &self,
        admission: Admission<'_>,
        context: SessionContext,
        plan: LogicalPlan,
    ) -> Result<SendableRecordBatchStream> {
        let start = async move {
            let frame = context.execute_logical_plan(plan).await?;
            frame.execute_stream().await
        };
        self.run_with(admission, start).await
    }

    /// Does what does not stop on its way, planning, to its end, whether or not somebody still waits for it.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> std::result::Result<T, Error> {
        let lost = || Error::internal("the planning has broken down");
        let place = Arc::clone(&self.planning).acquire_owned().await;
        let (Some(runtime), Ok(place)) = (&self.runtime, place) else {
            return Err(lost());
        };
        let watched = watch(&Handle::current(), &self.processors, &self.metrics, LONG);
        let task = runtime.spawn(async move {
            let _held = (place, watched);
            work.await
        });
        task.await.map_err(|_| lost())
    }

    /// Runs what gives rows when it is started.
    pub(crate) async fn run_with(
        &self,
        admission: Admission<'_>,
        start: impl Future<Output = Result<SendableRecordBatchStream>> + Send + 'static,
    ) -> Result<SendableRecordBatchStream> {
        let Some(runtime) = &self.runtime else {
            return Err(broken_down());
        };
        let (begun, begins) = oneshot::channel();
        let (out, rows) = mpsc::channel(AHEAD);
        let turns = match admission {
            Admission::AtOnce => None,
            Admission::InTurn(session) => {
                let (places, metrics) = (&self.places, &self.metrics);
                Some(Turns::of(session, places, &self.processors, metrics))
            }
        };
        let task = runtime.spawn(run(start, turns, begun, out));
        let task = Task(task);
        let schema = begins.await.map_err(|_| broken_down())??;
        let rows = futures::stream::unfold((rows, task), |(mut rows, mut task)| async move {
            if let Some(batch) = rows.recv().await {
                return Some((batch, (rows, task)));
            }
            // All rows were given, unless it broke down.
            let failed = (&mut task.0).await.err()?;
            let error = match failed.try_into_panic() {
                Ok(panic) => panicked(panic.as_ref()),
                Err(_) => broken_down(),
            };
            Some((Err(error), (rows, task)))
        });
        // One that broke down says so once.
        let rows = rows.scan(false, |over, batch| {
            let was = std::mem::replace(over, batch.is_err());
            std::future::ready((!was).then_some(batch))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

impl Drop for AdHoc {
    fn drop(&mut self) {
        // Whoever drops it may be a task that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A query's task, which ends with whoever reads its rows.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(
    start: impl Future<Output = Result<SendableRecordBatchStream>> + Send,
    mut turns: Option<Turns>,
    begun: oneshot::Sender<Result<SchemaRef>>,
    out: mpsc::Sender<Result<RecordBatch>>,
) {
    let mut turn = next(turns.as_mut()).await;
    let mut stream = match start.await {
        Ok(stream) => stream,
        Err(error) => {
            let _ = begun.send(Err(error));
            return;
        }
    };
    let _ = begun.send(Ok(stream.schema()));
    while let Some(batch) = stream.next().await {
        match out.try_send(batch) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => return,
            Err(TrySendError::Full(batch)) => {
                if let (Some(turns), Some(turn)) = (&mut turns, turn) {
                    turns.give_back(turn);
                }
                if out.send(batch).await.is_err() {
                    return;
                }
                turn = next(turns.as_mut()).await;
            }
        }
    }
}

/// The next turn, of one that needs any.
async fn next(turns: Option<&mut Turns>) -> Option<Turn> {
    turns?.next().await
}

/// Makes a statement a long one when it has been at work for so much longer, unless this is dropped before.
fn watch(
    on: &Handle,
    processors: &Arc<Processors>,
    metrics: &AdHocMetrics,
    longer: Duration,
) -> Task {
    let from = Instant::now() + longer;
    let (processors, long) = (Arc::clone(processors), metrics.long.clone());
    let here = on.clone();
    Task(on.spawn(async move {
        tokio::time::sleep_until(from.into()).await;
        let _spared = processors.spare(here);
        let _counted = Counted::of(&long);
        std::future::pending::<()>().await;
    }))
}

/// Where a query gets its turns.
struct Turns {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
    processors: Arc<Processors>,
    metrics: AdHocMetrics,
    session: Arc<Activity>,
    /// Not the threads of the queries: what one of those spawns may wait until it is free, and a query may keep it for as long as it runs.
    watch_on: Handle,
    /// How long the turns took that it has given back.
    ran: Duration,
}

/// A place among those of the role, and one among all.
type Permits = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Turns {
    /// Those of a session's queries.
    fn of(
        session: &Arc<Activity>,
        places: &Places,
        processors: &Arc<Processors>,
        metrics: &AdHocMetrics,
    ) -> Self {
        Self {
            all: Arc::clone(&places.all),
            own: places.of(session.user()),
            processors: Arc::clone(processors),
            metrics: metrics.clone(),
            session: Arc::clone(session),
            watch_on: Handle::current(),
            ran: Duration::ZERO,
        }
    }

    /// The next one. Nobody closes the semaphores.
    async fn next(&mut self) -> Option<Turn> {
        let permits = match self.at_once() {
            Some(permits) => permits,
            None => {
                let _seen = self.session.waits();
                let _counted = Counted::of(&self.metrics.waiting);
                // First its role's, so that it takes none of the others' while it waits for that.
                let own = Arc::clone(&self.own).acquire_owned().await.ok()?;
                (own, Arc::clone(&self.all).acquire_owned().await.ok()?)
            }
        };
        let longer = LONG.saturating_sub(self.ran);
        Some(Turn {
            since: Instant::now(),
            _watched: watch(&self.watch_on, &self.processors, &self.metrics, longer),
            _counted: Counted::of(&self.metrics.running),
            _permits: permits,
        })
    }

    /// Ends a turn before the query does.
    fn give_back(&mut self, turn: Turn) {
        self.ran += turn.since.elapsed();
    }

    fn at_once(&self) -> Option<Permits> {
        let own = Arc::clone(&self.own).try_acquire_owned().ok()?;
        Some((own, Arc::clone(&self.all).try_acquire_owned().ok()?))
    }
}

/// A query's turn, over when it is dropped.
struct Turn {
    since: Instant,
    _watched: Task,
    _counted: Counted,
    _permits: Permits,
}

/// One more of something, until it is dropped.
struct Counted(Gauge);

impl Counted {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Makes the calling thread worth less than others.
fn give_way() {
    #[cfg(target_os = "linux")]
    if run_in_long_slices() {
        return;
    }
    // SAFETY: takes numbers alone; 0 is the calling thread.
    let failed = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } != 0;
    if failed {
        let error = std::io::Error::last_os_error();
        tracing::warn!("ad-hoc queries run at the priority of streams: {error}");
    }
}

/// Gives the calling thread its nice value, and a slice that whoever wakes up interrupts; `false`, and nothing else, where that is not allowed.
/// Kernels before 6.12 take the nice value alone.
#[cfg(target_os = "linux")]
fn run_in_long_slices() -> bool {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_BATCH as u32,
        sched_flags: 0,
        sched_nice: NICE,
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the structure has the size that it says; 0 is the calling thread, and there are no flags.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) == 0 }
}

/// What is said of a query that panicked with this: Arrow's arrays do so where they would be larger than their offsets can tell.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> DataFusionError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    match text {
        Some(text) if text.contains("offset overflow") => DataFusionError::Execution(text.into()),
        _ => broken_down(),
    }
}

/// What is said of a query that broke down.
fn broken_down() -> DataFusionError {
    external(Error::internal("the query has broken down"))
}
