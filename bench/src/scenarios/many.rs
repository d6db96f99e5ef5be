//! Several queries of the same over one topic, beside one alone.

use std::{
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    job,
    load::Shape,
    parts::{kafka::Broker, producer::Producer},
    server::Server,
};

use super::{PARTITIONS, codec};

/// CPU-seconds and seconds of one query, and of several of the same, over one topic.
pub(super) struct Many {
    events: usize,
    one: (f64, f64),
    all: (f64, f64),
    /// Readers of the stream at the end.
    readers: i64,
}

pub(super) fn drain(broker: &Broker, events: usize, queries: usize) -> Result<Many, String> {
    let shape = Shape {
        span_ms: 60 * 60_000,
        ..Shape::of(events, 6).clean()
    };
    eprintln!("[bench] {queries} queries over one topic of {events} events");
    let topic = broker.fresh_topic("many", PARTITIONS as i32);
    let mut producer = Producer::with(broker, &topic, PARTITIONS, 5, &codec());
    producer.send_all(&shape);
    producer.close_windows(shape.closing_ms());
    let drained = |queries: usize| {
        let server = Server::start();
        let pg = server.connect();
        pg.run(&job::create_stream("events", &broker.bootstrap(), &topic));
        pg.run(job::CREATE_VIEW);
        let (cpu, start) = (server.cpu_seconds(), Instant::now());
        for n in 0..queries {
            let table = format!("CREATE TABLE gold.q{n} PARTITIONED BY (date DATE, hour INT)");
            pg.run(&format!("{table} AS SELECT * FROM streaming_metrics"));
        }
        let count = |n: usize| {
            pg.number(&format!("SELECT coalesce(sum(event_count), 0)::bigint FROM gold.q{n} WHERE window_start < TIMESTAMPTZ '{}'", chrono::DateTime::from_timestamp_millis(shape.closing_ms()).unwrap_or_default().to_rfc3339()))
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
        let taken = (server.cpu_seconds() - cpu, start.elapsed().as_secs_f64());
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
        Ok((taken, pg.number("SELECT readers FROM system.streams")))
    };
    let (one, _) = drained(1)?;
    let (all, readers) = drained(queries)?;
    Ok(Many {
        events,
        one,
        all,
        readers,
    })
}

pub(super) fn report(queries: usize, many: &Many) {
    println!(
        "{queries} queries on one topic of {} events, all equal",
        many.events
    );
    println!(
        "  CPU                        {:.2} s, {:.2} times one query's {:.2} s; {} readers at the end",
        many.all.0,
        many.all.0 / many.one.0,
        many.one.0,
        many.readers
    );
    println!(
        "  seconds                    {:.2}, one query {:.2}",
        many.all.1, many.one.1
    );
}
