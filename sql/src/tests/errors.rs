//! Every refusal: its text, its place, its hint.

use crate::{MAX_TEXT_BYTES, ParseErrorKind, parse};

/// A refused text: message, line:column, what was near, and a piece of the hint.
type Case = (
    &'static str,
    &'static str,
    (u64, u64),
    Option<&'static str>,
    &'static str,
);

fn check(cases: &[Case]) {
    for (text, message, (line, column), near, hint) in cases {
        let error = match parse(text) {
            Ok(parsed) => panic!("accepted: {text}\nas {}", parsed[0].statement),
            Err(error) => error,
        };
        assert_eq!(error.message, *message, "{text}");
        assert_eq!(
            (error.line, error.column),
            (*line, *column),
            "{text}: {error}"
        );
        assert_eq!(error.near.as_deref(), *near, "{text}: {error}");
        let found = error.hint.clone().unwrap_or_default();
        assert!(
            found.contains(hint) && (!hint.is_empty() || found.is_empty()),
            "{text}: {error}"
        );
        // The character offset is the same place.
        let lines: Vec<&str> = text.split('\n').collect();
        let before: usize = lines
            .iter()
            .take(*line as usize - 1)
            .map(|line| line.chars().count() + 1)
            .sum();
        assert_eq!(
            error.offset,
            before + *column as usize - 1,
            "{text}: {error}"
        );
    }
}

#[test]
fn heads() {
    check(&[
        (
            "CREATE STREM x (a INT)",
            "syntax error at or near \"STREM\"",
            (1, 8),
            Some("STREM"),
            "did you mean CREATE STREAM?",
        ),
        (
            "SELECT 1;\n  SELCT 2",
            "syntax error at or near \"SELCT\"",
            (2, 3),
            Some("SELCT"),
            "did you mean SELECT?",
        ),
        (
            "CRAETE STREAM x",
            "syntax error at or near \"CRAETE\"",
            (1, 1),
            Some("CRAETE"),
            "did you mean CREATE STREAM?",
        ),
        (
            "DROP STERAM x",
            "syntax error at or near \"STERAM\"",
            (1, 6),
            Some("STERAM"),
            "did you mean DROP STREAM?",
        ),
        (
            "SHOW STREEMS",
            "syntax error at or near \"STREEMS\"",
            (1, 6),
            Some("STREEMS"),
            "did you mean SHOW STREAMS?",
        ),
        (
            "SHOW TABLE",
            "syntax error at or near \"TABLE\"",
            (1, 6),
            Some("TABLE"),
            "did you mean SHOW TABLES?",
        ),
        (
            "SHOW",
            "syntax error at end of input",
            (1, 5),
            None,
            "SHOW STREAMS, TABLES",
        ),
        (
            "SHOW CREATE TABEL x",
            "syntax error at or near \"TABEL\"",
            (1, 13),
            Some("TABEL"),
            "did you mean SHOW CREATE TABLE?",
        ),
        (
            "SHOW TABLES WHERE a",
            "syntax error at or near \"WHERE\"",
            (1, 13),
            Some("WHERE"),
            "LIKE",
        ),
        (
            "PAUSE x",
            "syntax error at or near \"x\"",
            (1, 7),
            Some("x"),
            "PAUSE QUERY name",
        ),
        (
            "RESUME QUERY",
            "syntax error at end of input",
            (1, 13),
            None,
            "RESUME QUERY name",
        ),
        (
            "EXPLAIN",
            "syntax error at end of input",
            (1, 8),
            None,
            "EXPLAIN [ANALYZE]",
        ),
        (
            "EXPLAIN DROP TABLE x",
            "this statement has no plan to explain",
            (1, 9),
            Some("DROP"),
            "EXPLAIN",
        ),
        (
            "EXPLAIN (FORMAT json) SELECT 1",
            "EXPLAIN option FORMAT is not supported",
            (1, 10),
            Some("FORMAT"),
            "EXPLAIN",
        ),
        (
            "DESCRIBE HISTORY x",
            "DESCRIBE HISTORY is not supported",
            (1, 10),
            Some("HISTORY"),
            "__history",
        ),
        (
            "DROP TABLE a b",
            "syntax error at or near \"b\"",
            (1, 14),
            Some("b"),
            "DROP TABLE",
        ),
        (
            "SELECT 1 SELECT 2",
            "syntax error at or near \"SELECT\"",
            (1, 10),
            Some("SELECT"),
            "put ; between",
        ),
        (
            "SELECT a FROM WHERE b",
            "syntax error at or near \"WHERE\"",
            (1, 15),
            Some("WHERE"),
            "a relation",
        ),
        (
            "SELECT a FROM t WHERE",
            "syntax error at end of input",
            (1, 22),
            None,
            "expected an expression",
        ),
        (
            "SELECT INTERVAL 10",
            "syntax error at end of input",
            (1, 19),
            None,
            "a unit",
        ),
        (
            "SELECT a,\n  é, FROM t",
            "syntax error at or near \"FROM\"",
            (2, 6),
            Some("FROM"),
            "remove the comma before FROM",
        ),
        (
            "SHOW -",
            "syntax error at or near \"-\"",
            (1, 6),
            Some("-"),
            "SHOW STREAMS",
        ),
        (
            "SELECT (1",
            "syntax error at end of input",
            (1, 10),
            None,
            "expected )",
        ),
        (
            "SELECT 'é', 'abc",
            "unterminated quoted string",
            (1, 13),
            None,
            "close it with '",
        ),
        (
            "SELECT \"abc",
            "unterminated quoted identifier",
            (1, 8),
            None,
            "close it with \"",
        ),
        (
            "SELECT /* abc",
            "unterminated /* comment",
            (1, 14),
            None,
            "*/",
        ),
        (
            "SELECT $$abc",
            "unterminated dollar-quoted string",
            (1, 13),
            None,
            "$",
        ),
        (
            "SELECT 1 EMIT FINAL",
            "EMIT is a clause of CREATE TABLE … AS",
            (1, 10),
            Some("EMIT"),
            "CREATE TABLE",
        ),
        (
            "SELECT 1 EMIT CHANGES",
            "EMIT CHANGES is not supported",
            (1, 10),
            Some("EMIT CHANGES"),
            "__live",
        ),
    ]);
}

