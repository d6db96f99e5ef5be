//! Much at once: long results, large ingests and sorts of many rows take as much memory as short ones.

use std::{
    iter,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_flight::{
    error::FlightError,
    sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption},
};
use futures::{Stream, stream};
use sluice_tests::{pg::block_on, server::Server};
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::{
    sessions::{Flight, says, status},
    support::setting,
};

const LONG: Duration = Duration::from_secs(600);
/// Rows of an ordinary batch, each of about a kilobyte.
const BATCH_ROWS: i64 = 1_000;

/// Numbers, each with a text of so many bytes and a few more.
fn batch(rows: i64, bytes: usize) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(0..rows);
    let long = "x".repeat(bytes);
    let texts = (0..rows).map(|row| format!("{row} {long}"));
    let texts = StringArray::from_iter_values(texts);
    let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(numbers)), ("filler", Arc::new(texts))];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A megabyte, so many times.
fn megabytes(count: usize) -> impl Iterator<Item = RecordBatch> + Send + 'static {
    iter::repeat_n(batch(BATCH_ROWS, 1_000), count)
}

/// Appends to `gold.big`, which is made where it is not there.
fn ingest(
    flight: &mut Flight,
    batches: impl Iterator<Item = RecordBatch> + Send + 'static,
) -> Result<i64, Status> {
    let command = CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Create.into(),
            if_exists: TableExistsOption::Append.into(),
        }),
        table: "big".into(),
        schema: Some("gold".into()),
        ..CommandStatementIngest::default()
    };
    let batches = as_sent(batches);
    let answer = block_on(async { timeout(LONG, flight.0.execute_ingest(command, batches)).await });
    answer.expect("an answer in time").map_err(status)
}

fn as_sent(
    batches: impl Iterator<Item = RecordBatch> + Send + 'static,
) -> impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static {
    stream::iter(batches.map(Ok))
}

#[test]
fn an_ingest_takes_as_much_memory_however_long_it_is() {
    let count = setting("SLUICE_TEST_INGEST_MIB", 300);
    let server = Server::start();
    let pg = server.connect();
    let mut flight = Flight::connect(&server, "sluice");
    // More than what is written in one round.
    let few = 100;
    let rows = few * BATCH_ROWS;
    assert_eq!(ingest(&mut flight, megabytes(few as usize)).unwrap(), rows);
    let before = server.memory_mib("VmHWM");
    let more = i64::try_from(count).unwrap() * BATCH_ROWS;
    assert_eq!(ingest(&mut flight, megabytes(count)).unwrap(), more);
    let after = server.memory_mib("VmHWM");
    println!("{few} MiB: {before:.0} MiB at most, {count} MiB: {after:.0} MiB");
    assert!(after - before < 100.0, "{before} MiB, then {after} MiB");
    assert_eq!(pg.number("SELECT count(*) FROM gold.big"), rows + more);
    let sums = "SELECT count(DISTINCT filler) FROM gold.big";
    assert_eq!(pg.number(sums), BATCH_ROWS);
}

#[test]
fn a_message_beyond_the_limit_is_refused_and_nothing_of_its_ingest_stays() {
    let server = Server::start();
    let pg = server.connect();
    let mut flight = Flight::connect(&server, "sluice");
    // One row cannot be cut in two, however large it is.
    let giant = || iter::once(batch(1, 65 << 20));
    let refused = |told: Result<i64, Status>| {
        let words = ["more than 67108864 bytes", "smaller batches", "54000"];
        says(&told.unwrap_err(), Code::ResourceExhausted, &words);
    };
    refused(ingest(&mut flight, giant()));
    pg.refused("SELECT * FROM gold.big", "42P01", &["gold.big"]);
    assert_eq!(ingest(&mut flight, megabytes(3)).unwrap(), 3 * BATCH_ROWS);
    let state = || {
        let rows = pg.run("SELECT count(*), min(n), max(n), max(length(filler)) FROM gold.big");
        let files = pg.number("SELECT count(*) FROM gold.big__files");
        let version = pg.number("SELECT max(version) FROM gold.big__history");
        (rows, files, version)
    };
    let before = state();
    refused(ingest(&mut flight, giant()));
    // Files of the rows before it were written by then.
    refused(ingest(&mut flight, megabytes(150).chain(giant())));
    assert_eq!(state(), before);
    // What was announced is not waited for, and not held.
    let most = server.memory_mib("VmHWM");
    assert!(most < 700.0, "{most} MiB");
    // The session goes on.
    assert_eq!(ingest(&mut flight, megabytes(1)).unwrap(), BATCH_ROWS);
    assert_eq!(pg.number("SELECT count(*) FROM gold.big"), 4 * BATCH_ROWS);
}

#[test]
fn rows_over_flight_take_as_much_memory_however_many_they_are() {
    let rows = setting("SLUICE_TEST_FLIGHT_ROWS", 10_000_000);
    let server = Server::start();
    let mut flight = Flight::connect(&server, "sluice");
    flight.update("SET statement_timeout = '600 s'").unwrap();
    let mut most_after = |rows: usize| {
        let began = Instant::now();
        let sql = format!("SELECT n, n + 1 AS next FROM generate_series(1, {rows}) AS g(n)");
        assert_eq!(flight.rows(&sql).unwrap(), rows);
        let most = server.memory_mib("VmHWM");
        println!("{rows} rows: {most:.0} MiB, {:?}", began.elapsed());
        most
    };
    let few = most_after(1_000_000);
    let many = most_after(rows);
    // Ten million of them are 150 MiB.
    assert!(many - few < 48.0, "{few} MiB, then {many} MiB");
}

#[test]
fn the_first_of_many_rows_are_found_without_sorting_all() {
    let server = Server::start();
    let pg = server.connect();
    let first = |rows: usize| {
        format!(
            "SELECT n FROM generate_series(1, {rows}) AS g(n) ORDER BY n % 1000003 DESC, n LIMIT 10"
        )
    };
    let plan = pg.run(&format!("EXPLAIN {}", first(10_000_000)));
    let lines: Vec<String> = plan.into_iter().flatten().flatten().collect();
    let plan = lines.join("\n");
    assert!(plan.contains("TopK(fetch=10)"), "{plan}");
    assert_eq!(pg.run(&first(100_000)).len(), 10);
    let before = server.memory_mib("VmHWM");
    let found = pg.run(&first(10_000_000));
    let after = server.memory_mib("VmHWM");
    // The nine numbers before a multiple of 1000003, and the one that is two before the first.
    let mut expected: Vec<i64> = (1..10).map(|times| times * 1_000_003 - 1).collect();
    expected.push(1_000_001);
    let expected: Vec<_> = expected.iter().map(|n| vec![Some(n.to_string())]).collect();
    assert_eq!(found, expected);
    println!("{before:.0} MiB before, {after:.0} MiB after");
    // Ten million numbers, each with what they are sorted by, are more than 150 MiB.
    assert!(after - before < 48.0, "{before} MiB, then {after} MiB");
}
