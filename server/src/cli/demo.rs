//! `sluice demo`: a server of its own, the job on it, a view of it, and at the end the proof that nothing was lost.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sluice_server::doors::guard::Guard;
use sluice_server::engine::Engine;
use sluice_server::error::{Error, Result, SqlState};
use sluice_server::session::Session;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::embedded::{self, EmbeddedRoot, query, runtime, stop_signal};
use super::{DemoArgs, Failure, Outcome, logging, output, serve};
use crate::config::{Address, Config};
use crate::demo::{
    Balance, Feed, History, Job, QUERY, Screen, final_table, look, of_generated, of_topic,
    status_line,
};

/// How often to look while a view is drawn …
const LOOK: Duration = Duration::from_millis(500);
/// … and how often a line is printed.
const LINE: Duration = Duration::from_secs(1);
/// How often keys are looked at.
const KEYS: Duration = Duration::from_millis(50);
/// How long a bounded demo may take to finish after its last event.
const GRACE: Duration = Duration::from_secs(60);

/// Runs the demo.
pub(super) fn run(args: DemoArgs) -> Outcome {
    let root = EmbeddedRoot::new(args.root.as_deref(), args.scratch.as_deref())?;
    let draws = !args.plain && std::io::stdout().is_terminal();
    match root.temporary() {
        Some(folder) if draws => logging::to_file(&folder.join("sluice.log"), "warn")?,
        None if draws => logging::to_stderr("off")?,
        _ => logging::to_stderr("warn")?,
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(demo(&args, &root, draws));
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn demo(args: &DemoArgs, root: &EmbeddedRoot, draws: bool) -> Outcome {
    let mut signal = stop_signal()?;
    let engine = embedded::start(root).await?;
    let shutdown = CancellationToken::new();
    let connect = open_doors(&engine, root, &shutdown).await?;
    let session = embedded::session(&engine)?;
    let job = Job::new(feed(args));
    let demo = Demo {
        session: &session,
        job: &job,
        seconds: args.seconds.map(Duration::from_secs),
        connect,
    };
    let outcome = tokio::select! {
        outcome = demo.run(draws, &mut signal) => outcome,
        lost = engine.lost() => {
            engine.abandon().await;
            return Err(lost.into());
        }
    };
    drop(session);
    shutdown.cancel();
    tokio::select! {
        () = engine.shutdown() => {}
        _ = signal.recv() => {}
    }
    outcome
}

fn feed(args: &DemoArgs) -> Feed {
    match (&args.kafka, &args.topic) {
        (Some(bootstrap), Some(topic)) => Feed::Kafka {
            bootstrap: bootstrap.clone(),
            topic: topic.clone(),
        },
        _ => Feed::Generator {
            rate: args.rate,
            rows: args
                .seconds
                .map(|seconds| seconds.saturating_mul(args.rate)),
            start: whole_minute(Utc::now()),
        },
    }
}

fn whole_minute(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(time.timestamp().div_euclid(60) * 60, 0).unwrap_or(time)
}

/// Opens the doors on their usual ports, or on free ones where those are taken; gives the lines to paste.
async fn open_doors(
    engine: &Arc<Engine>,
    root: &EmbeddedRoot,
    shutdown: &CancellationToken,
) -> Result<Vec<String>> {
    let usual = Config::default();
    let pg = usual_or_free("Postgres", &usual.pg_listen).await?;
    let flight = usual_or_free("Flight SQL", &usual.flight_listen).await?;
    let http = usual_or_free("HTTP", &usual.http_listen).await?;
    let (pg_at, flight_at) = (serve::address(&pg)?, serve::address(&flight)?);
    let lines = connect_lines(pg_at, flight_at, root);
    let mut doors = serve::open_doors(engine, Guard::open(), pg, flight, http, shutdown);
    tokio::spawn(async move {
        while let Some(ended) = doors.join_next().await {
            if let Ok((door, Err(e))) = ended {
                tracing::error!("the {door} door has failed: {e}");
            }
        }
    });
    Ok(lines)
}

fn connect_lines(pg: SocketAddr, flight: SocketAddr, root: &EmbeddedRoot) -> Vec<String> {
    vec![
        format!(
            "psql -h {} -p {} -U sluice sluice -c 'SELECT * FROM gold.real_time_metrics LIMIT 10'",
            pg.ip(),
            pg.port()
        ),
        format!("python: adbc_driver_flightsql.dbapi.connect(\"grpc://{flight}\")"),
        format!(
            "delta:  {}/tables/gold/real_time_metrics",
            root.url().trim_end_matches('/')
        ),
    ]
}

async fn usual_or_free(door: &str, usual: &Address) -> Result<TcpListener> {
    if let Ok(listener) = TcpListener::bind(usual.as_str()).await {
        return Ok(listener);
    }
    let free: Address = "127.0.0.1:0".parse().map_err(Error::internal)?;
    serve::listen(door, "", &free).await
}

/// How the watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The query has finished, or the time is up.
    Done,
    /// Somebody ended it.
    Stopped,
}

struct Demo<'a> {
    session: &'a Session,
    job: &'a Job,
    seconds: Option<Duration>,
    connect: Vec<String>,
}

