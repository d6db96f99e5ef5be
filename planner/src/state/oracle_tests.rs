//! The oracle: whatever the splits, the order, the epochs and the restarts, a stream ends with the rows that a batch run of the same SQL
//! gives over the rows that were not late.
//!
//! What is late, dead or dropped is decided here a second time, by a model of forty plain lines that knows nothing of the engine.
//!
//! long because its queries stand in it, each beside the model of its windows.

#![expect(
    clippy::unwrap_used,
    clippy::single_range_in_vec_init,
    reason = "tests; a row may be in one window"
)]

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Float64Type, Schema},
    util::display::array_value_to_string,
};
use proptest::{prelude::*, strategy::ValueTree as _};
use tokio::runtime::Runtime;

use crate::{ContinuousPlan, ContinuousQuery, RowCounts, SplitInput, StateSnapshot, testing::*};

/// A query's WHERE.
type Keeps = fn(&Event) -> bool;

/// The windows of a time.
type WindowsOf = fn(i64) -> Vec<Range<i64>>;

/// A query, the WHERE that the model applies, and the windows its rows are in.
struct Query {
    sql: &'static str,
    keeps: Keeps,
    windows: WindowsOf,
    /// Its sessions, if it has any over the stream's rows.
    sessions: Option<Sessions>,
}

/// Sessions of a query, in seconds.
#[derive(Clone, Copy)]
struct Sessions {
    gap: i64,
    /// Their maximum length.
    most: Option<i64>,
    key: KeyOf,
}

const fn sessions(gap: i64, key: KeyOf) -> Option<Sessions> {
    Some(Sessions {
        gap,
        most: None,
        key,
    })
}

const fn cut(gap: i64, most: i64, key: KeyOf) -> Option<Sessions> {
    Some(Sessions {
        gap,
        most: Some(most),
        key,
    })
}

/// The key of a session.
type KeyOf = fn(&Event) -> Option<&'static str>;

fn tumble<const SIZE: i64, const OFFSET: i64>(ts: i64) -> Vec<Range<i64>> {
    let start = (ts - OFFSET * SECOND).div_euclid(SIZE * SECOND) * SIZE * SECOND + OFFSET * SECOND;
    vec![start..start + SIZE * SECOND]
}

fn hop<const SLIDE: i64, const SIZE: i64>(ts: i64) -> Vec<Range<i64>> {
    let last = ts.div_euclid(SLIDE * SECOND) * SLIDE * SECOND;
    (0..=SIZE / SLIDE)
        .map(|back| last - back * SLIDE * SECOND)
        .map(|start| start..start + SIZE * SECOND)
        .filter(|window| window.contains(&ts))
        .collect()
}

fn cumulate<const STEP: i64, const SIZE: i64>(ts: i64) -> Vec<Range<i64>> {
    let start = ts.div_euclid(SIZE * SECOND) * SIZE * SECOND;
    (1..=SIZE / STEP)
        .map(|steps| start..start + steps * STEP * SECOND)
        .filter(|window| window.contains(&ts))
        .collect()
}

/// Without windows nothing is ever late.
fn never(_: i64) -> Vec<Range<i64>> {
    vec![i64::MIN..i64::MAX]
}

fn alone<const GAP: i64>(ts: i64) -> Vec<Range<i64>> {
    vec![ts..ts + GAP * SECOND]
}

