//! Rewrites of ours, beside upstream's.

use sluice_sql::ast::Statement;

/// Before upstream's rules.
pub(super) fn before(statement: Statement) -> Statement {
    statement
}

/// After them.
pub(super) fn after(statement: Statement) -> Statement {
    statement
}
