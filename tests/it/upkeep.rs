//! Upkeep while nobody reads: merges, sealing, checkpoints of the log, its cleaning and vacuum beside commits many times a second, and no
//! reader whose looks would bring the server's own view of its tables up to date.
//!
//! That is the hard case: a merge is planned on the newest look at the table, which may be a minute old then, and other merges have come
//! since. What the table has is judged from outside, by its log, read entry by entry before it is cleaned away, and by delta-rs in Python.
//! SLUICE_TEST_UPKEEP_SECONDS says for how long rows come (`make chaos` takes longer).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use sluice_tests::{
    delta_log::DeltaLog,
    job::{self, COLUMNS},
    load::{EVENT_TYPES, Event, Message, Messages, Produced, SEGMENTS, Shape},
    oracle::{self, Gold, Place},
    parts::{kafka::Broker, producer::Producer, python},
    pg::Pg,
    server::Server,
    wait::wait_for,
};

use crate::{
    support::{DRAIN, SOON, Watched, check_gold, rows_of_json, setting},
    under_load::{GOLD, Stop, rows_everywhere},
};

const PARTITIONS: usize = 2;
/// Messages a second.
const RATE: usize = 1_200;
/// An hour of event time passes in two seconds.
const MS_A_MESSAGE: usize = 1_500;
const HOUR_MS: i64 = 3_600_000;
/// Of so many events one comes again, from hours ago: late for its windows, and for a copy a row of a partition that is sealed.
const OLD: usize = 40;
const OPTIONS: &str = "commit_interval = '100 milliseconds', history = '2 seconds'";
/// Vacuum looks at a table anew; this one is to be merged several times between two looks.
const SELDOM: &str = "commit_interval = '100 milliseconds', history = '20 seconds'";
const TABLES: [&str; 2] = ["real_time_metrics", "raw"];

/// Partitions that are sealed once, and partitions that are sealed and get rows all the same; what is open of both is merged in tiers.
fn script(broker: &Broker, topic: &str) -> String {
    let job = job::script_with(&broker.bootstrap(), topic, OPTIONS);
    format!(
        "{job}
         CREATE TABLE gold.raw PARTITIONED BY (date DATE, hour INT) WITH ({SELDOM}) AS
           SELECT \"timestamp\", event_type, user_segment, value, _partition, _offset FROM events;"
    )
}

#[test]
fn tables_that_nobody_reads_stay_what_they_are() {
    let seconds = setting("SLUICE_TEST_UPKEEP_SECONDS", 12);
    let seed = setting("SLUICE_TEST_SEED", 20_261_127) as u64;
    eprintln!("{seconds} s, seed {seed} (SLUICE_TEST_UPKEEP_SECONDS, SLUICE_TEST_SEED)");
    let broker = Broker::shared();
    let topic = broker.fresh_topic("upkeep", PARTITIONS as i32);
    let server = Server::start();
    let stop = AtomicBool::new(false);
    let messages = seconds * RATE;
    // Messages that do not decode are a table of their own, which has its turn at upkeep; here they would only take time.
    let shape = Shape {
        span_ms: (messages * MS_A_MESSAGE) as i64,
        malformed_per_mille: 0,
        ..Shape::of(messages, seed)
    };
    let mut followed: BTreeMap<&str, DeltaLog> = TABLES
        .map(|table| {
            let folder = server.table_dir("gold", table);
            (table, DeltaLog::of_growing(&folder))
        })
        .into();
    let mut seen = Vec::new();
    let mut producer = thread::scope(|scope| {
        let _stop = Stop(&stop);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
        server.connect().run(&script(broker, &topic));
        let began = Instant::now();
        let mut glance = Glance::new(&server);
        while !producing.is_finished() {
            follow(&mut followed);
            glance.in_a_round(&followed["raw"]);
            thread::sleep(Duration::from_millis(50));
            // A reader from elsewhere, now and then: twice in a short run.
            let due = seconds / 3 * (seen.len() + 1);
            if began.elapsed() > Duration::from_secs(due as u64) {
                seen.push(Read::of(&server));
            }
        }
        producing.join().unwrap()
    });
    assert!(seen.len() >= 2, "{} looks from elsewhere", seen.len());
    let before_ms = trickle(&mut producer, &shape, &mut followed);
    let pg = server.connect();
    drained(&server, &pg, &mut followed);
    check(&server, &pg, &producer, before_ms, &mut followed, &seen);
}

