//! Which processors ad-hoc queries run on: all of them at first, and all but one as soon as a query has been at work for long beside a stream.
//!
//! Threads of a low priority keep nobody from running, but whoever wakes up finds no processor idle, and waits for one behind whoever runs
//! there: not only streams, also the broker and the producers where they share the machine (docs/decisions/026-a-processor-for-streams.md).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

use self::kernel::{Processor, Thread};

/// For how long one is spared after the last that wanted it: often the next comes soon.
const LINGERS: Duration = Duration::from_secs(5);

/// The processors, and the threads that are kept to them.
#[derive(Debug)]
pub(super) struct Processors {
    /// The one that is left to others; `None` where there is no other, or none can be chosen.
    spared: Option<Processor>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    threads: BTreeSet<Thread>,
    /// How many want one spared.
    wanted: usize,
    /// Until when one is spared because it was wanted; there is a task that looks then.
    lingers: Option<Instant>,
    streams: bool,
    sparing: bool,
}

impl Processors {
    /// Those of this process.
    pub(super) fn new() -> Self {
        Self {
            spared: Processor::to_spare(),
            state: Mutex::default(),
        }
    }

    /// The calling thread is one of ad-hoc queries from now on. It begins on the processors of the thread that started it, which may have been
    /// fewer then.
    pub(super) fn enter(&self) {
        let thread = Thread::this();
        let mut state = self.state.lock();
        state.threads.insert(thread);
        if let Some(spared) = &self.spared {
            spared.keep(thread, state.sparing);
        }
    }

    /// The calling thread ends.
    pub(super) fn leave(&self) {
        self.state.lock().threads.remove(&Thread::this());
    }

    /// Whether there are streams to leave a processor to.
    pub(super) fn beside_streams(&self, streams: bool) {
        self.change(|state| state.streams = streams);
    }

    /// Spares one beside streams, until this is dropped and a while longer; that is waited for there.
    pub(super) fn spare(self: &Arc<Self>, on: Handle) -> Spared {
        self.change(|state| state.wanted += 1);
        Spared {
            processors: Arc::clone(self),
            on,
        }
    }

    /// Waits until nothing lingers.
    async fn let_go(self: Arc<Self>) {
        let lingers = || self.state.lock().lingers;
        while let Some(until) = lingers() {
            sleep_until(until).await;
            self.change(|state| {
                state.lingers = state.lingers.filter(|until| *until > Instant::now())
            });
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let sparing = state.streams && (state.wanted > 0 || state.lingers.is_some());
        if sparing == state.sparing {
            return;
        }
        state.sparing = sparing;
        if let Some(spared) = &self.spared {
            for thread in &state.threads {
                spared.keep(*thread, sparing);
            }
        }
    }
}

/// One that wants a processor spared.
#[derive(Debug)]
pub(super) struct Spared {
    processors: Arc<Processors>,
    on: Handle,
}

impl Drop for Spared {
    fn drop(&mut self) {
        let until = Instant::now() + LINGERS;
        let mut lingered = None;
        self.processors.change(|state| {
            state.wanted -= 1;
            lingered = state.lingers.replace(until);
        });
        if lingered.is_none() {
            self.on.spawn(Arc::clone(&self.processors).let_go());
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    //! Threads are kept to processors by their affinity.

    use std::{fmt, mem::MaybeUninit};

    /// Which processors a thread may run on: all that the process may, or all of these but one.
    pub(super) struct Processor {
        all: libc::cpu_set_t,
        rest: libc::cpu_set_t,
    }

    /// A thread by the kernel's number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub(super) struct Thread(libc::pid_t);

    impl Thread {
        /// The calling one.
        pub(super) fn this() -> Self {
            // SAFETY: no arguments.
            Self(unsafe { libc::gettid() })
        }

        /// The processors it may run on; `None` where there are more than a set holds.
        fn processors(self) -> Option<libc::cpu_set_t> {
            let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
            // SAFETY: the set has the size that is told; all of it zero is valid too.
            unsafe {
                let size = size_of::<libc::cpu_set_t>();
                (libc::sched_getaffinity(self.0, size, set.as_mut_ptr()) == 0)
                    .then(|| set.assume_init())
            }
        }

        /// How many they are.
        #[cfg(test)]
        pub(super) fn count(self) -> usize {
            let set = self.processors();
            // SAFETY: reads a set.
            set.map_or(0, |set| unsafe { libc::CPU_COUNT(&set) } as usize)
        }
    }

    impl Processor {
        /// The first of those that the calling thread may run on, if there are others.
        pub(super) fn to_spare() -> Option<Self> {
            let all = Thread::this().processors()?;
            let mut rest = all;
            // SAFETY: numbers below the size of a set, of sets that are there.
            let others = unsafe {
                let first = (0..libc::CPU_SETSIZE as usize).find(|at| libc::CPU_ISSET(*at, &all));
                libc::CPU_CLR(first?, &mut rest);
                libc::CPU_COUNT(&rest)
            };
            (others > 0).then_some(Self { all, rest })
        }

        /// Lets a thread run on all, or on all but this one. What the kernel refuses costs the sparing alone.
        pub(super) fn keep(&self, thread: Thread, off: bool) {
            let set = if off { &self.rest } else { &self.all };
            // SAFETY: the set has the size that is told, and the thread is one of this process.
            let done =
                unsafe { libc::sched_setaffinity(thread.0, size_of::<libc::cpu_set_t>(), set) };
            if done != 0 {
                let error = std::io::Error::last_os_error();
                tracing::debug!("an ad-hoc thread stays on the processors that it has: {error}");
            }
        }
    }

    impl fmt::Debug for Processor {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            // SAFETY: reads a set.
            let others = unsafe { libc::CPU_COUNT(&self.rest) };
            write!(f, "Processor(one beside {others})")
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    //! Elsewhere no processor can be chosen.

    #[derive(Debug)]
    pub(super) enum Processor {}

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub(super) struct Thread;

    impl Thread {
        pub(super) fn this() -> Self {
            Self
        }
    }

    impl Processor {
        pub(super) fn to_spare() -> Option<Self> {
            None
        }

        pub(super) fn keep(&self, _thread: Thread, _off: bool) {
            match *self {}
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
