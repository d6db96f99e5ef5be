//! `make bench`: what a release build takes for the asked-for job, on a real broker. Never a timed test.
//!
//! Scenarios: a preloaded topic drained as fast as it goes, by one query and by ten; a server killed with little and with much state; a trickle of 116 events a second, and ten thousand; and, with event time
//! running fast, how long after the event that closes a window its rows can be read over the Postgres wire while commits are ten seconds
//! apart, and how long until they stand in the Delta log where commits are asked for every 200 ms; and what a runaway query beside it does to that; and point queries by a
//! prepared statement beside PostgreSQL. The first is checked against the oracle
//! before any figure is printed; figures without a right answer are worth nothing.
//!
//! `SLUICE_BENCH_ONLY` names the scenarios to run, with commas between: `drain`, `many`, `recovery`, `trickle`, `runaway`, `serving`.
//! `SLUICE_BENCH_EVENTS` (5 M), `SLUICE_BENCH_QUERIES` (10) and `SLUICE_BENCH_SECONDS` (60) make it shorter; `SLUICE_BENCH_CODEC` (none) compresses the preloaded topic.
//! `SLUICE_BIN` names another binary.

mod many;
mod recovery;
mod serving;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    job,
    load::{BASE_MS, Event, Message, Messages, Shape, write_event},
    oracle,
    parts::{kafka::Broker, producer::Producer},
    server::{Server, binary},
};

const GOLD: &str = "gold.real_time_metrics";
const PARTITIONS: usize = 4;
/// Events a second: what the job was asked for, and a hundred times as much.
const RATES: [f64; 2] = [116.0, 10_000.0];
const DELAY_MS: i64 = 10_000;
/// A query that nobody will see the end of.
const RUNAWAY: &str = "SELECT sum(a.v * b.v) FROM generate_series(1, 1000000) AS a(v), generate_series(1, 1000000) AS b(v)";

fn main() -> ExitCode {
    let events = setting("SLUICE_BENCH_EVENTS", 5_000_000);
    let seconds = setting("SLUICE_BENCH_SECONDS", 60) as u64;
    eprintln!("[bench] {} on {}", binary().display(), machine());
    eprintln!("[bench] load before: {}", load_average());
    if wanted("serving") {
        match serving::measure(seconds.min(15)) {
            Ok(served) => serving::report(&served),
            Err(e) => return wrong(&e),
        }
    }
    let on_a_broker = ["drain", "many", "recovery", "trickle", "runaway"];
    if on_a_broker.iter().any(|scenario| wanted(scenario)) {
        let broker = match Broker::start() {
            Ok(broker) => broker,
            Err(e) => {
                eprintln!("bench: {e}");
                return ExitCode::from(3);
            }
        };
        if let Err(e) = streams(&broker, events, seconds) {
            return wrong(&e);
        }
    }
    eprintln!("[bench] load after: {}", load_average());
    ExitCode::SUCCESS
}

/// Whether a scenario is asked for; all are where none is named.
fn wanted(scenario: &str) -> bool {
    std::env::var("SLUICE_BENCH_ONLY")
        .map_or(true, |only| only.split(',').any(|name| name == scenario))
}

fn wrong(e: &str) -> ExitCode {
    eprintln!("bench: the answer is wrong, so there are no figures: {e}");
    ExitCode::from(1)
}

