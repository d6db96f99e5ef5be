//! What was measured, as it is kept in `bench/results/<scenario>.json`, and medians of it.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::checkout::Checkout;

/// Figures of one run by name. Units stand last in a name: `cpu_s`, `peak_mib`, `p99_ms`.
pub type Run = BTreeMap<String, f64>;

/// One line of a scenario: an engine, or a variant.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Line {
    /// What was measured: `Sluice`, `Spark`, `consume alone`.
    pub name: String,
    /// One entry a run; the n-th runs of a scenario's lines were neighbours in time.
    pub runs: Vec<Run>,
}

/// One scenario with all that is to be known about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// How its answers were checked.
    pub checked: String,
    /// When it was over.
    pub at: String,
    /// Code.
    pub checkout: Checkout,
    /// Percent of the processors that others took before.
    pub busy_percent: f64,
    /// Machine and versions.
    pub machine: BTreeMap<String, String>,
    /// Settings that were given.
    pub settings: BTreeMap<String, String>,
    /// What it was run with: events, rates, partitions.
    pub given: BTreeMap<String, String>,
    /// What was measured.
    pub lines: Vec<Line>,
}

/// A median with the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// In the middle.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
    /// How many there are.
    pub runs: usize,
}

impl Spread {
    /// Of figures; none of none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut all: Vec<f64> = figures.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let middle = all.len() / 2;
        let upper = *all.get(middle)?;
        let median = if all.len().is_multiple_of(2) {
            (all.get(middle - 1)? + upper) / 2.0
        } else {
            upper
        };
        Some(Self {
            median,
            min: *all.first()?,
            max: *all.last()?,
            runs: all.len(),
        })
    }
}

impl Line {
    /// Of no run yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            runs: Vec::new(),
        }
    }

    /// One figure over all runs that have it.
    pub fn spread(&self, figure: &str) -> Option<Spread> {
        Spread::of(self.runs.iter().filter_map(|run| run.get(figure).copied()))
    }

    /// How many times another line's figure ours is, run by run.
    pub fn ratio(&self, other: &Self, figure: &str) -> Option<Spread> {
        let pairs = self.runs.iter().zip(&other.runs);
        Spread::of(pairs.filter_map(|(a, b)| {
            let (a, b) = (a.get(figure)?, b.get(figure)?);
            (*b > 0.0).then_some(a / b)
        }))
    }
}

impl Scenario {
    /// A line by its name.
    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// Writes it as `<folder>/<name>.json`.
    pub fn write(&self, folder: &Path) -> Result<(), String> {
        let path = folder.join(&self.name).with_extension("json");
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text + "\n"))
            .map_err(|e| format!("cannot write {}: {e}", path.display()))
    }

    /// All that are in a folder, by name.
    pub fn read_all(folder: &Path) -> Result<BTreeMap<String, Self>, String> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
            let text = fs::read_to_string(&path).map_err(|e| told(&e))?;
            let scenario: Self = serde_json::from_str(&text).map_err(|e| told(&e))?;
            all.insert(scenario.name.clone(), scenario);
        }
        Ok(all)
    }
}

/// A run of these figures.
pub fn run<const N: usize>(figures: [(&str, f64); N]) -> Run {
    figures
        .map(|(name, figure)| (name.to_owned(), figure))
        .into()
}

/// The figure at a quantile of sorted ones, by nearest rank.
pub fn rank(sorted: &[f64], q: f64) -> Option<f64> {
    let at = ((sorted.len() as f64 * q).ceil() as usize).saturating_sub(1);
    sorted.get(at).copied()
}

#[cfg(test)]
mod tests;
