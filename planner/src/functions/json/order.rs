//! The order of `jsonb`: objects, arrays, booleans, numbers, texts and `null`, the greatest first, as PostgreSQL's manual has it.
//!
//! A value becomes bytes that compare as the values do, and are the same for equal values: `1.0` and `1` have one key. The bytes are for
//! comparing alone and never kept.

use super::value::Json;

/// What a key begins with, the least first. An empty array is the least of all where it is the whole value, as in PostgreSQL.
const EMPTY: u8 = 1;
const NULL: u8 = 2;
const TEXT: u8 = 3;
const NUMBER: u8 = 4;
const BOOL: u8 = 5;
const ARRAY: u8 = 6;
const OBJECT: u8 = 7;

/// What a number's bytes begin with.
const NEGATIVE: u8 = 1;
const ZERO: u8 = 2;
const POSITIVE: u8 = 3;

impl Json {
    /// Bytes that compare as `jsonb` does; those of equal values are equal. The value is one that is [sorted](Json::sorted).
    pub fn sort_key(&self) -> Vec<u8> {
        match self {
            Self::Array(elements) if elements.is_empty() => vec![EMPTY],
            value => {
                let mut key = Vec::new();
                write(value, &mut key);
                key
            }
        }
    }
}

fn write(value: &Json, key: &mut Vec<u8>) {
    match value {
        Json::Null => key.push(NULL),
        Json::Text(text) => {
            key.push(TEXT);
            write_text(text, key);
        }
        Json::Number(written) => {
            key.push(NUMBER);
            write_number(written, key);
        }
        Json::Bool(truth) => key.extend([BOOL, u8::from(*truth)]),
        Json::Array(elements) => {
            key.push(ARRAY);
            write_count(elements.len(), key);
            for element in elements {
                write(element, key);
            }
        }
        Json::Object(members) => {
            key.push(OBJECT);
            write_count(members.len(), key);
            for (name, value) in members {
                write_text(name, key);
                write(value, key);
            }
        }
    }
}

/// More elements are greater, whatever they are.
fn write_count(count: usize, key: &mut Vec<u8>) {
    key.extend((count as u64).to_be_bytes());
}

/// A text ends with two zeros, and a zero in it is followed by a byte that is greater.
fn write_text(text: &str, key: &mut Vec<u8>) {
    for byte in text.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(u8::MAX);
        }
    }
    key.extend([0, 0]);
}

/// A number is a sign, the place of its first digit, and its digits up to the last that is no zero; below zero all of it is turned around.
fn write_number(written: &str, key: &mut Vec<u8>) {
    let (negative, written) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let (mantissa, exponent) = written.split_once(['e', 'E']).unwrap_or((written, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    let leading = digits.len() - significant.len();
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        key.push(ZERO);
        return;
    }
    // What has no place in 64 bits is beyond all numbers that have one.
    let beyond = match exponent.starts_with('-') {
        true => i64::MIN,
        false => i64::MAX,
    };
    let exponent = exponent.parse().unwrap_or(beyond);
    let point = whole.len() as i64 - leading as i64;
    let place = exponent.saturating_add(point);
    // The sign's bit is turned so that what is below zero comes first.
    let place = (place.cast_unsigned() ^ (1 << 63)).to_be_bytes();
    let bytes = place
        .into_iter()
        .chain(significant.bytes())
        .chain(std::iter::once(0));
    match negative {
        true => {
            key.push(NEGATIVE);
            key.extend(bytes.map(|byte| !byte));
        }
        false => {
            key.push(POSITIVE);
            key.extend(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