const QUERIES: [Query; 54] = [
    Query {
        sql: "SELECT window_start, kind, approx_percentile_cont_with_weight(value, CAST(abs(value) * 5 AS BIGINT), 0.3) AS low,
         approx_percentile_cont_with_weight(value, 1, ARRAY[0.5, 1]) AS high, any_value(kind) AS any_kind, nth_value(value, 2 ORDER BY ts, value) AS second
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_end, kind, approx_percentile_cont_with_weight(value, CAST(abs(value) * 9 AS BIGINT), 0.7) AS high, approx_percentile(value, 0.5) AS middle
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '4 seconds') GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: alone::<4>,
        sessions: sessions(4, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, window_end, kind, n, place FROM (
         SELECT window_start, window_end, kind, n, row_number() OVER (PARTITION BY window_start, window_end ORDER BY n DESC, kind) AS place FROM (
         SELECT window_start, window_end, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, window_end, kind) AS c) AS r
         WHERE place <= 2",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_end, max(n) AS top, count(*) AS kinds, sum(n) AS n FROM (
         SELECT window_start, window_end, kind, count(*) AS n FROM HOP((SELECT * FROM events), ts, INTERVAL '10 seconds', INTERVAL '30 seconds')
         GROUP BY window_start, window_end, kind) AS c GROUP BY window_end",
        keeps: |_| true,
        windows: hop::<10, 30>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_end, count(*) AS sessions, sum(n) AS n, min(window_start) AS earliest FROM (
         SELECT window_start, window_end, kind, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '2 seconds')
         GROUP BY window_start, window_end, kind) AS c GROUP BY window_end",
        keeps: |_| true,
        windows: alone::<2>,
        sessions: sessions(2, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, sum(top) AS tops, sum(share) AS shares FROM TUMBLE((
         SELECT window_time, max(n) AS top, max(share) AS share FROM (
         SELECT window_time, kind, n, n * 100 / sum(n) OVER (PARTITION BY window_time) AS share FROM (
         SELECT window_time, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_time, kind) AS c) AS d
         GROUP BY window_time), window_time, INTERVAL '1 minute') GROUP BY window_start",
        keeps: |_| true,
        windows: tumble::<10, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, kind, first_value(value ORDER BY ts, value) AS open, last_value(value ORDER BY ts, value) AS close,
         array_agg(value ORDER BY value DESC) AS all_values, count(*) AS n
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_end, string_agg(kind, '' ORDER BY kind) AS kinds, first_value(kind ORDER BY ts DESC, kind) AS newest
         FROM HOP((SELECT * FROM events), ts, INTERVAL '20 seconds', INTERVAL '1 minute') GROUP BY window_start, window_end",
        keeps: |_| true,
        windows: hop::<20, 60>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_end, kind, first_value(value ORDER BY ts, value) AS first, array_agg(ts ORDER BY ts) AS times
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '2 seconds') GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: alone::<2>,
        sessions: sessions(2, |event| event.kind),
    },

    Query {
        sql: "SELECT window_start, window_end, kind, value > 0 AS positive, count(*) AS n, grouping(kind) AS every
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, window_end, ROLLUP (kind, value > 0)",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_end, kind, value > 0 AS positive, sum(value) AS total, grouping(kind) AS any_kind, grouping(value > 0) AS any_sign
         FROM HOP((SELECT * FROM events), ts, INTERVAL '20 seconds', INTERVAL '1 minute')
         GROUP BY GROUPING SETS ((window_end, kind), (window_end, value > 0), (window_end))",
        keeps: |_| true,
        windows: hop::<20, 60>,
        sessions: None,
    },

    Query {
        sql: "SELECT DISTINCT window_end, upper(kind) AS kind FROM HOP((SELECT * FROM events), ts, INTERVAL '10 seconds', INTERVAL '30 seconds')",
        keeps: |_| true,
        windows: hop::<10, 30>,
        sessions: None,
    },

    Query {
        sql: "SELECT date_trunc('minute', ts) AS minute, kind, count(*) AS n FROM events GROUP BY date_trunc('minute', ts), kind HAVING count(*) > 0",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT date_bin(INTERVAL '20 seconds', ts, TIMESTAMP '2020-01-01T00:00:07Z') AS at, sum(value) AS total FROM events WHERE value > -50 GROUP BY 1",
        keeps: |event| event.value.is_some_and(|value| value > -50.0),
        windows: tumble::<20, 7>,
        sessions: None,
    },
    Query {
        sql: "SELECT day, kind, count(*) AS n FROM (SELECT date_trunc('day', ts) AS day, kind FROM events) AS e GROUP BY day, kind",
        keeps: |_| true,
        windows: tumble::<86_400, 0>,
        sessions: None,
    },

    Query {
        sql: "SELECT window_start, window_end, kind, count(*) AS n, sum(value) AS total, min(value) AS low, extract(epoch from window_end) - extract(epoch from window_start) AS length
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '2 seconds') GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: alone::<2>,
        sessions: sessions(2, |event| event.kind),
    },
    Query {
        sql: "SELECT window_end, count(*) AS n, stddev(value) AS s, approx_percentile(value, 0.5) AS middle
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 second') WHERE value > -50 GROUP BY window_end",
        keeps: |event| event.value.is_some_and(|value| value > -50.0),
        windows: alone::<1>,
        sessions: sessions(1, |_| None),
    },
    Query {
        sql: "SELECT window_start, window_time, kind, upper(kind) AS big, count(DISTINCT value) AS n
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '15 seconds') GROUP BY window_time, kind, window_start, upper(kind) HAVING count(*) > 1",
        keeps: |_| true,
        windows: alone::<15>,
        sessions: sessions(15, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, window_end, kind, sum(n) AS n, count(*) AS parts FROM SESSION((
         SELECT window_start AS began, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '5 seconds') GROUP BY window_start, kind),
         began, INTERVAL '10 seconds') GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: tumble::<5, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, kind, sum(n) AS n, count(*) AS visits FROM TUMBLE((
         SELECT window_time, kind, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '4 seconds') GROUP BY window_time, kind),
         window_time, INTERVAL '1 minute') GROUP BY window_start, kind",
        keeps: |_| true,
        windows: alone::<4>,
        sessions: sessions(4, |event| event.kind),
    },

    Query {
        sql: "SELECT window_start, window_end, kind, value > 0 AS positive, count(*) AS n, sum(value) AS total, stddev(value) AS s
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '5 seconds', partition_by(kind)) GROUP BY window_start, window_end, kind, value > 0",
        keeps: |_| true,
        windows: alone::<5>,
        sessions: sessions(5, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, window_end, count(*) AS n, count(DISTINCT kind) AS kinds, min(value) AS low
         FROM SESSION((SELECT * FROM events WHERE value > -50), ts, INTERVAL '2 seconds', partition_by(kind))
         WHERE kind <> 'c' GROUP BY window_start, window_end HAVING count(*) > 1",
        keeps: |event| event.value.is_some_and(|value| value > -50.0) && event.kind.is_some_and(|kind| kind != "c"),
        windows: alone::<2>,
        sessions: sessions(2, |event| event.kind),
    },
    Query {
        sql: "SELECT window_end, kind, value > 0 AS positive, count(*) AS n, grouping(kind) AS every
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '4 seconds', partition_by(kind)) GROUP BY window_end, ROLLUP (kind, value > 0)",
        keeps: |_| true,
        windows: alone::<4>,
        sessions: sessions(4, |event| event.kind),
    },
    Query {
        sql: "SELECT w.window_start, w.window_end, upper(w.kind) AS big, w.whole, max(w.value) AS high
         FROM (SELECT window_start, window_end, kind, CAST(value AS BIGINT) / 50 AS whole, value
         FROM SESSION((SELECT ts, upper(kind) AS upper, kind, value FROM events), ts, INTERVAL '6 seconds', partition_by(upper, kind))) AS w
         GROUP BY w.window_start, w.window_end, upper(w.kind), w.whole HAVING upper(w.kind) <> 'A'",
        keeps: |_| true,
        windows: alone::<6>,
        sessions: sessions(6, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, window_end, kind, count(*) AS n, sum(value) AS total, stddev(value) AS s, approx_percentile(value, 0.5) AS middle
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '4 seconds', INTERVAL '7 seconds') GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: alone::<4>,
        sessions: cut(4, 7, |event| event.kind),
    },
    Query {
        sql: "SELECT window_end, window_time, count(*) AS n, sum(value) AS total, min(ts) AS earliest
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '3 seconds', INTERVAL '3 seconds') WHERE value > -50 GROUP BY window_end, window_time",
        keeps: |event| event.value.is_some_and(|value| value > -50.0),
        windows: alone::<3>,
        sessions: cut(3, 3, |_| None),
    },
    Query {
        sql: "SELECT window_end, count(*) AS pieces, sum(n) AS n, min(window_start) AS earliest FROM (
         SELECT window_start, window_end, kind, value > 0 AS positive, count(*) AS n
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '6 seconds', INTERVAL '10 seconds', partition_by(kind))
         GROUP BY window_start, window_end, kind, value > 0) AS c GROUP BY window_end",
        keeps: |_| true,
        windows: alone::<6>,
        sessions: cut(6, 10, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, window_end, value > 0 AS positive, count(*) AS n
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '8 seconds', INTERVAL '20 seconds', partition_by(kind))
         GROUP BY window_start, window_end, value > 0",
        keeps: |_| true,
        windows: alone::<8>,
        sessions: cut(8, 20, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, kind, sum(n) AS n, count(*) AS pieces FROM TUMBLE((
         SELECT window_start AS began, kind, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '4 seconds', INTERVAL '9 seconds')
         GROUP BY window_start, kind), began, INTERVAL '1 minute') GROUP BY window_start, kind",
        keeps: |_| true,
        windows: alone::<4>,
        sessions: cut(4, 9, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, window_end, kind, sum(n) AS n, count(*) AS parts FROM SESSION((
         SELECT window_start AS began, kind, value > 0 AS positive, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '5 seconds')
         GROUP BY window_start, kind, value > 0), began, INTERVAL '10 seconds', INTERVAL '20 seconds', partition_by(kind)) GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: tumble::<5, 0>,
        sessions: None,
    },

    Query {
        sql: "SELECT ts, upper(kind) AS kind, value * 2 AS twice FROM events WHERE value > 0",
        keeps: |event| event.value.is_some_and(|value| value > 0.0),
        windows: never,
        sessions: None,
    },
    Query {
        sql: "SELECT ts, kind, unnest(make_array(value, value + 1, NULL)) AS v FROM events",
        keeps: |_| true,
        windows: never,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_end, kind, value FROM HOP((SELECT * FROM events), ts, INTERVAL '10 seconds', INTERVAL '30 seconds') WHERE extract(second from window_end) >= 0",
        keeps: |_| true,
        windows: never,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_time, v, count(*) AS n FROM TUMBLE((SELECT ts, unnest(make_array(kind, 'all')) AS v FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, window_time, v",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },

    Query {
        sql: "SELECT window_start, window_end, kind, count(*) AS n, avg(value) AS mean, sum(value) AS total, min(value) AS low, max(value) AS high
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT kind AS k, window_end, count(value) AS n, count(DISTINCT value) AS d, count(*) FILTER (WHERE value > 0) AS positive
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '20 seconds', INTERVAL '7 seconds') AS w
         WHERE value > -50 GROUP BY window_end, kind",
        keeps: |event| event.value.is_some_and(|value| value > -50.0),
        windows: tumble::<20, 7>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start AS at, stddev(value) AS s, var_pop(value) AS v, 100.0 * count(*) AS n
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, window_end HAVING count(*) > 2",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, label, count(*) AS n FROM TUMBLE((SELECT ts, upper(kind) || '!' AS label, value FROM events WHERE value IS NOT NULL), ts, INTERVAL '30 seconds') AS w
         WHERE label <> 'B!' GROUP BY window_start, label",
        keeps: |event| event.value.is_some() && event.kind.is_some_and(|kind| kind != "b"),
        windows: tumble::<30, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT w.window_start, sum(w.n) AS n FROM (SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')
         GROUP BY window_start) AS w GROUP BY w.window_start",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, kind, corr(value, value * 2 + 1) AS c, bool_or(value > 10) AS b, approx_distinct(kind) AS k, CAST(sum(CAST(value AS BIGINT)) AS BIGINT) AS whole
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY kind, window_start",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, approx_percentile(value, 0.9, 1000) AS high, approx_percentile(value, ARRAY[0.1, 0.5], 0.0001) AS low,
         approx_percentile_estimate(approx_percentile_sketch(value), 0.25) AS quarter, approx_distinct_estimate(approx_distinct_sketch(kind)) AS k
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, approx_percentile_merge(p, 0.9) AS high, approx_percentile_estimate(sketch_merge(p), ARRAY[0.5]) AS middle, approx_distinct_merge(d) AS kinds FROM TUMBLE((
         SELECT window_time, kind, approx_percentile_sketch(value, 1000) AS p, approx_distinct_sketch(kind) AS d FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_time, kind),
         window_time, INTERVAL '1 minute') GROUP BY window_start",
        keeps: |_| true,
        windows: tumble::<10, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, kind IS NULL AS nobody, median(value) AS m, max(kind) AS top
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '2 minutes') GROUP BY window_start, kind IS NULL",
        keeps: |_| true,
        windows: tumble::<120, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT count(*) AS n, avg(value) + 1 AS mean, window_start
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 day') GROUP BY window_start",
        keeps: |_| true,
        windows: tumble::<86_400, 0>,
        sessions: None,
    },
    Query {
        sql: "WITH w AS (SELECT * FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds'))
         SELECT window_start, window_end, sum(value) FILTER (WHERE kind = 'a') AS a FROM w
         WHERE extract(minute from window_start) >= 0 GROUP BY 1, 2",
        keeps: |_| true,
        windows: tumble::<10, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_end, kind, count(*) AS n, sum(value) AS total, min(value) AS low, approx_percentile(value, 0.5) AS middle
         FROM HOP((SELECT * FROM events), ts, INTERVAL '10 seconds', INTERVAL '30 seconds') GROUP BY window_start, window_end, kind HAVING count(*) > 0",
        keeps: |_| true,
        windows: hop::<10, 30>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_end, window_time, count(*) AS n, stddev(value) AS s, count(DISTINCT kind) AS kinds, extract(second from window_end) AS second
         FROM HOP((SELECT * FROM events), ts, INTERVAL '20 seconds', INTERVAL '50 seconds') WHERE value > -50 GROUP BY window_end, window_time",
        keeps: |event| event.value.is_some_and(|value| value > -50.0),
        windows: hop::<20, 50>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_end, kind, count(value) AS n, avg(value) AS mean
         FROM CUMULATE((SELECT * FROM events), ts, INTERVAL '15 seconds', INTERVAL '1 minute') GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: cumulate::<15, 60>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_end, sum(n) AS n, max(kinds) AS kinds, min(low) AS low FROM TUMBLE((
         SELECT window_time, kind, count(*) AS n, count(DISTINCT kind) AS kinds, min(value) AS low
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '20 seconds') GROUP BY window_start, window_end, window_time, kind HAVING count(*) < 100),
         window_time, INTERVAL '1 minute') GROUP BY window_start, window_end",
        keeps: |_| true,
        windows: tumble::<20, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_end, kind, sum(n) AS n, sum(mean) AS means FROM HOP((
         SELECT window_start, kind, sum(n) AS n, avg(mean) AS mean FROM TUMBLE((
         SELECT window_start AS from_start, kind, count(*) AS n, avg(value) AS mean
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_start, kind),
         from_start, INTERVAL '30 seconds') GROUP BY window_start, kind),
         window_start, INTERVAL '1 minute', INTERVAL '2 minutes') GROUP BY window_end, kind",
        keeps: |_| true,
        windows: tumble::<10, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, kind, var_samp(value) AS v, stddev_pop(value) AS s, covar_samp(value, extract(second from ts)) AS c, corr(value, extract(second from ts)) AS r,
         regr_slope(value, extract(second from ts)) AS slope, regr_intercept(value, extract(second from ts)) AS at, regr_r2(value, extract(second from ts)) AS fit,
         regr_count(value, value) AS n, var_pop(DISTINCT value) FILTER (WHERE value > 0) AS d
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind",
        keeps: |_| true,
        windows: tumble::<60, 0>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_end, window_start, var_pop(value / 7) AS v, covar_pop(value, value * value) AS c, regr_avgx(value, value + 0.1) AS x, regr_avgy(value, value + 0.1) AS y,
         regr_sxx(value, value / 3) AS sxx, regr_syy(value / 3, value) AS syy, regr_sxy(value / 3, value / 9) AS sxy
         FROM HOP((SELECT * FROM events), ts, INTERVAL '10 seconds', INTERVAL '30 seconds') GROUP BY window_start, window_end",
        keeps: |_| true,
        windows: hop::<10, 30>,
        sessions: None,
    },
    Query {
        sql: "SELECT window_start, window_end, kind, stddev(value) AS s, corr(value, value * value) AS r, regr_slope(value, value * value) AS slope
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '3 seconds') GROUP BY window_start, window_end, kind",
        keeps: |_| true,
        windows: alone::<3>,
        sessions: sessions(3, |event| event.kind),
    },
    Query {
        sql: "SELECT window_start, var_samp(s) AS v, corr(s, m) AS r FROM TUMBLE((
         SELECT window_time, kind, stddev_pop(value) AS s, max(value) AS m FROM CUMULATE((SELECT * FROM events), ts, INTERVAL '10 seconds', INTERVAL '30 seconds') GROUP BY window_start, window_end, window_time, kind),
         window_time, INTERVAL '1 minute') GROUP BY window_start",
        keeps: |_| true,
        windows: cumulate::<10, 30>,
        sessions: None,
    },
];

