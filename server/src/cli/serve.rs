//! `sluice serve`: the server as a process.
//!
//! Ports are taken before the root is, so that a port in use costs nothing; queries go on restoring while the doors already answer
//! "starting". `ready` is printed once, when statements are taken. A signal ends it: doors first, then the engine, within ten seconds.
//! So does another server that has taken the root over: with exit code 3, and without a commit.

use std::sync::Arc;
use std::time::Duration;

use sluice_server::doors;
use sluice_server::doors::guard::{Guard, Passwords};
use sluice_server::doors::tls::Tls;
use sluice_server::engine::{Engine, EngineConfig};
use sluice_server::error::{Error, Result, SqlState};
use sluice_server::session::Sessions;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::embedded::{runtime, stop_signal};
use super::{Outcome, ServeArgs, logging, output, owner, program_pages};
use crate::config::{self, Address, Overrides};

/// Scripts rely on leaving within ten seconds of SIGTERM; this leaves a second for the rest.
const LEAVE: Duration = Duration::from_secs(9);
/// How often to look whether queries have been restored.
const READY_POLL: Duration = Duration::from_millis(20);
/// Open files for all connections that the doors let in, and the tables of a large catalog.
const ENOUGH_FILES: libc::rlim_t = 8_192;

/// Runs the server until it is told to stop.
pub(super) fn run(args: ServeArgs) -> Outcome {
    logging::to_stderr("info")?;
    let overrides = Overrides {
        root: args.root,
        pg_listen: args.pg_listen,
        flight_listen: args.flight_listen,
        http_listen: args.http_listen,
        query_memory: args.query_memory,
        scratch: args.scratch,
        root_lease: args.root_lease,
        auth: args.auth,
        tls_cert: args.tls_cert,
        tls_key: args.tls_key,
        tls_client_ca: args.tls_client_ca,
        insecure: args.insecure,
        owner_password_file: args.owner_password_file,
    };
    let config = config::load(args.config.as_deref(), &overrides)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(serve(config));
    // Whatever still runs has been given its time.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn serve(config: config::Config) -> Outcome {
    // What is wrong with them costs nothing yet.
    let entry = config::entry(&config)?;
    let tls = entry.tls.map(Tls::load).transpose()?;
    let guard = Guard::new(entry.passwords, tls.clone());
    raise_file_limit();
    let mut signal = stop_signal()?;
    let pg = listen("Postgres", "--pg-listen", &config.pg_listen).await?;
    let flight = listen("Flight SQL", "--flight-listen", &config.flight_listen).await?;
    let http = listen("HTTP", "--http-listen", &config.http_listen).await?;
    if !config.http_listen.is_loopback() {
        tracing::warn!(
            "--http-listen {} is open to other machines: whoever reaches it reads health and metrics, names of tables and queries among them, without a password and unencrypted",
            config.http_listen
        );
    }
    let lines = [
        format!("postgres    {}", address(&pg)?),
        format!("flight sql  {}", address(&flight)?),
        format!("http        {}", address(&http)?),
    ];
    let engine_config = EngineConfig {
        root_options: config.root_options(),
        root: config.root.clone(),
        query_memory: config.query_memory.bytes,
        plan_only: false,
    };
    let engine = tokio::select! {
        engine = Engine::start(engine_config) => engine?,
        _ = signal.recv() => return Ok(()),
    };
    guard.count(engine.login_metrics());
    guard.note(engine.failed_logins().clone());
    let password = match entry.passwords {
        Passwords::Asked => {
            let file = config.owner_password_file.as_deref();
            owner::first_password(&engine, file).await?
        }
        Passwords::Trusted => None,
    };
    let shutdown = CancellationToken::new();
    if let Some(tls) = tls {
        tokio::spawn(tls.watch(shutdown.clone()));
    }
    let mut doors = open_doors(&engine, guard, pg, flight, http, &shutdown);
    for line in lines.iter().chain(&password) {
        output::line(line)?;
    }
    tokio::spawn(program_pages::release_now_and_then(shutdown.clone()));
    let outcome = tokio::select! {
        outcome = until_a_door_ends(&engine, &mut doors) => outcome,
        lost = engine.lost() => {
            // Not one more answer: what is read here may be older than what the other server has shown.
            shutdown.cancel();
            let _ = tokio::time::timeout(LEAVE, engine.abandon()).await;
            return Err(lost.into());
        }
        _ = signal.recv() => Ok(()),
    };
    tracing::info!("stopping");
    let leaving = async {
        shutdown.cancel();
        engine.shutdown().await;
        while doors.join_next().await.is_some() {}
    };
    tokio::select! {
        () = leaving => outcome,
        () = tokio::time::sleep(LEAVE) => outcome.and(Err(too_slow().into())),
        _ = signal.recv() => outcome.and(Err(too_slow().into())),
    }
}

