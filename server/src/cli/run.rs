//! `sluice run`: a script, and the rows of what it starts, until every source is at its end.
//!
//! A continuous table prints its final rows as windows close. They are found through SQL as anybody would find them: `system.queries`
//! says that there are more rows out, the table is read, and what was not printed before is printed (as a multiset: rows have no names).

mod fresh;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use sluice_server::error::{Error, Result, SqlState};
use sluice_server::session::{Answer, Session};
use tokio::sync::mpsc::UnboundedReceiver;

use self::fresh::Printed;
use super::cells::Cells;
use super::embedded::{self, EmbeddedRoot, query, runtime, stop_signal};
use super::print::{Printer, Style};
use super::script::{Piece, Script};
use super::{Failure, Outcome, RunArgs, logging, output};

/// How often to look at the queries.
const LOOK: Duration = Duration::from_millis(100);
/// Reading the tables may take one part in this many of the time.
const READ_SHARE: u32 = 5;
/// Batches that are there already are printed together, up to this many.
const TOGETHER: usize = 64;

/// Runs the script.
pub(super) fn run(args: &RunArgs) -> Outcome {
    logging::to_stderr("warn")?;
    let script = Script::read(&args.file)?;
    let root = EmbeddedRoot::new(args.root.as_deref(), args.scratch.as_deref())?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(run_on(&script, &root));
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn run_on(script: &Script, root: &EmbeddedRoot) -> Outcome {
    let mut signal = stop_signal()?;
    let engine = tokio::select! {
        engine = embedded::start(root) => engine?,
        _ = signal.recv() => return Ok(()),
    };
    let session = embedded::session(&engine)?;
    let outcome = tokio::select! {
        outcome = statements_then_tables(script, &session) => outcome,
        lost = engine.lost() => {
            engine.abandon().await;
            return Err(lost.into());
        }
        _ = signal.recv() => Ok(()),
    };
    drop(session);
    leave(&engine, &mut signal).await;
    outcome
}

async fn leave(engine: &Arc<sluice_server::engine::Engine>, signal: &mut UnboundedReceiver<()>) {
    tokio::select! {
        () = engine.shutdown() => {}
        _ = signal.recv() => {}
    }
}

async fn statements_then_tables(script: &Script, session: &Session) -> Outcome {
    let before: BTreeSet<String> = states(session).await?.into_keys().collect();
    let mut printer = Printer::new(Style::of_stdout());
    for (number, piece) in script.pieces().into_iter().enumerate() {
        let done = statement(script, session, piece, number, &mut printer).await;
        for notice in session.take_notices() {
            output::error(&format!("NOTICE:  {notice}"));
        }
        done?;
    }
    follow(session, &before, &mut printer).await
}

async fn statement(
    script: &Script,
    session: &Session,
    piece: Piece<'_>,
    number: usize,
    printer: &mut Printer,
) -> Outcome {
    let told = |text: String| {
        output::error(&text);
        Failure::Reported
    };
    let Some(prepared) = script.prepare(session, piece).await.map_err(told)? else {
        return Ok(());
    };
    let failed = |e: Error| {
        let text = script.tell(piece, &e);
        // Where it stands is worth saying whoever is at fault; the exit code says who.
        match e.fault {
            sluice_server::error::Fault::User => told(text),
            _ => Failure::Error(Error {
                message: text,
                detail: None,
                hint: None,
                ..e
            }),
        }
    };
    match session.execute(&prepared, vec![]).await.map_err(failed)? {
        Answer::Done { tag, .. } => output::error(&tag),
        Answer::Rows { schema, stream, .. } => {
            let name = number.to_string();
            printer.rows(&name, &schema, &[])?;
            let mut ready = stream.ready_chunks(TOGETHER);
            while let Some(batches) = ready.next().await {
                let batches: Result<Vec<_>, _> = batches.into_iter().collect();
                let batches = batches.map_err(|e| failed(Error::from(e)))?;
                printer.rows(&name, &schema, &batches)?;
            }
        }
    }
    Ok(())
}

/// Prints what the script's queries give, until all are finished.
async fn follow(session: &Session, before: &BTreeSet<String>, printer: &mut Printer) -> Outcome {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    loop {
        let states = states(session).await?;
        let ours = states.iter().filter(|(name, _)| !before.contains(*name));
        let mut all_finished = true;
        for (name, state) in ours {
            let table = tables.entry(name.clone()).or_default();
            table.print_new(session, name, state, printer).await?;
            table.tell_trouble(name, state);
            if state.state == "failed" {
                return Err(query_failed(name, state).into());
            }
            all_finished &= state.state == "finished" && table.rows_out == state.rows_out;
        }
        if all_finished {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn query_failed(name: &str, state: &State) -> Error {
    let error = Error::outside(SqlState::IoError, format!("query {name} has failed"));
    match &state.last_error {
        Some(why) => error.with_detail(why.clone()),
        None => error,
    }
}

/// What has been printed of a table.
#[derive(Debug, Default)]
struct Table {
    rows_out: i64,
    printed: Printed,
    /// Not to be read before, unless its query is at its end.
    not_before: Option<Instant>,
    trouble: Option<String>,
}

impl Table {
    async fn print_new(
        &mut self,
        session: &Session,
        name: &str,
        state: &State,
        printer: &mut Printer,
    ) -> Outcome {
        let resting = matches!(state.state.as_str(), "finished" | "failed");
        let soon = self.not_before.is_some_and(|then| Instant::now() < then);
        if state.rows_out == self.rows_out || (soon && !resting) {
            return Ok(());
        }
        let began = Instant::now();
        let rows = query(session, &format!("SELECT * FROM {}", quoted(name))).await?;
        let new = self.printed.take_new(&rows.batches)?;
        printer.rows(name, &rows.schema, &new)?;
        self.rows_out = state.rows_out;
        self.not_before = Some(Instant::now() + began.elapsed() * READ_SHARE);
        Ok(())
    }

    /// A query in trouble goes on trying; whoever waits for its rows should know why there are none.
    fn tell_trouble(&mut self, name: &str, state: &State) {
        let trouble = state
            .last_error
            .clone()
            .filter(|_| state.state == "retrying");
        if trouble != self.trouble
            && let Some(trouble) = &trouble
        {
            output::error(&format!(
                "WARNING:  query {name} is trying again: {trouble}"
            ));
        }
        self.trouble = trouble;
    }
}

/// What `system.queries` says of a query.
#[derive(Clone, Debug)]
struct State {
    state: String,
    rows_out: i64,
    last_error: Option<String>,
}

async fn states(session: &Session) -> Result<BTreeMap<String, State>> {
    let sql = "SELECT name, state, rows_out, last_error FROM system.queries";
    let rows = query(session, sql).await?;
    let mut states = BTreeMap::new();
    for batch in &rows.batches {
        let cells = Cells::new(batch);
        for row in 0..batch.num_rows() {
            let state = State {
                state: cells.text("state", row).unwrap_or_default(),
                rows_out: cells.int("rows_out", row).unwrap_or(0),
                last_error: cells.text("last_error", row),
            };
            states.insert(cells.text("name", row).unwrap_or_default(), state);
        }
    }
    Ok(states)
}

/// `schema.name` as SQL reads it back.
fn quoted(name: &str) -> String {
    let quote = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    match name.split_once('.') {
        Some((schema, name)) => format!("{}.{}", quote(schema), quote(name)),
        None => quote(name),
    }
}
