//! Prints syntax trees in the canonical form: several lines, and window table functions in their short form.
//!
//! In the tree the first argument of a window table function is a subquery (the engine looks for relations there); a
//! reader wants `TUMBLE(events, …)`. The short form parses back to the same tree.

use std::fmt;

use sqlparser::ast::{Expr, Query, Statement};

use crate::rewrite::window_tvf;

/// Prints a piece of a statement in canonical form.
pub struct Canonical<'a, T>(pub &'a T);

impl fmt::Display for Canonical<'_, Query> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut short = self.0.clone();
        window_tvf::printable(&mut short);
        pretty(f, &short)
    }
}

impl fmt::Display for Canonical<'_, Statement> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut short = self.0.clone();
        window_tvf::printable(&mut short);
        pretty(f, &short)
    }
}

impl fmt::Display for Canonical<'_, Expr> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut short = self.0.clone();
        window_tvf::printable(&mut short);
        short.fmt(f)
    }
}

/// On several lines, unless a line break is part of a literal: indenting would change it.
fn pretty(f: &mut fmt::Formatter<'_>, sql: &impl fmt::Display) -> fmt::Result {
    let plain = sql.to_string();
    if plain.contains('\n') {
        f.write_str(&plain)
    } else {
        write!(f, "{sql:#}")
    }
}

/// A parenthesised list, an item on each line.
pub(crate) fn lines(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    if items.is_empty() {
        return f.write_str("()");
    }
    f.write_str("(")?;
    for (i, item) in items.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        write!(f, "{comma}\n  {item}")?;
    }
    f.write_str("\n)")
}

/// A parenthesised list on one line.
pub(crate) fn inline(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    f.write_str("(")?;
    for (i, item) in items.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        write!(f, "{comma}{item}")?;
    }
    f.write_str(")")
}
