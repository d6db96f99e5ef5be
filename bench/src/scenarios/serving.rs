//! Point queries by a prepared statement: ours, PostgreSQL with an index, and the engine alone over the same files.
//!
//! One table of 100,000 rows, in partitions by hour, as gold is. First as fast as a few connections ask, for the queries in a second of the
//! server's processor time; then paced at half of that rate, for the time an answer takes. Every answer is checked.
//!
//! PostgreSQL has a line in any case: where it could not be had, one without figures, and why stands with what the scenario was given.

use std::{
    path::Path,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::Outcome;
use crate::{
    results::{Line, rank, run},
    settings::Settings,
    usage::own_cpu_s,
};
use bytes::Bytes;
use datafusion::{
    arrow::array::{Array, AsArray},
    arrow::datatypes::{Float64Type, Int64Type},
    common::ScalarValue,
    prelude::{ParquetReadOptions, SessionConfig, SessionContext},
};
use futures::SinkExt;
use sluice_tests::{
    parts::postgres::Postgres,
    pg::{Pg, block_on, runtime},
    server::Server,
};

const ROWS: usize = 100_000;
const DEVICES: usize = 70;
const CLIENTS: usize = 4;
/// 2026-01-01.
const BASE_S: u64 = 1_767_225_600;
const COLUMNS: &str = "window_start TIMESTAMPTZ, device BIGINT, event_type TEXT, n BIGINT, total DOUBLE PRECISION, hour INT";
const QUERY: &str =
    "SELECT event_type, n, total FROM gold.points WHERE window_start = $1 AND device = $2";

/// Its name among the peers, and its line.
const POSTGRESQL: &str = "PostgreSQL";

/// What a server did.
struct Served {
    name: &'static str,
    asked: usize,
    wall_s: f64,
    cpu_s: f64,
    /// At half the rate: p50, p99 in milliseconds.
    half: Option<(f64, f64)>,
}

/// The row of this number.
struct Point {
    window_start: SystemTime,
    device: i64,
    event_type: String,
    n: i64,
    total: f64,
    hour: usize,
}

impl Point {
    fn of(row: usize) -> Self {
        let minute = row / DEVICES;
        Self {
            window_start: SystemTime::UNIX_EPOCH + Duration::from_secs(BASE_S + 60 * minute as u64),
            device: (row % DEVICES) as i64,
            event_type: format!("type-{}", row % 5),
            n: (row * 7 % 1000) as i64,
            total: row as f64 * 0.5,
            hour: minute / 60,
        }
    }

    fn line(&self) -> String {
        let at: chrono::DateTime<chrono::Utc> = self.window_start.into();
        let Self {
            device,
            event_type,
            n,
            total,
            hour,
            ..
        } = self;
        format!(
            "{}\t{device}\t{event_type}\t{n}\t{total}\t{hour}\n",
            at.to_rfc3339()
        )
    }
}

/// Measures all of them, one after the other.
pub fn measure(settings: &Settings) -> Result<Outcome, String> {
    let time = Duration::from_secs(settings.seconds.min(15));
    let server = Server::start();
    let pg = server.connect();
    pg.run(&format!(
        "CREATE TABLE gold.points ({COLUMNS}) PARTITIONED BY (hour)"
    ));
    fill(&pg)?;
    let ours = served("Sluice", server.pg_port(), time, "", || {
        server.cpu_seconds()
    })?;
    let count = timed_count(&pg, server.cpu_seconds(), || server.cpu_seconds())?;
    let engine = block_on(alone(&server.table_dir("gold", "points"), time))?;
    drop(server);

    let postgresql = postgresql(settings, time)?;
    Ok(outcome([ours, engine], count, postgresql))
}

/// PostgreSQL with an index, or why there is none; an error where it must be there.
fn postgresql(settings: &Settings, time: Duration) -> Result<Result<Served, String>, String> {
    let must = settings.has_peer(POSTGRESQL);
    if settings.with_peers() && !must {
        return Ok(Err("SLUICE_BENCH_PEERS leaves it out".into()));
    }
    match Postgres::start() {
        Ok(postgres) => indexed(&postgres, time).map(Ok),
        Err(e) => missing(must, &e).map(Err),
    }
}

/// Why there is no PostgreSQL, on one line; an error where it must be there.
fn missing(must: bool, why: &str) -> Result<String, String> {
    if must {
        return Err(format!(
            "no PostgreSQL beside: {why}\ninstall it, or leave it out of SLUICE_BENCH_PEERS"
        ));
    }
    eprintln!("[bench] no PostgreSQL beside: {why}");
    let first = why.lines().next().unwrap_or_default();
    Ok(first.trim_end_matches('.').to_owned())
}

fn indexed(postgres: &Postgres, time: Duration) -> Result<Served, String> {
    let pg = Pg::connect(postgres.port()).map_err(|e| e.to_string())?;
    let quiet = "SET log_statement = 'none'; SET log_duration = off";
    pg.run(quiet);
    pg.run(&format!(
        "CREATE SCHEMA IF NOT EXISTS gold; CREATE TABLE gold.points ({COLUMNS}, PRIMARY KEY (window_start, device))"
    ));
    fill(&pg)?;
    pg.run("VACUUM ANALYZE gold.points");
    served(POSTGRESQL, postgres.port(), time, quiet, || {
        postgres.cpu_seconds()
    })
}

/// Every line with its figures; that of a PostgreSQL that was not there has none.
fn outcome(all: [Served; 2], count: f64, postgresql: Result<Served, String>) -> Outcome {
    let mut outcome = Outcome::new("every row that was asked for is the one that was written")
        .given("rows", ROWS)
        .given("connections", CLIENTS);
    let (postgresql, missing) = match postgresql {
        Ok(served) => (Some(served), None),
        Err(why) => (None, Some(why)),
    };
    for served in all.into_iter().chain(postgresql) {
        let mut figures = run([
            ("queries_per_cpu_s", served.asked as f64 / served.cpu_s),
            ("queries_per_s", served.asked as f64 / served.wall_s),
        ]);
        if let Some((p50, p99)) = served.half {
            figures.extend(run([("half_p50_ms", p50), ("half_p99_ms", p99)]));
        }
        let mut line = Line::new(served.name);
        if served.name == "Sluice" {
            figures.extend(run([("count_cpu_ms", count)]));
        }
        line.runs.push(figures);
        outcome = outcome.line(line);
    }
    match missing {
        None => outcome,
        Some(why) => outcome
            .line(Line::new(POSTGRESQL))
            .given(POSTGRESQL, format_args!("not measured, {why}")),
    }
}

fn fill(pg: &Pg) -> Result<(), String> {
    let copied = block_on(async {
        let copy = pg.client().copy_in("COPY gold.points FROM STDIN").await?;
        let mut copy = pin!(copy);
        for rows in (0..ROWS).collect::<Vec<_>>().chunks(5_000) {
            let text: String = rows.iter().map(|row| Point::of(*row).line()).collect();
            copy.send(Bytes::from(text)).await?;
        }
        copy.finish().await
    });
    match copied {
        Ok(rows) if rows == ROWS as u64 => Ok(()),
        Ok(rows) => Err(format!("{rows} of {ROWS} rows were copied")),
        Err(e) => Err(format!("COPY: {e}")),
    }
}

fn timed_count(pg: &Pg, before: f64, cpu: impl Fn() -> f64) -> Result<f64, String> {
    const TIMES: usize = 50;
    for _ in 0..TIMES {
        let count = pg.number("SELECT count(*) FROM gold.points");
        if count != ROWS as i64 {
            return Err(format!("count(*) is {count}"));
        }
    }
    Ok((cpu() - before) * 1000.0 / TIMES as f64)
}

/// As fast as some connections ask, then at half of that.
fn served(
    name: &'static str,
    port: u16,
    time: Duration,
    first: &str,
    cpu: impl Fn() -> f64,
) -> Result<Served, String> {
    eprintln!("[bench] point queries of {name}");
    let clients: Vec<Arc<Pg>> = (0..CLIENTS)
        .map(|_| {
            let pg = Pg::connect(port).map_err(|e| e.to_string())?;
            pg.run(first);
            Ok(Arc::new(pg))
        })
        .collect::<Result<_, String>>()?;
    asked(&clients, Duration::from_secs(2), None)?;
    let (before, start) = (cpu(), Instant::now());
    let flat_out = asked(&clients, time, None)?.len();
    let (wall_s, cpu_s) = (start.elapsed().as_secs_f64(), cpu() - before);
    let pause = Duration::from_secs_f64(2.0 * CLIENTS as f64 * wall_s / flat_out as f64);
    let mut times = asked(&clients, time, Some(pause))?;
    times.sort_unstable();
    let times: Vec<f64> = times
        .iter()
        .map(|time| time.as_secs_f64() * 1000.0)
        .collect();
    Ok(Served {
        name,
        asked: flat_out,
        wall_s,
        cpu_s,
        half: rank(&times, 0.5).zip(rank(&times, 0.99)),
    })
}

/// Asks on all connections for some time, each at once again or one in every `pause`; how long each answer took.
fn asked(
    clients: &[Arc<Pg>],
    time: Duration,
    pause: Option<Duration>,
) -> Result<Vec<Duration>, String> {
    let tasks: Vec<_> = clients
        .iter()
        .enumerate()
        .map(|(client, pg)| runtime().spawn(ask(Arc::clone(pg), client, time, pause)))
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(block_on(task).map_err(|e| e.to_string())??);
    }
    Ok(times)
}

