//! What tests need that kill the server while rows come: a load, a reader that remembers what it was shown, and the checks at the end.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    delta_log::DeltaLog,
    job,
    load::{Messages, Shape},
    oracle::Gold,
    parts::{kafka::Broker, producer::Producer},
    pg::Pg,
    server::Server,
    wait::wait_for,
};

use crate::support::{DRAIN, SOON, check_conservation, check_gold};

pub(crate) const GOLD: &str = "gold.real_time_metrics";
pub(crate) const PARTITIONS: usize = 4;
/// Messages a second while the server is killed; a minute of event time passes in about half a second.
pub(crate) const RATE: usize = 4_000;

/// More than so many seconds can take; the producer is stopped.
pub(crate) fn load(seconds: usize, seed: u64) -> Shape {
    let messages = seconds * RATE;
    Shape {
        span_ms: (messages * 30) as i64,
        ..Shape::of(messages, seed)
    }
}

/// Waits for a row in every partition. Event time runs faster than the clock here, and a partition that is still empty holds nothing back:
/// where a query begins before, its first rows are late by rule.
pub(crate) fn rows_everywhere(broker: &Broker, topic: &str, partitions: usize) {
    wait_for("a row in every partition", SOON, || {
        (0..partitions as i32)
            .all(|partition| broker.offsets(topic, partition).1 > 0)
            .then_some(())
    })
    .unwrap();
}

pub(crate) fn produce<'a>(
    broker: &'a Broker,
    topic: &str,
    shape: &Shape,
    stop: &AtomicBool,
) -> Producer<'a> {
    produce_at(RATE, PARTITIONS, broker, topic, shape, stop)
}

/// As [`produce`], so many messages a second to so many partitions.
pub(crate) fn produce_at<'a>(
    rate: usize,
    partitions: usize,
    broker: &'a Broker,
    topic: &str,
    shape: &Shape,
    stop: &AtomicBool,
) -> Producer<'a> {
    let mut producer = Producer::new(broker, topic, partitions);
    let start = Instant::now();
    for (n, message) in Messages::new(shape.clone()).enumerate() {
        if n.is_multiple_of(100) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let due = start + Duration::from_secs_f64(n as f64 / rate as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        producer.send(n % partitions, message);
    }
    producer.flush();
    producer
}

/// The log of gold on a local root.
pub(crate) fn gold_log(server: &Server) -> DeltaLog {
    DeltaLog::read(&server.table_dir("gold", "real_time_metrics")).unwrap()
}

pub(crate) fn finish(
    server: &Server,
    producer: &mut Producer<'_>,
    shape: &Shape,
    shown: &mut Shown,
    least_commits: usize,
    log: impl Fn(&Server) -> DeltaLog,
) {
    assert!(producer.produced.total() > 2 * RATE, "too little load");
    producer.close_windows(shape.closing_ms());
    let pg = server.connect();
    job::wait_drained(server, &pg, GOLD, shape, DRAIN);
    shown.look(server, usize::MAX);
    assert!(
        shown.rows.len() > 100,
        "hardly anything was final: {}",
        shown.rows.len()
    );

    let late = check_gold(server, &pg, producer, GOLD, shape.closing_ms());
    check_conservation(server, &pg, producer, GOLD, "events");
    let dead = job::read_dead_letters(server, &pg, "events", producer.produced.malformed());
    assert_eq!(dead.len(), producer.produced.malformed(), "dead letters");

    job::wait_committed(server, &pg, GOLD, SOON);
    let log = log(server);
    log.check_txns().unwrap();
    log.check_adds(&["date", "hour"], &["window_start", "event_count"])
        .unwrap();
    assert!(
        log.versions.len() > least_commits,
        "few commits: {}",
        log.versions.len()
    );
    eprintln!(
        "{} messages, {} gold rows, {late} late, {} dead letters, {} commits",
        producer.produced.total(),
        shown.rows.len(),
        dead.len(),
        log.versions.len()
    );
}

/// Final rows read so far: none may change or go away, to the last bit.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) rows: BTreeMap<String, (u64, u64, u64)>,
}

impl Shown {
    /// Reads gold; whether it could be read.
    pub(crate) fn look(&mut self, server: &Server, life: usize) -> bool {
        let Ok(pg) = server.try_connect() else {
            return false;
        };
        let Some(gold) = try_read(&pg) else {
            return false;
        };
        let now: BTreeMap<String, (u64, u64, u64)> = gold
            .into_iter()
            .map(|(key, m)| {
                (
                    format!("{key:?}"),
                    (m.count, m.avg.to_bits(), m.p95.to_bits()),
                )
            })
            .collect();
        for (key, row) in &self.rows {
            assert!(
                now.get(key) == Some(row),
                "life {life}: {key} was shown as {row:?} and is now {:?}\n{}",
                now.get(key),
                server.log_tail()
            );
        }
        self.rows = now;
        true
    }
}

/// `None` while the table is being restored (57P03) or the server goes away; any other refusal is a failure.
fn try_read(pg: &Pg) -> Option<Gold> {
    let sql = format!("SELECT {} FROM {GOLD}", job::COLUMNS);
    match pg.try_run_within(&sql, SOON) {
        Ok(rows) => Some(job::gold_of(&rows).unwrap_or_else(|e| panic!("{e}"))),
        Err(refusal) if refusal.state == "57P03" || refusal.state.is_empty() => None,
        Err(refusal) => panic!("{sql}: {refusal}"),
    }
}

/// Ends the producer, on a panic as well.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
