//! Tests of approx percentile: see the module beside for what is promised.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod accuracy;
mod grains;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array};
use arrow::datatypes::Float64Type;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::asked::Asked;
use super::check_state;
use super::encoding::{Held, decode, encode_buckets};
use super::grain::{Grain, key_of, value_of};
use super::groups::PercentileGroups;
use super::single::PercentileAccumulator;
use super::sketch::{Buckets, EXACT_LIMIT, nearest_rank};

fn new_groups(percentile: f64) -> PercentileGroups {
    PercentileGroups::new(Asked::One(percentile), Some(Grain::DEFAULT))
}

fn new_single(percentile: f64) -> PercentileAccumulator {
    PercentileAccumulator::new(Asked::One(percentile), Grain::DEFAULT)
}

/// The definition, word for word: values sorted as PostgreSQL sorts them, the one at the nearest rank.
fn by_definition(values: &[f64], percentile: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(b).unwrap(),
        (a, b) => a.cmp(&b),
    });
    let rank = nearest_rank(percentile, sorted.len() as u64);
    sorted.get(rank as usize - 1).copied()
}

fn column(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// One group's answer when nothing is split.
fn at_once(values: &[f64], percentile: f64) -> Option<f64> {
    let mut groups = new_groups(percentile);
    let indices = vec![0; values.len()];
    groups
        .update_batch(&[column(values)], &indices, None, 1)
        .unwrap();
    answers(&mut groups, EmitTo::All)[0]
}

fn answers(groups: &mut PercentileGroups, emit_to: EmitTo) -> Vec<Option<f64>> {
    let answers = groups.evaluate(emit_to).unwrap();
    answers.as_primitive::<Float64Type>().iter().collect()
}

fn same(a: Option<f64>, b: Option<f64>) -> bool {
    a.map(f64::to_bits) == b.map(f64::to_bits)
}

#[test]
fn keys_sort_as_postgres_sorts() {
    let rising = [
        f64::NEG_INFINITY,
        f64::MIN,
        -1.0,
        -f64::MIN_POSITIVE,
        -5e-324,
        0.0,
        5e-324,
        f64::MIN_POSITIVE,
        1.0,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
    ];
    for pair in rising.windows(2) {
        assert!(key_of(pair[0]) < key_of(pair[1]), "{pair:?}");
        assert!(
            Grain::DEFAULT.bucket_of(key_of(pair[0])) <= Grain::DEFAULT.bucket_of(key_of(pair[1]))
        );
    }
    assert_eq!(key_of(-0.0), key_of(0.0));
    assert_eq!(
        key_of(-f64::NAN),
        key_of(f64::from_bits(0x7ff0_0000_0000_0001))
    );
}

#[test]
fn ranks_are_those_of_percentile_disc() {
    assert_eq!(nearest_rank(0.0, 10), 1);
    assert_eq!(nearest_rank(1.0, 10), 10);
    assert_eq!(nearest_rank(0.5, 10), 5);
    assert_eq!(nearest_rank(0.5, 11), 6);
    assert_eq!(nearest_rank(0.95, 20), 19);
    assert_eq!(nearest_rank(0.95, 21), 20);
}

#[test]
fn exact_up_to_the_limit_and_in_buckets_above() {
    let values: Vec<f64> = (0..EXACT_LIMIT).map(|i| 1000.0 + i as f64).collect();
    assert_eq!(at_once(&values, 0.95), by_definition(&values, 0.95));
    let more: Vec<f64> = (0..=EXACT_LIMIT).map(|i| 1000.0 + i as f64).collect();
    let exact = by_definition(&more, 0.95).unwrap();
    let answer = at_once(&more, 0.95).unwrap();
    assert_ne!(answer, exact);
    assert!((answer - exact).abs() <= 0.004 * exact);
}

#[test]
fn many_equal_values_give_that_value() {
    for value in [
        0.0,
        -0.0,
        1.0,
        -3.7,
        1e300,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ] {
        assert_eq!(at_once(&[value; 5000], 0.5), Some(value), "{value}");
    }
    assert!(at_once(&[f64::NAN; 5000], 0.5).unwrap().is_nan());
}

#[test]
fn nan_is_largest_and_zero_stays_zero_in_buckets() {
    let mut values = vec![-1.0; 1000];
    values.extend([0.0; 1000]);
    values.extend([f64::NAN; 1000]);
    assert_eq!(at_once(&values, 0.2), Some(-1.0));
    assert_eq!(at_once(&values, 0.5), Some(0.0));
    assert!(at_once(&values, 0.9).unwrap().is_nan());
}

#[test]
fn nulls_filter_and_empty_groups() {
    let values: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(1.0),
        None,
        Some(3.0),
        Some(9.0),
        Some(7.0),
    ]));
    let filter = BooleanArray::from(vec![Some(true), Some(true), None, Some(true), Some(false)]);
    let indices = [0, 0, 0, 2, 2];
    let mut groups = new_groups(1.0);
    groups
        .update_batch(&[Arc::clone(&values)], &indices, Some(&filter), 4)
        .unwrap();
    assert_eq!(
        answers(&mut groups, EmitTo::All),
        [Some(1.0), None, Some(9.0), None]
    );

    let state = groups.convert_to_state(&[values], Some(&filter)).unwrap();
    groups.merge_batch(&state, &indices, 4).unwrap();
    assert_eq!(
        answers(&mut groups, EmitTo::All),
        [Some(1.0), None, Some(9.0), None]
    );
}

