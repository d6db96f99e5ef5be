//! The readers of one stream's queries: those that stand near each other read through one of them, so that a message is fetched and decoded once.
//!
//! A query begins with a reader of its own. When it stands near where an older reader does, it asks to read through that one, and goes on with
//! its own until the two meet; then its own ends, unless others read through it. In a backlog the older one stands still meanwhile, and the
//! newer one begins only when no more queries come, so that what lies between them is read once for all of them. A query that was too slow for
//! the others goes on by itself and tries again later. Whoever takes the events notices nothing: within a split they come in the order of offsets, without gap or overlap.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    ReadRequest, Source, SourceEvent, SourceReader, SplitBatch, SplitId, SplitPosition,
    outlet::{Admitted, Feed, Join},
};
use crate::error::{ConnectorError, Result};

/// How often a query looks for an older reader to read through.
const LOOK: Duration = Duration::from_millis(250);
/// Messages that a query may be behind another one's reader and still catch up with it while that waits: about what a reader gets through
/// while a statement is planned on a busy machine, and no more than it catches up within the time that one stands.
const BEHIND: i64 = 4_000_000;
/// Messages that it may be ahead, and wait for them; and so many where the other one is in a backlog, which it gets through fast.
const AHEAD: i64 = 50_000;
const AHEAD_IN_BACKLOG: i64 = 1_000_000;
/// Messages that a reader must have to read before it stands still for a query behind it, and how many times what that is behind: less is
/// sooner read twice. Whoever is at the end of a topic, or near it, is never kept from new messages.
const BACKLOG: i64 = 200_000;
const BACKLOG_TO_BEHIND: i64 = 1;
/// How long a query that was too slow keeps to itself; twice as long each time.
const ALONE: Duration = Duration::from_secs(10);
const ALONE_AT_MOST: Duration = Duration::from_secs(300);

/// What reads of one stream.
#[derive(Debug)]
pub struct StreamReaders {
    source: Arc<dyn Source>,
    feeds: Mutex<Vec<Weak<Feed>>>,
}

impl StreamReaders {
    /// None yet.
    pub fn new(source: Arc<dyn Source>) -> Arc<Self> {
        Arc::new(Self {
            source,
            feeds: Mutex::default(),
        })
    }

    /// The source that they read.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Starts reading, by itself at first. What has an end to come to keeps to itself.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    pub fn read(self: &Arc<Self>, request: ReadRequest) -> Result<SharedReader> {
        let shares = self.source.shares() && request.until.is_empty();
        let own = self.source.read(request.clone())?;
        if request.until.is_empty() {
            let mut feeds = self.feeds.lock();
            let mut draining = false;
            for feed in feeds.iter().filter_map(Weak::upgrade) {
                draining |= feed.state.backlog() >= BACKLOG;
                feed.state.company_came();
            }
            if shares && draining {
                own.feed.state.wait_for_company();
            }
            feeds.push(Arc::downgrade(&own.feed));
        }
        Ok(SharedReader {
            readers: Arc::clone(self),
            shares,
            positions: BTreeMap::new(),
            request,
            own,
            other: Other::None,
            look_at: Instant::now(),
            alone: ALONE,
        })
    }

    /// Readers that queries read through now; those of queries that could not share one count each.
    pub fn running(&self) -> usize {
        let mut feeds = self.feeds.lock();
        feeds.retain(|feed| feed.strong_count() > 0);
        feeds.len()
    }

    /// The nearest older reader than this one, of those that stand near; of equally near ones the oldest. To the nearest a query has the
    /// least to read by itself, and from there it goes on to an older one later.
    fn older(
        &self,
        feed: &Feed,
        distance: impl Fn(&Feed) -> Option<Distance>,
    ) -> Option<(Distance, Arc<Feed>)> {
        let mut feeds = self.feeds.lock();
        feeds.retain(|feed| feed.strong_count() > 0);
        let older = feeds
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|other| other.state.id < feed.state.id);
        let near = older.filter_map(|other| Some((distance(&other)?, other)));
        near.min_by_key(|(distance, other)| (distance.all(), other.state.id))
    }
}

/// A query's reading of a stream, through whatever reader.
#[derive(Debug)]
pub struct SharedReader {
    readers: Arc<StreamReaders>,
    shares: bool,
    request: ReadRequest,
    /// Where it stands.
    positions: BTreeMap<SplitId, SplitPosition>,
    own: SourceReader,
    other: Other,
    look_at: Instant,
    alone: Duration,
}

