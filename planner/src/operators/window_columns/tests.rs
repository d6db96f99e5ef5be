//! Columns agree with the arithmetic, row by row.

use super::*;

const MINUTE: i64 = 60_000_000;

#[test]
fn arrays_agree_with_single_times_and_keep_nulls() {
    let times: Vec<Option<i64>> = vec![
        Some(5),
        None,
        Some(-5),
        Some(MINUTE + 7),
        Some(3),
        Some(i64::MAX),
        Some(4),
    ];
    let array = TimestampMicrosecondArray::from(times.clone());
    for offset_us in [0, 1, MINUTE - 1] {
        let windows = Windows::Tumble {
            size_us: MINUTE,
            offset_us,
        };
        let column = |column| of_times(&array, &windows, Some(column));
        let (starts, ends) = (column(WindowColumn::Start), column(WindowColumn::End));
        let last = column(WindowColumn::Time);
        let panes = of_times(&array, &windows, None);
        assert_eq!(panes, starts);
        for (row, time) in times.iter().enumerate() {
            let pane = time.and_then(|time| windows.pane_of(time));
            let expected = pane.and_then(|pane| windows.windows_of(pane).next());
            let got = (!starts.is_null(row)).then(|| starts.value(row)..ends.value(row));
            assert_eq!(got, expected, "row {row}, offset {offset_us}");
            let expected = expected.map(|window| window.end - 1);
            assert_eq!((!last.is_null(row)).then(|| last.value(row)), expected);
        }
    }
}