/// As many open files as the system lets us have: each connection is one, and the usual 1024 are fewer than the doors let in. A stream that
/// cannot open its files stands still.
fn raise_file_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls read or write the one struct that they are given.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    if !raised {
        let error = std::io::Error::last_os_error();
        tracing::warn!("the limit of open files stays as it is: {error}");
    } else if limit.rlim_max < ENOUGH_FILES {
        tracing::warn!(
            "only {} files may be open (ulimit -Hn): connections and tables may come to need more, {ENOUGH_FILES} are enough",
            limit.rlim_max
        );
    }
}

/// Starts the three doors.
pub(super) fn open_doors(
    engine: &Arc<Engine>,
    guard: Arc<Guard>,
    pg: TcpListener,
    flight: TcpListener,
    http: TcpListener,
    shutdown: &CancellationToken,
) -> JoinSet<(&'static str, std::io::Result<()>)> {
    let sessions: Arc<dyn Sessions> = Arc::new(Arc::clone(engine));
    let health: Arc<dyn doors::http::Health> = Arc::<Engine>::clone(engine);
    let mut doors = JoinSet::new();
    let (pg_sessions, pg_guard) = (Arc::clone(&sessions), Arc::clone(&guard));
    let token = shutdown.clone();
    doors.spawn(async move {
        (
            "Postgres",
            doors::pg::serve(pg, pg_sessions, pg_guard, token).await,
        )
    });
    let token = shutdown.clone();
    doors.spawn(async move {
        (
            "Flight SQL",
            doors::flight::serve(flight, sessions, guard, token).await,
        )
    });
    let token = shutdown.clone();
    doors.spawn(async move { ("HTTP", doors::http::serve(http, health, token).await) });
    doors
}

/// Says `ready` in time; returns only when a door ends, which none does by itself.
async fn until_a_door_ends(
    engine: &Arc<Engine>,
    doors: &mut JoinSet<(&'static str, std::io::Result<()>)>,
) -> Outcome {
    let ready = async {
        while !engine.is_ready() {
            tokio::time::sleep(READY_POLL).await;
        }
        output::line("ready")
    };
    let end = async {
        match doors.join_next().await {
            Some(Ok((door, Err(e)))) => Error::outside(
                SqlState::IoError,
                format!("the {door} door has failed: {e}"),
            ),
            Some(Ok((door, Ok(())))) => {
                Error::internal(format!("the {door} door has ended by itself"))
            }
            Some(Err(e)) => Error::internal(format!("a door has failed: {e}")),
            None => Error::internal("there is no door"),
        }
    };
    tokio::pin!(end);
    tokio::select! {
        said = ready => said?,
        error = &mut end => return Err(error.into()),
    }
    Err(end.await.into())
}

/// Takes a port.
pub(super) async fn listen(door: &str, flag: &str, wanted: &Address) -> Result<TcpListener> {
    TcpListener::bind(wanted.as_str()).await.map_err(|e| {
        let message = format!("cannot listen on {wanted} for the {door} door: {e}");
        Error::outside(SqlState::IoError, message).with_hint(format!(
            "Stop what listens there, or choose another address with {flag} HOST:PORT."
        ))
    })
}

/// Where it listens, with the port that a `:0` became.
pub(super) fn address(listener: &TcpListener) -> Result<std::net::SocketAddr> {
    listener.local_addr().map_err(|e| {
        Error::outside(
            SqlState::IoError,
            format!("cannot tell where it listens: {e}"),
        )
    })
}

fn too_slow() -> Error {
    Error::outside(
        SqlState::IoError,
        "stopped before everything final was committed",
    )
    .with_hint("Nothing is lost: the next start on this root commits it.")
}
