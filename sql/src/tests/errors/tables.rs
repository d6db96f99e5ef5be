//! Refusals of CREATE TABLE, VIEW and SCHEMA.

use super::check;

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
