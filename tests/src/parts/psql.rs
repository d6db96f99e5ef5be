//! PostgreSQL's own psql.

use std::process::{Command, Output};

use crate::install;

/// Runs psql with `args` against a Sluice on `port`, no start-up file, stopping at the first error.
pub fn run(port: u16, args: &[&str]) -> Output {
    command(port)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("psql: {e}"))
}

/// As [`run`]; psql must leave with 0. What it printed.
pub fn print(port: u16, args: &[&str]) -> String {
    let output = run(port, args);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "psql {args:?} left with {}:\n{out}{err}",
        output.status
    );
    out.into_owned()
}

/// The command, for tests that feed or kill it.
pub fn command(port: u16) -> Command {
    let psql = install::program("psql", "postgresql-client").unwrap_or_else(|e| panic!("{e}"));
    let mut command = Command::new(psql);
    command
        .args([
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "sluice",
            "-d",
            "sluice",
        ])
        .args(["-p", &port.to_string()])
        .env("PGCONNECT_TIMEOUT", "10")
        .env("PAGER", "")
        .env("LC_ALL", "C.UTF-8");
    command
}
