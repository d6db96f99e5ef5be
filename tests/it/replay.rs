//! Dead letters go into every query that met them, once, whatever is killed in the middle; into none that has read them by itself.

use std::{thread, time::Duration};

use sluice_tests::{job, parts::kafka::Broker, pg::Pg};

use crate::support::{DRAIN, SOON, Watched};

/// 2026-03-28T22:40:00Z, in milliseconds.
const BEGIN: i64 = 1_774_737_600_000;
const MESSAGES: i64 = 3_000;

/// The stream, with times as text only, or as numbers too.
fn stream(bootstrap: &str, topic: &str, timestamp_format: &str, delay: &str) -> String {
    format!(
        "CREATE OR REPLACE STREAM events (id BIGINT, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '{delay}')
         WITH (connector = 'kafka', bootstrap_servers = '{bootstrap}', topic = '{topic}', format = 'json', timestamp_format = '{timestamp_format}')"
    )
}

/// One message in three has its time as a number, one in thirty is no JSON.
fn send(it: &mut Watched<'_>, ids: std::ops::Range<i64>) {
    for id in ids {
        let at = BEGIN + id * 10;
        let text = chrono_text(at);
        let payload = match id % 30 {
            7 => format!("{{\"id\": {id}, \"ts\": "),
            k if k % 3 == 0 => format!("{{\"id\": {id}, \"ts\": {at}}}"),
            _ => format!("{{\"id\": {id}, \"ts\": \"{text}\"}}"),
        };
        it.producer
            .send_raw(usize::try_from(id % 2).unwrap(), Some(payload.as_bytes()));
    }
    it.producer.flush();
}

/// Milliseconds of that night as RFC 3339.
fn chrono_text(ms: i64) -> String {
    let of_day = (ms - 1_774_656_000_000) / 1000;
    format!(
        "2026-03-28T{:02}:{:02}:{:02}.{:03}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        ms % 1000
    )
}

/// What REPLAY says of one query: letters, replayed, undecodable, skipped.
fn replayed(pg: &Pg, condition: &str, query: &str) -> [i64; 4] {
    let rows = pg.run(&format!("REPLAY events__dead_letter {condition}"));
    let row = rows.iter().find(|row| row[0].as_deref() == Some(query));
    let row = row.unwrap_or_else(|| panic!("{query} is not in {rows:?}"));
    [1, 2, 5, 6].map(|column| row[column].as_deref().unwrap().parse().unwrap())
}

