//! Why a message is bad.

use std::fmt;

/// What is wrong with a message, where in it, and in which field.
#[derive(Debug)]
pub(super) struct Problem {
    what: String,
    at: usize,
    /// Field names from the inside out: they are added while the error travels up.
    path: Vec<String>,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>, at: usize) -> Self {
        Self {
            what: what.into(),
            at,
            path: Vec::new(),
        }
    }

    /// The same problem, known to lie in this field.
    pub(super) fn within(mut self, field: &str) -> Self {
        self.path.push(field.to_owned());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            let path: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
            write!(f, "field \"{}\": ", path.join("."))?;
        }
        write!(f, "{} at byte {}", self.what, self.at)
    }
}
