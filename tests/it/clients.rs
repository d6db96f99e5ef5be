//! Real drivers and tools, and Spark as an independent reader. The larger ones run in `make test-clients` alone, which also writes what each
//! was seen to do into `clients/README.md`.

mod drivers;
mod grafana;
mod table;
mod tools;

use std::{fs, path::PathBuf};

use sluice_tests::{
    job::{self, COLUMNS},
    load::Shape,
    oracle,
    parts::{kafka::Broker, python, spark},
    pg::Pg,
    server::Server,
};

use crate::support::{
    DRAIN, Exercised, SOON, Watched, exercised, python_version, rows_of_json, setting,
};

/// A file of `clients/`.
fn path(name: &str) -> PathBuf {
    sluice_tests::folder().join("../clients").join(name)
}

/// A server that has what `clients/sql/known.sql` makes.
fn known() -> Server {
    let server = Server::start();
    make_known(&server, &server.connect());
    server
}

/// Makes it, and waits until it is there.
fn make_known(server: &Server, pg: &Pg) {
    pg.run(&fs::read_to_string(path("sql/known.sql")).unwrap());
    server.wait("the known events to be read", DRAIN, || {
        let state = pg.value("SELECT state FROM system.queries");
        (state == "finished").then_some(())
    });
}

/// One value of each type, next to nulls.
const TYPES: &str = "SELECT true AS b, CAST(7 AS SMALLINT) AS i2, CAST(7 AS INT) AS i4, CAST(7 AS BIGINT) AS i8, \
    CAST(1.5 AS REAL) AS f4, CAST(1.5 AS DOUBLE) AS f8, CAST(12.345 AS DECIMAL(10, 3)) AS n, 'ä€' AS t, \
    CAST('2026-03-01' AS DATE) AS d, CAST('2026-03-01T10:11:12.123456Z' AS TIMESTAMPTZ) AS tz, \
    CAST('2026-03-01T10:11:12.123456' AS TIMESTAMP) AS ts, CAST(NULL AS INT) AS nothing";

#[test]
fn psycopg_reads_every_type_as_text_and_binary_alike() {
    let server = Server::start();
    let rows = python::run("read_psycopg.py", &[&server.pg_port().to_string(), TYPES]);
    let expected = serde_json::json!([{
        "b": true, "i2": 7, "i4": 7, "i8": 7, "f4": 1.5, "f8": 1.5, "n": "12.345", "t": "ä€",
        "d": "2026-03-01", "tz": "2026-03-01 10:11:12.123456+00:00",
        "ts": "2026-03-01 10:11:12.123456", "nothing": null,
    }]);
    assert_eq!(rows, expected);
    exercised(&Exercised {
        test: "psycopg_reads_every_type_as_text_and_binary_alike",
        client: "psycopg 3",
        version: &python_version(&python::install().unwrap(), "psycopg"),
        what: "every type as text and binary, parameters, prepared statements",
        but: "",
    });
}

#[test]
fn adbc_reads_every_type_and_sees_the_catalog() {
    let server = Server::start();
    server.connect().run("CREATE VIEW gold.v AS SELECT 1 AS a");
    let port = server.flight_port().to_string();
    let answer = python::run("read_flight.py", &[&port, TYPES]);
    let row = &answer["rows"][0];
    assert_eq!(row["i8"], 7);
    assert_eq!(row["t"], "ä€");
    assert_eq!(row["n"], "12.345");
    assert_eq!(row["tz"], "2026-03-01 10:11:12.123456+00:00");
    assert_eq!(row["nothing"], serde_json::Value::Null);
    assert_eq!(answer["types"]["i2"], "int16");
    assert_eq!(answer["types"]["d"], "date32[day]");
    let tables = answer["tables"].as_array().unwrap();
    assert!(tables.iter().any(|name| name == "gold.v"), "{tables:?}");
}

#[test]
fn adbc_prepares_with_parameters_and_gets_real_errors() {
    let server = Server::start();
    let port = server.flight_port().to_string();
    let answer = python::run("flight_more.py", &[&port]);
    assert_eq!(
        answer["parameters"],
        serde_json::json!([[42, "x"], [43, "x"]])
    );
    assert_eq!(answer["schema"], serde_json::json!(["a", "b"]));
    let error = answer["error"].as_str().unwrap();
    assert!(
        error.contains("relation \"nowhere\" does not exist"),
        "{error}"
    );
    assert_eq!(answer["after"], 1);
    exercised(&Exercised {
        test: "adbc_prepares_with_parameters_and_gets_real_errors",
        client: "ADBC Flight SQL → pyarrow",
        version: &python_version(&python::install().unwrap(), "adbc-driver-flightsql"),
        what: "parameters, a prepared statement's schema, errors, and going on after one",
        but: "",
    });
}

