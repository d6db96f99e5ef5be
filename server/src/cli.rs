//! The command line: what people type, what it does, and how it ends.
//!
//! Exit codes are part of what scripts rely on: 0 all went well, 1 the user's input (a statement, a file, an option, a setting), 2 the
//! command line itself, 3 the outside (a broker, a store, a port, a disk), 4 a defect of ours. Standard output has answers and nothing
//! else; logs, notices and errors go to standard error.

pub(crate) mod cells;
mod check;
mod completions;
mod demo;
pub(crate) mod embedded;
mod huge_pages;
mod logging;
pub(crate) mod output;
mod owner;
pub(crate) mod print;
mod program_pages;
mod run;
mod script;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use sluice_server::error::{Error, Fault};

use crate::config::{Address, Auth, Lease, Memory, check_environment};

/// How a command ends when it does not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// One thing went wrong.
    Error(Error),
    /// It has been told already; this many things of the user's were wrong.
    Reported,
    /// Whoever read our output has gone away.
    OutputClosed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Result of a command.
pub(crate) type Outcome = Result<(), Failure>;

/// SQL-first streaming: Kafka in, gold Delta tables out, one program.
///
/// Register streams and keep tables up to date with continuous SQL; read them over the Postgres wire protocol (psql, Grafana, any
/// driver), over Arrow Flight SQL (ADBC, JDBC), or as the plain Delta tables they are.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, max_term_width = 100, after_long_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sluice demo                         watch gold fill from generated events; nothing else is needed
  sluice serve                        serve ./sluice-data on the default ports
  psql -h 127.0.0.1 -p 5455 -U sluice sluice
                                      then CREATE STREAM …, CREATE TABLE gold.… AS SELECT …
  sluice check pipeline.sql           is it right? Reads nothing, writes nothing
  sluice run pipeline.sql             do it now, on a server of its own, and print the rows

Exit codes: 0 well, 1 your input, 2 the command line, 3 the outside (broker, store, port), 4 a defect of ours.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    ///
    /// It serves until SIGTERM or Ctrl-C, which commit what is final and end it within 10 seconds. Being
    /// killed loses nothing either: the next start on the same root goes on where it was.
    ///
    /// It has three doors:
    ///   Postgres    psql, psycopg, JDBC, Grafana, Superset, dbt …
    ///   Flight SQL  ADBC, JDBC, pyarrow: large results as Arrow
    ///   HTTP        /healthz /readyz /metrics
    ///
    /// Database and first user are called sluice; on loopback no password is asked. A door that other machines
    /// can reach needs a certificate, and asks for passwords: that of sluice is made up at the first start and
    /// printed, unless --owner-password-file or SLUICE_PASSWORD give it.
    #[command(verbatim_doc_comment, after_long_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Run a SQL script on a server of its own and print its rows
    ///
    /// Rows of queries print as they come, rows of continuous tables as their windows close. It ends by itself when every source is
    /// bounded, else on Ctrl-C.
    #[command(after_long_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Plan a SQL script and run nothing: every error with file:line:column
    ///
    /// Every statement is planned as if the ones before it had been run; no broker is asked, nothing is written. The exit code is 1 if
    /// there is any error.
    Check(CheckArgs),
    /// Watch the whole job on generated events: stream, windows, gold table
    ///
    /// A stream, one-minute windows with count, average and 95th percentile, a gold Delta table. Event time runs 60 times faster than
    /// the clock, so that windows close while one watches.
    ///
    /// On a terminal it draws a view (q ends it); elsewhere, or with --plain, it prints lines.
    #[command(after_long_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Print completions for a shell
    #[command(after_long_help = COMPLETIONS_EXAMPLE)]
    Completions(CompletionsArgs),
}

