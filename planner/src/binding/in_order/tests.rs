//! Conditions that fail, and those that keep them from it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use datafusion::{error::DataFusionError, execution::context::SessionContext};

use crate::{new_session_state, session_config};

async fn answer(sql: &str) -> Result<String, DataFusionError> {
    let state = new_session_state(session_config(), Arc::default(), None)
        .map_err(|e| DataFusionError::Internal(e.to_string()))?;
    let rows = SessionContext::new_with_state(state)
        .sql(sql)
        .await?
        .collect()
        .await?;
    let table = pretty_format_batches(&rows)?.to_string();
    let cells = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(1)
        .map(|line| line.replace(['|', ' '], ""));
    Ok(cells.collect::<Vec<_>>().join(","))
}

const ROWS: &str = "(VALUES (1, 2), (2, 0), (3, 7), (4, NULL), (5, 3)) AS t(id, x)";

#[tokio::test]
async fn what_a_condition_sorts_out_does_not_fail_in_the_next() {
    let ids = async |condition: &str| {
        let sql = format!("SELECT id FROM {ROWS} WHERE {condition} ORDER BY id");
        answer(&sql).await
    };
    assert_eq!(ids("x <> 0 AND 10 / x > 2").await.unwrap(), "1,5");
    assert_eq!(ids("x = 0 OR 10 / x > 2").await.unwrap(), "1,2,5");
    assert_eq!(
        ids("id < 5 AND (x = 0 OR (x > 1 AND 10 / x > 2)) AND id > 0")
            .await
            .unwrap(),
        "1,2"
    );
    assert_eq!(ids("NOT (x = 0 OR 10 / x > 2)").await.unwrap(), "3");
}

#[tokio::test]
async fn a_null_decides_nothing() {
    let sql = format!("SELECT x <> 0 AND 10 / x > 2, x = 0 OR 10 / x > 2 FROM {ROWS} ORDER BY id");
    let shown = answer(&sql).await.unwrap();
    assert_eq!(shown, "truetrue,falsetrue,falsefalse,,truetrue");
}

#[tokio::test]
async fn what_fails_for_a_row_that_is_left_fails() {
    let sql = format!("SELECT id FROM {ROWS} WHERE id > 1 AND 10 / x > 2");
    let error = answer(&sql).await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("divi"), "{error}");
}
