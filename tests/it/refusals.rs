//! What cannot be a continuous query is refused when it is created, at the word that is wrong, with what to write instead.

use sluice_tests::server::Server;

const STREAMS: &str = "
CREATE STREAM events (session_id TEXT, event_type TEXT, value DOUBLE, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '10 seconds')
  WITH (connector = 'generator', rows = '10');
CREATE STREAM bare (session_id TEXT, event_type TEXT, value DOUBLE, ts TIMESTAMPTZ) WITH (connector = 'generator', rows = '10');
";

/// SQLSTATE, the statement with `^` before the word that the error points at, and a part of the hint.
const REFUSED: [(&str, &str, &str); 22] = [
    (
        "42P17",
        "CREATE TABLE gold.t AS SELECT window_start, count(*) AS n FROM TUMBLE(^bare, ts, INTERVAL '1 minute') GROUP BY window_start",
        "WATERMARK FOR",
    ),
    (
        "42P17",
        "CREATE TABLE gold.t AS\n  SELECT window_start, count(*) AS n\n  FROM ^HOP(events, ts, INTERVAL '2 minutes', INTERVAL '1 minute')\n  GROUP BY window_start",
        "the slide comes first",
    ),
    (
        "42P17",
        "CREATE TABLE gold.t AS SELECT count(*) AS n FROM events GROUP BY ^window(ts, '1 minute', '2 minutes')",
        "",
    ),
    (
        "42P17",
        "CREATE TABLE gold.t AS SELECT window_start, count(*) AS n FROM ^HOP(events, ts, INTERVAL '1 minute', INTERVAL '1 month') GROUP BY window_start",
        "for the size of TUMBLE alone",
    ),
    (
        "42P17",
        "CREATE TABLE gold.t AS SELECT window_start, count(*) AS n FROM ^HOP(events, ts, INTERVAL '1 second', INTERVAL '1 day') GROUP BY window_start",
        "larger common divisor",
    ),
    (
        "0A000",
        "CREATE TABLE gold.t AS SELECT event_type, count(*) AS n FROM events ^GROUP BY event_type",
        "TUMBLE(events",
    ),
    (
        "0A000",
        "CREATE TABLE gold.t AS SELECT event_type, count(*) AS n FROM TUMBLE(events, ts, INTERVAL '1 minute') ^GROUP BY event_type",
        "add window_start",
    ),
    (
        "0A000",
        "CREATE TABLE gold.t AS ^SELECT DISTINCT event_type FROM events",
        "window_start",
    ),
    (
        "42601",
        "CREATE TABLE gold.t AS SELECT window_start, approx_percentile(value, ^1.5) AS p FROM TUMBLE(events, ts, INTERVAL '1 minute') GROUP BY window_start",
        "0.95",
    ),
    (
        "42P17",
        "CREATE TABLE gold.t AS SELECT window_start, ^percentile_cont(-1) WITHIN GROUP (ORDER BY value) AS p FROM TUMBLE(events, ts, INTERVAL '1 minute') GROUP BY window_start",
        "0.95",
    ),
    (
        "42804",
        "CREATE TABLE gold.t AS SELECT window_start, ^approx_percentile(event_type, 0.95) AS p FROM TUMBLE(events, ts, INTERVAL '1 minute') GROUP BY window_start",
        "CAST",
    ),
    (
        "42601",
        "CREATE TABLE gold.t AS SELECT window_start, ^approx_percentile(DISTINCT value, 0.95) AS p FROM TUMBLE(events, ts, INTERVAL '1 minute') GROUP BY window_start",
        "0.95",
    ),
    (
        "42P17",
        "CREATE TABLE gold.t AS SELECT window_start, count(*) AS n FROM TUMBLE(^WATERMARK(WATERMARK(bare, ts, INTERVAL '1 second'), ts, INTERVAL '1 second'), ts, INTERVAL '1 minute') GROUP BY window_start",
        "keep the one nearest",
    ),
    (
        "42P17",
        "CREATE STREAM s (value DOUBLE, ts TIMESTAMPTZ, ^WATERMARK FOR ts AS _timestamp) WITH (connector = 'generator')",
        "WATERMARK FOR ts AS ts",
    ),
    (
        "42703",
        "CREATE TABLE gold.t AS SELECT window_start, sum(^vlue) AS s FROM TUMBLE(events, ts, INTERVAL '1 minute') GROUP BY window_start",
        "value",
    ),
    (
        "42P01",
        "CREATE TABLE gold.t AS SELECT window_start, count(*) AS n FROM TUMBLE(^evnts, ts, INTERVAL '1 minute') GROUP BY window_start",
        "events",
    ),
    (
        "0A000",
        "CREATE TABLE gold.t AS SELECT event_type, ^(SELECT max(value) FROM bare) AS top FROM events",
        "when reading",
    ),
    (
        "42P17",
        "CREATE TABLE gold.t AS SELECT event_type, ^now() AS at FROM events",
        "event time",
    ),
    (
        "42P17",
        "CREATE TABLE gold.t AS SELECT event_type FROM events ^ORDER BY ts",
        "order when reading",
    ),
    (
        "0A000",
        "CREATE TABLE gold.t AS SELECT a.event_type FROM events a ^JOIN bare b ON a.session_id = b.session_id",
        "when reading",
    ),
    (
        "42601",
        "CREATE TABLE gold.t AS SELECT window_start, count(*) AS n FROM TUMBLE(events, ts, ^INTERVAL '0 minutes') GROUP BY window_start",
        "",
    ),
    (
        "42601",
        "CREATE TABLE gold.t AS SELECT window_start, count(*) AS n FROM TUMBLE(events, ts, ^INTERVAL '-1 minute') GROUP BY window_start",
        "",
    ),
];

#[test]
fn a_wrong_query_is_refused_at_the_word() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(STREAMS);
    let mut wrong = String::new();
    for (state, marked, hint) in REFUSED {
        let sql = marked.replacen('^', "", 1);
        let at = marked.chars().position(|c| c == '^').map(|at| at + 1);
        for before in ["", "-- größer\n SELECT 1; "] {
            let refusal = pg.try_run(&format!("{before}{sql}")).unwrap_err();
            let place = refusal
                .position
                .map(|at| at as usize - before.chars().count());
            let hinted = refusal.hint.to_lowercase().contains(&hint.to_lowercase());
            if refusal.state != state || place != at || !hinted || refusal.hint.is_empty() {
                wrong +=
                    &format!("{state} {at:?} {hint}: {before}{marked}\n{place:?} {refusal}\n\n");
            }
        }
    }
    assert_eq!(wrong, "");
    assert!(pg.run("SHOW TABLES FROM gold").is_empty());
    assert!(pg.run("SHOW QUERIES").is_empty());
}