/// The scenarios on a broker.
fn streams(broker: &Broker, events: usize, seconds: u64) -> Result<(), String> {
    if wanted("drain") {
        report_drain(&drain(broker, events)?);
    }
    if wanted("many") {
        let queries = setting("SLUICE_BENCH_QUERIES", 10);
        many::report(queries, &many::drain(broker, events / 2, queries)?);
    }
    if wanted("recovery") {
        for groups in [20_000, setting("SLUICE_BENCH_GROUPS", 6_000_000)] {
            recovery::report(&recovery::measure(broker, groups));
        }
    }
    if wanted("trickle") {
        for rate in RATES {
            let trickle = trickle(broker, rate, seconds);
            report_trickle(rate, seconds, &trickle);
            for (by, commit_interval) in [(By::Wire, "10 seconds"), (By::DeltaLog, "200 ms")] {
                let freshness = freshness(broker, rate, seconds, by, commit_interval, None);
                report_freshness(by, commit_interval, freshness);
            }
        }
    }
    if wanted("runaway") {
        for by in [By::Subscription, By::Wire] {
            for beside in [None, Some(RUNAWAY)] {
                let freshness = freshness(broker, RATES[1], seconds, by, "10 seconds", beside);
                println!("beside {}", beside.unwrap_or("nothing"));
                report_freshness(by, "10 seconds", freshness);
            }
        }
    }
    Ok(())
}

struct Drained {
    events: usize,
    bytes_each: usize,
    wall_s: f64,
    cpu_s: f64,
    peak_mib: f64,
    gold_rows: usize,
}

fn drain(broker: &Broker, events: usize) -> Result<Drained, String> {
    let shape = Shape {
        span_ms: 60 * 60_000,
        ..Shape::of(events, 5).clean()
    };
    eprintln!("[bench] producing {events} events to {PARTITIONS} partitions");
    let topic = broker.fresh_topic("bench", PARTITIONS as i32);
    let mut producer = Producer::with(broker, &topic, PARTITIONS, 5, &codec());
    producer.send_all(&shape);
    producer.close_windows(shape.closing_ms());

    eprintln!("[bench] draining");
    let server = Server::start();
    let pg = server.connect();
    let script = job::script(&broker.bootstrap(), &topic);
    let cpu_before = server.cpu_seconds();
    let start = Instant::now();
    pg.run(&script);
    job::wait_drained(&server, &pg, GOLD, &shape, Duration::from_secs(1800));
    let wall_s = start.elapsed().as_secs_f64();
    let cpu_s = server.cpu_seconds() - cpu_before;
    let peak_mib = server.memory_mib("VmHWM");

    eprintln!("[bench] checking against the oracle");
    let late = oracle::check_late(&producer.produced, &job::read_late(&pg, GOLD))?;
    let mut gold = job::read_gold(&pg, GOLD);
    gold.retain(|key, _| key.window_start_ms < shape.closing_ms());
    let expected = oracle::gold(&producer.produced, &late, shape.closing_ms());
    oracle::compare(&expected, &gold)?;
    Ok(Drained {
        events,
        bytes_each: average_size(&shape),
        wall_s,
        cpu_s,
        peak_mib,
        gold_rows: gold.len(),
    })
}

fn average_size(shape: &Shape) -> usize {
    let mut payload = Vec::new();
    let sample = Shape {
        messages: 1000,
        ..shape.clone()
    };
    let bytes: usize = Messages::new(sample)
        .enumerate()
        .map(|(n, message)| match message {
            Message::Event(event) | Message::Behind(event) => {
                write_event(&event, n, &mut payload);
                payload.len()
            }
            Message::Malformed => 0,
        })
        .sum();
    bytes / 1000
}

struct Trickle {
    cpu_percent: f64,
    rss_mib: f64,
    peak_mib: f64,
}

fn trickle(broker: &Broker, rate: f64, seconds: u64) -> Trickle {
    eprintln!("[bench] {rate} events a second for {seconds} s");
    let topic = broker.fresh_topic("trickle", PARTITIONS as i32);
    let mut producer = Producer::with_linger(broker, &topic, PARTITIONS, 0);
    let server = Server::start();
    server
        .connect()
        .run(&job::script(&broker.bootstrap(), &topic));
    let now_ms = chrono::Utc::now().timestamp_millis();
    paced(&mut producer, rate, 5, 1.0, now_ms, |_, _| {}); // warm
    let (cpu, start) = (server.cpu_seconds(), Instant::now());
    paced(&mut producer, rate, seconds, 1.0, now_ms + 5_000, |_, _| {});
    Trickle {
        cpu_percent: (server.cpu_seconds() - cpu) / start.elapsed().as_secs_f64() * 100.0,
        rss_mib: server.memory_mib("VmRSS"),
        peak_mib: server.memory_mib("VmHWM"),
    }
}

