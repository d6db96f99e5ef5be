//! PostgreSQL's functions that clients call and nobody else provides.

mod fixed;
mod roles;
mod session;
mod sizes;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::Facts;

pub(super) use roles::SESSION_USER;
pub(super) use session::settings;

/// All of them, for a session of which these facts are known.
pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let mut all = fixed::all();
    all.extend(roles::all(facts));
    all.extend(session::all(facts));
    all.extend(sizes::all());
    all
}
