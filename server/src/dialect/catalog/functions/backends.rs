//! Functions by which one session stops what another does.
//!
//! They act when they are called, so they are called when the statement runs and not when it is planned.

use std::sync::Arc;

use datafusion::{error::DataFusionError, logical_expr::ScalarUDF, scalar::ScalarValue};

use super::called::{self, Called};
use crate::{
    access::Signal,
    dialect::catalog::{Facts, rows::Value},
    error::{Error, Result, SqlState},
};

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    [
        ("pg_cancel_backend", Signal::Cancel),
        // How long to wait until it has ended is not waited.
        ("pg_terminate_backend", Signal::Terminate),
    ]
    .map(|(name, signal)| {
        let facts = Arc::clone(facts);
        Called::acting(name, "boolean", move |arguments| {
            let done = send(&facts, arguments, signal);
            done.map(Value::Bool)
                .map_err(|error| DataFusionError::External(Box::new(error)))
        })
    })
    .into()
}

/// Whether there was such a session.
fn send(facts: &Facts, arguments: &[ScalarValue], signal: Signal) -> Result<bool> {
    let Some(pid) = called::number(arguments, 0) else {
        return Err(Error::user(
            SqlState::UndefinedFunction,
            "too few arguments to a function about sessions",
        ));
    };
    let found = facts.access.as_ref().and_then(|(engine, actor)| {
        let session = engine.activities().get(i32::try_from(pid).ok()?)?;
        Some((engine.catalog(), actor.current(), session))
    });
    let Some((catalog, role, session)) = found else {
        (facts.warn)(Error::user(
            SqlState::Warning,
            format!("PID {pid} is not a PostgreSQL backend process"),
        ));
        return Ok(false);
    };
    catalog.check_signal(&role, session.user(), signal)?;
    match signal {
        Signal::Cancel => session.cancel(),
        Signal::Terminate => session.end(),
    }
    Ok(true)
}
