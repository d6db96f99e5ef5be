//! Windows without rows are told once each, whatever is killed in the middle of a gap: from the journal, and from a checkpoint.

use std::collections::BTreeMap;

use sluice_tests::{
    job,
    load::{EVENT_TYPES, Event, Message},
    parts::kafka::Broker,
};

use crate::support::{DRAIN, Watched};

const SECOND: i64 = 1_000;
/// 2026-03-28T22:40:00Z.
const BEGIN: i64 = 1_774_737_600_000;
/// For how many windows a key is filled.
const WINDOWS: i64 = 60;
/// The type of events that WHERE drops: they move time and nothing else.
const DROPPED: u8 = 4;

/// Second and event type: events and the sum of their values.
type Told = BTreeMap<(i64, &'static str), (i64, i64)>;

#[test]
fn a_gap_is_filled_once_whatever_is_killed_in_the_middle_of_it() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "fill", 2);
    let real: [(i64, u8); 7] = [(0, 0), (0, 1), (1, 0), (3, 2), (4, 0), (130, 3), (131, 0)];
    let send = |it: &mut Watched<'_>, (second, event_type): (i64, u8)| {
        let event = Event {
            ts_ms: BEGIN + second * SECOND,
            event_type,
            segment: 0,
            value: 3.0,
        };
        // To both partitions, so that both watermarks are there.
        for partition in 0..2 {
            it.producer.send(partition, Message::Event(event));
        }
    };
    // Before anybody reads: a partition that is empty holds nothing back, and the first rows of it could be late.
    for event in real.iter().filter(|(second, _)| *second < 100) {
        send(&mut it, *event);
    }
    it.producer.flush();
    it.pg.run(&job::create_stream(
        "events",
        &broker.bootstrap(),
        &it.topic,
    ));
    for (table, interval, fill) in [
        ("committed", "1 second", "0"),
        ("replayed", "10 minutes", "PREVIOUS"),
    ] {
        it.pg.run(&format!(
            "CREATE TABLE gold.{table} WITH (commit_interval = '{interval}') AS
             SELECT window_start, event_type, count(*) AS n, sum(value) AS total FROM TUMBLE(events, \"timestamp\", INTERVAL '1 second')
             WHERE event_type <> 'signup' GROUP BY window_start, event_type EMIT ON WINDOW CLOSE FILL {fill} FOR {WINDOWS} WINDOWS"
        ));
    }
    // Time goes on inside the gap, far beyond what keys are remembered for, and through the next gap.
    for (reached, kill) in [
        (30, true),
        (40, false),
        (50, true),
        (55, true),
        (120, true),
        (160, true),
        (400, false),
    ] {
        for event in real
            .iter()
            .filter(|(second, _)| reached == 160 && *second > 100)
        {
            send(&mut it, *event);
        }
        send(&mut it, (reached, DROPPED));
        it.producer.flush();
        for (table, previous) in [("committed", false), ("replayed", true)] {
            let known = real.iter().filter(|(second, _)| *second < reached);
            // The watermark is ten seconds behind.
            check(&it, table, &expected(known, reached - 10, previous));
        }
        if kill {
            job::wait_committed(&it.server, &it.pg, "gold.committed", DRAIN);
            it.server.kill_and_restart();
            it.pg = it.server.connect();
        }
    }
    // It is told a moment after the rows are there.
    it.server.wait("every key to be forgotten", DRAIN, || {
        let state = it.query_status("gold.committed", "state_bytes");
        (state == "0").then_some(())
    });
}

/// The rows of every second that ends at or before `until`, by their definition.
fn expected<'a>(real: impl Iterator<Item = &'a (i64, u8)>, until: i64, previous: bool) -> Told {
    let mut rows = Told::new();
    for (second, event_type) in real {
        rows.insert((*second, EVENT_TYPES[usize::from(*event_type)]), (2, 6));
    }
    let mut told = rows.clone();
    for second in 0..until {
        for event_type in EVENT_TYPES {
            let before = (1..=WINDOWS).find_map(|ago| rows.get(&(second - ago, event_type)));
            if let Some(before) = before {
                let filled = if previous { *before } else { (0, 0) };
                told.entry((second, event_type)).or_insert(filled);
            }
        }
    }
    told.retain(|(second, _), _| *second < until);
    told
}

fn check(it: &Watched<'_>, table: &str, expected: &Told) {
    let sql = format!(
        "SELECT (extract(epoch from window_start))::bigint - {}, event_type, n::bigint, total::bigint FROM gold.{table}",
        BEGIN / SECOND
    );
    let mut got = Told::new();
    it.server
        .wait(&format!("the windows of {table}"), DRAIN, || {
            let rows = it.pg.run(&sql);
            got = rows
                .iter()
                .map(|row| {
                    let text = |index: usize| row[index].as_deref().unwrap();
                    let number = |index: usize| text(index).parse::<i64>().unwrap();
                    let known = EVENT_TYPES.into_iter().find(|name| *name == text(1));
                    ((number(0), known.unwrap()), (number(2), number(3)))
                })
                .collect();
            assert_eq!(got.len(), rows.len(), "gold.{table} has a window twice");
            (rows.len() >= expected.len()).then_some(())
        });
    assert_eq!(&got, expected, "gold.{table}");
}
