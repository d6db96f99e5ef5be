//! A statement that runs: what may stop it, the same behind every door.
//!
//! Its time is `statement_timeout` as it stands when it begins. Who stops it is told apart here, and nowhere else, so both doors say the same.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Session, cancelled};
use crate::{
    activity::{self, Entry},
    error::{Error, Result, SqlState},
};

#[cfg(test)]
mod tests;

/// A statement that runs.
#[derive(Debug)]
pub(crate) struct Running {
    session: Arc<Session>,
    entry: Entry,
    deadline: Option<Instant>,
}

impl Session {
    /// A statement begins, whose text is known already.
    pub(crate) fn start(self: &Arc<Self>) -> Running {
        Running {
            session: Arc::clone(self),
            entry: self.activity.run(),
            deadline: self
                .time_limit("statement_timeout")
                .map(|time| Instant::now() + time),
        }
    }

    /// A statement of this text begins.
    pub(crate) fn start_of(self: &Arc<Self>, text: &str) -> Running {
        self.activity.asked(activity::kept(text));
        self.start()
    }

    /// A parameter that is a time; `None` where there is no limit.
    pub(crate) fn time_limit(&self, parameter: &str) -> Option<Duration> {
        duration(&self.parameter(parameter)?).flatten()
    }
}

impl Running {
    /// Cancelled once it is to stop; to be given to what runs.
    pub(crate) fn token(&self) -> &CancellationToken {
        self.entry.token()
    }

    /// Lets what runs know that it is to stop.
    pub(crate) fn stop(&self) {
        self.entry.token().cancel();
    }

    /// Resolves when it has to stop, with why.
    pub(crate) async fn stopped(&self) -> Error {
        let late = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.session.activity.ended().cancelled() => terminated(),
            () = self.token().cancelled() => cancelled(),
            () = late => timed_out(),
        }
    }

    /// Waits for `work` unless the statement has to stop; then `work` is dropped.
    pub(crate) async fn race<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            why = self.stopped() => {
                self.stop();
                Err(why.into())
            }
            done = work => done,
        }
    }

    /// Waits for `work`, which has the statement's token, to its end: it must not be left half done, and knows until when it may stop.
    pub(crate) async fn see_through<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        let why = tokio::select! {
            biased;
            done = &mut work => return done,
            why = self.stopped() => why,
        };
        self.stop();
        match work.await {
            Err(error) if error.state == SqlState::QueryCanceled => Err(why),
            done => done,
        }
    }
}

/// The statement had its time.
fn timed_out() -> Error {
    Error::user(
        SqlState::QueryCanceled,
        "canceling statement due to statement timeout",
    )
}

/// The session was ended by somebody, or the server ends.
pub(crate) fn terminated() -> Error {
    Error::outside(
        SqlState::AdminShutdown,
        "terminating connection due to administrator command",
    )
}

/// A PostgreSQL time setting: a number of milliseconds, or one with a unit. 0 is none; `None` where the text is no time.
pub(crate) fn duration(text: &str) -> Option<Option<Duration>> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "us" => number / 1e6,
        "" | "ms" => number / 1e3,
        "s" => number,
        "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return None,
    };
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    Some((!time.is_zero()).then_some(time))
}
