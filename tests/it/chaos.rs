//! Crashes and failures at every step of the protocol, under load, with a reader that remembers what it was shown.
//!
//! The server is told by `SLUICE_FAILPOINTS` where to die or to fail, runs until it has, and is started again with the next place armed,
//! so that recovery from one failure is where the next one falls. Between rounds everything is compared with an independent computation.
//! Cycles and seed are settings: SLUICE_TEST_CYCLES, SLUICE_TEST_SEED (`make chaos CYCLES=1000`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sluice_tests::{delta_log::DeltaLog, job, parts::kafka::Broker, server::Server};

use crate::{
    support::{SOON, setting},
    under_load::{PARTITIONS, Shown, Stop, finish, gold_log, load, produce, rows_everywhere},
};

/// Cycles between two comparisons: the table stays small enough to be read over and over.
const ROUND: usize = 64;
/// How long a place may take to be passed.
const REACHED: Duration = Duration::from_secs(40);

/// After so long a restart has replayed what there was.
const REPLAYED: Duration = Duration::from_secs(5);

/// Every step of an epoch, a commit and a recovery, in order (docs/reliability.md).
const PLACES: [&str; 29] = [
    "journal.append",
    "journal.appended",
    "shown.kept",
    "epoch.shown",
    "commit.begin",
    "letters.files",
    "letters.manifest",
    "letters.commit",
    "data.put",
    "commit.data",
    "segment.put",
    "commit.state",
    "manifest.put",
    "manifest.reply",
    "commit.manifest",
    "delta.put",
    "delta.reply",
    "delta.committed",
    "companion.commit",
    "commit.delta",
    "tidy.begin",
    "tidy.pruned",
    "commit.tidied",
    "commit.done",
    "recover.begin",
    "recover.state",
    "recover.files",
    "recover.claim",
    "replay.epoch",
];

/// What befalls a life.
#[derive(Clone, Debug)]
enum Blow {
    /// SIGKILL after so many milliseconds.
    Random(u64),
    /// The process ends itself there.
    Kill(String),
    /// Something fails there, and SIGKILL so many milliseconds later.
    Fail(String, u64),
}

impl Blow {
    fn armed(&self) -> &str {
        match self {
            Self::Random(_) => "",
            Self::Kill(place) | Self::Fail(place, _) => place,
        }
    }
}

#[test]
fn failures_at_every_step_lose_nothing_and_double_nothing() {
    let cycles = setting("SLUICE_TEST_CYCLES", ROUND);
    let seed = setting("SLUICE_TEST_SEED", 20_261_127) as u64;
    eprintln!("{cycles} cycles, seed {seed} (SLUICE_TEST_CYCLES, SLUICE_TEST_SEED)");
    let mut rng = StdRng::seed_from_u64(seed);
    let blows = blows(cycles, &mut rng);
    let mut recoveries = Vec::new();
    for (number, blows) in blows.chunks(ROUND).enumerate() {
        recoveries.extend(round(blows, seed.wrapping_add(number as u64), &mut rng));
    }
    recoveries.sort();
    let ms = |at: usize| recoveries.get(at).map_or(0, Duration::as_millis);
    eprintln!(
        "{cycles} cycles: 0 lost, 0 doubled; from start to the first answer p50 {} ms, max {} ms ({} of them)",
        ms(recoveries.len() / 2),
        ms(recoveries.len().saturating_sub(1)),
        recoveries.len()
    );
}

/// Every place with a crash first, then every place with every failure, and crashes at random moments in between, over and over.
fn blows(cycles: usize, rng: &mut StdRng) -> Vec<Blow> {
    let mut blows: Vec<Blow> = PLACES
        .iter()
        .map(|place| {
            // The first ones to pass here are the stream's dead letters; the table comes next.
            let shared = ["data.put", "delta.put", "delta.reply"].contains(place);
            Blow::Kill(format!("{place}=kill@{}", 1 + usize::from(shared)))
        })
        .collect();
    while blows.len() < cycles {
        let mut more = Vec::new();
        for place in PLACES {
            // A life recovers once.
            let once = place.starts_with("recover.") || place.starts_with("replay.");
            let pass = if once { 1 } else { rng.random_range(1..4) };
            more.push(Blow::Kill(format!("{place}=kill@{pass}")));
            let after = rng.random_range(50..500);
            for action in ["error", "enospc*3", "eio", "sleep:200"] {
                more.push(Blow::Fail(format!("{place}={action}"), after));
            }
            more.push(Blow::Random(rng.random_range(20..900)));
        }
        more.shuffle(rng);
        blows.extend(more);
    }
    blows.truncate(cycles);
    blows
}

