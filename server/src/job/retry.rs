//! Steps that fail for reasons outside are done again for as long as it takes, and it is told meanwhile.
//!
//! What is told must end with its reason: `last_error` is taken back when the step works, unless something else is wrong by then.

use std::{future::Future, time::Duration};

use sluice_connectors::failpoint;

use super::StatusCell;
use crate::{
    error::{Error, Fault, Result, SqlState},
    root::storage_error,
};

/// A place where a test may make us fail.
pub(super) fn pass(place: &str) -> Result<()> {
    failpoint::hit(place).map_err(storage_error)
}

/// Half of the wait after the first failure.
const FIRST_WAIT: Duration = match cfg!(test) {
    true => Duration::from_micros(10),
    false => Duration::from_millis(100),
};

/// Waits longer with each failure.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    /// What `last_error` was told.
    told: Option<String>,
}

impl Backoff {
    pub(super) async fn wait_or_give_up(
        &mut self,
        status: &StatusCell,
        error: Error,
    ) -> Result<()> {
        if !is_transient(&error) {
            return Err(error);
        }
        self.failures += 1;
        tracing::warn!("commit will be tried again: {error}");
        let told = error.to_string();
        status.update(|status| status.last_error = Some(told.clone()));
        self.told = Some(told);
        let wait = FIRST_WAIT * 2u32.pow(self.failures.min(6));
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// It worked: what was told of it is over, unless something else is wrong by now.
    pub(super) fn over(self, status: &StatusCell) {
        if let Some(told) = self.told {
            status.update(|status| {
                status.last_error.take_if(|last| *last == told);
            });
        }
    }
}

/// Whether the outside may come round by itself.
pub(super) fn is_transient(error: &Error) -> bool {
    error.fault == Fault::Outside
        && matches!(
            error.state,
            SqlState::IoError | SqlState::DiskFull | SqlState::ConnectionFailure
        )
}

pub(super) async fn retry<T, F>(status: &StatusCell, mut step: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut backoff = Backoff::default();
    loop {
        match step().await {
            Ok(value) => {
                backoff.over(status);
                return Ok(value);
            }
            Err(error) => backoff.wait_or_give_up(status, error).await?,
        }
    }
}
