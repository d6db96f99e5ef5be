//! Every column type: from JSON in a topic into gold, over a kill in the middle, and out again by each client.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};
use sluice_tests::{
    job,
    parts::{kafka::Broker, psql, python},
    pg::{self, Pg},
    server::Server,
};

use crate::support::{SOON, Watched};

/// The columns of the stream: name, type as declared, as Postgres clients see it, as Delta has it, as Arrow has it.
const COLUMNS: [(&str, &str, &str, &str, &str); 19] = [
    (
        "ts",
        "TIMESTAMPTZ",
        "timestamptz",
        "timestamp",
        "timestamp[us, tz=UTC]",
    ),
    ("b", "BOOLEAN", "bool", "boolean", "bool"),
    ("i2", "SMALLINT", "int2", "short", "int16"),
    ("i4", "INT", "int4", "integer", "int32"),
    ("i8", "BIGINT", "int8", "long", "int64"),
    ("f4", "REAL", "float4", "float", "float"),
    ("f8", "DOUBLE", "float8", "double", "double"),
    (
        "n",
        "NUMERIC(10, 2)",
        "numeric",
        "decimal(10,2)",
        "decimal128(10, 2)",
    ),
    ("t", "TEXT", "text", "string", "string"),
    ("y", "BYTEA", "bytea", "binary", "binary"),
    ("d", "DATE", "date", "date", "date32[day]"),
    (
        "ntz",
        "TIMESTAMP",
        "timestamp",
        "timestamp_ntz",
        "timestamp[us]",
    ),
    (
        "tz",
        "TIMESTAMPTZ",
        "timestamptz",
        "timestamp",
        "timestamp[us, tz=UTC]",
    ),
    ("u", "UUID", "text", "string", "string"),
    ("a", "INT[]", "_int4", "array", "list<element: int32>"),
    (
        "r",
        "ROW(x INT, y TEXT)",
        "json",
        "struct",
        "struct<x: int32, y: string>",
    ),
    ("m", "MAP<TEXT, INT>", "json", "map", "map<string, int32>"),
    ("j", "JSON", "text", "string", "string"),
    (
        "k",
        "MAP(BIGINT, TEXT)",
        "json",
        "map",
        "map<int64, string>",
    ),
];

/// A row of all columns; `ts` is in the first minute.
const ONE: &str = r#"{"ts":"2026-01-31T12:00:01Z","b":true,"i2":-32768,"i4":2147483647,"i8":9223372036854775807,"f4":1.5,"f8":-2.25,
 "n":"12345678.90","t":"one","y":"AQL/","d":"2026-02-28","ntz":"2026-01-31 12:00:00.123456","tz":"2026-01-31 12:00:00+01",
 "u":"{6F9619FF-8B86-D011-B42D-00C04FC964FF}","a":[1,null,3],"r":{"x":7,"y":"z"},"m":{"k":1,"l":null},"j":{"p":[1,{"q":"s"}]},
 "k":{"-7":"x"}}"#;
/// Other forms of the same types.
const TWO: &str = r#"{"ts":1769860802000,"b":false,"i2":"7","i4":7.0,"i8":"-9223372036854775808","f4":"-0.5","f8":"1e300",
 "n":-0.005,"t":"two","y":"\\x0102ff","d":"0001-01-01","ntz":1769860802123,"tz":"2026-01-31T12:00:00.5-05:00",
 "u":"6f9619ff8b86d011b42d00c04fc964fe","a":[],"r":{"y":null},"m":{},"j":"text","k":{"1":"a","1.0":"b"}}"#;
const NULLS: &str = r#"{"ts":"2026-01-31T12:00:03Z","t":"none"}"#;

