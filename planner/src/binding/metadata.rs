//! Metadata columns of streams (`_topic`, `_offset`, …): there when a statement names them, out of the way of `SELECT *` when it does not.
//!
//! The engine knows no hidden columns. So before a statement is planned, every plain table reference in it is marked with the metadata
//! columns that the statement names anywhere; the relation planner then shows a stream with its declared columns and those. A statement
//! that names `_offset` sees it in its `*` too: that is the price, and it is documented.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    Expr, Ident, Statement, TableFactor, VisitMut, VisitorMut, visit_expressions,
};

#[cfg(test)]
mod tests;

/// First entry of a mark; cannot be written in SQL, so that no statement can forge one.
const MARK: &str = "\u{0}sluice";

/// Marks every plain table reference with the metadata columns the statement names.
pub fn expose_metadata(statement: &mut Statement) {
    let mut named: Vec<Ident> = Vec::new();
    let _: ControlFlow<()> = visit_expressions(statement, |expr| {
        let ident = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        if let Some(ident) = ident
            && ident.value.starts_with('_')
            && !named.contains(ident)
        {
            named.push(ident.clone());
        }
        ControlFlow::Continue(())
    });
    let _: ControlFlow<()> = statement.visit(&mut Marker { named });
}

struct Marker {
    named: Vec<Ident>,
}

impl VisitorMut for Marker {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            args: None,
            partitions,
            ..
        } = factor
            && partitions.is_empty()
        {
            partitions.push(Ident::new(MARK));
            partitions.extend(self.named.iter().cloned());
        }
        ControlFlow::Continue(())
    }
}

/// Takes the mark off a table reference: the metadata columns to show, or `None` when there is no mark.
pub(crate) fn take_mark(factor: &mut TableFactor) -> Option<Vec<Ident>> {
    let TableFactor::Table { partitions, .. } = factor else {
        return None;
    };
    if partitions.first().map(|ident| ident.value.as_str()) != Some(MARK) {
        return None;
    }
    let mut marked = std::mem::take(partitions);
    marked.remove(0);
    Some(marked)
}
