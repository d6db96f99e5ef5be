//! The operators through SQL.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::array::Array;
use arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;

use crate::binding::{new_session_state, session_config};

async fn value(expr: &str) -> String {
    let state = new_session_state(session_config(), Default::default(), None).unwrap();
    let sql = format!(
        "SELECT {expr} AS v FROM (VALUES ('{{\"a\":{{\"b\":[1,\"two\",null]}},\"n\":1.5}}'), ('not json')) AS t(p)"
    );
    let batches = SessionContext::new_with_state(state)
        .sql(&sql)
        .await
        .unwrap();
    let batches = batches.collect().await.unwrap();
    let column = batches[0].column(0);
    let cells = (0..2).map(|row| match column.is_null(row) {
        true => "NULL".to_owned(),
        false => array_value_to_string(column, row).unwrap(),
    });
    format!(
        "{}: {}",
        column.data_type(),
        cells.collect::<Vec<_>>().join(" ")
    )
}

#[tokio::test]
async fn paths_give_json_and_text_and_null_where_there_is_none() {
    assert_eq!(
        value("p -> 'a'").await,
        r#"Utf8: {"b":[1,"two",null]} NULL"#
    );
    assert_eq!(value("p -> 'a' -> 'b' -> 1").await, r#"Utf8: "two" NULL"#);
    assert_eq!(value("p -> 'a' -> 'b' ->> 1").await, "Utf8: two NULL");
    assert_eq!(value("p -> 'a' -> 'b' ->> 2").await, "Utf8: NULL NULL");
    assert_eq!(value("(p ->> 'n')::double").await, "Float64: 1.5 NULL");
    assert_eq!(value("p ->> 'missing'").await, "Utf8: NULL NULL");
    assert_eq!(value("p -> 'a' -> 'b' -> -2 ").await, r#"Utf8: "two" NULL"#);
    assert_eq!(value("p -> 0").await, "Utf8: NULL NULL");
    assert_eq!(value("p -> 'n' -> 'x'").await, "Utf8: NULL NULL");
    assert_eq!(value("p -> NULL").await, "Utf8: NULL NULL");
}
