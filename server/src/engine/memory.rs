//! Whose memory is whose: ad-hoc queries share a bounded pool and spill beyond it; the state of a stream has a limit of its own.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

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

/// A scratch folder in a local root, empty: what a process that was killed left there is nobody's.
fn scratch(root: &Root) -> Result<Option<PathBuf>> {
    let Some(root) = &root.local_path else {
        return Ok(None);
    };
    let folder = root.join("scratch");
    let emptied = match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(&folder),
    };
    match emptied {
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
