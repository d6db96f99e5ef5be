//! What is planned, and what is refused with which words.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use sluice_sql::ast::Ident;

use crate::{PlanErrorKind, TargetDefinition, WatermarkDefinition, check_watermark, testing::*};

/// Queries that are refused: a part of the message, and a part of the hint. Every message speaks of something that stands in the query.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "SELECT kind, count(*) AS n FROM events GROUP BY kind",
        "needs unbounded state",
        "TUMBLE(events",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM bare), ts, INTERVAL '1 minute') GROUP BY window_start",
        "has no watermark",
        "WATERMARK FOR \"ts\"",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT *, ts + INTERVAL '1 hour' AS later FROM events), later, INTERVAL '1 minute') GROUP BY window_start",
        "column \"later\" has no watermark",
        "TUMBLE(…, \"ts\", …)",
    ),
    (
        "SELECT kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY kind",
        "without window_start or window_end",
        "add window_start",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '0 minutes') GROUP BY window_start",
        "must be above zero",
        "",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 month 3 days') GROUP BY window_start",
        "mixes months with days",
        "INTERVAL '1 month'",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 month', INTERVAL '1 day') GROUP BY window_start",
        "takes no offset",
        "leave the offset out",
    ),
    (
        "SELECT window_start, count(*) AS n FROM HOP((SELECT * FROM events), ts, INTERVAL '1 month', INTERVAL '2 months') GROUP BY window_start",
        "the slide of HOP is an interval of fixed length",
        "for the size of TUMBLE alone",
    ),
    (
        "SELECT window_start, count(*) AS n FROM HOP((SELECT * FROM events), ts, INTERVAL '10 minutes', INTERVAL '5 minutes') GROUP BY window_start",
        "the slide of HOP, 10 minutes, is larger than its size, 5 minutes",
        "the slide comes first",
    ),
    (
        "SELECT window_start, count(*) AS n FROM HOP((SELECT * FROM events), ts, INTERVAL '1 second', INTERVAL '1 day') GROUP BY window_start",
        "86400 panes, more than 1000",
        "larger common divisor",
    ),
    (
        "SELECT window_start, count(*) AS n FROM CUMULATE((SELECT * FROM events), ts, INTERVAL '7 minutes', INTERVAL '1 hour') GROUP BY window_start",
        "is not a multiple of its step",
        "the step comes first",
    ),
    (
        "SELECT window_start, count(*) AS n FROM CUMULATE((SELECT * FROM events), ts, INTERVAL '5 minutes', INTERVAL '1 hour') GROUP BY window_start",
        "without window_end",
        "add window_end",
    ),
    (
        "SELECT window_start, window_end, count(*) AS n FROM HOP((SELECT * FROM events), ts, INTERVAL '5 minutes', INTERVAL '1 hour') WHERE window_start > '2020-01-01' GROUP BY window_start, window_end",
        "can only be grouped by before the aggregation",
        "HAVING",
    ),
    (
        "SELECT window_end, max(window_start) AS n FROM HOP((SELECT * FROM events), ts, INTERVAL '5 minutes', INTERVAL '1 hour') GROUP BY window_end",
        "can only be grouped by before the aggregation",
        "HAVING",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT value FROM (SELECT window_start, value FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')) AS w), value, INTERVAL '1 hour') GROUP BY window_start",
        "is of type Float64, not a timestamp",
        "CAST",
    ),
    (
        "SELECT window_start, sum(n) AS n FROM TUMBLE((SELECT ts, n FROM (SELECT max(ts) AS ts, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start) AS w), ts, INTERVAL '1 hour') GROUP BY window_start",
        "column \"ts\" has no watermark",
        "select window_time in the subquery",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM HOP((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '2 minutes')), window_time, INTERVAL '1 hour') GROUP BY window_start",
        "a window over a window",
        "group by the inner window first",
    ),
    (
        "SELECT window_start, kind FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute')",
        "SESSION without GROUP BY",
        "GROUP BY window_start, window_end, key",
    ),
    (
        "SELECT window_start, sum(n) AS n FROM TUMBLE((SELECT window_start, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start), window_start, INTERVAL '1 hour') GROUP BY window_start",
        "the start of a session cannot be the time",
        "use window_time",
    ),
    (
        "SELECT window_start, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 month') GROUP BY window_start",
        "the gap of SESSION is an interval of fixed length",
        "",
    ),
    (
        "SELECT window_start, kind FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', partition_by(kind))",
        "SESSION without GROUP BY",
        "GROUP BY window_start, window_end, key",
    ),
    (
        "SELECT window_start, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', partition_by(kind)) GROUP BY window_start",
        "would add up sessions that end apart",
        "add window_end",
    ),
    (
        "SELECT window_start, window_end, kind, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', partition_by(kind)) WHERE value > 0 GROUP BY window_start, window_end, kind",
        "WHERE over SESSION with PARTITION BY",
        "SESSION((SELECT * FROM … WHERE …) PARTITION BY …)",
    ),
    (
        "SELECT window_end, v, count(*) AS n FROM (SELECT window_end, unnest(make_array(kind)) AS v FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', partition_by(kind))) AS w GROUP BY window_end, v",
        "not supported between SESSION with PARTITION BY and GROUP BY",
        "SESSION((SELECT …) PARTITION BY …)",
    ),
    (
        "SELECT window_start, window_end, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', partition_by(nobody)) GROUP BY window_start, window_end",
        "nobody",
        "",
    ),
    (
        "SELECT window_start, window_end, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '30 seconds') GROUP BY window_start, window_end",
        "the maximum length of SESSION, 30 seconds, is shorter than its gap, 1 minute",
        "the gap comes first",
    ),
    (
        "SELECT window_start, window_end, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '0 seconds') GROUP BY window_start, window_end",
        "the maximum length of SESSION must be above zero",
        "INTERVAL '1 hour'",
    ),
    (
        "SELECT window_start, window_end, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '-1 hour') GROUP BY window_start, window_end",
        "the maximum length of SESSION must be above zero",
        "INTERVAL '1 hour'",
    ),
    (
        "SELECT window_start, window_end, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '1 month') GROUP BY window_start, window_end",
        "the maximum length of SESSION is an interval of fixed length",
        "such as INTERVAL '1 minute'",
    ),
    (
        "SELECT window_start, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '1 hour', INTERVAL '1 hour') GROUP BY window_start",
        "SESSION takes 3 or 4 arguments, not 5",
        "max_length",
    ),
    (
        "SELECT DISTINCT kind FROM events",
        "SELECT DISTINCT over a stream without a window",
        "SELECT DISTINCT window_start",
    ),
    (
        "SELECT window_start, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY CUBE (window_start, kind)",
        "a grouping set without the window",
        "GROUP BY window_start, window_end, ROLLUP",
    ),
    (
        "SELECT window_start, approx_percentile(value, 1.5) AS p FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start",
        "0 and 1",
        "",
    ),
    (
        "SELECT window_start, approx_percentile(kind, 0.5) AS p FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start",
        "takes a number",
        "",
    ),
    (
        "SELECT window_start, percentile_cont(value, 1.5) AS p FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start",
        "percentile 1.5 of percentile_cont is not between 0 and 1",
        "0.95",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM WATERMARK((SELECT * FROM WATERMARK((SELECT * FROM bare), ts, INTERVAL '1 second')), ts, INTERVAL '2 seconds')), ts, INTERVAL '1 minute') GROUP BY window_start",
        "one WATERMARK",
        "keep the one nearest",
    ),
    (
        "SELECT kind FROM events ORDER BY kind",
        "ORDER BY has no meaning",
        "leave it out",
    ),
    (
        "SELECT kind FROM events LIMIT 3",
        "LIMIT has no meaning",
        "leave it out",
    ),
    (
        "SELECT kind, now() AS at FROM events",
        "now() cannot be used",
        "event time",
    ),
    (
        "SELECT ts, row_number() OVER (PARTITION BY kind ORDER BY ts) AS n FROM events",
        "looks at the results of a window",
        "aggregate first",
    ),
    (
        "SELECT window_start, kind, rank() OVER (PARTITION BY kind ORDER BY n) AS place FROM (SELECT window_start, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind) AS c",
        "rank() OVER looks at results of several windows",
        "PARTITION BY window_start, window_end",
    ),
    (
        "SELECT window_start, max(n) AS top FROM (SELECT window_start, window_end, kind, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, window_end, kind) AS c GROUP BY window_start",
        "needs the window among its groups",
        "add window_start, window_end",
    ),
    (
        "SELECT kind, max(n) AS top FROM (SELECT window_start, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind) AS c GROUP BY kind",
        "needs the window among its groups",
        "add window_start, window_end",
    ),
    (
        "SELECT ts, kind FROM events UNION ALL SELECT ts, upper(kind) FROM events",
        "stands twice in one continuous query",
        "read it once",
    ),
    (
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start
         UNION ALL SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM clicks), at, INTERVAL '1 minute') GROUP BY window_start",
        "UNION over results of windows",
        "put the streams together first",
    ),
    (
        "SELECT ts, kind FROM events UNION ALL SELECT ts, kind FROM bare",
        "stream \"bare\" has no watermark",
        "WATERMARK FOR",
    ),
    (
        "SELECT ts, kind FROM events UNION ALL SELECT NULL, kind FROM countries",
        "reads table \"countries\"",
        "",
    ),
    ("SELECT upper(kind) FROM events", "has no name", "AS a_name"),
];

