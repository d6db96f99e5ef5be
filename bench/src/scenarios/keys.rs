//! Many groups: a day's window by user, with a million users.

use std::{
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    load::{Message, Messages, Shape},
    parts::producer::Producer,
    pg::Pg,
    server::Server,
};

use super::{Bench, Outcome};
use crate::{
    engines::Left,
    results::{Line, run},
    topic::PARTITIONS,
    usage,
};

/// Users that the load tells apart.
const USERS: usize = 1_000_000;
const LIMIT: Duration = Duration::from_secs(600);
/// One user in so many is looked at by itself.
const SAMPLE: usize = 1_000;
const DAY_MS: i64 = 86_400_000;

/// Of each user how many events there are, and the sum of their values.
type Users = Vec<(u64, f64)>;

/// A count and a sum by user.
pub fn measure(bench: &Bench) -> Result<Outcome, String> {
    let (broker, settings) = (&bench.broker, &bench.settings);
    let events = settings.events[0];
    let shape = Shape {
        span_ms: 60 * 60_000,
        ..Shape::of(events, 9).clean()
    };
    let keys = settings.keys.min(USERS).min(events);
    eprintln!("[bench] producing {events} events of {keys} users");
    let topic = broker.fresh_topic("keys", PARTITIONS as i32);
    let mut producer = Producer::with(broker, &topic, PARTITIONS, 5, &settings.codec);
    producer.users(keys);
    producer.send_all(&shape);
    producer.close_windows(shape.from_ms + 2 * DAY_MS);
    let mut users: Users = vec![(0, 0.0); keys];
    for (n, message) in Messages::new(shape).enumerate() {
        if let (Message::Event(event), Some(user)) = (message, users.get_mut(n % keys)) {
            *user = (user.0 + 1, user.1 + event.value);
        }
    }
    drop(producer);
    let mut line = Line::new("Sluice");
    for _ in 0..settings.runs.min(3) {
        eprintln!("[bench] draining into {keys} groups");
        let server = Server::start();
        let pg = server.connect();
        pg.run(&format!(
            "CREATE STREAM events (
               \"timestamp\" TIMESTAMPTZ, user_id TEXT, value DOUBLE,
               WATERMARK FOR \"timestamp\" AS \"timestamp\" - INTERVAL '10 seconds'
             ) WITH (connector = 'kafka', bootstrap_servers = '{}', topic = '{topic}', format = 'json')",
            broker.bootstrap()
        ));
        let (cpu, broker_cpu) = (usage::cpu_s(server.pid()), usage::cpu_s(broker.pid()));
        let start = Instant::now();
        pg.run(
            "CREATE TABLE gold.users WITH (commit_interval = '1 second') AS SELECT window_start, user_id, count(*) AS n, sum(value) AS total
             FROM TUMBLE(events, \"timestamp\", INTERVAL '1 day') GROUP BY window_start, user_id",
        );
        let rows = |freshness: &str| {
            pg.number(&format!(
                "SET freshness = '{freshness}'; SELECT count(*) FROM gold.users"
            ))
        };
        while rows("committed") < keys as i64 {
            if start.elapsed() > LIMIT {
                return Err(format!(
                    "{} of {keys} groups after ten minutes",
                    rows("latest")
                ));
            }
            thread::sleep(Duration::from_millis(200));
        }
        let wall_s = start.elapsed().as_secs_f64();
        let cpu_s = usage::cpu_s(server.pid()) - cpu;
        let broker_cpu_s = usage::cpu_s(broker.pid()) - broker_cpu;
        let peak_mib = server.memory_mib("VmHWM");
        check(&pg, &users)?;
        line.runs.push(run([
            ("total_cpu_s_per_million", cpu_s / events as f64 * 1e6),
            (
                "broker_cpu_s_per_million",
                broker_cpu_s / events as f64 * 1e6,
            ),
            ("total_events_per_s", events as f64 / wall_s),
            ("peak_mib", peak_mib),
            (
                "left_mib",
                Left::of(server.root()).bytes as f64 / f64::from(1 << 20),
            ),
        ]));
    }
    broker.delete_topic(&topic);
    Ok(Outcome::new("number of groups, sum of counts and of values, and one user in a thousand by itself, against a count in this program")
        .given("events", events)
        .given("groups", keys)
        .line(line))
}

fn check(pg: &Pg, users: &Users) -> Result<(), String> {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1e-3);
    let rows = pg.run(
        "SELECT count(*), count(DISTINCT user_id), sum(n)::bigint, sum(total) FROM gold.users",
    );
    let found: Vec<&str> = rows
        .iter()
        .flatten()
        .map(|cell| cell.as_deref().unwrap_or(""))
        .collect();
    let all = users.len().to_string();
    let counted: u64 = users.iter().map(|(n, _)| n).sum();
    let total: f64 = users.iter().map(|(_, total)| total).sum();
    let right = match found[..] {
        [groups, different, sum, of_values] => {
            groups == all
                && different == all
                && sum == counted.to_string()
                && of_values.parse().is_ok_and(|sum| close(sum, total))
        }
        _ => false,
    };
    if !right {
        return Err(format!(
            "{found:?}; expected {all} groups of {counted} events, {total} in all"
        ));
    }
    let names: Vec<String> = (0..users.len())
        .step_by(SAMPLE)
        .map(|user| format!("'u{user:07}'"))
        .collect();
    let rows = pg.run(&format!(
        "SELECT user_id, n, total FROM gold.users WHERE user_id IN ({})",
        names.join(",")
    ));
    if rows.len() != names.len() {
        return Err(format!("{} users of {} are there", rows.len(), names.len()));
    }
    for row in &rows {
        let cell = |at: usize| row.get(at)?.as_deref();
        let user = cell(0).and_then(|name| users.get(name.get(1..)?.parse::<usize>().ok()?));
        let n = cell(1).and_then(|n| n.parse::<u64>().ok());
        let total = cell(2).and_then(|total| total.parse::<f64>().ok());
        let right = user.is_some_and(|(count, sum)| {
            n == Some(*count) && total.is_some_and(|total| close(total, *sum))
        });
        if !right {
            return Err(format!("{row:?}, expected {user:?}"));
        }
    }
    Ok(())
}