/// What is done between two epochs.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Live,
    Snapshot,
    Restart,
}

#[derive(Clone, Debug)]
struct Step {
    splits: Vec<Vec<Event>>,
    excluded: Vec<bool>,
    between: Between,
}

const SPLITS: usize = 3;

fn events_at(progress: i64) -> impl Strategy<Value = Event> {
    let time = prop_oneof![
        // Around the present, out of order within and beyond the watermark's ten seconds.
        20 => (-25_000_000i64..25_000_000).prop_map(move |jitter| Some(MORNING + progress * 15 * SECOND + jitter)),
        2 => (-600i64..0).prop_map(|seconds| Some(MORNING + seconds * SECOND)),
        1 => Just(None),
        1 => Just(Some(MORNING + 2 * 3_600 * SECOND)),
        1 => Just(Some(-1)),
    ];
    let kind = prop_oneof![
        Just(Some("a")),
        Just(Some("b")),
        Just(Some("c")),
        Just(None)
    ];
    let value = prop_oneof![9 => (-100.0f64..100.0).prop_map(Some), 1 => Just(None)];
    (time, kind, value).prop_map(|(ts, kind, value)| Event { ts, kind, value })
}

fn step(progress: i64) -> impl Strategy<Value = Step> {
    let split = prop_oneof![
        3 => proptest::collection::vec(events_at(progress), 0..8),
        1 => Just(Vec::new()),
    ];
    let between = prop_oneof![
        Just(Between::Nothing),
        Just(Between::Live),
        Just(Between::Snapshot),
        Just(Between::Restart)
    ];
    (
        proptest::collection::vec(split, SPLITS),
        proptest::collection::vec(proptest::bool::weighted(0.15), SPLITS),
        between,
    )
        .prop_map(|(splits, excluded, between)| Step {
            splits,
            excluded,
            between,
        })
}

