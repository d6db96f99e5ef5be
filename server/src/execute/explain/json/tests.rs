//! Plans as documents.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use datafusion::{physical_plan::collect, prelude::SessionContext};
use serde_json::Value;

use super::{continuous, document, words};

#[tokio::test]
async fn a_plan_that_ran_has_figures() {
    let context = SessionContext::new();
    let query =
        "SELECT x % 2 AS k, count(*) FROM (VALUES (1), (2), (3)) AS t (x) GROUP BY 1 ORDER BY 1";
    let frame = context.sql(query).await.unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    collect(Arc::clone(&plan), context.task_ctx())
        .await
        .unwrap();
    let text = document(
        &[plan.as_ref()],
        None,
        Duration::from_millis(2),
        Some(Duration::from_millis(5)),
    );
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read[0]["Planning Time"], 2.0);
    assert_eq!(read[0]["Execution Time"], 5.0);
    let top = &read[0]["Plan"];
    assert!(top["Node Type"].is_string());
    assert_eq!(top["Actual Rows"], 2);
    assert_eq!(top["Actual Loops"], 1);
    assert!(top["Actual Total Time"].is_number());
    assert!(top["Plans"][0]["Node Type"].is_string());
}

#[tokio::test]
async fn a_statement_that_writes_stands_above_its_plans() {
    let context = SessionContext::new();
    let frame = context.sql("SELECT 1 AS a").await.unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    let write = ("Merge", "gold.t".to_owned());
    let plans = [plan.as_ref(), plan.as_ref()];
    let text = document(&plans, Some(&write), Duration::ZERO, None);
    let read: Value = serde_json::from_str(&text).unwrap();
    let top = &read[0]["Plan"];
    assert_eq!(top["Node Type"], "ModifyTable");
    assert_eq!(top["Operation"], "Merge");
    assert_eq!(top["Relation Name"], "gold.t");
    assert_eq!(top["Plans"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_continuous_plan_is_its_lines() {
    let read: Value = serde_json::from_str(&continuous("one\n two")).unwrap();
    assert_eq!(read[0]["Plan"]["Details"][1], " two");
    assert_eq!(words("spill_count"), "Spill Count");
}