/// A few rows for each commit, until a log has been cleaned and there were some merges; the time before which windows are final then.
fn trickle(
    producer: &mut Producer<'_>,
    shape: &Shape,
    followed: &mut BTreeMap<&str, DeltaLog>,
) -> i64 {
    let mut now_ms = shape.closing_ms();
    let cleaned = wait_for("merges and a cleaned log", DRAIN, || {
        producer.close_windows(now_ms);
        now_ms += 60_000;
        follow(followed);
        let is_cleaned = !followed["real_time_metrics"].has_first();
        let merges = followed.values().map(|log| log.rewritten().len()).min();
        (is_cleaned && merges > Some(5)).then_some(())
    });
    cleaned.unwrap();
    now_ms += 600_000;
    producer.close_windows(now_ms);
    now_ms
}

/// Somebody who looks at a table right after the first of several merges, and then not for a while: what the server knows of the table then
/// has one merge in it and not the next. (The commits' own looks come at such moments too, but seldom.)
struct Glance {
    pg: Pg,
    merges: usize,
    at: Instant,
}

impl Glance {
    /// Between two looks.
    const PAUSE: Duration = Duration::from_millis(2_500);

    fn new(server: &Server) -> Self {
        Self {
            pg: server.connect(),
            merges: 0,
            at: Instant::now(),
        }
    }

    fn in_a_round(&mut self, log: &DeltaLog) {
        let merges = log.rewritten().len();
        if merges > self.merges && self.at.elapsed() > Self::PAUSE {
            self.pg.run("SELECT count(*) FROM gold.raw__files");
            self.at = Instant::now();
        }
        self.merges = merges;
    }
}

/// Sends a shape at [`RATE`], and events of hours ago among it.
fn produce<'a>(broker: &'a Broker, topic: &str, shape: &Shape, stop: &AtomicBool) -> Producer<'a> {
    let mut producer = Producer::new(broker, topic, PARTITIONS);
    let start = Instant::now();
    for (n, message) in Messages::new(shape.clone()).enumerate() {
        if n.is_multiple_of(50) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let due = start + Duration::from_secs_f64(n as f64 / RATE as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        producer.send(n % PARTITIONS, message);
        let Message::Event(event) = message else {
            continue;
        };
        // One to four hours back.
        let back_ms = HOUR_MS * (1 + (n / OLD) as i64 % 4);
        if n % OLD == OLD - 1 && event.ts_ms - back_ms > shape.from_ms {
            let old = Event {
                ts_ms: event.ts_ms - back_ms,
                ..event
            };
            producer.send(n % PARTITIONS, Message::Behind(old));
        }
    }
    producer.flush();
    producer
}

fn follow(followed: &mut BTreeMap<&str, DeltaLog>) {
    for (table, log) in followed {
        log.follow().unwrap_or_else(|e| panic!("{table}: {e}"));
    }
}

/// Waits until everything is read and committed; the tables are not asked.
fn drained(server: &Server, pg: &Pg, followed: &mut BTreeMap<&str, DeltaLog>) {
    let open = "SELECT count(*) FROM system.queries WHERE lag_rows > 0 OR lag_rows IS NULL OR epoch <> checkpoint_epoch OR state <> 'running'";
    let mut quiet = 0;
    server.wait("everything to be committed", DRAIN, || {
        follow(followed);
        quiet = match pg.number(open) {
            0 => quiet + 1,
            _ => 0,
        };
        // What was read a moment ago may still wait for its epoch.
        (quiet > 10).then_some(())
    });
}

