//! Fields are found by name, whatever came after what in the messages before: orders, gaps, writers, repetitions, spellings.

use std::collections::BTreeMap;

use arrow::{
    array::AsArray,
    datatypes::{DataType, Field, Int64Type},
};
use proptest::prelude::*;

use super::{super::order::Order, JsonDecoder, JsonOptions, refused, schema};

/// Names that are prefixes of others, that differ at the end alone, that need escapes, that are empty or long.
const NAMES: [&str; 12] = [
    "a",
    "ab",
    "abc",
    "",
    "user_id",
    "user_ip",
    "event_type_of_sixteen",
    "a quote\" and a backslash\\",
    "é",
    "a_name_of_more_than_thirty_two_bytes_that_ends_in_1",
    "a_name_of_more_than_thirty_two_bytes_that_ends_in_2",
    "value",
];
/// How many of them are columns.
const COLUMNS: usize = 9;

fn decoder(names: &[&str]) -> JsonDecoder {
    let fields = names.iter();
    let fields = fields.map(|name| Field::new(*name, DataType::Int64, true));
    JsonDecoder::new(&schema(fields.collect()), &JsonOptions::default()).unwrap()
}

/// Each column's values.
fn columns(decoder: &mut JsonDecoder) -> Vec<Vec<Option<i64>>> {
    let batch = decoder.finish().unwrap();
    let columns = batch.columns().iter();
    columns
        .map(|column| column.as_primitive::<Int64Type>().iter().collect())
        .collect()
}

/// A field as it is written: name, value, whether the name's letters are escaped.
type Written = (usize, i64, bool);

fn write(fields: &[Written], spaces: [&str; 3]) -> String {
    let [before, between, after] = spaces;
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value, escaped)| {
            let name: String = match escaped {
                true => NAMES[*name]
                    .chars()
                    .map(|char| format!("\\u{:04X}", u32::from(char)))
                    .collect(),
                false => NAMES[*name].replace('\\', "\\\\").replace('"', "\\\""),
            };
            format!("\"{name}\"{between}:{after}{value}")
        })
        .collect();
    format!("{{{}}}", fields.join(&format!("{before},{after}")))
}

