//! Queries that come to read through one reader, over a source whose reader is a thread with the real outlet.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    collections::BTreeSet,
    sync::{
        atomic::{AtomicI64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
};

use arrow::{
    array::{AsArray, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use async_trait::async_trait;

use super::{super::outlet, *};
use crate::source::{KeptMessage, ReaderRequest, SplitInfo};

const ROWS: i64 = 10;

/// A topic of two partitions whose messages are their own offsets, as far as it has been written.
#[derive(Debug, Default)]
struct Numbers {
    end: AtomicI64,
    started: AtomicUsize,
    /// Rows of a batch, if not as many as usual.
    rows: AtomicI64,
    /// Messages read by all readers together.
    read: AtomicI64,
}

fn split(partition: i32) -> SplitId {
    SplitId {
        stream: 0,
        topic: "numbers".into(),
        partition,
    }
}

fn batch(partition: i32, from: i64, to: i64, columns: &[String]) -> SplitBatch {
    let offsets: Vec<i64> = (from..to).collect();
    let values = |name: &String| -> Arc<Int64Array> {
        let factor = i64::from(name == "b") * 999 + 1;
        Arc::new(offsets.iter().map(|offset| offset * factor).collect())
    };
    let fields: Vec<Field> = columns
        .iter()
        .map(|name| Field::new(name, DataType::Int64, false))
        .collect();
    let arrays = columns.iter().map(|name| values(name) as _).collect();
    SplitBatch {
        split: split(partition),
        range: from..to,
        rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap(),
        timestamps_ms: vec![-1; offsets.len()].into(),
        offsets: offsets.into(),
        bad: Vec::new(),
        payload_bytes: 0,
        leader_epoch: Some(7),
        worked_out: None,
    }
}

#[async_trait]
impl Source for Arc<Numbers> {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::empty())
    }

    async fn probe(&self) -> Result<Vec<SplitInfo>> {
        Ok(Vec::new())
    }

    async fn topic_ids(&self) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::new())
    }

    async fn positions_at(&self, _: i64) -> Result<Vec<SplitPosition>> {
        Ok(Vec::new())
    }

    fn read(&self, request: ReadRequest) -> Result<SourceReader> {
        let (outlet, asked, reader) = outlet::open(&request);
        let numbers = Arc::clone(self);
        self.started.fetch_add(1, Ordering::SeqCst);
        std::thread::spawn(move || numbers.run(request, outlet, &asked));
        Ok(reader)
    }

    fn shares(&self) -> bool {
        true
    }

    fn decode(&self, _: &[String], _: &[KeptMessage]) -> Result<Vec<SplitBatch>> {
        Ok(Vec::new())
    }

    async fn advertise(&self, _: &[SplitPosition]) -> Result<()> {
        Ok(())
    }
}

impl Numbers {
    fn run(
        &self,
        request: ReadRequest,
        mut outlet: outlet::Outlet,
        asked: &Receiver<ReaderRequest>,
    ) {
        let mut columns = request.columns;
        let mut heads: Vec<SplitPosition> = (0..2)
            .map(|partition| {
                let asked = request.positions.iter();
                let mut known = asked.filter(|position| position.split == split(partition));
                known.next().cloned().unwrap_or(SplitPosition {
                    split: split(partition),
                    next_offset: 0,
                    topic_id: Some("one".into()),
                    leader_epoch: None,
                })
            })
            .collect();
        for position in heads.clone() {
            let end_offset = self.end.load(Ordering::SeqCst);
            outlet.send(&SourceEvent::SplitFound {
                position,
                end_offset,
            });
        }
        while !outlet.is_closed() {
            for join in outlet.joins() {
                if let Some(grown) = outlet.grown_by(&join) {
                    columns.clone_from(&grown);
                    outlet.read_columns(grown);
                }
                outlet.admit(join, heads.clone());
            }
            if outlet.stands() {
                match asked.try_recv() {
                    Ok(ReaderRequest::Stop) => return,
                    _ => continue,
                }
            }
            match asked.recv_timeout(Duration::from_millis(1)) {
                Ok(ReaderRequest::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(ReaderRequest::AskEnds | ReaderRequest::Wake)
                | Err(RecvTimeoutError::Timeout) => {}
            }
            let end = self.end.load(Ordering::SeqCst);
            let rows = self.rows.load(Ordering::SeqCst).max(ROWS);
            for head in &mut heads {
                let to = end.min(head.next_offset + rows);
                if to > head.next_offset {
                    let partition = head.split.partition;
                    self.read.fetch_add(to - head.next_offset, Ordering::SeqCst);
                    outlet.offer(batch(partition, head.next_offset, to, &columns));
                    head.next_offset = to;
                    while !outlet.deliver(Duration::from_millis(5)) {}
                }
            }
        }
    }
}

/// A query that takes everything it can get, with the contract checked on the way.
struct Query {
    reader: SharedReader,
    column: &'static str,
    next: [i64; 2],
    found: BTreeSet<SplitId>,
}

impl Query {
    fn new(readers: &Arc<StreamReaders>, column: &'static str, from: Option<i64>) -> Self {
        let positions = from.map(|next_offset| {
            [0, 1].map(|partition| SplitPosition {
                split: split(partition),
                next_offset,
                topic_id: Some("one".into()),
                leader_epoch: None,
            })
        });
        let request = ReadRequest {
            columns: vec![column.into()],
            positions: positions.into_iter().flatten().collect(),
            until: BTreeMap::new(),
            inbox_bytes: 4096,
            batch_rows: 10,
        };
        Self {
            reader: readers.read(request).unwrap(),
            column,
            next: [from.unwrap_or(0); 2],
            found: BTreeSet::new(),
        }
    }

