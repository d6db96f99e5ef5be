//! The exact sums against whole numbers, and the functions against PostgreSQL's answers.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array},
    datatypes::Float64Type,
    util::pretty::pretty_format_batches,
};
use datafusion::{
    logical_expr::{Accumulator, EmitTo, GroupsAccumulator},
    prelude::SessionContext,
};
use proptest::prelude::*;

use super::{
    FUNCTIONS,
    answer::Answer,
    exact::{Exact, Parts, Whole},
    groups::MomentGroups,
    single::{DistinctMoments, MomentAccumulator},
};
use crate::binding::{new_session_state, session_config};

fn column(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// The columns of an answer's arguments.
fn arguments(answer: Answer, rows: &[(f64, f64)]) -> Vec<ArrayRef> {
    let (x, y): (Vec<f64>, Vec<f64>) = rows.iter().copied().unzip();
    match answer.is_of_one() {
        true => vec![column(&x)],
        false => vec![column(&y), column(&x)],
    }
}

fn bytes(sum: &Exact) -> Vec<u8> {
    let mut out = vec![];
    sum.write(&mut out);
    out
}

/// The sums of x and of x · y.
fn sums(rows: &[(f64, f64)]) -> (Exact, Exact) {
    let (mut sum, mut products) = (Exact::ZERO, Exact::ZERO);
    for (x, y) in rows {
        if let Some(x) = Parts::of(*x) {
            sum.add(x, false);
            if let Some(y) = Parts::of(*y) {
                products.add_product(x, y, false);
            }
        }
    }
    (sum, products)
}

/// Values of every size there is, of sizes that people have, and none.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        30 => value(),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ]
}

/// Values of every size there is, and of sizes that people have.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1000.0..1000.0f64,
        2 => (-100_000..100_000i64).prop_map(|n| n as f64 / 100.0),
        1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
        1 => Just(0.0),
        1 => prop_oneof![Just(f64::MAX), Just(f64::MIN), Just(5e-324), Just(-5e-324), Just(-0.0)],
    ]
}

fn rows() -> impl Strategy<Value = Vec<(f64, f64)>> {
    proptest::collection::vec((value(), value()), 0..60)
}

fn any_rows() -> impl Strategy<Value = Vec<(f64, f64)>> {
    proptest::collection::vec((any_value(), any_value()), 0..60)
}

/// The states of some rows in one group, all at once.
fn state(answer: Answer, rows: &[(f64, f64)]) -> ArrayRef {
    let mut groups = MomentGroups::new(answer);
    let values = arguments(answer, rows);
    groups
        .update_batch(&values, &vec![0; rows.len()], None, 1)
        .unwrap();
    groups.state(EmitTo::All).unwrap().remove(0)
}

fn evaluated(answer: Answer, states: &[ArrayRef]) -> ArrayRef {
    let mut groups = MomentGroups::new(answer);
    for state in states {
        groups.merge_batch(&[Arc::clone(state)], &[0], 1).unwrap();
    }
    groups.evaluate(EmitTo::All).unwrap()
}

fn bits(array: &ArrayRef) -> Vec<Option<u64>> {
    match array.as_primitive_opt::<Float64Type>() {
        Some(floats) => floats.iter().map(|value| value.map(f64::to_bits)).collect(),
        None => {
            let counts = array.as_primitive::<arrow::datatypes::UInt64Type>();
            counts.iter().collect()
        }
    }
}

