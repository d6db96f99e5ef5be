//! Base64 (RFC 4648, standard alphabet, padding optional) for BYTEA columns.

use ::base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Appends the decoded bytes; `None` when the text is not base64.
pub(super) fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    ENGINE.decode_vec(text, out).ok()
}
