//! Every refusal: its text, its place, its hint.

mod tables;
mod windows;

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
            "REPLAY",
            "syntax error at end of input",
            (1, 7),
            None,
            "REPLAY stream__dead_letter",
        ),
        (
            "REPLAY events__dead_letter SINCE '2026-01-01'",
            "syntax error at or near \"SINCE\"",
            (1, 28),
            Some("SINCE"),
            "WHERE condition",
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
            "EXPLAIN (FORMAT yaml) SELECT 1",
            "EXPLAIN option FORMAT is not supported",
            (1, 10),
            Some("FORMAT"),
            "EXPLAIN",
        ),
        (
            "DESCRIBE HISTORY x LIMIT many",
            "syntax error at or near \"many\"",
            (1, 26),
            Some("many"),
            "DESCRIBE HISTORY name LIMIT n",
        ),
        (
            "OPTIMIZE x ZORDER BY (a)",
            "OPTIMIZE … ZORDER is not supported",
            (1, 12),
            Some("ZORDER"),
            "sorted by the columns",
        ),
        (
            "OPTIMIZE x WHERE",
            "syntax error at end of input",
            (1, 17),
            None,
            "OPTIMIZE name",
        ),
        (
            "VACUUM x RETAIN soon",
            "syntax error at or near \"soon\"",
            (1, 17),
            Some("soon"),
            "RETAIN n HOURS",
        ),
        (
            "VACUUM x RETAIN 1e30 HOURS",
            "RETAIN cannot be 1e30 HOURS",
            (1, 17),
            Some("1e30"),
            "from 0 to 876600",
        ),
        (
            "VACUUM x RETAIN 2 DAYS",
            "syntax error at or near \"DAYS\"",
            (1, 19),
            Some("DAYS"),
            "RETAIN n HOURS",
        ),
        (
            "VACUUM FULL x",
            "VACUUM takes no such option",
            (1, 8),
            Some("FULL"),
            "VACUUM name",
        ),
        (
            "VACUUM (FULL, ANALYZE) x",
            "VACUUM takes no such option",
            (1, 9),
            Some("FULL"),
            "VACUUM name",
        ),
        (
            "ANALYZE (QUICKLY) x",
            "unrecognized VACUUM option \"quickly\"",
            (1, 10),
            Some("quickly"),
            "ANALYZE [VERBOSE]",
        ),
        (
            "ANALYZE x y",
            "syntax error at or near \"y\"",
            (1, 11),
            Some("y"),
            "ANALYZE [VERBOSE]",
        ),
        (
            "SUBSCRIBE SELECT a FROM x",
            "syntax error at or near \"SELECT\"",
            (1, 11),
            Some("SELECT"),
            "SUBSCRIBE (SELECT …)",
        ),
        (
            "SUBSCRIBE x WITH (up_to = 3)",
            "SUBSCRIBE has the options snapshot and progress",
            (1, 19),
            Some("up_to"),
            "progress = true",
        ),
        (
            "SUBSCRIBE x WITH (snapshot = 3)",
            "syntax error at or near \"3\"",
            (1, 30),
            Some("3"),
            "true or false",
        ),
        (
            "SUBSCRIBE x AS OF 5",
            "syntax error at or near \"5\"",
            (1, 19),
            Some("5"),
            "AS OF 'token'",
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
