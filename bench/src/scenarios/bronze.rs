//! Every row kept as it is: a copy of a topic into a Delta table; and that table read as a whole, by an aggregate and by Flight SQL (all columns),
//! from its files at first and then from rows that the server has kept. A larger one is always read from its files.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::Float64Type,
};
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use sluice_tests::{
    job,
    pg::{Pg, block_on},
    server::Server,
};
use tonic::transport::{Channel, Endpoint};

use super::{Bench, Outcome};
use crate::{
    engines::Left,
    results::{Line, Run, run},
    topic::{Mix, PARTITIONS, Topic},
    usage,
};

const LIMIT: Duration = Duration::from_secs(600);
const SCANS: usize = 5;
/// The larger table beside the smaller, and the memory of a server that keeps none of its rows: an eighth of it is for rows that are kept.
const LARGE: usize = 8;
const LITTLE: &str = "128 MB";
const MERGING: Duration = Duration::from_secs(60);

/// The copy, then the scans of it.
pub fn measure(bench: &Bench) -> Result<Outcome, String> {
    let (broker, settings) = (&bench.broker, &bench.settings);
    let preload = |events| Topic::preload(broker, events, Mix::Clean, &settings.codec);
    let topic = preload(settings.events[1]);
    let mut lines = [
        "copy",
        "scan by an aggregate",
        "scan by Flight SQL, the first of a server",
        "scan by Flight SQL, the second, which keeps the rows",
        "scan by Flight SQL, again",
    ]
    .map(Line::new);
    for _ in 0..settings.runs.min(3) {
        let server = Server::start();
        let pg = server.connect();
        let (cpu, broker_cpu) = (usage::cpu_s(server.pid()), usage::cpu_s(broker.pid()));
        let start = Instant::now();
        copy(&server, &pg, bench, &topic);
        let wall_s = start.elapsed().as_secs_f64();
        let cpu_s = usage::cpu_s(server.pid()) - cpu;
        let broker_cpu_s = usage::cpu_s(broker.pid()) - broker_cpu;
        let left = Left::of(&server.table_dir("bronze", "events"));
        let per_million = 1e6 / topic.events as f64;
        let [copy, aggregate, first, second, again] = &mut lines;
        copy.runs.push(run([
            ("total_cpu_s_per_million", cpu_s * per_million),
            ("broker_cpu_s_per_million", broker_cpu_s * per_million),
            ("total_events_per_s", topic.events as f64 / wall_s),
            ("peak_mib", server.memory_mib("VmHWM")),
            ("left_mib", left.bytes as f64 / f64::from(1 << 20)),
            ("data_files", left.data_files as f64),
            ("commits", left.commits as f64),
        ]));
        aggregate.runs.push(by_aggregate(&server, &pg, &topic)?);
        first.runs.push(by_flight(&server, &topic, 1)?);
        second.runs.push(by_flight(&server, &topic, 1)?);
        again.runs.push(by_flight(&server, &topic, SCANS)?);
    }
    broker.delete_topic(&topic.name);
    let large = preload(LARGE * settings.events[1]);
    let mut from_files = Line::new("scan by Flight SQL, the larger table");
    for _ in 0..settings.runs.min(3) {
        let mut server = Server::idle();
        server.add_args(&["--query-memory", LITTLE]);
        server.up();
        copy(&server, &server.connect(), bench, &large);
        wait_idle(&server);
        from_files.runs.push(by_flight(&server, &large, SCANS)?);
        let kept = server.metric("sluice_row_cache_bytes");
        if kept > 0 {
            return Err(format!(
                "the larger table was to be read from its files, and {kept} bytes of rows are kept"
            ));
        }
    }
    broker.delete_topic(&large.name);
    let mut outcome =
        Outcome::new("counts and sums by event type equal the oracle's, by both scans")
            .given("events", topic.events)
            .given("events of the larger table", large.events)
            .given("partitions", PARTITIONS);
    outcome.lines = lines.into_iter().chain([from_files]).collect();
    Ok(outcome)
}

/// A topic into a table, until all of it is committed.
fn copy(server: &Server, pg: &Pg, bench: &Bench, topic: &Topic) {
    eprintln!("[bench] copying {} events, then reading them", topic.events);
    pg.run(&job::create_stream(
        "events",
        &bench.broker.bootstrap(),
        &topic.name,
    ));
    pg.run(
        "CREATE TABLE bronze.events WITH (commit_interval = '1 second') AS SELECT * FROM events",
    );
    let count = "SET freshness = 'committed'; SELECT count(*) FROM bronze.events";
    server.wait("the copy", LIMIT, || {
        (pg.number(count) >= topic.events as i64).then_some(())
    });
}

/// Until the server has merged the files that it has just written, or has had long enough for it: merging is none of a scan's work.
fn wait_idle(server: &Server) {
    let start = Instant::now();
    let mut before = usage::cpu_s(server.pid());
    while start.elapsed() < MERGING {
        thread::sleep(Duration::from_secs(2));
        let now = usage::cpu_s(server.pid());
        if now - before < 0.05 {
            return;
        }
        before = now;
    }
}

