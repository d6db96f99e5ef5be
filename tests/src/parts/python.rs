//! Python clients in a virtual environment of the cache: psycopg, ADBC Flight SQL, delta-rs.
//!
//! Scripts are in `tests/python/`; each prints one JSON value.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    cache::{self, say},
    install,
};

const REQUIREMENTS: [&str; 4] = [
    "psycopg[binary]==3.3.9",
    "adbc-driver-flightsql==1.13.0",
    "pyarrow==26.0.1",
    "deltalake==1.6.6",
];

/// Installs the environment and returns its interpreter.
pub fn install() -> Result<PathBuf, String> {
    venv("python-clients", &REQUIREMENTS)
}

/// A virtual environment named `name` with these requirements; its interpreter.
pub fn venv(name: &str, requirements: &[&str]) -> Result<PathBuf, String> {
    let dir = cache::part(name, &requirements.join("\n"), |dir| {
        say(&format!(
            "installing {} (pip, in a virtual environment)",
            requirements.join(" ")
        ));
        let mut pip = pip_install(dir)?;
        pip.args(requirements);
        install::run("pip install", &mut pip)
    })?;
    Ok(dir.join("bin/python"))
}

/// An empty virtual environment in `dir`, as a `pip install` of it without what to install.
pub fn pip_install(dir: &Path) -> Result<Command, String> {
    let python = install::program("python3", "python3")?;
    let make = || {
        let mut command = Command::new(&python);
        command.args(["-m", "venv"]).arg(dir);
        install::run("python3 -m venv", &mut command)
    };
    if make().is_err() {
        // Debian keeps what venv needs in a package of its own
        install::package("python3-venv")?;
        make()?;
    }
    let mut pip = Command::new(dir.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    Ok(pip)
}

/// Runs `tests/python/<script>` with `args`; the JSON it printed. Anything else is a failure.
pub fn run(script: &str, args: &[&str]) -> Value {
    let python = install().unwrap_or_else(|e| panic!("no Python clients: {e}"));
    run_with(&python, script, args)
}

/// As [`run`], with another interpreter.
pub fn run_with(python: &Path, script: &str, args: &[&str]) -> Value {
    let path = crate::folder().join("python").join(script);
    let out = print_with(python, &path, args);
    let last = out.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|e| panic!("{script} printed no JSON ({e}):\n{out}"))
}

/// Runs a script that stands anywhere; what it printed.
pub fn print(script: &Path, args: &[&str]) -> String {
    let python = install().unwrap_or_else(|e| panic!("no Python clients: {e}"));
    print_with(&python, script, args)
}

fn print_with(python: &Path, script: &Path, args: &[&str]) -> String {
    let shown = script.display();
    let output = Command::new(python)
        .arg(script)
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|e| panic!("{shown}: {e}"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{shown} {args:?} left with {}:\n{out}{err}",
        output.status
    );
    out
}
