//! What a disk says when it fails, told so that a person can act on it.
//!
//! The one fault that must never be taken for a plain failure is [`Unsynced`]: the file is there under its name, but nobody knows
//! whether it survives a loss of power. Whoever finds it there later must not take it for written.

use std::{error::Error, fmt, io, path::Path};

use object_store::Error as StoreError;

use crate::error::ConnectorError;

/// The name under which the local store signs its errors.
pub(super) const STORE: &str = "DurableLocal";

/// An I/O error with the file it was about.
#[derive(Debug)]
pub(super) struct FileFault {
    path: String,
    source: io::Error,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.source)
    }
}

impl Error for FileFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// A file is visible, but its folder could not be synced; or that happened before and the store takes no more writes.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) reason: String,
}

impl fmt::Display for Unsynced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the disk failed to make a write durable: {}",
            self.reason
        )
    }
}

impl Error for Unsynced {}

/// An I/O error as the store's error; a missing or an existing file keeps its kind.
pub(super) fn generic(source: io::Error, path: &Path) -> StoreError {
    let text = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound => StoreError::NotFound {
            path: text,
            source: source.into(),
        },
        io::ErrorKind::AlreadyExists => StoreError::AlreadyExists {
            path: text,
            source: source.into(),
        },
        _ => StoreError::Generic {
            store: STORE,
            source: Box::new(FileFault { path: text, source }),
        },
    }
}

/// An I/O error that befell something of this name.
pub(crate) fn io_fault(source: io::Error, name: &str) -> StoreError {
    generic(source, Path::new(name))
}

/// Whether a file that is now visible may be lost with the next loss of power.
pub(crate) fn is_unsynced(error: &StoreError) -> bool {
    chain(error).any(|cause| cause.is::<Unsynced>())
}

fn chain(error: &StoreError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |cause| (*cause).source())
}

/// The store's error as ours. `what` says what was being done, as in "write tables/gold/x".
pub fn storage_error(what: &str, error: StoreError) -> ConnectorError {
    if matches!(error, StoreError::NotFound { .. }) {
        return ConnectorError::NotFound {
            message: format!("cannot {what}: it is not there"),
            hint: None,
        };
    }
    let cause = chain(&error).find_map(|cause| cause.downcast_ref::<io::Error>());
    let (text, retry) = match cause.map(|cause| (cause.kind(), cause.raw_os_error())) {
        Some((io::ErrorKind::StorageFull, _)) => ("disk full".to_owned(), true),
        Some((io::ErrorKind::QuotaExceeded, _)) => ("disk quota exceeded".to_owned(), true),
        Some((io::ErrorKind::ReadOnlyFilesystem, _)) => {
            ("the file system is mounted read-only".to_owned(), false)
        }
        Some((io::ErrorKind::PermissionDenied, _)) => ("permission denied".to_owned(), false),
        // EIO: the device itself; trying again may seem to work and lose data (fsync reports an error once only).
        Some((_, Some(5))) => ("the disk reports an input/output error".to_owned(), false),
        _ if chain(&error).any(|cause| cause.is::<Unsynced>()) => (
            chain(&error)
                .last()
                .map_or_else(String::new, ToString::to_string),
            false,
        ),
        // Credentials expire and come anew, so it is tried again.
        _ if is_refusal(&error) => {
            let said = condensed(&error.to_string());
            let message = format!("cannot {what}: the store refuses us: {said}");
            return ConnectorError::Storage {
                message,
                retry: true,
            };
        }
        _ => (String::new(), true),
    };
    let detail = chain(&error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string);
    let message = if text.is_empty() {
        format!("cannot {what}: {}", condensed(&error.to_string()))
    } else if text == detail {
        format!("cannot {what}: {text}")
    } else {
        format!("cannot {what}: {text} ({detail})")
    };
    ConnectorError::Storage { message, retry }
}

/// Whether a store does not know us, or does not let us.
fn is_refusal(error: &StoreError) -> bool {
    match error {
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => true,
        // Of a listing the client says it in the text alone.
        StoreError::Generic { .. } => {
            let text = error.to_string();
            ["status code: 403", "status code: 401"]
                .iter()
                .any(|sign| text.contains(sign))
        }
        _ => false,
    }
}

/// What a store said, without the page around it: of an XML answer the code and the message, on one line.
///
/// The rest of such an answer (what was signed, by which key) is for nobody's log.
pub(crate) fn condensed(text: &str) -> String {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once("</")?;
        Some(value.lines().next().unwrap_or_default().trim().to_owned())
    };
    let page = text
        .find("<?xml")
        .or_else(|| text.find("<Error"))
        .or_else(|| text.find("<html"))
        .or_else(|| text.find("<!"));
    let told = match page {
        None => text.to_owned(),
        Some(at) => {
            let said = [element("Code"), element("Message")];
            let said: Vec<String> = said.into_iter().flatten().collect();
            format!("{}{}", text.get(..at).unwrap_or_default(), said.join(": "))
        }
    };
    let mut line = told.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(at);
        line.push('…');
    }
    line
}

/// Characters of what a store said that are passed on.
const LONGEST: usize = 500;
