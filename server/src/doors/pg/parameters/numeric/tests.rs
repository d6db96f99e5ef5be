//! Numerics in binary whose numbers are at their ends.

use super::*;

fn binary(words: &[i16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn a_zero_takes_no_more_steps_than_another_number() {
    // No groups, and as far from the point and with as many digits behind it as can be said. A step for each took minutes.
    let zero = binary(&[0, i16::MIN, 0, i16::MAX]);
    for _ in 0..100_000 {
        let read = from_binary(&zero);
        assert_eq!(read, Some(ScalarValue::Decimal128(Some(0), 38, 38)));
    }
    let plain = binary(&[1, 0, 0, 2, 0]);
    assert_eq!(
        from_binary(&plain),
        Some(ScalarValue::Decimal128(Some(0), 2, 2))
    );
}

#[test]
fn a_number_beyond_what_there_is_room_for_is_none() {
    for words in [[1, i16::MAX, 0, 0, 1], [1, i16::MIN, 0, i16::MAX, 1]] {
        assert_eq!(from_binary(&binary(&words)), None);
    }
}