#[tokio::test]
async fn what_cannot_run_is_refused_with_what_to_write() {
    let mut wrong = String::new();
    for (sql, message, hint) in REFUSED {
        let Err(error) = plan(sql).await else {
            unreachable!("not refused: {sql}");
        };
        // Columns that exist are a detail.
        let hinted = error.hint.clone().or(error.detail.clone());
        let hinted = hinted.unwrap_or_default();
        let place = sluice_sql::place_of(sql, &error.message);
        let said = error.message.contains(message) && hinted.contains(hint);
        if !said || hinted.is_empty() || place.is_none() {
            wrong += &format!("{sql}\n{error}, at {place:?}; {hinted}\n\n");
        }
    }
    assert_eq!(wrong, "");
}

fn by_day() -> TargetDefinition {
    TargetDefinition {
        partitioned_by: vec![
            ("date".to_owned(), Some(DataType::Date32)),
            ("hour".to_owned(), Some(DataType::Int32)),
        ],
        ..target()
    }
}

#[tokio::test]
async fn partition_columns_follow_from_the_window_its_zone_or_event_time() {
    let derived = async |sql: &str| plan_into(sql, &by_day()).await.unwrap().derived_partitions;
    assert_eq!(
        derived("SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 day') GROUP BY window_start").await,
        [
            "date = CAST(window_start AS DATE)",
            "hour = EXTRACT(hour FROM window_start)"
        ]
    );
    assert_eq!(
        derived("SELECT kind, value FROM events").await,
        ["date = CAST(ts AS DATE)", "hour = EXTRACT(hour FROM ts)"]
    );
    let error = plan_into("SELECT kind, value FROM bare", &by_day())
        .await
        .unwrap_err();
    assert_eq!(error.kind, PlanErrorKind::UndefinedColumn);
    assert!(error.hint.unwrap().contains("WATERMARK FOR"));
}