fn round(blows: &[Blow], seed: u64, rng: &mut StdRng) -> Vec<Duration> {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("chaos", PARTITIONS as i32);
    let mut server = Server::start();
    let stop = Arc::new(AtomicBool::new(false));
    let shape = load(blows.len() * 45 + 60, seed);
    let mut recoveries = Vec::new();
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
        server.connect().run(&job::script_with(
            &broker.bootstrap(),
            &topic,
            "commit_interval = '200 milliseconds'",
        ));
        let mut shown = Shown::default();
        // Something to come back to: a checkpoint, and event time enough for rows that are late.
        server.wait("the first rows", SOON, || {
            (shown.look(&server, 0) && shown.rows.len() > 100).then_some(())
        });
        server.kill();
        for (life, blow) in blows.iter().enumerate() {
            recoveries.extend(live(&mut server, blow, life, &mut shown, rng));
        }
        server.set_env("SLUICE_FAILPOINTS", "");
        server.up();
        stop.store(true, Ordering::Relaxed);
        let mut producer = producing.join().unwrap();
        finish(
            &server,
            &mut producer,
            &shape,
            &mut shown,
            blows.len() / 4,
            gold_log,
        );
        check_garbage(&server, blows.len());
    });
    recoveries
}

/// From a start to an end; the time to the first answer, where there was one.
fn live(
    server: &mut Server,
    blow: &Blow,
    life: usize,
    shown: &mut Shown,
    rng: &mut StdRng,
) -> Option<Duration> {
    let said_before = said(server, blow);
    server.set_env("SLUICE_FAILPOINTS", blow.armed());
    let begun = Instant::now();
    let mut start = begun;
    server.launch();
    let mut answered = None;
    let mut fell = None;
    loop {
        // A commit that was cut short may have had every epoch; the next start has some to replay.
        let replays = blow.armed().starts_with("replay.");
        if replays && fell.is_none() && start.elapsed() > REPLAYED && server.is_running() {
            server.kill();
            start = Instant::now();
            server.launch();
        }
        let running = server.is_running();
        if running && shown.look(server, life) && answered.is_none() {
            answered = Some(start.elapsed());
        }
        match blow {
            Blow::Random(ms) => {
                let enough = Duration::from_millis(*ms);
                if start.elapsed() >= enough {
                    break;
                }
            }
            Blow::Kill(_) if !running => break,
            Blow::Kill(_) => {}
            Blow::Fail(_, ms) => {
                if fell.is_none() && said(server, blow) > said_before {
                    fell = Some(Instant::now());
                }
                if fell.is_some_and(|fell: Instant| fell.elapsed() >= Duration::from_millis(*ms)) {
                    break;
                }
            }
        }
        assert!(
            running || matches!(blow, Blow::Random(_)),
            "{blow:?} ended the server\n{}",
            server.log_tail()
        );
        assert!(
            begun.elapsed() < REACHED,
            "{blow:?} was not reached\n{}\n{}",
            server.system_tables(),
            server.log_tail()
        );
        thread::sleep(Duration::from_millis(rng.random_range(5..60)));
    }
    server.kill();
    if !matches!(blow, Blow::Random(_)) {
        let said = said(server, blow);
        assert!(
            said > said_before,
            "{blow:?} did not take place\n{}",
            server.log_tail()
        );
    }
    answered
}

/// How often the server has said that it failed there.
fn said(server: &Server, blow: &Blow) -> usize {
    match blow.armed().split_once('=') {
        Some((place, _)) => server
            .log_text()
            .matches(&format!("failpoint {place}:"))
            .count(),
        None => 0,
    }
}

/// What crashes leave behind is bounded: a few files each, and the next checkpoint takes the rest away.
fn check_garbage(server: &Server, crashes: usize) {
    let checkpoints = server.root().join("checkpoints");
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for query in fs::read_dir(&checkpoints).unwrap().flatten() {
        for kind in ["manifests", "state", "journal"] {
            let count = list(&query.path().join(kind)).len();
            let most = files.entry(kind.to_owned()).or_default();
            *most = (*most).max(count);
        }
    }
    // Five manifests are kept, and those that starts have added since the last commit took the older ones away.
    let bounds = [("manifests", 8), ("state", 40), ("journal", 8)];
    for (kind, most) in bounds {
        let found = files.get(kind).copied().unwrap_or_default();
        assert!(
            found <= most,
            "{found} files of {kind}, at most {most} expected"
        );
    }
    let table = server.table_dir("gold", "real_time_metrics");
    let log = DeltaLog::read(&table).unwrap();
    let live = log.added();
    let orphans: BTreeSet<String> = data_files(&table, &table)
        .into_iter()
        .filter(|path| !live.contains(path))
        .collect();
    assert!(
        orphans.len() <= 4 * crashes,
        "{} files in no version after {crashes} crashes",
        orphans.len()
    );
    assert!(
        !orphans.iter().any(|path| path.contains('#')) || crashes == 0,
        "unfinished files were left: {orphans:?}"
    );
}

