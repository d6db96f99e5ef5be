//! Tables that look after themselves: sealed partitions are merged while the query goes on and the server is killed, nothing is lost or
//! doubled, older versions read as they did, and other readers find plain Delta.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sluice_tests::{
    delta_log::DeltaLog,
    job::{self, COLUMNS},
    load::Shape,
    oracle,
    parts::{kafka::Broker, producer::Producer, python},
    pg::Pg,
    server::Server,
};

use crate::{
    support::{DRAIN, SOON, check_conservation, check_gold, rows_of_json, setting},
    under_load::{produce_at, rows_everywhere},
};

const GOLD: &str = "gold.real_time_metrics";
const PARTITIONS: usize = 2;
const RATE: usize = 3_000;
const FILES: &str = "SELECT coalesce(max(n), 0) FROM (SELECT \"partition\", count(*) AS n FROM gold.real_time_metrics__files GROUP BY \"partition\") AS f";
const SUMS: &str = "SELECT count(*), sum(event_count), min(window_start), max(window_start) FROM gold.real_time_metrics";

#[test]
fn partitions_are_sealed_under_load_and_kills() {
    let seed = setting("SLUICE_TEST_SEED", 20_261_127) as u64;
    let kills = setting("SLUICE_TEST_KILLS", 20).div_ceil(5);
    eprintln!("{kills} kills, seed {seed} (SLUICE_TEST_KILLS, SLUICE_TEST_SEED)");
    let mut rng = StdRng::seed_from_u64(seed);
    let broker = Broker::shared();
    let topic = broker.fresh_topic("sealing", PARTITIONS as i32);
    let mut server = Server::start();
    let stop = AtomicBool::new(false);
    let messages = kills * RATE * 20;
    // A hundred milliseconds of event time a message: an hour is over after some twelve seconds, a window after a fifth of one.
    let shape = Shape {
        span_ms: (messages * 100) as i64,
        ..Shape::of(messages, seed)
    };
    let producer = thread::scope(|scope| {
        let producing = scope.spawn(|| produce_at(RATE, PARTITIONS, broker, &topic, &shape, &stop));
        let _stop = Stop(&stop);
        rows_everywhere(broker, &topic, PARTITIONS);
        let options = "commit_interval = '200 milliseconds'";
        let script = job::script_with(&broker.bootstrap(), &topic, options);
        server.connect().run(&script);
        for _ in 0..kills {
            let end = Instant::now() + Duration::from_millis(rng.random_range(500..4_000));
            while Instant::now() < end {
                thread::sleep(Duration::from_millis(50));
            }
            server.kill();
            server.up();
        }
        // At least one sealed hour while rows come in.
        let pg = server.connect();
        server.wait("a merge under load", DRAIN, || {
            (optimized(&pg) > 0).then_some(())
        });
        stop.store(true, Ordering::Relaxed);
        producing.join().unwrap()
    });
    check(&server, producer, &shape);
}

fn optimized(pg: &Pg) -> i64 {
    pg.number("SELECT count(*) FROM gold.real_time_metrics__history WHERE operation = 'OPTIMIZE'")
}

fn check(server: &Server, mut producer: Producer<'_>, shape: &Shape) {
    producer.close_windows(shape.closing_ms());
    let pg = server.connect();
    job::wait_drained(server, &pg, GOLD, shape, DRAIN);
    job::wait_committed(server, &pg, GOLD, SOON);
    check_gold(server, &pg, &producer, GOLD, shape.closing_ms());
    // Every partition is sealed now, and merged into one file.
    server.wait("every partition to be one file", DRAIN, || {
        (pg.number(FILES) == 1).then_some(())
    });
    check_gold(server, &pg, &producer, GOLD, shape.closing_ms());
    check_conservation(server, &pg, &producer, GOLD, "events");
    let tasks = pg.run("SELECT state, runs, last_error FROM system.maintenance WHERE name = 'gold.real_time_metrics' AND task = 'compact'");
    assert_eq!(tasks[0][0].as_deref(), Some("waiting"), "{tasks:?}");
    assert_eq!(tasks[0][2], None, "{tasks:?}");

    let folder = server.table_dir("gold", "real_time_metrics");
    let log = DeltaLog::read(&folder).unwrap();
    log.check_txns().unwrap();
    log.check_adds(&["date", "hour"], &["window_start", "event_count"])
        .unwrap();
    log.check_rewrites().unwrap();

    let delta = python::run("read_delta.py", &[folder.to_str().unwrap()]);
    let rows = job::gold_of(&rows_of_json(&delta["rows"], COLUMNS)).unwrap();
    oracle::compare(&job::read_gold(&pg, GOLD), &rows).unwrap();

    // A merge changes nothing: the version before it, and it, read alike; and the newest version is the table.
    let newest = pg.number("SELECT max(version) FROM gold.real_time_metrics__history");
    assert_eq!(
        pg.run(&format!("{SUMS} VERSION AS OF {newest}")),
        pg.run(SUMS)
    );
    let merges = pg.run("SELECT version FROM gold.real_time_metrics__history WHERE operation = 'OPTIMIZE' ORDER BY version");
    for row in merges.iter().take(5) {
        let version: i64 = row[0].as_deref().unwrap().parse().unwrap();
        let at = |version: i64| pg.run(&format!("{SUMS} VERSION AS OF {version}"));
        assert_eq!(at(version), at(version - 1), "version {version}");
    }

    // What was merged goes when nobody is to read it any more; the table stays as it is.
    let before = pg.run(SUMS);
    let told = pg
        .run(&format!("VACUUM {GOLD} RETAIN 0 HOURS DRY RUN"))
        .len() as i64;
    assert!(told > 0);
    let gone = pg.run(&format!("VACUUM {GOLD} RETAIN 0 HOURS"));
    assert!(
        gone[0][0].as_deref().unwrap().parse::<i64>().unwrap() >= told,
        "{gone:?}"
    );
    assert_eq!(pg.run(SUMS), before);
    let version: i64 = merges[0][0].as_deref().unwrap().parse().unwrap();
    pg.refused(
        &format!("{SUMS} VERSION AS OF {}", version - 1),
        "22023",
        &["is not there any more"],
    );
    check_gold(server, &pg, &producer, GOLD, shape.closing_ms());
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
