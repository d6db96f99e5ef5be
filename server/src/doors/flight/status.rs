//! Our error as gRPC tells it: a code by SQLSTATE, everything a person needs in the text, the SQLSTATE in the metadata too.
//!
//! | SQLSTATE | gRPC |
//! |---|---|
//! | 42P01, 42703, 42883, 3F000, 3D000, 26000, 34000: something named does not exist | NOT_FOUND |
//! | 42P07, 42P06: something named exists already | ALREADY_EXISTS |
//! | 42501: a privilege is missing | PERMISSION_DENIED |
//! | 42710: something named exists already | ALREADY_EXISTS |
//! | 42704: a role or secret named does not exist | NOT_FOUND |
//! | any other 42, 22, 23, 21 and 54001: the statement or a value in it | INVALID_ARGUMENT |
//! | 40: somebody else was faster, try again | ABORTED |
//! | 0A | UNIMPLEMENTED |
//! | 2B, 25, 55: right statement, wrong moment | FAILED_PRECONDITION |
//! | 28 | UNAUTHENTICATED |
//! | 53, any other 54: a limit of ours | RESOURCE_EXHAUSTED |
//! | 57014 | CANCELLED |
//! | any other 57, 08, 58: come again later | UNAVAILABLE |
//! | XX and the rest | INTERNAL |

use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::error::{Error, SqlState};

/// The status text goes in an HTTP header, and clients (C core) refuse headers above 8 KiB; this many bytes as sent are left for it.
const MAX_TEXT_BYTES: usize = 6_000;

/// The gRPC code of a condition.
fn code(state: SqlState) -> Code {
    match state.code() {
        "42P01" | "42703" | "42704" | "42883" | "3F000" | "3D000" | "26000" | "34000" => {
            Code::NotFound
        }
        "42P07" | "42P06" | "42710" => Code::AlreadyExists,
        "54001" => Code::InvalidArgument,
        "57014" => Code::Cancelled,
        "42501" => Code::PermissionDenied,
        other => match &other[..2] {
            "42" | "22" | "23" | "21" => Code::InvalidArgument,
            "40" => Code::Aborted,
            "0A" => Code::Unimplemented,
            "2B" | "25" | "55" => Code::FailedPrecondition,
            "28" => Code::Unauthenticated,
            "53" | "54" => Code::ResourceExhausted,
            "57" | "08" | "58" => Code::Unavailable,
            _ => Code::Internal,
        },
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let mut text = shorten(&error.to_string());
        if let Some(position) = error.position {
            text.push_str(&format!("\nPOSITION:  {position}"));
        }
        text.push_str("\nSQLSTATE:  ");
        text.push_str(error.state.code());
        let mut metadata = MetadataMap::new();
        metadata.insert("sqlstate", MetadataValue::from_static(error.state.code()));
        Self::with_metadata(code(error.state), text, metadata)
    }
}

/// Cuts a text so that it fits a header, counted as it is sent: percent-encoding makes three bytes of each that is not plain ASCII.
fn shorten(text: &str) -> String {
    let mut sent = 0;
    for (at, character) in text.char_indices() {
        sent += match character {
            ' '..='~' if character != '%' => 1,
            _ => 3 * character.len_utf8(),
        };
        if sent > MAX_TEXT_BYTES {
            return format!("{}…", &text[..at]);
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests;