#[test]
fn emitting_the_first_groups_leaves_the_others_whole() {
    let mut groups = new_groups(1.0);
    // Group g has 500 · (g + 1) values: two exact ones, three in buckets.
    for batch in 0..100 {
        let mut indices = vec![];
        let mut values = vec![];
        for group in 0..5 {
            for i in 0..5 * (group + 1) {
                indices.push(group);
                values.push((group * 1_000_000 + batch * 100 + i) as f64);
            }
        }
        groups
            .update_batch(&[column(&values)], &indices, None, 5)
            .unwrap();
    }
    let last = |g: usize| Some((g * 1_000_000 + 9900 + 5 * (g + 1) - 1) as f64);
    assert_eq!(answers(&mut groups, EmitTo::First(1)), [last(0)]);
    assert_eq!(answers(&mut groups, EmitTo::First(2)), [last(1), last(2)]);
    groups
        .update_batch(&[column(&[1e9])], &[1], None, 3)
        .unwrap();
    assert_eq!(
        answers(&mut groups, EmitTo::All),
        [last(3), Some(1e9), None]
    );
    assert_eq!(answers(&mut groups, EmitTo::All), []);
}

#[test]
fn memory_is_accounted_and_given_back() {
    let mut groups = new_groups(0.5);
    let empty = groups.size();
    let values: Vec<f64> = (0..100_000).map(|i| f64::from(i).exp2() % 1e12).collect();
    groups
        .update_batch(&[column(&values)], &vec![0; values.len()], None, 1)
        .unwrap();
    let many: Vec<f64> = (1..100_000).map(|i| f64::from(i) / 7.0).collect();
    groups
        .update_batch(&[column(&many)], &vec![0; many.len()], None, 1)
        .unwrap();
    let full = groups.size();
    // 16 binary orders of magnitude of 128 buckets, 8 bytes each, and room to grow; not 8 bytes for each of the 200,000 values.
    assert!(full - empty > 16 * 128 * 8, "{full}");
    assert!(full - empty < 200_000, "{full}");
    answers(&mut groups, EmitTo::All);
    assert!(groups.size() < full / 2);
}