#[test]
fn streams() {
    check(&[
        (
            "CREATE STREAM",
            "syntax error at end of input",
            (1, 14),
            None,
            "write CREATE STREAM name",
        ),
        (
            "CREATE STREAM WITH (a = 1)",
            "syntax error at or near \"WITH\"",
            (1, 15),
            Some("WITH"),
            "write CREATE STREAM name",
        ),
        (
            "CREATE STREAM x (a INT)",
            "syntax error at end of input",
            (1, 24),
            None,
            "needs WITH (connector",
        ),
        (
            "CREATE STREAM x (a INT,) WITH (c = 1)",
            "syntax error at or near \")\"",
            (1, 24),
            Some(")"),
            "remove the comma",
        ),
        (
            "CREATE STREAM x (a INT) WITH (c = 1,)",
            "syntax error at or near \")\"",
            (1, 37),
            Some(")"),
            "remove the comma",
        ),
        (
            "CREATE STREAM x (a INT) WITH (c 1)",
            "syntax error at or near \"1\"",
            (1, 33),
            Some("1"),
            "write c = 'value'",
        ),
        (
            "CREATE STREAM x (a INT) WITH (c = a.b)",
            "syntax error at or near \".\"",
            (1, 36),
            Some("."),
            "single quotes",
        ),
        (
            "CREATE STREAM x (a INT) WITH (c = NULL)",
            "syntax error at or near \"NULL\"",
            (1, 35),
            Some("NULL"),
            "single quotes",
        ),
        (
            "CREATE STREAM x (a INT) WITH (topic = 'a', 'topic' = 'b')",
            "option \"topic\" is given more than once",
            (1, 44),
            Some("topic"),
            "keep one",
        ),
        (
            "CREATE STREAM x (a INT) WITH (brokers = 'a', bootstrap_servers = 'b')",
            "option \"bootstrap_servers\" is given more than once",
            (1, 46),
            Some("bootstrap_servers"),
            "keep one",
        ),
        (
            "CREATE STREAM x (a INT,\n  WATERMARK FOR a) WITH (c = 1)",
            "syntax error at or near \")\"",
            (2, 18),
            Some(")"),
            "WATERMARK FOR ts AS ts -",
        ),
        (
            "CREATE STREAM x (a INT,\n  WATERMARK FOR a AS) WITH (c = 1)",
            "syntax error at or near \")\"",
            (2, 21),
            Some(")"),
            "WATERMARK FOR ts AS ts -",
        ),
        (
            "CREATE STREAM x (a INT, WATERMARK FOR a AS a, WATERMARK FOR a AS a) WITH (c = 1)",
            "multiple watermarks are not allowed",
            (1, 47),
            Some("WATERMARK"),
            "one event time",
        ),
        (
            "CREATE STREAM x (a, b INT) WITH (c = 1)",
            "syntax error at or near \",\"",
            (1, 19),
            Some(","),
            "name TYPE",
        ),
        (
            "CREATE STREAM x (a NOT NULL) WITH (c = 1)",
            "syntax error at or near \"NOT\"",
            (1, 20),
            Some("NOT"),
            "name TYPE",
        ),
        (
            "CREATE STREAM x (a TIMESTMPTZ) WITH (c = 1)",
            "type \"timestmptz\" does not exist",
            (1, 20),
            Some("TIMESTMPTZ"),
            "did you mean TIMESTAMPTZ?",
        ),
        (
            "CREATE STREAM x (a blob_thing) WITH (c = 1)",
            "type \"blob_thing\" does not exist",
            (1, 20),
            Some("blob_thing"),
            "types are",
        ),
        (
            "CREATE STREAM x (a INT, a TEXT) WITH (c = 1)",
            "column \"a\" specified more than once",
            (1, 25),
            Some("a"),
            "name of its own",
        ),
        (
            "CREATE STREAM x (a INT PRIMARY KEY) WITH (c = 1)",
            "column constraint PRIMARY is not supported",
            (1, 24),
            Some("PRIMARY"),
            "name TYPE",
        ),
        (
            "CREATE STREAM x (PRIMARY KEY (a)) WITH (c = 1)",
            "PRIMARY KEY is not supported",
            (1, 18),
            Some("PRIMARY"),
            "no key",
        ),
        (
            "CREATE STREAM x (a STRUCT<b INT) WITH (c = 1)",
            "syntax error at or near \")\"",
            (1, 32),
            Some(")"),
            "close the type with >",
        ),
        (
            "CREATE STREAM x (a ARRAY<INT>>) WITH (c = 1)",
            "syntax error at or near \">>\"",
            (1, 29),
            Some(">>"),
            "one > too many",
        ),
        (
            "CREATE STREAM x AS SELECT 1",
            "syntax error at or near \"AS\"",
            (1, 17),
            Some("AS"),
            "CREATE TABLE name AS SELECT",
        ),
        (
            "CREATE STREAM x WITH (c = 1) AS SELECT 1",
            "syntax error at or near \"AS\"",
            (1, 30),
            Some("AS"),
            "CREATE TABLE name AS SELECT",
        ),
        (
            "CREATE STREAM x WITH (c = 1) foo",
            "syntax error at or near \"foo\"",
            (1, 30),
            Some("foo"),
            "ends after WITH",
        ),
        (
            "CREATE STREAM x WITH (c = 1) FORMAT UPSERT ENCODE JSON",
            "only FORMAT PLAIN is supported",
            (1, 37),
            None,
            "FORMAT PLAIN ENCODE JSON",
        ),
        (
            "CREATE STREAM \"\" WITH (c = 1)",
            "zero-length delimited identifier",
            (1, 15),
            Some("\"\""),
            "CREATE STREAM name",
        ),
    ]);
}

