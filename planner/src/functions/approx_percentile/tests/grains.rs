//! Finer buckets: what an accuracy argument means, and that nothing else changes with it.

use datafusion::common::ScalarValue;

use super::*;

fn grain(accuracy: f64) -> Grain {
    Grain::of_argument(&ScalarValue::Float64(Some(accuracy))).unwrap()
}

fn new_groups(percentile: f64, grain: Grain) -> PercentileGroups {
    PercentileGroups::new(Asked::One(percentile), Some(grain))
}

#[test]
fn an_accuracy_is_one_part_in_so_many_or_the_part_itself() {
    for (accuracy, bits) in [
        (1.0, 7),
        (100.0, 7),
        (256.0, 7),
        (257.0, 8),
        (1_000.0, 9),
        (10_000.0, 13),
        (100_000.0, 16),
        (0.5, 7),
        (0.004, 7),
        (0.001, 9),
        (0.0001, 13),
        (0.00001, 16),
    ] {
        assert_eq!(grain(accuracy).bits(), bits, "{accuracy}");
    }
    for wrong in [
        0.0,
        -1.0,
        1.5,
        100_001.0,
        0.000_009,
        f64::NAN,
        f64::INFINITY,
    ] {
        let given = ScalarValue::Float64(Some(wrong));
        assert!(Grain::of_argument(&given).is_err(), "{wrong}");
    }
}

#[test]
fn states_of_another_accuracy_are_not_merged() {
    let mut fine = new_groups(0.5, grain(1_000.0));
    fine.update_batch(&[column(&[1.0, 2.0])], &[0, 0], None, 1)
        .unwrap();
    let few = fine.state(EmitTo::All).unwrap();
    let values: Vec<f64> = (0..5_000).map(f64::from).collect();
    fine.update_batch(&[column(&values)], &vec![0; 5_000], None, 1)
        .unwrap();
    let many = fine.state(EmitTo::All).unwrap();
    for state in [few, many] {
        let mut coarse = new_groups(0.5, Grain::DEFAULT);
        let error = coarse.merge_batch(&state, &[0], 1).unwrap_err().to_string();
        assert!(
            error.contains("different accuracy") && error.contains("one part in 1024"),
            "{error}"
        );
        let mut open = PercentileGroups::new(Asked::One(1.0), None);
        open.merge_batch(&state, &[0], 1).unwrap();
        assert!(answers(&mut open, EmitTo::All)[0].is_some());
    }
}

#[test]
fn a_state_of_the_default_is_as_it_always_was() {
    let mut groups = new_groups(0.5, Grain::DEFAULT);
    groups
        .update_batch(&[column(&[1.0])], &[0], None, 1)
        .unwrap();
    let state = groups.state(EmitTo::All).unwrap();
    let state = state[0].as_binary::<i32>().value(0).to_vec();
    assert_eq!(state, [1, 0, 0, 0, 0, 0, 0, 0xf0, 0xbf]);
    groups
        .update_batch(&[column(&[1.0; 1025])], &[0; 1025], None, 1)
        .unwrap();
    let state = groups.state(EmitTo::All).unwrap();
    let state = state[0].as_binary::<i32>().value(0).to_vec();
    let key = 0xbff0_0000_0000_0000_u64.to_le_bytes();
    let mut expected = vec![2];
    expected.extend(key);
    expected.extend(key);
    // Bucket 0x5ff80, 1,025 values.
    expected.extend([0x80, 0xff, 0x17, 0x81, 0x08]);
    assert_eq!(state, expected);
}

#[test]
fn several_percentiles_are_an_array() {
    let asked = Asked::Many(vec![0.0, 0.5, 1.0]);
    let mut groups = PercentileGroups::new(asked, Some(Grain::DEFAULT));
    groups
        .update_batch(&[column(&[3.0, 1.0, 2.0])], &[0, 0, 0], None, 2)
        .unwrap();
    let answers = groups.evaluate(EmitTo::All).unwrap();
    let answers = answers.as_list::<i32>();
    let first = answers.value(0);
    assert_eq!(
        first.as_primitive::<Float64Type>().values(),
        &[1.0, 2.0, 3.0]
    );
    assert!(answers.is_null(1));
}

/// Groups of all sizes, some past the limit early and some late, so that rows are counted, go stale and are moved in every way.
#[test]
fn many_groups_of_all_sizes_give_what_each_gives_alone() {
    let mut state = 7_u64;
    let mut draw = move |below: u64| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let mut groups = new_groups(0.9, Grain::DEFAULT);
    let mut alone: Vec<Vec<f64>> = vec![vec![]; 300];
    for _ in 0..40 {
        let (mut indices, mut values) = (vec![], vec![]);
        for _ in 0..5_000 {
            // A few groups have most of the rows.
            let group = (draw(300) * draw(300) * draw(300) / 90_000) as usize;
            let value = draw(1 << 20) as f64 / 7.0 - 10_000.0;
            indices.push(group);
            values.push(value);
            alone[group].push(value);
        }
        groups
            .update_batch(&[column(&values)], &indices, None, 300)
            .unwrap();
    }
    assert!(alone.iter().any(|values| values.len() > 5_000));
    assert!(alone.iter().any(|values| values.len() < EXACT_LIMIT));
    let states = groups.state(EmitTo::All).unwrap();
    let indices: Vec<usize> = (0..300).collect();
    groups.merge_batch(&states, &indices, 300).unwrap();
    groups.merge_batch(&states, &indices, 300).unwrap();
    for (answer, values) in answers(&mut groups, EmitTo::All).into_iter().zip(&alone) {
        let twice: Vec<f64> = values.iter().chain(values).copied().collect();
        assert!(same(
            answer,
            (!twice.is_empty()).then(|| at_once(&twice, 0.9)).flatten()
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_accuracy_is_further_off_than_it_says(rows in any_rows(), percentile in 0.0..=1.0f64, bits in 7..=16_u8) {
        let grain = Grain::of_bits(bits).unwrap();
        let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let mut groups = new_groups(percentile, grain);
        groups.update_batch(&[column(&values)], &vec![0; values.len()], None, 1).unwrap();
        let states = groups.state(EmitTo::All).unwrap();
        groups.merge_batch(&states, &[0], 1).unwrap();
        let answer = answers(&mut groups, EmitTo::All)[0];
        let exact = by_definition(&values, percentile);
        if let (Some(answer), Some(exact)) = (answer, exact) && exact.is_finite() {
            let allowed = (exact.abs() / grain.parts() as f64).max(f64::MIN_POSITIVE);
            prop_assert!((answer - exact).abs() <= allowed, "{answer} {exact}");
        }
        prop_assert_eq!(answer.is_some(), exact.is_some());
    }
}
