//! Against a plain set of numbers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn agrees_with_a_set(ranges in proptest::collection::vec((0i64..60, 0i64..10), 0..20)) {
        let mut intervals = Intervals::default();
        let mut set = BTreeSet::new();
        for (start, len) in ranges {
            intervals.insert(start..start + len);
            set.extend(start..start + len);
            for pair in intervals.0.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
        }
        for offset in -1..80 {
            prop_assert_eq!(intervals.contains(offset), set.contains(&offset));
        }
    }
}
