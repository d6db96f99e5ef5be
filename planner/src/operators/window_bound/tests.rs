//! Floor division where it is easily got wrong: before 1970, with offsets, at the ends of 64 bits.

use super::*;

const MINUTE: i64 = 60_000_000;

#[test]
fn a_time_is_in_its_window() {
    assert_eq!(window_of(0, MINUTE, 0), Some(0..MINUTE));
    assert_eq!(window_of(MINUTE - 1, MINUTE, 0), Some(0..MINUTE));
    assert_eq!(window_of(MINUTE, MINUTE, 0), Some(MINUTE..2 * MINUTE));
}

#[test]
fn before_1970_windows_go_on_evenly() {
    assert_eq!(window_of(-1, MINUTE, 0), Some(-MINUTE..0));
    assert_eq!(window_of(-MINUTE, MINUTE, 0), Some(-MINUTE..0));
    assert_eq!(
        window_of(-MINUTE - 1, MINUTE, 0),
        Some(-2 * MINUTE..-MINUTE)
    );
}

#[test]
fn an_offset_moves_every_window() {
    assert_eq!(
        window_of(0, MINUTE, 15_000_000),
        Some(-45_000_000..15_000_000)
    );
    assert_eq!(
        window_of(15_000_000, MINUTE, 15_000_000),
        Some(15_000_000..75_000_000)
    );
    assert_eq!(
        window_of(-45_000_001, MINUTE, 15_000_000),
        Some(-105_000_000..-45_000_000)
    );
}

#[test]
fn where_the_arithmetic_ends_there_is_no_window() {
    assert_eq!(window_of(i64::MAX, MINUTE, 0), None);
    assert_eq!(window_of(i64::MIN, MINUTE, 0), None);
    assert_eq!(window_of(i64::MIN, MINUTE, 1), None);
}

#[test]
fn arrays_agree_with_single_times_and_keep_nulls() {
    let times: Vec<Option<i64>> = vec![
        Some(5),
        None,
        Some(-5),
        Some(MINUTE + 7),
        Some(3),
        Some(i64::MAX),
    ];
    let array = TimestampMicrosecondArray::from(times.clone());
    for offset in [0, 1, MINUTE - 1] {
        let starts = bounds(&array, MINUTE, offset, Bound::Start);
        let ends = bounds(&array, MINUTE, offset, Bound::End);
        for (row, time) in times.iter().enumerate() {
            let expected = time.and_then(|time| window_of(time, MINUTE, offset));
            let got = (!starts.is_null(row)).then(|| starts.value(row)..ends.value(row));
            assert_eq!(got, expected, "row {row}, offset {offset}");
        }
    }
}
