//! How long after the event that closes a window its rows can be read, at a pace, event time running 120 times as fast as the clock.
//!
//! Every window that closes counts, from the moment its closing event is handed to the producer: a reader that is late is late in the
//! figures. Afterwards all rows are compared with the oracle.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    job,
    load::{BASE_MS, Event, Message},
    oracle,
    parts::{kafka::Broker, producer::Producer},
    pg::Pg,
    server::Server,
};

use super::{Bench, Outcome};
use crate::{
    engines::{self, Engine, Peer},
    results::{Line, Run, rank, run},
    topic::{Mix, PARTITIONS, Topic},
    usage,
};

const GOLD: &str = "gold.real_time_metrics";
const DELAY_MS: i64 = 10_000;
const SPEED: f64 = 120.0;
/// How long rows are waited for behind the last event.
const PATIENCE: Duration = Duration::from_secs(60);
/// A query that nobody will see the end of.
const RUNAWAY: &str = "SELECT sum(a.v * b.v) FROM generate_series(1, 1000000) AS a(v), generate_series(1, 1000000) AS b(v)";

/// Where rows are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The Postgres wire, asked all the time.
    Wire,
    /// The Postgres wire, by a subscription.
    Subscription,
    /// The finished files of the table, as any reader of it finds them.
    Files,
}

/// What goes on in the server meanwhile.
#[derive(Clone, Copy)]
enum Beside<'a> {
    Nothing,
    Runaway,
    /// Another query that drains this topic, again and again.
    Backlog(&'a Topic),
}

struct Ask<'a> {
    name: &'static str,
    engine: Engine,
    rate: f64,
    by: By,
    commit_interval: &'static str,
    beside: Beside<'a>,
    runs: usize,
}

/// Ours by SQL and by its table, and the peers by theirs; at 10,000 a second also beside other work.
pub fn measure(bench: &Bench, rate: u32) -> Result<Outcome, String> {
    let (settings, broker) = (&bench.settings, &bench.broker);
    let ask = |name, by, commit_interval| Ask {
        name,
        engine: Engine::Sluice,
        rate: f64::from(rate),
        by,
        commit_interval,
        beside: Beside::Nothing,
        runs: 1,
    };
    let mut asks = vec![
        ask("Sluice, read by SQL", By::Wire, "10 seconds"),
        ask("Sluice, read from Delta", By::Files, "200 ms"),
    ];
    let backlog = (rate == 10_000)
        .then(|| Topic::preload(broker, settings.events[1], Mix::Clean, &settings.codec));
    if let Some(backlog) = &backlog {
        let runs = settings.runs.min(3);
        let by = |name, by, beside| Ask {
            beside,
            runs,
            ..ask(name, by, "10 seconds")
        };
        // what is compared with each other is measured by turns, several times: of 120 windows p99 is the slowest but one
        asks[0].runs = runs;
        asks.extend([
            by("Sluice, by subscription", By::Subscription, Beside::Nothing),
            Ask {
                runs: 1,
                ..by(
                    "Sluice, by SQL beside a drain",
                    By::Wire,
                    Beside::Backlog(backlog),
                )
            },
            by(
                "Sluice, by SQL beside a runaway query",
                By::Wire,
                Beside::Runaway,
            ),
            by(
                "Sluice, by subscription beside a runaway query",
                By::Subscription,
                Beside::Runaway,
            ),
        ]);
    }
    if rate <= 10_000 {
        for engine in Engine::side_by_side(settings).into_iter().skip(1) {
            engine.install()?;
            let name = match engine {
                Engine::Flink => "Flink, read from Parquet",
                _ => "Spark, read from Delta",
            };
            asks.push(Ask {
                engine,
                ..ask(name, By::Files, "")
            });
        }
    }
    let mut outcome = Outcome::new("after each run every row of every window equals the oracle")
        .given("events a second", rate)
        .given("event time", format!("{SPEED} times as fast as the clock"))
        .given("seconds", settings.seconds)
        .given("seconds before, not measured", settings.warm_seconds);
    let mut lines: Vec<Line> = asks.iter().map(|ask| Line::new(ask.name)).collect();
    for round in 0..asks.iter().map(|ask| ask.runs).max().unwrap_or(0) {
        for (ask, line) in asks.iter().zip(&mut lines) {
            if round >= ask.runs {
                continue;
            }
            eprintln!("[bench] freshness at {rate} events a second: {}", ask.name);
            let figures = followed(bench, ask).map_err(|e| format!("{}: {e}", ask.name))?;
            eprintln!(
                "[bench]   p50 {:.0} ms, p99 {:.0} ms",
                figures["p50_ms"], figures["p99_ms"]
            );
            line.runs.push(figures);
        }
    }
    outcome = lines.into_iter().fold(outcome, Outcome::line);
    if let Some(backlog) = &backlog {
        broker.delete_topic(&backlog.name);
    }
    Ok(outcome)
}