/// How a simple query shows [`ONE`] and [`TWO`].
const ONE_SHOWN: [&str; 19] = [
    "2026-01-31 12:00:01+00",
    "t",
    "-32768",
    "2147483647",
    "9223372036854775807",
    "1.5",
    "-2.25",
    "12345678.90",
    "one",
    "\\x0102ff",
    "2026-02-28",
    "2026-01-31 12:00:00.123456",
    "2026-01-31 11:00:00+00",
    "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "{1,NULL,3}",
    "{\"x\":7,\"y\":\"z\"}",
    "{\"k\":1,\"l\":null}",
    "{\"p\":[1,{\"q\":\"s\"}]}",
    "{\"-7\":\"x\"}",
];
const TWO_SHOWN: [&str; 19] = [
    "2026-01-31 12:00:02+00",
    "f",
    "7",
    "7",
    "-9223372036854775808",
    "-0.5",
    "1e+300",
    "-0.01",
    "two",
    "\\x0102ff",
    "0001-01-01",
    "2026-01-31 12:00:02.123",
    "2026-01-31 17:00:00.5+00",
    "6f9619ff-8b86-d011-b42d-00c04fc964fe",
    "{}",
    "{\"x\":null,\"y\":null}",
    "{}",
    "\"text\"",
    "{\"1\":\"b\"}",
];

/// A value that its column does not take, and a word of the reason.
const BAD: [(&str, &str, &str); 20] = [
    ("b", "1", "true or false"),
    ("i2", "40000", "type SMALLINT"),
    ("i4", "2147483648", "type INTEGER"),
    ("i8", "9223372036854775808", "type BIGINT"),
    ("i8", "1.5", "type BIGINT"),
    ("f4", "3.5e38", "within REAL"),
    ("f8", "1e309", "within DOUBLE PRECISION"),
    ("n", "123456789.01", "NUMERIC(10,2)"),
    ("n", "\"99999999.995\"", "NUMERIC(10,2)"),
    ("t", "5", "a string"),
    ("y", "\"***\"", "base64"),
    ("d", "\"10000-01-01\"", "a date"),
    ("ntz", "\"10000-01-01 00:00:00\"", "the years 1 to 9999"),
    ("tz", "253402300800000", "the years 1 to 9999"),
    ("tz", "\"noon\"", "the years 1 to 9999"),
    ("u", "\"6f9619ff\"", "a UUID"),
    ("a", "[2147483648]", "type INTEGER"),
    ("r", "{\"x\":\"no\"}", "type INTEGER"),
    ("m", "{\"k\":1e10}", "type INTEGER"),
    ("j", "{\"open\":", "expected a value"),
];

/// Keys of every type that may be one.
const KEYS: &str = "b, i2, i4, i8, f4, f8, n, t, y, d, ntz, tz, u, a, r, j";

fn create(broker: &Broker, topic: &str) -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(name, declared, ..)| format!("{name} {declared}"))
        .collect();
    format!(
        "CREATE STREAM t ({}, WATERMARK FOR ts AS ts)
         WITH (connector = 'kafka', bootstrap_servers = '{}', topic = '{topic}', format = 'json');
         CREATE TABLE gold.bronze AS SELECT * FROM t;
         CREATE TABLE gold.keys AS SELECT window_start, {KEYS}, count(*) AS c
         FROM TUMBLE(t, ts, INTERVAL '1 minute') GROUP BY window_start, {KEYS};
         CREATE TABLE gold.aggregates AS
         SELECT window_start, min(i2) AS i2, max(i8) AS i8, min(f4) AS f4, sum(n) AS n, min(t) AS t, max(y) AS y, max(d) AS d,
           max(ntz) AS ntz, min(tz) AS tz, max(u) AS u, bool_or(b) AS b, first_value(a ORDER BY ts) AS a, first_value(r ORDER BY ts) AS r,
           first_value(m ORDER BY ts) AS m, first_value(j ->> 'p' ORDER BY ts) AS p, first_value(j -> 'p' -> 1 ->> 'q' ORDER BY ts) AS q,
           first_value(r['y'] ORDER BY ts) AS ry, max(m['k']) AS mk, max(a[3]) AS a3, array_agg(n ORDER BY ts) AS ns, array_agg(u ORDER BY ts) AS us,
           array_agg(d ORDER BY ts) AS ds, count(DISTINCT u) AS uniques
         FROM TUMBLE(t, ts, INTERVAL '1 minute') GROUP BY window_start;",
        columns.join(", "),
        broker.bootstrap(),
    )
}

const TABLES: [&str; 3] = ["gold.bronze", "gold.keys", "gold.aggregates"];