fn check(
    server: &Server,
    pg: &Pg,
    producer: &Producer<'_>,
    before_ms: i64,
    followed: &mut BTreeMap<&str, DeltaLog>,
    seen: &[Read],
) {
    for table in ["real_time_metrics", "raw"] {
        let mut many = BTreeMap::new();
        let merged = wait_for("what is sealed to be merged", DRAIN, || {
            follow(followed);
            many = many_files(&followed[table]);
            // Those of the hour that is open, or of two; and what was merged goes.
            let files: usize = many.values().sum();
            let added = followed[table].added().len();
            // A vacuum that has removed files may not be at its end.
            let gone = table == "raw"
                || data_files(&server.table_dir("gold", table)) < added
                    && done(pg, table, "vacuum") > 0;
            (many.len() <= 2 && files < 4 * 32 && gone).then_some(())
        });
        merged.unwrap_or_else(|e| {
            let told = pg.run("SELECT name, task, state, runs, seconds, files_before, files_after, version, last_error FROM system.maintenance");
            panic!("{table}: {e}: files by partition {many:?}\n{told:?}")
        });
    }
    check_logs(server, pg, followed);

    // From elsewhere first: SQL would have the server look at its tables.
    let now = Read::of(server);
    for (number, then) in seen.iter().enumerate() {
        then.check_before(&now)
            .unwrap_or_else(|e| panic!("look {number}: {e}"));
    }
    let expected = copied(&producer.produced);
    let found = &now.raw;
    let wrong: Vec<_> = expected
        .iter()
        .filter(|(place, row)| found.get(place) != Some(row))
        .take(5)
        .collect();
    assert!(
        wrong.is_empty() && found.len() == expected.len(),
        "{} rows, expected {}: {wrong:?}",
        found.len(),
        expected.len()
    );
    let late = oracle::check_late(&producer.produced, &job::read_late(pg, GOLD)).unwrap();
    assert!(!late.is_empty(), "nothing was late");
    let gold = oracle::gold(&producer.produced, &late, before_ms);
    assert!(!gold.is_empty());
    let mut found = now.gold;
    found.retain(|key, _| key.window_start_ms < before_ms);
    oracle::compare(&gold, &found).unwrap();
    check_gold(server, pg, producer, GOLD, before_ms);
    let rows = pg.number("SELECT count(*) FROM gold.raw");
    assert_eq!(rows, expected.len() as i64);
}

/// Partitions of more than one file, and how many they have.
fn many_files(log: &DeltaLog) -> BTreeMap<String, usize> {
    let mut partitions: BTreeMap<String, usize> = BTreeMap::new();
    for partition in log.live().0.into_values() {
        *partitions.entry(partition).or_default() += 1;
    }
    partitions.retain(|_, files| *files > 1);
    partitions
}

/// What the logs say of everything that was done to the tables.
fn check_logs(server: &Server, pg: &Pg, followed: &BTreeMap<&str, DeltaLog>) {
    for (table, log) in followed {
        let failed = |e: String| panic!("{table}: {e}");
        log.check_txns().unwrap_or_else(failed);
        log.check_rewrites().unwrap_or_else(failed);
        log.check_adds(&["date", "hour"], &["user_segment"])
            .unwrap_or_else(failed);
        let (live, most) = log.live();
        let merges = log.rewritten().len();
        let added = log.added().len();
        let folder = server.table_dir("gold", table);
        let there = DeltaLog::read(&folder).unwrap();
        let oldest = *there.versions.keys().next().unwrap();
        let told = format!(
            "{table}: {} versions, {} of them there, {merges} merges; {added} files in all, {most} live at most, {} at the end",
            log.versions.len(),
            there.versions.len(),
            live.len()
        );
        eprintln!("{told}");
        assert!(merges > 5, "hardly a merge: {told}");
        let is_seldom = *table == "raw";
        assert!(
            oldest > 0 || is_seldom,
            "no entry of the log was cleaned away: {told}"
        );
        assert!(there.versions.len() < 700, "the log grows: {told}");
        let sealed: BTreeSet<&String> = live.values().collect();
        assert!(live.len() < sealed.len() + 4 * 32, "files pile up: {told}");

        let done = |task| done(pg, table, task);
        assert!(done("compact") > 0, "{told}");
        assert!(done("checkpoint") > i64::from(!is_seldom), "{told}");
        assert!(done("vacuum") > 0 || is_seldom, "{told}");
    }
}

/// How often a task of a table's upkeep was done; without an error.
fn done(pg: &Pg, table: &str, task: &str) -> i64 {
    let sql = format!(
        "SELECT runs, coalesce(last_error, '') FROM system.maintenance WHERE name = 'gold.{table}' AND task = '{task}'"
    );
    let rows = pg.run(&sql);
    assert_eq!(rows[0][1].as_deref(), Some(""), "{task} of {table}");
    rows[0][0].as_deref().unwrap().parse().unwrap()
}