/// Who follows the topic.
enum Live {
    Ours { server: Server, pg: Pg },
    Peer(Peer),
}

impl Live {
    fn start(broker: &Broker, topic: &str, ask: &Ask<'_>) -> Result<Self, String> {
        if ask.engine != Engine::Sluice {
            let mut peer = ask.engine.follow(broker, topic)?;
            peer.wait_running()?;
            return Ok(Self::Peer(peer));
        }
        let server = Server::start();
        let pg = server.connect();
        let options = format!("commit_interval = '{}'", ask.commit_interval);
        pg.run(&job::script_with(&broker.bootstrap(), topic, &options));
        Ok(Self::Ours { server, pg })
    }

    fn cpu_s(&self) -> f64 {
        match self {
            Self::Ours { server, .. } => usage::cpu_s(server.pid()),
            Self::Peer(peer) => peer.cpu_s(),
        }
    }

    fn peak_mib(&self) -> f64 {
        match self {
            Self::Ours { server, .. } => server.memory_mib("VmHWM"),
            Self::Peer(peer) => peer.peak_mib(),
        }
    }
}

/// Processor time so far: of the engine, of the broker, of ourselves (producer and reader).
struct Cpu([f64; 3]);

impl Cpu {
    fn now(live: &Live, broker: &Broker) -> Self {
        Self([live.cpu_s(), usage::cpu_s(broker.pid()), usage::own_cpu_s()])
    }
}