impl Demo<'_> {
    async fn run(&self, draws: bool, signal: &mut UnboundedReceiver<()>) -> Outcome {
        for statement in self.job.statements() {
            query(self.session, &statement).await?;
        }
        let end = if draws {
            self.draw(signal).await?
        } else {
            self.print(signal).await?
        };
        output::bytes(final_table(self.session).await?.as_bytes())?;
        if end == End::Stopped || self.seconds.is_none() {
            return Ok(());
        }
        let balance = self.balance().await?;
        output::line(&balance.to_string())?;
        if balance.is_equal() {
            Ok(())
        } else {
            let why = format!("the counts are not equal: {balance}");
            Err(Failure::Error(Error::internal(why)))
        }
    }

    async fn balance(&self) -> Result<Balance> {
        if let Some(generated) = self.job.generated() {
            return of_generated(self.session, generated).await;
        }
        // A topic goes on while it is counted: the numbers are taken again until they hold still.
        let deadline = Instant::now() + GRACE;
        loop {
            let balance = of_topic(self.session).await?;
            if balance.is_equal() || Instant::now() > deadline {
                return Ok(balance);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn draw(&self, signal: &mut UnboundedReceiver<()>) -> Result<End> {
        let ends = match self.seconds {
            Some(seconds) => format!(
                "ends by itself after {} s; q ends it now",
                seconds.as_secs()
            ),
            None => "q ends the demo".to_owned(),
        };
        let mut screen = Screen::new(self.connect.clone(), ends)?;
        let mut history = History::new(Instant::now());
        loop {
            if self.look(&mut history).await? {
                return Ok(End::Done);
            }
            screen.draw(&history)?;
            let next = Instant::now() + LOOK;
            while Instant::now() < next {
                if screen.is_over()? {
                    return Ok(End::Stopped);
                }
                if wait(KEYS, signal).await {
                    return Ok(End::Stopped);
                }
            }
        }
    }

    async fn print(&self, signal: &mut UnboundedReceiver<()>) -> Result<End, Failure> {
        for line in &self.connect {
            output::line(line)?;
        }
        let mut history = History::new(Instant::now());
        loop {
            let done = self.look(&mut history).await?;
            output::line(&status_line(&history, Instant::now(), Utc::now()))?;
            if done {
                return Ok(End::Done);
            }
            if wait(LINE, signal).await {
                return Ok(End::Stopped);
            }
        }
    }

    /// Looks once; gives whether that was the last time.
    async fn look(&self, history: &mut History) -> Result<bool> {
        let look = look(self.session).await?;
        let state = look.state.clone();
        let why = look.last_error.clone();
        history.add(Instant::now(), look);
        match state.as_str() {
            "finished" => return Ok(true),
            "failed" => {
                let error = Error::outside(SqlState::IoError, format!("query {QUERY} has failed"));
                return Err(error.with_detail(why.unwrap_or_default()));
            }
            _ => {}
        }
        let elapsed = history.elapsed(Instant::now());
        match (self.seconds, self.job.generated()) {
            (Some(seconds), None) => Ok(elapsed >= seconds),
            (Some(seconds), Some(_)) if elapsed > seconds + GRACE => Err(Error::internal(format!(
                "the query has not finished within {} s of its last event",
                GRACE.as_secs()
            ))),
            _ => Ok(false),
        }
    }
}

/// Waits; gives whether a signal came.
async fn wait(time: Duration, signal: &mut UnboundedReceiver<()>) -> bool {
    tokio::time::timeout(time, signal.recv()).await.is_ok()
}
