//! What a statement comes to with its names written out.

use super::*;
use crate::testing::parse;

/// Forty queries of WITH, each of which names the one before twice.
fn doubled(first: &str) -> String {
    let names = (1..40).map(|n| {
        let last = n - 1;
        format!(", c{n} AS (SELECT * FROM c{last} UNION ALL SELECT * FROM c{last})")
    });
    let names: String = names.collect();
    format!("WITH c0 AS ({first}){names} SELECT count(*) FROM c39")
}

fn counted(sql: &str) -> u64 {
    count(&parse(sql), HashMap::new())
}

#[test]
fn what_names_no_relation_is_counted_too() {
    for first in [
        "SELECT 1 AS x",
        "VALUES (1)",
        "SELECT * FROM (VALUES (1)) AS t(x)",
        "SELECT * FROM UNNEST(ARRAY[1, 2]) AS t(x)",
        "SELECT * FROM generate_series(1, 2) AS t(x)",
        "SELECT x FROM gold.x",
    ] {
        assert!(counted(&doubled(first)) > MAX_OPERATORS, "{first}");
    }
}

#[test]
fn what_people_write_is_small() {
    for (sql, most) in [
        ("SELECT 1", 1),
        ("VALUES (1), (2)", 1),
        ("SELECT * FROM a JOIN b ON a.x = b.x", 3),
        ("WITH c AS (SELECT 1 AS x) SELECT * FROM c, c AS d", 3),
        ("SELECT * FROM a WHERE x IN (SELECT x FROM b)", 4),
        ("SELECT x FROM UNNEST(ARRAY[1, 2]) AS t(x)", 2),
    ] {
        assert_eq!(counted(sql), most, "{sql}");
    }
}
