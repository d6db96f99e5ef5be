//! Marks come on and off, and are invisible.

#![expect(clippy::unwrap_used, reason = "tests")]

use sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

use super::*;

fn marked(sql: &str) -> Vec<Vec<String>> {
    let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql)
        .unwrap()
        .remove(0);
    expose_metadata(&mut statement);
    struct Taker(Vec<Vec<String>>);
    impl VisitorMut for Taker {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            if let Some(named) = take_mark(factor) {
                self.0
                    .push(named.into_iter().map(|ident| ident.value).collect());
            }
            ControlFlow::Continue(())
        }
    }
    let mut taker = Taker(Vec::new());
    let _ = statement.visit(&mut taker);
    taker.0
}

#[test]
fn every_table_is_marked_with_what_the_statement_names() {
    assert_eq!(marked("SELECT * FROM a"), [Vec::<String>::new()]);
    assert_eq!(
        marked("SELECT a._offset FROM a JOIN (SELECT * FROM b WHERE _topic = 'x') AS c ON true"),
        [["_offset", "_topic"], ["_offset", "_topic"]]
    );
}

#[test]
fn relations_inside_window_functions_are_marked() {
    assert_eq!(
        marked("SELECT _offset FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')"),
        [["_offset"]]
    );
}