proptest! {
    #[test]
    fn any_order_of_rows_and_merges_gives_the_same_bytes(rows in any_rows(), cuts in proptest::collection::vec(0usize..60, 0..5)) {
        let mut backward = rows.clone();
        backward.reverse();
        let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).collect();
        ends.extend([0, rows.len()]);
        ends.sort_unstable();
        for (_, _, answer) in FUNCTIONS {
            let whole = state(answer, &rows);
            let other = state(answer, &backward);
            prop_assert_eq!(whole.as_ref(), other.as_ref());
            let mut parts: Vec<ArrayRef> = ends.windows(2).map(|ends| state(answer, &rows[ends[0]..ends[1]])).collect();
            let expected = bits(&evaluated(answer, &[Arc::clone(&whole)]));
            prop_assert_eq!(&bits(&evaluated(answer, &parts)), &expected);
            parts.reverse();
            prop_assert_eq!(&bits(&evaluated(answer, &parts)), &expected);
            // Without those of which one is NULL.
            let mut groups = MomentGroups::new(answer);
            let with_null: Vec<ArrayRef> = arguments(answer, &rows).iter().map(|values| {
                let values = values.as_primitive::<Float64Type>().iter().chain([None]);
                Arc::new(values.collect::<Float64Array>()) as ArrayRef
            }).collect();
            groups.update_batch(&with_null, &vec![0; rows.len() + 1], None, 1).unwrap();
            let state = groups.state(EmitTo::All).unwrap().remove(0);
            prop_assert_eq!(state.as_ref(), whole.as_ref());
            // Row by row, and as a window function has it.
            let single = MomentGroups::new(answer).convert_to_state(&arguments(answer, &rows), None).unwrap();
            let mut groups = MomentGroups::new(answer);
            groups.merge_batch(&single, &vec![0; rows.len()], 1).unwrap();
            prop_assert_eq!(&bits(&groups.evaluate(EmitTo::All).unwrap()), &expected);
            let mut one = MomentAccumulator::new(answer);
            one.update_batch(&arguments(answer, &rows)).unwrap();
            let saved = one.state().unwrap().remove(0).to_array().unwrap();
            prop_assert_eq!(saved.as_ref(), whole.as_ref());
            let once = one.evaluate().unwrap().to_array().unwrap();
            prop_assert_eq!(&bits(&once), &expected);
        }
    }

    #[test]
    fn what_is_taken_back_leaves_nothing(rows in any_rows(), others in any_rows()) {
        for (_, _, answer) in FUNCTIONS {
            let (some, more) = (arguments(answer, &rows), arguments(answer, &others));
            let mut moved = MomentAccumulator::new(answer);
            moved.update_batch(&some).unwrap();
            moved.update_batch(&more).unwrap();
            moved.retract_batch(&some).unwrap();
            let mut fresh = MomentAccumulator::new(answer);
            fresh.update_batch(&more).unwrap();
            prop_assert_eq!(moved.state().unwrap(), fresh.state().unwrap());
        }
    }

    #[test]
    fn sums_of_whole_numbers_are_those_of_integers(rows in proptest::collection::vec((-1i64 << 40..1 << 40, -1i64 << 40..1 << 40), 1..50)) {
        let floats: Vec<(f64, f64)> = rows.iter().map(|(x, y)| (*x as f64, *y as f64)).collect();
        let (sum, products) = sums(&floats);
        let total: i64 = rows.iter().map(|(x, _)| x).sum();
        let product: i128 = rows.iter().map(|(x, y)| i128::from(*x) * i128::from(*y)).sum();
        prop_assert_eq!(sum.whole().rounded().value(), total as f64);
        prop_assert_eq!(products.whole().rounded().value(), product as f64);
        // n · Σx² - (Σx)², of numbers that fit.
        let n = rows.len() as i128;
        let squares: i128 = rows.iter().map(|(x, _)| i128::from(*x) * i128::from(*x)).sum();
        let spread = n * squares - i128::from(total) * i128::from(total);
        let expected = spread as f64 / (n * n) as f64;
        let got = evaluated(Answer::VarPop, &[state(Answer::VarPop, &floats)]);
        prop_assert_eq!(bits(&got), [Some(expected.to_bits())]);
    }

    #[test]
    fn a_sum_is_rounded_once(rows in rows()) {
        // The difference between the sum and what it is rounded to is no more than half of the last bit.
        let (sum, _) = sums(&rows);
        let rounded = sum.whole().rounded().value();
        prop_assume!(rounded.is_finite() && rounded != 0.0);
        let mut rest = sum.clone();
        rest.add(Parts::of(rounded).unwrap(), true);
        let rest = rest.whole().rounded().value().abs();
        let gap = (rounded.abs().next_up() - rounded.abs()).max(5e-324);
        prop_assert!(rest <= gap / 2.0, "{rounded} is {rest} off");
    }

    #[test]
    fn a_state_reads_back_to_the_bytes_it_was(rows in rows()) {
        let (sum, products) = sums(&rows);
        for sum in [sum, products] {
            let written = bytes(&sum);
            let mut left = written.as_slice();
            let read = Exact::read(&mut left).unwrap();
            prop_assert!(left.is_empty());
            prop_assert_eq!(bytes(&read), written);
        }
    }

    #[test]
    fn bytes_that_nobody_wrote_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut groups = MomentGroups::new(Answer::Corr);
        groups.update_batch(&arguments(Answer::Corr, &[(1.0, 2.0)]), &[0], None, 1).unwrap();
        let mut written = vec![1, 0];
        written.extend(bytes);
        let state: ArrayRef = Arc::new(BinaryArray::from(vec![written.as_slice()]));
        // No more than that it ends, whatever it says.
        let _any = groups.merge_batch(&[state], &[0], 1);
    }
}

