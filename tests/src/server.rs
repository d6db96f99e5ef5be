//! One `sluice serve` on free ports and a root of its own: start, kill, restart, ask.
//!
//! When a test fails, the last lines of the server's log are printed; a wait that is over also shows what `system.queries`,
//! `system.splits` and `system.events` say.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    pg::{Pg, Refusal},
    ports,
    process::{Process, tail},
    wait::wait_for,
};

/// How long the server may take to be ready.
pub const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to leave after SIGTERM (design §13).
pub const LEAVE_LIMIT: Duration = Duration::from_secs(10);

/// The built `sluice`: `SLUICE_BIN`, or the one beside the running test.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("SLUICE_BIN") {
        return path.into();
    }
    let exe = env::current_exe().expect("our own path");
    let beside = exe
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join("sluice"))
        .find(|path| path.is_file());
    beside.unwrap_or_else(|| {
        panic!(
            "no sluice beside {}: build it with cargo build -p sluice-server (make test does), or set SLUICE_BIN",
            exe.display()
        )
    })
}

/// A command of the built `sluice`, with none of our own settings around it.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("SLUICE_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// A server; ended when dropped, and its root removed.
#[derive(Debug)]
pub struct Server {
    dir: TempDir,
    root: PathBuf,
    pg: u16,
    flight: u16,
    http: u16,
    args: Vec<String>,
    env: Vec<(String, OsString)>,
    process: Option<Process>,
}

impl Server {
    /// Starts on a fresh root and waits until ready.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Server::start`], with more arguments to `serve`.
    pub fn start_with(args: &[&str]) -> Self {
        let mut server = Self::idle();
        server.args = args.iter().map(ToString::to_string).collect();
        server.up();
        server
    }

