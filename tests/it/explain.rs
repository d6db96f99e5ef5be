//! What a running query has taken, as EXPLAIN ANALYZE QUERY tells it.

use serde_json::Value;
use sluice_tests::server::Server;

use crate::support::SOON;

const STREAM: &str = "CREATE STREAM e (ts TIMESTAMPTZ, event_type TEXT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '2 seconds')
    WITH (connector = 'generator', rows_per_second = '20000', splits = '2', event_interval = '10 milliseconds', max_future_skew = 'off')";
const QUERY: &str = "CREATE TABLE gold.t WITH (commit_interval = '300 milliseconds') AS
    SELECT window_start, event_type, count(*) AS n, avg(value) AS mean FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start, event_type";

#[test]
fn a_plan_has_the_names_that_people_see() {
    let server = Server::start();
    let pg = server.connect();
    for how in ["", "VERBOSE", "ANALYZE", "(FORMAT JSON)"] {
        for query in ["SELECT pg_advisory_lock(8)", "SELECT 1, 1, count(*)"] {
            let rows = pg.run(&format!("EXPLAIN {how} {query}"));
            let lines = rows.into_iter().flatten().flatten();
            let text = lines.collect::<Vec<_>>().join("\n");
            assert!(!text.is_empty(), "{how} {query}");
            let is_marked = text.contains('\u{1}') || text.contains("u0001");
            assert!(!is_marked, "{how} {query}: {text:?}");
        }
    }
}

#[test]
fn a_running_query_tells_what_its_steps_and_operators_took() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(STREAM);
    pg.run(QUERY);
    server.wait("windows, and two commits", SOON, || {
        let sql = "SELECT version FROM gold.t__history ORDER BY version DESC LIMIT 1";
        (pg.number(sql) >= 2).then_some(())
    });
    let lines: Vec<String> = pg
        .run("EXPLAIN ANALYZE QUERY gold.t")
        .iter()
        .filter_map(|row| row.first().cloned().flatten())
        .collect();
    let text = lines.join("\n");
    println!("{text}");
    for expected in [
        "gold.t has run for",
        "  Delta log ",
        "EventTimeExec",
        "PartialAggregateExec",
        "Fingerprint",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }

    let document: Value =
        serde_json::from_str(&pg.value("EXPLAIN (ANALYZE, FORMAT JSON) QUERY gold.t")).unwrap();
    let taken = &document[0]["Taken"];
    let rows = taken["Rows"].as_f64().unwrap();
    assert!(rows > 6000.0, "{taken:#}");
    let step = |name: &str| {
        let steps = taken["Steps"].as_array().unwrap();
        let found = steps.iter().find(|step| step["Step"] == name);
        found.unwrap_or_else(|| unreachable!("no step {name:?} in {taken:#}"))
    };
    let total = |name: &str| step(name)["Total Time"].as_f64().unwrap();
    let parts = [
        "rows to partial states",
        "partial states into panes",
        "windows that closed",
        "state to disk",
        "rows made readable",
    ];
    let sum: f64 = parts.iter().map(|name| total(name)).sum();
    assert!(sum > 0.0 && sum <= total("epoch"), "{taken:#}");
    let commits = [
        "dead letters",
        "data files",
        "state segments",
        "manifest",
        "Delta log",
        "tidying",
    ];
    let sum: f64 = commits.iter().map(|name| total(name)).sum();
    assert!(
        sum > 0.5 * total("commit") && sum <= total("commit"),
        "{taken:#}"
    );
    let epoch = step("epoch");
    let ranked = ["p50", "p99", "Max"].map(|name| epoch[name].as_f64().unwrap());
    assert!(ranked.is_sorted() && ranked[0] > 0.0, "{epoch:#}");
    // Every row passes the place where time moves on, in all runs of the plan, those whose counts the engine has thrown away as well.
    let operators = taken["Plans"][0]["Operators"].as_array().unwrap();
    let named = |name: &str| {
        operators
            .iter()
            .find(|found| found["Operator"].as_str().unwrap().starts_with(name))
    };
    let passed = named("EventTimeExec").unwrap()["Rows"].as_f64().unwrap();
    assert!(
        (passed / rows - 1.0).abs() < 0.01,
        "{passed} of {rows} rows\n{taken:#}"
    );
    assert!(
        named("PartialAggregateExec").unwrap()["Compute Time"]
            .as_f64()
            .unwrap()
            > 0.0
    );

    pg.run("PAUSE QUERY gold.t");
    pg.refused(
        "EXPLAIN ANALYZE QUERY gold.t",
        "55000",
        &["gold.t", "paused"],
    );
    let plan = pg.run("EXPLAIN QUERY gold.t");
    assert!(plan.len() > 5);
    pg.run("CREATE ROLE stranger LOGIN");
    let stranger = server.connect();
    stranger.run("SET ROLE stranger");
    stranger.refused("EXPLAIN QUERY gold.t", "42501", &["permission denied", "t"]);
}
