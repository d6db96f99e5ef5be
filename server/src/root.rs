//! The root: the one place where everything durable lies, held by one server at a time.
//!
//! A local root is held through a lock on `<root>/LOCK`, which the operating system lets go when the process dies, however it dies; a
//! root on a store through a lease ([`lease`]) that is renewed for as long as the process lives. Neither is what keeps two servers from
//! spoiling each other's tables, for a process may sleep through anything: that is the manifest log of each query, whose next number
//! the one who takes over claims first. `<root>/FORMAT` says which layout the root has: a root of a newer layout is refused untouched.

mod lease;
mod local;

use std::{path::PathBuf, sync::Arc, time::Duration};

use sluice_connectors::{
    error::ConnectorError,
    store::{self, Root, StoreSettings},
};

use self::{lease::Lease, local::Lock};
pub use self::{lease::MIN_LEASE, local::Local};
use crate::error::{Error, Fault, Result, SqlState};

/// Layout of the root that this build writes.
pub const FORMAT: u32 = 1;

/// How a root is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootOptions {
    /// Settings of the store beside its URL.
    pub storage: StoreSettings,
    /// Folder on local disk for what need not outlive the machine; `None`: in a local root, or beside where the server was started.
    pub scratch: Option<PathBuf>,
    /// How long a server may be silent before another one takes its root on a store over.
    pub lease: Duration,
}

impl Default for RootOptions {
    fn default() -> Self {
        Self {
            storage: StoreSettings::default(),
            scratch: None,
            lease: Duration::from_secs(15),
        }
    }
}

/// A root that is ours as long as this value lives, or until [`HeldRoot::lost`] says otherwise.
#[derive(Debug)]
pub struct HeldRoot {
    /// The store.
    pub root: Root,
    /// What lies on local disk in any case.
    pub local: Local,
    /// What holds it.
    pub holding: Holding,
}

/// What holds a root; whoever writes without a log that would fence it asks here first.
#[derive(Clone, Debug)]
pub struct Holding(Arc<Hold>);

#[derive(Debug)]
enum Hold {
    Lock(#[expect(dead_code, reason = "held for its lock")] Lock),
    Lease(Lease),
}

/// Opens and holds a root; makes it where there is none. `owner` is this process's id.
pub async fn hold(url: &str, options: &RootOptions, owner: &str) -> Result<HeldRoot> {
    let opened = store::open_root(url, &options.storage).await;
    let root = opened.map_err(|error| match error {
        // Of a root, what is in the way is the store itself.
        ConnectorError::Conflict { message, hint } => {
            Error::outside(SqlState::FeatureNotSupported, message).explained(None, hint)
        }
        error => storage_error(error),
    })?;
    let has_format = has_format(&root).await?;
    let (local, hold) = match &root.local_path {
        Some(path) => {
            let lock = Lock::of_root(path)?;
            let local = Local::beside(path, root.url.as_str(), options.scratch.as_deref());
            (local, Hold::Lock(lock))
        }
        None => {
            let local = Local::of_remote(&root, options.scratch.as_deref()).await?;
            let lease = Lease::take(&root, options.lease, owner, local.id()).await?;
            (local, Hold::Lease(lease))
        }
    };
    if !has_format {
        root.put_text("FORMAT", &format!("{FORMAT}\n"))
            .await
            .map_err(storage_error)?;
    }
    Ok(HeldRoot {
        root,
        local,
        holding: Holding(Arc::new(hold)),
    })
}

impl HeldRoot {
    /// Resolves when another server has taken the root over, with what is to be told; never for a local root.
    pub async fn lost(&self) -> Error {
        match self.holding.0.as_ref() {
            Hold::Lock(_) => std::future::pending().await,
            Hold::Lease(lease) => lease.lost().await,
        }
    }

    /// Lets go of the root, so that the next server need not wait.
    pub async fn release(&self) {
        if let Hold::Lease(lease) = self.holding.0.as_ref() {
            lease.release().await;
        }
    }
}

impl Holding {
    /// Makes sure that the root is ours at this moment: to be asked before anything is written that no manifest log guards, and before
    /// a manifest log is claimed.
    ///
    /// # Errors
    /// Where it is not, or where that cannot be found out.
    pub async fn confirm(&self) -> Result<()> {
        match self.0.as_ref() {
            Hold::Lock(_) => Ok(()),
            Hold::Lease(lease) => lease.confirm().await,
        }
    }

    /// Whether another server can have been at work here without holding the root: one that slept past its lease and does not know yet.
    pub fn may_meet_a_sleeper(&self) -> bool {
        matches!(self.0.as_ref(), Hold::Lease(_))
    }
}

/// Refuses a root of a newer layout; whether it has one at all.
async fn has_format(root: &Root) -> Result<bool> {
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
        None => Ok(false),
        Some(text) => match text.trim().parse::<u32>() {
            Ok(found) if found <= FORMAT => Ok(true),
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
        ConnectorError::Denied { .. } => (Fault::Outside, SqlState::InvalidAuthorization),
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
