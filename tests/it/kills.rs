//! SIGKILL at random moments under load: nothing lost, nothing twice, and what was once read as final stays as it was.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
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

use crate::support::{DRAIN, SOON, check_conservation, check_gold, setting};

pub(crate) const GOLD: &str = "gold.real_time_metrics";
pub(crate) const PARTITIONS: usize = 4;
/// Messages a second while the server is killed; a minute of event time passes in about half a second.
const RATE: usize = 4_000;

#[test]
fn twenty_kills_under_load_lose_nothing_and_double_nothing() {
    let kills = setting("SLUICE_TEST_KILLS", 20);
    under_load(Server::start(), kills, |server| {
        DeltaLog::read(&server.table_dir("gold", "real_time_metrics")).unwrap()
    });
}

/// Kills a running server over and over while a producer feeds it; `log` reads the table's log, where that is files.
pub(crate) fn under_load(mut server: Server, kills: usize, log: impl Fn(&Server) -> DeltaLog) {
    let seed = setting("SLUICE_TEST_SEED", 20_261_122) as u64;
    eprintln!("{kills} kills, seed {seed} (SLUICE_TEST_KILLS, SLUICE_TEST_SEED)");
    let mut rng = StdRng::seed_from_u64(seed);
    let broker = Broker::shared();
    let topic = broker.fresh_topic("kills", PARTITIONS as i32);
    let stop = Arc::new(AtomicBool::new(false));
    let shape = load(kills, seed);
    thread::scope(|scope| {
        // set on a panic as well, or the scope would wait for the producer to come to its end
        let _stop = Stop(&stop);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        // Event time runs a hundred times faster than the clock here. A partition that is still empty holds nothing back, so each must
        // have a row before the query begins, or its first rows are late by rule.
        wait_for("a row in every partition", SOON, || {
            (0..PARTITIONS as i32)
                .all(|partition| broker.offsets(&topic, partition).1 > 0)
                .then_some(())
        })
        .unwrap();
        server.connect().run(&job::script_with(
            &broker.bootstrap(),
            &topic,
            "commit_interval = '400 milliseconds'",
        ));
        let mut shown = Shown::default();
        for kill in 1..=kills {
            let life = Duration::from_millis(rng.random_range(50..2_500));
            let end = Instant::now() + life;
            while Instant::now() < end {
                shown.look(&server, kill);
                thread::sleep(Duration::from_millis(rng.random_range(1..120)));
            }
            server.kill();
            if rng.random_range(0..4) == 0 {
                // again, in the middle of recovery
                server.launch();
                thread::sleep(Duration::from_millis(rng.random_range(20..800)));
                server.kill();
            }
            server.up();
        }
        stop.store(true, Ordering::Relaxed);
        let mut producer = producing.join().unwrap();
        finish(&server, &mut producer, &shape, &mut shown, kills, log);
    });
}

/// More than the kills can take; the producer is stopped.
pub(crate) fn load(kills: usize, seed: u64) -> Shape {
    let messages = kills * RATE * 30;
    Shape {
        span_ms: (messages * 30) as i64,
        ..Shape::of(messages, seed)
    }
}

pub(crate) fn produce<'a>(
    broker: &'a Broker,
    topic: &str,
    shape: &Shape,
    stop: &AtomicBool,
) -> Producer<'a> {
    let mut producer = Producer::new(broker, topic, PARTITIONS);
    let start = Instant::now();
    for (n, message) in Messages::new(shape.clone()).enumerate() {
        if n.is_multiple_of(100) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let due = start + Duration::from_secs_f64(n as f64 / RATE as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        producer.send(n % PARTITIONS, message);
    }
    producer.flush();
    producer
}

pub(crate) fn finish(
    server: &Server,
    producer: &mut Producer<'_>,
    shape: &Shape,
    shown: &mut Shown,
    kills: usize,
    log: impl Fn(&Server) -> DeltaLog,
) {
    assert!(producer.produced.total() > 10 * RATE, "too little load");
    producer.close_windows(shape.closing_ms());
    let pg = server.connect();
    job::wait_drained(server, &pg, GOLD, shape, DRAIN);
    shown.look(server, kills + 1);
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
        log.versions.len() > kills / 2,
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
    rows: BTreeMap<String, (u64, u64, u64)>,
}

impl Shown {
    pub(crate) fn look(&mut self, server: &Server, life: usize) {
        let Ok(pg) = server.try_connect() else { return };
        let Some(gold) = try_read(&pg) else { return };
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

pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
