//! Every kind of window over one topic on a real broker, killed in the middle, against windows computed here by their definition.

use std::{collections::BTreeMap, ops::Range};

use sluice_tests::{
    job,
    load::{EVENT_TYPES, Event, Message},
    parts::{kafka::Broker, producer::Producer},
    pg::Rows,
};

use crate::support::{DRAIN, Watched};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// 2026-03-28 23:40 in Madrid, twenty minutes before a day that has 23 hours; 22:40 in UTC.
const BEGIN: i64 = 1_774_737_600_000;
/// Far enough for every window below but the second day's.
const END: i64 = BEGIN + 3 * HOUR;

/// Start, end and event type.
type Key = (i64, i64, String);
/// Events and the sum of their values.
type Sums = BTreeMap<Key, (i64, i64)>;

const TABLES: &str = "
CREATE TABLE gold.hop AS SELECT window_start, window_end, event_type, count(*) AS n, sum(value) AS total
  FROM HOP(events, \"timestamp\", INTERVAL '1 minute', INTERVAL '5 minutes') GROUP BY window_start, window_end, event_type;
CREATE TABLE gold.cumulate AS SELECT window_start, window_end, event_type, count(*) AS n, sum(value) AS total
  FROM CUMULATE(events, \"timestamp\", INTERVAL '10 minutes', INTERVAL '1 hour') GROUP BY window_start, window_end, event_type;
CREATE TABLE gold.session AS SELECT window_start, window_end, event_type, count(*) AS n, sum(value) AS total
  FROM SESSION(events, \"timestamp\", INTERVAL '3 seconds') GROUP BY window_start, window_end, event_type;
CREATE TABLE gold.piece AS SELECT window_start, window_end, event_type || ' ' || (value::bigint % 2)::text AS event_type, count(*) AS n, sum(value) AS total
  FROM SESSION(events PARTITION BY event_type, \"timestamp\", INTERVAL '3 seconds', max_length => INTERVAL '5 seconds')
  GROUP BY window_start, window_end, event_type, value::bigint % 2;
CREATE TABLE gold.day PARTITIONED BY (date DATE) AS SELECT window_start, window_end, event_type, count(*) AS n, sum(value) AS total
  FROM TUMBLE(events, \"timestamp\", INTERVAL '1 day', TIME ZONE 'Europe/Madrid') GROUP BY window_start, window_end, event_type;
CREATE VIEW minutes AS SELECT window_start, window_end, window_time, event_type, count(*) AS n, sum(value) AS total
  FROM TUMBLE(events, \"timestamp\", INTERVAL '1 minute') GROUP BY window_start, window_end, window_time, event_type;
CREATE TABLE gold.hour AS SELECT window_start, window_end, event_type, sum(n) AS n, sum(total) AS total
  FROM TUMBLE(minutes, window_time, INTERVAL '1 hour') GROUP BY window_start, window_end, event_type;
CREATE TABLE bronze.events PARTITIONED BY (date DATE, hour INT) AS SELECT *, _partition AS part, _offset AS pos FROM events;
";

#[test]
fn every_kind_of_window_is_what_its_definition_says() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "windows", 2);
    let events = events();
    let (first, second) = events.split_at(events.len() / 2);
    let mut number = 0;
    let mut send = |it: &mut Watched<'_>, events: &[Event]| {
        for event in events {
            it.producer.send(number % 2, Message::Event(*event));
            number += 1;
        }
        it.producer.flush();
    };
    // Before anybody reads: a partition that is empty holds nothing back, and the first rows of it could be late.
    send(&mut it, first);
    it.pg.run(&job::create_stream(
        "events",
        &broker.bootstrap(),
        &it.topic,
    ));
    it.pg.run(TABLES);
    let half = first.len().to_string();
    it.server.wait("half of the events", DRAIN, || {
        let read = it.query_status("gold.session", "rows_in");
        (read == half).then_some(())
    });
    it.server.kill_and_restart();
    it.pg = it.server.connect();
    send(&mut it, second);
    // On both partitions, so that both watermarks are there.
    it.producer.close_windows(END);

    let tumble = |size: i64| {
        move |ts: i64| {
            let start = ts.div_euclid(size) * size;
            one(start..start + size)
        }
    };
    let hop = |ts: i64| {
        let last = ts.div_euclid(MINUTE) * MINUTE;
        (0..5)
            .map(|back| last - back * MINUTE)
            .map(|start| start..start + 5 * MINUTE)
            .collect()
    };
    let cumulate = |ts: i64| {
        let start = ts.div_euclid(HOUR) * HOUR;
        (1..=6)
            .map(|steps| start..start + steps * 10 * MINUTE)
            .filter(|window| window.contains(&ts))
            .collect()
    };
    let midnight = BEGIN + 20 * MINUTE;
    let day = move |ts: i64| match ts < midnight {
        true => one(midnight - 24 * HOUR..midnight),
        false => one(midnight..midnight + 23 * HOUR),
    };
    check(&it, "gold.hop", windowed(&events, &hop));
    check(&it, "gold.cumulate", windowed(&events, &cumulate));
    check(&it, "gold.hour", windowed(&events, &tumble(HOUR)));
    check(&it, "gold.day", windowed(&events, &day));
    check(&it, "gold.session", sessions(&events, 3 * SECOND));
    check(&it, "gold.piece", pieces(&events, 3 * SECOND, 5 * SECOND));
    assert_eq!(
        it.pg.value("SELECT DISTINCT date::text FROM gold.day"),
        "2026-03-28"
    );
    // The copy has every event once, those that close the windows included.
    let all = events.len() as i64 + 2;
    it.server.wait("the copy", DRAIN, || {
        (it.pg.number("SELECT count(*) FROM bronze.events") == all).then_some(())
    });
    assert_eq!(
        it.pg.number(
            "SELECT count(*) FROM (SELECT DISTINCT part, pos FROM bronze.events) AS places"
        ),
        all
    );
    let total: f64 = events.iter().map(|event| event.value).sum();
    assert_eq!(
        it.pg.number("SELECT sum(value)::bigint FROM bronze.events") as f64,
        total + 2.0
    );
    assert_eq!(
        it.pg.value("SELECT string_agg(DISTINCT date::text || ' ' || hour::text, ', ' ORDER BY date::text || ' ' || hour::text) FROM bronze.events"),
        "2026-03-28 22, 2026-03-28 23, 2026-03-29 1"
    );
    for table in ["hop", "cumulate", "session", "piece", "day", "hour"] {
        let late = it
            .pg
            .number(&format!("SELECT count(*) FROM gold.{table}__late"));
        assert_eq!(late, 0, "late in gold.{table}");
    }
}

#[test]
fn two_topics_fill_one_table_and_each_keeps_its_own_dead_letters() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "web", 2);
    let other_topic = broker.fresh_topic("shop", 2);
    let mut other = Producer::new(broker, &other_topic, 2);
    let events = events();
    let (first, second) = events.split_at(events.len() / 2);
    let mut number = 0;
    // Every other event to the other topic, and to each of its partitions in turn.
    let mut send = |web: &mut Producer<'_>, shop: &mut Producer<'_>, events: &[Event]| {
        for event in events {
            let (partition, message) = (number / 2 % 2, Message::Event(*event));
            match number % 2 {
                0 => web.send(partition, message),
                _ => shop.send(partition, message),
            }
            number += 1;
        }
        web.send_raw(0, Some(b"not json"));
        for partition in 0..2 {
            shop.send_raw(partition, None);
        }
        web.flush();
        shop.flush();
    };
    send(&mut it.producer, &mut other, first);
    for (name, topic) in [("web", &it.topic), ("shop", &other_topic)] {
        it.pg
            .run(&job::create_stream(name, &broker.bootstrap(), topic));
    }
    it.pg.run(
        "CREATE TABLE gold.both AS SELECT window_start, window_end, event_type, count(*) AS n, sum(value) AS total
         FROM TUMBLE((SELECT \"timestamp\" AS ts, event_type, value FROM web
           UNION ALL SELECT \"timestamp\", event_type, value FROM shop), ts, INTERVAL '1 minute')
         GROUP BY window_start, window_end, event_type",
    );
    let half = (first.len() + 3).to_string();
    it.server.wait("half of the events", DRAIN, || {
        let read = it.query_status("gold.both", "rows_in");
        (read == half).then_some(())
    });
    it.server.kill_and_restart();
    it.pg = it.server.connect();
    send(&mut it.producer, &mut other, second);
    it.producer.close_windows(END);
    other.close_windows(END);
    let minute = |ts: i64| {
        let start = ts.div_euclid(MINUTE) * MINUTE;
        one(start..start + MINUTE)
    };
    check(&it, "gold.both", windowed(&events, &minute));
    assert_eq!(it.pg.number("SELECT count(*) FROM gold.both__late"), 0);
    assert_eq!(
        it.pg.value("SELECT string_agg(DISTINCT stream, ' ' ORDER BY stream) || ' ' || count(*)::text FROM system.splits"),
        "shop web 4"
    );
    for (stream, letters) in [("web", 2), ("shop", 4)] {
        let sql = format!("SELECT count(*) FROM {stream}__dead_letter");
        it.server.wait("dead letters", DRAIN, || {
            (it.pg.number(&sql) == letters).then_some(())
        });
    }
}

/// Forty minutes of events, a little out of order: bursts of the common types, and gaps of every length around three seconds.
fn events() -> Vec<Event> {
    let mut state = 7u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut ts_ms = BEGIN;
    let mut events = Vec::new();
    while ts_ms < BEGIN + 40 * MINUTE {
        // In steps of half a second, so that gaps of exactly three seconds come up.
        ts_ms += 500 * random(5) as i64;
        let event_type = random(EVENT_TYPES.len() as u64) as u8;
        events.push(Event {
            ts_ms: ts_ms - 500 * random(8) as i64,
            event_type,
            segment: 0,
            value: random(1_000) as f64,
        });
    }
    events
}

fn one(window: Range<i64>) -> Vec<Range<i64>> {
    std::iter::once(window).collect()
}

/// Events in each window that the end has closed.
fn windowed(events: &[Event], windows: &dyn Fn(i64) -> Vec<Range<i64>>) -> Sums {
    let mut sums = Sums::new();
    for event in events {
        for window in windows(event.ts_ms) {
            if window.end <= END - 10 * SECOND {
                add(&mut sums, window, event);
            }
        }
    }
    sums
}

fn sessions(events: &[Event], gap: i64) -> Sums {
    let mut sums = Sums::new();
    for session in told(events, gap) {
        let window = session[0].ts_ms..session[session.len() - 1].ts_ms + gap;
        for event in session {
            add(&mut sums, window.clone(), event);
        }
    }
    sums
}

/// Sessions of each type, cut, and in them odd and even values.
fn pieces(events: &[Event], gap: i64, most: i64) -> Sums {
    let mut sums = Sums::new();
    for session in told(events, gap) {
        let (first, end) = (session[0].ts_ms, session[session.len() - 1].ts_ms + gap);
        for event in session {
            let start = first + (event.ts_ms - first) / most * most;
            let window = start..end.min(start + most);
            let name = EVENT_TYPES[usize::from(event.event_type)];
            let name = format!("{name} {}", event.value as i64 % 2);
            add_to(&mut sums, window, name, event);
        }
    }
    sums
}

/// The events of each session of each type.
fn told(events: &[Event], gap: i64) -> Vec<Vec<&Event>> {
    let mut told = Vec::new();
    for event_type in 0..EVENT_TYPES.len() {
        let mut own: Vec<&Event> = events
            .iter()
            .filter(|event| usize::from(event.event_type) == event_type)
            .collect();
        own.sort_by_key(|event| event.ts_ms);
        let sessions = own.chunk_by(|a, b| b.ts_ms - a.ts_ms <= gap);
        told.extend(sessions.map(<[_]>::to_vec));
    }
    told
}

fn add(sums: &mut Sums, window: Range<i64>, event: &Event) {
    let name = EVENT_TYPES[usize::from(event.event_type)].to_owned();
    add_to(sums, window, name, event);
}

fn add_to(sums: &mut Sums, window: Range<i64>, name: String, event: &Event) {
    let sum = sums.entry((window.start, window.end, name)).or_default();
    sum.0 += 1;
    sum.1 += event.value as i64;
}

fn check(it: &Watched<'_>, table: &str, expected: Sums) {
    assert!(expected.len() >= EVENT_TYPES.len(), "{table}: {expected:?}");
    let sql = format!(
        "SELECT (extract(epoch from window_start) * 1000)::bigint, (extract(epoch from window_end) * 1000)::bigint, event_type, n::bigint, total::bigint FROM {table}"
    );
    let mut got = Sums::new();
    it.server
        .wait(&format!("the windows of {table}"), DRAIN, || {
            let rows = it.pg.run(&sql);
            got = sums_of(&rows);
            assert_eq!(got.len(), rows.len(), "{table} has a window twice");
            (rows.len() >= expected.len()).then_some(())
        });
    for (key, sum) in &expected {
        assert_eq!(got.get(key), Some(sum), "{table}: {key:?}");
    }
    assert_eq!(got.len(), expected.len(), "{table}");
}

fn sums_of(rows: &Rows) -> Sums {
    rows.iter()
        .map(|row| {
            let number = |index: usize| row[index].as_deref().unwrap().parse::<i64>().unwrap();
            let key = (number(0), number(1), row[2].clone().unwrap());
            (key, (number(3), number(4)))
        })
        .collect()
}
