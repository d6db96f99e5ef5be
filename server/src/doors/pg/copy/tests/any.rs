//! Any data at all: rows or a refusal, the same however they are cut, and no panic for the values in them.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::super::{apart::rows, binary::SIGNATURE};
use crate::doors::tests::changed;

/// Values as they are written, and some that are nearly so.
const TEXTS: [&str; 40] = [
    "",
    "\\N",
    "\\.",
    "1",
    "-32769",
    "99999999999999999999999999999999999999",
    "1e-40",
    "1e2147483647",
    "NaN",
    "-Infinity",
    "t",
    "of",
    "2026-02-30",
    "2026-01-01",
    "infinity",
    "24:00:00",
    "23:59:60.9999999",
    "2026-01-01 10:00:00.123456789+14:59",
    "0044-03-15 BC",
    "294277-01-01",
    "1 day",
    "P1Y2M3DT4H5M6S",
    "PT",
    "-1-2",
    "18446744073709551615:18446744073709551615:1e308",
    "1e300 years ago",
    "@ 1 mon -nan s",
    "00000000-0000-0000-0000-00000000000A",
    "{\"a\": [1, null]}",
    "\\\\x0aff",
    "\\\\x0a f",
    "\\001\\",
    "{1,2,NULL}",
    "{{1,2},{3,4}}",
    "{{1},{}}",
    "{1,{}}",
    "{{{{{{{1}}}}}}}",
    "{\"\\\"\",a}",
    "\"quoted, \"\"twice\"\"\"",
    "é",
];

/// Lines of such values.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        4 => select(TEXTS.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..12),
    ];
    let end = select(vec!["\t", ",", "\t", ",", "\n", "\r\n"]);
    vec((value, end), 0..12).prop_map(|parts| {
        let parts = parts.into_iter();
        let bytes = parts.flat_map(|(value, end)| [value, end.as_bytes().to_vec()].concat());
        bytes.collect()
    })
}

/// A value in binary: of a length that some type has, of a list, or of any.
fn in_binary() -> impl Strategy<Value = Vec<u8>> {
    let number = select(vec![
        0_i32,
        1,
        2,
        6,
        23,
        25,
        1185,
        1231,
        -1,
        i32::MAX,
        i32::MIN,
    ]);
    prop_oneof![
        select(vec![1_usize, 2, 4, 8, 16]).prop_flat_map(|length| vec(any::<u8>(), length)),
        select(vec![
            [0_u8; 8],
            [255; 8],
            [127, 255, 255, 255, 255, 255, 255, 255]
        ])
        .prop_map(|bytes| bytes.to_vec()),
        vec(number, 0..8).prop_map(|all| all
            .into_iter()
            .flat_map(i32::to_be_bytes)
            .collect::<Vec<u8>>()),
        vec(any::<u8>(), 0..20),
    ]
}

/// Tuples of so many values.
fn tuples(columns: usize) -> impl Strategy<Value = Vec<u8>> {
    let tuple = vec(option::weighted(0.8, in_binary()), columns);
    vec(tuple, 0..5).prop_map(move |tuples| {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for tuple in tuples {
            bytes.extend((columns as i16).to_be_bytes());
            for value in tuple {
                let length = value.as_ref().map_or(-1, |value| value.len() as i32);
                bytes.extend(length.to_be_bytes());
                bytes.extend(value.into_iter().flatten());
            }
        }
        bytes.extend([255, 255]);
        bytes
    })
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        vec(any::<u8>(), 0..200),
        lines(),
        (1..5_usize).prop_flat_map(tuples),
    ];
    changed(whole, 3)
}

proptest! {
    #[test]
    fn any_data_are_rows_or_refused_however_they_are_cut(
        form in 0..24_u8,
        data in data(),
        piece in 1..9_usize,
    ) {
        let whole = rows(form, [data.as_slice()]).ok();
        prop_assert_eq!(rows(form, data.chunks(piece)).ok(), whole);
    }

    #[test]
    fn tuples_without_a_fault_are_as_many_rows(values in vec(option::of(any::<i32>()), 0..20)) {
        let mut data = SIGNATURE.to_vec();
        data.extend([0; 8]);
        for value in &values {
            data.extend(3_i16.to_be_bytes());
            match value {
                Some(value) => {
                    data.extend(4_i32.to_be_bytes());
                    data.extend(value.to_be_bytes());
                }
                None => data.extend((-1_i32).to_be_bytes()),
            }
            data.extend([255; 8]);
        }
        data.extend([255; 2]);
        prop_assert_eq!(rows(2, [data.as_slice()]).ok(), Some(values.len()));
    }
}
