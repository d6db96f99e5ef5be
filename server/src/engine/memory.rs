//! Whose memory is whose: ad-hoc queries share a bounded pool and spill beyond it; the state of a stream has a limit of its own.

use std::{
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::execution::{
    memory_pool::{FairSpillPool, TrackConsumersPool},
    runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
};
use sluice_connectors::store::Root;

use crate::error::{Error, Result, SqlState};

/// How many of those that hold the most an error names.
const NAMED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

/// What ad-hoc queries run in. Streams take its scratch folder over, and not its pool.
pub(super) fn runtime(root: &Root, query_memory: usize) -> Result<Arc<RuntimeEnv>> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(query_memory), NAMED);
    let mut builder = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool));
    if let Some(folder) = scratch(root)? {
        builder = builder.with_temp_file_path(folder);
    }
    Ok(builder.build_arc()?)
}

/// What the engine's disk manager calls the folder that it makes for itself.
const MADE: &str = "datafusion-";

/// The scratch folder in a local root.
fn scratch(root: &Root) -> Result<Option<PathBuf>> {
    let Some(root) = &root.local_path else {
        return Ok(None);
    };
    let folder = root.join("scratch");
    match tidied(&folder) {
        Ok(()) => Ok(Some(folder)),
        Err(error) => Err(Error::outside(
            SqlState::IoError,
            format!(
                "the scratch folder {} cannot be used: {error}",
                folder.display()
            ),
        )),
    }
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
