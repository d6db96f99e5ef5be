//! Lines of `/proc`, trees of processes, and one that takes time.

use std::{process::Command, time::Instant};

use super::*;

#[test]
fn a_name_may_have_brackets() {
    let stat = "42 (a) b) S 7 42 42 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 12 0 777 1000 300 1";
    let expected = Stat {
        parent: 7,
        ticks: 300,
        started: 777,
        pages: 300,
    };
    assert_eq!(Stat::parse(stat), Some(expected));
    assert_eq!(Stat::parse("42 (a"), None);
}

#[test]
fn grandchildren_are_of_the_tree_and_neighbours_are_not() {
    let parents = BTreeMap::from([(2, 1), (3, 1), (4, 2), (5, 4), (6, 3)]);
    assert_eq!(descendants(2, &parents), BTreeSet::from([2, 4, 5]));
}

#[test]
fn what_ended_children_took_is_not_forgotten() {
    // Longer than new processes are looked for, on a fast machine too.
    let script = "(i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done); sleep 0.3";
    let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
    let watch = Watch::start(child.id());
    let start = Instant::now();
    child.wait().unwrap();
    let cpu_s = watch.cpu_s();
    assert!(
        cpu_s > 0.0 && cpu_s <= start.elapsed().as_secs_f64() + 0.1,
        "{cpu_s}"
    );
    assert!(watch.peak_mib() > 0.1);
}