    /// A server that is not started yet.
    pub fn idle() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("sluice-test-")
            .tempdir()
            .expect("a temporary folder");
        Self {
            root: dir.path().join("root"),
            dir,
            pg: ports::free(),
            flight: ports::free(),
            http: ports::free(),
            args: Vec::new(),
            env: Vec::new(),
            process: None,
        }
    }

    /// A server for a root elsewhere, whose local folder is its own.
    pub fn idle_at(root: &str, environment: &[(&'static str, String)]) -> Self {
        let mut server = Self::idle();
        server.root = root.into();
        for (name, value) in environment {
            server.set_env(name, value);
        }
        server
    }

    /// Adds arguments to `serve`.
    pub fn add_args(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(ToString::to_string));
    }

    /// The folder that it runs in, with its log.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until it has ended by itself; the exit status.
    pub fn wait_ended(&mut self, limit: Duration) -> ExitStatus {
        let process = self.process.as_mut().expect("a launched server");
        let ended = wait_for("sluice to end by itself", limit, || process.ended());
        self.process = None;
        ended.unwrap_or_else(|e| panic!("{e}\n{}", self.log_tail()))
    }

    /// The `serve` command for this root and these ports.
    pub fn serve_command(&self) -> Command {
        let mut command = command();
        command
            .arg("serve")
            .arg("--root")
            .arg(&self.root)
            .arg("--pg-listen")
            .arg(format!("127.0.0.1:{}", self.pg))
            .arg("--flight-listen")
            .arg(format!("127.0.0.1:{}", self.flight))
            .arg("--http-listen")
            .arg(format!("127.0.0.1:{}", self.http))
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path());
        command
    }

    /// Sets an environment variable for the next start.
    pub fn set_env(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.push((name.to_owned(), value.into()));
    }

    /// Starts it and waits until `/readyz` says so.
    pub fn up(&mut self) {
        self.launch();
        self.wait_ready();
    }

    /// Starts it without waiting.
    pub fn launch(&mut self) {
        let process = Process::start("sluice", self.serve_command(), &self.log())
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", binary().display()));
        self.process = Some(process);
    }

    /// Waits until `/readyz` answers 200.
    pub fn wait_ready(&mut self) {
        let mut ended = None;
        let http = self.http;
        let process = self.process.as_mut().expect("a launched server");
        let ready = wait_for("sluice to be ready", READY_LIMIT, || {
            ended = process.ended();
            let ready = get(http, "/readyz").is_ok_and(|(status, _)| status == 200);
            (ready || ended.is_some()).then_some(())
        });
        if let Some(status) = ended {
            panic!("sluice ended by itself with {status}:\n{}", self.log_tail());
        }
        if let Err(e) = ready {
            panic!("{e}\n{}", self.log_tail());
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGTERM; must leave in time.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running server");
        process.terminate(LEAVE_LIMIT).unwrap_or_else(|| {
            panic!(
                "sluice did not leave within {} s of SIGTERM:\n{}",
                LEAVE_LIMIT.as_secs(),
                self.log_tail()
            )
        })
    }

    /// SIGKILL, and the same again on the same root and ports.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.up();
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running server").id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|p| p.ended().is_none())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Port of the Postgres door.
    pub fn pg_port(&self) -> u16 {
        self.pg
    }

    /// Port of the Flight SQL door.
    pub fn flight_port(&self) -> u16 {
        self.flight
    }

    /// Port of the HTTP door.
    pub fn http_port(&self) -> u16 {
        self.http
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The Delta folder of `schema.table`.
    pub fn table_dir(&self, schema: &str, table: &str) -> PathBuf {
        self.root.join("tables").join(schema).join(table)
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("sluice.log")
    }

    /// All it has printed so far.
    pub fn log_text(&self) -> String {
        fs::read(self.log()).map_or_else(
            |e| format!("(no log: {e})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        format!(
            "--- last lines of sluice's log ---\n{}",
            tail(&self.log(), 40)
        )
    }

    /// A connection to the Postgres door.
    pub fn connect(&self) -> Pg {
        Pg::connect(self.pg).unwrap_or_else(|e| panic!("cannot connect: {e}\n{}", self.log_tail()))
    }

    /// As [`Server::connect`], where being refused is an answer.
    pub fn try_connect(&self) -> Result<Pg, Refusal> {
        Pg::connect(self.pg)
    }

    /// `GET` from the HTTP door: status and body.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        get(self.http, path)
    }

    /// A metric without labels.
    pub fn metric(&self, name: &str) -> i64 {
        let (_, text) = self.get("/metrics").expect("metrics");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// Waits until `ready`; in vain, shows log and system tables and fails.
    pub fn wait<T>(&self, what: &str, limit: Duration, ready: impl FnMut() -> Option<T>) -> T {
        wait_for(what, limit, ready)
            .unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.system_tables(), self.log_tail()))
    }

    /// What the system tables say now, for a failure's message.
    pub fn system_tables(&self) -> String {
        let Ok(pg) = self.try_connect() else {
            return "(the Postgres door does not answer)".into();
        };
        ["system.queries", "system.splits", "system.events"]
            .map(|table| {
                let sql = format!("SELECT * FROM {table} LIMIT 20");
                match pg.try_run_within(&sql, Duration::from_secs(10)) {
                    Ok(rows) => format!("--- {table} ---\n{}", text_of(&rows)),
                    Err(e) => format!("--- {table}: {e}"),
                }
            })
            .join("\n")
    }

    /// Seconds of processor time used so far (user and system).
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("/proc");
        seconds_of(stat.rsplit(") ").next().unwrap_or_default())
    }

    /// The same of its threads of this name that are there.
    pub fn cpu_seconds_of(&self, name: &str) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("/proc");
        let stats = tasks.flatten().filter_map(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).ok()?;
            let named = stat.split_once('(')?.1.rsplit_once(") ")?;
            (named.0 == name).then(|| seconds_of(named.1))
        });
        stats.sum()
    }

    /// A line of `/proc/<pid>/status` in MiB: `VmHWM` is the peak, `VmRSS` the present resident size.
    pub fn memory_mib(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("/proc");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.expect("a figure") / 1024.0
    }
}

/// Seconds of processor time (user and system) in what stands behind the name in a `stat` of `/proc`.
fn seconds_of(after_name: &str) -> f64 {
    let ticks = after_name.split(' ').skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    // SAFETY: sysconf has no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    ticks / per_second as f64
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        self.kill();
    }
}

fn text_of(rows: &[Vec<Option<String>>]) -> String {
    rows.iter()
        .map(|row| {
            row.iter()
                .map(|value| value.as_deref().unwrap_or("∅"))
                .collect::<Vec<_>>()
                .join(" | ")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A plain HTTP/1.1 GET on loopback: status and body.
pub fn get(port: u16, path: &str) -> Result<(u16, String), String> {
    let mut stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|e| format!("connect: {e}"))?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .map_err(|e| e.to_string())?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    .map_err(|e| format!("send: {e}"))?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .map_err(|e| format!("read: {e}"))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| format!("not HTTP: {text:?}"))?;
    let body = text
        .split_once("\r\n\r\n")
        .map_or_else(String::new, |(_, body)| body.to_owned());
    Ok((status, body))
}
