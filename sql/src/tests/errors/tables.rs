//! Refusals of CREATE TABLE, VIEW and SCHEMA.

use super::check;

#[test]
fn filled_windows() {
    check(&[
        (
            "CREATE TABLE x AS SELECT 1\nEMIT ON WINDOW CLOSE FIL NULL",
            "syntax error at or near \"FIL\"",
            (2, 22),
            Some("FIL"),
            "did you mean FILL?",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL NULLS",
            "syntax error at or near \"NULLS\"",
            (1, 54),
            Some("NULLS"),
            "did you mean NULL?",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT FINAL FILL PREVIUS",
            "syntax error at or near \"PREVIUS\"",
            (1, 44),
            Some("PREVIUS"),
            "did you mean PREVIOUS?",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL",
            "syntax error at end of input",
            (1, 53),
            None,
            "FILL NULL, FILL 0 or FILL PREVIOUS",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL 7",
            "FILL 7 is not supported",
            (1, 54),
            Some("7"),
            "coalesce()",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL(LINEAR)",
            "FILL LINEAR is not supported",
            (1, 54),
            Some("LINEAR"),
            "FILL PREVIOUS",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL (NULL",
            "syntax error at end of input",
            (1, 59),
            None,
            "FILL NULL",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL NULL FOR 0 WINDOWS",
            "a key is filled for 1 to 100000 windows, not 0",
            (1, 63),
            Some("0"),
            "FOR 10 WINDOWS",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL NULL FOR 100001 WINDOWS",
            "a key is filled for 1 to 100000 windows, not 100001",
            (1, 63),
            Some("100001"),
            "FOR 10 WINDOWS",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL NULL FOR INTERVAL '1 hour'",
            "syntax error at or near \"INTERVAL\"",
            (1, 63),
            Some("INTERVAL"),
            "FOR counts windows",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL NULL FOR 10 WINDWS",
            "syntax error at or near \"WINDWS\"",
            (1, 66),
            Some("WINDWS"),
            "did you mean WINDOWS?",
        ),
        (
            "CREATE TABLE x AS SELECT 1 EMIT ON WINDOW CLOSE FILL NULL FRO 10 WINDOWS",
            "syntax error at or near \"FRO\"",
            (1, 59),
            Some("FRO"),
            "did you mean FOR?",
        ),
        (
            "CREATE TABLE x AS SELECT a, count(*) AS n FROM t GROUP BY a FILL NULL",
            "syntax error at or near \"FILL\"",
            (1, 61),
            Some("FILL"),
            "EMIT ON WINDOW CLOSE",
        ),
        (
            "SELECT 1 EMIT ON WINDOW CLOSE FILL NULL",
            "EMIT is a clause of CREATE TABLE … AS",
            (1, 10),
            Some("EMIT"),
            "CREATE TABLE",
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
fn what_tables_of_a_session_alone_cannot_have() {
    for (text, message) in [
        (
            "CREATE UNLOGGED TABLE t (a INT)",
            "UNLOGGED tables are not supported",
        ),
        (
            "CREATE TEMP TABLE t (a INT) PARTITIONED BY (a)",
            "a temporary table takes no PARTITIONED BY",
        ),
        (
            "CREATE TEMP TABLE t WITH (history = '1 day') AS SELECT 1 AS a",
            "a temporary table takes no WITH",
        ),
        (
            "CREATE TEMP TABLE t (a INT) ON COMMIT KEEP",
            "syntax error at or near \"KEEP\"",
        ),
        (
            "SELECT 1 AS a INTO UNLOGGED t",
            "UNLOGGED tables are not supported",
        ),
        (
            "CREATE TEMP TABLE t AS SELECT 1 AS a EMIT ON WINDOW CLOSE",
            "EMIT is a clause of CREATE TABLE … AS",
        ),
    ] {
        let error = crate::parse(text).unwrap_err();
        assert_eq!(error.message, message, "{text}");
    }
}