/// The files under `clients/`, as a person runs them.
#[test]
fn the_examples_work_as_they_are() {
    let script = fs::read_to_string(path("sql/generated_metrics.sql")).unwrap();
    let server = Server::start();
    let pg = server.connect();
    pg.run(&script);
    server.wait("the generated events to be read", DRAIN, || {
        let state = pg.value("SELECT state FROM system.queries");
        (state == "finished").then_some(())
    });
    let [pg_port, flight_port] = [server.pg_port(), server.flight_port()].map(|p| p.to_string());
    let folder = server.table_dir("gold", "real_time_metrics");
    let print =
        |example: &str, argument: &str| python::print(&path("python").join(example), &[argument]);
    let newest = print("newest_windows.py", &pg_port);
    assert_eq!(newest.lines().count(), 10, "{newest}");
    let total = pg.number("SELECT sum(event_count) FROM gold.real_time_metrics");
    let events = |text: &str| -> i64 {
        let words: Vec<&str> = text.split_whitespace().collect();
        let counts = words.windows(2).filter(|pair| pair[1] == "events");
        counts.map(|pair| pair[0].parse::<i64>().unwrap()).sum()
    };
    let arrow = print("gold_to_arrow.py", &flight_port);
    assert_eq!(events(&arrow), total, "{arrow}");
    let delta = print("plain_delta.py", folder.to_str().unwrap());
    assert_eq!(events(&delta), total, "{delta}");
    assert!(delta.contains("partitioned by date, hour"), "{delta}");
    // The script for a broker differs from it in the stream's options alone.
    let kafka = fs::read_to_string(path("sql/real_time_metrics.sql")).unwrap();
    let view = |text: &str| text[text.find("CREATE VIEW").unwrap()..].to_owned();
    assert_eq!(view(&script), view(&kafka));
    assert!(kafka.contains(&job::create_stream("events", "127.0.0.1:9092", "events")));
    exercised(&Exercised {
        test: "the_examples_work_as_they_are",
        client: "delta-rs, beside psycopg and ADBC (Python)",
        version: &python_version(&python::install().unwrap(), "deltalake"),
        what: "[plain Delta](python/plain_delta.py), [windows](python/newest_windows.py), [Arrow](python/gold_to_arrow.py): gold's folder and both doors give the same counts",
        but: "",
    });
}

#[test]
#[ignore = "needs Spark (a JVM of 1 GB and a large download): make test-clients"]
fn spark_reads_gold_as_plain_delta() {
    let broker = Broker::shared();
    let shape = Shape::of(setting("SLUICE_TEST_EVENTS", 20_000), 91);
    let mut it = Watched::start(broker, "spark-reader", 2);
    it.producer.send_all(&shape);
    it.producer.close_windows(shape.closing_ms());
    it.pg.run(&job::script(&broker.bootstrap(), &it.topic));
    let gold = "gold.real_time_metrics";
    job::wait_drained(&it.server, &it.pg, gold, &shape, DRAIN);
    job::wait_committed(&it.server, &it.pg, gold, SOON);
    it.check_gold(gold, shape.closing_ms());
    let folder = it.server.table_dir("gold", "real_time_metrics");
    let answer = spark::run("read_spark.py", &[folder.to_str().unwrap()]);
    assert_eq!(
        answer["partition_columns"],
        serde_json::json!(["date", "hour"])
    );
    let rows = job::gold_of(&rows_of_json(&answer["rows"], COLUMNS)).unwrap();
    oracle::compare(&job::read_gold(&it.pg, gold), &rows).unwrap();
    exercised(&Exercised {
        test: "spark_reads_gold_as_plain_delta",
        client: "Spark with Delta",
        version: &python_version(&spark::install().unwrap().0, "pyspark"),
        what: "[example](spark/read_gold.py): gold's folder as plain Delta, every row against an independent computation",
        but: "",
    });
}