fn story() -> impl Strategy<Value = (usize, bool, Vec<Step>)> {
    let steps = (1usize..12).prop_flat_map(|count| {
        (0..count)
            .map(|progress| step(i64::try_from(progress).unwrap()))
            .collect::<Vec<_>>()
    });
    (0..QUERIES.len(), any::<bool>(), steps)
}

/// Where each row goes, told a second time.
#[derive(Default)]
struct Model {
    splits: BTreeMap<usize, i64>,
    watermark: Option<i64>,
    counts: RowCounts,
    /// Rows that missed at least one window.
    missed: u64,
    /// Times of rows of sessions that are open, by key; and sessions that have closed.
    open: BTreeMap<Option<&'static str>, Vec<i64>>,
    closed: Vec<(Option<&'static str>, Range<i64>)>,
    /// Whether a row came that was not late, for a session that had closed: a batch run would put the two together.
    torn: bool,
    /// Rows with an open window, and the watermark when they came where they missed another.
    kept: Vec<(Event, Option<i64>)>,
}

impl Model {
    fn epoch(&mut self, step: &Step, query: &Query) {
        let limit = MORNING + 65 * MINUTE;
        for (split, events) in step.splits.iter().enumerate() {
            for event in events {
                self.counts.read += 1;
                let Some(ts) = event.ts.filter(|ts| *ts <= limit) else {
                    self.counts.dead += 1;
                    continue;
                };
                let seen = self.splits.entry(split).or_insert(i64::MIN);
                *seen = (*seen).max(ts - 10 * SECOND);
                let windows = (query.windows)(ts);
                let closed = |end: i64| self.watermark.is_some_and(|watermark| end <= watermark);
                let missed = windows.iter().filter(|window| closed(window.end)).count();
                if !(query.keeps)(event) {
                    self.counts.filtered += 1;
                    continue;
                }
                self.missed += u64::from(missed > 0);
                if missed == windows.len() {
                    self.counts.late += 1;
                } else {
                    self.counts.aggregated += 1;
                    if let Some(Sessions { gap, key, .. }) = query.sessions {
                        self.visit(key(event), ts, gap * SECOND);
                    }
                    let arrived = self.watermark.filter(|_| missed > 0);
                    self.kept.push((event.clone(), arrived));
                }
            }
        }
        let counting: Vec<Option<i64>> = (0..SPLITS)
            .filter(|split| !step.excluded[*split])
            .map(|split| self.splits.get(&split).copied())
            .collect();
        if let Some(lowest) = counting.into_iter().min().flatten() {
            self.watermark = self.watermark.max(Some(lowest));
        }
        if let (Some(sessions), Some(watermark)) = (query.sessions, self.watermark) {
            self.close_sessions(sessions, watermark);
        }
    }

