//! Where a reader's threads put what they read: an inbox for each query that reads through them.
//!
//! What is hard is who waits for whom. Pressure must go back to the broker when nobody has room; but a query that is slower than the others,
//! or stands still, may not hold them up for long. So an inbox that keeps the others hungry is given up: its query finds its channel closed
//! and reads on by itself.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

use super::{
    InboxBudget, ReadRequest, ReaderRequest, SourceEvent, SourceReader, SplitBatch, SplitId,
    SplitPosition,
};

/// For how much of [`OVER`] a query may keep others hungry that have nothing more to do; and for how long if it does not move at all.
const PATIENCE: Duration = Duration::from_secs(2);
const OVER: Duration = Duration::from_secs(10);
const STANDS_STILL: Duration = Duration::from_millis(300);

/// A running reader, held by those who read through it: it ends when the last of them lets it go.
#[derive(Debug)]
pub(super) struct Feed {
    requests: Sender<ReaderRequest>,
    pub(super) state: Arc<FeedState>,
}

impl Feed {
    pub(super) fn request(&self, request: ReaderRequest) {
        // A send fails only when the reader has ended, which its last event has said already.
        let _ = self.requests.send(request);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.request(ReaderRequest::Stop);
    }
}

/// What a reader and those who would read through it know of each other.
#[derive(Debug)]
pub(super) struct FeedState {
    /// Readers in the order in which they started: queries move to older ones only, never around in a circle.
    pub(super) id: u64,
    /// Offsets up to which batches were handed over.
    pub(super) heads: Mutex<BTreeMap<SplitId, i64>>,
    /// `None` once the reader has ended.
    joins: Mutex<Option<Vec<Join>>>,
    asked: AtomicBool,
}

impl FeedState {
    /// Asks to read through it; once the reader has ended the wish is dropped, and its answer with it.
    pub(super) fn ask(&self, join: Join) {
        let feed = Arc::clone(&join.feed);
        if let Some(joins) = self.joins.lock().as_mut() {
            joins.push(join);
            self.asked.store(true, Ordering::Release);
        }
        feed.request(ReaderRequest::Wake);
    }
}

/// A query's wish to read through a reader that is running.
#[derive(Debug)]
pub(crate) struct Join {
    feed: Arc<Feed>,
    columns: Vec<String>,
    inbox_bytes: usize,
    answer: oneshot::Sender<Admitted>,
}

impl Join {
    pub(super) fn new(
        feed: Arc<Feed>,
        request: &ReadRequest,
    ) -> (Self, oneshot::Receiver<Admitted>) {
        let (answer, answered) = oneshot::channel();
        let join = Self {
            feed,
            columns: request.columns.clone(),
            inbox_bytes: request.inbox_bytes,
            answer,
        };
        (join, answered)
    }
}

/// Who was let in gets everything from these positions on.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) reader: SourceReader,
    pub(super) heads: Vec<SplitPosition>,
}

/// The reader's end.
#[derive(Debug)]
pub(crate) struct Outlet {
    state: Arc<FeedState>,
    /// Columns that are read: those that anybody wants.
    columns: Vec<String>,
    inboxes: Vec<Inbox>,
}

#[derive(Debug)]
struct Inbox {
    events: UnboundedSender<SourceEvent>,
    budget: Arc<InboxBudget>,
    wanted: Vec<String>,
    /// Where its columns stand among those that are read; `None` where they are the same.
    columns: Option<Vec<usize>>,
    /// For which there was no room yet.
    waiting: Option<SplitBatch>,
    /// How long others were hungry because of it, since when; and for how much of that it gave nothing back, after so many times it had.
    kept_waiting: Duration,
    since: Instant,
    stood_still: Duration,
    releases: u64,
}

/// A reader's outlet with one inbox, the requests to it, and the receiving end.
pub(crate) fn open(request: &ReadRequest) -> (Outlet, Receiver<ReaderRequest>, SourceReader) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (requests, asked) = mpsc::channel();
    let state = Arc::new(FeedState {
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        heads: Mutex::default(),
        joins: Mutex::new(Some(Vec::new())),
        asked: AtomicBool::new(false),
    });
    let feed = Arc::new(Feed {
        requests,
        state: Arc::clone(&state),
    });
    let (inbox, reader) = Inbox::new(request.inbox_bytes, request.columns.clone(), feed);
    let outlet = Outlet {
        state,
        columns: request.columns.clone(),
        inboxes: vec![inbox],
    };
    (outlet, asked, reader)
}

