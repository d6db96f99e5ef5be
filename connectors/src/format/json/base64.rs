//! Bytes as text, for BYTEA columns: base64 (RFC 4648, standard alphabet, padding optional), or hexadecimal digits as PostgreSQL writes
//! them behind `\x`, which no base64 begins with.

use ::base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Appends the decoded bytes; `None` when the text is neither.
pub(super) fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    match text.strip_prefix("\\x") {
        Some(digits) => hexadecimal(digits.as_bytes(), out),
        None => ENGINE.decode_vec(text, out).ok(),
    }
}

fn hexadecimal(digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    for [high, low] in pairs {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        out.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
    }
    Some(())
}
