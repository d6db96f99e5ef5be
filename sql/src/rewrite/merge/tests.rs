//! Which action DO NOTHING becomes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use sqlparser::ast::{MergeAction, Statement as Sql};

use super::does_nothing;
use crate::{Statement, parse};

fn actions(text: &str) -> Vec<MergeAction> {
    let statement = parse(text).unwrap().remove(0).statement;
    let Statement::Sql(statement) = statement else {
        panic!("{text}");
    };
    let Sql::Merge(merge) = *statement else {
        panic!("{text}");
    };
    let clauses = merge.clauses.into_iter();
    clauses.map(|clause| clause.action).collect()
}

#[test]
fn each_kind_of_when_may_do_nothing() {
    let all = actions(
        "MERGE INTO t USING s ON t.a = s.a \
         WHEN MATCHED AND CASE WHEN s.a = 1 THEN true ELSE false END THEN DO NOTHING \
         WHEN MATCHED THEN UPDATE SET a = 1 \
         WHEN NOT MATCHED BY SOURCE THEN do nothing \
         WHEN NOT MATCHED AND s.a = 2 THEN DO NOTHING \
         WHEN NOT MATCHED BY TARGET THEN INSERT (a) VALUES (s.a)",
    );
    let nothing: Vec<bool> = all.iter().map(does_nothing).collect();
    assert_eq!(nothing, [true, false, true, true, false]);
    assert!(matches!(all.get(2), Some(MergeAction::Update(_))));
    assert!(matches!(all.get(3), Some(MergeAction::Insert(_))));
}

#[test]
fn what_is_printed_is_read_again() {
    let text = "MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED THEN DO NOTHING";
    let statement = parse(text).unwrap().remove(0).statement;
    let again = parse(&statement.to_string()).unwrap().remove(0).statement;
    assert_eq!(statement, again);
}