    fn take(&mut self) {
        while let Some(event) = self.reader.try_next() {
            match event {
                SourceEvent::SplitFound { position, .. } => {
                    assert!(self.found.insert(position.split), "found twice");
                }
                SourceEvent::Batch(batch) => {
                    let next = &mut self.next[usize::try_from(batch.split.partition).unwrap()];
                    assert_eq!(batch.range.start, *next, "a gap or an overlap");
                    *next = batch.range.end;
                    assert_eq!(batch.rows.num_columns(), 1);
                    let values = batch.rows.column_by_name(self.column).unwrap();
                    let factor = i64::from(self.column == "b") * 999 + 1;
                    for (value, offset) in values
                        .as_primitive::<Int64Type>()
                        .values()
                        .iter()
                        .zip(&batch.offsets)
                    {
                        assert_eq!(*value, offset * factor);
                    }
                    self.reader.release(&batch);
                }
                SourceEvent::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
    }

    fn is_at(&self, end: i64) -> bool {
        self.next == [end; 2]
    }
}

/// Takes what there is for these until something is so.
fn until(queries: &mut [&mut Query], so: impl Fn(&[&mut Query]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so(queries) {
        assert!(Instant::now() < deadline, "it did not come about");
        for query in &mut *queries {
            query.take();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn numbers(end: i64) -> (Arc<Numbers>, Arc<StreamReaders>) {
    let numbers = Arc::new(Numbers::default());
    numbers.end.store(end, Ordering::SeqCst);
    let readers = StreamReaders::new(Arc::new(Arc::clone(&numbers)));
    (numbers, readers)
}

#[test]
fn queries_that_stand_near_each_other_read_through_one_reader_each_with_its_columns() {
    let (numbers, readers) = numbers(500);
    let mut first = Query::new(&readers, "a", None);
    until(&mut [&mut first], |all| all[0].is_at(500));
    // Behind, ahead of nothing, and with another column than is read.
    let mut second = Query::new(&readers, "b", Some(100));
    until(&mut [&mut first, &mut second], |all| {
        all[1].is_at(500) && readers.running() == 1
    });
    numbers.end.store(900, Ordering::SeqCst);
    until(&mut [&mut first, &mut second], |all| {
        all.iter().all(|query| query.is_at(900))
    });
    assert_eq!(numbers.started.load(Ordering::SeqCst), 2);

    // The reader outlives the query that began it.
    drop(first);
    numbers.end.store(1300, Ordering::SeqCst);
    until(&mut [&mut second], |all| all[0].is_at(1300));
    assert_eq!(numbers.started.load(Ordering::SeqCst), 2);
}

#[test]
fn a_query_that_stands_still_holds_nobody_up_and_goes_on_by_itself() {
    let (numbers, readers) = numbers(10);
    let mut first = Query::new(&readers, "a", None);
    let mut second = Query::new(&readers, "a", None);
    until(&mut [&mut first, &mut second], |all| {
        all[1].is_at(10) && readers.running() == 1
    });
    numbers.end.store(20_000, Ordering::SeqCst);
    until(&mut [&mut first], |all| all[0].is_at(20_000));
    assert!(second.reader.was_given_up());
    assert!(second.next[0] < 20_000);
    until(&mut [&mut second], |all| all[0].is_at(20_000));
    assert_eq!(numbers.started.load(Ordering::SeqCst), 3);
}

/// A backlog of half a million messages in each partition, read a thousand at a time.
fn backlog() -> (Arc<Numbers>, Arc<StreamReaders>) {
    let (numbers, readers) = numbers(500_000);
    numbers.rows.store(1000, Ordering::SeqCst);
    (numbers, readers)
}

/// A query that an older one in a backlog stands still for: let in, and not there yet.
fn awaited(readers: &Arc<StreamReaders>, first: &mut Query) -> Query {
    until(&mut [first], |all| all[0].next[0] >= 20_000);
    let mut second = Query::new(readers, "a", None);
    while !matches!(second.reader.other, Other::Meets(..)) {
        first.take();
        second.take();
    }
    first.take();
    std::thread::sleep(Duration::from_millis(20));
    first.take();
    second
}

#[test]
fn in_a_backlog_the_older_reader_stands_still_for_those_who_come_and_what_is_before_it_is_read_once()
 {
    let (numbers, readers) = backlog();
    let mut first = Query::new(&readers, "a", None);
    until(&mut [&mut first], |all| all[0].next[0] >= 20_000);
    let mut later = ["b", "a", "a", "b"].map(|column| Query::new(&readers, column, None));
    let [a, b, c, d] = &mut later;
    let mut all = [&mut first, a, b, c, d];
    until(&mut all, |_| readers.running() == 1);
    let stood = all.iter().map(|query| query.next[0]).max().unwrap();
    assert!(stood < 250_000, "it had gone on to {stood}");
    until(&mut all, |all| all.iter().all(|query| query.is_at(500_000)));
    let read = numbers.read.load(Ordering::SeqCst);
    assert!(read < 1_000_000 + 200_000, "{read} messages were read");
}

#[test]
fn nobody_stands_still_for_a_query_that_does_not_come_up() {
    let (_, readers) = backlog();
    let mut first = Query::new(&readers, "a", None);
    let mut second = awaited(&readers, &mut first);
    let (stood, since) = (first.next, Instant::now());
    std::thread::sleep(Duration::from_millis(200));
    first.take();
    assert_eq!(first.next, stood);
    until(&mut [&mut first], |all| all[0].is_at(500_000));
    assert!(since.elapsed() > Duration::from_secs(1));
    until(&mut [&mut second], |all| all[0].is_at(500_000));
}

#[test]
fn a_query_that_ends_on_its_way_frees_the_reader_that_stands_still_for_it() {
    let (numbers, readers) = backlog();
    let mut first = Query::new(&readers, "a", None);
    let second = awaited(&readers, &mut first);
    let (stood, since) = (first.next, Instant::now());
    drop(second);
    until(&mut [&mut first], |all| all[0].next[0] >= stood[0] + 10_000);
    assert!(since.elapsed() < Duration::from_secs(1));

    // Who began the reader ends while it stands still; the one on its way finds it there.
    let mut second = Query::new(&readers, "a", None);
    while !matches!(second.reader.other, Other::Meets(..)) {
        first.take();
        second.take();
    }
    drop(first);
    until(&mut [&mut second], |all| all[0].is_at(500_000));

    // A reader that stands still ends with the last who held it.
    let mut first = Query::new(&readers, "a", None);
    drop(second);
    let second = awaited(&readers, &mut first);
    drop((first, second));
    let since = Instant::now();
    while Arc::strong_count(&numbers) > 2 {
        assert!(since.elapsed() < Duration::from_secs(1), "still reading");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_reader_stands_still_in_a_backlog_alone() {
    assert!(worth_standing(1, BACKLOG));
    assert!(!worth_standing(1, BACKLOG - 1));
    assert!(worth_standing(BACKLOG, BACKLOG * BACKLOG_TO_BEHIND));
    assert!(!worth_standing(BACKLOG, BACKLOG * BACKLOG_TO_BEHIND - 1));
    assert!(!worth_standing(0, i64::MAX));

    let (numbers, readers) = numbers(150_000);
    numbers.rows.store(1000, Ordering::SeqCst);
    let mut first = Query::new(&readers, "a", None);
    until(&mut [&mut first], |all| all[0].is_at(150_000));
    let mut second = Query::new(&readers, "a", None);
    while !matches!(second.reader.other, Other::Meets(..)) {
        second.take();
    }
    let Other::Meets(reader, _) = &second.reader.other else {
        panic!("it is there already");
    };
    assert!(!reader.budget.is_awaited());
    numbers.end.fetch_add(1000, Ordering::SeqCst);
    let since = Instant::now();
    until(&mut [&mut first], |all| all[0].is_at(151_000));
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_query_far_behind_keeps_to_itself_until_it_is_near() {
    let (_, readers) = numbers(100);
    let near = |at: i64, head: i64| {
        let query = Query::new(&readers, "a", Some(at));
        let stands: BTreeMap<SplitId, SplitPosition> = [0, 1]
            .map(|partition| {
                let mut position = query.reader.request.positions[0].clone();
                position.split = split(partition);
                (split(partition), position)
            })
            .into();
        let heads: BTreeMap<SplitId, i64> = [0, 1].map(|partition| (split(partition), head)).into();
        distance(&stands, &heads, AHEAD).is_some()
    };
    assert!(near(0, BEHIND / 2));
    assert!(!near(0, BEHIND / 2 + 1));
    assert!(near(AHEAD / 2, 0));
    assert!(!near(AHEAD / 2 + 1, 0));
    let one_split = BTreeMap::from([(split(0), 5)]);
    assert_eq!(distance(&BTreeMap::new(), &one_split, AHEAD), None);
    assert_eq!(distance(&BTreeMap::new(), &BTreeMap::new(), AHEAD), None);
}
