//! Does every event have its place? The demo's last word, and the exit code of `sluice demo --seconds N`.

use std::fmt;

use sluice_server::error::Result;
use sluice_server::session::Session;

use super::{QUERY, TABLE};
use crate::cli::cells::Cells;
use crate::cli::embedded::query;

/// Where the events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    /// How many there should be.
    pub(crate) expected: i64,
    /// Read by the query.
    pub(crate) read: i64,
    /// In windows: the sum of `event_count`.
    pub(crate) aggregated: i64,
    /// Kept as late.
    pub(crate) late: i64,
    /// Kept as dead letters: undecodable, or without a usable time.
    pub(crate) dead_letters: i64,
}

impl Balance {
    /// Whether every event has its place, once.
    pub(crate) fn is_equal(&self) -> bool {
        self.read == self.expected
            && self.aggregated + self.late + self.dead_letters == self.expected
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            expected,
            read,
            aggregated,
            late,
            dead_letters,
        } = self;
        let found = aggregated + late + dead_letters;
        write!(
            f,
            "{expected} events = {aggregated} in windows + {late} late + {dead_letters} dead letters: "
        )?;
        if self.is_equal() {
            f.write_str("the counts are equal")
        } else {
            write!(f, "NOT EQUAL, {read} were read and {found} have a place")
        }
    }
}

/// The balance of a generator that has ended, from committed rows alone.
pub(crate) async fn of_generated(session: &Session, generated: u64) -> Result<Balance> {
    query(session, "SET freshness = 'committed'").await?;
    let read = format!("SELECT sum(position) AS n FROM system.splits WHERE query = '{QUERY}'");
    Ok(Balance {
        expected: i64::try_from(generated).unwrap_or(i64::MAX),
        read: number(session, &read).await?,
        aggregated: number(
            session,
            &format!("SELECT sum(event_count) AS n FROM {TABLE}"),
        )
        .await?,
        late: number(session, &format!("SELECT count(*) AS n FROM {TABLE}__late")).await?,
        dead_letters: dead_letters(session).await?,
    })
}

/// The balance of a topic, where windows are still open: they count through `__live`.
pub(crate) async fn of_topic(session: &Session) -> Result<Balance> {
    let rows_in = format!("SELECT rows_in AS n FROM system.queries WHERE name = '{QUERY}'");
    let late = format!("SELECT late_rows AS n FROM system.queries WHERE name = '{QUERY}'");
    let dead = format!("SELECT dead_letter_rows AS n FROM system.queries WHERE name = '{QUERY}'");
    let ends = format!("SELECT sum(lag) AS n FROM system.splits WHERE query = '{QUERY}'");
    let read = number(session, &rows_in).await?;
    Ok(Balance {
        expected: read + number(session, &ends).await?,
        read,
        aggregated: number(
            session,
            &format!("SELECT sum(event_count) AS n FROM {TABLE}__live"),
        )
        .await?,
        late: number(session, &late).await?,
        dead_letters: number(session, &dead).await?,
    })
}

async fn dead_letters(session: &Session) -> Result<i64> {
    let undecodable = number(session, "SELECT count(*) AS n FROM events__dead_letter").await?;
    let timeless = format!("SELECT count(*) AS n FROM {TABLE}__dead_letter");
    Ok(undecodable + number(session, &timeless).await?)
}

/// The one number `n` of an answer; nothing to add up is 0.
async fn number(session: &Session, sql: &str) -> Result<i64> {
    let rows = query(session, sql).await?;
    let first = rows.batches.iter().find(|batch| batch.num_rows() > 0);
    Ok(first
        .and_then(|batch| Cells::new(batch).int("n", 0))
        .unwrap_or(0))
}

#[cfg(test)]
mod tests;
