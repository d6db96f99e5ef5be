//! Marks come on to names and off again.

use super::{shown, unique, without_marks};

#[test]
fn marks_are_cut_off_names_and_texts() {
    let (one, two) = (unique("count", 0), unique("?column?", 12));
    assert_eq!(shown(&one), "count");
    let plan = format!("Projection: count(*) AS {one}, Int64(1) AS {two}\n  EmptyRelation: rows=1");
    assert_eq!(
        without_marks(&plan),
        "Projection: count(*) AS count, Int64(1) AS ?column?\n  EmptyRelation: rows=1"
    );
    assert_eq!(without_marks(&one), "count");
    assert_eq!(without_marks("a1 = 2"), "a1 = 2");
}