#[test]
fn a_watermark_follows_its_column() {
    let schema = DFSchema::try_from(events().columns.as_ref().clone()).unwrap();
    let check = |sql: &str| {
        let definition = WatermarkDefinition {
            column: Ident::new("ts"),
            expr: expr(sql),
        };
        check_watermark(&session(), &definition, &schema)
    };
    for sql in [
        "ts",
        "ts - INTERVAL '10 seconds'",
        "INTERVAL '-1 minute' + ts",
        "date_trunc('minute', ts) - INTERVAL '1 minute'",
        "least(ts - INTERVAL '1 second', TIMESTAMPTZ '2030-01-01')",
    ] {
        assert!(check(sql).is_ok(), "{sql}: {:?}", check(sql));
    }
    for sql in [
        "_timestamp",
        "TIMESTAMPTZ '2030-01-01'",
        "TIMESTAMPTZ '2030-01-01' + (TIMESTAMPTZ '2030-01-01' - ts)",
        "ts - value * INTERVAL '1 second'",
        "CASE WHEN kind = 'a' THEN ts ELSE ts - INTERVAL '1 hour' END",
        "least(ts, now())",
    ] {
        let error = check(sql).unwrap_err();
        assert!(
            error.message.contains("WATERMARK FOR ts does not rise"),
            "{sql}: {error}"
        );
        assert!(error.hint.unwrap().contains("WATERMARK FOR ts"));
    }
    let error = check("ts - kind * INTERVAL '1 second'").unwrap_err();
    assert!(error.hint.unwrap().contains("WATERMARK FOR ts"));
}
