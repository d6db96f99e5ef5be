//! Where installed parts live: outside the checkout, shared by every run, safe under several runs at once.
//!
//! A part is a folder that is either absent or whole: installing happens under a lock file, and the folder counts only
//! once its marker is written, last. A run killed in the middle leaves a folder without marker, and the next run starts it anew.

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// The cache folder: `SLUICE_CACHE`, else `$XDG_CACHE_HOME/sluice`, else `~/.cache/sluice`.
pub fn root() -> PathBuf {
    if let Some(dir) = set("SLUICE_CACHE") {
        return dir;
    }
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("sluice")
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Says what is being done, on standard error: installing takes minutes and silence looks like a hang.
pub fn say(what: &str) {
    eprintln!("[parts] {what}");
}

/// The folder of part `name`, made by `install` when it is not there yet.
///
/// `recipe` is what the part is made from (versions, pom, requirements): when it changes, the part is installed anew.
pub fn part(
    name: &str,
    recipe: &str,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let parts = root().join("parts");
    let dir = parts.join(name);
    let marker = dir.join(".installed");
    let whole = || fs::read_to_string(&marker).is_ok_and(|text| text == recipe);
    if whole() {
        return Ok(dir);
    }
    fs::create_dir_all(&parts).map_err(|e| format!("cannot make {}: {e}", parts.display()))?;
    let _lock = Lock::take(&parts.join(format!("{name}.lock")))
        .map_err(|e| format!("cannot lock {}: {e}", parts.display()))?;
    if whole() {
        return Ok(dir); // another run made it while we waited
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(|e| format!("cannot clear {}: {e}", dir.display()))?;
    }
    fs::create_dir_all(&dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
    install(&dir)?;
    fs::write(&marker, recipe).map_err(|e| format!("cannot write {}: {e}", marker.display()))?;
    Ok(dir)
}

/// An exclusive lock on a file, held until dropped; the system lets go of it when the process dies.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Waits for the lock.
    pub fn take(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        // SAFETY: flock takes a descriptor we own.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(file))
    }
}