#[test]
fn terms_far_apart_and_back() {
    let far = [1e300, 1e-300, -1e300, 3.0, 1e-320, -3.0];
    let mut sum = Exact::ZERO;
    let mut heap = 0;
    for value in far {
        heap += sum.add(Parts::of(value).unwrap(), false);
    }
    assert_eq!(heap as usize, sum.heap_bytes());
    assert!(heap > 0);
    assert_eq!(sum.whole().rounded().value(), 1e-300 + 1e-320);
    sum.add(Parts::of(1e-300).unwrap(), true);
    sum.add(Parts::of(1e-320).unwrap(), true);
    assert_eq!(bytes(&sum), [0]);
    assert!(sum.whole().is_zero());
    // The largest there can be, many times.
    let mut sum = Exact::ZERO;
    let largest = Parts::of(f64::MAX).unwrap();
    for _ in 0..5000 {
        sum.add_product(largest, largest, false);
    }
    let more = sum.clone();
    for _ in 0..60 {
        let own = sum.clone();
        sum.merge(&own);
    }
    let expected = Whole::of(5000 << 50).times(&Whole::of(1 << 10));
    let square = more.whole().times(&expected).rounded();
    let expected = Whole::of(5000).times(&sum.whole()).rounded();
    assert_eq!(square.over(expected).value(), 1.0);
    assert_eq!(sum.whole().rounded().value(), f64::INFINITY);
    assert_eq!(
        bytes(&Exact::read(&mut bytes(&sum).as_slice()).unwrap()),
        bytes(&sum)
    );
}

#[test]
fn groups_leave_in_parts_and_memory_is_accounted() {
    let mut groups = MomentGroups::new(Answer::VarPop);
    let empty = groups.size();
    let values = [1.0, 3.0, 10.0, 10.0, 1e-200, 1e200, 7.0];
    groups
        .update_batch(&[column(&values)], &[0, 0, 1, 1, 2, 2, 3], None, 5)
        .unwrap();
    assert!(groups.size() > empty + 5 * 80 + 300, "{}", groups.size());
    let answers = |groups: &mut MomentGroups, to| {
        let answers = groups.evaluate(to).unwrap();
        answers
            .as_primitive::<Float64Type>()
            .iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        answers(&mut groups, EmitTo::First(2)),
        [Some(1.0), Some(0.0)]
    );
    let filter = BooleanArray::from(vec![Some(true), Some(false), None]);
    groups
        .update_batch(&[column(&[9.0, 1.0, 1.0])], &[1, 1, 2], Some(&filter), 3)
        .unwrap();
    assert_eq!(
        answers(&mut groups, EmitTo::All),
        [Some(f64::INFINITY), Some(1.0), None]
    );
    assert!(groups.size() < empty + 500, "{}", groups.size());
}

#[test]
fn states_of_other_layouts_are_refused() {
    let good = state(Answer::Var, &[(1.5, 1.5), (2.5, 2.5)]);
    let good = good.as_binary::<i32>().value(0);
    let merged = |state: &[u8]| {
        let mut groups = MomentGroups::new(Answer::Var);
        let state: ArrayRef = Arc::new(BinaryArray::from(vec![state]));
        groups
            .merge_batch(&[state], &[0], 1)
            .map_err(|error| error.to_string())
    };
    assert_eq!(merged(good), Ok(()));
    let mut other = good.to_vec();
    other[0] = 2;
    assert!(merged(&other).unwrap_err().contains("layout"));
    for length in 0..good.len() {
        assert!(merged(&good[..length]).is_err(), "{length}");
    }
    let longer = [good, &[0]].concat();
    assert!(merged(&longer).is_err());
    let mut distinct = DistinctMoments::new(Answer::Var);
    let state: ArrayRef = Arc::new(BinaryArray::from(vec![&[0u8; 15][..]]));
    assert!(distinct.merge_batch(&[state]).is_err());
}

/// Cells of the rows that a query gives, split by spaces.
async fn told(sql: &str) -> Vec<String> {
    let state = new_session_state(session_config(), Default::default(), None).unwrap();
    let batches = SessionContext::new_with_state(state)
        .sql(sql)
        .await
        .unwrap();
    let batches = batches.collect().await.unwrap();
    let shown = pretty_format_batches(&batches).unwrap().to_string();
    let rows = shown.lines().skip(3).filter(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        cells.join(" ")
    })
    .collect()
}

