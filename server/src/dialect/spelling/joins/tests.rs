//! What `*` stands for behind a JOIN with USING, and what its columns are.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::{super::tests::rewritten, refused};

#[test]
fn columns_of_using_come_first_and_once() {
    for (text, same) in [
        (
            "SELECT * FROM a JOIN b USING (k)",
            "SELECT a.k AS k, a.* EXCLUDE (k), b.* EXCLUDE (k) FROM a JOIN b USING(k)",
        ),
        (
            "SELECT * FROM a JOIN b USING (k) LEFT JOIN c USING (m), d",
            "SELECT a.m AS m, a.k AS k, a.* EXCLUDE (m, k), b.* EXCLUDE (k), c.* EXCLUDE (m), d.* FROM a JOIN b USING(k) LEFT JOIN c USING(m), d",
        ),
        (
            "SELECT k FROM a JOIN b USING (k)",
            "SELECT k FROM a JOIN b USING(k)",
        ),
        (
            "SELECT k FROM a LEFT JOIN b USING (k) WHERE k < 3 AND b.n IN (SELECT k FROM c)",
            "SELECT k FROM a LEFT JOIN b USING(k) WHERE a.k < 3 AND b.n IN (SELECT k FROM c)",
        ),
    ] {
        assert_eq!(rewritten(text), same, "{text}");
    }
}

#[test]
fn an_outer_join_gives_the_side_that_is_there() {
    for (text, same) in [
        (
            "SELECT k, count(*) FROM a RIGHT JOIN b USING (k) WHERE k > 1 GROUP BY k ORDER BY k",
            "SELECT b.k AS k, count(*) FROM a RIGHT JOIN b USING(k) WHERE b.k > 1 GROUP BY b.k ORDER BY k",
        ),
        (
            "SELECT v FROM a FULL JOIN b USING (k) ORDER BY k",
            "SELECT v FROM a FULL JOIN b USING(k) ORDER BY coalesce(a.k, b.k)",
        ),
    ] {
        assert_eq!(rewritten(text), same, "{text}");
    }
}

#[test]
fn what_cannot_be_told_is_refused() {
    let is_refused = |text: &str| {
        let mut parsed = sluice_sql::parse(text).unwrap();
        let sluice_sql::Statement::Sql(statement) = parsed.remove(0).statement else {
            panic!("{text}");
        };
        refused(&statement).is_some()
    };
    assert!(is_refused("SELECT * FROM a NATURAL JOIN b"));
    assert!(is_refused(
        "SELECT 1 FROM (SELECT k FROM a NATURAL FULL JOIN b) AS t"
    ));
    assert!(is_refused(
        "SELECT k FROM a JOIN b USING (k) FULL JOIN c USING (k)"
    ));
    assert!(!is_refused("SELECT v FROM a NATURAL JOIN b"));
    assert!(!is_refused("SELECT * FROM a RIGHT JOIN b USING (k)"));
}
