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

use super::{PARTITIONS, codec};

/// From SIGKILL and start to an answer, and to having read everything.
pub(super) struct Recovery {
    groups: usize,
    state_mib: f64,
    checkpoint_mib: f64,
    answer_s: f64,
    fresh_s: f64,
}

pub(super) fn measure(broker: &Broker, groups: usize) -> Recovery {
    eprintln!("[bench] recovery with {groups} open groups");
    let topic = broker.fresh_topic("recovery", PARTITIONS as i32);
    let mut producer = Producer::with(broker, &topic, PARTITIONS, 5, &codec());
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
    Recovery {
        groups,
        state_mib,
        checkpoint_mib,
        answer_s,
        fresh_s: start.elapsed().as_secs_f64(),
    }
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

pub(super) fn report(recovery: &Recovery) {
    println!(
        "recovery with {} open groups, {:.0} MiB of state, {:.0} MiB of checkpoints",
        recovery.groups, recovery.state_mib, recovery.checkpoint_mib
    );
    println!(
        "  SIGKILL and start          first answer {:.2} s, fresh again {:.2} s",
        recovery.answer_s, recovery.fresh_s
    );
}
