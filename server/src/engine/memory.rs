//! Whose memory is whose: ad-hoc queries share a bounded pool and spill beyond it; the state of a stream has a limit of its own.

use std::{fs, io, num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use datafusion::{
    error::DataFusionError,
    execution::{
        memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
};

use crate::{
    error::{Error, Result, SqlState},
    root::HeldRoot,
};

/// How many of those that hold the most an error names.
const NAMED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

/// How often a scratch folder without room is tried.
const ROOM_EVERY: Duration = Duration::from_secs(1);

/// The least that values of expressions may take.
const VALUES: usize = 64 << 20;

/// What the long values that ad-hoc queries make take their memory from: half as much again as everything else of theirs.
///
/// It is another pool, or a sort that is about to spill would leave nothing for the values of its next rows.
pub(super) fn values(query_memory: usize) -> Arc<dyn MemoryPool> {
    Arc::new(GreedyMemoryPool::new((query_memory / 2).max(VALUES)))
}

/// What ad-hoc queries run in. Streams take its scratch folder over, and not its pool.
///
/// A full disk is waited out, or a server that is started again and again would never be up when there is room.
pub(super) async fn runtime(held: &HeldRoot, query_memory: usize) -> Result<Arc<RuntimeEnv>> {
    let mut told = false;
    loop {
        match made(held, query_memory) {
            Err(error) if error.state == SqlState::DiskFull => {
                if !told {
                    tracing::warn!("waiting for room: {error}");
                }
                told = true;
                tokio::time::sleep(ROOM_EVERY).await;
            }
            other => return other,
        }
    }
}

fn made(held: &HeldRoot, query_memory: usize) -> Result<Arc<RuntimeEnv>> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(query_memory), NAMED);
    let folder = held.local.scratch();
    tidied(folder).map_err(|error| unusable(folder, &error))?;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_temp_file_path(folder)
        .build_arc()
        .map_err(|error| match error {
            DataFusionError::IoError(error) => unusable(folder, &error),
            other => other.into(),
        })?;
    if held.root.is_remote() {
        // Data files are read through the store that the root was opened with, credentials and all.
        runtime.register_object_store(&held.root.url, Arc::clone(&held.root.base));
    }
    Ok(runtime)
}

/// What the engine's disk manager calls the folder that it makes for itself.
const MADE: &str = "datafusion-";

fn unusable(folder: &Path, error: &io::Error) -> Error {
    let state = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SqlState::DiskFull,
        _ => SqlState::IoError,
    };
    let folder = folder.display();
    let message = format!("the scratch folder {folder} cannot be used: {error}");
    Error::outside(state, message)
}

/// Makes the folder; removes what a process that was killed left there, and nothing else: a root may be a folder of other things too.
fn tidied(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(MADE) && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