async fn ask(
    pg: Arc<Pg>,
    client: usize,
    time: Duration,
    pause: Option<Duration>,
) -> Result<Vec<Duration>, String> {
    let statement = pg.client().prepare(QUERY).await;
    let statement = statement.map_err(|e| format!("prepare: {e}"))?;
    let mut times = Vec::new();
    let start = Instant::now();
    let mut row = client * ROWS / CLIENTS;
    let mut due = start;
    while start.elapsed() < time {
        if let Some(pause) = pause {
            due += pause;
            tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
        }
        // A prime step: neighbours in time are none in the table.
        row = (row + 7_919) % ROWS;
        let point = Point::of(row);
        let asked = Instant::now();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&point.window_start, &point.device];
        let rows = pg.client().query(&statement, &values).await;
        let rows = rows.map_err(|e| format!("row {row}: {e}"))?;
        times.push(asked.elapsed());
        let same = match rows.as_slice() {
            [found] => {
                found.get::<_, String>(0) == point.event_type
                    && found.get::<_, i64>(1) == point.n
                    && found.get::<_, f64>(2) == point.total
            }
            _ => false,
        };
        if !same {
            return Err(format!("row {row} is wrong: {rows:?}"));
        }
    }
    Ok(times)
}

/// DataFusion in this process, over the files of our table: prepared once, values and plan for each.
async fn alone(table: &Path, time: Duration) -> Result<Served, String> {
    eprintln!("[bench] point queries of the engine alone");
    let told = |e: datafusion::error::DataFusionError| e.to_string();
    let config = SessionConfig::new().with_target_partitions(1);
    let context = SessionContext::new_with_config(config);
    let options = ParquetReadOptions::default().table_partition_cols(vec![(
        "hour".to_owned(),
        datafusion::arrow::datatypes::DataType::Int32,
    )]);
    context.sql("CREATE SCHEMA gold").await.map_err(told)?;
    let folder = table.to_string_lossy();
    context
        .register_parquet("gold.points", &folder, options)
        .await
        .map_err(told)?;
    let prepared = context.sql(QUERY).await.map_err(told)?;
    let plan = prepared.logical_plan().clone();
    let mut row = 0;
    let mut asked = 0;
    let (before, start) = (own_cpu_s(), Instant::now());
    while start.elapsed() < time {
        row = (row + 7_919) % ROWS;
        let point = Point::of(row);
        let us = point.window_start.duration_since(SystemTime::UNIX_EPOCH);
        let us = us.map_err(|e| e.to_string())?.as_micros() as i64;
        let values = vec![
            ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())),
            ScalarValue::Int64(Some(point.device)),
        ];
        let plan = plan.clone().with_param_values(values).map_err(told)?;
        let rows = context.execute_logical_plan(plan).await.map_err(told)?;
        let batches = rows.collect().await.map_err(told)?;
        let mut found = batches.iter().filter(|batch| batch.num_rows() > 0);
        let same = match (found.next(), found.next()) {
            (Some(batch), None) => {
                let text = batch.column(0);
                let text = datafusion::arrow::compute::cast(
                    text,
                    &datafusion::arrow::datatypes::DataType::Utf8,
                )
                .map_err(|e| e.to_string())?;
                text.as_string::<i32>().value(0) == point.event_type
                    && batch.column(1).as_primitive::<Int64Type>().value(0) == point.n
                    && batch.column(2).as_primitive::<Float64Type>().value(0) == point.total
                    && text.len() == 1
            }
            _ => false,
        };
        if !same {
            return Err(format!("the engine alone: row {row} is wrong"));
        }
        asked += 1;
    }
    Ok(Served {
        name: "DataFusion alone",
        asked,
        wall_s: start.elapsed().as_secs_f64(),
        cpu_s: own_cpu_s() - before,
        half: None,
    })
}

#[cfg(test)]
mod tests;
