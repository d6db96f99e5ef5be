//! Work that takes long enough for others to notice.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Rows beyond which it is long: some milliseconds.
const LONG_ROWS: usize = 20_000;

/// Does work over so many rows. Where it is long, the runtime's other tasks go on elsewhere meanwhile, if the runtime has an elsewhere.
pub(crate) fn long<T>(rows: usize, work: impl FnOnce() -> T) -> T {
    let threads = Handle::try_current().map(|handle| handle.runtime_flavor());
    match threads {
        Ok(RuntimeFlavor::MultiThread) if rows > LONG_ROWS => tokio::task::block_in_place(work),
        _ => work(),
    }
}
