//! Versions in names, there and back; and times that are none.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use proptest::prelude::*;
use sluice_sql::{Statement, ast};

use super::{AsOf, name_versions};
use crate::{binding::new_session_state, error::PlanErrorKind, session_config};

fn named(sql: &str) -> Result<String, crate::PlanError> {
    let config = session_config();
    let state = new_session_state(config, Arc::new(RuntimeEnv::default()), None).unwrap();
    let parsed = sluice_sql::parse(sql).unwrap().remove(0);
    let Statement::Sql(statement) = parsed.statement else {
        panic!("{sql} is a statement of ours");
    };
    let mut statement: ast::Statement = *statement;
    name_versions(&state, &mut statement)?;
    Ok(statement.to_string())
}

#[test]
fn a_version_becomes_a_name_and_the_old_name_an_alias() {
    assert_eq!(
        named("SELECT * FROM gold.T VERSION AS OF 3").unwrap(),
        "SELECT * FROM gold.\"t@version=3\" AS T"
    );
    assert_eq!(
        named("SELECT * FROM t AS a JOIN \"T\" TIMESTAMP AS OF '2026-11-27 10:00' AS b ON true")
            .unwrap(),
        "SELECT * FROM t AS a JOIN \"T@timestamp=2026-11-27T10:00:00Z\" AS b ON true"
    );
    assert_eq!(
        named("SELECT (SELECT max(a) FROM t TIMESTAMP AS OF TIMESTAMP '2026-11-27 10:00:00.5' - INTERVAL '1 hour')").unwrap(),
        "SELECT (SELECT max(a) FROM \"t@timestamp=2026-11-27T09:00:00.500Z\" AS t)"
    );
}

#[test]
fn what_is_no_time_is_refused() {
    for time in ["'yesterday'", "5", "NULL::timestamp", "$1", "random()"] {
        let error = named(&format!("SELECT * FROM t TIMESTAMP AS OF {time}")).unwrap_err();
        assert!(
            matches!(
                error.kind,
                PlanErrorKind::DatatypeMismatch | PlanErrorKind::Data | PlanErrorKind::Invalid
            ),
            "{time}: {error:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_name_says_what_it_was_given(
        table in "[a-z@=_]{1,8}",
        number in 0..i64::MAX,
        us in 0..4_000_000_000_000_000_i64,
    ) {
        for as_of in [AsOf::Version(number), AsOf::Time(us)] {
            let name = as_of.relation(&table).unwrap();
            prop_assert_eq!(AsOf::of_relation(&name), Some((table.as_str(), as_of)));
        }
        prop_assert_eq!(AsOf::of_relation(&table), None);
    }
}
