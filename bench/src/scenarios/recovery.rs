//! A server that is killed: how soon it answers again, and how soon it has read everything.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    job,
    load::{BASE_MS, Event, Message},
    parts::{kafka::Broker, producer::Producer},
    pg::Pg,
    server::Server,
};

use super::{Bench, Outcome};
use crate::{
    results::{Line, Run, run},
    topic::PARTITIONS,
};

/// From SIGKILL and start to an answer, and to having read everything; with little state and with much.
pub fn measure(bench: &Bench) -> Result<Outcome, String> {
    let mut outcome =
        Outcome::new("every event that was acknowledged is counted once after the restart");
    for groups in [20_000, bench.settings.groups] {
        let mut line = Line::new(&format!("{groups} open groups"));
        line.runs
            .push(recovered(&bench.broker, groups, &bench.settings.codec)?);
        outcome = outcome.line(line);
    }
    Ok(outcome)
}

fn recovered(broker: &Broker, groups: usize, codec: &str) -> Result<Run, String> {
    eprintln!("[bench] recovery with {groups} open groups");
    let topic = broker.fresh_topic("recovery", PARTITIONS as i32);
    let mut producer = Producer::with(broker, &topic, PARTITIONS, 5, codec);
    let send = |producer: &mut Producer<'_>, numbers: std::ops::Range<usize>| {
        for n in numbers {
            let event = Event {
                ts_ms: BASE_MS + (n % 1000) as i64,
                event_type: (n % 5) as u8,
                segment: (n % 3) as u8,
                value: n as f64,
            };
            producer.send(n % PARTITIONS, Message::Event(event));
        }
        producer.flush();
    };
    send(&mut producer, 0..groups);
    let mut server = Server::start();
    let pg = server.connect();
    pg.run(&job::create_stream("events", &broker.bootstrap(), &topic));
    pg.run(
        "CREATE TABLE gold.open WITH (state_memory = '8 GB', commit_interval = '2 seconds') AS
         SELECT window_start, value, event_type, user_segment, count(*) AS n, sum(value) AS total, min(\"timestamp\") AS first, max(\"timestamp\") AS last
         FROM TUMBLE(events, \"timestamp\", INTERVAL '1 day') GROUP BY window_start, value, event_type, user_segment",
    );
    let has = |pg: &Pg, rows: usize| {
        pg.number(&format!("SELECT count(*) FROM system.queries WHERE rows_in = {rows} AND lag_rows = 0 AND state = 'running'")) == 1
    };
    let wait = |pg: &Pg, rows: usize, so: &str| {
        while !(has(pg, rows)
            && pg.number(&format!("SELECT count(*) FROM system.queries WHERE {so}")) == 1)
        {
            thread::sleep(Duration::from_millis(2));
        }
    };
    wait(&pg, groups, "checkpoint_epoch = epoch");
    let state_mib = pg.number("SELECT state_bytes FROM system.queries") as f64 / f64::from(1 << 20);
    let checkpoint_mib =
        folder_bytes(&server.root().join("checkpoints")) as f64 / f64::from(1 << 20);
    drop(pg);
    server.kill();
    // A little that it has not read: fresh is who has read that too.
    send(&mut producer, groups..groups + 1000);
    let start = Instant::now();
    server.launch();
    let pg = loop {
        if let Ok(pg) = Pg::connect(server.pg_port())
            && pg.try_run("SELECT count(*) FROM gold.open").is_ok()
        {
            break pg;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let answer_s = start.elapsed().as_secs_f64();
    wait(&pg, groups + 1000, "true");
    let fresh_s = start.elapsed().as_secs_f64();
    let counted = pg.number("SELECT sum(n)::bigint FROM gold.open__live");
    if counted != (groups + 1000) as i64 {
        return Err(format!(
            "{counted} events are counted, {} were sent",
            groups + 1000
        ));
    }
    Ok(run([
        ("state_mib", state_mib),
        ("checkpoint_mib", checkpoint_mib),
        ("first_answer_s", answer_s),
        ("fresh_s", fresh_s),
    ]))
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(of) if of.is_dir() => folder_bytes(&entry.path()),
            Ok(of) => of.len(),
            Err(_) => 0,
        })
        .sum()
}