    fn visit(&mut self, key: Option<&'static str>, ts: i64, gap: i64) {
        self.torn |= self.closed.iter().any(|(closed, session)| {
            *closed == key && ts <= session.end && ts + gap >= session.start
        });
        self.open.entry(key).or_default().push(ts);
    }

    fn close_sessions(&mut self, sessions: Sessions, watermark: i64) {
        let gap = sessions.gap * SECOND;
        for (key, times) in &mut self.open {
            times.sort_unstable();
            let mut open = Vec::new();
            for session in times.chunk_by(|a, b| b - a <= gap) {
                let (first, last) = (session[0], session[session.len() - 1]);
                let is_over = match sessions.most {
                    None => last + gap < watermark,
                    // A session that is cut is over with its last piece, a gap after that ends.
                    Some(most) => {
                        let most = most * SECOND;
                        let end = first + ((last - first) / most + 1) * most;
                        end.min(last + gap) + gap <= watermark
                    }
                };
                if is_over {
                    self.closed.push((*key, first..last + gap));
                } else {
                    open.extend_from_slice(session);
                }
            }
            *times = open;
        }
    }
}

struct Told {
    plan: ContinuousPlan,
    rows: Vec<RecordBatch>,
    late: Vec<RecordBatch>,
    dead: Vec<RecordBatch>,
    counts: RowCounts,
    watermarks: Vec<Option<i64>>,
}

/// What happens to a query on the way.
#[derive(Clone, Copy, PartialEq)]
enum Disturb {
    Nothing,
    /// It is looked at, saved and restarted.
    Looks,
    /// That too, and its panes go to disk where the state takes more than so many bytes.
    Spills(usize),
}

/// A query that goes on from a snapshot, if there is one.
fn begin(plan: &ContinuousPlan, from: Option<StateSnapshot>, disturb: Disturb) -> ContinuousQuery {
    let mut query = plan.start(from).unwrap();
    if let Disturb::Spills(bytes) = disturb {
        query.spill_above(bytes);
    }
    query
}

/// Tells a story to a query.
async fn tell(plan: &ContinuousPlan, steps: &[Step], disturb: Disturb) -> Told {
    let mut query = begin(plan, None, disturb);
    let mut offsets = [0i64; SPLITS];
    let mut told = Told {
        plan: plan.clone(),
        rows: Vec::new(),
        late: Vec::new(),
        dead: Vec::new(),
        counts: RowCounts::default(),
        watermarks: Vec::new(),
    };
    let mut inputs = Vec::new();
    for step in steps {
        let mut input = epoch(&plan.streams[0].columns, &[]);
        input.known = (0..SPLITS as i32).map(split).collect();
        for (index, events) in step.splits.iter().enumerate() {
            let partition = i32::try_from(index).unwrap();
            if step.excluded[index] {
                input.excluded.insert(split(partition));
            }
            // Batches of at most three rows, so that a split has several.
            for events in events.chunks(3) {
                let batch = batch(&plan.streams[0].columns, partition, offsets[index], events);
                offsets[index] = batch.range.end;
                match input.splits.last_mut() {
                    Some(last) if last.split.partition == partition => last.batches.push(batch),
                    _ => input.splits.push(SplitInput {
                        split: split(partition),
                        batches: vec![batch],
                    }),
                }
            }
        }
        inputs.push((input, step.between));
    }
    inputs.push((the_end(&[0, 1, 2]), Between::Nothing));
    for (input, between) in inputs {
        let rows = input.splits.iter().flat_map(|input| {
            let batches = input.batches.iter();
            batches.map(move |batch| (&input.split, &batch.rows))
        });
        // Splits at their end close windows without rows, which nobody asks the glance about.
        let may_close =
            query.may_close(rows, &input.known, &input.excluded) || !input.finished.is_empty();
        let before = query.watermark_us();
        let output = query.run_epoch(input).await.unwrap();
        if !may_close {
            let moved = output.watermark_us != before;
            assert!(
                output.rows.is_empty(),
                "closed unforeseen (watermark moved: {moved})"
            );
        }
        told.rows.extend(output.rows);
        told.late.extend(output.late);
        told.dead.extend(output.dead);
        told.watermarks.push(output.watermark_us);
        let RowCounts {
            read,
            aggregated,
            late,
            dead,
            filtered,
        } = output.counts;
        assert_eq!(read, aggregated + late + dead + filtered);
        told.counts.read += read;
        told.counts.aggregated += aggregated;
        told.counts.late += late;
        told.counts.dead += dead;
        told.counts.filtered += filtered;
        match between {
            _ if disturb == Disturb::Nothing => {}
            Between::Nothing => {}
            Between::Live => drop(query.live().await.unwrap()),
            Between::Snapshot => drop(query.snapshot().unwrap()),
            Between::Restart => {
                query = begin(plan, Some(query.snapshot().unwrap()), disturb);
            }
        }
    }
    assert_eq!(query.open_panes(), 0);
    told
}

/// Rows with their floats apart, ordered by everything else.
fn sorted(batches: &[RecordBatch]) -> Vec<(Vec<String>, Vec<Option<f64>>)> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let mut exact = Vec::new();
            let mut floats = Vec::new();
            for column in batch.columns() {
                match column.data_type() {
                    DataType::Float64 => {
                        let column = column.as_primitive::<Float64Type>();
                        floats.push(column.is_valid(row).then(|| column.value(row)));
                    }
                    _ => exact.push(array_value_to_string(column, row).unwrap()),
                }
            }
            rows.push((exact, floats));
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

/// Every bit of every row, in order.
fn bits(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let mut text = String::new();
            for column in batch.columns() {
                match column.as_primitive_opt::<Float64Type>() {
                    Some(floats) if floats.is_valid(row) => {
                        text.push_str(&format!("{:016x}|", floats.value(row).to_bits()));
                    }
                    _ => {
                        text.push_str(&format!("{}|", array_value_to_string(column, row).unwrap()))
                    }
                }
            }
            rows.push(text);
        }
    }
    rows
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Each query planned twice: for one pass over all splits, and for a pass per split.
static PLANS: LazyLock<Vec<[ContinuousPlan; 2]>> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let mut plans = Vec::new();
        for Query { sql, .. } in &QUERIES {
            let (one, per_split) = (plan(sql).await.unwrap(), plan(sql).await.unwrap());
            plans.push([one, per_split.with_parallel_rows(0)]);
        }
        plans
    })
});