/// Sends at a rate for some seconds, event time passing `speed` times as fast; tells of each message as it is sent.
fn paced(
    producer: &mut Producer<'_>,
    rate: f64,
    seconds: u64,
    speed: f64,
    from_ms: i64,
    mut sent: impl FnMut(usize, i64),
) {
    let start = Instant::now();
    for n in 0..(seconds as f64 * rate) as usize {
        let at = n as f64 / rate;
        let due = start + Duration::from_secs_f64(at);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let event = Event {
            ts_ms: from_ms + (at * speed * 1000.0) as i64,
            event_type: (n % 5) as u8,
            segment: (n % 3) as u8,
            value: n as f64,
        };
        sent(n % PARTITIONS, event.ts_ms);
        producer.send(n % PARTITIONS, Message::Event(event));
    }
    producer.flush();
}

struct Freshness {
    windows: usize,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// Where rows are looked for.
#[derive(Clone, Copy)]
enum By {
    /// The Postgres wire, asked all the time.
    Wire,
    /// The Postgres wire, by a subscription.
    Subscription,
    /// The table's Delta log, as any reader of it finds them.
    DeltaLog,
}

/// Milliseconds from the event that closes a window being handed to the producer until a reader has seen its rows.
fn freshness(
    broker: &Broker,
    rate: f64,
    seconds: u64,
    by: By,
    commit_interval: &str,
    beside: Option<&str>,
) -> Option<Freshness> {
    eprintln!(
        "[bench] freshness at {rate} events a second, event time 120 times as fast, commits every {commit_interval}, for {seconds} s"
    );
    let topic = broker.fresh_topic("fresh", PARTITIONS as i32);
    let mut producer = Producer::with_linger(broker, &topic, PARTITIONS, 0);
    let server = Server::start();
    let pg = server.connect();
    let options = format!("commit_interval = '{commit_interval}'");
    pg.run(&job::script_with(&broker.bootstrap(), &topic, &options));
    let log = server
        .table_dir("gold", "real_time_metrics")
        .join("_delta_log");
    if let By::Subscription = by {
        pg.run(&format!(
            "DECLARE s CURSOR WITH HOLD FOR SUBSCRIBE (SELECT window_start FROM {GOLD}) WITH (progress)"
        ));
    }
    let (stop, stopped) = mpsc::channel::<()>();
    let runaway = beside.map(|sql| (server.connect(), sql));
    let mut closed: Vec<(i64, Instant)> = Vec::new();
    let mut latencies = Vec::new();
    thread::scope(|scope| {
        if let Some((runaway, sql)) = &runaway {
            let limit = seconds + 2;
            scope.spawn(move || {
                // It is stopped where all is measured; whatever it says.
                let _ = runaway.try_run(&format!("SET statement_timeout = '{limit} s'; {sql}"));
            });
        }
        let reader = scope.spawn(move || {
            let mut seen: Vec<(i64, Instant)> = Vec::new();
            let mut known = BTreeSet::new();
            let mut version = 0;
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                let newest = match by {
                    By::Wire => {
                        let sql = format!("SELECT max(window_start)::text FROM {GOLD}");
                        job::parse_time(&pg.value(&sql))
                    }
                    By::Subscription => {
                        let rows = pg.run("FETCH 1000 FROM s");
                        let starts = rows
                            .iter()
                            .filter_map(|row| job::parse_time(row[2].as_ref()?));
                        starts.max()
                    }
                    By::DeltaLog => newest_in_log(&log, &mut version),
                };
                let at = Instant::now();
                if let Some(start) = newest.filter(|start| known.insert(*start)) {
                    seen.push((start, at));
                }
                thread::sleep(Duration::from_millis(2));
            }
            seen
        });
        let mut newest = [i64::MIN; PARTITIONS];
        let mut last_closed = BASE_MS - 60_000;
        paced(
            &mut producer,
            rate,
            seconds,
            120.0,
            BASE_MS,
            |partition, ts_ms| {
                newest[partition] = ts_ms;
                let watermark = newest
                    .iter()
                    .min()
                    .map_or(i64::MIN, |min| min.saturating_sub(DELAY_MS));
                while last_closed + 120_000 <= watermark {
                    last_closed += 60_000;
                    closed.push((last_closed, Instant::now()));
                }
            },
        );
        thread::sleep(Duration::from_secs(2));
        stop.send(()).ok();
        let seen = reader.join().unwrap_or_default();
        for (window, sent) in &closed {
            // a reader that missed a window sees the next one; then this one was readable at that moment at the latest
            if let Some((_, at)) = seen.iter().find(|(start, _)| start >= window) {
                latencies.push(at.saturating_duration_since(*sent).as_secs_f64() * 1000.0);
            }
        }
    });
    latencies.sort_by(f64::total_cmp);
    let rank = |q: f64| {
        latencies
            .get(((latencies.len() as f64 * q).ceil() as usize).saturating_sub(1))
            .copied()
    };
    Some(Freshness {
        windows: latencies.len(),
        p50_ms: rank(0.5)?,
        p95_ms: rank(0.95)?,
        p99_ms: rank(0.99)?,
        max_ms: rank(1.0)?,
    })
}