/// The order of one writer, and its spaces.
fn writer() -> impl Strategy<Value = (Vec<usize>, [&'static str; 3])> {
    let order = Just((0..NAMES.len()).collect::<Vec<_>>()).prop_shuffle();
    let spaces = prop_oneof![
        Just(["", "", ""]),
        Just(["", "", " "]),
        Just(["\n ", "\t", "\r\n"])
    ];
    (order, spaces)
}

/// A message of one of the writers: some fields are missing, some come again at the end, some names are escaped; a few have no order.
fn message() -> impl Strategy<Value = (usize, Vec<bool>, Vec<usize>, usize, u64)> {
    (
        0..3_usize,
        prop::collection::vec(prop::bool::weighted(0.8), NAMES.len()),
        prop::collection::vec(0..NAMES.len(), 0..3),
        prop_oneof![4 => Just(usize::MAX), 1 => 0..NAMES.len()],
        any::<u64>(),
    )
}

proptest! {
    #[test]
    fn a_field_is_its_name(
        writers in prop::collection::vec(writer(), 3),
        messages in prop::collection::vec(message(), 1..60),
    ) {
        let mut decoder = decoder(&NAMES[..COLUMNS]);
        let mut expected: Vec<Vec<Option<i64>>> = vec![Vec::new(); COLUMNS];
        for (number, (writer, kept, again, rotated, escaped)) in messages.iter().enumerate() {
            let (order, spaces) = &writers[*writer];
            let mut order = order.clone();
            if let Some(by) = Some(*rotated).filter(|by| *by < order.len()) {
                order.rotate_left(by);
            }
            let names = order.iter().filter(|name| kept[**name]).chain(again);
            let fields: Vec<Written> = names
                .enumerate()
                .map(|(at, name)| (*name, (number * 100 + at) as i64, escaped >> (3 * at) & 7 == 0))
                .collect();
            let last: BTreeMap<usize, i64> = fields.iter().map(|(name, value, _)| (*name, *value)).collect();
            for (name, column) in expected.iter_mut().enumerate() {
                column.push(last.get(&name).copied());
            }
            let text = write(&fields, *spaces);
            prop_assert_eq!(decoder.push(text.as_bytes()), Ok(()), "{}", text);
            if number % 25 == 24 {
                // What was learned outlives a batch.
                let found = columns(&mut decoder);
                prop_assert_eq!(&found, &expected);
                expected.iter_mut().for_each(Vec::clear);
            }
        }
        prop_assert_eq!(columns(&mut decoder), expected);
    }
}

#[test]
fn more_names_than_are_remembered() {
    let names: Vec<String> = (0..400).map(|n| format!("column_{n:03}_of_many")).collect();
    let columns_of: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut decoder = decoder(&columns_of);
    for round in 0..4_usize {
        // Twice as many have no column, and their names are new every time.
        let fields = (0..400).map(|at| (at * 7 + round) % 400);
        let fields = fields.map(|name| {
            let (unknown, value) = (name + 1000 * round, name + round);
            format!(
                "\"unknown_{unknown}\":\"x\",\"{}\":{value},\"u{unknown}\":[{{}}]",
                names[name]
            )
        });
        let text = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        decoder.push(text.as_bytes()).unwrap();
    }
    for (name, column) in columns(&mut decoder).into_iter().enumerate() {
        let expected = (0..4).map(|round| Some((name + round) as i64));
        assert_eq!(column, expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_very_long_name_is_one_like_any_other() {
    let long = "n".repeat(100_000);
    let mut decoder = decoder(&[&long, "a"]);
    for n in 0..3 {
        let text = format!("{{\"{long}\":{n},\"{long}{long}\":5,\"a\":{n}}}");
        decoder.push(text.as_bytes()).unwrap();
    }
    let three = vec![Some(0), Some(1), Some(2)];
    assert_eq!(columns(&mut decoder), [three.clone(), three]);
}

#[test]
fn a_message_that_ends_within_what_is_expected_is_bad() {
    let good = "{\"a\":1,\"user_id\":2,\"a_name_of_more_than_thirty_two_bytes_that_ends_in_1\":3,\"z\":\"zzzzzzzzzzzzzzzzzzzz\"}";
    let mut decoder = decoder(&NAMES);
    decoder.push(good.as_bytes()).unwrap();
    for end in 0..good.len() {
        let error = refused(&mut decoder, &good.as_bytes()[..end]);
        // The same as one that has learned nothing.
        let fresh = refused(&mut self::decoder(&NAMES), &good.as_bytes()[..end]);
        assert_eq!(error, fresh);
    }
    decoder.push(good.as_bytes()).unwrap();
    assert_eq!(columns(&mut decoder)[4], [Some(2), Some(2)]);
}

#[test]
fn a_writer_without_order_is_given_up_and_another_may_follow() {
    let names: Vec<String> = (0..40).map(|n| format!("n{n}")).collect();
    let mut order = Order::new(names.iter().map(String::as_str));
    let known = |order: &Order, from: usize, to: usize| {
        let text = format!(",\"n{to}\":12345678901234567890");
        order.step(from, text.as_bytes()).map(|(place, rest)| {
            assert_eq!(rest, b"12345678901234567890");
            place
        })
    };
    // Everything follows everything: four ways are known from each, the last ones.
    for round in 0..2000 {
        let (from, to) = (round % 40, round * 7 / 40 % 40);
        order.learn(from, format!(",\"n{to}\":").as_bytes(), to);
    }
    for from in 0..40 {
        let ways = (0..40).filter(|to| known(&order, from, *to) == Some(*to));
        assert_eq!(ways.count(), 4);
    }
    let unknown = (0..40).find(|to| known(&order, 0, *to).is_none()).unwrap();
    let literal = format!(",\"n{unknown}\":");
    order.learn(0, literal.as_bytes(), unknown);
    assert_eq!(known(&order, 0, unknown), None);
    // Rows go on, and one writer's order is worth learning again.
    order.earn(16);
    order.learn(0, literal.as_bytes(), unknown);
    assert_eq!(known(&order, 0, unknown), Some(unknown));
    // None of the old ways stays for ever.
    let before = (0..40).filter(|to| known(&order, 0, *to).is_some());
    let before: Vec<usize> = before.collect();
    let others = (0..40).filter(|to| !before.contains(to)).take(4);
    for to in others {
        order.earn(16);
        order.learn(0, format!(",\"n{to}\":").as_bytes(), to);
    }
    assert!(before.iter().all(|to| known(&order, 0, *to).is_none()));
}