#[test]
fn every_type_goes_from_json_to_every_reader_over_a_kill() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "types", 1);
    let send = |it: &mut Watched<'_>, text: &str| it.producer.send_raw(0, Some(text.as_bytes()));
    for good in [ONE, TWO, NULLS] {
        send(&mut it, good);
    }
    for (column, value, _) in BAD {
        let text = format!("{{\"ts\":\"2026-01-31T12:00:00Z\",\"{column}\":{value}}}");
        send(&mut it, &text);
    }
    it.producer.flush();
    it.pg.run(&create(broker, &it.topic));
    it.server.wait("three rows of bronze", SOON, || {
        (it.pg.number("SELECT count(*) FROM gold.bronze") == 3).then_some(())
    });
    // Half of the first window lies in the state that a killed process left.
    let sent = 3 + BAD.len();
    for table in TABLES {
        let checkpoints = format!(
            "SELECT count(*) FROM {table}__checkpoints WHERE positions LIKE '%[0]={sent}%'"
        );
        it.server
            .wait("the first rows to be in a checkpoint", SOON, || {
                (it.pg.number(&checkpoints) > 0).then_some(())
            });
    }
    it.server.kill_and_restart();
    it.pg = it.server.connect();
    send(&mut it, ONE);
    send(
        &mut it,
        &ONE.replacen("\"ts\":\"2026-01-31T12:00:01Z\",", "", 1),
    );
    send(&mut it, "{\"ts\":\"2026-01-31T12:10:00Z\"}");
    it.producer.flush();
    it.server.wait("the first window to close", SOON, || {
        (it.pg.number("SELECT count(*) FROM gold.keys") == 3
            && it.pg.number("SELECT count(*) FROM gold.aggregates") == 1)
            .then_some(())
    });
    send(&mut it, &ONE.replacen("12:00:01Z", "12:00:59Z", 1));
    it.producer.flush();
    for table in ["gold.keys", "gold.aggregates"] {
        it.server.wait("the late row", SOON, || {
            (it.pg.number(&format!("SELECT count(*) FROM {table}__late")) == 1).then_some(())
        });
    }
    for table in TABLES {
        job::wait_committed(&it.server, &it.pg, table, SOON);
    }
    check_bronze(&it.pg);
    check_keys(&it.pg);
    check_aggregates(&it.pg);
    check_left_out(&it.pg);
    check_bad(&it.server, &it.pg);
    check_types(&it.server, &it.pg);
    check_clients(&it.server);
}

fn cells(row: &[Option<String>]) -> Vec<&str> {
    row.iter()
        .map(|cell| cell.as_deref().unwrap_or("NULL"))
        .collect()
}

fn check_bronze(pg: &Pg) {
    let one = pg.run("SELECT * FROM gold.bronze WHERE t = 'one' AND ts < '2026-01-31T12:00:30Z'");
    assert_eq!(one.len(), 2, "{one:?}");
    assert_eq!(cells(&one[0]), ONE_SHOWN);
    assert_eq!(cells(&one[1]), ONE_SHOWN);
    let two = pg.run("SELECT * FROM gold.bronze WHERE t = 'two'");
    assert_eq!(cells(&two[0]), TWO_SHOWN);
    let none = pg.run("SELECT * FROM gold.bronze WHERE t = 'none'");
    assert_eq!(
        cells(&none[0])
            .iter()
            .filter(|cell| **cell == "NULL")
            .count(),
        17
    );
}

