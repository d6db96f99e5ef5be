//! Bounded waiting.

use std::time::{Duration, Instant};

/// Asks `ready` every 50 ms until it gives something; `Err` says how long was waited for what.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if start.elapsed() > limit {
            return Err(format!("waited {} s in vain: {what}", limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
