//! Installs and starts real parts by hand.
//!
//! `parts install [kafka|python|psql|sql|postgres|spark|spark-kafka|flink|versitygw|azurite|clients]…` puts them into the cache; `parts kafka [--port N] [--secured] [--feed TOPIC] [-- COMMAND…]` starts a
//! broker, feeds TOPIC with events, and runs COMMAND with `{bootstrap}` in its arguments replaced by the broker's address, or waits for
//! Ctrl-C. `parts postgres -- COMMAND…` starts PostgreSQL with the schema of the tests, for a COMMAND with `{port}`, `{log}`, `{python}` and
//! `{jars}` in its arguments.

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sluice_tests::{
    install,
    parts::{clients, feed, flink, kafka, postgres, python, spark, stores},
    ports,
};

/// Events a second of `--feed`.
const RATE: usize = 2_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("install") => install_all(&args[1..]),
        Some("kafka") => run_kafka(&args[1..]),
        Some("postgres") => run_postgres(&args[1..]),
        _ => Err("usage: parts install [kafka|python|psql|sql|postgres|spark|spark-kafka|flink|versitygw|azurite|clients]... | parts kafka [--port N] [--secured] [--feed TOPIC] [-- COMMAND...] | parts postgres -- COMMAND...".into()),
    };
    match done {
        Ok(code) => code,
        Err(e) => {
            eprintln!("parts: {e}");
            ExitCode::from(3)
        }
    }
}

fn install_all(names: &[String]) -> Result<ExitCode, String> {
    let all = ["kafka", "python", "psql"].map(str::to_owned);
    for name in if names.is_empty() { &all } else { names } {
        let place = match name.as_str() {
            "kafka" => kafka::install()?,
            "python" => python::install()?,
            "psql" => install::program("psql", "postgresql-client")?,
            "sql" => postgres::clients()?,
            "postgres" => postgres::install()?,
            "spark" => spark::install()?.1,
            "spark-kafka" => spark::install_kafka()?,
            "flink" => flink::install()?,
            "versitygw" => stores::install_versitygw()?,
            "azurite" => stores::install_azurite()?,
            "clients" => install_clients()?,
            other => return Err(format!("no part is called {other}")),
        };
        println!("{name}: {}", place.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the examples of `clients/` need.
fn install_clients() -> Result<PathBuf, String> {
    postgres::jdbc()?;
    clients::flight_jdbc()?;
    clients::node()?;
    install::program("go", "golang")?;
    clients::dbt()?;
    clients::airflow()?;
    clients::superset()?;
    clients::odbc()
}

/// What `parts kafka` was asked for.
#[derive(Default)]
struct Kafka {
    port: Option<u16>,
    /// With listeners that ask for a password and that encrypt.
    secured: bool,
    /// A topic to make and to feed with events.
    feed: Option<String>,
    command: Vec<String>,
}

impl Kafka {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut wanted = Self::default();
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("{flag} needs a value"));
            match flag.as_str() {
                "--port" => {
                    let port = value()?;
                    wanted.port = Some(port.parse().map_err(|e| format!("--port {port}: {e}"))?);
                }
                "--secured" => wanted.secured = true,
                "--feed" => wanted.feed = Some(value()?.clone()),
                "--" => wanted.command = args.by_ref().cloned().collect(),
                other => return Err(format!("unknown argument {other}")),
            }
        }
        Ok(wanted)
    }
}

fn run_kafka(args: &[String]) -> Result<ExitCode, String> {
    let wanted = Kafka::parse(args)?;
    // Blocked here, before any thread starts, so that only `wait_for_signal` takes them (children start with a clean mask).
    if wanted.command.is_empty() {
        change_mask(libc::SIG_BLOCK);
    }
    let port = wanted.port.unwrap_or_else(ports::free);
    let broker = if wanted.secured {
        kafka::Broker::start_secured(port)?
    } else {
        kafka::Broker::start_on(port)?
    };
    eprintln!(
        "[parts] Apache Kafka {} listens on {}",
        kafka::VERSION,
        broker.bootstrap()
    );
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        if let Some(topic) = &wanted.feed {
            broker.create_topic(topic, feed::PARTITIONS as i32);
            eprintln!("[parts] feeding topic {topic} with {RATE} events a second");
            scope.spawn(|| feed::feed(&broker, topic, RATE, || over.load(Ordering::Relaxed)));
        }
        let ended = run_beside(&broker, &wanted.command);
        over.store(true, Ordering::Relaxed);
        ended
    })
}

fn run_beside(broker: &kafka::Broker, command: &[String]) -> Result<ExitCode, String> {
    if command.is_empty() {
        eprintln!("[parts] Ctrl-C stops it");
        wait_for_signal();
        return Ok(ExitCode::SUCCESS);
    }
    let known = [
        ("{bootstrap}", broker.bootstrap()),
        ("{pid}", broker.pid().to_string()),
        ("{sasl}", broker.sasl()),
        ("{tls}", broker.tls()),
    ];
    run_with(&known, command)
}

fn run_postgres(args: &[String]) -> Result<ExitCode, String> {
    let Some((_, command)) = args.split_first().filter(|(first, _)| *first == "--") else {
        return Err("parts postgres needs -- and a command".into());
    };
    let server = postgres::Postgres::start()?;
    let known = [
        ("{port}", server.port().to_string()),
        ("{log}", server.log().display().to_string()),
        ("{python}", postgres::captured()?.display().to_string()),
        ("{jars}", postgres::jdbc()?.display().to_string()),
    ];
    run_with(&known, command)
}

/// Runs a command with what is known put into it.
fn run_with(known: &[(&str, String)], command: &[String]) -> Result<ExitCode, String> {
    let fill_all = |argument: &String| {
        let fill = |arg: String, (name, value): &(&str, String)| arg.replace(name, value);
        known.iter().fold(argument.clone(), fill)
    };
    let Some(program) = command.first().map(fill_all) else {
        return Err("no command to run".into());
    };
    let mut child = Command::new(&program)
        .args(command[1..].iter().map(fill_all))
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    // Ctrl-C is the command's to answer; we stop the broker after it, not before.
    // SAFETY: ignoring a signal touches nothing of ours.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
    }
    let status = child.wait().map_err(|e| format!("{program}: {e}"))?;
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(1)).unwrap_or(1),
    ))
}

/// SIGINT and SIGTERM.
fn signals() -> libc::sigset_t {
    // SAFETY: a signal set is plain data that sigemptyset fills in.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        set
    }
}

fn change_mask(how: i32) {
    let set = signals();
    // SAFETY: the set is initialised.
    unsafe {
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

fn wait_for_signal() {
    let set = signals();
    let mut signal = 0;
    // SAFETY: set and signal are initialised.
    unsafe {
        libc::sigwait(&raw const set, &raw mut signal);
    }
}
