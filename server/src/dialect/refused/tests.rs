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
    ] {
        assert_eq!(refused(text), state, "{text}");
    }
}
