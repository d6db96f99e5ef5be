//! Whether a machine is quiet enough to measure on: what share of its processors others took for some seconds.
//!
//! Looked at before anything of ours runs, so all that is busy is others'. Time stolen by the host counts: it is somebody's too.

use std::{fs, thread, time::Duration};

/// Jiffies of all processors since the system started.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal (guest times are in user already).
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let idle: u64 = fields.get(3)? + fields.get(4)?;
        let all: u64 = fields.iter().sum();
        Some(Self {
            busy: all - idle,
            all,
        })
    }

    fn percent_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let busy = self.busy.saturating_sub(before.busy);
        if all == 0 {
            0.0
        } else {
            busy as f64 / all as f64 * 100.0
        }
    }
}

/// Percent of all processors that were busy for this long.
pub fn busy_percent(wait: Duration) -> Result<f64, String> {
    let look = || {
        let stat = fs::read_to_string("/proc/stat").map_err(|e| format!("/proc/stat: {e}"))?;
        Ticks::parse(&stat).ok_or_else(|| "/proc/stat does not begin with cpu".to_owned())
    };
    let before = look()?;
    thread::sleep(wait);
    Ok(look()?.percent_since(before))
}

/// Refuses where it is too busy; says how busy, and how to go on all the same.
pub fn judge(busy_percent: f64, limit: f64) -> Result<(), String> {
    if busy_percent <= limit {
        return Ok(());
    }
    Err(format!(
        "the machine is too busy to measure on: others take {busy_percent:.0} % of its processors, and more than {limit:.0} % spoils figures. Stop them, or overrule it with SLUICE_BENCH_BUSY_LIMIT=100, which the report tells"
    ))
}

#[cfg(test)]
mod tests;
