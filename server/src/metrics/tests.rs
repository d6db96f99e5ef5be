//! The text a scraper reads.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Reads OpenMetrics text strictly: families announced once, samples under them in one piece, `# EOF` last, no series twice.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").unwrap();
    let (mut families, mut samples) = (BTreeSet::new(), BTreeMap::new());
    let (mut family, mut kind) = (String::new(), String::new());
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(
                families.insert(name.to_owned()),
                "{name} is announced twice"
            );
            assert!(name.starts_with("sluice_") && help.len() > 5, "{line}");
            family = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            kind = of.to_owned();
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(
                name == family && name.ends_with(&format!("_{unit}")),
                "{line}"
            );
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let suffix = name.strip_prefix(family.as_str()).unwrap();
            let allowed: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_sum", "_count"],
                other => panic!("type {other}"),
            };
            assert!(allowed.contains(&suffix), "{line} in a {kind}");
            let value = value.parse().unwrap();
            assert!(
                samples.insert(series.to_owned(), value).is_none(),
                "{line} twice"
            );
        }
    }
    samples
}

#[test]
fn a_query_has_all_its_series_and_loses_them() {
    let metrics = Metrics::new();
    let query = metrics.query("gold.x");
    query.rows_in.inc_by(7);
    query.watermark_seconds.set(1.5);
    query.epoch_seconds.observe(0.01);
    query.state_bytes.set(4096);
    query.final_rows_now(3);
    metrics.query("gold.x").rows_in.inc();

    let samples = parse(&metrics.encode());
    let at = |name: &str| samples.get(&format!("{name}{{query=\"gold.x\"}}")).copied();
    assert_eq!(at("sluice_query_rows_in_total"), Some(8.0));
    assert_eq!(at("sluice_query_rows_out_total"), Some(3.0));
    assert_eq!(at("sluice_query_watermark_seconds"), Some(1.5));
    assert_eq!(at("sluice_query_epoch_seconds_count"), Some(1.0));
    assert_eq!(at("sluice_query_state_bytes"), Some(4096.0));
    assert_eq!(at("sluice_query_lag_rows"), Some(0.0));
    assert!(at("sluice_query_freshness_seconds").unwrap() < 60.0);
    // Nothing was committed, so there is no age of it.
    assert_eq!(at("sluice_query_commit_age_seconds"), None);
    query.committed_now(0.2);
    assert!(
        metrics
            .encode()
            .contains("sluice_query_commit_age_seconds{query=\"gold.x\"}")
    );

    metrics.forget_query("gold.x");
    assert!(!metrics.encode().contains("gold.x"));
}

#[test]
fn ages_grow_by_themselves() {
    let metrics = Metrics::new();
    let query = metrics.query("q");
    query.last_commit_seconds.set(1_000_000.0);
    let age = |text: &str| parse(text)["sluice_query_commit_age_seconds{query=\"q\"}"];
    let first = age(&metrics.encode());
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert!(age(&metrics.encode()) > first);
}

#[test]
fn doors_count_sessions_and_outcomes() {
    let metrics = Metrics::new();
    metrics.session_opened(Door::Postgres);
    metrics.session_opened(Door::FlightSql);
    metrics.session_closed(Door::FlightSql);
    metrics.statement_ended(Door::FlightSql, None);
    for (state, error) in [
        ("cancelled", Error::user(SqlState::QueryCanceled, "x")),
        ("user_error", Error::user(SqlState::SyntaxError, "x")),
        ("outside_error", Error::outside(SqlState::IoError, "x")),
        ("internal_error", Error::internal("x")),
    ] {
        metrics.statement_ended(Door::FlightSql, Some(&error));
        let key = format!("sluice_statements_total{{door=\"flight_sql\",outcome=\"{state}\"}}");
        assert_eq!(parse(&metrics.encode())[&key], 1.0);
    }
    let samples = parse(&metrics.encode());
    assert_eq!(samples["sluice_sessions_open{door=\"postgres\"}"], 1.0);
    assert_eq!(samples["sluice_sessions_open{door=\"flight_sql\"}"], 0.0);
}

#[test]
fn the_process_tells_of_itself() {
    let samples = parse(&Metrics::new().encode());
    assert!(samples["sluice_process_uptime_seconds"] >= 0.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        samples[&format!("sluice_build_info{{version=\"{version}\"}}")],
        1.0
    );
    if cfg!(target_os = "linux") {
        assert!(samples["sluice_process_resident_memory_bytes"] > 1e6);
        assert!(samples["sluice_process_cpu_seconds_total"] >= 0.0);
    }
}

#[test]
fn a_quote_in_a_name_is_escaped() {
    let metrics = Metrics::new();
    metrics.query("gold.\"a\\b\"").rows_in.inc();
    assert!(
        metrics
            .encode()
            .contains(r#"rows_in_total{query="gold.\"a\\b\""} 1"#)
    );
}