/// Another query's reader.
#[derive(Debug)]
enum Other {
    None,
    /// Asked whether it takes this query in.
    Asked(oneshot::Receiver<Admitted>),
    /// It has, and this query's own reader goes on until it has passed these offsets.
    Meets(SourceReader, BTreeMap<SplitId, i64>),
}

impl SharedReader {
    /// The next event; `None` once the reader has ended.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<SourceEvent>> {
        loop {
            self.look(context);
            match self.own.events.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) if self.was_given_up() => {
                    if let Err(error) = self.read_alone() {
                        return Poll::Ready(Some(SourceEvent::Failed(error)));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(event)) => {
                    if let Some(event) = self.pass(event) {
                        return Poll::Ready(Some(event));
                    }
                }
            }
        }
    }

    /// An event that is there already.
    pub fn try_next(&mut self) -> Option<SourceEvent> {
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    /// Whether no event is waiting.
    pub fn is_empty(&self) -> bool {
        self.own.events.is_empty()
    }

    /// Asks for fresh end offsets; a reader that has ended does not answer.
    pub fn ask_ends(&self) {
        self.own.ask_ends();
    }

    /// Gives a batch's bytes back once the epoch that took it is done.
    pub fn release(&self, batch: &SplitBatch) {
        self.own.release(batch);
    }

    /// Looks for an older reader near by, or how far the move to it is.
    fn look(&mut self, context: &mut Context<'_>) {
        if matches!(self.other, Other::None) {
            self.ask_older();
        }
        match &mut self.other {
            Other::None => {}
            // The own reader may stand still meanwhile, and would wake nobody.
            Other::Asked(answer) => match Pin::new(answer).poll(context) {
                Poll::Pending => {}
                Poll::Ready(Err(_)) => self.other = Other::None,
                Poll::Ready(Ok(Admitted { reader, heads })) => {
                    self.other = match self.meeting(&heads, may_be_ahead(&reader.feed)) {
                        Some(meeting) => Other::Meets(reader, meeting),
                        None => Other::None,
                    };
                    self.move_over();
                }
            },
            Other::Meets(reader, _) if reader.was_given_up() => self.other = Other::None,
            Other::Meets(..) => {}
        }
    }

    /// Asks the nearest older reader to let it in, if it is time to.
    fn ask_older(&mut self) {
        if !self.shares || Instant::now() < self.look_at {
            return;
        }
        self.look_at = Instant::now() + LOOK;
        let distance = |feed: &Feed| {
            let ahead = may_be_ahead(feed);
            distance(&self.positions, &feed.state.heads.lock(), ahead)
        };
        if let Some((distance, feed)) = self.readers.older(&self.own.feed, distance) {
            let stand = worth_standing(distance.behind, feed.state.backlog());
            let (join, answer) = Join::new(Arc::clone(&feed), &self.request, stand);
            feed.state.ask(join);
            self.other = Other::Asked(answer);
        }
    }

    /// From where on the other reader has each split, if it stands near indeed, in the same topic.
    fn meeting(&self, heads: &[SplitPosition], ahead: i64) -> Option<BTreeMap<SplitId, i64>> {
        let mut meeting = BTreeMap::new();
        for head in heads {
            let stands = self.positions.get(&head.split)?;
            if stands.topic_id != head.topic_id {
                return None;
            }
            meeting.insert(head.split.clone(), head.next_offset);
        }
        distance(&self.positions, &meeting, ahead).map(|_| meeting)
    }

    /// Goes on with the other reader if the own one has come to where that begins in every split. What lies in the own inbox comes again from
    /// there, and what has come already is cut off it.
    fn move_over(&mut self) {
        let Other::Meets(_, meeting) = &self.other else {
            return;
        };
        let met = |(split, offset): (&SplitId, &i64)| {
            let stands = self.positions.get(split);
            stands.is_some_and(|stands| stands.next_offset >= *offset)
        };
        if meeting.iter().all(met)
            && let Other::Meets(reader, _) = std::mem::replace(&mut self.other, Other::None)
        {
            // Batches that are out are given back to the wrong inbox then, which holds a little more for a moment.
            reader.arrived();
            self.own = reader;
            // There may be a still older one.
            self.look_at = Instant::now();
        }
    }

    /// An event as the query sees it.
    fn pass(&mut self, event: SourceEvent) -> Option<SourceEvent> {
        match event {
            SourceEvent::SplitFound {
                position,
                end_offset,
            } => {
                let split = position.split.clone();
                if self.positions.contains_key(&split) {
                    return Some(SourceEvent::EndOffset { split, end_offset });
                }
                self.positions.insert(split, position.clone());
                // Where it stands is known sooner than it has read much of what others have.
                self.look_at = Instant::now();
                Some(SourceEvent::SplitFound {
                    position,
                    end_offset,
                })
            }
            SourceEvent::Batch(batch) => self.pass_batch(batch),
            other => Some(other),
        }
    }

    /// What of a batch has not come yet.
    fn pass_batch(&mut self, batch: SplitBatch) -> Option<SourceEvent> {
        let stands = self.positions.get_mut(&batch.split);
        let from = stands
            .as_ref()
            .map_or(batch.range.start, |stands| stands.next_offset);
        if batch.range.start > from {
            return Some(SourceEvent::Failed(gap(&batch, from)));
        }
        let part = match batch.range.start == from {
            true => batch,
            false => {
                let part = batch.slice(from, i64::MAX);
                // What is passed is given back by who takes it.
                let passed = part.as_ref().map_or(0, SplitBatch::memory_bytes);
                let all = batch.memory_bytes();
                self.own.give_back(all.saturating_sub(passed));
                part?
            }
        };
        if let Some(stands) = stands {
            stands.next_offset = part.range.end;
            stands.leader_epoch = part.leader_epoch.or(stands.leader_epoch);
        }
        self.move_over();
        Some(SourceEvent::Batch(part))
    }

    /// Whether the reader goes on without this query.
    fn was_given_up(&self) -> bool {
        self.shares && self.own.was_given_up()
    }

    /// Goes on by itself from where it stands.
    fn read_alone(&mut self) -> Result<()> {
        let request = ReadRequest {
            positions: self.positions.values().cloned().collect(),
            ..self.request.clone()
        };
        self.other = Other::None;
        self.own = self.readers.source.read(request)?;
        let mut feeds = self.readers.feeds.lock();
        feeds.push(Arc::downgrade(&self.own.feed));
        self.look_at = Instant::now() + self.alone;
        self.alone = (self.alone * 2).min(ALONE_AT_MOST);
        Ok(())
    }
}

