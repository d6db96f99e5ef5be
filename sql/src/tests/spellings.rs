//! The spellings of other products, row by row: what each becomes, or the refusal that says what to write.

use super::{flat, one};
use crate::parse;

/// What becomes of a text.
enum Answer {
    /// This canonical text.
    Is(&'static str),
    /// A refusal that says this, with this in its hint.
    No(&'static str, &'static str),
}

use Answer::{Is, No};

fn check(row: &str, cases: &[(&str, Answer)]) {
    for (text, answer) in cases {
        match (answer, parse(text)) {
            (Is(canonical), Ok(_)) => {
                let statement = one(text);
                let printed = statement.to_string();
                assert_eq!(flat(&printed), *canonical, "{row}: {text}");
                assert_eq!(one(&printed), statement, "{row}: {text}");
            }
            (No(message, hint), Err(error)) => {
                assert_eq!(error.message, *message, "{row}: {text}");
                let said = error.hint.clone().unwrap_or_default();
                assert!(said.contains(hint), "{row}: {text}: {error}");
                // The refusal points at what is refused.
                let from = error.column as usize - 1;
                let there: String = text.chars().skip(from).collect();
                let near = error.near.clone().unwrap_or_default();
                let first = near.split(' ').next().unwrap_or_default();
                assert!(
                    error.line == 1 && there.to_lowercase().starts_with(&first.to_lowercase()),
                    "{row}: {text}: {error}"
                );
            }
            (Is(_), Err(error)) => panic!("{row}: {text} is refused: {error}"),
            (No(..), Ok(_)) => panic!("{row}: {text} is taken as {}", one(text)),
        }
    }
}

const STREAM: &str = "CREATE STREAM e (a INT) WITH (connector = 'kafka', bootstrap_servers = 'b:1', topic = 't', format = 'json')";

#[test]
fn streams() {
    check(
        "CREATE STREAM … WITH (…)",
        &[
            (
                "CREATE SOURCE e (a INT) WITH (connector = 'kafka', properties.bootstrap.server = 'b:1', topic = 't') FORMAT PLAIN ENCODE JSON",
                Is(STREAM),
            ),
            (
                "CREATE TABLE e (a INT) WITH ('connector'='kafka', 'properties.bootstrap.servers'='b:1', 'topic'='t', 'value.format'='json')",
                Is(
                    "CREATE STREAM e (a INT) WITH (connector = 'kafka', bootstrap_servers = 'b:1', topic = 't', format = 'json')",
                ),
            ),
            (
                "CREATE EXTERNAL STREAM e (a INT) SETTINGS type = 'kafka', brokers = 'b:1', topic = 't', data_format = 'JSONEachRow'",
                Is(STREAM),
            ),
            (
                "CREATE STREAM e (a INT) WITH (\"connector\" = 'kafka', bootstrap_servers = 'b:1', kafka_topic = 't', value_format = 'JSON')",
                Is(STREAM),
            ),
            (
                "CREATE SOURCE e (a INT) INCLUDE timestamp AS t WITH (connector = 'kafka')",
                No("INCLUDE is not supported", "_timestamp"),
            ),
            (
                "CREATE TABLE e (k TIMESTAMP(3) METADATA FROM 'timestamp') WITH ('connector' = 'kafka')",
                No("METADATA is not supported", "_timestamp"),
            ),
            (
                "CREATE TABLE e (a INT, b AS a + 1) WITH ('connector' = 'kafka')",
                No(
                    "computed columns are not supported",
                    "CREATE VIEW name AS SELECT *, expression AS b",
                ),
            ),
            (
                "CREATE SOURCE e (a INT) WITH (connector = 'kafka') FORMAT DEBEZIUM ENCODE JSON",
                No("only FORMAT PLAIN is supported", "FORMAT PLAIN ENCODE JSON"),
            ),
            (
                "CREATE TABLE e (a TIMESTAMP) WITH ('connector' = 'kafka', 'json.timestamp-format.standard' = 'ISO-8601')",
                Is(
                    "CREATE STREAM e (a TIMESTAMP) WITH (connector = 'kafka', timestamp_format = 'iso')",
                ),
            ),
            (
                "CREATE TABLE e (a TIMESTAMP) WITH (connector = 'kafka', 'json.timestamp_format' = 'unix_millis', type = 'source')",
                Is(
                    "CREATE STREAM e (a TIMESTAMP) WITH (connector = 'kafka', timestamp_format = 'epoch_millis')",
                ),
            ),
        ],
    );
}

#[test]
fn continuous_tables() {
    let table = "CREATE TABLE g AS SELECT a FROM e";
    check(
        "CREATE TABLE x AS SELECT over a stream",
        &[
            (
                "CREATE STREAMING TABLE g AS SELECT a FROM STREAM e",
                Is(table),
            ),
            (
                "CREATE OR REFRESH STREAMING TABLE g AS SELECT a FROM STREAM(e)",
                Is("CREATE OR REPLACE TABLE g AS SELECT a FROM e"),
            ),
            ("CREATE MATERIALIZED VIEW g AS SELECT a FROM e", Is(table)),
            ("CREATE MATERIALIZED TABLE g AS SELECT a FROM e", Is(table)),
            (
                "CREATE SINK g AS SELECT a FROM e WITH (connector = 'kafka')",
                No(
                    "CREATE SINK is not supported",
                    "CREATE TABLE name AS SELECT",
                ),
            ),
            (
                "CREATE DYNAMIC TABLE g AS SELECT a FROM e",
                No(
                    "CREATE DYNAMIC TABLE is not supported",
                    "CREATE TABLE name AS",
                ),
            ),
            (
                "CREATE LIVE TABLE g AS SELECT a FROM e",
                No("CREATE LIVE TABLE is not supported", "CREATE TABLE name AS"),
            ),
            // The server refuses it, with CREATE TABLE … AS in the hint.
            (
                "INSERT INTO g SELECT a FROM e",
                Is("INSERT INTO g SELECT a FROM e"),
            ),
        ],
    );
}

#[test]
fn watermarks() {
    check(
        "WATERMARK FOR ts AS …",
        &[
            (
                "SELECT * FROM STREAM e WATERMARK ts DELAY OF INTERVAL 10 SECONDS",
                Is("SELECT * FROM WATERMARK(e, ts, INTERVAL '10 seconds') AS e"),
            ),
            (
                "CREATE STREAM e (ts TIMESTAMPTZ LATENESS INTERVAL 10 SECONDS) WITH (connector = 'kafka')",
                Is(
                    "CREATE STREAM e (ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '10 seconds') WITH (connector = 'kafka')",
                ),
            ),
            (
                "SELECT k, count(*) FROM e WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 10 SECONDS) GROUP BY k",
                No("WINDOW TUMBLING is not supported", "FROM TUMBLE(events, ts"),
            ),
            (
                "CREATE TABLE g AS SELECT a FROM e EMIT AFTER WINDOW CLOSE WITH DELAY 2s",
                No("WITH DELAY is not supported", "WATERMARK FOR ts AS"),
            ),
        ],
    );
}

#[test]
fn windows() {
    let by_table = "SELECT window_start, count(*) FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start";
    let grouped = "SELECT window_start, window_end, count(*) FROM TUMBLE(e, rowtime, INTERVAL '1 minute') GROUP BY window_start, window_end";
    check(
        "FROM TUMBLE(t, ts, i)",
        &[
            (
                "SELECT window_start, count(*) FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start",
                Is(by_table),
            ),
            (
                "SELECT window_start, count(*) FROM TABLE(TUMBLE(DATA => TABLE e, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE)) GROUP BY window_start",
                Is(by_table),
            ),
            (
                "SELECT window_start, count(*) FROM TUMBLE(e, ts, 1m) GROUP BY window_start",
                Is(by_table),
            ),
            (
                "SELECT w.start AS window_start, w.end AS window_end, count(*) FROM (SELECT tumble(interval '1 minute') AS w, a FROM e GROUP BY w, a)",
                Is(
                    "SELECT w.start AS window_start, w.end AS window_end, count(*) FROM (SELECT named_struct('start', window_start, 'end', window_end) AS w, a FROM TUMBLE(e, rowtime, INTERVAL '1 minute') GROUP BY window_start, window_end, a)",
                ),
            ),
            (
                "SELECT window.start AS window_start, window.end AS window_end, count(*) FROM e GROUP BY tumble(interval '1 minute')",
                Is(grouped),
            ),
            (
                "SELECT count(*) FROM e GROUP BY hop(interval '1 minute', interval '5 minutes')",
                Is(
                    "SELECT count(*) FROM HOP(e, rowtime, INTERVAL '1 minute', INTERVAL '5 minutes') GROUP BY window_start, window_end",
                ),
            ),
            (
                "SELECT count(*) FROM e GROUP BY session(interval '30 seconds')",
                Is(
                    "SELECT count(*) FROM SESSION(e, rowtime, INTERVAL '30 seconds') GROUP BY window_start, window_end",
                ),
            ),
            (
                "SELECT window.start, window.end, count(*) FROM e GROUP BY window(ts, '1 minute')",
                Is(
                    "SELECT window_start AS \"start\", window_end AS \"end\", count(*) FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start, window_end",
                ),
            ),
            (
                "SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) AS s, TUMBLE_END(ts, INTERVAL '1' MINUTE) AS e2, count(*) FROM e GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
                Is(
                    "SELECT window_start AS s, window_end AS e2, count(*) FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start, window_end",
                ),
            ),
            (
                "SELECT time_bucket('5 minutes', ts), count(*) FROM e GROUP BY 1",
                Is("SELECT date_bin(INTERVAL '5 minutes', ts), count(*) FROM e GROUP BY 1"),
            ),
            (
                "SELECT count(*) FROM e WINDOW HOPPING (SIZE 5 MINUTES, ADVANCE BY 1 MINUTE) GROUP BY k",
                No("WINDOW HOPPING is not supported", "FROM TUMBLE(events, ts"),
            ),
            (
                "SELECT count(*) FROM e WINDOW SESSION (60 SECONDS) GROUP BY k",
                No("WINDOW SESSION is not supported", "SESSION"),
            ),
            (
                "SELECT count(*) FROM e GROUP BY window(ts, '5 minutes', '1 minute')",
                Is(
                    "SELECT count(*) FROM HOP(e, ts, INTERVAL '1 minute', INTERVAL '5 minutes') GROUP BY window_start, window_end",
                ),
            ),
        ],
    );
}

#[test]
fn percentiles() {
    let ours = "SELECT approx_percentile(x, 0.95) FROM e";
    check(
        "approx_percentile(x, 0.95)",
        &[
            (
                "SELECT approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY x) FROM e",
                Is(ours),
            ),
            (
                "SELECT approx_percentile(0.95) WITHIN GROUP (ORDER BY x) FROM e",
                Is(ours),
            ),
            ("SELECT percentile_approx(x, 0.95) FROM e", Is(ours)),
            ("SELECT PERCENTILE(x, 0.95) FROM e", Is(ours)),
            ("SELECT quantile(x, 0.95) FROM e", Is(ours)),
            ("SELECT p95(x) FROM e", Is(ours)),
            (
                "SELECT approx_percentile(0.05) WITHIN GROUP (ORDER BY x DESC) FROM e",
                Is(ours),
            ),
            (
                "SELECT approx_percentile_cont(x, 0.95, n) FROM e",
                No(
                    "approx_percentile_cont: the number of centroids must be a whole number above 0",
                    "leave it out",
                ),
            ),
            (
                "SELECT approx_median(x, 0.95) FROM e",
                No(
                    "approx_median: takes one expression",
                    "approx_median(expression)",
                ),
            ),
            (
                "SELECT approx_percentile_cont_with_weight(x, 0.95) FROM e",
                No(
                    "approx_percentile_cont_with_weight: takes an expression, a weight and a fraction",
                    "approx_percentile_cont_with_weight(expression, weight, 0.95)",
                ),
            ),
        ],
    );
}

#[test]
fn emission() {
    let table = "CREATE TABLE g AS SELECT a FROM e";
    check(
        "EMIT ON WINDOW CLOSE",
        &[
            (
                "CREATE TABLE g AS SELECT a FROM e EMIT ON WINDOW CLOSE",
                Is(table),
            ),
            ("CREATE TABLE g AS SELECT a FROM e EMIT FINAL", Is(table)),
            (
                "CREATE TABLE g AS SELECT a FROM e EMIT AFTER WINDOW CLOSE",
                Is(table),
            ),
        ],
    );
    check(
        "EMIT CHANGES",
        &[
            (
                "CREATE TABLE g AS SELECT a FROM e EMIT CHANGES",
                No("EMIT CHANGES is not supported", "name__live"),
            ),
            (
                "CREATE TABLE g AS SELECT a FROM e EMIT ON UPDATE",
                No("EMIT ON UPDATE is not supported", "name__live"),
            ),
        ],
    );
}

#[test]
fn intervals() {
    let ours = "SELECT ts - INTERVAL '1 minute' FROM e";
    check(
        "INTERVAL '1 minute'",
        &[
            ("SELECT ts - INTERVAL '1' MINUTE FROM e", Is(ours)),
            ("SELECT ts - INTERVAL 1 MINUTE FROM e", Is(ours)),
            ("SELECT ts - INTERVAL '1m' FROM e", Is(ours)),
            ("SELECT ts - INTERVAL 1m FROM e", Is(ours)),
            (
                "SELECT * FROM HOP(e, ts, 1m, 5m)",
                Is("SELECT * FROM HOP(e, ts, INTERVAL '1 minute', INTERVAL '5 minutes')"),
            ),
            // A name beside a number is a name.
            ("SELECT a, 1 m FROM e", Is("SELECT a, 1 AS m FROM e")),
        ],
    );
}

#[test]
fn other_times() {
    let hint = "write FROM t VERSION AS OF 12";
    let version = || Is("SELECT * FROM g VERSION AS OF 3");
    let time = || Is("SELECT * FROM g TIMESTAMP AS OF '2026-01-01'");
    check(
        "VERSION AS OF n",
        &[
            ("SELECT * FROM g VERSION AS OF 3", version()),
            ("SELECT * FROM g VERSION AS OF '3'", version()),
            ("SELECT * FROM g FOR VERSION AS OF 3", version()),
            ("SELECT * FROM g FOR SYSTEM_VERSION AS OF 3", version()),
            ("SELECT * FROM g SYSTEM_VERSION AS OF 3", version()),
            ("SELECT * FROM g TIMESTAMP AS OF '2026-01-01'", time()),
            ("SELECT * FROM g FOR TIMESTAMP AS OF '2026-01-01'", time()),
            ("SELECT * FROM g FOR SYSTEM_TIME AS OF '2026-01-01'", time()),
            (
                "SELECT * FROM a.g FOR SYSTEM_TIME AS OF now() - INTERVAL 1 HOUR AS x JOIN \"b\" VERSION AS OF 0 ON true",
                Is(
                    "SELECT * FROM a.g TIMESTAMP AS OF now() - INTERVAL '1 hour' AS x JOIN \"b\" VERSION AS OF 0 ON true",
                ),
            ),
            (
                "SELECT * FROM e JOIN g FOR SYSTEM_TIME AS OF e.ts ON true",
                No(
                    "TIMESTAMP AS OF takes one time for the whole statement, and e.ts has many",
                    hint,
                ),
            ),
            (
                "SELECT * FROM g TIMESTAMP AS OF (SELECT max(at) FROM h)",
                No(
                    "TIMESTAMP AS OF takes one time for the whole statement, and a query has many",
                    hint,
                ),
            ),
            (
                "SELECT * FROM g VERSION AS OF 99999999999999999999",
                No("99999999999999999999 is no version of a table", hint),
            ),
            (
                "SELECT * FROM g VERSION AS OF 1.5",
                No("1.5 is no version of a table", hint),
            ),
            // Names that these words are as well.
            (
                "SELECT version AS of FROM t",
                Is("SELECT version AS of FROM t"),
            ),
            ("SELECT * FROM t version", Is("SELECT * FROM t version")),
        ],
    );
}

#[test]
fn subscriptions() {
    let hint = "name__live";
    check(
        "SUBSCRIBE x",
        &[
            ("SUBSCRIBE TO g", Is("SUBSCRIBE g")),
            ("TAIL g", No("TAIL is not supported", hint)),
            (
                "DECLARE c CURSOR FOR TAIL g",
                No("TAIL is not supported", hint),
            ),
            (
                "COPY (SUBSCRIBE TO g) TO STDOUT",
                Is("COPY (SUBSCRIBE g) TO STDOUT"),
            ),
            (
                "SELECT * FROM e EMIT CHANGES",
                No("EMIT CHANGES is not supported", hint),
            ),
        ],
    );
}

#[test]
fn idleness() {
    check(
        "idle_timeout",
        &[
            (
                "CREATE STREAM e WITH (connector = 'kafka', 'scan.watermark.idle-timeout' = '30 s')",
                Is("CREATE STREAM e WITH (connector = 'kafka', idle_timeout = '30 s')"),
            ),
            (
                "CREATE STREAM e WITH (connector = 'kafka', idle_micros = 30000000)",
                Is(
                    "CREATE STREAM e WITH (connector = 'kafka', idle_timeout = '30000000 microseconds')",
                ),
            ),
            (
                "CREATE TABLE g AS SELECT a FROM e EMIT AFTER WINDOW CLOSE AND TIMEOUT 5s",
                No(
                    "AND TIMEOUT is not supported",
                    "idle_timeout = '30 seconds'",
                ),
            ),
        ],
    );
}

/// What is refused as a clause may be a column's name in an expression.
#[test]
fn a_column_may_be_called_tail() {
    assert!(crate::parse("SELECT substring(name FOR tail) FROM e").is_ok());
}