#[test]
fn dead_letters_are_taken_in_once_by_the_queries_that_met_them() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "replay", 2);
    let (bootstrap, topic) = (broker.bootstrap(), it.topic.clone());
    send(&mut it, 0..MESSAGES);
    it.pg.run(&stream(&bootstrap, &topic, "iso", "1 second"));
    it.pg.run("CREATE TABLE bronze.copied WITH (commit_interval = '200 ms') AS SELECT id, ts, _offset AS at FROM events");
    it.pg.run(
        "CREATE TABLE gold.daily WITH (commit_interval = '200 ms') AS
         SELECT window_start, count(*) AS n, sum(id) AS ids FROM TUMBLE(events, ts, INTERVAL '1 day') GROUP BY window_start",
    );
    it.pg.run(
        "CREATE TABLE gold.brief WITH (commit_interval = '200 ms') AS
         SELECT window_start, count(*) AS n FROM TUMBLE(events, ts, INTERVAL '1 second') GROUP BY window_start",
    );
    let numbers = MESSAGES / 3;
    let broken = MESSAGES / 30;
    let letters = |it: &Watched<'_>, expected: i64| {
        it.server.wait("the dead letters", DRAIN, || {
            let found = it.pg.number("SELECT count(*) FROM events__dead_letter");
            assert!(found <= expected, "{found} letters of {expected}");
            (found == expected).then_some(())
        });
    };
    letters(&it, numbers + broken);
    for table in ["bronze.copied", "gold.daily", "gold.brief"] {
        it.server.wait("every message to be read", DRAIN, || {
            (it.query_status(table, "rows_in") == MESSAGES.to_string()).then_some(())
        });
    }

    // Nothing was mended: nothing decodes.
    let asked = replayed(&it.pg, "", "bronze.copied");
    assert_eq!(asked, [numbers + broken, 0, numbers + broken, 0]);

    // What would change a query is refused, and nothing has happened.
    it.pg.refused(
        &stream(&bootstrap, &topic, "auto", "2 seconds"),
        "0A000",
        &["stream \"events\" cannot be replaced by this definition"],
    );
    let asked = replayed(&it.pg, "WHERE _partition = 1", "gold.daily");
    assert_eq!(asked[1], 0, "the refused definition is not in force");

    it.pg.run(&stream(&bootstrap, &topic, "auto", "1 second"));
    let shown = it.pg.run("SHOW CREATE STREAM events");
    assert!(
        shown[0][1].as_deref().unwrap().contains("'auto'"),
        "{shown:?}"
    );
    it.server.kill_and_restart();
    it.pg = it.server.connect();
    // One that begins after the mending reads them by itself.
    it.pg.run(
        "CREATE TABLE bronze.later WITH (commit_interval = '200 ms') AS SELECT id FROM events",
    );
    it.server.wait("the later query", DRAIN, || {
        let query = it.query_status("bronze.later", "rows_in");
        let running = it.query_status("gold.brief", "state") == "running";
        (query == MESSAGES.to_string() && running).then_some(())
    });

    let [asked, rows, undecodable, skipped] = replayed(
        &it.pg,
        "WHERE _partition = 0 AND error NOT LIKE 'nothing%'",
        "bronze.copied",
    );
    assert_eq!(asked, rows + undecodable, "all of them are its own");
    assert_eq!((rows, skipped), (numbers / 2, 0));
    let again = replayed(&it.pg, "WHERE _partition = 0", "bronze.copied");
    assert_eq!(
        (again[1], again[3]),
        (0, numbers / 2),
        "none is taken twice"
    );
    let later = replayed(&it.pg, "WHERE _partition = 0", "bronze.later");
    assert_eq!(
        (later[1], later[3]),
        (0, numbers / 2),
        "it has read them by itself"
    );

    // The rest, under fire: what a kill cuts short is said again.
    for (fifth, pause) in [0, 15, 40, 80, 160].into_iter().enumerate() {
        let pg = it.server.connect();
        let part = format!("REPLAY events__dead_letter WHERE _offset % 5 = {fifth}");
        let said = thread::spawn(move || pg.try_run(&part));
        thread::sleep(Duration::from_millis(pause));
        it.server.kill_and_restart();
        let _ = said.join().unwrap();
    }
    it.pg = it.server.connect();
    it.server.wait("the rest to be taken in", SOON, || {
        let rows = it.pg.try_run("REPLAY events__dead_letter").ok()?;
        rows.iter()
            .all(|row| row[2].as_deref() == Some("0"))
            .then_some(())
    });
    send(&mut it, MESSAGES..MESSAGES + 60);
    let good = MESSAGES + 60 - (MESSAGES + 60) / 30;
    let ids: i64 = (0..MESSAGES + 60).filter(|id| id % 30 != 7).sum();
    for table in ["bronze.copied", "bronze.later"] {
        it.server.wait(table, DRAIN, || {
            let rows = it.pg.run(&format!(
                "SELECT count(*), count(DISTINCT id), sum(id) FROM {table}"
            ));
            let row: Vec<i64> = rows[0]
                .iter()
                .map(|n| n.as_deref().unwrap().parse().unwrap())
                .collect();
            assert!(row[0] <= good, "{table} has {} rows of {good}", row[0]);
            (row == [good, good, ids]).then_some(())
        });
    }
    let day = it.pg.run("SELECT n, ids FROM gold.daily__live");
    assert_eq!(day, [[Some(good.to_string()), Some(ids.to_string())]]);
    // Windows of a second were final: their rows are late, or were dropped by nobody.
    job::wait_committed(&it.server, &it.pg, "gold.brief", DRAIN);
    let told = it.pg.number(
        "SELECT (SELECT sum(n) FROM gold.brief__live) + (SELECT count(*) FROM gold.brief__late)",
    );
    assert_eq!(told, good);
    assert!(
        it.pg
            .number("SELECT count(*) FROM gold.brief__late WHERE _offset % 2 >= 0")
            > 0
    );
    assert_eq!(
        it.query_status("bronze.copied", "replayed_rows"),
        numbers.to_string()
    );
    // The letters stay, each once, those that two definitions do not decode as well.
    letters(&it, numbers + broken + 2);
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "replay-refused", 2);
    send(&mut it, 0..60);
    it.pg
        .run(&stream(&broker.bootstrap(), &it.topic, "auto", "1 second"));
    let pg = &it.pg;
    assert!(pg.run("REPLAY events__dead_letter").is_empty());
    let notices = pg.take_notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.message.contains("no query reads stream")),
        "{notices:?}"
    );
    pg.run("CREATE TABLE bronze.copied AS SELECT id FROM events");
    pg.refused(
        "REPLAY events",
        "42809",
        &["is a stream, not the dead letters of a stream"],
    );
    pg.refused(
        "REPLAY bronze.copied__dead_letter",
        "42809",
        &["which have been decoded"],
    );
    pg.refused(
        "REPLAY evens__dead_letter",
        "42P01",
        &["does not exist", "events__dead_letter"],
    );
    pg.refused(
        "REPLAY events__dead_letter WHERE reason = 'x'",
        "42703",
        &["reason"],
    );
    pg.refused(
        "REPLAY events__dead_letter WHERE count(*) > 1",
        "42803",
        &["WHERE"],
    );
    pg.run("PAUSE QUERY bronze.copied");
    pg.refused(
        "REPLAY events__dead_letter",
        "55000",
        &["not running but paused", "RESUME QUERY"],
    );
    pg.refused(
        "CREATE OR REPLACE STREAM events (row_number BIGINT) WITH (connector = 'generator', rows = '5')",
        "0A000",
        &["cannot be replaced", "bronze.copied"],
    );
    pg.run("RESUME QUERY bronze.copied");
    it.server.wait("the query to run again", SOON, || {
        (it.query_status("bronze.copied", "state") == "running").then_some(())
    });
    assert_eq!(replayed(pg, "", "bronze.copied")[1], 0);
}