fn data_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| match entry.path() {
            path if path.is_dir() => data_files(&path),
            path => usize::from(path.extension().is_some_and(|name| name == "parquet")),
        })
        .sum()
}

/// A row of the copy: its time, what it is, its value.
type Row = (i64, String, String, u64);

/// Every event where it was produced.
fn copied(produced: &Produced) -> BTreeMap<Place, Row> {
    let rows = produced.iter().filter_map(|(partition, offset, message)| {
        let (Message::Event(event) | Message::Behind(event)) = message else {
            return None;
        };
        let row = (
            event.ts_ms,
            EVENT_TYPES[usize::from(event.event_type)].to_owned(),
            SEGMENTS[usize::from(event.segment)].to_owned(),
            event.value.to_bits(),
        );
        Some(((partition, offset), row))
    });
    rows.collect()
}

/// The tables as delta-rs reads them at some moment.
struct Read {
    gold: Gold,
    raw: BTreeMap<Place, Row>,
}

impl Read {
    fn of(server: &Server) -> Self {
        let rows = |table: &str| {
            let folder = server.table_dir("gold", table);
            python::run("read_delta.py", &[folder.to_str().unwrap()])["rows"].take()
        };
        let gold = job::gold_of(&rows_of_json(&rows("real_time_metrics"), COLUMNS));
        Self {
            gold: gold.unwrap_or_else(|e| panic!("gold as delta-rs reads it: {e}")),
            raw: raw_of(&rows("raw")).unwrap_or_else(|e| panic!("raw as delta-rs reads it: {e}")),
        }
    }

    /// What was there then is there now, to the last bit.
    fn check_before(&self, now: &Self) -> Result<(), String> {
        for (key, row) in &self.gold {
            if now.gold.get(key) != Some(row) {
                let now = now.gold.get(key);
                return Err(format!("{key:?} was {row:?} and is {now:?}"));
            }
        }
        match self
            .raw
            .iter()
            .find(|(place, row)| now.raw.get(place) != Some(row))
        {
            Some((place, row)) => Err(format!(
                "{place:?} was {row:?} and is {:?}",
                now.raw.get(place)
            )),
            None => Ok(()),
        }
    }
}

/// Rows of `raw`; an error where one comes twice.
fn raw_of(rows: &Value) -> Result<BTreeMap<Place, Row>, String> {
    let mut raw = BTreeMap::new();
    for row in rows.as_array().ok_or("a list of rows")? {
        let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
        let partition = row["_partition"].as_i64().unwrap_or_default();
        let place = (
            i32::try_from(partition).map_err(|e| e.to_string())?,
            row["_offset"].as_i64().ok_or("an offset")?,
        );
        let time = job::parse_time(&text("timestamp")).ok_or_else(|| format!("{row}"))?;
        let value = row["value"].as_f64().ok_or("a value")?;
        let columns = (
            time,
            text("event_type"),
            text("user_segment"),
            value.to_bits(),
        );
        if raw.insert(place, columns).is_some() {
            return Err(format!("{place:?} comes twice"));
        }
    }
    Ok(raw)
}