#[test]
fn zero_and_both_signs_cost_no_more_than_their_values() {
    let mut partial = new_groups(0.5);
    let values: Vec<f64> = (-5_000..=5_000).map(f64::from).collect();
    partial
        .update_batch(&[column(&values)], &vec![0; values.len()], None, 1)
        .unwrap();
    // As a pane holds it.
    let mut groups = new_groups(0.5);
    let state = partial.state(EmitTo::All).unwrap();
    groups.merge_batch(&state, &[0], 1).unwrap();
    // twice 13 binary orders of magnitude, and nothing for the two thousand between -1, 0 and 1
    assert!(groups.size() < 2 * 2 * 13 * 128 * 8, "{}", groups.size());
    assert_eq!(answers(&mut groups, EmitTo::All), [Some(0.0)]);
}

#[test]
fn zero_lies_between_the_smallest_values_there_are() {
    let smallest = |n: u64| f64::from_bits(n << 45);
    let values: Vec<f64> = (0..9_000)
        .map(|n| match n % 3 {
            0 => 0.0,
            1 => smallest(1 + n / 3 % 30),
            _ => -smallest(1 + n / 3 % 30),
        })
        .collect();
    let mut groups = new_groups(0.5);
    groups
        .update_batch(&[column(&values)], &vec![0; values.len()], None, 1)
        .unwrap();
    let state = groups.state(EmitTo::All).unwrap();
    for percentile in [0.34, 0.5, 0.66] {
        let mut groups = new_groups(percentile);
        groups.merge_batch(&state, &[0], 1).unwrap();
        assert_eq!(answers(&mut groups, EmitTo::All), [Some(0.0)]);
    }
}

#[test]
fn values_far_apart_in_falling_order() {
    let values: Vec<f64> = (0..20_000)
        .map(|i| 10f64.powf(300.0 - f64::from(i) * 0.03))
        .collect();
    let exact = by_definition(&values, 0.25).unwrap();
    let answer = at_once(&values, 0.25).unwrap();
    assert!((answer - exact).abs() <= 0.004 * exact, "{answer} {exact}");
}

#[test]
fn the_single_accumulator_may_be_asked_at_any_time() {
    let mut single = new_single(0.95);
    let mut seen = vec![];
    for i in 0..2000 {
        let value = f64::from(i * 7919 % 2003);
        seen.push(value);
        single.update_batch(&[column(&[value])]).unwrap();
        if i % 100 == 0 || (1000..1050).contains(&i) {
            let answer = single.evaluate().unwrap();
            assert_eq!(answer, at_once(&seen, 0.95).into());
        }
    }
}

#[test]
fn counts_beyond_32_bits_move_where_they_have_room() {
    let most = u64::from(u32::MAX);
    let (low, high) = (key_of(100.0), key_of(200.0));
    let (first, last) = (
        Grain::DEFAULT.bucket_of(low),
        Grain::DEFAULT.bucket_of(high),
    );
    let mut buckets = Buckets::new(Grain::DEFAULT);
    buckets.settle(low, high);
    let near = buckets.heap_bytes();
    for count in [most, 2] {
        buckets.add_to_bucket(first, count);
        buckets.widen(count, low, low).unwrap();
    }
    // One more than fits, and so did the next.
    buckets.add_all(&[high, low]);
    assert!(near > 0 && buckets.heap_bytes() != near);
    let mut seen = vec![];
    let _all = buckets.visit(|bucket, count| {
        seen.push((bucket, count));
        std::ops::ControlFlow::<()>::Continue(())
    });
    assert_eq!(seen, [(first, most + 3), (last, 1)]);
    assert_eq!(buckets.percentile(0.999), Some(100.25));
    assert_eq!(buckets.percentile(1.0), Some(200.0));
}