const COMPLETIONS_EXAMPLE: &str = "\
Example:
  sluice completions bash > ~/.local/share/bash-completion/completions/sluice";

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// Folder or URL under which everything durable lives [default: ./sluice-data]
    #[arg(long, value_name = "URL", env = "SLUICE_ROOT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    root: Option<String>,
    /// Address of the Postgres door [default: 127.0.0.1:5455]
    #[arg(long, value_name = "ADDR", env = "SLUICE_PG_LISTEN")]
    pg_listen: Option<Address>,
    /// Address of the Flight SQL door [default: 127.0.0.1:5456]
    #[arg(long, value_name = "ADDR", env = "SLUICE_FLIGHT_LISTEN")]
    flight_listen: Option<Address>,
    /// Address of the HTTP door [default: 127.0.0.1:5457]
    #[arg(long, value_name = "ADDR", env = "SLUICE_HTTP_LISTEN")]
    http_listen: Option<Address>,
    /// Memory that ad-hoc queries may take, all together; streams have their own [default: 1 GB]
    #[arg(long, value_name = "SIZE", env = "SLUICE_QUERY_MEMORY")]
    query_memory: Option<Memory>,
    /// Folder on local disk for what need not outlive the machine: epoch journals of a root on a store, state beyond memory [default:
    /// in a local root; ./sluice-scratch for others]
    #[arg(long, value_name = "DIR", env = "SLUICE_SCRATCH")]
    scratch: Option<PathBuf>,
    /// Silence after which another server may take a root on a store over [default: 15 s]
    #[arg(long, value_name = "TIME", env = "SLUICE_ROOT_LEASE")]
    root_lease: Option<Lease>,
    /// Whether passwords are asked [default: trust while both doors are on loopback, else password]
    #[arg(long, value_name = "HOW", env = "SLUICE_AUTH")]
    auth: Option<Auth>,
    /// Certificate of the Postgres and the Flight SQL door in PEM; read again when the file changes
    #[arg(long, value_name = "FILE", env = "SLUICE_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", env = "SLUICE_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Whose certificates clients may come with instead of a password, their common name being the user's
    #[arg(long, value_name = "FILE", env = "SLUICE_TLS_CLIENT_CA")]
    tls_client_ca: Option<PathBuf>,
    /// Let doors be open to other machines without a certificate, or with --auth trust
    #[arg(long, value_name = "BOOL", env = "SLUICE_INSECURE", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    insecure: Option<bool>,
    /// File with the first password of user sluice, used when it has none yet
    #[arg(long, value_name = "FILE", env = "SLUICE_OWNER_PASSWORD_FILE")]
    owner_password_file: Option<PathBuf>,
    /// Settings in TOML, by the names of these flags with underscores; those of the root's store in a table [storage]
    #[arg(long, value_name = "FILE", env = "SLUICE_CONFIG")]
    config: Option<PathBuf>,
}

const SERVE_EXAMPLES: &str = "\
A flag wins over its environment variable, that over the file, that over the default. Example of a file:
  root = \"/var/lib/sluice\"
  pg_listen = \"0.0.0.0:5455\"
  tls_cert = \"/etc/sluice/tls.crt\"
  tls_key = \"/etc/sluice/tls.key\"

Examples:
  sluice serve --root /var/lib/sluice
  AWS_REGION=eu-west-1 sluice serve --root s3://bucket/sluice --scratch /var/cache/sluice
  SLUICE_PG_LISTEN=127.0.0.1:6000 sluice serve --config sluice.toml
  SLUICE_LOG=debug sluice serve       more on standard error (also SLUICE_LOG=info,sluice_server::job=trace)";

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The script; - is standard input
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,
    /// Keep everything under this root [default: a temporary one, removed at the end]
    #[arg(long, value_name = "URL")]
    root: Option<String>,
    /// Folder on local disk for what need not outlive the machine, as for serve
    #[arg(long, value_name = "DIR", env = "SLUICE_SCRATCH")]
    scratch: Option<PathBuf>,
}

const RUN_EXAMPLES: &str = "\
Rows go to standard output: as tables to a terminal, as CSV elsewhere. The rest goes to standard error.

Examples:
  sluice run pipeline.sql
  sluice run pipeline.sql > rows.csv
  echo 'SELECT 1 AS one' | sluice run -";

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The script; - is standard input
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,
}

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
struct DemoArgs {
    /// Stop generating after about this long, let every window close, compare the counts and end [default: until q or Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Keep everything under this root [default: a temporary one, removed at the end]
    #[arg(long, value_name = "URL")]
    root: Option<String>,
    /// Folder on local disk for what need not outlive the machine, as for serve
    #[arg(long, value_name = "DIR", env = "SLUICE_SCRATCH")]
    scratch: Option<PathBuf>,
    /// Events per second
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: u64,
    /// Print lines even on a terminal
    #[arg(long)]
    plain: bool,
    /// Read a Kafka topic instead of generated events
    #[arg(
        long,
        value_name = "BOOTSTRAP",
        requires = "topic",
        conflicts_with = "rate"
    )]
    kafka: Option<String>,
    /// The topic, of JSON events {"timestamp", "event_type", "user_segment", "value"}
    #[arg(long, value_name = "T", requires = "kafka")]
    topic: Option<String>,
}

const DEMO_EXAMPLES: &str = "\
Examples:
  sluice demo
  sluice demo --seconds 20 | cat      for scripts: ends by itself, exit 0 when the counts agree
  sluice demo --kafka 127.0.0.1:9092 --topic events";

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match std::panic::catch_unwind(|| dispatch(cli.command)) {
        Ok(outcome) => end(outcome),
        // The panic hook has printed what and where.
        Err(_) => ExitCode::from(4),
    }
}

fn dispatch(command: Command) -> Outcome {
    if let Command::Completions(args) = command {
        return completions::run(args.shell);
    }
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    check_environment(names)?;
    huge_pages::decline();
    // Two TLS stacks are linked; without a choice the first use of either would panic.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Completions(_) => Ok(()),
    }
}

fn end(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::from(1),
        Err(Failure::Error(error)) => {
            output::error(&format!("sluice: {error}"));
            ExitCode::from(exit_code(error.fault))
        }
    }
}

/// The exit code that says whose fault it was.
fn exit_code(fault: Fault) -> u8 {
    match fault {
        Fault::User => 1,
        Fault::Outside => 3,
        Fault::Internal => 4,
    }
}

#[cfg(test)]
mod tests;
