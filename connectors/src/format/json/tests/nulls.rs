//! Nulls under construction.

use super::super::nulls::Nulls;

#[test]
fn nulls_are_where_they_were_put() {
    let is_null = |row: usize| row.is_multiple_of(7) || (60..130).contains(&row);
    let mut nulls = Nulls::default();
    for _ in 0..3 {
        for row in 0..300 {
            // As many again, taken back.
            for row in row..row + 150 {
                if is_null(row) {
                    nulls.append_null();
                } else {
                    nulls.append_non_null();
                }
            }
            nulls.truncate(row + 1);
            assert_eq!(nulls.len(), row + 1);
        }
        nulls.truncate(1000);
        let found = nulls.finish().unwrap();
        let found: Vec<bool> = found.iter().map(|valid| !valid).collect();
        assert_eq!(found, (0..300).map(is_null).collect::<Vec<_>>());
        nulls.append_null();
        nulls.truncate(0);
        nulls.append_non_null();
        assert!(nulls.finish().is_none());
    }
}
