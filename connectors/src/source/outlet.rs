//! Where a reader's threads put what they read: an inbox for each query that reads through them.
//!
//! What is hard is who waits for whom. Pressure must go back to the broker when nobody has room; but a query that is slower than the others,
//! or stands still, may not hold them up for long. So an inbox that keeps the others hungry is given up: its query finds its channel closed
//! and reads on by itself. And while there is much to read for everybody, a reader stands still for queries that come up from behind, so that
//! what lies before it is read once; readers wait for newer ones alone, and never for long.

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

/// For how much of [`OVER`] a query may keep all others hungry, who have nothing more to do; and for how long if it does not move at all.
const PATIENCE: Duration = Duration::from_secs(2);
const OVER: Duration = Duration::from_secs(10);
const STANDS_STILL: Duration = Duration::from_millis(300);
/// For how much of [`AGAIN`] a reader stands still for queries that come up from behind.
const STANDS_FOR: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(30);
/// How long a reader that begins behind another one waits for more queries that do, after the last that came; and how long at most.
const COMPANY: Duration = Duration::from_millis(100);
const COMPANY_AT_MOST: Duration = Duration::from_secs(1);
/// How often one that stands looks whether it may go on.
const STEP: Duration = Duration::from_millis(2);

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
    /// End offsets as last told.
    ends: Mutex<BTreeMap<SplitId, i64>>,
    /// Until when it waits for company, and not beyond.
    company: Mutex<Option<(Instant, Instant)>>,
    /// `None` once the reader has ended.
    joins: Mutex<Option<Vec<Join>>>,
    asked: AtomicBool,
}

impl FeedState {
    /// Messages that it has still to read, as far as is known.
    pub(super) fn backlog(&self) -> i64 {
        let ends = self.ends.lock().clone();
        let heads = self.heads.lock();
        let left = |(split, end): (&SplitId, &i64)| {
            let head = heads.get(split);
            head.map_or(0, |head| end.saturating_sub(*head).max(0))
        };
        ends.iter().map(left).fold(0, i64::saturating_add)
    }

    /// Reads nothing for now: more queries may begin where it does.
    pub(super) fn wait_for_company(&self) {
        let now = Instant::now();
        *self.company.lock() = Some((now + COMPANY, now + COMPANY_AT_MOST));
    }

    /// One has come: where company is waited for, others may follow.
    pub(super) fn company_came(&self) {
        if let Some((until, at_most)) = self.company.lock().as_mut() {
            *until = (Instant::now() + COMPANY).min(*at_most);
        }
    }

    fn waits_for_company(&self) -> bool {
        let mut company = self.company.lock();
        let waits = company.is_some_and(|(until, _)| Instant::now() < until);
        if !waits {
            *company = None;
        }
        waits
    }

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
    /// Whether the reader is to stand still until the query has come up.
    stand: bool,
    answer: oneshot::Sender<Admitted>,
}

