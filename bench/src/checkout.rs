//! Which code was measured: the commit, and whether the checkout is just that.
//!
//! What the benchmark itself writes (`bench/results`, `docs/benchmarks.md` and its charts) is no change of the code.

use std::{path::Path, process::Command};

use serde::{Deserialize, Serialize};

/// What git says of a checkout.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Checkout {
    /// The commit it stands at.
    pub commit: String,
    /// Paths that are not as committed.
    pub changed: Vec<String>,
}

/// What the commands write.
const WRITTEN: [&str; 3] = ["bench/results/", "docs/benchmarks.md", "docs/benchmarks/"];

impl Checkout {
    /// Asks git.
    pub fn of(root: &Path) -> Result<Self, String> {
        let git = |args: &[&str]| {
            let output = Command::new("git").arg("-C").arg(root).args(args).output();
            let output = output.map_err(|e| format!("git: {e}"))?;
            if !output.status.success() {
                return Err(format!(
                    "git {}: {}",
                    args.join(" "),
                    String::from_utf8_lossy(&output.stderr).trim()
                ));
            }
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
        let status = git(&["status", "--porcelain", "--untracked-files=all"])?;
        Ok(Self {
            commit: commit.trim().to_owned(),
            changed: changed(&status),
        })
    }

    /// Refuses a checkout that is not what its commit is.
    pub fn judge(&self, overruled: bool) -> Result<(), String> {
        if self.changed.is_empty() || overruled {
            return Ok(());
        }
        let shown: Vec<&str> = self.changed.iter().take(5).map(String::as_str).collect();
        Err(format!(
            "the checkout is not what is committed ({} paths: {}{}). Commit, or overrule it with SLUICE_BENCH_DIRTY_CHECKOUT=1, which the report tells",
            self.changed.len(),
            shown.join(", "),
            if self.changed.len() > shown.len() {
                ", …"
            } else {
                ""
            }
        ))
    }
}

/// Paths of `git status --porcelain` that are not written by the benchmark.
fn changed(status: &str) -> Vec<String> {
    status
        .lines()
        .filter_map(|line| line.get(3..))
        .map(|path| path.rsplit(" -> ").next().unwrap_or(path).trim_matches('"'))
        .filter(|path| !WRITTEN.iter().any(|written| path.starts_with(written)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