/// What PostgreSQL 17 answers.
#[tokio::test]
async fn answers_are_those_of_postgres() {
    let all = "var_samp(y), variance(y), var_pop(y), stddev(y), stddev_pop(y), covar_samp(y, x), covar_pop(y, x), corr(y, x)";
    let line = "regr_slope(y, x), regr_intercept(y, x), regr_count(y, x), regr_r2(y, x), regr_avgx(y, x), regr_avgy(y, x), regr_sxx(y, x), regr_syy(y, x), regr_sxy(y, x)";
    let rows = "(VALUES (2.0, 1.0), (4.0, 2.0), (5.0, 3.0), (4.0, 4.0), (5.0, 5.0), (NULL, 6.0), (7.0, NULL)) AS t(y, x)";
    let both = "WHERE x IS NOT NULL AND y IS NOT NULL";
    assert_eq!(
        told(&format!("SELECT {all} FROM {rows} {both}")).await,
        ["1.5 1.5 1.2 1.224744871391589 1.0954451150103321 1.5 1.2 0.7745966692414834"]
    );
    assert_eq!(
        told(&format!("SELECT {line} FROM {rows}")).await,
        ["0.6 2.2 5 0.6 3.0 4.0 10.0 6.0 6.0"]
    );
    // One row, none, one value for all x, one for all y.
    let nothing = " ".repeat(4);
    assert_eq!(
        told(&format!("SELECT {all} FROM (VALUES (2.0, 1.0)) AS t(y, x)")).await,
        ["  0.0  0.0  0.0 "]
    );
    assert_eq!(
        told(&format!("SELECT {line} FROM {rows} WHERE x > 10")).await,
        [format!("  0{nothing}  ")]
    );
    assert_eq!(
        told("SELECT regr_slope(y, 1.0), regr_intercept(y, 1.0), regr_r2(y, 1.0), corr(y, 1.0), regr_slope(1.0, y), regr_r2(1.0, y), corr(1.0, y)
              FROM (VALUES (1.0), (2.0)) AS t(y)").await,
        ["    0.0 1.0 "]
    );
}

#[tokio::test]
async fn nothing_cancels_that_is_not_equal() {
    let rows = "(VALUES (1e15 + 1), (1e15 + 2), (1e15 + 3)) AS t(x)";
    let sql = format!(
        "SELECT var_samp(x), var_pop(x) * 3, corr(x, x), corr(x, -x), regr_slope(x * 2 - 7, x), regr_intercept(x * 2, x) FROM {rows}"
    );
    assert_eq!(told(&sql).await, ["1.0 2.0 1.0 -1.0 2.0 0.0"]);
    assert_eq!(
        told("SELECT stddev_pop(x) FROM (VALUES (0.1), (0.1), (0.1)) AS t(x)").await,
        ["0.0"]
    );
}

#[tokio::test]
async fn what_is_no_number_makes_none() {
    let sql = "SELECT stddev(x), var_pop(x), regr_avgx(1.0, x), regr_avgy(1.0, x), corr(x, 2.0), regr_count(x, x) FROM (VALUES (1.0), (CAST('NaN' AS DOUBLE))) AS t(x)";
    assert_eq!(told(sql).await, ["NaN NaN NaN 1.0 NaN 2"]);
    let sql = "SELECT var_samp(x), regr_avgx(1.0, x), regr_avgx(1.0, -x), regr_avgx(1.0, abs(x)), regr_sxx(x, 1.0) FROM (VALUES (1.0), (CAST('-inf' AS DOUBLE))) AS t(x)";
    assert_eq!(told(sql).await, ["NaN -inf inf inf 0.0"]);
    // It leaves with its row.
    let sql = "SELECT var_pop(x) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS v
        FROM (VALUES (1, CAST('inf' AS DOUBLE)), (2, 'inf'), (3, 1e300), (4, 3.0), (5, 5.0), (6, NULL)) AS t(n, x) ORDER BY n";
    assert_eq!(told(sql).await, ["NaN", "NaN", "NaN", "inf", "1.0", "0.0"]);
}

#[tokio::test]
async fn distinct_rows_count_once() {
    let sql = "SELECT k, var_samp(DISTINCT x), stddev_pop(DISTINCT x), corr(DISTINCT x, y), regr_count(DISTINCT y, x), var_samp(x) > 0.6
        FROM (VALUES ('a', 1.0, 2.0), ('a', 2.0, 4.0), ('a', 2.0, 4.0), ('a', 3.0, 6.0), ('b', 0.0, 1.0), ('b', -0.0, 1.0)) AS t(k, x, y)
        GROUP BY k ORDER BY k";
    assert_eq!(
        told(sql).await,
        ["a 1.0 0.816496580927726 1.0 3 true", "b  0.0  1 false"]
    );
}

#[tokio::test]
async fn numbers_of_every_type_are_taken() {
    for argument in [
        "x::smallint",
        "x::int",
        "x::bigint",
        "x::real",
        "x::numeric(10,2)",
    ] {
        let sql = format!(
            "SELECT var_samp({argument}), covar_samp({argument}, x) FROM (VALUES (1), (2), (3)) AS t(x)"
        );
        assert_eq!(told(&sql).await, ["1.0 1.0"], "{argument}");
    }
    // Many rows, several partitions: partial states and their merge.
    assert_eq!(
        told("SELECT var_pop(value), regr_slope(value * 3, value) FROM generate_series(1, 100001)")
            .await,
        ["833350000.0 3.0"]
    );
}