/// The newest window in the entries of a Delta log from `version` on, by the files' statistics; `version` moves behind them.
fn newest_in_log(log: &Path, version: &mut u64) -> Option<i64> {
    let mut newest = None;
    while let Ok(entry) = fs::read_to_string(log.join(format!("{version:020}.json"))) {
        *version += 1;
        for line in entry.lines() {
            let action: serde_json::Value = serde_json::from_str(line).ok()?;
            let Some(stats) = action
                .pointer("/add/stats")
                .and_then(|stats| stats.as_str())
            else {
                continue;
            };
            let stats: serde_json::Value = serde_json::from_str(stats).ok()?;
            let largest = stats.pointer("/maxValues/window_start")?.as_str()?;
            let largest = chrono::DateTime::parse_from_rfc3339(largest).ok()?;
            newest = newest.max(Some(largest.timestamp_millis()));
        }
    }
    newest
}

fn report_drain(drained: &Drained) {
    let millions = drained.events as f64 / 1e6;
    println!("machine                      {}", machine());
    println!(
        "drain                        {} events of {} bytes (compression: {}), {} gold rows, equal to the oracle",
        drained.events,
        drained.bytes_each,
        codec(),
        drained.gold_rows
    );
    println!(
        "  CPU-seconds per million    {:.3}",
        drained.cpu_s / millions
    );
    println!(
        "  events per second          {:.0}",
        drained.events as f64 / drained.wall_s
    );
    println!("  peak resident memory       {:.0} MiB", drained.peak_mib);
}

fn report_trickle(rate: f64, seconds: u64, trickle: &Trickle) {
    println!("{rate} events a second, {seconds} s");
    println!(
        "  CPU                        {:.2} % of one core",
        trickle.cpu_percent
    );
    println!(
        "  resident memory            {:.0} MiB (peak {:.0})",
        trickle.rss_mib, trickle.peak_mib
    );
}

fn report_freshness(by: By, commit_interval: &str, freshness: Option<Freshness>) {
    let what = match by {
        By::Wire => "closing event to readable",
        By::Subscription => "closing event to subscriber",
        By::DeltaLog => "closing event to Delta log",
    };
    match freshness {
        Some(f) => println!(
            "  {what:<26} p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, max {:.1} ms over {} windows, commits every {commit_interval}",
            f.p50_ms, f.p95_ms, f.p99_ms, f.max_ms, f.windows
        ),
        None => println!("  {what:<26} no window became final"),
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.replace('_', "").parse().ok())
        .unwrap_or(default)
}

fn codec() -> String {
    std::env::var("SLUICE_BENCH_CODEC").unwrap_or_else(|_| "none".into())
}

fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    format!("{cores} cores, {model}")
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