#[test]
fn a_crash_in_the_middle_of_a_statement_leaves_it_done_or_not_begun() {
    let create = "CREATE TABLE gold.t WITH (commit_interval = '300 milliseconds') AS
        SELECT window_start, count(*) AS n FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start";
    let stream = "CREATE STREAM e (ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '2 seconds')
        WITH (connector = 'generator', rows = '3000', splits = '1', event_interval = '1 second')";
    let mut server = Server::idle();
    server.set_env("SLUICE_FAILPOINTS", "ddl.create=kill");
    server.up();
    let pg = server.connect();
    pg.run(stream);
    assert!(pg.try_run(create).unwrap_err().state.is_empty());
    server.set_env("SLUICE_FAILPOINTS", "");
    server.kill_and_restart();
    // Not begun, as far as anybody can see: the folder is taken over.
    let pg = server.connect();
    pg.refused("SELECT * FROM gold.t", "42P01", &["gold.t"]);
    pg.run(create);
    let rows = |server: &Server| {
        server.wait("the query to be through", SOON, || {
            let sql = "SELECT state FROM system.queries WHERE name = 'gold.t'";
            (server.connect().value(sql) == "finished").then_some(())
        });
        server.connect().number("SELECT sum(n) FROM gold.t")
    };
    assert_eq!(rows(&server), 3000);

    server.set_env("SLUICE_FAILPOINTS", "ddl.drop=kill");
    server.kill_and_restart();
    let pg = server.connect();
    assert!(
        pg.try_run("DROP TABLE gold.t")
            .unwrap_err()
            .state
            .is_empty()
    );
    server.set_env("SLUICE_FAILPOINTS", "");
    server.kill_and_restart();
    assert_eq!(rows(&server), 3000);
    let pg = server.connect();
    pg.run("DROP TABLE gold.t");
    pg.refused("SELECT * FROM gold.t", "42P01", &["gold.t"]);
}

#[test]
fn a_crash_in_the_middle_of_a_rename_leaves_one_name_and_all_rows() {
    let mut server = Server::start();
    let pg = server.connect();
    pg.run("CREATE ROLE reader; CREATE TABLE gold.old (n INT)");
    pg.run("INSERT INTO gold.old VALUES (1), (2); GRANT SELECT ON gold.old TO reader");
    server.set_env("SLUICE_FAILPOINTS", "ddl.rename=kill");
    server.kill_and_restart();
    let pg = server.connect();
    let rename = "ALTER TABLE gold.old RENAME TO new";
    assert!(pg.try_run(rename).unwrap_err().state.is_empty());
    server.set_env("SLUICE_FAILPOINTS", "");
    server.kill_and_restart();
    // The new name was durable, so it is the one; the old one is free.
    let pg = server.connect();
    assert_eq!(pg.number("SELECT sum(n) FROM gold.new"), 3);
    pg.refused("SELECT * FROM gold.old", "42P01", &["gold.old"]);
    pg.run("CREATE TABLE gold.old (m INT); INSERT INTO gold.old VALUES (7)");
    pg.run("INSERT INTO gold.new VALUES (4)");
    server.kill_and_restart();
    let pg = server.connect();
    assert_eq!(pg.number("SELECT sum(n) FROM gold.new"), 7);
    assert_eq!(pg.number("SELECT sum(m) FROM gold.old"), 7);
    pg.run("SET ROLE reader");
    assert_eq!(pg.number("SELECT count(*) FROM gold.new"), 3);
    pg.refused("SELECT * FROM gold.old", "42501", &["table old"]);
    pg.run("RESET ROLE; DROP TABLE gold.new");
    pg.run("ALTER TABLE gold.old RENAME TO new");
    server.kill_and_restart();
    assert_eq!(server.connect().number("SELECT sum(m) FROM gold.new"), 7);
    // A column: in the commit, or not at all.
    server.set_env("SLUICE_FAILPOINTS", "write.commit=kill");
    server.kill_and_restart();
    let pg = server.connect();
    let rename = "ALTER TABLE gold.new RENAME COLUMN m TO k";
    assert!(pg.try_run(rename).unwrap_err().state.is_empty());
    server.set_env("SLUICE_FAILPOINTS", "");
    server.kill_and_restart();
    let pg = server.connect();
    assert_eq!(pg.number("SELECT m FROM gold.new"), 7);
    pg.run(rename);
    server.kill_and_restart();
    assert_eq!(server.connect().number("SELECT k FROM gold.new"), 7);
}

fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Files of a table below its folder, without its log.
fn data_files(table: &Path, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("_delta_log") {
                found.extend(data_files(table, &path));
            }
        } else {
            let below = path.strip_prefix(table).unwrap();
            found.push(below.to_string_lossy().into_owned());
        }
    }
    found
}