#[test]
fn tables() {
    check(&[
        (
            "CREATE TABLE x AS SELECT 1 AS a PARTITIONED BY (a)",
            "PARTITIONED BY must stand before AS",
            (1, 33),
            Some("PARTITIONED"),
            "the order is",
        ),
        (
            "CREATE TABLE x AS SELECT a FROM t WITH (b = 1)",
            "WITH (…) cannot follow a relation",
            (1, 41),
            Some("WITH"),
            "the order is",
        ),
        (
            "CREATE TABLE x AS SELECT a FROM t LIMIT 1 WITH (b = 1)",
            "WITH must stand before AS",
            (1, 43),
            Some("WITH"),
            "the order is",
        ),
        (
            "CREATE TABLE x WITH (b = 1) PARTITIONED BY (a) AS SELECT 1",
            "PARTITIONED BY must stand before WITH",
            (1, 29),
            Some("PARTITIONED"),
            "the order is",
        ),
        (
            "CREATE TABLE x PARTITION BY (a) AS SELECT 1",
            "syntax error at or near \"PARTITION\"",
            (1, 16),
            Some("PARTITION"),
            "PARTITIONED BY",
        ),
        (
            "CREATE TABLE x PARTITIONED (a) AS SELECT 1",
            "syntax error at or near \"(\"",
            (1, 28),
            Some("("),
            "PARTITIONED BY",
        ),
        (
            "CREATE TABLE x PARTITIONED BY (a,) AS SELECT 1",
            "syntax error at or near \")\"",
            (1, 34),
            Some(")"),
            "remove the comma",
        ),
        (
            "CREATE TABLE x PARTITIONED BY (days(ts)) AS SELECT 1",
            "partition transforms are not supported",
            (1, 32),
            Some("days"),
            "derived",
        ),
        (
            "CREATE TABLE x PARTITIONED BY (a, a) AS SELECT 1",
            "column \"a\" specified more than once",
            (1, 35),
            Some("a"),
            "once",
        ),
        (
            "CREATE TABLE x AS",
            "syntax error at end of input",
            (1, 18),
            None,
            "write a query after AS",
        ),
        (
            "CREATE TABLE x",
            "syntax error at end of input",
            (1, 15),
            None,
            "AS SELECT",
        ),
        (
            "CREATE TABLE x USING parquet AS SELECT 1",
            "tables are Delta tables",
            (1, 22),
            Some("parquet"),
            "USING delta",
        ),
        (
            "CREATE TABLE x (a INT, WATERMARK FOR a AS a) AS SELECT 1",
            "a table has no watermark",
            (1, 38),
            Some("WATERMARK"),
            "on the stream",
        ),
        (
            "CREATE VIEW x WITH (a = 1) AS SELECT 1",
            "a view has no options",
            (1, 15),
            Some("WITH"),
            "stream",
        ),
        (
            "CREATE VIEW x SELECT 1",
            "syntax error at or near \"SELECT\"",
            (1, 15),
            Some("SELECT"),
            "AS SELECT",
        ),
        (
            "CREATE VIEW x AS SELECT 1 EMIT FINAL",
            "EMIT is a clause of CREATE TABLE … AS",
            (1, 27),
            Some("EMIT"),
            "leave it out",
        ),
        (
            "CREATE OR REPLACE SCHEMA x",
            "syntax error at or near \"SCHEMA\"",
            (1, 19),
            Some("SCHEMA"),
            "CREATE SCHEMA",
        ),
    ]);
}

