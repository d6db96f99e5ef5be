//! Those who have connected and not shown yet who they are: the same at every door.
//!
//! Connecting costs a stranger nothing, so a door has room for so many of them at a time, beside the room for those who are known. Where it
//! is taken, whoever came first goes: however many say nothing, the next one is served. And each is borne with for a limited time.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

#[cfg(test)]
mod tests;

/// Strangers that a door has at a time: as many as it has sessions, which may all come at once.
pub(super) const STRANGERS: usize = 1_000;

/// The strangers of a door.
#[derive(Debug)]
pub(super) struct Strangers {
    room: usize,
    here: Mutex<Here>,
}

#[derive(Debug, Default)]
struct Here {
    /// How many ever came.
    came: u64,
    /// Those who are here, in the order they came in, and what tells each that it has to go.
    waiting: BTreeMap<u64, CancellationToken>,
}

/// One of them, gone when it is dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    strangers: Arc<Strangers>,
    number: u64,
    known: AtomicBool,
    gone: CancellationToken,
}

/// Resolves when a stranger has to go: for another one, or because its time is up. It may be asked again after that.
#[derive(Debug)]
pub(super) struct Patience {
    displaced: Pin<Box<WaitForCancellationFutureOwned>>,
    end: Pin<Box<Sleep>>,
}

impl Strangers {
    /// Room for so many.
    pub(super) fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            room,
            here: Mutex::default(),
        })
    }

    /// One more comes; where there is no room the first of the others goes.
    pub(super) fn enter(self: &Arc<Self>) -> Stranger {
        let gone = CancellationToken::new();
        let mut here = self.here.lock();
        let first = match here.waiting.len() < self.room {
            true => None,
            false => here.waiting.pop_first(),
        };
        here.came += 1;
        let number = here.came;
        here.waiting.insert(number, gone.clone());
        // Whoever hears of it may come here.
        drop(here);
        if let Some((_, first)) = first {
            tracing::debug!("a connection is closed: it has not said who it is, and others come");
            first.cancel();
        }
        Stranger {
            strangers: Arc::clone(self),
            number,
            known: AtomicBool::new(false),
            gone,
        }
    }

    fn leave(&self, number: u64) {
        self.here.lock().waiting.remove(&number);
    }
}

impl Stranger {
    /// It has shown who it is: it takes no room here any more, and makes room for nobody.
    pub(super) fn known(&self) {
        if !self.known.swap(true, Ordering::AcqRel) {
            self.strangers.leave(self.number);
        }
    }

    /// Whether it has shown who it is.
    pub(super) fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// How long it is borne with: for so long, counted from now, unless others come.
    pub(super) fn patience(&self, time: Duration) -> Patience {
        Patience {
            displaced: Box::pin(self.gone.clone().cancelled_owned()),
            end: Box::pin(sleep(time)),
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.strangers.leave(self.number);
    }
}

impl Patience {
    /// For so long from now on.
    pub(super) fn anew(&mut self, time: Duration) {
        self.end.as_mut().reset(Instant::now() + time);
    }
}

impl Future for Patience {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.displaced.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.end.as_mut().poll(cx)
    }
}
