//! Standard output and standard error.
//!
//! `println!` panics when the reader goes away (`sluice run x.sql | head`); here that is an end like any other.

use std::io::{ErrorKind, Write};

use sluice_server::error::{Error, SqlState};

use super::{Failure, Outcome};

/// Writes a line to standard output at once.
pub(crate) fn line(text: &str) -> Outcome {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes bytes to standard output at once.
pub(crate) fn bytes(bytes: &[u8]) -> Outcome {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Error::outside(
            SqlState::IoError,
            format!("cannot write to standard output: {e}"),
        )
        .into(),
    })
}

/// Writes a line to standard error; if that fails there is nobody left to tell.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
