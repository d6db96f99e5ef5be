//! Every kind of bad message: each becomes one dead letter with its payload and a reason, and no good row is blamed or lost.

use sluice_tests::{
    job,
    load::{Event, Message, Shape},
    parts::kafka::Broker,
};

use crate::support::{DRAIN, SOON, Watched, check_conservation};

const GOLD: &str = "gold.real_time_metrics";

/// What does not decode, with a word for a failure's message.
fn bad() -> Vec<(&'static str, Option<Vec<u8>>)> {
    let object = |fields: &str| {
        Some(format!("{{\"timestamp\":\"2026-03-01T22:51:00Z\",{fields}}}").into_bytes())
    };
    let text = |text: &str| Some(text.as_bytes().to_vec());
    vec![
        ("null payload", None),
        ("empty", text("")),
        ("spaces", text("   \n ")),
        ("not JSON", text("hello")),
        ("null", text("null")),
        ("number", text("17")),
        ("string", text("\"17\"")),
        ("array", text("[]")),
        ("array of a good object", text("[{\"value\":1}]")),
        (
            "truncated",
            text("{\"timestamp\":\"2026-03-01T22:51:00Z\",\"val"),
        ),
        ("open brace", text("{")),
        ("closing brace", text("}")),
        ("two objects", text("{\"value\":1}{\"value\":2}")),
        ("trailing garbage", text("{\"value\":1} x")),
        ("bare key", text("{value:1}")),
        ("single quotes", text("{'value':1}")),
        ("trailing comma", text("{\"value\":1,}")),
        ("bad escape", object("\"event_type\":\"a\\qb\"")),
        ("cut UTF-16 escape", object("\"event_type\":\"\\ud83d\"")),
        ("raw control character", object("\"event_type\":\"a\nb\"")),
        (
            "invalid UTF-8",
            Some(b"{\"event_type\":\"\xc3\x28\"}".to_vec()),
        ),
        ("NaN", object("\"value\":NaN")),
        ("number with a plus", object("\"value\":+1")),
        ("value is text", object("\"value\":\"lots\"")),
        ("value is a list", object("\"value\":[1]")),
        ("value is an object", object("\"value\":{\"n\":1}")),
        ("value is true", object("\"value\":true")),
        ("text is an object", object("\"event_type\":{\"a\":1}")),
        (
            "no such day",
            text("{\"timestamp\":\"2026-02-30T00:00:00Z\",\"value\":1}"),
        ),
        (
            "time is a word",
            text("{\"timestamp\":\"noon\",\"value\":1}"),
        ),
        (
            "deeply nested",
            Some(
                [
                    b"{\"x\":".repeat(10_000),
                    b"1".to_vec(),
                    b"}".repeat(10_000),
                    b"!".to_vec(),
                ]
                .concat(),
            ),
        ),
        ("deep list", Some(b"[".repeat(10_000))),
        ("ten megabytes of nothing", Some(b"x".repeat(10 << 20))),
    ]
}

/// What looks odd and is good: unknown fields, any order, spaces, escapes, a huge unknown field, deep unknown nesting.
fn odd_but_good() -> Vec<Vec<u8>> {
    let with = |extra: &str| {
        format!(
            "{{ \"value\" : 1 , {extra} \"user_segment\":\"free\",\"event_type\":\"page_view\",\"timestamp\":\"2026-03-01T22:51:10Z\"}}\n"
        )
        .into_bytes()
    };
    vec![
        with(""),
        with("\"unknown\":[1,{\"a\":null}],"),
        with("\"esc\":\"\\u00e9\\n\\ud83d\\ude00\","),
        with(&format!("\"big\":\"{}\",", "y".repeat(1 << 20))),
        with(&format!("\"deep\":{}1{},", "[".repeat(50), "]".repeat(50))),
    ]
}

