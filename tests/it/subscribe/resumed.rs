//! Streams of a subscription that a killed server breaks off, by COPY and over Flight: each goes on from its last token.

use std::{
    any::Any,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use arrow::{array::RecordBatch, util::display::array_value_to_string};
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::{StreamExt, stream::BoxStream};
use sluice_tests::{
    job,
    parts::kafka::Broker,
    pg::{Pg, Rows, block_on},
    server::Server,
};
use tokio::time::timeout;
use tonic::transport::Endpoint;

use crate::{
    support::{SOON, setting},
    under_load::{GOLD, PARTITIONS, Shown, Stop, finish, gold_log, load, produce, rows_everywhere},
};

/// A stream in which nothing came for so long is at rest.
const QUIET: Duration = Duration::from_secs(3);

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// A stream under way, and the client it belongs to.
pub(super) struct Open {
    pub(super) rows: BoxStream<'static, Result<Rows, Failure>>,
    _client: Box<dyn Any + Send>,
}

pub(super) fn by_copy(port: u16, subscribe: &str) -> Result<Open, Failure> {
    let pg = Pg::connect(port)?;
    let sql = format!("COPY ({subscribe}) TO STDOUT WITH (FORMAT csv)");
    let lines = block_on(async { timeout(SOON, pg.client().copy_out(&sql)).await })??;
    let rows = lines.map(|line| -> Result<Rows, Failure> {
        let line = String::from_utf8(line?.to_vec())?;
        let cells = line.trim_end_matches('\n').split(',');
        let cells = cells.map(|cell| (!cell.is_empty()).then(|| cell.to_owned()));
        Ok(vec![cells.collect()])
    });
    Ok(Open {
        rows: rows.boxed(),
        _client: Box::new(pg),
    })
}

pub(super) fn over_flight(port: u16, subscribe: &str) -> Result<Open, Failure> {
    let begun = async {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
        let mut client = FlightSqlServiceClient::new(endpoint.connect().await?);
        client.handshake("sluice", "").await?;
        let info = client.execute(subscribe.to_owned(), None).await?;
        let endpoint = info.endpoint.into_iter().next();
        let ticket = endpoint.and_then(|endpoint| endpoint.ticket);
        let batches = client.do_get(ticket.ok_or("no ticket")?).await?;
        let rows = batches.map(|batch| -> Result<Rows, Failure> { rows_of(&batch?) });
        Ok::<Open, Failure>(Open {
            rows: rows.boxed(),
            _client: Box::new(client),
        })
    };
    block_on(async { timeout(SOON, begun).await })?
}

fn rows_of(batch: &RecordBatch) -> Result<Rows, Failure> {
    let row = |row: usize| -> Result<Vec<Option<String>>, Failure> {
        let cells = batch.columns().iter().map(|column| {
            if column.is_null(row) {
                return Ok(None);
            }
            Ok(Some(array_value_to_string(column, row)?))
        });
        cells.collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Somebody who keeps rows and token together.
#[derive(Default)]
struct Reader {
    token: Option<String>,
    kept: Rows,
    /// Since the last token.
    new: Rows,
    begun: usize,
    /// Why the last stream ended.
    told: String,
}

impl Reader {
    fn subscribe(&self) -> String {
        let as_of = self.token.as_ref();
        let as_of = as_of.map_or(String::new(), |token| format!(" AS OF '{token}'"));
        format!("SUBSCRIBE (SELECT {} FROM {GOLD}){as_of}", job::COLUMNS)
    }

    fn take(&mut self, mut row: Vec<Option<String>>) {
        let columns = row.split_off(1);
        self.new.push(columns);
        if let Some(token) = row[0].take() {
            self.kept.append(&mut self.new);
            self.token = Some(token);
        }
    }

    /// Reads, and begins again where a stream breaks off, until as many rows as `wanted` says are kept and no more come.
    fn follow(
        mut self,
        begin: impl Fn(&str) -> Result<Open, Failure>,
        wanted: &AtomicUsize,
    ) -> Self {
        let mut open: Option<Open> = None;
        let mut end: Option<Instant> = None;
        loop {
            let known = wanted.load(Ordering::Relaxed);
            if known < usize::MAX
                && Instant::now() > *end.get_or_insert_with(|| Instant::now() + SOON)
            {
                return self;
            }
            let Some(current) = open.as_mut() else {
                self.new.clear();
                match begin(&self.subscribe()) {
                    Ok(begun) => {
                        self.begun += 1;
                        open = Some(begun);
                    }
                    Err(failure) => {
                        self.told = failure.to_string();
                        thread::sleep(Duration::from_millis(100));
                    }
                }
                continue;
            };
            match block_on(async { timeout(QUIET, current.rows.next()).await }) {
                Ok(Some(Ok(rows))) => rows.into_iter().for_each(|row| self.take(row)),
                Ok(Some(Err(failure))) => {
                    self.told = failure.to_string();
                    open = None;
                }
                Ok(None) => open = None,
                Err(_) if self.kept.len() >= known => return self,
                Err(_) => {}
            }
        }
    }
}

/// Ends the readers, on a panic as well.
struct Enough<'a>(&'a AtomicUsize);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[test]
fn streams_by_copy_and_flight_go_on_from_their_tokens_over_kills() {
    let kills = setting("SLUICE_TEST_KILLS", 4);
    let broker = Broker::shared();
    let topic = broker.fresh_topic("resumed", PARTITIONS as i32);
    let mut server = Server::start();
    let (pg_port, flight_port) = (server.pg_port(), server.flight_port());
    let stop = Arc::new(AtomicBool::new(false));
    let wanted = AtomicUsize::new(usize::MAX);
    let shape = load(kills * 30, 92);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let _enough = Enough(&wanted);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
        let options = "commit_interval = '700 milliseconds'";
        server
            .connect()
            .run(&job::script_with(&broker.bootstrap(), &topic, options));
        let copying = scope
            .spawn(|| Reader::default().follow(|subscribe| by_copy(pg_port, subscribe), &wanted));
        let flying = scope.spawn(|| {
            Reader::default().follow(|subscribe| over_flight(flight_port, subscribe), &wanted)
        });
        let mut shown = Shown::default();
        for kill in 1..=kills {
            thread::sleep(Duration::from_millis(1_500 + 300 * kill as u64));
            shown.look(&server, kill);
            server.kill_and_restart();
        }
        stop.store(true, Ordering::Relaxed);
        let mut producer = producing.join().unwrap();
        finish(
            &server,
            &mut producer,
            &shape,
            &mut shown,
            kills / 2,
            gold_log,
        );
        let expected = job::read_gold(&server.connect(), GOLD);
        wanted.store(expected.len(), Ordering::Relaxed);
        for (name, reading) in [("COPY", copying), ("Flight", flying)] {
            let reader = reading.join().unwrap();
            let told = &reader.told;
            assert!(
                reader.begun > kills / 2,
                "{name} began {}: {told}",
                reader.begun
            );
            let got = job::gold_of(&reader.kept).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(
                got == expected,
                "{name}: {} rows, {} expected; the last stream ended with {told:?}",
                got.len(),
                expected.len()
            );
            eprintln!(
                "{name}: {} rows in {} subscriptions",
                got.len(),
                reader.begun
            );
        }
    });
}
