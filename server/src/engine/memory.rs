//! Whose memory is whose: ad-hoc queries share a bounded pool and spill beyond it; the state of a stream has a limit of its own.

use std::{fs, io, num::NonZeroUsize, path::Path, sync::Arc};

use datafusion::execution::{
    memory_pool::{FairSpillPool, TrackConsumersPool},
    runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
};

use crate::{
    error::{Error, Result, SqlState},
    root::HeldRoot,
};

/// How many of those that hold the most an error names.
const NAMED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

/// What ad-hoc queries run in. Streams take its scratch folder over, and not its pool.
pub(super) fn runtime(held: &HeldRoot, query_memory: usize) -> Result<Arc<RuntimeEnv>> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(query_memory), NAMED);
    let folder = held.local.scratch();
    scratch(folder)?;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_temp_file_path(folder)
        .build_arc()?;
    if held.root.is_remote() {
        // Data files are read through the store that the root was opened with, credentials and all.
        runtime.register_object_store(&held.root.url, Arc::clone(&held.root.base));
    }
    Ok(runtime)
}

/// What the engine's disk manager calls the folder that it makes for itself.
const MADE: &str = "datafusion-";

/// Makes the scratch folder ready.
fn scratch(folder: &Path) -> Result<()> {
    tidied(folder).map_err(|error| {
        Error::outside(
            SqlState::IoError,
            format!(
                "the scratch folder {} cannot be used: {error}",
                folder.display()
            ),
        )
    })
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
