//! The table beside the engine's own, over columns of every type that is a word.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::{
    array::{
        BinaryArray, BinaryViewArray, Date32Array, Decimal128Array, Float64Array, Int8Array,
        Int64Array, StringViewArray, TimestampMicrosecondArray, UInt16Array,
    },
    datatypes::Schema,
};
use proptest::prelude::*;

use super::*;

/// A row: a number, and which text; both may be NULL.
type Row = (Option<i64>, Option<usize>);

/// Texts that are words and texts that are not, some of which begin alike or are of NUL bytes.
const TEXTS: [&str; 14] = [
    "",
    "\0",
    "\0\0",
    "view",
    "purchase",
    "add_to_cart",
    "fifteen bytes a",
    "fifteen bytes b",
    "sixteen bytes, a",
    "sixteen bytes, b",
    "a text that is longer than a word is",
    "a text that is longer than a word",
    "żółć",
    "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}",
];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let number = prop_oneof![
        6 => (0..9i64).prop_map(Some),
        2 => any::<i64>().prop_map(Some),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1)].prop_map(Some),
        1 => Just(None),
    ];
    let text = prop_oneof![9 => (0..TEXTS.len()).prop_map(Some), 1 => Just(None)];
    prop::collection::vec((number, text), 0..300)
}

/// The rows as a column of every type that is a word.
fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    let numbers = || rows.iter().map(|(number, _)| *number);
    let texts = || rows.iter().map(|(_, text)| text.map(|text| TEXTS[text]));
    let bytes = || texts().map(|text| text.map(str::as_bytes));
    let truths = numbers().map(|number| number.map(|number| number % 2 == 0));
    vec![
        Arc::new(texts().collect::<StringArray>()),
        Arc::new(
            numbers()
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
        Arc::new(texts().collect::<StringViewArray>()),
        Arc::new(numbers().collect::<Int64Array>()),
        Arc::new(bytes().collect::<BinaryArray>()),
        Arc::new(
            numbers()
                .map(|number| number.map(|number| number as i8))
                .collect::<Int8Array>(),
        ),
        Arc::new(truths.collect::<BooleanArray>()),
        Arc::new(bytes().collect::<BinaryViewArray>()),
        Arc::new(
            numbers()
                .map(|number| number.map(|number| number as i32))
                .collect::<Date32Array>(),
        ),
        Arc::new(
            numbers()
                .map(|number| number.map(|number| number as u16))
                .collect::<UInt16Array>(),
        ),
    ]
}

fn schema(columns: &[ArrayRef]) -> SchemaRef {
    let fields = columns.iter().enumerate();
    let fields =
        fields.map(|(at, column)| Field::new(format!("k{at}"), column.data_type().clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Groups as they come, whoever numbers them: the engine's table of several columns does not number them in the order of the rows.
fn canonical(groups: &[usize], known: &mut HashMap<usize, usize>) -> Vec<usize> {
    let number = |group: &usize| {
        let next = known.len();
        *known.entry(*group).or_insert(next)
    };
    groups.iter().map(number).collect()
}

proptest! {
    /// The same groups as the engine's own tables, whatever the columns are, and of slices as well.
    #[test]
    fn groups_are_the_engines(batches in prop::collection::vec(rows(), 1..6), from in 0..10usize, width in 1..=6usize, skip in 0..9usize) {
        let picked = |rows: &[Row]| -> Vec<ArrayRef> {
            let skip_rows = skip.min(rows.len());
            let columns = columns(rows).into_iter().cycle().skip(from).take(width);
            columns.map(|column| column.slice(skip_rows, column.len() - skip_rows)).collect()
        };
        let columns = schema(&picked(&[]));
        let mut ours = group_values(&columns).unwrap();
        let mut engines = new_group_values(Arc::clone(&columns), &GroupOrdering::None).unwrap();
        let (mut got, mut expected) = (Vec::new(), Vec::new());
        let mut known = HashMap::new();
        let mut firsts: Vec<(usize, usize)> = Vec::new();
        for (number, rows) in batches.iter().enumerate() {
            let keys = picked(rows);
            ours.intern(&keys, &mut got).unwrap();
            engines.intern(&keys, &mut expected).unwrap();
            prop_assert_eq!(&got, &canonical(&expected, &mut known));
            prop_assert_eq!(ours.len(), engines.len());
            for (row, group) in got.iter().enumerate() {
                if *group == firsts.len() {
                    firsts.push((number, row));
                }
            }
        }
        // What comes out is the row that each group was first seen in; the first groups may leave before the others.
        let early = firsts.len() / 3;
        for (count, emit) in [(early, EmitTo::First(early)), (firsts.len() - early, EmitTo::All)] {
            let columns = ours.emit(emit).unwrap();
            prop_assert_eq!(columns.len(), width);
            for (at, (batch, row)) in firsts.drain(..count).enumerate() {
                for (column, key) in columns.iter().zip(picked(&batches[batch])) {
                    prop_assert_eq!(&column.slice(at, 1), &key.slice(row, 1));
                }
            }
        }
        prop_assert!(ours.is_empty());
    }

    /// After the first groups have left, those that stay are found again under their new numbers.
    #[test]
    fn groups_that_stay_are_found(rows in rows(), first in 0..300usize) {
        let keys: Vec<ArrayRef> = columns(&rows).into_iter().take(2).collect();
        let mut ours = group_values(&schema(&keys)).unwrap();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        ours.intern(&keys, &mut before).unwrap();
        let first = first.min(ours.len());
        ours.emit(EmitTo::First(first)).unwrap();
        ours.intern(&keys, &mut after).unwrap();
        for (before, after) in before.iter().zip(&after) {
            if let Some(group) = before.checked_sub(first) {
                prop_assert_eq!(group, *after);
            }
        }
    }
}

#[test]
fn a_table_grows_and_knows_what_it_takes() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let texts = (0..100_000).map(|n| format!("a text of some length, {n}"));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let keys = [numbers, texts];
    let mut table = group_values(&schema(&keys)).unwrap();
    let mut groups = Vec::new();
    for _ in 0..2 {
        table.intern(&keys, &mut groups).unwrap();
        assert!(groups.iter().copied().eq(0..100_000));
    }
    // 262,144 slots, 131,072 keys of two words, and texts of 44 bytes with as much again for finding them.
    let size = table.size();
    assert!((12_000_000..22_000_000).contains(&size), "{size}");
    table.clear_shrink(0);
    assert_eq!((table.len(), table.size()), (0, 0));
}

#[test]
fn values_that_are_no_words_are_left_to_the_engine() {
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, f64::NAN, f64::NAN]));
    let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![1, 2, 2]));
    let mut groups = Vec::new();
    for keys in [floats, decimals] {
        let keys = [keys];
        let mut table = group_values(&schema(&keys)).unwrap();
        table.intern(&keys, &mut groups).unwrap();
        assert_eq!((groups.as_slice(), table.len()), ([0, 1, 1].as_slice(), 2));
    }
    let many: Vec<ArrayRef> = columns(&[(Some(1), Some(1)), (None, None)]);
    let mut table = group_values(&schema(&many)).unwrap();
    table.intern(&many, &mut groups).unwrap();
    assert_eq!(groups, [0, 1]);
}
