//! PostgreSQL's functions that clients call and nobody else provides.

mod arrays;
mod backends;
mod bytes;
mod called;
mod fixed;
mod json;
mod lists;
mod locks;
mod matches;
mod objects;
mod patterns;
mod records;
mod roles;
mod scalar;
mod session;
mod sizes;
mod sleep;
mod texts;
mod times;
mod zones;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::{Facts, relations::Listed};
use crate::arithmetic::round_even;

pub(super) use fixed::XMIN;
pub(crate) use json::{check_json, jsonb};
pub(in crate::dialect) use json::{jsonb_concat, jsonb_key, jsonb_without};
pub(super) use objects::{BACKWARD, FORWARD};
pub(in crate::dialect) use records::RECORD;
pub(super) use roles::SESSION_USER;
pub(super) use session::settings;
pub(in crate::dialect) use texts::ANY;
pub(in crate::dialect) use times::interval_times;
pub(in crate::dialect) use zones::AT_TIME_ZONE;

/// All of them, for a session of which these facts are known.
pub(super) fn all(facts: &Arc<Facts>, listed: &Listed) -> Vec<ScalarUDF> {
    let mut all = fixed::all();
    all.extend(objects::all(facts, listed));
    all.extend(roles::all(facts, listed));
    all.extend(session::all(facts));
    all.extend(backends::all(facts));
    all.extend(scalar::all());
    all.extend(texts::all(facts));
    all.extend(json::all());
    all.extend(arrays::all());
    all.extend(lists::all());
    all.extend(locks::all(facts));
    all.push(lists::joined());
    all.extend(matches::all());
    all.extend(patterns::all(facts));
    all.extend(times::all(facts));
    all.extend(zones::all());
    all.extend(sizes::all(facts, listed));
    all.extend(bytes::all());
    all.push(sleep::function());
    all.push(round_even());
    all.push(records::function());
    all.push(records::whole_row());
    all
}
