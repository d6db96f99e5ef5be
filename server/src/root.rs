//! The root: the one place where everything durable lies, held by one server at a time.
//!
//! A local root is held through a lock on `<root>/LOCK`, which the operating system lets go when the process dies, however it dies.
//! `<root>/FORMAT` says which layout the root has: a root of a newer layout is refused untouched.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Write,
};

use sluice_connectors::{
    error::ConnectorError,
    store::{self, Root},
};

use crate::error::{Error, Fault, Result, SqlState};

/// Layout of the root that this build writes.
pub const FORMAT: u32 = 1;

/// A root that is ours as long as this value lives.
#[derive(Debug)]
pub struct HeldRoot {
    /// The store.
    pub root: Root,
    _lock: Option<File>,
}

/// Opens and holds a root; makes it where there is none.
pub async fn hold(url: &str) -> Result<HeldRoot> {
    let root = store::open_root(url).map_err(storage_error)?;
    let lock = match &root.local_path {
        Some(path) => Some(lock(path)?),
        None => None,
    };
    check_format(&root).await?;
    Ok(HeldRoot { root, _lock: lock })
}

fn lock(path: &std::path::Path) -> Result<File> {
    let io = |error: std::io::Error| {
        Error::outside(
            SqlState::IoError,
            format!("root {} cannot be used: {error}", path.display()),
        )
    };
    std::fs::create_dir_all(path).map_err(io)?;
    let file_path = path.join("LOCK");
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(&file_path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            // For people only: who holds it.
            file.set_len(0).map_err(io)?;
            writeln!(file, "{}", std::process::id()).map_err(io)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&file_path).unwrap_or_default();
            Err(Error::outside(
                SqlState::ObjectInUse,
                format!("root {} is in use by another server", path.display()),
            )
            .with_detail(format!("It is held by process {}.", holder.trim()))
            .with_hint("Stop that server, or give this one another root with --root."))
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

async fn check_format(root: &Root) -> Result<()> {
    let newer = |found: &str| {
        Error::outside(
            SqlState::FeatureNotSupported,
            format!(
                "root {} has format {found}, this build reads up to {FORMAT}",
                root.url
            ),
        )
        .with_hint("It was written by a newer version of Sluice: run that version, or give another root with --root.")
    };
    match root.read_text("FORMAT").await.map_err(storage_error)? {
        None => root
            .put_text("FORMAT", &format!("{FORMAT}\n"))
            .await
            .map_err(storage_error),
        Some(text) => match text.trim().parse::<u32>() {
            Ok(found) if found <= FORMAT => Ok(()),
            Ok(found) => Err(newer(&found.to_string())),
            Err(_) => Err(newer(&format!("{:?}", text.trim()))),
        },
    }
}

/// A connector's error as people see it.
pub fn storage_error(error: ConnectorError) -> Error {
    let hint = error.hint().map(str::to_owned);
    let message = error.to_string();
    let (fault, state) = match &error {
        ConnectorError::Option { .. } => (Fault::User, SqlState::InvalidParameterValue),
        ConnectorError::NotFound { .. } => (Fault::User, SqlState::UndefinedTable),
        ConnectorError::Conflict { .. } => (Fault::User, SqlState::ObjectNotInPrerequisiteState),
        ConnectorError::Unreachable { .. } => (Fault::Outside, SqlState::ConnectionFailure),
        ConnectorError::DataLost { .. } | ConnectorError::Corrupt { .. } => {
            (Fault::Outside, SqlState::DataCorrupted)
        }
        ConnectorError::Storage { .. } if message.contains("disk full") => {
            (Fault::Outside, SqlState::DiskFull)
        }
        ConnectorError::Storage { .. } => (Fault::Outside, SqlState::IoError),
        _ => (Fault::Internal, SqlState::InternalError),
    };
    Error::new(fault, state, message).explained(None, hint)
}