impl Outlet {
    /// Whether nobody reads any more.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.inboxes
            .retain(|inbox| !inbox.budget.is_closed() && !inbox.events.is_closed());
        self.inboxes.is_empty()
    }

    /// Tells everybody; `false` when nobody reads any more.
    pub(crate) fn send(&mut self, event: &SourceEvent) -> bool {
        if let SourceEvent::SplitFound { position, .. } = event {
            self.moved(&position.split, position.next_offset);
        }
        for inbox in &self.inboxes {
            inbox.send(event.clone());
        }
        !self.is_closed()
    }

    /// Takes a batch for everybody; [`Outlet::deliver`] hands it over.
    pub(crate) fn offer(&mut self, batch: SplitBatch) {
        self.moved(&batch.split, batch.range.end);
        if let [inbox] = self.inboxes.as_mut_slice() {
            inbox.offer(batch);
            return;
        }
        for inbox in &mut self.inboxes {
            inbox.offer(batch.clone());
        }
    }

    fn moved(&self, split: &SplitId, offset: i64) {
        let mut heads = self.state.heads.lock();
        match heads.get_mut(split) {
            Some(head) => *head = offset,
            None => {
                heads.insert(split.clone(), offset);
            }
        }
    }

    /// Hands over what was offered, waiting at most so long for room: whether everybody has it.
    pub(crate) fn deliver(&mut self, wait: Duration) -> bool {
        for inbox in &mut self.inboxes {
            inbox.deliver(Duration::ZERO);
        }
        let waits = |inbox: &Inbox| inbox.waiting.is_some();
        let Some(slow) = self.inboxes.iter().position(waits) else {
            return true;
        };
        let begun = Instant::now();
        let delivered = self
            .inboxes
            .get_mut(slow)
            .is_none_or(|inbox| inbox.deliver(wait));
        let hungry = self.inboxes.iter().any(|inbox| inbox.budget.is_empty());
        if let Some(inbox) = self.inboxes.get_mut(slow).filter(|_| hungry)
            && inbox.keeps_waiting(begun.elapsed())
        {
            inbox.budget.give_up();
            self.inboxes.remove(slow);
        }
        let all = delivered && !self.inboxes.iter().any(waits);
        all || self.is_closed()
    }

    /// Hands over at once, room or not: before a failure is told.
    pub(crate) fn force(&mut self, batch: Option<SplitBatch>) {
        for inbox in &mut self.inboxes {
            inbox.force();
        }
        if let Some(batch) = batch {
            self.offer(batch);
            for inbox in &mut self.inboxes {
                inbox.force();
            }
        }
    }

    /// Who wants to be let in.
    pub(crate) fn joins(&self) -> Vec<Join> {
        if !self.state.asked.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let mut joins = self.state.joins.lock();
        joins.as_mut().map(mem::take).unwrap_or_default()
    }

    /// The columns to be read once this one is in, if they are more than now.
    pub(crate) fn grown_by(&self, join: &Join) -> Option<Vec<String>> {
        let mut columns = self.columns.clone();
        let new = join
            .columns
            .iter()
            .filter(|new| !self.columns.contains(new));
        columns.extend(new.cloned());
        (columns.len() > self.columns.len()).then_some(columns)
    }

    /// Everything offered from now on has these columns.
    pub(crate) fn read_columns(&mut self, columns: Vec<String>) {
        self.columns = columns;
        for inbox in &mut self.inboxes {
            inbox.columns = among(&self.columns, &inbox.wanted);
        }
    }

    /// Lets it in: it gets everything from these positions on, up to which everything was delivered.
    pub(crate) fn admit(&mut self, join: Join, heads: Vec<SplitPosition>) {
        let (mut inbox, reader) = Inbox::new(join.inbox_bytes, join.columns, join.feed);
        inbox.columns = among(&self.columns, &inbox.wanted);
        if join.answer.send(Admitted { reader, heads }).is_ok() {
            self.inboxes.push(inbox);
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.state.joins.lock().take();
    }
}

impl Inbox {
    fn new(bytes: usize, wanted: Vec<String>, feed: Arc<Feed>) -> (Self, SourceReader) {
        let (events, received): (_, UnboundedReceiver<_>) = unbounded_channel();
        let budget = InboxBudget::new(bytes);
        let reader = SourceReader {
            events: received,
            budget: Arc::clone(&budget),
            feed,
        };
        let inbox = Self {
            events,
            budget,
            wanted,
            columns: None,
            waiting: None,
            kept_waiting: Duration::ZERO,
            since: Instant::now(),
            stood_still: Duration::ZERO,
            releases: 0,
        };
        (inbox, reader)
    }

    fn send(&self, event: SourceEvent) {
        // Who has gone is taken out when the outlet looks.
        let _ = self.events.send(event);
    }

    /// Takes its own columns of a batch.
    fn offer(&mut self, mut batch: SplitBatch) {
        if let Some(columns) = &self.columns {
            match batch.rows.project(columns) {
                Ok(rows) => batch.rows = rows,
                Err(error) => return self.send(SourceEvent::Failed(error.into())),
            }
        }
        self.waiting = Some(batch);
    }

    fn deliver(&mut self, wait: Duration) -> bool {
        let room = |batch: &SplitBatch| self.budget.take(batch.memory_bytes(), wait);
        if !self.waiting.as_ref().is_none_or(room) {
            return false;
        }
        if let Some(batch) = self.waiting.take() {
            self.send(SourceEvent::Batch(batch));
        }
        true
    }

    fn force(&mut self) {
        if let Some(batch) = self.waiting.take() {
            self.budget.take(batch.memory_bytes(), Duration::ZERO);
            self.send(SourceEvent::Batch(batch));
        }
    }

    /// Notes that others were hungry because of it: whether it was too long.
    fn keeps_waiting(&mut self, time: Duration) -> bool {
        if self.since.elapsed() > OVER {
            self.since = Instant::now();
            self.kept_waiting = Duration::ZERO;
        }
        let releases = self.budget.releases();
        if releases != self.releases {
            self.releases = releases;
            self.stood_still = Duration::ZERO;
        }
        self.kept_waiting += time;
        self.stood_still += time;
        self.kept_waiting > PATIENCE || self.stood_still > STANDS_STILL
    }
}

/// Where wanted columns stand among those that are read; `None` where they are the same.
fn among(read: &[String], wanted: &[String]) -> Option<Vec<usize>> {
    let at = |name: &String| read.iter().position(|column| column == name);
    (read != wanted).then(|| wanted.iter().filter_map(at).collect())
}