/// Of the cells of a row, those of the columns that are keys.
fn of_keys(shown: &[&'static str; 19]) -> Vec<&'static str> {
    let columns = COLUMNS.iter().zip(shown);
    columns
        .filter(|((name, ..), _)| KEYS.split(", ").any(|key| key == *name))
        .map(|(_, cell)| *cell)
        .collect()
}

/// Equal keys of before and after the kill are one group.
fn check_keys(pg: &Pg) {
    let rows = pg.run(&format!("SELECT {KEYS}, c FROM gold.keys ORDER BY t"));
    assert_eq!(rows.len(), 3);
    assert_eq!(cells(&rows[0])[7], "none");
    assert_eq!(cells(&rows[1]), [of_keys(&ONE_SHOWN), vec!["2"]].concat());
    assert_eq!(cells(&rows[2]), [of_keys(&TWO_SHOWN), vec!["1"]].concat());
}

fn check_aggregates(pg: &Pg) {
    let rows = pg.run("SELECT * FROM gold.aggregates");
    let cells = cells(&rows[0]);
    let uuid = "6f9619ff-8b86-d011-b42d-00c04fc964f";
    let expected = [
        "2026-01-31 12:00:00+00",
        "-32768",
        "9223372036854775807",
        "-0.5",
        "24691357.79",
        "none",
        "\\x0102ff",
        "2026-02-28",
        "2026-01-31 12:00:02.123",
        "2026-01-31 11:00:00+00",
        &format!("{uuid}f"),
        "t",
        "{1,NULL,3}",
        "{\"x\":7,\"y\":\"z\"}",
        "{\"k\":1,\"l\":null}",
        "[1,{\"q\":\"s\"}]",
        "s",
        "z",
        "1",
        "3",
        "{12345678.90,12345678.90,-0.01,NULL}",
        &format!("{{{uuid}f,{uuid}f,{uuid}e,NULL}}"),
        "{2026-02-28,2026-02-28,0001-01-01,NULL}",
        "2",
    ];
    assert_eq!(cells, expected);
}

/// Rows that came late or without time are kept with every value.
fn check_left_out(pg: &Pg) {
    for (relation, ts) in [
        ("gold.keys__late", "2026-01-31 12:00:59+00"),
        ("gold.keys__dead_letter", "NULL"),
    ] {
        let rows = pg.run(&format!("SELECT ts, {KEYS} FROM {relation}"));
        assert_eq!(rows.len(), 1, "{relation}: {rows:?}");
        let cells = cells(&rows[0]);
        assert_eq!(cells[0], ts, "{relation}");
        assert_eq!(cells[1..], of_keys(&ONE_SHOWN), "{relation}");
    }
    let maps = pg.run("SELECT m, a, r FROM gold.aggregates__late");
    assert_eq!(
        cells(&maps[0]),
        [ONE_SHOWN[16], ONE_SHOWN[14], ONE_SHOWN[15]]
    );
}

fn check_bad(server: &Server, pg: &Pg) {
    job::read_dead_letters(server, pg, "t", BAD.len());
    let rows = pg.run("SELECT error, payload FROM t__dead_letter ORDER BY _offset");
    assert_eq!(rows.len(), BAD.len());
    for (row, (column, value, reason)) in rows.iter().zip(BAD) {
        let error = row[0].as_deref().unwrap_or_default();
        assert!(
            error.contains(&format!("\"{column}")) && error.contains(reason),
            "{column} {value}: {error}"
        );
    }
}

fn check_types(server: &Server, pg: &Pg) {
    let sql = "SELECT * FROM gold.bronze";
    let statement = pg::block_on(pg.client().prepare(sql)).unwrap();
    let types: Vec<_> = statement
        .columns()
        .iter()
        .map(|column| (column.name(), column.type_().name()))
        .collect();
    let expected: Vec<_> = COLUMNS
        .iter()
        .map(|(name, _, postgres, ..)| (*name, *postgres))
        .collect();
    assert_eq!(types, expected);
    let described = gdesc(
        server.pg_port(),
        "SELECT n, ntz, tz, a, m, u, j FROM gold.bronze",
    );
    assert_eq!(
        described,
        [
            "n|numeric(10,2)",
            "ntz|timestamp without time zone",
            "tz|timestamp with time zone",
            "a|integer[]",
            "m|json",
            "u|text",
            "j|text",
        ]
    );
    let folder = server.table_dir("gold", "bronze");
    let delta = python::run("read_delta.py", &[folder.to_str().unwrap()]);
    let fields = delta["schema"]["fields"].as_array().unwrap();
    for ((name, _, _, expected, _), field) in COLUMNS.iter().zip(fields) {
        assert_eq!(field["name"], *name);
        let found = match &field["type"] {
            Value::String(primitive) => primitive.as_str(),
            nested => nested["type"].as_str().unwrap(),
        };
        assert_eq!(found, *expected, "{name}");
    }
    assert_eq!(delta["features"], json!(["timestampNtz"]));
}

/// What psql says of a query's columns: it asks the server for the names of the types that it was told.
fn gdesc(port: u16, sql: &str) -> Vec<String> {
    let mut child = psql::command(port)
        .args(["-A", "-t"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{sql} \\gdesc").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// psycopg (text and binary), ADBC and delta-rs read the same values.
fn check_clients(server: &Server) {
    let sql = "SELECT * FROM gold.bronze WHERE t = 'two'";
    let port = server.pg_port().to_string();
    let psycopg = python::run("read_psycopg.py", &[&port, sql]);
    let row = &psycopg[0];
    for (name, expected) in [
        ("b", json!(false)),
        ("i8", json!(i64::MIN)),
        ("n", json!("-0.01")),
        ("y", json!("b'\\x01\\x02\\xff'")),
        ("d", json!("0001-01-01")),
        ("ntz", json!("2026-01-31 12:00:02.123000")),
        ("tz", json!("2026-01-31 17:00:00.500000+00:00")),
        ("a", json!([])),
        ("r", json!({"x": null, "y": null})),
        ("m", json!({})),
        ("j", json!("\"text\"")),
    ] {
        assert_eq!(row[name], expected, "psycopg: {name}");
    }
    let sql = "SELECT * FROM gold.bronze WHERE t = 'one' LIMIT 1";
    let port = server.flight_port().to_string();
    let flight = python::run("read_flight.py", &[&port, sql]);
    for (name, _, _, _, arrow) in COLUMNS {
        assert_eq!(flight["types"][name], *arrow, "ADBC: {name}");
    }
    let folder = server.table_dir("gold", "bronze");
    let delta = python::run("read_delta.py", &[folder.to_str().unwrap()]);
    let rows = delta["rows"].as_array().unwrap();
    let from_delta = rows.iter().find(|row| row["t"] == "one").unwrap();
    for (who, row) in [("ADBC", &flight["rows"][0]), ("delta-rs", from_delta)] {
        for (name, expected) in [
            ("i2", json!(-32768)),
            ("i8", json!(i64::MAX)),
            ("f4", json!(1.5)),
            ("n", json!("12345678.90")),
            ("y", json!("b'\\x01\\x02\\xff'")),
            ("d", json!("2026-02-28")),
            ("ntz", json!("2026-01-31 12:00:00.123456")),
            ("tz", json!("2026-01-31 11:00:00+00:00")),
            ("a", json!([1, null, 3])),
            ("r", json!({"x": 7, "y": "z"})),
            ("m", json!([["k", 1], ["l", null]])),
            ("j", json!("{\"p\":[1,{\"q\":\"s\"}]}")),
        ] {
            assert_eq!(row[name], expected, "{who}: {name}");
        }
    }
}

/// What a timestamp may look like is an option of the stream.
#[test]
fn a_stream_says_what_its_timestamps_are() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "formats", 1);
    for text in [
        r#"{"ts":1769860801}"#,
        r#"{"ts":"1769860801"}"#,
        r#"{"ts":"2026-01-31T12:00:01Z"}"#,
    ] {
        it.producer.send_raw(0, Some(text.as_bytes()));
    }
    it.producer.flush();
    let stream = |name: &str, options: &str| {
        format!(
            "CREATE STREAM {name} (ts TIMESTAMPTZ) WITH (connector = 'kafka', bootstrap_servers = '{}', topic = '{}', format = 'json', {options})",
            broker.bootstrap(),
            it.topic
        )
    };
    for (name, options, rows) in [
        ("seconds", "timestamp_format = 'epoch_seconds'", 2),
        ("iso", "'json.timestamp-format.standard' = 'ISO-8601'", 1),
        ("auto", "timestamp_unit = 's'", 2),
    ] {
        it.pg.run(&stream(name, options));
        let found = it.pg.run(&format!("SELECT ts FROM {name}"));
        assert_eq!(found.len(), rows, "{name}: {found:?}");
        for row in found {
            assert_eq!(row[0].as_deref(), Some("2026-01-31 12:00:01+00"), "{name}");
        }
    }
    it.pg.refused(
        &stream("pattern", "timestampFormat = 'dd/MM/yyyy'"),
        "22023",
        &["timestamp_format cannot be 'dd/MM/yyyy'", "to_timestamp("],
    );
    it.pg.refused(
        &stream(
            "both",
            "timestamp_format = 'epoch_seconds', timestamp_unit = 'ms'",
        ),
        "22023",
        &["contradict each other"],
    );
}
