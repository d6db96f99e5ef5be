//! Grafana: the provisioning of `clients/grafana`, asked the way its PostgreSQL data source asks (there is no Grafana to be had here).

use std::process::Command;

use serde_json::{Value, json};
use sluice_tests::parts::clients;

use super::{known, path};
use crate::support::{Exercised, exercised, said};

/// A field's values by name.
fn field(frame: &Value, name: &str) -> Vec<Value> {
    let names = frame["names"].as_array().unwrap();
    let at = names.iter().position(|found| found == name);
    let at = at.unwrap_or_else(|| panic!("no field {name} in {frame}"));
    let rows = frame["rows"].as_array().unwrap();
    rows.iter().map(|row| row[at].clone()).collect()
}

fn total(frame: &Value, name: &str) -> f64 {
    let texts = field(frame, name).into_iter();
    texts
        .map(|text| text.as_str().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[test]
#[ignore = "needs Go: make test-clients"]
fn grafana_statements() {
    let server = known();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("grafana");
    clients::go(&sluice_tests::folder().join("go"), &program).unwrap();
    let port = server.pg_port().to_string();
    let answer = said(Command::new(program).arg(port).arg(path("grafana")));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let gold = &answer["frames"]["gold"];
    assert_eq!(gold["Events"]["rows"], json!([["60000"]]));
    for panel in ["Events by type", "Events by segment"] {
        assert_eq!(total(&gold[panel], "events"), 60_000.0, "{panel}");
    }
    assert_eq!(
        gold["Events by type"]["kinds"],
        json!(["number", "text", "number"])
    );
    assert_eq!(
        gold["Mean value by type"]["kinds"],
        json!(["time", "text", "number"])
    );
    let rows = |frame: &Value| frame["rows"].as_array().unwrap().len();
    assert_eq!(rows(&gold["Highest p95 of a minute"]), 61);
    let newest = &gold["Newest window"]["rows"][0][0];
    assert!(
        newest
            .as_str()
            .unwrap()
            .starts_with("2026-01-01 01:00:00+00")
    );
    assert_eq!(rows(&gold["Newest windows"]), 50);
    let health = &answer["frames"]["health"];
    assert_eq!(health["Rows read"]["rows"], json!([["60000"]]));
    assert_eq!(health["Rows behind"]["rows"], json!([["0"]]));
    assert_eq!(
        field(&health["Queries"], "state"),
        [json!("finished")],
        "{health}"
    );
    assert_eq!(rows(&health["Splits"]), 1);
    assert!(rows(&health["Events"]) > 0);
    let all = [gold, health].map(|frames| frames.as_object().unwrap().len());
    assert_eq!(all, [9, 14]);
    exercised(&Exercised {
        test: "grafana_statements",
        client: "Grafana's PostgreSQL data source",
        version: &format!("its statements by {}", answer["version"].as_str().unwrap()),
        what: "[provisioning](grafana/): health check, variables, all 23 panels of both dashboards as one simple message each, frames told by OID",
        but: "Grafana itself was not run",
    });
}