/// Messages between where a query stands and where a reader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Distance {
    behind: i64,
    ahead: i64,
}

impl Distance {
    fn all(self) -> i64 {
        self.behind.saturating_add(self.ahead)
    }
}

/// Whether a reader stands still for a query that is so far behind it.
fn worth_standing(behind: i64, backlog: i64) -> bool {
    let enough = behind.saturating_mul(BACKLOG_TO_BEHIND).max(BACKLOG);
    behind > 0 && backlog >= enough
}

/// Messages that a query may be ahead of those who read through a reader.
fn may_be_ahead(feed: &Feed) -> i64 {
    match feed.state.backlog() >= BACKLOG {
        true => AHEAD_IN_BACKLOG,
        false => AHEAD,
    }
}

/// How far apart they are; `None` where the query cannot move there without anybody waiting for long.
fn distance(
    stands: &BTreeMap<SplitId, SplitPosition>,
    heads: &BTreeMap<SplitId, i64>,
    may_be_ahead: i64,
) -> Option<Distance> {
    let (mut behind, mut ahead) = (0_i64, 0_i64);
    for (split, head) in heads {
        let stands = stands.get(split)?;
        let distance = head.saturating_sub(stands.next_offset);
        behind = behind.saturating_add(distance.max(0));
        ahead = ahead.saturating_sub(distance.min(0));
    }
    let all = !heads.is_empty() && stands.len() == heads.len();
    (all && behind <= BEHIND && ahead <= may_be_ahead).then_some(Distance { behind, ahead })
}

fn gap(batch: &SplitBatch, from: i64) -> ConnectorError {
    ConnectorError::Corrupt {
        message: format!(
            "reading {}[{}] went from offset {from} to {}: a defect of the reader",
            batch.split.topic, batch.split.partition, batch.range.start
        ),
    }
}

#[cfg(test)]
mod tests;
