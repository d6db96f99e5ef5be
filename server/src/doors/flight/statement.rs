//! One statement on this door: planned, bound, run to its end or as a stream of rows.

use std::sync::{Arc, OnceLock};

use arrow::{array::RecordBatch, datatypes::DataType};
use datafusion::scalar::ScalarValue;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future::ready, stream};
use sluice_sql::{Parsed, Statement, ast};
use tokio_util::sync::CancellationToken;

use super::{actions::no_transactions, client::Redeemed};
use crate::{
    error::{Error, Result, SqlState},
    execute::row_error,
    session::{Answer, Prepared, Session, running::Running},
};

/// Parameters of one execution.
pub(super) type Row = Vec<ScalarValue>;

/// A statement with everything it needs to run.
#[derive(Clone)]
pub(super) struct Bound {
    prepared: Prepared,
    /// One execution each.
    rows: Vec<Row>,
}

impl Bound {
    /// Binds rows, or none for a statement without parameters.
    pub(super) fn new(prepared: Prepared, rows: Option<Vec<Row>>) -> Result<Self> {
        let rows = match rows {
            Some(rows) => rows,
            None if prepared.parameters.is_empty() => vec![vec![]],
            None => {
                return Err(Error::user(
                    SqlState::InvalidParameterValue,
                    format!(
                        "no parameters were bound, but the statement requires {}",
                        prepared.parameters.len()
                    ),
                ));
            }
        };
        Ok(Self { prepared, rows })
    }

    /// The statement.
    pub(super) fn prepared(&self) -> &Prepared {
        &self.prepared
    }
}

/// Plans the one statement of a text; `hints` are the types of its parameters as far as the client gave them.
pub(super) async fn prepare(
    session: &Arc<Session>,
    text: &str,
    hints: &[Option<DataType>],
) -> Result<Prepared> {
    let parsed = parse(session, text)?;
    match parsed.as_slice() {
        [parsed] if is_of_a_block(&parsed.statement) => Err(no_transactions()),
        [statement] => session.prepare_apart(statement, hints).await,
        [] => Err(Error::user(
            SqlState::SyntaxError,
            "the text holds no statement",
        )),
        _ => Err(Error::user(
            SqlState::SyntaxError,
            "cannot run several statements in one call",
        )
        .with_hint("Send them one by one.")),
    }
}

/// Begins, ends or divides a transaction block, of which there are none here: as done as nothing, ROLLBACK would be believed.
fn is_of_a_block(statement: &Statement) -> bool {
    let Statement::Sql(statement) = statement else {
        return false;
    };
    matches!(
        statement.as_ref(),
        ast::Statement::StartTransaction { .. }
            | ast::Statement::Commit { .. }
            | ast::Statement::Rollback { .. }
            | ast::Statement::Savepoint { .. }
            | ast::Statement::ReleaseSavepoint { .. }
    )
}

/// JDBC's `?` is a parameter, where a text cannot be read otherwise: its Flight SQL driver sends what it is given.
fn parse(session: &Session, text: &str) -> Result<Vec<Parsed>> {
    session.parse(text).or_else(|error| {
        let numbered = sluice_sql::numbered(text).filter(|_| error.state == SqlState::SyntaxError);
        numbered
            .and_then(|text| session.parse(&text).ok())
            .ok_or(error)
    })
}

/// Runs a statement to its end and says how many rows it changed (-1 when nobody knows).
///
/// It runs in a task of its own: a client that goes away in the middle must not leave a statement half done.
pub(super) async fn run_to_end(
    session: Arc<Session>,
    bound: Bound,
    running: Running,
) -> Result<i64> {
    let task = tokio::spawn(async move {
        let work = to_end(&session, bound, running.token());
        running.see_through(work).await
    });
    task.await
        .unwrap_or_else(|e| Err(Error::internal(format!("statement ended early: {e}"))))
}

async fn to_end(session: &Session, bound: Bound, token: &CancellationToken) -> Result<i64> {
    if bound.rows.len() > 1 && bound.prepared.inserts() {
        // All of them or none, and one commit.
        let done = session.execute_all(&bound.prepared, bound.rows, token);
        return Ok(affected(&done.await?));
    }
    let mut total = 0;
    for row in bound.rows {
        match session.execute_until(&bound.prepared, row, token).await? {
            Answer::Done { tag, .. } if total >= 0 => total += affected(&tag),
            Answer::Done { .. } => {}
            Answer::Rows { mut stream, .. } => {
                while let Some(batch) = stream.next().await {
                    batch.map_err(|e| row_error(&e))?;
                }
                total = -1;
            }
        }
    }
    Ok(total)
}

/// The count at the end of a completion tag such as `INSERT 0 3`; DDL and SET change no rows.
fn affected(tag: &str) -> i64 {
    tag.rsplit(' ')
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

/// The rows of a redeemed ticket, run as they are asked for; ends with an error once it has to stop.
pub(super) fn rows(
    redeemed: Redeemed,
    running: Running,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let session = redeemed.session();
    let executions = redeemed.bound.clone().map_or_else(Vec::new, |bound| {
        let prepared = Arc::new(bound.prepared);
        bound
            .rows
            .into_iter()
            .map(|row| (Arc::clone(&prepared), row))
            .collect()
    });
    let token = running.token().clone();
    let under_way = Arc::new((redeemed, running));
    let why = Arc::new(OnceLock::new());
    let stopped = {
        let (under_way, why) = (Arc::clone(&under_way), Arc::clone(&why));
        async move {
            let (redeemed, running) = under_way.as_ref();
            let error = tokio::select! {
                biased;
                () = redeemed.cancelled.cancelled() => redeemed.end_reason(),
                error = running.stopped() => error,
            };
            // Nobody else sets it.
            let _ = why.set(error);
        }
    };
    stream::iter(executions)
        .then(move |(prepared, row)| execute(Arc::clone(&session), prepared, row, token.clone()))
        .try_flatten()
        .take_until(stopped)
        .chain(
            // Looked at only when the rows have ended; what is kept alive until then are its entries among the running.
            ready(())
                .map(move |()| {
                    let _until_now = under_way;
                    why.get().cloned().map(Err)
                })
                .into_stream()
                .filter_map(ready),
        )
}

async fn execute(
    session: Arc<Session>,
    prepared: Arc<Prepared>,
    row: Row,
    token: CancellationToken,
) -> Result<impl Stream<Item = Result<RecordBatch>>> {
    let batches = match session.execute_until(&prepared, row, &token).await? {
        Answer::Rows { stream, .. } => Some(stream),
        Answer::Done { .. } => None,
    };
    Ok(stream::iter(batches).flatten().map_err(|e| row_error(&e)))
}

#[cfg(test)]
mod tests {
    //! Counts in completion tags.

    #[test]
    fn only_counts_are_counted() {
        for (tag, expected) in [
            ("INSERT 0 3", 3),
            ("DELETE 12", 12),
            ("CREATE TABLE", 0),
            ("SET", 0),
            ("", 0),
        ] {
            assert_eq!(super::affected(tag), expected, "{tag}");
        }
    }
}