#[test]
fn values_on_all_sides_of_those_that_are_near() {
    // The first thousand say where counts lie side by side; then come others, below, above, on the other side of 0, and none at all.
    let mut values: Vec<f64> = (0..2_000).map(|n| 1e3 + f64::from(n)).collect();
    for size in [1e-300, 1e-3, 1.0, 500.0, 1e4, 1e9, 1e300, f64::INFINITY] {
        values.extend([size, -size, 0.0].map(|value| [value; 200]).as_flattened());
    }
    values.extend([f64::NAN; 200]);
    for values in [values.clone(), values.iter().map(|value| -value).collect()] {
        let backward: Vec<f64> = values.iter().rev().copied().collect();
        for percentile in [0.0, 0.05, 0.2, 0.3, 0.35, 0.5, 0.7, 0.9, 0.97, 1.0] {
            let answer = at_once(&values, percentile);
            assert!(same(answer, at_once(&backward, percentile)), "{percentile}");
            let exact = by_definition(&values, percentile).unwrap();
            let off = (answer.unwrap() - exact).abs();
            let near = off <= exact.abs() * 0.004
                || same(
                    answer,
                    Some(exact)
                        .filter(|exact| !exact.is_nan())
                        .or(Some(f64::NAN)),
                );
            assert!(near, "{percentile}: {answer:?}, not {exact}");
        }
    }
}

fn state_of(values: impl Iterator<Item = f64>) -> Vec<u8> {
    let mut buckets = Buckets::new(Grain::DEFAULT);
    values.for_each(|value| buckets.add(key_of(value)));
    let mut state = vec![];
    encode_buckets(&buckets, &mut state);
    state
}

#[test]
fn counts_of_neighbours_are_a_row_of_bytes() {
    const ROW: u8 = 5;
    const LIST: u8 = 2;
    let near = || (0..3000).map(|i| 100.0 + f64::from(i % 150));
    let row = state_of(near());
    let bucket = |value| Grain::DEFAULT.bucket_of(key_of(value)) as usize;
    let buckets = bucket(249.0) - bucket(100.0) + 1;
    assert_eq!((row[0], row.len()), (ROW, 1 + 16 + buckets));
    // Counts of more than a byte, and values that few buckets of a range have.
    assert_eq!(state_of((0..3000).map(|_| 100.0))[0], LIST);
    assert_eq!(state_of(near().chain([1e9]))[0], LIST);
    assert_eq!(state_of(near().chain([0.0]))[0], LIST);

    // Whatever came first and made others far, the same values are the same bytes.
    let mut backwards = Buckets::new(Grain::DEFAULT);
    backwards.settle(key_of(240.0), key_of(249.0));
    let mut values: Vec<f64> = near().collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
        .iter()
        .for_each(|value| backwards.add(key_of(*value)));
    let mut state = vec![];
    encode_buckets(&backwards, &mut state);
    assert_eq!(state, row);

    // Added to counts that are near, to others and to none, it is what its values are.
    for first in [100.0, 1e9, -5.0, 0.0] {
        let mut sum = Buckets::new(Grain::DEFAULT);
        sum.add_all(&[key_of(first); 3]);
        let Held::Buckets(counts) = decode(&row).unwrap().held else {
            panic!("no counts");
        };
        counts.add_to(&mut sum).unwrap();
        counts.add_to(&mut sum).unwrap();
        let mut state = vec![];
        encode_buckets(&sum, &mut state);
        let values = near().chain(near()).chain([first; 3]);
        assert_eq!(state, state_of(values), "{first}");
    }
}

#[test]
fn corrupt_states_are_errors() {
    let far = state_of((0..5000).map(f64::from));
    let near = state_of((0..5000).map(|i| f64::from(1000 + i % 900)));
    assert_ne!(far[0], near[0]);
    for good in [far, near] {
        assert!(check_state(&good).is_ok());
        for end in 0..good.len() {
            assert!(check_state(&good[..end]).is_err(), "cut at {end}");
        }
        assert!(check_state(&[good.as_slice(), &[1]].concat()).is_err());
    }
    assert!(decode(&[]).is_err());
    assert!(decode(&[9, 1, 2]).is_err());
    assert!(decode(&[1]).is_err());
    assert!(decode(&[1, 2, 3]).is_err());
    assert!(decode(&[1; 1 + 8 * (EXACT_LIMIT + 1)]).is_err());

    let mut groups = new_groups(0.5);
    let states: ArrayRef = Arc::new(BinaryArray::from(vec![b"\x02nonsense".as_slice()]));
    let error = groups.merge_batch(&[states], &[0], 1).unwrap_err();
    assert!(error.to_string().contains("corrupt state"), "{error}");
    let error = groups.merge_batch(&[column(&[1.0])], &[0], 1).unwrap_err();
    assert!(error.to_string().contains("not binary"), "{error}");
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e6..1e6f64,
        2 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0]),
    ]
}