#[test]
fn windows() {
    check(&[
        (
            "SELECT *\nFROM TUMBLE(events, ts)",
            "TUMBLE: takes 3 to 4 arguments; \"size\" is missing",
            (2, 6),
            Some("TUMBLE"),
            "write TUMBLE(",
        ),
        (
            "SELECT * FROM TUMBLE(events, ts, '1m', '1m', '1m')",
            "TUMBLE: takes 3 to 4 arguments, not 5",
            (1, 15),
            Some("TUMBLE"),
            "write TUMBLE(",
        ),
        (
            "SELECT * FROM TUMBLE(events, ts, a)",
            "TUMBLE: size must be a literal interval",
            (1, 34),
            Some("TUMBLE"),
            "INTERVAL '1 minute'",
        ),
        (
            "SELECT * FROM TUMBLE(events, ts, INTERVAL '0 minutes')",
            "TUMBLE: size must be longer than nothing",
            (1, 34),
            Some("TUMBLE"),
            "INTERVAL '1 minute'",
        ),
        (
            "SELECT * FROM TUMBLE(events, ts, '-1 minutes')",
            "TUMBLE: size must be longer than nothing",
            (1, 34),
            Some("TUMBLE"),
            "INTERVAL '1 minute'",
        ),
        (
            "SELECT * FROM TUMBLE(events, to_timestamp(ts), '1m')",
            "TUMBLE: the time argument must be a column",
            (1, 30),
            Some("TUMBLE"),
            "subquery",
        ),
        (
            "SELECT * FROM TUMBLE(1, ts, '1m')",
            "TUMBLE: the first argument must be a relation or a subquery",
            (1, 22),
            Some("TUMBLE"),
            "write TUMBLE(",
        ),
        (
            "SELECT * FROM TUMBLE(data => e, time => ts, size => '1m')",
            "TUMBLE: has no argument \"time\"",
            (1, 33),
            Some("time"),
            "data, timecol, size, offset",
        ),
        (
            "SELECT * FROM TUMBLE(data => e, data => ts, size => '1m')",
            "TUMBLE: an argument is given more than once",
            (1, 41),
            Some("TUMBLE"),
            "write TUMBLE(",
        ),
        (
            "SELECT * FROM HOP(events, ts, '1m')",
            "HOP: takes 4 to 5 arguments; \"size\" is missing",
            (1, 15),
            Some("HOP"),
            "the slide comes first",
        ),
        (
            "SELECT count(*) FROM e GROUP BY window(ts + 1, '1m')",
            "the time argument of a window must be a column",
            (1, 40),
            Some("window"),
            "subquery",
        ),
        (
            "SELECT count(*) FROM e GROUP BY window(ts, x)",
            "TUMBLE: size must be a literal interval",
            (1, 44),
            Some("TUMBLE"),
            "INTERVAL",
        ),
        (
            "SELECT window(ts, '1m') FROM e GROUP BY window(ts, '2m')",
            "a query groups by one window",
            (1, 8),
            Some("window"),
            "the same window",
        ),
        (
            "SELECT 1 FROM a, b GROUP BY window(ts, '2m')",
            "it is not clear which relation the window's time column belongs to",
            (1, 29),
            Some("window"),
            "qualify",
        ),
        (
            "SELECT 1 GROUP BY window(ts, '2m')",
            "a window needs a relation",
            (1, 19),
            Some("window"),
            "FROM",
        ),
        (
            "SELECT 1 FROM TUMBLE(e, ts, '1m') GROUP BY window(ts, '2m')",
            "the relation is windowed already",
            (1, 44),
            Some("window"),
            "window_start",
        ),
        (
            "SELECT * FROM e WATERMARK ts DELAY OF 10",
            "the delay of a WATERMARK needs a unit",
            (1, 39),
            Some("10"),
            "DELAY OF INTERVAL",
        ),
        (
            "SELECT \"a\\\"\"b\" FROM t",
            "a quoted identifier cannot contain two double quotes in a row, or one after a backslash",
            (1, 8),
            Some("a\\\"b"),
            "another name",
        ),
        (
            "SELECT * FROM e WATERMARK DELAY OF INTERVAL 1 SECOND",
            "WATERMARK needs a time column and a delay",
            (1, 17),
            Some("WATERMARK"),
            "DELAY OF INTERVAL",
        ),
        (
            "SELECT p95(x), approx_percentile(x, 95) FROM t",
            "approx_percentile: the fraction must be between 0 and 1",
            (1, 37),
            Some("95"),
            "0.95",
        ),
        (
            "SELECT approx_percentile(x) FROM t",
            "approx_percentile: takes an expression and a fraction",
            (1, 8),
            Some("approx_percentile"),
            "0.95",
        ),
        (
            "SELECT approx_percentile(0.9) WITHIN GROUP (ORDER BY x DESC) FROM t",
            "approx_percentile: ORDER BY … DESC is not supported",
            (1, 8),
            Some("approx_percentile"),
            "turn the fraction",
        ),
        (
            "SELECT from_json(v, 'a STRNG') FROM t",
            "schema of from_json: type \"strng\" does not exist",
            (1, 21),
            Some("STRNG"),
            "did you mean STRING?",
        ),
        (
            "SELECT f(x).* FROM t",
            "cannot expand .*: the fields are not known here",
            (1, 8),
            Some(".*"),
            "from_json",
        ),
    ]);
}

#[test]
fn too_long() {
    let error = parse(&" ".repeat(MAX_TEXT_BYTES + 1)).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::TooLong);
    assert_eq!((error.line, error.column, error.offset), (1, 1, 0));
}

#[test]
fn kinds() {
    for (text, kind) in [
        ("SELECT a FROM", ParseErrorKind::Syntax),
        ("SELECT 1 EMIT CHANGES", ParseErrorKind::Unsupported),
        (
            "CREATE STREAM x (a INT UNIQUE) WITH (c = 1)",
            ParseErrorKind::Unsupported,
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().kind, kind, "{text}");
    }
}
