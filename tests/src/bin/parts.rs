//! Installs and starts real parts by hand.
//!
//! `parts install [kafka|python|psql|spark]…` puts them into the cache; `parts kafka [--port N] [-- COMMAND…]` starts a broker and runs
//! COMMAND with `{bootstrap}` in its arguments replaced by the broker's address, or waits for Ctrl-C.

use std::process::{Command, ExitCode};

use sluice_tests::{
    install,
    parts::{kafka, python, spark},
    ports,
};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("install") => install_all(&args[1..]),
        Some("kafka") => run_kafka(&args[1..]),
        _ => Err("usage: parts install [kafka|python|psql|spark]... | parts kafka [--port N] [-- COMMAND...]".into()),
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
            "spark" => spark::install()?.1,
            other => return Err(format!("no part is called {other}")),
        };
        println!("{name}: {}", place.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn run_kafka(args: &[String]) -> Result<ExitCode, String> {
    let (options, command) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    // Blocked here, before any thread starts, so that only `wait_for_signal` takes them (children start with a clean mask).
    if command.is_empty() {
        change_mask(libc::SIG_BLOCK);
    }
    let port = match options {
        [] => ports::free(),
        [flag, port] if flag == "--port" => {
            port.parse().map_err(|e| format!("--port {port}: {e}"))?
        }
        _ => return Err(format!("unknown arguments: {options:?}")),
    };
    let broker = kafka::Broker::start_on(port)?;
    eprintln!(
        "[parts] Apache Kafka {} listens on {}",
        kafka::VERSION,
        broker.bootstrap()
    );
    let Some(program) = command.first() else {
        eprintln!("[parts] Ctrl-C stops it");
        wait_for_signal();
        return Ok(ExitCode::SUCCESS);
    };
    let arguments = command[1..]
        .iter()
        .map(|arg| arg.replace("{bootstrap}", &broker.bootstrap()));
    let mut child = Command::new(program)
        .args(arguments)
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