#[test]
fn each_bad_message_is_one_dead_letter_and_good_neighbours_are_kept() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "badjson", 1);
    // the topic must take ten megabytes
    let shape = Shape::of(1_000, 51).clean();
    let good = |value: f64| {
        Message::Event(Event {
            ts_ms: shape.from_ms + 60_000,
            event_type: 0,
            segment: 0,
            value,
        })
    };
    let cases = bad();
    let mut expected = Vec::new();
    for (n, (_, payload)) in cases.iter().enumerate() {
        it.producer.send(0, good(n as f64));
        expected.push((0, it.producer.produced.partitions[0].len() as i64));
        it.producer.send_raw(0, payload.as_deref());
    }
    let odd = odd_but_good();
    for payload in &odd {
        it.producer.send_raw(0, Some(payload));
        *it.producer.produced.partitions[0].last_mut().unwrap() = good(1.0);
    }
    it.producer.close_windows(shape.closing_ms());

    it.pg.run(&job::script(&broker.bootstrap(), &it.topic));
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, DRAIN);
    let found = job::read_dead_letters(&it.server, &it.pg, "events", expected.len());
    let rows = it
        .pg
        .run("SELECT _offset, error, length(payload) FROM events__dead_letter ORDER BY _offset");
    for (case, place) in cases.iter().zip(&expected) {
        assert!(
            found.contains(place),
            "{}: no dead letter at {place:?}; {rows:?}",
            case.0
        );
    }
    assert_eq!(found, expected, "rows that are good were taken for bad");
    for (row, (name, payload)) in rows.iter().zip(&cases) {
        let error = row[1].as_deref().unwrap_or_default();
        assert!(
            !error.is_empty() && error.len() < 1000,
            "{name}: error is {error:?}"
        );
        let length = payload.as_ref().map(|p| p.len().to_string());
        assert_eq!(row[2], length, "{name}: the payload is not kept whole");
    }
    it.check_gold(GOLD, shape.closing_ms());
    check_conservation(&it.server, &it.pg, &it.producer, GOLD, "events");
    assert!(it.server.is_running());
}

#[test]
fn events_without_usable_time_are_the_tables_dead_letters_and_move_no_watermark() {
    let broker = Broker::shared();
    let shape = Shape::of(1_000, 52).clean();
    let mut it = Watched::start(broker, "notime", 1);
    it.producer.send_all(&shape);
    let tail = "\"event_type\":\"page_view\",\"user_segment\":\"free\",\"value\":1}";
    for time in [
        "",
        "\"timestamp\":null,",
        "\"timestamp\":\"2199-01-01T00:00:00Z\",",
    ] {
        it.producer
            .send_raw(0, Some(format!("{{{time}{tail}").as_bytes()));
    }
    it.producer.flush();
    it.pg.run(&job::script(&broker.bootstrap(), &it.topic));
    it.server.wait("all rows to be read", SOON, || {
        let read = it.query_status(GOLD, "rows_in");
        (read == it.producer.produced.total().to_string()).then_some(())
    });
    let letters = it.pg.run(&format!("SELECT * FROM {GOLD}__dead_letter"));
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!(it.pg.number("SELECT count(*) FROM events__dead_letter"), 0);
    assert!(
        it.query_status(GOLD, "watermark")
            .starts_with("2026-03-01 23:"),
        "the future moved the watermark"
    );
    // what is on time is still on time
    it.producer.close_windows(shape.closing_ms());
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    let late = it.check_gold(GOLD, shape.closing_ms());
    assert_eq!(late, 0);
}

#[test]
fn on_error_fail_stops_and_skip_counts() {
    let broker = Broker::shared();
    let shape = Shape::of(1_000, 53).clean();
    let mut it = Watched::start(broker, "onerror", 1);
    it.producer.send_all(&shape);
    it.producer.send_raw(0, Some(b"oops"));
    it.producer.close_windows(shape.closing_ms());
    for (name, on_error) in [("skipping", "skip"), ("failing", "fail")] {
        let stream = job::create_stream(name, &broker.bootstrap(), &it.topic).replace(
            "format = 'json'",
            &format!("format = 'json', on_error = '{on_error}'"),
        );
        let view = job::CREATE_VIEW
            .replace("streaming_metrics", &format!("view_{name}"))
            .replace("TUMBLE(events", &format!("TUMBLE({name}"));
        let table = job::create_table("commit_interval = '1 second'")
            .replace("streaming_metrics", &format!("view_{name}"))
            .replace("gold.real_time_metrics", &format!("gold.{name}"));
        it.pg.run(&format!("{stream}{view}{table}"));
    }
    job::wait_drained(&it.server, &it.pg, "gold.skipping", &shape, SOON);
    assert_eq!(it.query_status("gold.skipping", "dead_letter_rows"), "1");
    it.check_gold("gold.skipping", shape.closing_ms());
    assert_eq!(
        it.pg.number("SELECT count(*) FROM skipping__dead_letter"),
        0
    );

    it.server.wait("gold.failing to stop", SOON, || {
        (it.query_status("gold.failing", "state") == "failed").then_some(())
    });
    let error = it.query_status("gold.failing", "last_error");
    assert!(error.contains("offset 1000"), "{error}");
}