/// Which of some workers takes a value, and whether it hands over its state right after.
fn any_rows() -> impl Strategy<Value = Vec<(f64, usize, bool)>> {
    let row = || (any_value(), 0..4usize, prop::bool::weighted(0.01));
    prop_oneof![
        prop::collection::vec(row(), 0..200),
        prop::collection::vec(row(), 900..3000),
    ]
}

/// Three workers take values and hand their states to a last one, in an order that the rows decide; the fourth's rows go there at once.
fn split_and_merged(rows: &[(f64, usize, bool)], percentile: f64) -> Option<f64> {
    let mut last = new_groups(percentile);
    let mut workers = [0; 3].map(|_| new_groups(percentile));
    let hand_over = |worker: &mut PercentileGroups, last: &mut PercentileGroups| {
        let states = worker.state(EmitTo::All).unwrap();
        let groups = vec![0; states[0].len()];
        last.merge_batch(&states, &groups, 1).unwrap();
    };
    for &(value, at, now) in rows {
        let worker = workers.get_mut(at);
        let values = [column(&[value])];
        match worker {
            None => last.update_batch(&values, &[0], None, 1).unwrap(),
            Some(worker) => {
                worker.update_batch(&values, &[0], None, 1).unwrap();
                if now {
                    hand_over(worker, &mut last);
                }
            }
        }
    }
    for worker in workers.iter_mut().rev() {
        hand_over(worker, &mut last);
    }
    answers(&mut last, EmitTo::All).first().copied().flatten()
}

/// The same through row accumulators.
fn merged_singles(rows: &[(f64, usize, bool)], percentile: f64) -> Option<f64> {
    let mut last = new_single(percentile);
    for worker in 0..4 {
        let own: Vec<f64> = rows.iter().filter(|r| r.1 == worker).map(|r| r.0).collect();
        let mut single = new_single(percentile);
        single.update_batch(&[column(&own)]).unwrap();
        let states: Vec<ArrayRef> = single
            .state()
            .unwrap()
            .iter()
            .map(|state| state.to_array().unwrap())
            .collect();
        last.merge_batch(&states).unwrap();
    }
    match last.evaluate().unwrap() {
        datafusion::scalar::ScalarValue::Float64(answer) => answer,
        other => unreachable!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_batches_and_merges_do_not_show(rows in any_rows(), percentile in 0.0..=1.0f64, seed in any::<u64>()) {
        let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let whole = at_once(&values, percentile);
        let mut shuffled = rows.clone();
        let mut state = seed;
        for i in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            shuffled.swap(i, (state >> 33) as usize % (i + 1));
        }
        for answer in [
            split_and_merged(&rows, percentile),
            split_and_merged(&shuffled, percentile),
            merged_singles(&shuffled, percentile),
        ] {
            prop_assert!(same(answer, whole), "{answer:?} {whole:?}");
        }
    }

    #[test]
    fn never_further_off_than_promised(rows in any_rows(), percentile in 0.0..=1.0f64) {
        let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let answer = at_once(&values, percentile);
        let exact = by_definition(&values, percentile);
        match (answer, exact) {
            (Some(answer), Some(exact)) if exact.is_finite() => {
                let allowed = if values.len() > EXACT_LIMIT {
                    (exact.abs() * 0.004).max(f64::MIN_POSITIVE)
                } else {
                    0.0
                };
                prop_assert!((answer - exact).abs() <= allowed, "{answer} {exact}");
            }
            (Some(answer), Some(exact)) => prop_assert!(answer == exact || exact.is_nan() && answer.is_nan()),
            (answer, exact) => prop_assert!(answer.is_none() && exact.is_none()),
        }
    }

    #[test]
    fn keys_and_values_are_one_to_one(value in any::<f64>().prop_filter("numbers", |v| !v.is_nan())) {
        prop_assert_eq!(value_of(key_of(value)), value);
    }

    #[test]
    fn any_bytes_are_a_state_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for first in 0..=7 {
            let mut state = vec![first];
            state.extend(&bytes);
            if check_state(&state).is_err() {
                continue;
            }
            let decoded = decode(&state).unwrap();
            if let Held::Buckets(counts) = decoded.held {
                let mut buckets = Buckets::new(decoded.grain);
                counts.add_to(&mut buckets).unwrap();
                prop_assert_eq!(buckets.count(), counts.read(|_, _| ()).unwrap());
            }
        }
    }
}