fn followed(bench: &Bench, ask: &Ask<'_>) -> Result<Run, String> {
    let (broker, settings) = (&bench.broker, &bench.settings);
    let warm_s = settings.warm_seconds;
    let topic = broker.fresh_topic("fresh", PARTITIONS as i32);
    let linger_ms = u32::from(ask.rate > 50_000.0);
    let mut producer = Producer::with_linger(broker, &topic, PARTITIONS, linger_ms);
    let mut live = Live::start(broker, &topic, ask)?;
    let over = AtomicBool::new(false);
    let seen: Mutex<Vec<(i64, Instant)>> = Mutex::default();
    let mut closed: Vec<(i64, Instant)> = Vec::new();
    let (mut warm, mut begun) = (None, Instant::now());
    let mut spent = ([0.0; 3], 0.0);
    thread::scope(|scope| -> Result<(), String> {
        let _stop = Stop(&over);
        let reader = scope.spawn(|| watch(&live, ask, &over, &seen));
        if let Live::Ours { server, .. } = &live {
            let beside = server.connect();
            let (bootstrap, over) = (broker.bootstrap(), &over);
            scope.spawn(move || keep_busy(&beside, ask.beside, &bootstrap, over));
        }
        let mut newest = [i64::MIN; PARTITIONS];
        let mut last_closed = BASE_MS - 60_000;
        let seconds = warm_s + settings.seconds;
        paced(
            &mut producer,
            ask.rate,
            seconds,
            SPEED,
            BASE_MS,
            |n, partition, ts_ms| {
                if warm.is_none() && n as f64 >= warm_s as f64 * ask.rate {
                    (warm, begun) = (Some(Cpu::now(&live, broker)), Instant::now());
                }
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
        if let Some(Cpu(before)) = warm.take() {
            let Cpu(after) = Cpu::now(&live, broker);
            let took = std::array::from_fn(|at| after[at] - before[at]);
            spent = (took, begun.elapsed().as_secs_f64());
        }
        let end = Instant::now();
        let last = |seen: &Mutex<Vec<(i64, Instant)>>| {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.last().is_some_and(|(start, _)| *start >= last_closed)
        };
        while !last(&seen) && !reader.is_finished() {
            if end.elapsed() > PATIENCE {
                return Err(format!(
                    "the last window is not there {} s after its last event",
                    PATIENCE.as_secs()
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        reader.join().map_err(|_| "the reader failed".to_owned())?
    })?;
    if let Live::Peer(peer) = &mut live {
        peer.check_alive()?;
    }
    let before_ms = closed.last().ok_or("no window became final")?.0 + 60_000;
    check(&live, ask.engine, &producer, before_ms)?;
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut latencies: Vec<f64> = Vec::new();
    for (window, sent) in closed.iter().filter(|(_, sent)| *sent >= begun) {
        // a reader that missed a window sees the next one; then this one was readable at that moment at the latest
        let (_, at) = seen
            .iter()
            .find(|(start, _)| start >= window)
            .ok_or("a window was never seen")?;
        latencies.push(at.saturating_duration_since(*sent).as_secs_f64() * 1000.0);
    }
    latencies.sort_by(f64::total_cmp);
    let of = |q: f64| rank(&latencies, q).ok_or("no window became final");
    let (took, wall_s) = spent;
    let [engine, broker_s, own] = took.map(|cpu_s| cpu_s / wall_s * 100.0);
    broker.delete_topic(&topic);
    Ok(run([
        ("windows", latencies.len() as f64),
        ("p50_ms", of(0.5)?),
        ("p95_ms", of(0.95)?),
        ("p99_ms", of(0.99)?),
        ("max_ms", of(1.0)?),
        ("cpu_percent", engine),
        ("broker_cpu_percent", broker_s),
        ("producer_and_reader_cpu_percent", own),
        ("peak_mib", live.peak_mib()),
    ]))
}

/// Lets everything end whatever happens.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends at a rate for some seconds, event time passing `speed` times as fast; tells of each message before it is sent.
pub fn paced(
    producer: &mut Producer<'_>,
    rate: f64,
    seconds: u64,
    speed: f64,
    from_ms: i64,
    mut sent: impl FnMut(usize, usize, i64),
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
        sent(n, n % PARTITIONS, event.ts_ms);
        producer.send(n % PARTITIONS, Message::Event(event));
    }
    producer.flush();
}

/// Rows of the windows before a time against the oracle.
fn check(
    live: &Live,
    engine: Engine,
    producer: &Producer<'_>,
    before_ms: i64,
) -> Result<(), String> {
    let expected = oracle::groups(&producer.produced, &BTreeSet::new(), before_ms);
    let mut gold = match live {
        Live::Ours { pg, .. } => job::read_gold(pg, GOLD),
        Live::Peer(peer) => peer.gold()?,
    };
    gold.retain(|key, _| key.window_start_ms < before_ms);
    oracle::compare_groups(&expected, &gold, engine.percentile())
}

/// Notes when a newer window is first seen.
fn watch(
    live: &Live,
    ask: &Ask<'_>,
    over: &AtomicBool,
    seen: &Mutex<Vec<(i64, Instant)>>,
) -> Result<(), String> {
    let mut look: Box<dyn FnMut() -> Result<Option<i64>, String>> = match (live, ask.by) {
        (Live::Ours { pg, .. }, By::Wire) => Box::new(move || {
            let sql = format!("SELECT max(window_start)::text FROM {GOLD}");
            Ok(job::parse_time(&pg.value(&sql)))
        }),
        (Live::Ours { pg, .. }, By::Subscription) => {
            pg.run(&format!(
                "DECLARE s CURSOR WITH HOLD FOR SUBSCRIBE (SELECT window_start FROM {GOLD}) WITH (progress)"
            ));
            Box::new(move || {
                let rows = pg.run("FETCH 1000 FROM s");
                let starts = rows
                    .iter()
                    .filter_map(|row| job::parse_time(row[2].as_ref()?));
                Ok(starts.max())
            })
        }
        (Live::Ours { server, .. }, By::Files) => delta(
            server
                .table_dir("gold", "real_time_metrics")
                .join("_delta_log"),
        ),
        (Live::Peer(peer), _) if ask.engine == Engine::Spark => {
            delta(peer.out().join("_delta_log"))
        }
        (Live::Peer(peer), _) => {
            let (folder, mut known) = (peer.out(), BTreeSet::new());
            Box::new(move || {
                let now = engines::parts(&folder);
                let new: Vec<_> = now.difference(&known).cloned().collect();
                known = now;
                engines::newest_window(&new)
            })
        }
    };
    let mut newest = i64::MIN;
    while !over.load(Ordering::Relaxed) {
        // what is found was there when it was looked for, not when it was read
        let at = Instant::now();
        let found = look()?;
        let at = if ask.by == By::Files {
            at
        } else {
            Instant::now()
        };
        if let Some(start) = found.filter(|start| *start > newest) {
            newest = start;
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((start, at));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn delta(log: std::path::PathBuf) -> Box<dyn FnMut() -> Result<Option<i64>, String>> {
    let mut version = 0;
    Box::new(move || Ok(newest_in_log(&log, &mut version)))
}

/// The newest window in the entries of a Delta log from `version` on, by the files' statistics; `version` moves behind them.
fn newest_in_log(log: &Path, version: &mut u64) -> Option<i64> {
    let mut newest = None;
    while let Ok(entry) = fs::read_to_string(log.join(format!("{version:020}.json"))) {
        *version += 1;
        for line in entry.lines() {
            let Ok(action) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            let stats = action
                .pointer("/add/stats")
                .and_then(|stats| stats.as_str());
            let stats: Option<serde_json::Value> =
                stats.and_then(|stats| serde_json::from_str(stats).ok());
            let largest = stats
                .as_ref()
                .and_then(|stats| stats.pointer("/maxValues/window_start"));
            let largest =
                largest.and_then(|text| chrono::DateTime::parse_from_rfc3339(text.as_str()?).ok());
            newest = newest.max(largest.map(|at| at.timestamp_millis()));
        }
    }
    newest
}

/// Other work in the server, until it is over.
fn keep_busy(pg: &Pg, beside: Beside<'_>, bootstrap: &str, over: &AtomicBool) {
    match beside {
        Beside::Nothing => {}
        Beside::Runaway => {
            while !over.load(Ordering::Relaxed) {
                // It is stopped by its time; whatever it says.
                let _ = pg.try_run(&format!("SET statement_timeout = '2 s'; {RUNAWAY}"));
            }
        }
        Beside::Backlog(topic) => {
            pg.run(&job::create_stream("backlog", bootstrap, &topic.name));
            let sql = job::CREATE_VIEW
                .replace("streaming_metrics", "backlog_metrics")
                .replace("TUMBLE(events", "TUMBLE(backlog");
            pg.run(&sql);
            while !over.load(Ordering::Relaxed) {
                pg.run("CREATE TABLE gold.backlog AS SELECT * FROM backlog_metrics");
                let drained = "SELECT count(*) FROM system.queries WHERE name = 'gold.backlog' AND lag_rows = 0";
                while !over.load(Ordering::Relaxed) && pg.number(drained) == 0 {
                    thread::sleep(Duration::from_millis(100));
                }
                pg.run("DROP TABLE gold.backlog");
            }
        }
    }
}
