//! Where the arithmetic is easily got wrong: before 1970, with offsets, at the ends of 64 bits; and against the definition.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000_000;

fn tumble(offset_us: i64) -> Windows {
    Windows::Tumble {
        size_us: MINUTE,
        offset_us,
    }
}

fn of(windows: &Windows, time_us: i64) -> Option<Vec<Range<i64>>> {
    Some(windows.windows_of(windows.pane_of(time_us)?).collect())
}

#[test]
fn a_time_is_in_its_window() {
    let windows = tumble(0);
    assert_eq!(of(&windows, 0), Some(vec![0..MINUTE]));
    assert_eq!(of(&windows, MINUTE - 1), Some(vec![0..MINUTE]));
    assert_eq!(of(&windows, MINUTE), Some(vec![MINUTE..2 * MINUTE]));
}

#[test]
fn before_1970_windows_go_on_evenly() {
    let windows = tumble(0);
    assert_eq!(of(&windows, -1), Some(vec![-MINUTE..0]));
    assert_eq!(of(&windows, -MINUTE), Some(vec![-MINUTE..0]));
    assert_eq!(of(&windows, -MINUTE - 1), Some(vec![-2 * MINUTE..-MINUTE]));
}

#[test]
fn an_offset_moves_every_window() {
    let windows = tumble(15_000_000);
    assert_eq!(of(&windows, 0), Some(vec![-45_000_000..15_000_000]));
    assert_eq!(of(&windows, 15_000_000), Some(vec![15_000_000..75_000_000]));
    assert_eq!(
        of(&windows, -45_000_001),
        Some(vec![-105_000_000..-45_000_000])
    );
}

#[test]
fn where_the_arithmetic_ends_there_is_no_window() {
    let hop = Windows::Hop {
        slide_us: 20,
        size_us: MINUTE,
        offset_us: 0,
    };
    for windows in [tumble(0), tumble(1), hop] {
        assert_eq!(of(&windows, i64::MAX), None);
        assert_eq!(of(&windows, i64::MIN), None);
    }
}

#[test]
fn hops_and_steps() {
    let hop = Windows::Hop {
        slide_us: 4,
        size_us: 10,
        offset_us: 0,
    };
    assert_eq!((hop.pane_us(), hop.panes()), (2, 5));
    assert_eq!(of(&hop, 9), Some(vec![0..10, 4..14, 8..18]));
    assert_eq!(of(&hop, 10), Some(vec![4..14, 8..18]));
    let cumulate = Windows::Cumulate {
        step_us: 3,
        size_us: 9,
        offset_us: 1,
    };
    assert_eq!((cumulate.pane_us(), cumulate.panes()), (3, 3));
    assert_eq!(of(&cumulate, 1), Some(vec![1..4, 1..7, 1..10]));
    assert_eq!(of(&cumulate, 9), Some(vec![1..10]));
    assert_eq!(of(&cumulate, 0), Some(vec![-8..1]));
}

fn any_windows() -> impl Strategy<Value = Windows> {
    let tumble = (1i64..50, 0i64..50).prop_map(|(size_us, offset)| Windows::Tumble {
        size_us,
        offset_us: offset % size_us,
    });
    let hop = (1i64..20, 0i64..40, 0i64..20).prop_map(|(slide_us, more, offset)| Windows::Hop {
        slide_us,
        size_us: slide_us + more,
        offset_us: offset % slide_us,
    });
    let cumulate =
        (1i64..10, 1i64..8, 0i64..80).prop_map(|(step_us, steps, offset)| Windows::Cumulate {
            step_us,
            size_us: step_us * steps,
            offset_us: offset % (step_us * steps),
        });
    prop_oneof![tumble, hop, cumulate]
}

/// Every window by its definition, around a time.
fn defined(windows: &Windows, time_us: i64) -> Vec<Range<i64>> {
    let all: Vec<Range<i64>> = match *windows {
        Windows::Tumble { size_us, offset_us } => (-400..400)
            .map(|n| offset_us + n * size_us)
            .map(|start| start..start + size_us)
            .collect(),
        Windows::Hop {
            slide_us,
            size_us,
            offset_us,
        } => (-400..400)
            .map(|n| offset_us + n * slide_us)
            .map(|start| start..start + size_us)
            .collect(),
        Windows::Cumulate {
            step_us,
            size_us,
            offset_us,
        } => (-400..400)
            .map(|n| offset_us + n * size_us)
            .flat_map(|start| {
                (1..=size_us / step_us).map(move |steps| start..start + steps * step_us)
            })
            .collect(),
    };
    all.into_iter()
        .filter(|window| window.contains(&time_us))
        .collect()
}

proptest! {
    #[test]
    fn a_time_is_in_the_windows_of_its_pane(windows in any_windows(), time in -150i64..150) {
        let pane = windows.pane_of(time).unwrap();
        prop_assert!((pane..windows.pane_end(pane)).contains(&time));
        let found: Vec<Range<i64>> = windows.windows_of(pane).collect();
        prop_assert_eq!(&found, &defined(&windows, time));
        prop_assert!(found.is_sorted_by(|a, b| a.end < b.end));
        prop_assert_eq!(found.last().unwrap().end, windows.last_end(pane));
        // All of the pane is in the same windows.
        for time in pane..windows.pane_end(pane) {
            prop_assert_eq!(windows.pane_of(time), Some(pane));
            prop_assert_eq!(&found, &defined(&windows, time));
        }
        prop_assert!(windows.panes() >= 1);
    }
}
