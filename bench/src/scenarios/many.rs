//! Several queries of the same over one topic, beside one alone.

use std::{
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{job, server::Server};

use super::{Bench, Outcome};
use crate::{
    engines::Engine,
    results::{Line, Run, run},
    topic::{Mix, Topic},
    usage,
};

/// Times the longer of the drains' topics: one that takes much longer to read than ten statements take to come.
const LONG: usize = 2;

/// CPU-seconds and seconds of one query, and of several of the same, over a topic; and over one that is read before the last of them is there.
pub fn measure(bench: &Bench) -> Result<Outcome, String> {
    let settings = &bench.settings;
    let mut outcome = Outcome::new("the first table equals the oracle, the others equal the first");
    for (events, told) in [
        (LONG * settings.events[0], ""),
        (settings.events[1], ", a short topic"),
    ] {
        let topic = Topic::preload(&bench.broker, events, Mix::Clean, &settings.codec);
        let mut one = Line::new(&format!("one query{told}"));
        let mut all = Line::new(&format!("{} queries{told}", settings.queries));
        for _ in 0..settings.runs.min(3) {
            one.runs.push(drained(bench, &topic, events, 1)?);
            all.runs
                .push(drained(bench, &topic, events, settings.queries)?);
        }
        let given = format!("events{told}");
        outcome = outcome.given(&given, events).line(one).line(all);
    }
    Ok(outcome)
}

/// So many queries over a topic, created one after the other, until each of them has all of its events but those that close the windows.
fn drained(bench: &Bench, topic: &Topic, events: usize, queries: usize) -> Result<Run, String> {
    eprintln!("[bench] {queries} queries over one topic of {events} events");
    let closing = chrono::DateTime::from_timestamp_millis(topic.shape.closing_ms());
    let closing = closing.unwrap_or_default().to_rfc3339();
    let server = Server::start();
    let pg = server.connect();
    pg.run(&job::create_stream(
        "events",
        &bench.broker.bootstrap(),
        &topic.name,
    ));
    pg.run(job::CREATE_VIEW);
    let (cpu, start) = (usage::cpu_s(server.pid()), Instant::now());
    for n in 0..queries {
        let table = format!("CREATE TABLE gold.q{n} PARTITIONED BY (date DATE, hour INT)");
        pg.run(&format!("{table} AS SELECT * FROM streaming_metrics"));
    }
    let count = |n: usize| {
        pg.number(&format!("SELECT coalesce(sum(event_count), 0)::bigint FROM gold.q{n} WHERE window_start < TIMESTAMPTZ '{closing}'"))
    };
    let done = |n: usize| usize::try_from(count(n)) == Ok(events);
    while !(0..queries).all(done) {
        if start.elapsed() > Duration::from_secs(600) {
            return Err(format!(
                "query 0 has {} of {events} events after ten minutes",
                count(0)
            ));
        }
        thread::sleep(Duration::from_millis(100));
    }
    let (cpu_s, wall_s) = (
        usage::cpu_s(server.pid()) - cpu,
        start.elapsed().as_secs_f64(),
    );
    topic.check(job::read_gold(&pg, "gold.q0"), Engine::Sluice.percentile())?;
    for n in 1..queries {
        // Means of DOUBLE are sums in the order in which the partitions were met.
        let differ = format!(
            "SELECT count(*) FROM gold.q0 a FULL JOIN gold.q{n} b USING (window_start, event_type, user_segment)
             WHERE (a.event_count IS DISTINCT FROM b.event_count) OR (a.p95_value IS DISTINCT FROM b.p95_value)
                OR NOT coalesce(abs(a.avg_value - b.avg_value) <= 1e-9 * abs(a.avg_value), false)"
        );
        if pg.number(&differ) != 0 {
            return Err(format!("gold.q{n} differs from gold.q0"));
        }
    }
    thread::sleep(Duration::from_secs(1));
    let readers = pg.number("SELECT readers FROM system.streams") as f64;
    let peak_mib = server.memory_mib("VmHWM");
    Ok(run([
        ("cpu_s", cpu_s),
        ("wall_s", wall_s),
        ("peak_mib", peak_mib),
        ("readers", readers),
    ]))
}