fn session(partitions: usize) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(97);
    let mut context = SessionContext::new_with_config(config);
    crate::functions::register_all(&mut context).unwrap();
    context
}

async fn text(context: &SessionContext, sql: &str) -> Result<String, String> {
    let rows = match context.sql(sql).await {
        Ok(frame) => frame.collect().await,
        Err(e) => Err(e),
    };
    let rows = rows.map_err(|e| e.strip_backtrace())?;
    Ok(arrow::util::pretty::pretty_format_batches(&rows)
        .unwrap()
        .to_string())
}

#[tokio::test]
async fn through_sql_at_any_parallelism() {
    let sql = "SELECT value % 3 AS g, approx_percentile(value, 0.95) AS p95,
                      percentile_approx(value, 1 - 0.5) FILTER (WHERE value < 100) AS p50,
                      approx_percentile(CAST(value AS DECIMAL(10, 2)), 0) AS smallest,
                      approx_percentile(CAST(NULL AS DOUBLE), 0.5) AS nothing
               FROM generate_series(1, 9000) AS t(value) GROUP BY g ORDER BY g";
    let one = text(&session(1), sql).await.unwrap();
    assert_eq!(
        one,
        "\
+---+--------+------+----------+---------+
| g | p95    | p50  | smallest | nothing |
+---+--------+------+----------+---------+
| 0 | 8544.0 | 51.0 | 3.0      |         |
| 1 | 8544.0 | 49.0 | 1.0      |         |
| 2 | 8544.0 | 50.0 | 2.0      |         |
+---+--------+------+----------+---------+"
    );
    assert_eq!(text(&session(4), sql).await.unwrap(), one);
}

#[tokio::test]
async fn a_weight_is_so_many_rows() {
    let weighted = "approx_percentile_cont_with_weight(v, w, ARRAY[0.01, 0.5, 0.95])";
    let mut answers = Vec::new();
    for partitions in [1, 4] {
        let context = session(partitions);
        // Few rows in all, and many: exact, and counted.
        for most in [3, 40] {
            let rows = format!(
                "SELECT v, CASE WHEN v % 7 = 0 THEN NULL ELSE v * 31 % {most} END AS w, v % 4 AS g FROM generate_series(1, 300) AS t(v)"
            );
            let told =
                format!("SELECT g, {weighted} AS p FROM ({rows}) AS r GROUP BY g ORDER BY g");
            let copies = format!(
                "SELECT g, approx_percentile(v, ARRAY[0.01, 0.5, 0.95]) AS p FROM (SELECT g, unnest(array_repeat(v, w)) AS v FROM ({rows}) AS r WHERE w > 0) AS c GROUP BY g ORDER BY g"
            );
            let told = text(&context, &told).await.unwrap();
            assert_eq!(told, text(&context, &copies).await.unwrap());
            answers.push(told);
        }
    }
    assert_eq!(answers[..2], answers[2..]);
    assert_ne!(answers[0], answers[1]);
}