/// Rows that come into a partition after it was sealed: they are committed as any, and it is merged once more, and only once.
#[test]
fn a_late_append_reopens_a_sealed_partition_which_is_then_sealed_again() {
    const SEALED: &str = "date=2026-03-01/hour=22";
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "reopened", 1);
    it.pg.run(&format!(
        "{}
         CREATE TABLE gold.raw PARTITIONED BY (date DATE, hour INT) WITH (commit_interval = '100 milliseconds') AS
           SELECT \"timestamp\", event_type, user_segment, value, _partition, _offset FROM events;
         CREATE TABLE gold.by_hand PARTITIONED BY (date DATE, hour INT) WITH (commit_interval = '100 milliseconds', maintenance = 'off') AS
           SELECT \"timestamp\", value FROM events;",
        job::create_stream("events", &broker.bootstrap(), &it.topic)
    ));
    let folder = it.server.table_dir("gold", "raw");
    let mut log = DeltaLog::of_growing(&folder);
    let base_ms = sluice_tests::load::BASE_MS;
    let mut sent = 0;
    // Each batch is a commit of its own.
    let mut send = |it: &mut Watched<'_>, at_ms: i64| {
        for n in 0..20 {
            let event = Event {
                ts_ms: at_ms + n * 10,
                event_type: (n % 5) as u8,
                segment: 0,
                value: n as f64,
            };
            it.producer.send(0, Message::Event(event));
        }
        it.producer.flush();
        sent += 20;
        let rows = sent.to_string();
        it.server.wait("the rows to be committed", SOON, || {
            let committed = it.query_status("gold.raw", "rows_in") == rows
                && it.query_status("gold.raw", "epoch")
                    == it.query_status("gold.raw", "checkpoint_epoch");
            committed.then_some(())
        });
    };
    for n in 0..4 {
        send(&mut it, base_ms + n * 1_000);
    }
    // Two hours on nothing can come for the first one, as far as the watermark says.
    send(&mut it, base_ms + 2 * HOUR_MS);
    let sealed = |log: &mut DeltaLog, times: usize| {
        log.follow().unwrap();
        let rewritten = log.rewritten();
        let times_now = rewritten.iter().filter(|of| *of == SEALED).count();
        let (live, _) = log.live();
        let files = live.values().filter(|of| *of == SEALED).count();
        assert!(
            times_now <= times,
            "merged {times_now} times: {rewritten:?}"
        );
        (times_now == times && files == 1).then_some(())
    };
    it.server
        .wait("the partition to be sealed", SOON, || sealed(&mut log, 1));
    // Late for the watermark, and a copy takes it all the same.
    send(&mut it, base_ms + 100_000);
    it.server
        .wait("the partition to be sealed again", SOON, || {
            sealed(&mut log, 2)
        });
    // It stays so, whatever else comes, and through a restart.
    for n in 0..6 {
        send(&mut it, base_ms + 2 * HOUR_MS + n * 1_000);
    }
    it.server.kill_and_restart();
    it.pg = it.server.connect();
    for n in 6..12 {
        send(&mut it, base_ms + 2 * HOUR_MS + n * 1_000);
    }
    let again = sealed(&mut log, 2);
    assert!(again.is_some(), "{:?}", log.live());
    log.check_txns().unwrap();
    log.check_rewrites().unwrap();
    log.check_adds(&["date", "hour"], &["timestamp", "value"])
        .unwrap();

    let expected = copied(&it.producer.produced);
    let rows = python::run("read_delta.py", &[folder.to_str().unwrap()])["rows"].take();
    assert_eq!(raw_of(&rows).unwrap(), expected);
    let in_order = "SELECT _offset FROM gold.raw ORDER BY _offset";
    let offsets: Vec<i64> = it
        .pg
        .run(in_order)
        .iter()
        .map(|row| row[0].as_deref().unwrap().parse().unwrap())
        .collect();
    assert_eq!(
        offsets,
        expected
            .keys()
            .map(|(_, offset)| *offset)
            .collect::<Vec<_>>()
    );
    by_hand(&it);
    let of_sealed = "SELECT count(*) FROM gold.raw WHERE date = DATE '2026-03-01' AND hour = 22";
    assert_eq!(it.pg.number(of_sealed), 100);
}

/// The table beside it that the server leaves alone: every commit's file is there until somebody says otherwise.
fn by_hand(it: &Watched<'_>) {
    let mut log = DeltaLog::of_growing(&it.server.table_dir("gold", "by_hand"));
    log.follow().unwrap();
    let added = log.added().len();
    assert!(added > 10, "{added} files");
    assert_eq!(log.live().0.len(), added);
    let states = "SELECT DISTINCT state FROM system.maintenance WHERE name = 'gold.by_hand'";
    assert_eq!(it.pg.run(states), [[Some("off".to_owned())]]);
    it.pg.run("OPTIMIZE gold.by_hand");
    log.follow().unwrap();
    assert_eq!(log.live().0.len(), 2, "{:?}", log.live());
    assert_eq!(it.pg.run(states), [[Some("off".to_owned())]]);
    log.check_rewrites().unwrap();
}
