//! What is refused, and what is not.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::check;
use crate::error::SqlState;

fn refused(text: &str) -> Option<SqlState> {
    let mut parsed = sluice_sql::parse(text).unwrap();
    let sluice_sql::Statement::Sql(statement) = parsed.remove(0).statement else {
        panic!("{text}");
    };
    check(&statement).err().map(|error| error.state)
}

#[test]
fn what_would_be_overlooked_is_an_error() {
    for (text, state) in [
        (
            "SELECT 1 FROM (SELECT a FROM t TABLESAMPLE BERNOULLI (10)) AS s",
            Some(SqlState::FeatureNotSupported),
        ),
        ("SELECT 'a' 'b'", Some(SqlState::SyntaxError)),
        (
            "SELECT 1 AS 'b' UNION SELECT 2",
            Some(SqlState::SyntaxError),
        ),
        ("SELECT 1e400", Some(SqlState::NumericValueOutOfRange)),
        ("SELECT 'a' \"b\", 1e300 FROM t", None),
        (
            "WITH gone AS (DELETE FROM t RETURNING a) SELECT a FROM gone",
            Some(SqlState::FeatureNotSupported),
        ),
        ("WITH s AS (SELECT 1 AS a) DELETE FROM t USING s", None),
    ] {
        assert_eq!(refused(text), state, "{text}");
    }
}
