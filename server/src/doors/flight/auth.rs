//! What a call says about who makes it: the `authorization` header.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sluice_sql::Hidden;
use tonic::metadata::MetadataMap;

use crate::error::{Error, Result, SqlState};

/// Base64 as clients write it: the Go drivers leave the padding away, the others do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who makes a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Nobody said.
    None,
    /// A user name and its password.
    Basic {
        /// The user.
        user: String,
        /// The password; empty where none is asked.
        password: Hidden,
    },
    /// A token a handshake gave.
    Bearer(String),
}

impl Credentials {
    /// Reads the `authorization` header.
    pub(super) fn of(metadata: &MetadataMap) -> Result<Self> {
        let Some(value) = metadata.get("authorization") else {
            return Ok(Self::None);
        };
        let malformed = || {
            Error::user(
                SqlState::InvalidAuthorization,
                "malformed authorization header",
            )
            .with_hint("Send `Basic` with a base64 user:password, or `Bearer` with the token of the handshake.")
        };
        let text = value.to_str().map_err(|_| malformed())?;
        let (scheme, rest) = text.split_once(' ').ok_or_else(malformed)?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Self::Bearer(rest.trim().to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(malformed());
        }
        let decoded = BASE64.decode(rest.trim()).map_err(|_| malformed())?;
        let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
        let (user, password) = decoded.split_once(':').ok_or_else(malformed)?;
        Ok(Self::Basic {
            user: user.to_owned(),
            password: Hidden(password.to_owned()),
        })
    }
}

/// The database a client asks for in a header of its own, as the JDBC driver does with unknown URL parameters.
pub(super) fn database(metadata: &MetadataMap) -> &str {
    metadata
        .get("database")
        .and_then(|value| value.to_str().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or(super::registry::DEFAULT_NAME)
}

#[cfg(test)]
mod tests;
