//! Places where a test can make the process fail: between any two steps of a protocol, in the way of the real thing.
//!
//! `SLUICE_FAILPOINTS="manifest.put=kill; delta.put=enospc@3*2"` names places with what happens there: at the third pass, twice. A place
//! is passed by name ([`hit`]) right before or after the step that it stands for. Only builds with debug assertions look at the variable;
//! in others [`hit`] is empty and a call of it is nothing. Each failure is told on stderr first, so that a test knows that it took place.
//!
//! Own code, because the crate of this purpose hides behind a feature, and one more set of features builds the engine twice.

use std::io;

use crate::error::Result;

/// The variable that names the places.
pub const VARIABLE: &str = "SLUICE_FAILPOINTS";

/// Passes a place: nothing, or what a test has asked for.
///
/// # Errors
/// What a failing disk or network would give: `Storage`, to be tried again or not.
pub fn hit(name: &str) -> Result<()> {
    hit_io(name)
        .map_err(|error| crate::store::storage_error(name, crate::store::io_fault(error, name)))
}

/// As [`hit`], for code that works with files itself.
///
/// # Errors
/// As a file system gives them.
#[cfg(debug_assertions)]
pub fn hit_io(name: &str) -> io::Result<()> {
    armed::hit(name)
}

/// As [`hit`], for code that works with files itself.
///
/// # Errors
/// None in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn hit_io(_: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
mod armed;
#[cfg(test)]
mod tests;