fn agrees(case: (usize, bool, Vec<Step>)) -> Result<(), TestCaseError> {
    let (number, parallel, steps) = case;
    let query = &QUERIES[number];
    let plan = &PLANS[number][usize::from(parallel)];
    let spill_above = if steps.len() % 2 == 0 { 0 } else { 20_000 };
    let (told, others) = RUNTIME.block_on(async {
        let told = tell(plan, &steps, Disturb::Nothing).await;
        let looked_at = tell(plan, &steps, Disturb::Looks).await;
        let on_disk = tell(plan, &steps, Disturb::Spills(spill_above)).await;
        (told, [looked_at, on_disk])
    });

    // Looking, saving, restarting and going to disk change nothing, to the bit.
    for other in &others {
        prop_assert_eq!(bits(&told.rows), bits(&other.rows));
        prop_assert_eq!(bits(&told.late), bits(&other.late));
        prop_assert_eq!(bits(&told.dead), bits(&other.dead));
        prop_assert_eq!(&told.watermarks, &other.watermarks);
    }
    prop_assert!(told.watermarks.is_sorted());

    // Rows go where the model says.
    let mut model = Model::default();
    for step in &steps {
        model.epoch(step, query);
    }
    prop_assert_eq!(told.counts, model.counts);
    let count = |batches: &[RecordBatch]| -> u64 {
        batches.iter().map(|batch| batch.num_rows() as u64).sum()
    };
    prop_assert_eq!(count(&told.late), model.missed);
    prop_assert_eq!(count(&told.dead), model.counts.dead);

    if model.torn {
        return Ok(());
    }
    // And the answer is that of a batch run.
    let kept = with_arrival(&model.kept);
    let sql = in_open_windows(query.sql);
    let expected = RUNTIME.block_on(batch_run(&sql, kept.schema(), kept));
    let expected: Vec<RecordBatch> = expected
        .iter()
        .map(|batch| as_stored(batch, &told.plan))
        .collect();
    let (got, expected) = (sorted(&told.rows), sorted(&expected));
    prop_assert_eq!(got.len(), expected.len());
    for ((got, got_floats), (expected, expected_floats)) in got.iter().zip(&expected) {
        prop_assert_eq!(got, expected);
        for (got, expected) in got_floats.iter().zip(expected_floats) {
            let same = match (got, expected) {
                (Some(got), Some(expected)) if in_any_order(query.sql) => {
                    got.to_bits() == expected.to_bits()
                }
                (Some(got), Some(expected)) => {
                    (got.is_nan() && expected.is_nan())
                        || (got - expected).abs() <= 1e-9 * (1.0 + expected.abs())
                }
                (got, expected) => got.is_none() == expected.is_none(),
            };
            prop_assert!(same, "{:?} is not {:?}", got, expected);
        }
    }
    Ok(())
}