#[tokio::test]
async fn weights_that_are_none_are_refused() {
    let context = session(1);
    for (weight, reason) in [
        ("0.5", "must be a whole number"),
        ("'many'", "a whole number as its weight"),
        (
            "-1",
            "the weight -1 of approx_percentile_cont_with_weight is below 0",
        ),
        (
            "CASE WHEN v < 9 THEN 9223372036854775807 END",
            "more than 2^64 in all",
        ),
    ] {
        let sql = format!(
            "SELECT approx_percentile_cont_with_weight(v, {weight}, 0.5) FROM generate_series(1, 9) AS t(v)"
        );
        let error = text(&context, &sql).await.unwrap_err();
        assert!(error.contains(reason), "{weight}: {error}");
    }
    let sql =
        "SELECT approx_percentile_cont_with_weight(v, 1, 95) FROM generate_series(1, 9) AS t(v)";
    assert!(
        text(&context, sql)
            .await
            .unwrap_err()
            .contains("is not between 0 and 1")
    );
}

#[tokio::test]
async fn over_a_window_and_over_nothing() {
    let context = session(2);
    let rows = text(
        &context,
        "SELECT max(p) FROM (SELECT approx_percentile(v, 0.5) OVER (ORDER BY v) AS p FROM generate_series(1, 9) AS t(v)) s",
    );
    assert!(rows.await.unwrap().contains("| 5.0      |"));
    let rows = text(
        &context,
        "SELECT approx_percentile(v, 0.5) AS p FROM generate_series(1, 9) AS t(v) WHERE v > 9",
    )
    .await;
    assert!(rows.unwrap().contains("|   |"));
}

#[tokio::test]
async fn wrong_calls_are_refused_while_planning() {
    let context = session(1);
    for (call, reason) in [
        (
            "approx_percentile(v, 95)",
            "percentile 95 of approx_percentile is not between 0 and 1",
        ),
        ("approx_percentile(v, -0.1)", "is not between 0 and 1"),
        ("approx_percentile(v, v)", "must be a constant"),
        ("approx_percentile(v, random())", "must be a constant"),
        ("approx_percentile(v, NULL)", "must not be null"),
        (
            "approx_percentile(v, 'NaN'::double)",
            "is not between 0 and 1",
        ),
        ("approx_percentile(v, 'p95')", "must be a number"),
        (
            "approx_percentile(v, make_array(0.5, 9))",
            "percentile 9 of approx_percentile is not between 0 and 1",
        ),
        (
            "approx_percentile(v, 0.5, 0)",
            "accuracy of a percentile cannot be 0",
        ),
        (
            "approx_percentile(v, 0.5, -1)",
            "accuracy of a percentile cannot be -1",
        ),
        ("approx_percentile(v, 0.5, 1.5)", "cannot be 1.5"),
        ("approx_percentile(v, 0.5, 'x')", "cannot be of type Utf8"),
        ("approx_percentile(v, 0.5, NULL)", "cannot be null"),
        (
            "approx_percentile(v, 0.5, 2000000)",
            "finer than one part in 100000",
        ),
        (
            "approx_percentile(v, 0.5, v)",
            "accuracy of a percentile must be a constant",
        ),
        (
            "approx_percentile_sketch(v, 0)",
            "accuracy of a percentile cannot be 0",
        ),
        (
            "approx_percentile_estimate(NULL::bytea, 2)",
            "is not between 0 and 1",
        ),
        ("approx_percentile(DISTINCT v, 0.5)", "DISTINCT …"),
        ("approx_percentile(v::text, 0.5)", "approx_percentile"),
        ("approx_percentile(v)", "approx_percentile"),
    ] {
        let sql = format!("SELECT {call} FROM generate_series(1, 9) AS t(v)");
        let error = context.sql(&sql).await.unwrap_err().strip_backtrace();
        assert!(error.contains(reason), "{call}: {error}");
    }
}
