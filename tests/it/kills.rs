//! SIGKILL at random moments under load: nothing lost, nothing twice, and what was once read as final stays as it was.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sluice_tests::{delta_log::DeltaLog, job, load::Shape, parts::kafka::Broker, server::Server};

use crate::{
    support::{DRAIN, SOON, Watched, setting},
    under_load::{GOLD, PARTITIONS, Shown, Stop, finish, gold_log, load, produce, rows_everywhere},
};

#[test]
fn twenty_kills_under_load_lose_nothing_and_double_nothing() {
    let kills = setting("SLUICE_TEST_KILLS", 20);
    under_load(Server::start(), kills, gold_log);
}

/// Kills a running server over and over while a producer feeds it; `log` reads the table's log, where that is files.
pub(crate) fn under_load(mut server: Server, kills: usize, log: impl Fn(&Server) -> DeltaLog) {
    let seed = setting("SLUICE_TEST_SEED", 20_261_122) as u64;
    eprintln!("{kills} kills, seed {seed} (SLUICE_TEST_KILLS, SLUICE_TEST_SEED)");
    let mut rng = StdRng::seed_from_u64(seed);
    let broker = Broker::shared();
    let topic = broker.fresh_topic("kills", PARTITIONS as i32);
    let stop = Arc::new(AtomicBool::new(false));
    let shape = load(kills * 30, seed);
    thread::scope(|scope| {
        // set on a panic as well, or the scope would wait for the producer to come to its end
        let _stop = Stop(&stop);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
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
        finish(&server, &mut producer, &shape, &mut shown, kills / 2, log);
    });
}

/// Readers wait neither for the state nor for the epochs to be run again: here both never come back.
#[test]
fn what_was_shown_is_read_again_before_anything_is_restored() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "shown", 2);
    let shape = Shape::of(6_000, 83);
    it.producer.send_all(&shape);
    it.producer.flush();
    let options = "commit_interval = '1 hour'";
    it.pg
        .run(&job::script_with(&broker.bootstrap(), &it.topic, options));
    it.server.wait("the first commit", SOON, || {
        (it.query_status(GOLD, "checkpoint_epoch") != "0").then_some(())
    });
    // Windows that close now are in no commit for an hour.
    it.producer.close_windows(shape.closing_ms());
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, DRAIN);
    it.check_gold(GOLD, shape.closing_ms());
    let tables = [GOLD.to_owned(), format!("{GOLD}__late")];
    let rows = |it: &Watched<'_>| {
        tables.each_ref().map(|table| {
            let mut rows: Vec<String> = it
                .pg
                .run(&format!("SELECT * FROM {table}"))
                .iter()
                .map(|row| format!("{row:?}"))
                .collect();
            rows.sort();
            rows
        })
    };
    let shown = rows(&it);
    let committed = format!("SET freshness = 'committed'; SELECT count(*) FROM {GOLD}");
    assert!(it.server.connect().number(&committed) < shown[0].len() as i64);

    it.server.kill();
    it.server
        .set_env("SLUICE_FAILPOINTS", "recover.begin=error*1000000");
    it.server.up();
    it.pg = it.server.connect();
    assert!(rows(&it) == shown, "{}", it.server.system_tables());
    assert_ne!(it.query_status(GOLD, "state"), "running");

    // Of what cannot be read back nobody is told that it is all: that waits.
    it.server.kill();
    let kept = shown_files(&it.server);
    let newest = kept.last().unwrap();
    let whole = fs::read(newest).unwrap();
    fs::write(newest, &whole[..whole.len() / 2]).unwrap();
    it.server.up();
    it.pg = it.server.connect();
    it.pg.refused(
        &format!("SELECT count(*) FROM {GOLD}"),
        "57P03",
        &["is being restored", "SET freshness = 'committed'"],
    );
    assert!(it.server.connect().number(&committed) < shown[0].len() as i64);

    it.server.kill();
    it.server.set_env("SLUICE_FAILPOINTS", "");
    it.server.up();
    it.pg = it.server.connect();
    assert!(rows(&it) == shown, "{}", it.server.system_tables());
    // The replay has made the file again, and the next restart has it.
    assert_eq!(fs::read(newest).unwrap().len(), whole.len());
    it.server.terminate();
    assert_eq!(
        shown_files(&it.server),
        Vec::<PathBuf>::new(),
        "a commit has all of it"
    );
    it.server.up();
    it.pg = it.server.connect();
    assert!(rows(&it) == shown, "{}", it.server.system_tables());
    it.check_gold(GOLD, shape.closing_ms());
}

/// What the server keeps of the uncommitted rows that readers saw, oldest first.
fn shown_files(server: &Server) -> Vec<PathBuf> {
    let queries = fs::read_dir(server.root().join("checkpoints")).unwrap();
    let files = queries.flat_map(|query| {
        let journal = query.unwrap().path().join("journal");
        fs::read_dir(journal).into_iter().flatten()
    });
    let mut files: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "shown"))
        .collect();
    files.sort();
    files
}