/// Counts and sums by event type, as they must be.
fn expect(found: &BTreeMap<String, (u64, f64)>, topic: &Topic) -> Result<(), String> {
    let expected = topic.totals();
    let same = found.len() == expected.len()
        && found.iter().all(|(kind, (count, sum))| {
            expected
                .get(kind)
                .is_some_and(|(n, total)| n == count && (sum - total).abs() <= 1e-9 * total.abs())
        });
    if same {
        Ok(())
    } else {
        Err(format!("the copy has {found:?}, the topic {expected:?}"))
    }
}

fn by_aggregate(server: &Server, pg: &Pg, topic: &Topic) -> Result<Run, String> {
    let closing =
        chrono::DateTime::from_timestamp_millis(topic.shape.closing_ms()).unwrap_or_default();
    let sql = format!(
        "SELECT event_type, count(*), sum(value) FROM bronze.events WHERE \"timestamp\" < TIMESTAMPTZ '{}' GROUP BY event_type",
        closing.to_rfc3339()
    );
    let (cpu, start) = (usage::cpu_s(server.pid()), Instant::now());
    for _ in 0..SCANS {
        let rows = pg.run(&sql);
        let found = rows.iter().filter_map(|row| {
            let cell = |at: usize| row.get(at)?.as_deref();
            Some((
                cell(0)?.to_owned(),
                (cell(1)?.parse().ok()?, cell(2)?.parse().ok()?),
            ))
        });
        expect(&found.collect(), topic)?;
    }
    Ok(scanned(server, topic, SCANS, cpu, start, None))
}

fn scanned(
    server: &Server,
    topic: &Topic,
    scans: usize,
    cpu: f64,
    start: Instant,
    bytes: Option<usize>,
) -> Run {
    let (wall_s, cpu_s) = (
        start.elapsed().as_secs_f64(),
        usage::cpu_s(server.pid()) - cpu,
    );
    let rows = (scans * topic.events) as f64;
    let mut figures = run([
        ("rows_per_s", rows / wall_s),
        ("rows_per_cpu_s", rows / cpu_s),
        ("once_ms", wall_s * 1000.0 / scans as f64),
    ]);
    if let Some(bytes) = bytes {
        let gib = bytes as f64 / f64::from(1 << 30);
        figures.extend(run([
            ("gib_per_s", gib / wall_s),
            ("gib_per_cpu_s", gib / cpu_s),
        ]));
    }
    figures
}

fn by_flight(server: &Server, topic: &Topic, scans: usize) -> Result<Run, String> {
    let (cpu, start) = (usage::cpu_s(server.pid()), Instant::now());
    let mut bytes = 0;
    for _ in 0..scans {
        let (mut rows, mut sum) = (0, 0.0);
        let take = |batch: &RecordBatch| {
            rows += batch.num_rows();
            bytes += bytes_of(batch)?;
            let values = batch.column_by_name("value");
            let values = values.ok_or("the table has no value")?;
            let values = values.as_primitive::<Float64Type>();
            sum += values.iter().flatten().sum::<f64>();
            Ok(())
        };
        let sql = "SELECT * FROM bronze.events";
        block_on(fetch(server.flight_port(), sql, take))?;
        // the events that close the windows have 1 each
        let expected: f64 =
            topic.totals().values().map(|(_, sum)| sum).sum::<f64>() + PARTITIONS as f64;
        if rows != topic.events || (sum - expected).abs() > 1e-9 * expected.abs() {
            return Err(format!(
                "Flight SQL gave {rows} rows that sum up to {sum}; there are {} of {expected}",
                topic.events
            ));
        }
    }
    Ok(scanned(server, topic, scans, cpu, start, Some(bytes)))
}

/// What the values take. Columns that came in one message share its buffer, which would be counted with each of them.
fn bytes_of(batch: &RecordBatch) -> Result<usize, String> {
    let sizes = batch
        .columns()
        .iter()
        .map(|column| column.to_data().get_slice_memory_size());
    sizes.sum::<Result<usize, _>>().map_err(|e| e.to_string())
}

async fn fetch(
    port: u16,
    sql: &str,
    mut take: impl FnMut(&RecordBatch) -> Result<(), String>,
) -> Result<(), String> {
    let told = |e: &dyn std::fmt::Display| format!("Flight SQL: {e}");
    let channel: Channel = Endpoint::new(format!("http://127.0.0.1:{port}"))
        .map_err(|e| told(&e))?
        .connect()
        .await
        .map_err(|e| told(&e))?;
    let mut client = FlightSqlServiceClient::new(channel);
    let token = client.handshake("sluice", "").await.map_err(|e| told(&e))?;
    client.set_token(String::from_utf8_lossy(&token).into_owned());
    let info = client
        .execute(sql.to_owned(), None)
        .await
        .map_err(|e| told(&e))?;
    for endpoint in info.endpoint {
        let ticket = endpoint.ticket.ok_or("an endpoint without a ticket")?;
        let mut stream = client.do_get(ticket).await.map_err(|e| told(&e))?;
        while let Some(batch) = stream.try_next().await.map_err(|e| told(&e))? {
            take(&batch)?;
        }
    }
    Ok(())
}