impl Join {
    pub(super) fn new(
        feed: Arc<Feed>,
        request: &ReadRequest,
        stand: bool,
    ) -> (Self, oneshot::Receiver<Admitted>) {
        let (answer, answered) = oneshot::channel();
        let join = Self {
            feed,
            columns: request.columns.clone(),
            inbox_bytes: request.inbox_bytes,
            stand,
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
    /// How long it stood still for others.
    stood: Spent,
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
    /// How long others were hungry because of it; and for how much of that it gave nothing back, after so many times it had.
    kept_waiting: Spent,
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
        ends: Mutex::default(),
        company: Mutex::default(),
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
        stood: Spent::default(),
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
        match event {
            SourceEvent::SplitFound {
                position,
                end_offset,
            } => {
                self.moved(&position.split, position.next_offset);
                self.ends_at(&position.split, *end_offset);
            }
            SourceEvent::EndOffset { split, end_offset } => self.ends_at(split, *end_offset),
            _ => {}
        }
        for inbox in &self.inboxes {
            inbox.send(event.clone());
        }
        !self.is_closed()
    }

    /// Takes a batch for everybody; [`Outlet::deliver`] hands it over.
    pub(crate) fn offer(&mut self, mut batch: SplitBatch) {
        self.moved(&batch.split, batch.range.end);
        if let [inbox] = self.inboxes.as_mut_slice() {
            inbox.offer(batch);
            return;
        }
        batch.worked_out = Some(Arc::default());
        for inbox in &mut self.inboxes {
            inbox.offer(batch.clone());
        }
    }

    fn moved(&self, split: &SplitId, offset: i64) {
        note(&mut self.state.heads.lock(), split, offset);
    }

    fn ends_at(&self, split: &SplitId, offset: i64) {
        note(&mut self.state.ends.lock(), split, offset);
    }

    /// Whether to read nothing just now, so that others come to read the same; a moment has passed then, and joins and requests are to be
    /// looked at. Asked between two batches.
    pub(crate) fn stands(&mut self) -> bool {
        let coming = |inbox: &Inbox| inbox.budget.is_awaited();
        if self.inboxes.iter().any(coming) && *self.stood.within(AGAIN) < STANDS_FOR {
            let begun = Instant::now();
            std::thread::sleep(STEP);
            *self.stood.within(AGAIN) += begun.elapsed();
            return true;
        }
        let waits = self.state.waits_for_company();
        if waits {
            std::thread::sleep(STEP);
        }
        waits
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
        if self.others_are_hungry(slow)
            && let Some(inbox) = self.inboxes.get_mut(slow)
            && inbox.keeps_waiting(begun.elapsed())
        {
            inbox.budget.give_up();
            self.inboxes.remove(slow);
        }
        let all = delivered && !self.inboxes.iter().any(waits);
        all || self.is_closed()
    }

    /// Whether everybody has nothing to do but those that have no room. Where one of the others is busy still, as it is when the processor is
    /// short for all, nobody goes faster without the slow one, and that would read everything once more by itself.
    fn others_are_hungry(&self, slow: usize) -> bool {
        let inboxes = self.inboxes.iter().enumerate();
        let mut others = inboxes
            .filter(|(at, inbox)| *at != slow && inbox.waiting.is_none())
            .map(|(_, inbox)| inbox.budget.is_empty())
            .peekable();
        others.peek().is_some() && others.all(|empty| empty)
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
        if join.stand {
            inbox.budget.awaited();
        }
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
            kept_waiting: Spent::default(),
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
        let releases = self.budget.releases();
        if releases != self.releases {
            self.releases = releases;
            self.stood_still = Duration::ZERO;
        }
        let kept_waiting = self.kept_waiting.within(OVER);
        *kept_waiting += time;
        self.stood_still += time;
        *kept_waiting > PATIENCE || self.stood_still > STANDS_STILL
    }
}

/// Time that went into something, of a stretch of time; with the next stretch it begins anew.
#[derive(Debug)]
struct Spent {
    since: Instant,
    time: Duration,
}

impl Default for Spent {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            time: Duration::ZERO,
        }
    }
}

impl Spent {
    fn within(&mut self, stretch: Duration) -> &mut Duration {
        if self.since.elapsed() > stretch {
            *self = Self::default();
        }
        &mut self.time
    }
}

fn note(offsets: &mut BTreeMap<SplitId, i64>, split: &SplitId, offset: i64) {
    match offsets.get_mut(split) {
        Some(noted) => *noted = offset,
        None => {
            offsets.insert(split.clone(), offset);
        }
    }
}

/// Where wanted columns stand among those that are read; `None` where they are the same.
fn among(read: &[String], wanted: &[String]) -> Option<Vec<usize>> {
    let at = |name: &String| read.iter().position(|column| column == name);
    (read != wanted).then(|| wanted.iter().filter_map(at).collect())
}
