//! What is counted of values, when it is given back, and that nothing else changes.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::util::display::array_value_to_string;
use datafusion::{execution::memory_pool::GreedyMemoryPool, prelude::SessionContext};

use super::*;
use crate::{new_session_state, session_config};

const POOL: usize = 64 << 20;

fn context() -> (SessionContext, Arc<dyn MemoryPool>) {
    let state = new_session_state(session_config(), Arc::default(), None).unwrap();
    let context = SessionContext::new_with_state(state);
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(POOL));
    context.add_analyzer_rule(Arc::new(CountedValues::new(Arc::clone(&pool))));
    (context, pool)
}

/// The first value of a query with the name of its column, or the kind of its error.
async fn answer(context: &SessionContext, query: &str) -> Result<(String, String), PlanErrorKind> {
    let rows = async { context.sql(query).await?.collect().await };
    let batches = rows.await.map_err(|error| PlanError::from(error).kind)?;
    let batch = batches.first().unwrap();
    let value = array_value_to_string(batch.column(0), 0).unwrap();
    Ok((batch.schema().field(0).name().clone(), value))
}

#[tokio::test]
async fn answers_and_names_stay_as_they_are() {
    let (context, _) = context();
    for (query, name, value) in [
        (
            "SELECT a || b || a FROM (VALUES ('x', 'y')) AS t (a, b)",
            "t.a || t.b || t.a",
            "xyx",
        ),
        (
            "SELECT a || NULL IS NULL AS n FROM (VALUES ('x')) AS t (a)",
            "n",
            "true",
        ),
        ("SELECT 'n' || 1 AS n", "n", "n1"),
        (
            "SELECT concat(a, 'y', 'z') AS c FROM (VALUES ('x')) AS t (a)",
            "c",
            "xyz",
        ),
        (
            "SELECT ARRAY[a, upper(a)] AS l FROM (VALUES ('x')) AS t (a)",
            "l",
            "[x, X]",
        ),
        (
            "SELECT max(a || b) AS m FROM (VALUES ('x', 'y'), ('x', 'z')) AS t (a, b) WHERE a || b <> 'q'",
            "m",
            "xz",
        ),
    ] {
        let expected = Ok((name.to_owned(), value.to_owned()));
        assert_eq!(answer(&context, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn long_values_are_counted_and_given_back() {
    let (context, pool) = context();
    let joined = |times: usize| {
        let sides = vec!["x"; times].join(" || ");
        format!("SELECT length({sides}) AS n FROM (SELECT repeat('a', 10000000) AS x) AS t")
    };
    for _ in 0..10 {
        let two = answer(&context, &joined(2)).await.unwrap();
        assert_eq!(two.1, "20000000");
    }
    assert_eq!(pool.reserved(), 0);
    let many = answer(&context, &joined(20)).await;
    assert_eq!(many, Err(PlanErrorKind::Resources));
    for query in [
        "SELECT concat(x, x, x, x, x, x, x, x) FROM (SELECT repeat('a', 10000000) AS x) AS t",
        "SELECT ARRAY[x, x, x, x, x, x, x, x] FROM (SELECT repeat('a', 10000000) AS x) AS t",
        "SELECT length(repeat('a', 50000000) || repeat('b', 50000000))",
        "SELECT repeat('a', 10000000 + n) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8)) AS t (n)",
        "SELECT repeat('a', 100000) AS x FROM generate_series(1, 8192)",
    ] {
        let refused = answer(&context, query).await;
        assert_eq!(refused, Err(PlanErrorKind::Resources), "{query}");
    }
    assert_eq!(pool.reserved(), 0);
}

#[tokio::test]
async fn one_value_for_all_rows_stays_one() {
    let (context, pool) = context();
    for (query, value) in [
        (
            "SELECT length(repeat('x', 1000000)) FROM generate_series(1, 8192)",
            "1000000",
        ),
        (
            "SELECT length(upper(repeat('x', 1000000)) || 'y') FROM generate_series(1, 8192)",
            "1000001",
        ),
        (
            "SELECT count(*) FROM generate_series(1, 8192) AS g (n) WHERE repeat('x', 1000000) <> CAST(n AS VARCHAR)",
            "8192",
        ),
    ] {
        assert_eq!(answer(&context, query).await.unwrap().1, value, "{query}");
    }
    // Beside a value of each row it is copied.
    let query = "SELECT length(CAST(n AS VARCHAR) || repeat('x', 1000000)) FROM generate_series(1, 8192) AS g (n)";
    let refused = answer(&context, query).await;
    assert_eq!(refused, Err(PlanErrorKind::Resources));
    assert_eq!(pool.reserved(), 0);
}

#[tokio::test]
async fn a_plan_keeps_short_constants_only() {
    let (context, _) = context();
    let state = context.state();
    for (query, folded) in [
        ("SELECT repeat('ab', 4) || 'c' AS x", "abababab"),
        ("SELECT repeat('ab', 100000) || 'c' AS x", "100000"),
    ] {
        let plan = state.create_logical_plan(query).await.unwrap();
        let plan = state.optimize(&plan).unwrap().to_string();
        assert!(plan.contains(folded), "{}", plan.len());
        assert!(plan.len() < 1000, "{}", plan.len());
    }
}

#[test]
fn what_sorts_keep_is_no_more_counted_when_others_have_come() {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(usize::MAX));
    let counted = Counted {
        inner: Arc::clone(&JOINED),
        pool: Arc::clone(&pool),
        spreads: true,
        recent: Mutex::default(),
    };
    let long = "a".repeat(SMALL + 1);
    let mut kept = Vec::new();
    for _ in 0..(3 * RECENT) {
        let array: ArrayRef = Arc::new(arrow::array::StringArray::from(vec![long.as_str()]));
        let memory = MemoryConsumer::new("test").register(&pool);
        let held = counted.holding(Arc::clone(&array), memory).unwrap();
        assert_eq!(&held, &array);
        kept.push(held);
    }
    assert!(pool.reserved() >= RECENT * long.len());
    assert!(pool.reserved() < (RECENT + 1) * long.len());
    drop(kept);
    assert_eq!(pool.reserved(), 0);
}
