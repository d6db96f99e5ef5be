//! Functions by which one session stops what another does, or says something to it, and what it asked for itself.
//!
//! They act when they are called, so they are called when the statement runs and not when it is planned.

use std::sync::Arc;

use datafusion::{error::DataFusionError, logical_expr::ScalarUDF, scalar::ScalarValue};

use super::called::{self, Called};
use crate::{
    access::Signal,
    dialect::catalog::{Facts, rows::Value},
    error::{Error, Result, SqlState},
    session::NO_NOTIFICATIONS,
};

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let asked = Arc::clone(facts);
    let mut all = vec![
        Called::acting("current_query", "text", move |_| {
            let found = asked.access.as_ref().and_then(|(engine, _)| {
                let session = engine.activities().get(asked.pid?)?;
                Some(session.query().to_string())
            });
            Ok(found.into())
        }),
        Called::acting("pg_notify", "void", |_| {
            let error = Error::user(
                SqlState::FeatureNotSupported,
                "pg_notify() is not supported",
            );
            let error = error.with_hint(NO_NOTIFICATIONS);
            Err(DataFusionError::External(Box::new(error)))
        }),
    ];
    let signals = [
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
    });
    all.extend(signals);
    all
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
        Some((engine, actor.current(), session))
    });
    let Some((engine, role, session)) = found else {
        (facts.warn)(Error::user(
            SqlState::Warning,
            format!("PID {pid} is not a PostgreSQL backend process"),
        ));
        return Ok(false);
    };
    let catalog = engine.catalog();
    catalog.check_signal(&role, session.user(), signal)?;
    match signal {
        Signal::Cancel => session.cancel(),
        Signal::Terminate => {
            // First: who is to end takes no more locks. Its door may clear it away much later.
            session.end();
            engine.advisory_locks().leave(session.pid());
        }
    }
    Ok(true)
}
