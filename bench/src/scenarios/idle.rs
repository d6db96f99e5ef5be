//! What the server takes where little happens: nothing at all, and the events a second that the job was asked for.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{job, oracle, parts::producer::Producer, server::Server};

use super::{Bench, Outcome, freshness::paced};
use crate::{
    engines::Engine,
    results::{Line, Run, run},
    topic::PARTITIONS,
    usage,
};

const GOLD: &str = "gold.real_time_metrics";
const LIMIT: Duration = Duration::from_secs(60);
/// Until all of it is at rest: after the last of the connections that are let go when nobody asks.
const AT_REST: Duration = Duration::from_secs(75);

/// The job with nothing to do.
pub fn idle(bench: &Bench) -> Result<Outcome, String> {
    let (broker, seconds) = (&bench.broker, bench.settings.seconds);
    eprintln!("[bench] idle for {seconds} s");
    let topic = broker.fresh_topic("idle", PARTITIONS as i32);
    let mut outcome = Outcome::new("the query says that it runs")
        .given("seconds", seconds)
        .given("seconds before, not measured", AT_REST.as_secs());
    for name in ["no query", "the job, no events"] {
        let server = Server::start();
        let pg = server.connect();
        if name != "no query" {
            pg.run(&job::script(&broker.bootstrap(), &topic));
        }
        thread::sleep(AT_REST);
        let (cpu, start) = (usage::cpu_s(server.pid()), Instant::now());
        thread::sleep(Duration::from_secs(seconds));
        let cpu_percent =
            (usage::cpu_s(server.pid()) - cpu) / start.elapsed().as_secs_f64() * 100.0;
        if name != "no query" && pg.value("SELECT state FROM system.queries") != "running" {
            return Err("the query does not run".into());
        }
        let mut line = Line::new(name);
        line.runs.push(run([
            ("cpu_percent", cpu_percent),
            ("resident_mib", server.memory_mib("VmRSS")),
            ("own_mib", server.memory_mib("RssAnon")),
            ("peak_mib", server.memory_mib("VmHWM")),
        ]));
        outcome = outcome.line(line);
    }
    Ok(outcome)
}

/// The job at the pace of the clock, with the options that it has by itself, and nobody who asks.
pub fn trickle(bench: &Bench) -> Result<Outcome, String> {
    let mut outcome = Outcome::new("afterwards every row of every window equals the oracle")
        .given("seconds", bench.settings.seconds)
        .given("event time", "as fast as the clock");
    for rate in [116.0, 10_000.0] {
        let mut line = Line::new(&format!("{rate} events a second"));
        line.runs.push(trickled(bench, rate)?);
        outcome = outcome.line(line);
    }
    Ok(outcome)
}

fn trickled(bench: &Bench, rate: f64) -> Result<Run, String> {
    let (broker, seconds) = (&bench.broker, bench.settings.seconds);
    eprintln!("[bench] {rate} events a second for {seconds} s");
    let topic = broker.fresh_topic("trickle", PARTITIONS as i32);
    let mut producer = Producer::with_linger(broker, &topic, PARTITIONS, 0);
    let server = Server::start();
    let pg = server.connect();
    pg.run(&job::script(&broker.bootstrap(), &topic));
    let from_ms = chrono::Utc::now().timestamp_millis();
    paced(&mut producer, rate, 5, 1.0, from_ms, |_, _, _| {});
    let cpu = || {
        [
            usage::cpu_s(server.pid()),
            usage::cpu_s(broker.pid()),
            usage::own_cpu_s(),
        ]
    };
    let (before, start) = (cpu(), Instant::now());
    paced(
        &mut producer,
        rate,
        seconds,
        1.0,
        from_ms + 5_000,
        |_, _, _| {},
    );
    let (after, wall_s) = (cpu(), start.elapsed().as_secs_f64());
    let percent = |at: usize| (after[at] - before[at]) / wall_s * 100.0;
    let (resident_mib, peak_mib) = (server.memory_mib("VmRSS"), server.memory_mib("VmHWM"));
    let own_mib = server.memory_mib("RssAnon");

    let sent = producer.produced.total();
    let last_ms = from_ms + 5_000 + seconds as i64 * 1000;
    let closing_ms = last_ms / 60_000 * 60_000 + 120_000;
    producer.close_windows(closing_ms);
    let closing = chrono::DateTime::from_timestamp_millis(closing_ms).unwrap_or_default();
    let counted = format!(
        "SELECT coalesce(sum(event_count), 0)::bigint FROM {GOLD} WHERE window_start < TIMESTAMPTZ '{}'",
        closing.to_rfc3339()
    );
    server.wait("every window to be final", LIMIT, || {
        (pg.number(&counted) >= sent as i64).then_some(())
    });
    let mut gold = job::read_gold(&pg, GOLD);
    gold.retain(|key, _| key.window_start_ms < closing_ms);
    let expected = oracle::groups(&producer.produced, &BTreeSet::new(), closing_ms);
    oracle::compare_groups(&expected, &gold, Engine::Sluice.percentile())?;
    broker.delete_topic(&topic);
    Ok(run([
        ("cpu_percent", percent(0)),
        ("broker_cpu_percent", percent(1)),
        ("producer_cpu_percent", percent(2)),
        ("resident_mib", resident_mib),
        ("own_mib", own_mib),
        ("peak_mib", peak_mib),
    ]))
}
