//! PostgreSQL's functions that clients call and nobody else provides.

mod called;
mod fixed;
mod objects;
mod roles;
mod scalar;
mod session;
mod sizes;
mod texts;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::{Facts, relations::Listed};

pub(super) use objects::{BACKWARD, FORWARD};
pub(super) use roles::SESSION_USER;
pub(super) use session::settings;
pub(in crate::doors::pg) use texts::ANY;

/// All of them, for a session of which these facts are known.
pub(super) fn all(facts: &Arc<Facts>, listed: &Listed) -> Vec<ScalarUDF> {
    let mut all = fixed::all();
    all.extend(objects::all(facts, listed));
    all.extend(roles::all(facts, listed));
    all.extend(session::all(facts));
    all.extend(scalar::all());
    all.extend(texts::all(facts));
    all.extend(sizes::all(facts, listed));
    all
}
