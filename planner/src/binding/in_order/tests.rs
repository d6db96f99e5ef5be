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
async fn a_filter_leaves_a_null_away_before_it_looks_further() {
    let rows = "(VALUES (1, NULL, 0), (2, 1, 5)) AS t(id, x, y)";
    let sql = format!("SELECT id FROM {rows} WHERE x = 1 AND 10 / y = 2");
    assert_eq!(answer(&sql).await.unwrap(), "2");
}

#[tokio::test]
async fn what_does_something_does_it_for_rows_that_are_left() {
    use datafusion::{
        common::cast::as_int64_array,
        logical_expr::{ColumnarValue, Volatility, create_udf},
    };
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let act = move |arguments: &[ColumnarValue]| {
        let [ColumnarValue::Array(ids)] = arguments else {
            return Err(DataFusionError::Internal("one column".to_owned()));
        };
        let ids = as_int64_array(ids)?;
        heard.lock().unwrap().extend(ids.iter().flatten());
        Ok(ColumnarValue::Array(Arc::new(
            ids.iter()
                .map(|id| id.map(|_| true))
                .collect::<arrow::array::BooleanArray>(),
        )))
    };
    use arrow::datatypes::DataType::{Boolean, Int64};
    let function = create_udf(
        "act",
        vec![Int64],
        Boolean,
        Volatility::Volatile,
        Arc::new(act),
    );
    let state = new_session_state(session_config(), Arc::default(), None).unwrap();
    let context = SessionContext::new_with_state(state);
    context.register_udf(function);
    for sql in [
        format!("SELECT id FROM {ROWS} WHERE x > 1 AND act(id) AND id < 5"),
        format!(
            "SELECT count(*) FROM (SELECT act(id) AS did FROM {ROWS} WHERE x > 1 AND id < 5) AS s WHERE did"
        ),
    ] {
        context.sql(&sql).await.unwrap().collect().await.unwrap();
        let mut seen = std::mem::take(&mut *seen.lock().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, [1, 3], "{sql}");
    }
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
