//! Where the arithmetic is easily got wrong: before 1970, with offsets, at the ends of 64 bits; and against the definition.

#![expect(
    clippy::unwrap_used,
    clippy::single_range_in_vec_init,
    reason = "tests; a row may be in one window"
)]

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

#[test]
fn of_sessions_that_are_cut_it_is_known_what_may_still_come() {
    let session = |max_us| Windows::Session { gap_us: 10, max_us };
    let (whole, cut) = (session(None), session(Some(30)));
    assert_eq!(of(&whole, 7), Some(vec![0..10]));
    assert_eq!(of(&cut, 7), Some(vec![7..17]));
    let columns = [WindowColumn::Start, WindowColumn::End, WindowColumn::Time];
    let at = |windows: &Windows, us| columns.map(|column| windows.watermark_of(column, us));
    assert_eq!(at(&whole, 100), [i64::MIN, 100, 99]);
    // A piece that ends at 90 is final at 100; one that ends at 91 may have begun at 61.
    assert_eq!(at(&cut, 100), [61, 91, 90]);
    assert_eq!(at(&cut, i64::MAX), [i64::MAX; 3]);
}

/// Microseconds of a moment.
fn at(moment: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(moment)
        .unwrap()
        .timestamp_micros()
}

#[test]
fn days_of_a_zone_have_23_and_25_hours() {
    let madrid = |unit| Windows::Calendar {
        unit,
        zone: "Europe/Madrid".to_owned(),
    };
    let days = madrid(Unit::Days(1));
    let of = |windows: &Windows, moment: &str| of(windows, at(moment)).unwrap();
    let hours = |window: &Range<i64>| (window.end - window.start) / (60 * MINUTE);
    let spring = of(&days, "2026-03-29T12:00:00+02:00");
    assert_eq!(
        spring,
        [at("2026-03-29T00:00:00+01:00")..at("2026-03-30T00:00:00+02:00")]
    );
    assert_eq!(hours(&spring[0]), 23);
    let autumn = of(&days, "2026-10-25T02:30:00+01:00");
    assert_eq!(
        autumn,
        [at("2026-10-25T00:00:00+02:00")..at("2026-10-26T00:00:00+01:00")]
    );
    assert_eq!(hours(&autumn[0]), 25);
    // The last moment of a day, and the first of the next.
    assert_eq!(of(&days, "2026-10-25T23:59:59.999999+01:00"), autumn);
    assert_ne!(of(&days, "2026-10-26T00:00:00+01:00"), autumn);
    let weeks = of(&madrid(Unit::Days(7)), "2026-11-26T12:00:00Z");
    assert_eq!(
        weeks,
        [at("2026-11-23T00:00:00+01:00")..at("2026-11-30T00:00:00+01:00")]
    );
    let quarter = of(&madrid(Unit::Months(3)), "2026-05-01T00:00:00Z");
    assert_eq!(
        quarter,
        [at("2026-04-01T00:00:00+02:00")..at("2026-07-01T00:00:00+02:00")]
    );
    let year = of(&madrid(Unit::Months(12)), "1969-12-31T23:30:00Z");
    assert_eq!(
        year,
        [at("1970-01-01T00:00:00+01:00")..at("1971-01-01T00:00:00+01:00")]
    );
}

#[test]
fn days_that_begin_late_or_twice_or_never() {
    let day = |zone: &str, moment: &str| {
        let windows = Windows::Calendar {
            unit: Unit::Days(1),
            zone: zone.to_owned(),
        };
        of(&windows, at(moment)).unwrap()
    };
    // Clocks go forward at midnight: the day begins at one.
    assert_eq!(
        day("America/Sao_Paulo", "2018-11-04T12:00:00-02:00"),
        [at("2018-11-04T01:00:00-02:00")..at("2018-11-05T00:00:00-02:00")]
    );
    // Clocks go back at midnight to 23:00: the last hour of the day comes twice.
    let long = day("America/Sao_Paulo", "2018-02-17T23:30:00-03:00");
    assert_eq!(
        long,
        [at("2018-02-17T00:00:00-02:00")..at("2018-02-18T00:00:00-03:00")]
    );
    // Samoa had no 30 December 2011.
    assert_eq!(
        day("Pacific/Apia", "2011-12-29T23:59:59-10:00"),
        [at("2011-12-29T00:00:00-10:00")..at("2011-12-31T00:00:00+14:00")]
    );
    // Clocks go back over midnight: the hour before it comes again after it has struck.
    let twice = day("America/Havana", "2026-11-01T12:00:00-05:00");
    assert_eq!((twice[0].end - twice[0].start) / (60 * MINUTE), 25);
}

proptest! {
    #[test]
    fn calendar_windows_follow_one_another(
        zone in prop_oneof![Just("UTC"), Just("Europe/Madrid"), Just("America/Sao_Paulo"), Just("Pacific/Apia"), Just("Asia/Kathmandu"), Just("America/St_Johns")],
        unit in prop_oneof![(1u32..15).prop_map(Unit::Days), (1u32..25).prop_map(Unit::Months)],
        time in 0i64..1_800_000_000_000_000,
    ) {
        let windows = Windows::Calendar { unit, zone: zone.to_owned() };
        let one = of(&windows, time).unwrap();
        prop_assert_eq!(one.len(), 1);
        let window = one[0].clone();
        prop_assert!(window.contains(&time));
        prop_assert_eq!(of(&windows, window.start).unwrap(), one.clone());
        prop_assert_eq!(of(&windows, window.end - 1).unwrap(), one);
        let next = of(&windows, window.end).unwrap();
        prop_assert_eq!(next[0].start, window.end);
    }
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
        Windows::Calendar { .. } | Windows::Session { .. } => Vec::new(),
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
