//! Logs: to standard error, or to a file while a view has the terminal; how much is `SLUICE_LOG`'s to say.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use sluice_server::error::{Error, Result, SqlState};
use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "SLUICE_LOG";

/// Logs to standard error; `default` holds where `SLUICE_LOG` says nothing.
pub(super) fn to_stderr(default: &str) -> Result<()> {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(default)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second call (in tests) leaves the first one's choice.
    let _ = subscriber.try_init();
    Ok(())
}

/// Logs to a file.
pub(super) fn to_file(path: &Path, default: &str) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(|e| {
        Error::outside(
            SqlState::IoError,
            format!("cannot write the log {}: {e}", path.display()),
        )
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(default)?)
        .with_ansi(false)
        .with_writer(Mutex::new(file));
    let _ = subscriber.try_init();
    Ok(())
}

fn filter(default: &str) -> Result<EnvFilter> {
    let text = std::env::var(VARIABLE).unwrap_or_default();
    let text = if text.trim().is_empty() {
        // The libraries below us tell much that only their authors can use.
        format!("warn,buoyant_kernel=off,sluice={default},sluice_server={default}")
    } else {
        text
    };
    // The parser tells every literal that it meets, and some are secrets.
    let text = format!("{text},sqlparser=off");
    EnvFilter::try_new(&text).map_err(|e| {
        let message = format!("{VARIABLE} '{text}' cannot be understood: {e}");
        Error::user(SqlState::InvalidParameterValue, message)
            .with_hint("Write a level (error, warn, info, debug, trace) or target=level pairs, such as info,sluice_server=debug.")
    })
}