/// Whether the answers do not depend on the order of rows, to the bit: sums of DOUBLE alone do.
fn in_any_order(sql: &str) -> bool {
    !["avg(", "sum(value", "sum(mean"]
        .iter()
        .any(|sum| sql.contains(sum))
}

/// Events as a table, each with the watermark it came after where it missed windows.
fn with_arrival(kept: &[(Event, Option<i64>)]) -> RecordBatch {
    let columns: Vec<String> = ["ts", "kind", "value"].map(str::to_owned).into();
    let events: Vec<Event> = kept.iter().map(|(event, _)| event.clone()).collect();
    let batch = rows(&columns, &events);
    let arrived: TimestampMicrosecondArray = kept.iter().map(|(_, arrived)| *arrived).collect();
    let arrived: ArrayRef = Arc::new(arrived.with_timezone("UTC"));
    let mut fields = batch.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(
        "arrived",
        arrived.data_type().clone(),
        true,
    )));
    let mut arrays = batch.columns().to_vec();
    arrays.push(arrived);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// The query over a table, in which rows are in no window that had ended when they came.
fn in_open_windows(sql: &str) -> String {
    for function in ["HOP", "CUMULATE"] {
        let start = format!("FROM {function}((SELECT * FROM events)");
        let Some((before, after)) = sql.split_once(&start) else {
            continue;
        };
        let (arguments, rest) = after.split_once(')').unwrap();
        return format!(
            "{before}FROM (SELECT * FROM {function}((SELECT * FROM events){arguments}) WHERE arrived IS NULL OR window_end > arrived) AS open {rest}"
        );
    }
    sql.to_owned()
}

