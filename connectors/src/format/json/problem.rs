//! Why a message is bad.

use std::fmt;

/// What is wrong with a message, where in it, and in which field.
///
/// Boxed, because every step of reading returns one or nothing, and nothing should be small.
#[derive(Debug)]
pub(super) struct Problem(Box<Details>);

#[derive(Debug)]
struct Details {
    what: String,
    at: usize,
    /// Field names from the inside out: they are added while the error travels up.
    path: Vec<String>,
}

impl Problem {
    #[cold]
    pub(super) fn new(what: impl Into<String>, at: usize) -> Self {
        Self(Box::new(Details {
            what: what.into(),
            at,
            path: Vec::new(),
        }))
    }

    /// The same problem, known to lie in this field.
    #[cold]
    pub(super) fn within(mut self, field: &str) -> Self {
        self.0.path.push(field.to_owned());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            let path: Vec<&str> = self.0.path.iter().rev().map(String::as_str).collect();
            write!(f, "field \"{}\": ", path.join("."))?;
        }
        write!(f, "{} at byte {}", self.0.what, self.0.at)
    }
}