/// A batch run's rows with the types that a table stores.
fn as_stored(batch: &RecordBatch, plan: &ContinuousPlan) -> RecordBatch {
    let columns = batch
        .columns()
        .iter()
        .zip(plan.output_schema.fields())
        .map(|(column, field)| arrow::compute::cast(column, field.data_type()).unwrap())
        .collect();
    RecordBatch::try_new(plan.output_schema.clone(), columns).unwrap()
}

/// How many stories are told: `make oracle` asks for more.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_a_batch_run_over_what_was_not_late(case in story()) {
        agrees(case)?;
    }
}

/// The test above would pass if nothing were ever late or dead: here something is, of each.
#[test]
fn stories_have_rows_of_every_fate() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut total = RowCounts::default();
    let mut restarts = 0;
    let mut whole_sessions = 0;
    for _ in 0..80 {
        let (query, _, steps) = story().new_tree(&mut runner).unwrap().current();
        let mut model = Model::default();
        for step in &steps {
            model.epoch(step, &QUERIES[query]);
            restarts += usize::from(matches!(step.between, Between::Restart));
        }
        let closed = model.closed.len();
        whole_sessions += if model.torn { 0 } else { closed };
        total.aggregated += model.counts.aggregated;
        total.late += model.counts.late;
        total.dead += model.counts.dead;
        total.filtered += model.counts.filtered;
    }
    assert!(total.aggregated > 300, "{total:?}");
    assert!(total.late > 50, "{total:?}");
    assert!(total.dead > 50, "{total:?}");
    assert!(total.filtered > 20, "{total:?}");
    assert!(restarts > 20, "{restarts}");
    assert!(whole_sessions > 40, "{whole_sessions}");
}
